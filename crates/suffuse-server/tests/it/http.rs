//! Requests that are no connections, and the ways of HTTP that proxies use.

use crate::peer::{TestServer, USER_PING, poll_request, upgrade_request};

#[test]
fn what_is_refused_gets_a_status_and_a_sentence() {
    let server = TestServer::start();
    let request =
        |line: &str| format!("{line} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n");
    let upgrade = |target: &str| upgrade_request(target, "");
    let without = |name: &str| {
        let request = upgrade("/diffusion?v=29&ty=WB&ca=8");
        let lines = request
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with(name));
        lines.collect::<String>()
    };
    let cases = [
        ("another path", request("GET /nothing"), 404, "/diffusion"),
        (
            "an upgrade of another path",
            upgrade("/?v=29&ty=WB"),
            404,
            "/diffusion",
        ),
        (
            "a path in the wrong case",
            upgrade("/DIFFUSION?v=29&ty=WB"),
            404,
            "/diffusion",
        ),
        (
            "a GET without upgrade",
            request("GET /diffusion?v=29"),
            426,
            "proxy",
        ),
        ("an unknown method", request("PUT /diffusion"), 405, "POST"),
        ("DELETE", request("DELETE /diffusion"), 405, "POST"),
        ("a POST without m", request("POST /diffusion"), 400, "`m`"),
        (
            "a POST with a bad m",
            poll_request("m: 3\r\n", ""),
            400,
            "`m`",
        ),
        (
            "a poll of nobody",
            poll_request("m: 1\r\nc: n00.aaaaaaaaaaaaaaaaaaaa\r\ns: 0\r\n", ""),
            404,
            "connect again",
        ),
        (
            "a poll without token",
            poll_request("m: 1\r\ns: 0\r\n", ""),
            404,
            "connect again",
        ),
        (
            "a send of nobody",
            poll_request("m: 2\r\nc: x\r\ns: 0\r\n", "AAAAAgA4AQ=="),
            404,
            "connect again",
        ),
        ("no version", upgrade("/diffusion?ty=WB&ca=8"), 400, "`v`"),
        (
            "a bad version",
            upgrade("/diffusion?ty=WB&ca=8&v=new"),
            400,
            "`v`",
        ),
        (
            "an ancient version",
            poll_request("m: 0\r\nty: J\r\nv: 4\r\n", ""),
            400,
            "version",
        ),
        (
            "no key",
            without("sec-websocket-key"),
            400,
            "Sec-WebSocket-Key",
        ),
        (
            "no WebSocket version",
            without("sec-websocket-version"),
            426,
            "13",
        ),
        ("no connection header", without("connection"), 400, "proxy"),
    ];
    for (name, request, status, word) in cases {
        let reply = server.connect().exchange(request);
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        assert!(reply.text().contains(word), "{name}: {}", reply.text());
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=utf-8"),
            "{name}"
        );
        let allow = (status == 405).then_some("GET, POST, OPTIONS");
        assert_eq!(reply.header("allow"), allow, "{name}");
    }
    assert_eq!(server.sessions(), 0);
}

#[test]
fn what_is_not_http_is_refused_too() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.send("\x16\x03\x01 this is TLS, perhaps\r\n\r\n");
    let answer = String::from_utf8(peer.read_to_end()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn http_2_is_not_waited_for() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    peer.read_to_end();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start();
    let (one, two) = (server.polling(), server.polling());
    let send =
        |token: &str| poll_request(&format!("m: 2\r\nc: {token}\r\ns: 0\r\n"), "AAAAAgA4AQ==");
    let poll = |token: &str| poll_request(&format!("m: 1\r\nc: {token}\r\ns: 0\r\n"), "");
    let mut peer = server.connect();
    peer.send([send(&one), poll(&one), poll("x"), send(&two), poll(&two)].concat());
    let replies = [(); 5].map(|()| peer.read_reply());
    assert_eq!(
        replies.each_ref().map(|reply| reply.status),
        [200, 200, 404, 200, 200]
    );
    assert_eq!(
        replies
            .each_ref()
            .map(|reply| reply.text())
            .map(|text| text.len()),
        [0, 8, replies[2].body.len(), 0, 8]
    );
}

#[test]
fn a_client_of_http_1_0_is_served() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.send(
        "POST /diffusion HTTP/1.0\r\nm: 0\r\nty: B\r\nv: 29\r\nca: 8\r\ncontent-length: 0\r\n\r\n",
    );
    let answer = peer.read_to_end();
    assert!(answer.starts_with(b"HTTP/1.0 200 OK\r\n"));
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_client_that_asks_before_it_sends_a_body_may() {
    let server = TestServer::start();
    let token = server.polling();
    let mut peer = server.connect();
    peer.send(format!(
        "POST /diffusion HTTP/1.1\r\nhost: test\r\nm: 2\r\nc: {token}\r\ns: 0\r\nexpect: 100-continue\r\n\
         content-length: 12\r\n\r\n"
    ));
    assert_eq!(peer.read_reply().status, 100);
    assert_eq!(peer.exchange("AAAAAgA4AQ==").status, 200);
    assert_eq!(USER_PING.len(), 3);
}

#[test]
fn a_chunked_body_is_read() {
    let server = TestServer::start();
    let token = server.polling();
    let reply = server.connect().exchange(format!(
        "POST /diffusion HTTP/1.1\r\nhost: test\r\nm: 2\r\nc: {token}\r\ns: 0\r\ntransfer-encoding: chunked\r\n\r\n\
         4\r\nAAAA\r\n8\r\nAgA4AQ==\r\n0\r\n\r\n"
    ));
    assert_eq!(reply.status, 200);
    let poll = poll_request(&format!("m: 1\r\nc: {token}\r\ns: 0\r\n"), "");
    assert_eq!(server.connect().exchange(poll).text(), "AAAAAQYB");
}

#[test]
fn balancers_learn_whether_to_send_anybody() {
    let server = TestServer::start();
    let request =
        |line: &str| format!("{line} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n");
    let cases = [
        ("GET /health/live", 200, "live\n"),
        ("GET /health/ready", 200, "ready\n"),
        (
            "POST /health/ready",
            405,
            "health is asked for with GET or HEAD\n",
        ),
    ];
    for (line, status, text) in cases {
        let reply = server.connect().exchange(request(line));
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (status, text),
            "{line}"
        );
    }
}
