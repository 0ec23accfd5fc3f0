//! Sessions that come back over another connection (spec: connection §7.4, §7.5, §7.6).

use std::time::{Duration, Instant};

use suffuse_proto::{
    ResponseCode,
    handshake::{ConnectionRequest, Reconnect},
};

use super::Broker;
use crate::{
    event::{Closing, Effect, LinkId, Opening, Transport},
    outbox::Item,
    session::Continuity,
    sessions::SessionKey,
};

impl Broker {
    /// Gives a session a new connection. Who has the token needs no other proof.
    pub(super) fn resume(
        &mut self,
        link: LinkId,
        opening: &Opening,
        reconnect: &Reconnect,
        now: Instant,
    ) {
        let Some(key) = self.find_resumable(&opening.request, reconnect) else {
            return self.reject(link, opening, ResponseCode::UNKNOWN_SESSION);
        };
        // The client can be back before anybody has noticed that it was away.
        self.cut(key, Closing::Replaced, now);
        let timeout = self.reconnect_timeout(opening.request.reconnect_timeout);
        let policy = self.settings.reconnect_policy;
        let Some(session) = self.sessions.get_mut(key) else {
            return self.reject(link, opening, ResponseCode::UNKNOWN_SESSION);
        };
        if session.phase.resumed().is_err() {
            return self.reject(link, opening, ResponseCode::UNKNOWN_SESSION);
        }
        session.reconnect_timeout = timeout;
        session.origin.transport = opening.transport;
        session.was_heard = true;
        tracing::debug!(
            session = %session.id,
            client_has = reconnect.client_sequence,
            client_received = reconnect.server_sequence,
            received = session.received,
            sent = session.recovery.sent(),
            "a client is back"
        );
        let code = if session.goes_on(policy, reconnect) {
            let again = session.messages_after(reconnect.server_sequence as u32);
            let takes_bursts = opening.transport == Transport::WebSocket;
            session.queue.resume(again, takes_bursts);
            session.continuity = Continuity::Resumed;
            ResponseCode::RECONNECTED
        } else {
            self.start_anew(key, Continuity::Anew);
            ResponseCode::RECONNECTED_WITH_MESSAGE_LOSS
        };
        self.connect_again(key, link, code, now);
    }

    fn find_resumable(
        &self,
        request: &ConnectionRequest,
        reconnect: &Reconnect,
    ) -> Option<SessionKey> {
        let key = self.sessions.by_token(&reconnect.token?)?;
        let session = self.sessions.get(key)?;
        (session.version == request.version).then_some(key)
    }

    fn connect_again(&mut self, key: SessionKey, link: LinkId, code: ResponseCode, now: Instant) {
        self.sessions.attach(key, link);
        self.schedule(key, now + self.settings.ping_interval);
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        tracing::debug!(session = %session.id, code = code.0, "session resumed");
        let response = self.response(session, code);
        if !session.queue.is_empty() {
            self.mark_dirty(key);
        }
        self.effect(Effect::Accept { link, response });
    }

    /// Ends the connection of a session that has one. The session waits for another one.
    pub(super) fn cut(&mut self, key: SessionKey, cause: Closing, now: Instant) {
        let Some(link) = self.sessions.get(key).and_then(|session| session.link) else {
            return;
        };
        self.sessions.detach(link);
        self.effect(Effect::Close {
            link,
            cause,
            frames: Vec::new(),
        });
        self.lose(key, now);
    }

    /// A client that repeats itself may have left something out instead, which it takes for sent. On its next
    /// connection it is told that messages are lost.
    pub(super) fn on_repetition(&mut self, key: SessionKey, now: Instant) {
        let policy = self.settings.reconnect_policy;
        if let Some(session) = self.sessions.get(key)
            && session.loses_what_it_repeats(policy)
        {
            tracing::debug!(session = %session.id, "a client has sent the wrong messages again");
            self.cut(key, Closing::Unresponsive, now);
        }
    }

    /// More waits for a session without a connection than the limits allow: what waits is dropped, and the
    /// client is told so when it comes back.
    pub(super) fn give_up_messages(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get(key) {
            tracing::info!(session = %session.id, "the messages for a session without a connection are dropped: more wait than the limits allow");
        }
        self.start_anew(key, Continuity::Broken);
    }

    /// Forgets all messages of a session and what they were about. Its topics are announced again, with the
    /// value of the moment when the client takes it.
    fn start_anew(&mut self, key: SessionKey, continuity: Continuity) {
        let limits = self.queue_limits();
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        // What its client takes for the value that it set last may not have arrived.
        for stream in std::mem::take(&mut session.update_streams) {
            self.end_update_stream(stream);
        }
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.continuity = continuity;
        session.received = 0;
        session.recovery.clear();
        session.conversations = Default::default();
        session.queue.clear();
        if session.is_python() {
            session.aliases.renew();
        }
        for topic_key in &session.topics {
            let id = session.queue.next_announcement();
            if let Some(topic) = self.topics.get_mut(*topic_key) {
                topic.announce_again(key, id);
                // Announcements do not count: there is no pressure.
                session.queue.push(Item::Announce(*topic_key, id), limits);
            }
        }
    }

    /// Returns how long a session is kept without a connection, if its client asks for a time.
    pub(super) fn reconnect_timeout(&self, asked: Duration) -> Duration {
        asked.min(self.settings.reconnect_timeout_max)
    }
}
