//! Frames as a client writes them, right or wrong, and a decoder that collects.

use suffuse_websocket::{Decoder, Incoming, ProtocolError, apply_mask};

pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
pub(crate) const MESSAGE_BYTES_MAX: usize = 1000;

/// Returns a masked frame; `first` is its first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    let start = frame.len();
    frame.extend(payload);
    apply_mask(&mut frame[start..], MASK);
    frame
}

/// Returns what a new decoder makes of `parts`, one read each.
pub(crate) fn decode(parts: &[&[u8]]) -> (Vec<Incoming>, Result<(), ProtocolError>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut events = Vec::new();
    let result = parts
        .iter()
        .try_for_each(|part| decoder.feed(part, &mut |incoming| events.push(incoming)));
    (events, result)
}

pub(crate) fn message(payload: &[u8]) -> Incoming {
    Incoming::Message(payload.to_vec().into())
}

pub(crate) fn ping(payload: &[u8]) -> Incoming {
    Incoming::Ping(payload.to_vec().into())
}

pub(crate) fn pong(payload: &[u8]) -> Incoming {
    Incoming::Pong(payload.to_vec().into())
}
