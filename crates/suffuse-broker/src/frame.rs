//! Frames: encoded messages that all receivers share.
//!
//! A frame is the bytes of a message with the WebSocket header in front of it, in one buffer: a link
//! writes it as it is, and polling takes the message alone.

use bytes::{BufMut as _, Bytes, BytesMut};
use suffuse_proto::{Message, Version, codec::Writer};
use suffuse_websocket::{HEADER_BYTES_MAX, Opcode};

/// One encoded message. Clone is a reference count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    header_bytes: u8,
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
        Self {
            bytes: bytes.freeze().slice(start..),
            header_bytes,
        }
    }

    /// Returns the message with its WebSocket header.
    #[must_use]
    pub fn websocket(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the message alone.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.bytes[usize::from(self.header_bytes)..]
    }
}
