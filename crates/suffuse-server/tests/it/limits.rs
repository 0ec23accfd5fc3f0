//! Limits of what clients may send, and of how many may come.

use std::time::Duration;

use crate::peer::{Peer, TestServer, USER_PING, USER_PONG, poll_request};

#[test]
fn requests_that_are_too_long_are_told_so() {
    let server = TestServer::start();
    let long_query = |bytes: usize| format!("/diffusion?v=29&sp={}", "x".repeat(bytes));
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: test\r\n{headers}\r\n")
    };
    let cases = [
        (
            "a target at the limit",
            get(&long_query(16 * 1024 - 19), ""),
            426,
            "",
        ),
        (
            "a target over the limit",
            get(&long_query(16 * 1024 - 18), ""),
            414,
            "16384",
        ),
        (
            "a far longer target",
            get(&long_query(60_000), ""),
            414,
            "16384",
        ),
        (
            "long headers",
            get("/diffusion", &format!("sp: {}\r\n", "x".repeat(33_000))),
            431,
            "32768",
        ),
        (
            "far longer headers",
            get("/diffusion", &format!("sp: {}\r\n", "x".repeat(200_000))),
            431,
            "32768",
        ),
    ];
    for (name, request, status, word) in cases {
        let reply = server.connect().exchange(request);
        assert_eq!(reply.status, status, "{name}");
        assert!(reply.text().contains(word), "{name}: {}", reply.text());
    }
}

#[test]
fn heads_beyond_all_limits_are_refused_and_not_reset() {
    let server = TestServer::start();
    let huge = format!(
        "GET /diffusion HTTP/1.1\r\nhost: test\r\nsp: {}",
        "x".repeat(600_000)
    );
    let many = format!(
        "GET /diffusion HTTP/1.1\r\nhost: test\r\n{}\r\n",
        "a: b\r\n".repeat(500)
    );
    for request in [huge, many] {
        let mut peer = server.connect();
        peer.send(request);
        let answer = String::from_utf8(peer.read_to_end()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(answer.contains("request head"), "{answer}");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let server = TestServer::start_with(|options| options.broker.message_bytes_max = 1024);
    let token = server.polling();
    let mut peer = server.connect();
    let reply = peer.exchange(format!(
        "POST /diffusion HTTP/1.1\r\nhost: test\r\nm: 2\r\nc: {token}\r\ns: 0\r\ncontent-length: 1000000000\r\n\r\n"
    ));
    assert_eq!(reply.status, 413);
    peer.send([b'A'; 10_000]);
    assert_eq!(peer.read_to_end(), b"");
}

#[test]
fn connections_over_the_limit_are_told_so() {
    let server = TestServer::start_with(|options| options.limits.connections_max = 2);
    let (mut one, two) = (server.websocket(), server.websocket());
    let request = poll_request("m: 0\r\nty: B\r\nv: 29\r\nca: 8\r\n", "");
    let refused = server.connect().exchange(&request);
    assert_eq!(refused.status, 503);
    assert!(
        refused.text().contains("2 connections"),
        "{}",
        refused.text()
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(one.ask(USER_PING), USER_PONG);

    drop(two);
    while server.connect().exchange(&request).status != 200 {}
}

#[test]
fn a_connection_without_a_request_is_ended() {
    let server = TestServer::start_with(|options| {
        options.limits.handshake_timeout = Duration::from_millis(30);
    });
    for begin in ["", "GET /diffusion HTTP/1.1\r\nhost:"] {
        let mut peer = server.connect();
        peer.send(begin);
        let reply = peer.read_reply();
        assert_eq!(reply.status, 408, "{begin:?}");
        assert_eq!(
            reply.text(),
            "no request came in time: connect and send it again\n"
        );
        assert_eq!(peer.read_to_end(), b"");
    }
    // One that has begun well stays.
    let mut peer = server.websocket();
    let mut silent = server.connect();
    assert_eq!(silent.read_reply().status, 408);
    assert_eq!(peer.ask(USER_PING), USER_PONG);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let server =
        TestServer::start_with(|options| options.limits.body_timeout = Duration::from_millis(30));
    let token = server.polling();
    let reply = server.connect().exchange(format!(
        "POST /diffusion HTTP/1.1\r\nhost: test\r\nm: 2\r\nc: {token}\r\ns: 0\r\ncontent-length: 12\r\n\r\nAAAA"
    ));
    assert_eq!(reply.status, 408);
    let again = poll_request(&format!("m: 2\r\nc: {token}\r\ns: 0\r\n"), "AAAAAgA4AQ==");
    assert_eq!(server.connect().exchange(again).status, 200);
}

#[test]
fn a_connection_that_is_idle_between_requests_is_ended() {
    let server =
        TestServer::start_with(|options| options.limits.keep_alive = Duration::from_millis(30));
    let mut peer = server.connect();
    assert_eq!(
        peer.exchange("GET / HTTP/1.1\r\nhost: test\r\n\r\n").status,
        404
    );
    assert_eq!(peer.read_to_end(), b"");
}

#[test]
fn a_client_that_writes_faster_than_is_read_is_slowed_and_served() {
    let server = TestServer::start();
    let mut peer = server.websocket();
    // 4 MiB of answers to nothing, which are ignored.
    let answers =
        crate::peer::frame(crate::peer::BINARY, &[&[6, 99][..], &[0; 1000]].concat()).repeat(4000);
    peer.send(answers);
    assert_eq!(peer.ask(USER_PING), USER_PONG);
    let _: Peer = peer;
}
