//! Clients on WebSockets: messages, pings, ends, and what they can do wrong (spec: connection §4, §9).

use std::{net::Shutdown, time::Duration};

use tungstenite::Message;

use crate::peer::{
    ABORT, BINARY, CLOSE, CLOSE_REQUEST, PING, PONG, TEXT, TestServer, USER_PING, USER_PONG, frame,
    upgrade_request,
};

#[test]
fn a_message_is_answered_however_it_is_cut() {
    let server = TestServer::start();
    let mut peer = server.websocket();
    let message = frame(BINARY, USER_PING);
    for cut in 0..message.len() {
        let (first, second) = message.split_at(cut);
        peer.send(first);
        peer.send(second);
        assert_eq!(peer.expect_message(), USER_PONG, "cut at {cut}");
        // A conversation id is answered once only, so each cut is a session of its own.
        peer = server.websocket();
    }
    // In fragments, with a ping between them.
    peer.send([0x02, 0x81, 0, 0, 0, 0, 0]);
    peer.send([0x89, 0x80, 0, 0, 0, 0]);
    assert_eq!(peer.read_frame(), (PONG, Vec::new()));
    peer.send([0x80, 0x82, 0, 0, 0, 0, 0x38, 1]);
    assert_eq!(peer.expect_message(), USER_PONG);
}

#[test]
fn a_message_behind_the_handshake_is_not_lost() {
    let server = TestServer::start();
    let mut peer = server.connect();
    let mut bytes = upgrade_request("/diffusion?v=29&ty=WB&ca=8", "").into_bytes();
    bytes.extend(frame(BINARY, USER_PING));
    assert_eq!(peer.exchange(bytes).status, 101);
    assert_eq!(peer.expect_message()[..3], [b'#', 29, 100]);
    assert_eq!(peer.expect_message(), USER_PONG);
}

#[test]
fn the_common_library_is_served() {
    let server = TestServer::start();
    let url = format!("ws://{}/diffusion?v=29&ty=WB&ca=8", server.address());
    let (mut socket, _) = tungstenite::connect(url).unwrap();
    assert_eq!(socket.read().unwrap().into_data()[..3], [b'#', 29, 100]);
    socket.send(Message::binary(USER_PING)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(USER_PONG));
    socket.send(Message::Ping("hello".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("hello".into()));
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    assert_eq!(
        server.sessions(),
        1,
        "only a close request ends the session"
    );
}

#[test]
fn of_many_pings_the_last_is_answered() {
    let server = TestServer::start();
    let mut peer = server.websocket();
    let pings: Vec<u8> = (0..1000_u16)
        .flat_map(|number| frame(PING, &number.to_be_bytes()))
        .collect();
    peer.send(pings);
    let mut pongs = 0;
    loop {
        let (opcode, payload) = peer.read_frame();
        assert_eq!(opcode, PONG);
        pongs += 1;
        if payload == 999_u16.to_be_bytes() {
            break;
        }
    }
    assert!(pongs <= 1000);
    assert_eq!(peer.ask(USER_PING), USER_PONG);
}

#[test]
fn a_close_request_ends_the_session() {
    let server = TestServer::start();
    let mut peer = server.websocket();
    assert_eq!(peer.ask(CLOSE_REQUEST), ABORT);
    peer.expect_close(1000);
    assert_eq!(server.sessions(), 0);
}

#[test]
fn messages_behind_a_close_request_are_ignored() {
    let server = TestServer::start();
    let mut peer = server.websocket();
    peer.send(
        [
            frame(BINARY, CLOSE_REQUEST),
            frame(BINARY, CLOSE_REQUEST),
            frame(BINARY, USER_PING),
        ]
        .concat(),
    );
    assert_eq!(peer.expect_message(), ABORT);
    peer.expect_close(1000);
}

#[test]
fn the_end_of_a_socket_is_not_the_end_of_the_session() {
    let server = TestServer::start();
    let mut closing = server.websocket();
    closing.send_frame(CLOSE, &1000_u16.to_be_bytes());
    closing.expect_close(1000);
    let mut half_closing = server.websocket();
    half_closing.shut_down(Shutdown::Write);
    assert_eq!(half_closing.read_to_end(), b"");
    drop(server.websocket());
    assert_eq!(server.sessions(), 3);
}

#[test]
fn a_session_that_asks_for_no_reconnection_ends_with_its_socket() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.upgrade("/diffusion?v=29&ty=WB&ca=8&r=0");
    assert_eq!(server.sessions(), 1);
    drop(peer);
    server.await_sessions(0);
}

