use suffuse_websocket::{CloseCode, Decoder, Incoming, ProtocolError};

use crate::client::{MASK, MESSAGE_BYTES_MAX, decode, frame, message, ping, pong};

#[test]
fn what_a_client_may_send_is_decoded_however_it_is_cut() {
    let long = vec![0x5a; 300];
    let cases: Vec<(Vec<u8>, Vec<Incoming>)> = vec![
        (
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec(),
            vec![pong(b"Hello")],
        ), // §5.7
        (frame(0x82, b""), vec![message(b"")]),
        (frame(0x82, &long), vec![message(&long)]),
        (frame(0x82, &long[..126]), vec![message(&long[..126])]),
        (frame(0x89, &long[..125]), vec![ping(&long[..125])]),
        (frame(0x8a, b""), vec![pong(b"")]),
        (
            [frame(0x02, b"Hel"), frame(0x80, b"lo")].concat(),
            vec![message(b"Hello")],
        ), // §5.7
        (
            [frame(0x02, b""), frame(0x80, b"")].concat(),
            vec![message(b"")],
        ),
        (
            [
                frame(0x02, b"a"),
                frame(0x89, b"p"),
                frame(0x00, b"bcd"),
                frame(0x80, b"e"),
            ]
            .concat(),
            vec![ping(b"p"), message(b"abcde")],
        ),
        (
            [frame(0x82, b"one"), frame(0x82, b"two"), frame(0x89, b"?")].concat(),
            vec![message(b"one"), message(b"two"), ping(b"?")],
        ),
        (frame(0x88, b""), vec![closed(None, "")]),
        (
            frame(0x88, b"\x03\xe8"),
            vec![closed(Some(CloseCode::NORMAL), "")],
        ),
        (
            frame(0x88, "\x0f\u{0}é".as_bytes()),
            vec![closed(Some(CloseCode(0x0f00)), "é")],
        ),
        (
            [frame(0x02, b"half"), frame(0x88, b""), frame(0x80, b"late")].concat(),
            vec![closed(None, "")],
        ),
    ];
    for (bytes, expected) in cases {
        check_at_every_cut(&bytes, &(expected, Ok(())));
    }
}

