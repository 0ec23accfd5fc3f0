//! The life of sessions: from the handshake to the end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use suffuse_proto::{
    Message, ResponseCode, Service as _, SessionToken,
    handshake::{Accepted, Credentials},
    recovery::Recovery,
    service::SystemPing,
    topic_message::Reception,
};

use super::Broker;
use crate::{
    event::{Closing, Effect, LinkId, Opening, Secret, Ticket},
    handshakes::Waiting,
    removal::Clock,
    security::{Roles, UNKNOWN_PRINCIPAL_HASH},
    session::{CloseReason, Conversations, Origin, Phase, Session},
    sessions::SessionKey,
};

/// The property that every client may propose.
const ENVIRONMENT: &str = "$Environment";

impl Broker {
    pub(super) fn open(&mut self, link: LinkId, opening: Opening, now: Instant) {
        self.clock = Some(Clock {
            at: now,
            shown: opening.wall_clock,
        });
        if let Some(reconnect) = opening.request.reconnect.clone() {
            return self.resume(link, &opening, &reconnect, now);
        }
        if self.sessions.len() + self.handshakes.len() >= self.settings.sessions_max {
            return self.reject(link, &opening, ResponseCode::LICENSE_EXCEEDED);
        }
        if opening.request.principal.is_empty() {
            return match &self.principals.anonymous {
                Some(roles) => {
                    let roles = Roles::new(roles.iter().cloned());
                    self.accept(link, opening, roles, now);
                }
                None => self.reject(link, &opening, ResponseCode::AUTHENTICATION_FAILED),
            };
        }
        self.verify(link, opening);
    }

    /// Asks for the check of a password. An unknown principal takes as long as a known one.
    fn verify(&mut self, link: LinkId, opening: Opening) {
        let Credentials::Password(password) = &opening.request.credentials else {
            return self.reject(link, &opening, ResponseCode::AUTHENTICATION_FAILED);
        };
        if self.handshakes.len() >= self.settings.verifications_max {
            return self.reject(link, &opening, ResponseCode::ERROR);
        }
        let principal = self.principals.principals.get(&opening.request.principal);
        let hash = principal
            .map_or(UNKNOWN_PRINCIPAL_HASH, |principal| &principal.password_hash)
            .to_owned();
        let password = Secret(password.clone());
        let ticket = self.handshakes.add(Waiting { link, opening });
        self.effect(Effect::Verify {
            ticket,
            hash,
            password,
        });
    }

    pub(super) fn on_verified(&mut self, ticket: Ticket, is_right: bool, now: Instant) {
        let Some(Waiting { link, opening }) = self.handshakes.take(ticket) else {
            return; // The connection ended meanwhile.
        };
        let principal = self.principals.principals.get(&opening.request.principal);
        match principal.filter(|_| is_right) {
            Some(principal) => {
                let roles = Roles::new(principal.roles.iter().cloned());
                self.accept(link, opening, roles, now);
            }
            None => self.reject(link, &opening, ResponseCode::AUTHENTICATION_FAILED),
        }
    }

    pub(super) fn reject(&mut self, link: LinkId, opening: &Opening, code: ResponseCode) {
        let version = opening.request.version.number();
        self.effect(Effect::Reject {
            link,
            version,
            code,
        });
    }

    fn accept(
        &mut self,
        link: LinkId,
        opening: Opening,
        roles: std::sync::Arc<Roles>,
        now: Instant,
    ) {
        let id = self.next_session_id();
        let token = self.new_token();
        let session = self.new_session(id, token, link, opening, roles);
        let response = self.response(&session, ResponseCode::OK);
        tracing::debug!(session = %id, principal = session.principal, "session opened");
        let key = self.sessions.insert(session);
        self.schedule(key, now + self.settings.ping_interval);
        self.effect(Effect::Accept { link, response });
    }

    /// Returns the response to a handshake that leads to a session.
    pub(super) fn response(&self, session: &Session, code: ResponseCode) -> Accepted {
        let message_bytes_max = i32::try_from(self.settings.message_bytes_max);
        Accepted {
            version: session.version,
            code,
            session: session.id,
            token: session.token,
            ping_interval: self.settings.ping_interval,
            sequence_or_message_bytes_max: match code {
                ResponseCode::RECONNECTED => session.received.wrapping_add(1) as i32,
                _ => message_bytes_max.unwrap_or(i32::MAX),
            },
        }
    }

    fn new_token(&mut self) -> SessionToken {
        let mut random = [0; SessionToken::RANDOM_BYTES];
        (self.random)(&mut random);
        SessionToken::new(self.settings.node, random)
    }

