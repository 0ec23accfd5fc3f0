//! The broker: one machine that owns all sessions and all topics.
//!
//! Events go in by [`Broker::handle`]; frames come out by [`Broker::flush`], and everything else that the
//! driver has to do by [`Broker::poll_effect`]. All durable state alters in [`Broker::commit`].

use std::{collections::VecDeque, fmt, sync::Arc, time::Instant};

use bytes::Bytes;
use suffuse_proto::{ErrorReason, Message, Path, Selector, SessionId, TopicType, Version};

use crate::{
    Frame, Settings,
    event::{Change, Closing, Effect, Event, Fault, LinkId},
    handshakes::Handshakes,
    outbox::{Item, Limits},
    removal::{Clock, Removals},
    security::PrincipalStore,
    session::CloseReason,
    sessions::{SessionKey, Sessions},
    subscription::SelectionIndex,
    timers::Timers,
    topic::tree::TopicTree,
    update_stream::UpdateStreams,
};

mod burst;
mod control;
mod lifecycle;
mod publish;
mod removing;
mod resuming;
mod subscribe;

pub use publish::Outbox;

/// Updates that wait for a session may keep so many times as much memory as may wait to be sent. They share
/// it with the other sessions that are slow.
const KEPT_BYTES_FACTOR: usize = 8;

/// A source of random bytes.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// The server's logic.
pub struct Broker {
    pub(crate) settings: Settings,
    pub(crate) principals: PrincipalStore,
    pub(crate) handshakes: Handshakes,
    pub(crate) sessions: Sessions,
    pub(crate) topics: TopicTree,
    pub(crate) update_streams: UpdateStreams,
    pub(crate) selections: SelectionIndex,
    pub(crate) timers: Timers,
    pub(crate) removals: Removals,
    /// When the event came that is handled; `None` before the first.
    now: Option<Instant>,
    /// The wall clock when the last session was opened.
    clock: Option<Clock>,
    /// Sessions whose queue has something new, for the next flush.
    dirty: Vec<SessionKey>,
    effects: VecDeque<Effect>,
    pending: burst::Pending,
    /// What the caller gets after the answer to its request.
    pub(crate) follow_ups: Vec<Message>,
    pub(crate) random: Random,
    last_session: i64,
    pub(crate) server_name: Arc<str>,
    /// The name of the listener that the last session came by. Servers have a few, so it is shared.
    pub(crate) connector: Arc<str>,
}

/// How many of everything there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions, with or without a connection.
    pub sessions: usize,
    /// Topics.
    pub topics: usize,
}

/// A topic that everybody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicTopic {
    /// Its path.
    pub path: Path,
    /// Its type.
    pub topic_type: TopicType,
    /// The type of its value: of a time series that of its events.
    pub value_type: TopicType,
    /// Its value: of a time series that of the last event.
    pub value: Option<Bytes>,
}

impl Broker {
    /// Returns a broker without sessions and topics.
    #[must_use]
    pub fn new(settings: Settings, principals: PrincipalStore, random: Random) -> Self {
        let server_name = settings.server_name.as_str().into();
        Self {
            settings,
            principals,
            handshakes: Handshakes::default(),
            sessions: Sessions::default(),
            topics: TopicTree::default(),
            update_streams: UpdateStreams::default(),
            selections: SelectionIndex::default(),
            timers: Timers::default(),
            removals: Removals::default(),
            now: None,
            clock: None,
            dirty: Vec::new(),
            effects: VecDeque::new(),
            pending: burst::Pending::default(),
            follow_ups: Vec::new(),
            random,
            last_session: 0,
            server_name,
            connector: "".into(),
        }
    }

    /// Takes what happened outside.
    pub fn handle(&mut self, event: Event, now: Instant) {
        self.now = Some(now);
        if !matches!(event, Event::Message { .. }) {
            self.settle();
        }
        match event {
            Event::Open { link, opening } => self.open(link, *opening, now),
            Event::Verified { ticket, is_right } => self.on_verified(ticket, is_right, now),
            Event::Message { link, bytes } => self.on_message(link, bytes, now),
            Event::Ready { link } => self.on_ready(link),
            Event::Lost { link } => self.on_lost(link, now),
            Event::Fault { link, fault } => self.on_fault(link, fault),
        }
    }