#[test]
fn what_a_client_must_not_send_is_refused_however_it_is_cut() {
    let masked = |start: &[u8]| [start, &MASK, b"x"].concat();
    let begun = frame(0x02, b"begun");
    let cases: Vec<(Vec<u8>, ProtocolError, CloseCode)> = vec![
        (
            b"\x82\x01x".to_vec(),
            ProtocolError::Unmasked,
            CloseCode(1002),
        ),
        (
            frame(0xc2, b"x"),
            ProtocolError::ReservedBits(0b100),
            CloseCode(1002),
        ),
        (
            frame(0x92, b"x"),
            ProtocolError::ReservedBits(0b001),
            CloseCode(1002),
        ),
        (
            frame(0x83, b"x"),
            ProtocolError::BadOpcode(3),
            CloseCode(1002),
        ),
        (
            frame(0x8b, b"x"),
            ProtocolError::BadOpcode(11),
            CloseCode(1002),
        ),
        (frame(0x81, b"x"), ProtocolError::TextFrame, CloseCode(1002)),
        (
            frame(0x89, &[0; 126]),
            ProtocolError::ControlTooLong,
            CloseCode(1002),
        ),
        (
            frame(0x09, b"x"),
            ProtocolError::FragmentedControl,
            CloseCode(1002),
        ),
        (
            frame(0x80, b"x"),
            ProtocolError::UnexpectedContinuation,
            CloseCode(1002),
        ),
        (
            [&begun[..], &frame(0x82, b"x")].concat(),
            ProtocolError::ExpectedContinuation,
            CloseCode(1002),
        ),
        (
            masked(b"\x82\xfe\x00\x7d"),
            ProtocolError::LengthNotMinimal(125),
            CloseCode(1002),
        ),
        (
            masked(b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"),
            ProtocolError::LengthNotMinimal(0xffff),
            CloseCode(1002),
        ),
        (masked(b"\x82\xfe\x03\xe9"), too_big(1001), CloseCode(1009)),
        (
            masked(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            too_big(u64::MAX),
            CloseCode(1009),
        ),
        (
            [&begun[..], &masked(b"\x80\xfe\x03\xe4")].concat(),
            too_big(1001),
            CloseCode(1009),
        ),
        (
            frame(0x88, b"\x03"),
            ProtocolError::BadClosePayload,
            CloseCode(1002),
        ),
        (
            frame(0x88, b"\x03\xed"),
            ProtocolError::BadCloseCode(CloseCode::NO_STATUS),
            CloseCode(1002),
        ),
        (
            frame(0x88, b"\x03\xe8\xff"),
            ProtocolError::BadCloseReason,
            CloseCode(1007),
        ),
    ];
    let sound = frame(0x82, b"sound");
    for (bytes, error, code) in cases {
        assert_eq!(error.close_code(), code, "{error}");
        let bytes = [&sound[..], &bytes].concat();
        check_at_every_cut(&bytes, &(vec![message(b"sound")], Err(error)));
    }
}

#[test]
fn only_codes_that_may_be_sent_are_accepted() {
    let accepted: Vec<u16> = (0..=u16::MAX)
        .filter(|code| decode(&[&frame(0x88, &code.to_be_bytes())]).1.is_ok())
        .collect();
    let expected: Vec<u16> = (1000..=1003)
        .chain(1007..=1014)
        .chain(3000..=4999)
        .collect();
    assert_eq!(accepted, expected);
}

#[test]
fn a_message_of_the_limit_is_accepted_whole_and_in_parts() {
    let largest = vec![7; MESSAGE_BYTES_MAX];
    let parts = [frame(0x02, &largest[..600]), frame(0x80, &largest[600..])].concat();
    for bytes in [frame(0x82, &largest), parts] {
        assert_eq!(decode(&[&bytes]), (vec![message(&largest)], Ok(())));
    }
}

#[test]
fn a_bad_start_is_refused_before_the_rest_of_the_header_arrives() {
    assert_eq!(decode(&[b"GE"]).1, Err(ProtocolError::ReservedBits(0b100)));
}

#[test]
fn after_an_error_or_a_close_all_input_is_ignored() {
    for last in [frame(0x81, b"text"), frame(0x88, b"")] {
        let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
        let _ = decoder.feed(&last, &mut |_| {});

        let mut events = 0;
        let later = [frame(0x82, b"x"), frame(0x81, b"x"), vec![0xff; 20]].concat();
        let result = decoder.feed(&later, &mut |_| events += 1);

        assert_eq!((result, events), (Ok(()), 0));
        assert!(!decoder.is_mid_message());
    }
}

#[test]
fn a_decoder_is_mid_message_from_its_first_byte_to_its_last() {
    let bytes = [frame(0x02, b"ab"), frame(0x89, b"p"), frame(0x80, b"c")].concat();
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    assert!(!decoder.is_mid_message());

    let states: Vec<bool> = bytes
        .iter()
        .map(|byte| {
            decoder.feed(&[*byte], &mut |_| {}).unwrap();
            decoder.is_mid_message()
        })
        .collect();

    let (last, before) = states.split_last().unwrap();
    assert!(before.iter().all(|is_mid_message| *is_mid_message));
    assert!(!last);
}

fn check_at_every_cut(bytes: &[u8], expected: &(Vec<Incoming>, Result<(), ProtocolError>)) {
    for cut in 0..=bytes.len() {
        let (before, after) = bytes.split_at(cut);
        assert_eq!(
            &decode(&[before, after]),
            expected,
            "{bytes:02x?} cut at {cut}"
        );
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(&decode(&single), expected, "{bytes:02x?} byte by byte");
}

fn closed(code: Option<CloseCode>, reason: &str) -> Incoming {
    Incoming::Close {
        code,
        reason: reason.to_owned(),
    }
}

fn too_big(announced: u64) -> ProtocolError {
    ProtocolError::TooBig {
        announced,
        max: MESSAGE_BYTES_MAX,
    }
}