    fn new_session(
        &mut self,
        id: suffuse_proto::SessionId,
        token: SessionToken,
        link: LinkId,
        opening: Opening,
        roles: std::sync::Arc<Roles>,
    ) -> Session {
        if *self.connector != *opening.connector {
            self.connector = opening.connector.into();
        }
        let request = opening.request;
        let mut proposed = request.proposed_properties;
        let environment = proposed
            .remove(ENVIRONMENT)
            .unwrap_or_else(|| "UNKNOWN".to_owned());
        Session {
            id,
            token,
            version: request.version,
            reception: Reception::new(request.version, request.capabilities.has_zlib()),
            principal: request.principal,
            roles,
            origin: Origin {
                transport: opening.transport,
                client_type: request.client_type,
                environment,
                address: opening.address,
                connector: self.connector.clone(),
                server_name: self.server_name.clone(),
                start: opening.wall_clock,
            },
            user_properties: self.trusted(proposed),
            phase: Phase::Active,
            link: Some(link),
            reconnect_timeout: self.reconnect_timeout(request.reconnect_timeout),
            deadline: None,
            was_heard: true,
            queue: Default::default(),
            is_dirty: false,
            is_blocked: false,
            selections: Default::default(),
            topics: Default::default(),
            update_streams: Default::default(),
            conversations: Conversations::default(),
            received: 0,
            recovery: Recovery::new(
                self.settings.recovery_messages_max,
                self.settings.recovery_bytes_max,
            ),
            continuity: Default::default(),
            aliases: Default::default(),
        }
    }

    /// Keeps the proposed properties that are trusted. Names that start with `$` are the server's own.
    fn trusted(&self, mut proposed: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let trusted = &self.principals.trusted_properties;
        proposed.retain(|key, _| trusted.contains(key) && !key.starts_with('$'));
        proposed
    }

    pub(super) fn on_lost(&mut self, link: LinkId, now: Instant) {
        self.handshakes.forget(link);
        if let Some(key) = self.sessions.detach(link) {
            self.lose(key, now);
        }
    }

    /// A session has no connection any more: it waits for its client, if that wants it to.
    pub(super) fn lose(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.phase.lost().is_err() {
            return;
        }
        session.is_blocked = false;
        tracing::debug!(session = %session.id, "connection lost");
        let timeout = session.reconnect_timeout;
        if timeout == Duration::ZERO {
            return self.close(key, CloseReason::ConnectionLost, Closing::Normal);
        }
        self.schedule(key, now + timeout);
    }

    pub(super) fn on_deadline(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.deadline = None;
        match session.phase {
            Phase::Active if session.was_heard => self.ping(key, now),
            Phase::Active => {
                tracing::debug!(session = %session.id, "a ping was not answered");
                self.cut(key, Closing::Unresponsive, now);
            }
            Phase::Lost => self.close(key, CloseReason::ConnectionLost, Closing::Normal),
            Phase::Closed => {}
        }
    }

    /// Pings a session, also when other messages flow: clients count pings only (P§6.6).
    fn ping(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.was_heard = false;
        let conversation = session.next_conversation();
        let body = bytes::Bytes::new();
        self.send(
            key,
            &Message::Request {
                service: SystemPing::ID,
                conversation,
                body,
            },
        );
        self.schedule(key, now + self.settings.ping_interval);
    }

    pub(super) fn schedule(&mut self, key: SessionKey, at: Instant) {
        if let Some(session) = self.sessions.get_mut(key) {
            self.timers.replace(key, session.deadline.replace(at), at);
        }
    }

    /// Ends a session for good. What waits for it is still sent, and the abort message after it.
    pub(super) fn close(&mut self, key: SessionKey, reason: CloseReason, cause: Closing) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.phase.close().is_err() {
            return;
        }
        self.settle();
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        tracing::debug!(session = %session.id, ?reason, "session closed");
        if let Some(link) = session.link {
            // Not what filled the queue: the session is closed because nobody takes it.
            let is_full = reason == CloseReason::QueueLimit;
            let version = session.version;
            let mut frames = if is_full { Vec::new() } else { self.drain(key) };
            frames.push(crate::Frame::new(&Message::Abort, version));
            self.effect(Effect::Close {
                link,
                cause,
                frames,
            });
        }
        self.forget(key);
    }

    /// Removes all traces of a session.
    fn forget(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.remove(key) else {
            return;
        };
        for stream in session.update_streams {
            self.end_update_stream(stream);
        }
        if let Some(deadline) = session.deadline {
            self.timers.remove(key, deadline);
        }
        self.selections.remove(key, session.selections.prefixes());
        for topic_key in session.topics {
            if let Some(topic) = self.topics.get_mut(topic_key) {
                topic.remove_subscriber(key);
                self.note_subscribers(topic_key);
            }
        }
        if let Some(now) = self.now {
            self.removals.on_close(session.id, now);
        }
    }
}
