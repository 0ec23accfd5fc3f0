//! Decoder of what one client sends.
//!
//! All that is unfinished lives in a [`Partial`], which exists while a frame or a message is
//! incomplete; between messages a decoder is three words and owns nothing. Buffers grow with the
//! bytes that arrive, never with the length that a header announces.

mod error;
mod frame_header;

use std::mem;

use bytes::Bytes;

pub use self::error::ProtocolError;
use self::frame_header::{FrameHeader, HeaderBytes};
use crate::frame::Opcode;
use crate::{CloseCode, mask};

/// Something that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A binary message, whole.
    Message(Bytes),
    /// To be answered by a pong with the same payload.
    Ping(Bytes),
    /// The answer to a ping, or an unasked sign of life.
    Pong(Bytes),
    /// The last thing that a client sends; to be answered by a close frame.
    Close {
        /// Why, if the client says so.
        code: Option<CloseCode>,
        /// Why in words; may be empty.
        reason: String,
    },
}

/// Decoder of the bytes that one client sends after the opening handshake.
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between two frames, with no message begun.
    Idle,
    Busy(Box<Partial>),
    /// After a close frame or an error: nothing that follows has a meaning.
    Ended,
}

impl Decoder {
    /// Returns a decoder that refuses messages of more than `message_bytes_max` bytes.
    pub const fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            state: State::Idle,
        }
    }

    /// Decodes what one read from the socket returned, and calls `on` for each thing that is
    /// complete, in order.
    ///
    /// Messages are copied from `input`: one allocation for each, if it came in one frame and one
    /// read. After a close or an error all input is ignored.
    ///
    /// # Errors
    ///
    /// If the client broke the protocol; `on` was called for everything before. The connection is
    /// to be closed with [`ProtocolError::close_code`].
    pub fn feed(
        &mut self,
        mut input: &[u8],
        on: &mut impl FnMut(Incoming),
    ) -> Result<(), ProtocolError> {
        // Ended, unless the end of the input is reached without a reason to end.
        let mut partial = match mem::replace(&mut self.state, State::Ended) {
            State::Idle => Partial::default(),
            State::Busy(partial) => *partial,
            State::Ended => return Ok(()),
        };
        while !input.is_empty() {
            let Some(incoming) = partial.take(&mut input, self.message_bytes_max)? else {
                continue;
            };
            let is_last = matches!(incoming, Incoming::Close { .. });
            on(incoming);
            if is_last {
                return Ok(());
            }
        }
        self.state = match partial.is_empty() {
            true => State::Idle,
            false => State::Busy(Box::new(partial)),
        };
        Ok(())
    }

    /// Returns whether a frame or a message has begun to arrive and is not complete.
    pub const fn is_mid_message(&self) -> bool {
        matches!(self.state, State::Busy(_))
    }
}

/// What has arrived of a frame and of a message that are incomplete.
#[derive(Debug, Default)]
struct Partial {
    header: HeaderBytes,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// What the control frame that is arriving has so far; it may come in the middle of a message.
    control: Vec<u8>,
    /// What the message that has begun has so far.
    message: Option<Vec<u8>>,
}

