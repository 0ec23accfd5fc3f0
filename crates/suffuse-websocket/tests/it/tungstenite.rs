//! The client of `tungstenite` as the other end: it reads what we write, and we read what it
//! writes.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use suffuse_websocket::{
    CloseCode, Decoder, Incoming, Opcode, close_frame, header, ping_frame, pong_frame,
};
use tungstenite::protocol::frame::coding::{CloseCode as PeerCloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Bytes, Message};

use crate::client::{message, ping, pong};

proptest! {
    #[test]
    fn what_its_client_writes_is_what_we_decode(
        sent in prop::collection::vec(sent(), 0..8),
        cuts in prop::collection::vec(1..300_usize, 1..20),
        end in prop::option::of((code(), "\\PC{0,30}")),
    ) {
        let mut peer = WebSocket::from_raw_socket(Wire::default(), Role::Client, None);
        let mut expected = Vec::new();
        for sent in &sent {
            sent.write(&mut peer);
            sent.expect(&mut expected);
        }
        let frame = end.clone().map(|(code, reason)| close(code, reason));
        peer.close(frame).unwrap();
        expected.push(match end {
            Some((code, reason)) => Incoming::Close { code: Some(CloseCode(code)), reason },
            None => Incoming::Close { code: None, reason: String::new() },
        });

        let mut decoder = Decoder::new(300_000);
        let mut events = Vec::new();
        for part in pieces(&peer.get_ref().written, &cuts) {
            decoder.feed(part, &mut |incoming| events.push(incoming)).unwrap();
        }
        prop_assert_eq!(events, expected);
        prop_assert!(!decoder.is_mid_message());
    }

    #[test]
    fn what_we_write_is_what_its_client_reads(
        written in prop::collection::vec(written(), 0..8),
        code in code(),
        reason in "\\PC{0,200}",
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for message in written {
            bytes.extend(encode(&message));
            expected.push(message);
        }
        bytes.extend(close_frame(CloseCode(code), &reason));

        let mut peer =
            WebSocket::from_raw_socket(Wire::to_read(bytes), Role::Client, None);
        for expected in expected {
            prop_assert_eq!(peer.read().unwrap(), expected);
        }
        let Message::Close(Some(end)) = peer.read().unwrap() else {
            panic!("expected a close frame");
        };
        prop_assert_eq!(u16::from(end.code), code);
        prop_assert!(reason.starts_with(end.reason.as_str()));
        // A character has at most 4 bytes, so at most 3 of the 123 are left unused.
        prop_assert!(end.reason.len() == reason.len() || end.reason.len() >= 120);
    }
}

/// What the application of the client asks for.
#[derive(Clone, Debug)]
enum Sent {
    Message(Vec<u8>),
    /// A message in these parts, with a ping after each but the last.
    Fragments(Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

impl Sent {
    fn write(&self, peer: &mut WebSocket<Wire>) {
        match self {
            Self::Message(payload) => send(peer, Message::Binary(payload.clone().into())),
            Self::Ping(payload) => send(peer, Message::Ping(payload.clone().into())),
            Self::Pong(payload) => send(peer, Message::Pong(payload.clone().into())),
            Self::Fragments(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    let kind = if index == 0 {
                        Data::Binary
                    } else {
                        Data::Continue
                    };
                    let is_final = index + 1 == parts.len();
                    let frame = Frame::message(part.clone(), OpCode::Data(kind), is_final);
                    send(peer, Message::Frame(frame));
                    if !is_final {
                        send(peer, Message::Ping(Bytes::from_static(b"between")));
                    }
                }
            }
        }
    }

    fn expect(&self, expected: &mut Vec<Incoming>) {
        match self {
            Self::Message(payload) => expected.push(message(payload)),
            Self::Ping(payload) => expected.push(ping(payload)),
            Self::Pong(payload) => expected.push(pong(payload)),
            Self::Fragments(parts) => {
                expected.extend(parts.iter().skip(1).map(|_| ping(b"between")));
                expected.push(message(&parts.concat()));
            }
        }
    }
}

fn send(peer: &mut WebSocket<Wire>, message: Message) {
    peer.send(message)
        .expect("memory takes all that is written");
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        payload().prop_map(Sent::Message),
        prop::collection::vec(payload(), 1..4).prop_map(Sent::Fragments),
        control_payload().prop_map(Sent::Ping),
        control_payload().prop_map(Sent::Pong),
    ]
}

fn written() -> impl Strategy<Value = Message> {
    prop_oneof![
        payload().prop_map(|payload| Message::Binary(payload.into())),
        control_payload().prop_map(|payload| Message::Ping(payload.into())),
        control_payload().prop_map(|payload| Message::Pong(payload.into())),
    ]
}

/// Payloads with each of the three forms of length.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![0..300_usize, 120..130_usize, 65_530..65_540_usize];
    (length, any::<u8>()).prop_map(|(length, seed)| {
        (0..length)
            .map(|index| (index as u8).wrapping_mul(31) ^ seed)
            .collect()
    })
}

fn control_payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=125)
}

fn code() -> impl Strategy<Value = u16> {
    prop_oneof![1000..=1003_u16, 1007..=1013_u16, 3000..=4999_u16]
}

fn encode(message: &Message) -> Vec<u8> {
    match message {
        Message::Binary(payload) => {
            [header(Opcode::Binary, payload.len()).as_slice(), payload].concat()
        }
        Message::Ping(payload) => ping_frame(payload).to_vec(),
        Message::Pong(payload) => pong_frame(payload).to_vec(),
        Message::Text(_) | Message::Close(_) | Message::Frame(_) => {
            unreachable!("is not among the generated messages")
        }
    }
}

fn close(code: u16, reason: String) -> CloseFrame {
    CloseFrame {
        code: PeerCloseCode::from(code),
        reason: reason.into(),
    }
}

/// Cuts `bytes` into pieces of the given lengths, repeated as often as needed.
fn pieces<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*length));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// A stream in memory.
#[derive(Debug, Default)]
struct Wire {
    to_read: Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Wire {
    fn to_read(bytes: Vec<u8>) -> Self {
        Self {
            to_read: Cursor::new(bytes),
            written: Vec::new(),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.to_read.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