#[test]
fn whoever_breaks_the_protocol_is_told() {
    struct Case {
        name: &'static str,
        bytes: Vec<u8>,
        is_aborted: bool,
        code: u16,
        sessions: usize,
    }
    let session_ends = |name, bytes, code| Case {
        name,
        bytes,
        is_aborted: true,
        code,
        sessions: 0,
    };
    let link_ends = |name, bytes: &[u8], code| Case {
        name,
        bytes: bytes.to_vec(),
        is_aborted: false,
        code,
        sessions: 1,
    };
    let mut huge = vec![0x82, 0xff];
    huge.extend_from_slice(&u64::MAX.to_be_bytes()[..]);
    huge[2] = 0x7f;
    huge.extend_from_slice(&[0; 4]);
    let cases = [
        session_ends("text frame", frame(TEXT, b"hello"), 1002),
        session_ends("empty message", frame(BINARY, &[]), 1002),
        session_ends("unknown type", frame(BINARY, &[63, 1, 1]), 1002),
        session_ends("encoding bits", frame(BINARY, &[0x80, 0x38, 1]), 1002),
        session_ends(
            "server-only value",
            frame(BINARY, &[4, 0, 0, 0, 1, 0]),
            1002,
        ),
        session_ends("server-only abort", frame(BINARY, ABORT), 1002),
        session_ends("truncated varint", frame(BINARY, &[0, 0xb8]), 1002),
        session_ends(
            "over-long varint",
            frame(BINARY, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            1002,
        ),
        session_ends(
            "negative conversation",
            frame(BINARY, &[&[0, 0x38][..], &[0xff; 9], &[1]].concat()),
            1002,
        ),
        session_ends("message over the limit", frame(BINARY, &[0; 2000]), 1009),
        session_ends("huge length", huge, 1009),
        link_ends("no mask", &[0x82, 3, 0, 0x38, 1], 1002),
        link_ends("reserved bit", &[0xc2, 0x80, 0, 0, 0, 0], 1002),
        link_ends("bad opcode", &[0x83, 0x80, 0, 0, 0, 0], 1002),
        link_ends("fragmented ping", &[0x09, 0x80, 0, 0, 0, 0], 1002),
        link_ends("long ping", &[0x89, 0xfe, 0, 126, 0, 0, 0, 0], 1002),
        link_ends("continuation of nothing", &[0x80, 0x80, 0, 0, 0, 0], 1002),
        link_ends("bad close code", &frame(CLOSE, &[0, 1]), 1002),
    ];
    for case in cases {
        println!("{}", case.name);
        let server = TestServer::start_with(|options| options.broker.message_bytes_max = 1024);
        let mut peer = server.websocket();
        peer.send(&case.bytes);
        if case.is_aborted {
            assert_eq!(peer.expect_message(), ABORT);
        }
        peer.expect_close(case.code);
        assert_eq!(server.sessions(), case.sessions);
    }
}

#[test]
fn a_message_that_is_never_finished_ends_the_connection() {
    let server =
        TestServer::start_with(|options| options.broker.ping_interval = Duration::from_millis(30));
    let mut peer = server.websocket();
    let message = frame(BINARY, USER_PING);
    peer.send(&message[..5]);
    let rest = peer.read_to_end(); // System pings, perhaps.
    assert!(!rest.windows(2).any(|bytes| bytes == USER_PONG));
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_client_that_does_not_answer_pings_is_lost() {
    let server =
        TestServer::start_with(|options| options.broker.ping_interval = Duration::from_millis(30));
    let mut peer = server.websocket();
    let (opcode, ping) = peer.read_frame();
    assert_eq!((opcode, &ping[..2]), (BINARY, &[0, 0x37][..]));
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.sessions(), 1);
}
