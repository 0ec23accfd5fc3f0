//! A session: one client, over all of its connections.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexSet;
use suffuse_proto::{
    SessionId, SessionToken, Version, message::ConversationId, recovery::Recovery,
    topic_message::Reception,
};

use crate::{
    Frame,
    event::{LinkId, Transport},
    fanout::Update,
    outbox::Queue,
    security::Roles,
    subscription::Selections,
    topic::TopicKey,
    update_stream::StreamInstance,
};

mod aliases;
mod continuity;
mod conversations;
mod lifecycle;
mod properties;

pub(crate) use aliases::Aliases;
pub(crate) use continuity::Continuity;
pub(crate) use conversations::Conversations;
pub(crate) use lifecycle::Phase;

/// Why a session was closed, with the numbers that other sessions see (spec: connection §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// The connection was lost, and the client did not come back in time.
    ConnectionLost = 0,
    /// More waited for the session than the limits allow.
    QueueLimit = 3,
    /// The client asked for it.
    ByClient = 4,
    /// The client sent a message that is too large.
    MessageTooLarge = 5,
    /// The client sent something that is no message.
    InvalidMessage = 7,
    /// The server stops.
    Aborted = 8,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) token: SessionToken,
    pub(crate) version: Version,
    /// How it gets topic data.
    pub(crate) reception: Reception,
    pub(crate) principal: String,
    pub(crate) roles: Arc<Roles>,
    pub(crate) origin: Origin,
    pub(crate) user_properties: BTreeMap<String, String>,
    pub(crate) phase: Phase,
    /// The connection; none while it is lost.
    pub(crate) link: Option<LinkId>,
    /// How long it is kept without a connection.
    pub(crate) reconnect_timeout: Duration,
    /// When the session has to be looked at next: a ping is due, or its time is over.
    pub(crate) deadline: Option<Instant>,
    /// Whether a message has arrived since the last ping.
    pub(crate) was_heard: bool,
    pub(crate) queue: Queue,
    /// Whether it is in the broker's list of sessions that have something new.
    pub(crate) is_dirty: bool,
    /// Whether its port is full: nothing is offered until the link says that it is ready.
    pub(crate) is_blocked: bool,
    pub(crate) selections: Selections,
    pub(crate) topics: IndexSet<TopicKey>,
    pub(crate) update_streams: IndexSet<StreamInstance>,
    /// Ids of topics that only this session has.
    pub(crate) aliases: Aliases,
    pub(crate) conversations: Conversations,
    /// How many messages arrived, for a reconnection.
    pub(crate) received: u32,
    /// What was sent last, for a reconnection.
    pub(crate) recovery: Recovery<Frame>,
    pub(crate) continuity: Continuity,
}

/// Where a session came from: the fixed properties that never change.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) transport: Transport,
    pub(crate) client_type: String,
    pub(crate) environment: String,
    pub(crate) address: IpAddr,
    pub(crate) connector: Arc<str>,
    pub(crate) server_name: Arc<str>,
    /// The wall clock at the start, as the time since 1970.
    pub(crate) start: Duration,
}

impl Session {
    /// Returns whether it waits for its client to come back.
    pub(crate) fn is_lost(&self) -> bool {
        self.phase == Phase::Lost
    }

    /// Returns whether what is new goes to its port at once.
    pub(crate) fn is_ready(&self) -> bool {
        self.link.is_some() && !self.is_blocked
    }

    /// Returns whether it can be sent several messages as one frame.
    pub(crate) fn takes_bursts(&self) -> bool {
        self.origin.transport == Transport::WebSocket
    }

    /// Returns whether an update can go to its port and need not go through its queue.
    pub(crate) fn takes_at_once(&self, update: &Update) -> bool {
        self.is_ready()
            && self.queue.is_empty()
            && (update.parts().is_empty() || self.takes_bursts())
    }

    /// Returns the id of the next request that the server makes.
    pub(crate) fn next_conversation(&mut self) -> ConversationId {
        self.conversations.next()
    }
}
