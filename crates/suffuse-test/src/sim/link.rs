//! The server's end of a simulated connection.

use std::collections::VecDeque;

use suffuse_broker::{Closing, Frame};
use suffuse_proto::{Message, ResponseCode, Version, handshake::Accepted};

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

/// A simulated connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) version: Version,
    pub(crate) outcome: Outcome,
    pub(crate) reading: Reading,
    /// What arrived and was not looked at.
    pub(crate) arrived: VecDeque<Message>,
    pub(crate) replica: Replica,
    /// Why the broker ended it.
    pub(crate) closed: Option<Closing>,
}

impl Link {
    pub(crate) fn new(version: Version, takes_zlib: bool) -> Self {
        Self {
            version,
            outcome: Outcome::Open,
            reading: Reading::Fast,
            arrived: VecDeque::new(),
            replica: Replica::new(version, takes_zlib),
            closed: None,
        }
    }

    /// Takes what the port got.
    pub(crate) fn receive(&mut self, frames: &[Frame]) {
        for frame in frames {
            let bytes = bytes::Bytes::copy_from_slice(frame.message());
            let message = Message::decode(bytes, self.version);
            let message = message.expect("the broker sends well-formed messages");
            if let Err(problem) = self.replica.take(&message) {
                panic!("a client would stumble: {problem}");
            }
            self.arrived.push_back(message);
        }
    }
}
