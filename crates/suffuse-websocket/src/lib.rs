//! RFC 6455 frames without IO, in the role of the server.
//!
//! What the server *writes* are unmasked final frames. A frame does not depend on its receiver, so
//! whoever has a message for many receivers builds [`header()`] and payload once and shares the
//! bytes:
//!
//! ```
//! use suffuse_websocket::{Opcode, header};
//!
//! let payload = b"\x00\x38\x01";
//! let frame = [header(Opcode::Binary, payload.len()).as_slice(), payload].concat();
//! assert_eq!(frame, b"\x82\x03\x00\x38\x01");
//! ```
//!
//! What a client sends goes, cut anywhere, through a [`Decoder`]:
//!
//! ```
//! use suffuse_websocket::{Decoder, Incoming};
//!
//! let mut decoder = Decoder::new(1024);
//! let mut messages = Vec::new();
//! decoder.feed(b"\x82\x83\x01\x02\x03\x04\x01\x3a\x02", &mut |incoming| match incoming {
//!     Incoming::Message(message) => messages.push(message),
//!     Incoming::Ping(_) | Incoming::Pong(_) | Incoming::Close { .. } => {}
//! })?;
//! assert_eq!(messages, [&b"\x00\x38\x01"[..]]);
//! # Ok::<(), suffuse_websocket::ProtocolError>(())
//! ```
//!
//! The opening handshake is HTTP and lives with the server; no extension is ever agreed on, so the
//! reserved bits of a frame are always an error. Messages are binary, text is refused.

mod close_code;
mod decoder;
mod frame;
mod mask;

pub use close_code::CloseCode;
pub use decoder::{Decoder, Incoming, ProtocolError};
pub use frame::{
    CONTROL_PAYLOAD_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode, close_frame, header, ping_frame,
    pong_frame,
};
pub use mask::apply_mask;
