//! What goes into a [`Broker`](crate::Broker) and what comes out of it, besides frames.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use suffuse_proto::{
    Path, ResponseCode, TopicSpecification,
    handshake::{Accepted, ConnectionRequest},
    services::time_series,
};

use crate::{Frame, update_stream::StreamInstance};

/// One connection of a client, from its handshake to its end. The driver chooses the number and never
/// uses it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// How a link carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One WebSocket frame per message.
    WebSocket,
    /// Bodies of HTTP requests and responses.
    HttpPolling,
}

/// A handshake that the driver has read.
#[derive(Clone, Debug)]
pub struct Opening {
    /// How the link carries messages.
    pub transport: Transport,
    /// What the client asks for.
    pub request: ConnectionRequest,
    /// Where the client is.
    pub address: IpAddr,
    /// The name of the listener that took the connection.
    pub connector: String,
    /// The wall clock, as the time since 1970.
    pub wall_clock: Duration,
}

/// Something that happened outside.
#[derive(Debug)]
pub enum Event {
    /// A client wants to connect. Answered by [`Effect::Accept`] or [`Effect::Reject`].
    Open {
        /// The new link.
        link: LinkId,
        /// The handshake.
        opening: Box<Opening>,
    },
    /// A message arrived on a link.
    Message {
        /// Which link.
        link: LinkId,
        /// The whole message.
        bytes: Bytes,
    },
    /// A link has sent all that it took: its port is free again.
    Ready {
        /// Which link.
        link: LinkId,
    },
    /// A link ended without a close request. The session waits for its reconnection time.
    Lost {
        /// Which link.
        link: LinkId,
    },
    /// A client broke a rule below the messages: the session is closed, the link gets [`Effect::Close`].
    Fault {
        /// Which link.
        link: LinkId,
        /// The rule.
        fault: Fault,
    },
    /// The answer to [`Effect::Verify`].
    Verified {
        /// Which question.
        ticket: Ticket,
        /// Whether the password is right.
        is_right: bool,
    },
}

/// A rule below the messages that a client broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A message is larger than the limit.
    TooLarge,
    /// Bytes that are no message.
    Malformed,
}

/// A question that the driver answers later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Something that the driver has to do.
#[derive(Debug)]
pub enum Effect {
    /// The handshake of a link succeeded: send the response, then what the port gets, which it can get earlier.
    Accept {
        /// Which link.
        link: LinkId,
        /// The response, with the session's id and token.
        response: Accepted,
    },
    /// The handshake of a link failed: send the response and end the link.
    Reject {
        /// Which link.
        link: LinkId,
        /// The protocol version to answer with.
        version: u8,
        /// Why.
        code: ResponseCode,
    },
    /// Check a password against a hash, which takes long, away from the broker; then give [`Event::Verified`].
    Verify {
        /// Repeated in the event.
        ticket: Ticket,
        /// The hash in PHC form.
        hash: String,
        /// The password. It is in no log.
        password: Secret,
    },
    /// End a link after all that its port has got, and then `frames`, was sent. The broker has forgotten the link.
    Close {
        /// Which link.
        link: LinkId,
        /// Why.
        cause: Closing,
        /// The last frames of the session.
        frames: Vec<Frame>,
    },
}

/// Why the broker ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The client asked for it, or the server closed the session: WebSocket close code 1000.
    Normal,
    /// The client broke the protocol: 1002.
    ProtocolError,
    /// The client sent a message that is too large: 1009.
    TooLarge,
    /// The client did not answer a ping, or lost messages that it should have sent again. The session waits for
    /// another connection.
    Unresponsive,
    /// The session has another connection: nothing more is sent on this one.
    Replaced,
    /// The client is to connect elsewhere: 1001, and the session waits.
    Moved,
    /// The server stops: 1001.
    Shutdown,
}

/// A text that is in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The only way in which durable state alters: validated by a handler, then applied. Persistence and
/// replication take the changes from the one place that applies them, `Broker::commit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a topic.
    AddTopic {
        /// Where.
        path: Path,
        /// What kind of topic.
        specification: TopicSpecification,
    },
    /// Sets the value of a topic.
    SetValue {
        /// Which topic.
        path: Path,
        /// The value.
        value: Bytes,
        /// The update stream that it came through. It stays valid; any other one of the topic ends.
        stream: Option<StreamInstance>,
    },
    /// Appends an event to a time series.
    AppendEvent {
        /// Which topic.
        path: Path,
        /// The event, with the next sequence number and a time not before that of the last event.
        event: time_series::Event,
    },
    /// Removes a topic.
    RemoveTopic {
        /// Which topic.
        path: Path,
    },
}