/// A frame whose payload is arriving.
#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    is_final: bool,
    /// The mask for the bytes that are to come.
    mask: [u8; 4],
    /// The bytes of payload that are to come.
    left: usize,
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.header.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    /// Takes at most one frame from the front of `input`, and returns what it completes.
    fn take(
        &mut self,
        input: &mut &[u8],
        message_bytes_max: usize,
    ) -> Result<Option<Incoming>, ProtocolError> {
        let mut frame = match self.frame.take() {
            Some(frame) => frame,
            None => match self.header.take(input)? {
                Some(header) => self.begin(header, message_bytes_max)?,
                None => return Ok(None),
            },
        };
        let (payload, rest) = input.split_at(frame.left.min(input.len()));
        *input = rest;
        self.receive(&mut frame, payload, message_bytes_max);
        if frame.left > 0 {
            self.frame = Some(frame);
            return Ok(None);
        }
        self.finish(&frame)
    }

    /// Checks that a frame fits into the message and its limit, before anything is allocated.
    fn begin(
        &mut self,
        header: FrameHeader,
        message_bytes_max: usize,
    ) -> Result<Frame, ProtocolError> {
        let FrameHeader {
            opcode,
            is_final,
            length,
            mask,
        } = header;
        match (opcode, self.message.is_some()) {
            (Opcode::Continuation, false) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Binary | Opcode::Text, true) => {
                return Err(ProtocolError::ExpectedContinuation);
            }
            (Opcode::Continuation, true)
            | (Opcode::Binary | Opcode::Text, false)
            | (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {}
        }
        let left = match opcode.is_control() {
            true => length as usize, // at most 125
            false => self.data_length(length, message_bytes_max)?,
        };
        Ok(Frame {
            opcode,
            is_final,
            mask,
            left,
        })
    }

    fn data_length(&self, length: u64, max: usize) -> Result<usize, ProtocolError> {
        let so_far = self.message.as_ref().map_or(0, Vec::len);
        match usize::try_from(length) {
            Ok(length) if length <= max.saturating_sub(so_far) => Ok(length),
            Ok(_) | Err(_) => {
                let announced = length.saturating_add(so_far as u64);
                Err(ProtocolError::TooBig { announced, max })
            }
        }
    }

    fn receive(&mut self, frame: &mut Frame, payload: &[u8], message_bytes_max: usize) {
        frame.left -= payload.len();
        let buffer = match frame.opcode.is_control() {
            true => &mut self.control,
            false => self.message.get_or_insert_default(),
        };
        let start = buffer.len();
        let expected = match frame.is_final {
            true => start + payload.len() + frame.left,
            false => message_bytes_max,
        };
        reserve(buffer, payload.len(), expected);
        buffer.extend_from_slice(payload);
        mask::apply_mask(&mut buffer[start..], frame.mask);
        frame.mask = mask::advance_key(frame.mask, payload.len());
    }

    fn finish(&mut self, frame: &Frame) -> Result<Option<Incoming>, ProtocolError> {
        let incoming = match frame.opcode {
            Opcode::Close => close(&mem::take(&mut self.control))?,
            Opcode::Ping => Incoming::Ping(mem::take(&mut self.control).into()),
            Opcode::Pong => Incoming::Pong(mem::take(&mut self.control).into()),
            Opcode::Continuation | Opcode::Text | Opcode::Binary if !frame.is_final => {
                return Ok(None);
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                let message = self.message.take().unwrap_or_default();
                // A boxed slice: nobody who keeps the message keeps unused capacity.
                Incoming::Message(message.into_boxed_slice().into())
            }
        };
        Ok(Some(incoming))
    }
}

/// Makes room for `more` bytes: exactly for these if the buffer is new, otherwise doubling, but
/// never beyond the `expected` length of the whole.
fn reserve(buffer: &mut Vec<u8>, more: usize, expected: usize) {
    let needed = buffer.len() + more;
    if needed > buffer.capacity() {
        let capacity = needed.max(expected.min(buffer.capacity().saturating_mul(2)));
        buffer.reserve_exact(capacity - buffer.len());
    }
}

fn close(payload: &[u8]) -> Result<Incoming, ProtocolError> {
    let (code, reason) = match payload {
        [] => (None, payload),
        [_] => return Err(ProtocolError::BadClosePayload),
        [high, low, reason @ ..] => (Some(CloseCode(u16::from_be_bytes([*high, *low]))), reason),
    };
    if let Some(code) = code.filter(|code| !code.is_on_wire()) {
        return Err(ProtocolError::BadCloseCode(code));
    }
    let reason = str::from_utf8(reason).map_err(|_| ProtocolError::BadCloseReason)?;
    Ok(Incoming::Close {
        code,
        reason: reason.into(),
    })
}
