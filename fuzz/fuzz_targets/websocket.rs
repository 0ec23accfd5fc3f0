//! The WebSocket decoder: the same bytes, cut anywhere, are the same messages.
//!
//! Input: the number of cuts and where they are, then the bytes of a client.

#![no_main]

mod input;

use input::Input;
use suffuse_websocket::{Decoder, Incoming, ProtocolError};

const MESSAGE_BYTES_MAX: usize = 1000;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let cuts: Vec<usize> = input.bytes().iter().map(|cut| usize::from(*cut)).collect();
    let whole = decode([input.0]);
    let mut rest = input.0;
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, next) = rest.split_at(cut.min(rest.len()));
        pieces.push(piece);
        rest = next;
    }
    pieces.push(rest);
    assert_eq!(decode(pieces), whole);
    for incoming in &whole.0 {
        if let Incoming::Message(message) = incoming {
            assert!(message.len() <= MESSAGE_BYTES_MAX);
        }
    }
});

fn decode<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Incoming>, Option<ProtocolError>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut incoming = Vec::new();
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, &mut |one| incoming.push(one)) {
            return (incoming, Some(error));
        }
    }
    (incoming, None)
}
