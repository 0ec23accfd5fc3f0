//! The server's end of a simulated connection.

use std::collections::VecDeque;

use bytes::Bytes;
use suffuse_broker::{Closing, Frame, Transport};
use suffuse_proto::{Message, Path, ResponseCode, Version, handshake::Accepted};

use crate::Replica;

/// How fast a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Its port always has room.
    Fast,
    /// Its port has room for so many bytes, and then for none until the test says so.
    UpTo(usize),
    /// Its port has no room.
    Stopped,
    /// Its port always has room, but nothing arrives.
    Deaf,
}

/// What became of a handshake.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Nothing yet.
    Open,
    /// A session.
    Accepted(Accepted),
    /// A refusal.
    Refused(ResponseCode),
}

/// A message that arrived, and what it meant.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) message: Message,
    /// For topic data: the path, and the value that it makes.
    update: Option<(Path, Bytes)>,
}

impl Arrival {
    /// Compares what topic data means.
    #[track_caller]
    pub(crate) fn check_update(&self, path: &str, value: &[u8]) {
        let (of, made) = self.update.as_ref().expect("it is topic data");
        assert_eq!(of.as_str(), path, "data of another topic");
        assert_eq!(&made[..], value, "another value of `{path}`");
    }
}

/// A simulated connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) version: Version,
    transport: Transport,
    pub(crate) outcome: Outcome,
    pub(crate) reading: Reading,
    /// What arrived and was not looked at.
    pub(crate) arrived: VecDeque<Arrival>,
    pub(crate) replica: Replica,
    /// How many messages arrived since the session began, or started anew.
    pub(crate) received: u32,
    /// What was handed over before the handshake was answered.
    early: Vec<Frame>,
    /// Why the broker ended it.
    pub(crate) closed: Option<Closing>,
}

impl Link {
    pub(crate) fn new(version: Version, transport: Transport, takes_zlib: bool) -> Self {
        Self {
            version,
            transport,
            outcome: Outcome::Open,
            reading: Reading::Fast,
            arrived: VecDeque::new(),
            replica: Replica::new(version, takes_zlib),
            received: 0,
            early: Vec::new(),
            closed: None,
        }
    }

    /// Takes what the port got.
    pub(crate) fn receive(&mut self, frames: &[Frame]) {
        if matches!(self.outcome, Outcome::Open) {
            return self.early.extend_from_slice(frames);
        }
        let is_split = self.transport == Transport::HttpPolling;
        assert!(
            !is_split || frames.iter().all(|frame| frame.message_count() == 1),
            "polls carry single messages"
        );
        for message in frames.iter().flat_map(Frame::messages) {
            let message = Message::decode(Bytes::copy_from_slice(message), self.version);
            let message = message.expect("the broker sends well-formed messages");
            if let Err(problem) = self.replica.take(&message) {
                panic!("a client would stumble: {problem}");
            }
            self.received += 1;
            let update = self.update_of(&message);
            self.arrived.push_back(Arrival { message, update });
        }
    }

    /// The server accepted the client; `before` is the connection that this one takes the place of.
    pub(crate) fn accept(&mut self, accepted: Accepted, before: Option<Self>) {
        if let Some(before) = before {
            self.replica = before.replica;
            if accepted.code == ResponseCode::RECONNECTED {
                self.arrived = before.arrived;
                self.received = before.received;
            } else {
                self.replica.start_anew();
            }
        }
        self.outcome = Outcome::Accepted(accepted);
        let early = std::mem::take(&mut self.early);
        self.receive(&early);
    }

    /// Returns what topic data has just made.
    fn update_of(&self, message: &Message) -> Option<(Path, Bytes)> {
        let topic = match message {
            Message::TopicValue { topic, .. } | Message::TopicDelta { topic, .. } => {
                self.replica.topics().get(topic)
            }
            Message::PathValue { path, .. } | Message::PathDelta { path, .. } => {
                self.replica.find(path).map(|(_, topic)| topic)
            }
            Message::Request { .. }
            | Message::Response { .. }
            | Message::Error { .. }
            | Message::FetchReply { .. }
            | Message::Abort
            | Message::Close => None,
        }?;
        Some((topic.path.clone(), topic.value.clone()?))
    }
}
