//! Frames that the server writes: unmasked, whole (RFC 6455 §5.2).
//!
//! ```text
//!  byte 0                        byte 1                    then
//! ┌─────┬───────────┬──────────┐┌──────┬────────────────┐┌───────────────────────────────┐
//! │final│ 3 reserved│ 4 opcode ││masked│ 7 length       ││ length, 0, 2 or 8 bytes       │
//! └─────┴───────────┴──────────┘└──────┴────────────────┘└───────────────────────────────┘
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use crate::CloseCode;

/// The length of the longest header that the server writes.
pub const HEADER_BYTES_MAX: usize = 10;

/// The length of the longest payload that a close, ping or pong frame can have.
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

pub(crate) const FINAL_BIT: u8 = 0x80;
/// In the second byte: 2 bytes of length follow.
pub(crate) const LENGTH_16: u8 = 126;
/// In the second byte: 8 bytes of length follow.
pub(crate) const LENGTH_64: u8 = 127;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// A further part of a fragmented message.
    Continuation,
    /// A message of text, or its first part.
    Text,
    /// A message of bytes, or its first part.
    Binary,
    /// The last frame of this direction.
    Close,
    /// A question that is answered with a pong.
    Ping,
    /// The answer to a ping, or an unasked sign of life.
    Pong,
}

impl Opcode {
    /// Returns the number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Returns the opcode with this number on the wire, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    /// Returns whether it is a close, ping or pong: short, whole, and allowed between the parts of
    /// a message.
    pub const fn is_control(self) -> bool {
        match self {
            Self::Continuation | Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }
}

/// The bytes in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    length: u8,
}

impl Header {
    /// Returns the bytes to write before the payload.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// Returns the number of bytes: 2, 4 or 10.
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Writes the header to the right end of `room`, which lies directly in front of the payload,
    /// and returns where in `room` the frame begins.
    ///
    /// ```
    /// use suffuse_websocket::{HEADER_BYTES_MAX, Opcode, header};
    ///
    /// let mut buffer = vec![0; HEADER_BYTES_MAX];
    /// buffer.extend_from_slice(b"payload");
    /// let header = header(Opcode::Binary, buffer.len() - HEADER_BYTES_MAX);
    /// let room = buffer.first_chunk_mut().expect("room is reserved");
    /// let start = header.write_before_payload(room);
    /// assert_eq!(&buffer[start..], b"\x82\x07payload");
    /// ```
    pub fn write_before_payload(&self, room: &mut [u8; HEADER_BYTES_MAX]) -> usize {
        let start = HEADER_BYTES_MAX - self.len();
        room[start..].copy_from_slice(self.as_slice());
        start
    }
}

/// Returns the header of an unmasked final frame with a payload of `length` bytes.
pub const fn header(opcode: Opcode, length: usize) -> Header {
    let first = FINAL_BIT | opcode.number();
    let [a, b, c, d, e, f, g, h] = (length as u64).to_be_bytes();
    let (bytes, length) = match length {
        0..=125 => ([first, h, 0, 0, 0, 0, 0, 0, 0, 0], 2),
        126..=0xffff => ([first, LENGTH_16, g, h, 0, 0, 0, 0, 0, 0], 4),
        _ => ([first, LENGTH_64, a, b, c, d, e, f, g, h], 10),
    };
    Header { bytes, length }
}

/// Returns a whole close frame.
///
/// The reason is cut at a character so that it fits into 123 bytes. With a code that is never on
/// the wire, such as [`CloseCode::NO_STATUS`], the frame is empty.
pub fn close_frame(code: CloseCode, reason: &str) -> Bytes {
    if !code.is_on_wire() {
        return control_frame(Opcode::Close, &[]);
    }
    let code = code.0.to_be_bytes();
    let reason_bytes_max = CONTROL_PAYLOAD_BYTES_MAX - code.len();
    let reason = &reason[..reason.floor_char_boundary(reason_bytes_max)];
    control_frame(Opcode::Close, &[&code, reason.as_bytes()].concat())
}

/// Returns a whole ping frame. Of a payload longer than 125 bytes the rest is left out.
pub fn ping_frame(payload: &[u8]) -> Bytes {
    control_frame(Opcode::Ping, payload)
}

/// Returns a whole pong frame; the payload is that of the ping. Of a payload longer than 125 bytes,
/// which no ping has, the rest is left out.
pub fn pong_frame(payload: &[u8]) -> Bytes {
    control_frame(Opcode::Pong, payload)
}

fn control_frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_BYTES_MAX)];
    let header = header(opcode, payload.len());
    let mut frame = BytesMut::with_capacity(header.len() + payload.len());
    frame.put_slice(header.as_slice());
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_shortest_form_of_its_length() {
        let cases: [(usize, &[u8]); 7] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (256, &[0x82, 126, 1, 0]), // RFC 6455 §5.7
            (0xffff, &[0x82, 126, 0xff, 0xff]),
            (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), // RFC 6455 §5.7
            (
                0x0123_4567_89ab,
                &[0x82, 127, 0, 0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab],
            ),
        ];
        for (length, expected) in cases {
            let header = header(Opcode::Binary, length);
            assert_eq!(header.as_slice(), expected, "{length}");

            let mut room = [0xee; HEADER_BYTES_MAX];
            let start = header.write_before_payload(&mut room);
            assert_eq!(&room[start..], expected, "{length}");
            assert!(room[..start].iter().all(|byte| *byte == 0xee), "{length}");
        }
    }

    #[test]
    fn every_opcode_keeps_its_number() {
        let known = (0..=0x0f).filter_map(Opcode::from_number);
        let numbers: Vec<u8> = known.map(Opcode::number).collect();
        assert_eq!(numbers, [0, 1, 2, 8, 9, 10]);
    }

    #[test]
    fn control_frames_are_whole_and_never_too_long() {
        let long = [b'x'; 130];
        let cases = [
            (ping_frame(b"Hello"), b"\x89\x05Hello".to_vec()), // RFC 6455 §5.7
            (pong_frame(b""), b"\x8a\x00".to_vec()),
            (pong_frame(&long), [b"\x8a\x7d", &long[..125]].concat()),
            (
                close_frame(CloseCode::NORMAL, ""),
                b"\x88\x02\x03\xe8".to_vec(),
            ),
            (
                close_frame(CloseCode(4999), "bye"),
                b"\x88\x05\x13\x87bye".to_vec(),
            ),
            (
                close_frame(CloseCode::NO_STATUS, "lost"),
                b"\x88\x00".to_vec(),
            ),
        ];
        for (frame, expected) in cases {
            assert_eq!(frame, expected);
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = format!("{}é", "x".repeat(122)); // its last character is bytes 123 and 124
        let frame = close_frame(CloseCode::GOING_AWAY, &reason);
        assert_eq!(frame[..4], [0x88, 124, 0x03, 0xe9]);
        assert_eq!(&frame[4..], "x".repeat(122).as_bytes());
    }
}
