//! Frames: encoded messages that all receivers share.
//!
//! A frame is the bytes of a message with the WebSocket header in front of it, in one buffer: a link
//! writes it as it is, and polling takes the message alone.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use suffuse_proto::{Message, Version, codec::Writer};
use suffuse_websocket::{HEADER_BYTES_MAX, Opcode};

/// One encoded message, or several that go to a WebSocket together. Clone is a reference count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Arc<Encoded>);

/// What a frame shares. That a frame is one pointer keeps the queues and rings of sessions small.
#[derive(Debug, PartialEq, Eq)]
struct Encoded {
    bytes: Bytes,
    /// The length of the header of the first message.
    header_bytes: u8,
    messages: u32,
}

impl Frame {
    /// Encodes a message.
    #[must_use]
    pub fn new(message: &Message, version: Version) -> Self {
        Self::build(version, |out| message.encode(out))
    }

    /// Makes the frame of the message that `write` writes.
    pub(crate) fn build(version: Version, write: impl FnOnce(&mut Writer)) -> Self {
        let mut room = BytesMut::with_capacity(HEADER_BYTES_MAX + 64);
        room.put_bytes(0, HEADER_BYTES_MAX);
        let mut out = Writer::append_to(room, version);
        write(&mut out);
        let mut bytes = out.into_inner();
        let header = suffuse_websocket::header(Opcode::Binary, bytes.len() - HEADER_BYTES_MAX);
        let header = header.as_slice();
        let start = HEADER_BYTES_MAX - header.len();
        bytes[start..HEADER_BYTES_MAX].copy_from_slice(header);
        let header_bytes = u8::try_from(header.len()).expect("a header has at most 10 bytes");
        Self(Arc::new(Encoded {
            bytes: bytes.freeze().slice(start..),
            header_bytes,
            messages: 1,
        }))
    }

    /// Puts frames of one message together, for sessions that get all of them over a WebSocket.
    pub(crate) fn join<'a>(frames: impl Iterator<Item = &'a Self>) -> Self {
        let (mut bytes, mut messages) = (BytesMut::new(), 0);
        let mut header_bytes = 0;
        for Self(encoded) in frames {
            bytes.extend_from_slice(&encoded.bytes);
            header_bytes = if messages == 0 {
                encoded.header_bytes
            } else {
                header_bytes
            };
            messages += encoded.messages;
        }
        Self(Arc::new(Encoded {
            bytes: bytes.freeze(),
            header_bytes,
            messages,
        }))
    }

    /// Returns the message with its WebSocket header; of several, one after the other.
    #[must_use]
    pub fn websocket(&self) -> &Bytes {
        &self.0.bytes
    }

    /// Returns how many messages there are: one, unless the session has a WebSocket.
    #[must_use]
    pub fn message_count(&self) -> u32 {
        self.0.messages
    }

    /// Returns the message alone. There is one, as sessions without a WebSocket get them.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        debug_assert_eq!(self.0.messages, 1, "several messages go to WebSockets only");
        &self.0.bytes[usize::from(self.0.header_bytes)..]
    }

    /// Visits the messages.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.spans()
            .map(|Span { start, header, end }| &self.0.bytes[start + header..end])
    }

    /// Returns a frame for each of the messages, which share the bytes.
    pub(crate) fn split(&self) -> impl Iterator<Item = Self> {
        self.spans().map(|Span { start, header, end }| {
            Self(Arc::new(Encoded {
                bytes: self.0.bytes.slice(start..end),
                header_bytes: u8::try_from(header).expect("a header has at most 10 bytes"),
                messages: 1,
            }))
        })
    }

    /// Finds the messages.
    fn spans(&self) -> impl Iterator<Item = Span> {
        let mut start = 0;
        (0..self.0.messages).map(move |_| {
            let rest = &self.0.bytes[start..];
            // The frames are our own: final, without mask.
            let (header, length) = match rest[1] {
                126 => (4, u64::from(u16::from_be_bytes([rest[2], rest[3]]))),
                127 => (
                    10,
                    rest[2..10]
                        .iter()
                        .fold(0, |length, byte| length << 8 | u64::from(*byte)),
                ),
                length => (2, u64::from(length)),
            };
            let end = start + header + usize::try_from(length).expect("the message is in memory");
            let span = Span { start, header, end };
            start = end;
            span
        })
    }
}

/// Where a message is in a frame.
struct Span {
    /// Where its WebSocket header begins.
    start: usize,
    /// The length of that.
    header: usize,
    end: usize,
}

#[cfg(test)]
mod tests {
    use suffuse_proto::message::{Encoding, TopicId};

    use super::*;

    #[test]
    fn messages_that_were_put_together_are_found_again() {
        let message = |bytes: usize| Message::TopicValue {
            topic: TopicId(1),
            encoding: Encoding::Plain,
            payload: vec![7; bytes].into(),
        };
        let messages = [0, 100, 120, 121, 65_530, 65_531, 1].map(message);
        let frames = messages
            .each_ref()
            .map(|message| Frame::new(message, Version::NEWEST));

        let joined = Frame::join(frames.iter());

        assert_eq!(joined.message_count(), 7);
        let expected = messages.map(|message| message.to_bytes(Version::NEWEST));
        assert_eq!(joined.messages().collect::<Vec<_>>(), expected);
        assert_eq!(
            frames[1].messages().collect::<Vec<_>>(),
            [frames[1].message()]
        );
        assert_eq!(joined.split().collect::<Vec<_>>(), frames);
    }
}