    /// Does what is due at a time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = Some(now);
        self.settle();
        while let Some(session) = self.timers.take_due(now) {
            self.on_deadline(session, now);
        }
        self.remove_due_topics(now);
    }

    /// Returns when [`Self::handle_timeout`] is needed next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = [self.timers.next(), self.removals.next()];
        due.into_iter().flatten().min()
    }

    /// Returns the next thing that the driver has to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Closes all sessions, because the server stops.
    pub fn shut_down(&mut self) {
        self.settle();
        for session in self.sessions.keys() {
            self.close(session, CloseReason::Aborted, Closing::Shutdown);
        }
    }

    /// Returns how many of everything there are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            sessions: self.sessions.len(),
            topics: self.topics.len(),
        }
    }

    /// Returns at most `limit` of the topics that anonymous sessions may select and read; `None` if there are no
    /// anonymous sessions, or these may not select.
    #[must_use]
    pub fn public_topics(&self, selector: &Selector, limit: usize) -> Option<Vec<PublicTopic>> {
        let roles = crate::security::Roles::new(self.principals.anonymous.clone()?);
        roles
            .require_path(
                crate::security::PathPermission::SelectTopic,
                selector.prefix(),
            )
            .ok()?;
        let topics = self
            .topics
            .matching(selector)
            .filter_map(|key| self.topics.get(key));
        let readable = topics.filter(|topic| {
            roles.allow_path(
                crate::security::PathPermission::ReadTopic,
                topic.path.as_str(),
            )
        });
        let public = readable.map(|topic| PublicTopic {
            path: topic.path.clone(),
            topic_type: topic.kind.specification.topic_type,
            value_type: topic.value_type(),
            value: topic.current_value().cloned(),
        });
        Some(public.take(limit).collect())
    }

    /// Alters durable state: the only place that does. Persistence and replication take their changes here.
    pub(crate) fn commit(&mut self, change: Change) {
        match change {
            Change::AddTopic {
                path,
                specification,
            } => self.apply_add_topic(path, specification),
            Change::SetValue {
                path,
                value,
                stream,
            } => self.apply_set_value(&path, value, stream),
            Change::AppendEvent { path, event } => self.apply_append_event(&path, &event),
            Change::RemoveTopic { path } => self.apply_remove_topic(&path),
        }
    }

    /// Returns the time on the wall, in milliseconds since 1970. Every handshake tells it.
    pub(crate) fn wall_clock_millis(&self) -> i64 {
        let (Some(now), Some(clock)) = (self.now, self.clock) else {
            return 0;
        };
        let shown = clock.shown + now.saturating_duration_since(clock.at);
        i64::try_from(shown.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn next_session_id(&mut self) -> SessionId {
        self.last_session += 1;
        SessionId {
            server: self.settings.server_id,
            value: self.last_session,
        }
    }

    fn on_message(&mut self, link: LinkId, bytes: Bytes, now: Instant) {
        let Some(key) = self.sessions.by_link(link) else {
            return; // Closed already: what was on the way is of no interest.
        };
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.was_heard = true;
        session.received = session.received.wrapping_add(1);
        if bytes.len() > self.settings.message_bytes_max {
            return self.on_fault(link, Fault::TooLarge);
        }
        match Message::decode(bytes, session.version) {
            Ok(Message::Request {
                service,
                conversation,
                body,
            }) => {
                if session.conversations.is_new(conversation) {
                    self.settle_before(service);
                    crate::call::answer(self, key, service, conversation, body);
                } else {
                    self.on_repetition(key, now);
                }
            }
            // The server's own requests need no answer, and answers to nothing are ignored (P§6.3).
            Ok(Message::Response { conversation, .. } | Message::Error { conversation, .. }) => {
                if !session.conversations.is_new_answer(conversation) {
                    self.on_repetition(key, now);
                }
            }
            Ok(Message::Close) => self.close(key, CloseReason::ByClient, Closing::Normal),
            Ok(
                Message::TopicValue { .. }
                | Message::TopicDelta { .. }
                | Message::PathValue { .. }
                | Message::PathDelta { .. }
                | Message::FetchReply { .. }
                | Message::Abort,
            ) => {
                tracing::debug!(session = %session.id, "a client sent a message that only servers send");
                self.on_fault(link, Fault::Malformed);
            }
            Err(error) => {
                tracing::debug!(session = %session.id, %error, "a client sent a malformed message");
                self.on_fault(link, Fault::Malformed);
            }
        }
    }

    fn on_fault(&mut self, link: LinkId, fault: Fault) {
        let Some(key) = self.sessions.by_link(link) else {
            return;
        };
        match fault {
            Fault::TooLarge => self.close(key, CloseReason::MessageTooLarge, Closing::TooLarge),
            Fault::Malformed => {
                self.close(key, CloseReason::InvalidMessage, Closing::ProtocolError);
            }
        }
    }

    /// Appends a message to the queue of a session.
    pub(crate) fn send(&mut self, key: SessionKey, message: &Message) {
        let frame = Frame::new(message, self.version_of(key));
        self.push(key, Item::Frame(frame));
    }

    /// Appends the messages of one answer to the queue of a session.
    pub(crate) fn send_series<'a>(
        &mut self,
        key: SessionKey,
        messages: impl Iterator<Item = &'a Message>,
    ) {
        let version = self.version_of(key);
        let frames = messages.map(|message| Frame::new(message, version));
        self.push(key, Item::Series(frames.collect()));
    }

    fn version_of(&self, key: SessionKey) -> Version {
        let session = self.sessions.get(key);
        session.map_or(Version::NEWEST, |session| session.version)
    }

    pub(crate) fn queue_limits(&self) -> Limits {
        Limits {
            messages_max: self.settings.queue_messages_max,
            bytes_max: self.settings.queue_bytes_max,
            kept_bytes_max: self
                .settings
                .queue_bytes_max
                .saturating_mul(KEPT_BYTES_FACTOR),
        }
    }

    /// Notes that the queue of a session has something new.
    fn mark_dirty(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key)
            && !session.is_dirty
            && !session.is_blocked
            && session.link.is_some()
        {
            session.is_dirty = true;
            self.dirty.push(key);
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("settings", &self.settings)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What handlers return.
pub(crate) type Answer<T> = Result<T, ErrorReason>;
