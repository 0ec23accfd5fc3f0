//! The header of a frame from a client: collected byte by byte if need be, then checked.

use crate::ProtocolError;
use crate::frame::{FINAL_BIT, LENGTH_16, LENGTH_64, Opcode};

/// The first two bytes, 8 bytes of length and the mask.
const CLIENT_HEADER_BYTES_MAX: usize = 14;
const MASKED_BIT: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const OPCODE_BITS: u8 = 0x0f;

/// A checked header, and how much of its payload is still to come.
#[derive(Debug)]
pub(super) struct FrameHeader {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    /// The length of the payload in bytes.
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

/// The bytes of a header that have arrived.
#[derive(Debug, Default)]
pub(super) struct HeaderBytes {
    bytes: [u8; CLIENT_HEADER_BYTES_MAX],
    length: u8,
}

impl HeaderBytes {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes bytes from the front of `input` until the header is whole, and then leaves itself
    /// empty for the next one.
    pub(super) fn take(&mut self, input: &mut &[u8]) -> Result<Option<FrameHeader>, ProtocolError> {
        if !self.fill(input, 2) {
            return Ok(None);
        }
        // Before the rest is there: a client that does not speak WebSocket is told at once.
        let opcode = check_start(self.bytes[0], self.bytes[1])?;
        if !self.fill(input, header_bytes(self.bytes[1])) {
            return Ok(None);
        }
        let header = self.parse(opcode);
        self.length = 0;
        header.map(Some)
    }

    /// Returns whether `wanted` bytes are there, after taking what is missing from `input`.
    fn fill(&mut self, input: &mut &[u8], wanted: usize) -> bool {
        let have = usize::from(self.length);
        let missing = wanted.saturating_sub(have);
        let (part, rest) = input.split_at(missing.min(input.len()));
        self.bytes[have..have + part.len()].copy_from_slice(part);
        self.length += part.len() as u8; // at most 14
        *input = rest;
        part.len() == missing
    }

    fn parse(&self, opcode: Opcode) -> Result<FrameHeader, ProtocolError> {
        let [first, second, after @ ..] = self.bytes;
        let (length, least) = match second & !MASKED_BIT {
            LENGTH_16 => (big_endian(&after[..2]), u64::from(LENGTH_16)),
            LENGTH_64 => (big_endian(&after[..8]), 0x1_0000),
            short => (u64::from(short), 0),
        };
        if length < least {
            return Err(ProtocolError::LengthNotMinimal(length));
        }
        let end = header_bytes(second);
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.bytes[end - 4..end]);
        Ok(FrameHeader {
            opcode,
            is_final: first & FINAL_BIT != 0,
            length,
            mask,
        })
    }
}

fn check_start(first: u8, second: u8) -> Result<Opcode, ProtocolError> {
    if first & RESERVED_BITS != 0 {
        return Err(ProtocolError::ReservedBits((first & RESERVED_BITS) >> 4));
    }
    let number = first & OPCODE_BITS;
    let opcode = Opcode::from_number(number).ok_or(ProtocolError::BadOpcode(number))?;
    if second & MASKED_BIT == 0 {
        return Err(ProtocolError::Unmasked);
    }
    if opcode == Opcode::Text {
        return Err(ProtocolError::TextFrame);
    }
    if opcode.is_control() && first & FINAL_BIT == 0 {
        return Err(ProtocolError::FragmentedControl);
    }
    if opcode.is_control() && second & !MASKED_BIT >= LENGTH_16 {
        return Err(ProtocolError::ControlTooLong);
    }
    Ok(opcode)
}

/// Returns the length of the whole header, which its second byte tells.
fn header_bytes(second: u8) -> usize {
    match second & !MASKED_BIT {
        LENGTH_16 => 2 + 2 + 4,
        LENGTH_64 => 2 + 8 + 4,
        _ => 2 + 4,
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}
