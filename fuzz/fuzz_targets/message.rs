//! Envelopes: messages, polling bodies, connection requests and responses.
//!
//! Input: what, version, then the bytes of it.

#![no_main]

mod input;

use bytes::Bytes;
use input::Input;
use suffuse_proto::{
    Message, Version,
    handshake::{ConnectionRequest, ConnectionResponse, Parameters},
    polling,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let (what, version) = (input.below(6), input.version());
    let bytes = Bytes::copy_from_slice(input.0);
    match what {
        0 => check_message(bytes, version),
        1 => check_body(&bytes, version, polling::Direction::Up),
        2 => check_body(&bytes, version, polling::Direction::Down),
        3 => check_response(bytes, version),
        4 => check_request(&Parameters::from_query(&String::from_utf8_lossy(&bytes))),
        _ => {
            let lines = || {
                bytes
                    .split(|byte| *byte == b'\n')
                    .zip(Parameters::NAMES)
                    .map(|(value, name)| (*name, value))
            };
            check_request(&Parameters::from_upgrade_headers(lines()));
            check_request(&Parameters::from_polling_headers(lines()));
        }
    }
});

fn check_message(bytes: Bytes, version: Version) {
    let Ok(message) = Message::decode(bytes, version) else {
        return;
    };
    let once = message.to_bytes(version);
    // Codes of the old dialect are fewer, so the first encoding may say less; the second says the same.
    let again = Message::decode(once.clone(), version).expect("what we write can be read");
    assert_eq!(again.to_bytes(version), once, "{message:?}");
}

fn check_body(bytes: &Bytes, version: Version, direction: polling::Direction) {
    let dialect = version.dialect();
    let Ok(messages) = polling::decode(bytes, dialect, direction) else {
        return;
    };
    let mut body = Vec::new();
    messages
        .iter()
        .for_each(|message| polling::append(&mut body, message, dialect, direction));
    let again = polling::decode(
        &polling::finish(body, dialect, direction),
        dialect,
        direction,
    );
    assert_eq!(again.as_deref(), Ok(&messages[..]));
}

fn check_response(bytes: Bytes, version: Version) {
    let Ok(response) = ConnectionResponse::decode(bytes, version) else {
        return;
    };
    assert_eq!(
        ConnectionResponse::decode(response.to_bytes(), version),
        Ok(response)
    );
}

fn check_request(parameters: &Parameters) {
    let Ok(request) = ConnectionRequest::parse(parameters) else {
        return;
    };
    let once = request.to_parameters();
    let again = ConnectionRequest::parse(&once).expect("what we write can be read");
    assert_eq!(again.to_parameters(), once, "{request:?}");
}
