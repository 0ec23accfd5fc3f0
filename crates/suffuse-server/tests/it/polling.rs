//! Clients that poll: sequences, held polls, broken connections, bodies (spec: connection §5).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::peer::{
    ABORT, CLOSE_REQUEST, Peer, Reply, TestServer, USER_PING, USER_PONG, poll_request,
};

/// A polling client that numbers its requests.
pub(crate) struct Client<'a> {
    pub(crate) server: &'a TestServer,
    pub(crate) token: String,
}

impl<'a> Client<'a> {
    pub(crate) fn connect(server: &'a TestServer) -> Self {
        Self {
            server,
            token: server.polling(),
        }
    }

    fn request(&self, method: u8, sequence: &str, body: &str) -> String {
        poll_request(
            &format!(
                "m: {method}\r\nc: {}\r\nv: 29\r\ns: {sequence}\r\n",
                self.token
            ),
            body,
        )
    }

    /// Sends a poll without waiting for the reply.
    pub(crate) fn begin_poll(&self, sequence: u32) -> Peer {
        let mut peer = self.server.connect();
        peer.send(self.request(1, &sequence.to_string(), ""));
        peer
    }

    pub(crate) fn poll(&self, sequence: u32) -> Reply {
        self.begin_poll(sequence).read_reply()
    }

    pub(crate) fn begin_send(&self, sequence: u32, messages: &[&[u8]]) -> Peer {
        let mut peer = self.server.connect();
        peer.send(self.request(2, &sequence.to_string(), &body(messages)));
        peer
    }

    pub(crate) fn send(&self, sequence: u32, messages: &[&[u8]]) -> Reply {
        self.begin_send(sequence, messages).read_reply()
    }
}

/// Returns the body that carries messages.
pub(crate) fn body(messages: &[&[u8]]) -> String {
    let mut body = Vec::new();
    for message in messages {
        body.extend_from_slice(&(message.len() as u32 - 1).to_be_bytes());
        body.extend_from_slice(message);
    }
    STANDARD.encode(body)
}

pub(crate) fn ping(conversation: u8) -> [u8; 3] {
    [0, 0x38, conversation]
}

#[test]
fn a_held_poll_is_answered_when_there_is_a_message() {
    let server = TestServer::start();
    let client = Client::connect(&server);
    let mut poll = client.begin_poll(0);
    let sent = client.send(0, &[USER_PING]);
    assert_eq!((sent.status, sent.text().as_str()), (200, ""));
    let reply = poll.read_reply();
    assert_eq!((reply.status, reply.text()), (200, body(&[USER_PONG])));
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=US-ASCII")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn a_message_that_waits_is_given_to_the_next_poll() {
    let server = TestServer::start();
    let client = Client::connect(&server);
    client.send(0, &[&ping(1), &ping(2)]);
    assert_eq!(client.poll(0).text(), body(&[&[6, 1], &[6, 2]]));
    client.send(1, &[&ping(3)]);
    assert_eq!(client.poll(1).text(), body(&[&[6, 3]]));
}

#[test]
fn a_poll_is_not_held_for_ever() {
    let server =
        TestServer::start_with(|options| options.limits.poll_hold = Duration::from_millis(20));
    let client = Client::connect(&server);
    for sequence in 0..3 {
        let reply = client.poll(sequence);
        assert_eq!((reply.status, reply.text().as_str()), (200, ""));
    }
}

#[test]
fn a_repeated_request_is_not_processed_again() {
    let server = TestServer::start();
    let client = Client::connect(&server);
    assert_eq!(client.send(0, &[&ping(1)]).status, 200);
    assert_eq!(client.send(0, &[&ping(2)]).status, 200);
    assert_eq!(client.send(1, &[&ping(3)]).status, 200);
    let expected = body(&[&[6, 1], &[6, 3]]);
    assert_eq!(client.poll(0).text(), expected);
    assert_eq!(
        client.poll(0).text(),
        expected,
        "a repeated poll gets the same bytes"
    );
    client.send(2, &[&ping(4)]);
    assert_eq!(client.poll(0).text(), expected);
    assert_eq!(client.poll(1).text(), body(&[&[6, 4]]));
}

#[test]
fn two_polls_at_once_are_both_answered() {
    let server = TestServer::start();
    let client = Client::connect(&server);
    let mut polls = [client.begin_poll(0), client.begin_poll(0)];
    client.send(0, &[&ping(1)]);
    // The newer one supersedes the other, or repeats it when it comes after the message.
    let texts = polls.each_mut().map(|poll| poll.read_reply().text());
    let pong = body(&[&[6, 1]]);
    assert!(texts.contains(&pong), "{texts:?}");
    assert!(
        texts.iter().all(|text| text.is_empty() || *text == pong),
        "{texts:?}"
    );
}

#[test]
fn a_poll_whose_connection_ends_loses_nothing() {
    let server = TestServer::start();
    // Each client polls with one number only: the server may read a poll whose connection has ended late.
    let client = Client::connect(&server);
    drop(client.begin_poll(0));
    client.send(0, &[&ping(1)]);
    assert_eq!(
        client.poll(0).text(),
        body(&[&[6, 1]]),
        "a proxy repeats the poll"
    );

    // The reply was on its way when the connection ended.
    let client = Client::connect(&server);
    let cut = client.begin_poll(0);
    client.send(0, &[&ping(2)]);
    drop(cut);
    assert_eq!(client.poll(0).text(), body(&[&[6, 2]]));
}

#[test]
fn sends_that_overtake_each_other_are_put_in_order() {
    let server = TestServer::start();
    let client = Client::connect(&server);
    let mut second = client.begin_send(1, &[&ping(2)]);
    let mut third = client.begin_send(2, &[&ping(3)]);
    let mut first = client.begin_send(0, &[&ping(1)]);
    assert_eq!(
        [
            first.read_reply().status,
            second.read_reply().status,
            third.read_reply().status
        ],
        [200; 3]
    );
    assert_eq!(client.poll(0).text(), body(&[&[6, 1], &[6, 2], &[6, 3]]));
}

#[test]
fn requests_that_break_the_protocol_end_the_connection_but_not_the_session() {
    let good = body(&[USER_PING]);
    let cases = [
        ("poll without sequence", 1, "", "", 400),
        ("poll with a bad sequence", 1, "one", "", 400),
        ("poll ahead", 1, "1", "", 400),
        ("send without sequence", 2, "", &good, 400),
        ("send with a negative sequence", 2, "-1", &good, 400),
        ("send far ahead", 2, "9", &good, 400),
        ("odd body", 2, "0", "AAAAAgA4AQ=", 400),
        ("not base64", 2, "0", "no base64", 400),
        ("truncated frame", 2, "0", "AAAAAg==", 400),
        ("length larger than the rest", 2, "0", "AAAAAwA4AQ==", 400),
        ("negative length", 2, "0", "/////wA4AQ==", 400),
    ];
    for (name, method, sequence, body, status) in cases {
        let server = TestServer::start();
        let client = Client::connect(&server);
        let reply = server
            .connect()
            .exchange(client.request(method, sequence, body));
        assert_eq!(reply.status, status, "{name}");
        assert!(
            reply.text().contains("connect again"),
            "{name}: {}",
            reply.text()
        );
        assert_eq!(
            (client.poll(0).status, client.send(0, &[USER_PING]).status),
            (404, 404),
            "{name}"
        );
        assert_eq!(server.sessions(), 1, "{name}");
    }
}

#[test]
fn messages_that_break_the_protocol_end_the_session() {
    let cases: [(&str, &[u8]); 3] = [
        ("unknown type", &[63, 0]),
        ("server-only type", ABORT),
        ("bits", &[0x80, 0x38, 1]),
    ];
    for (name, message) in cases {
        let server = TestServer::start();
        let client = Client::connect(&server);
        assert_eq!(client.send(0, &[message]).status, 200, "{name}");
        assert_eq!(client.poll(0).text(), body(&[ABORT]), "{name}");
        assert_eq!(
            (client.poll(1).status, client.send(1, &[USER_PING]).status),
            (404, 404),
            "{name}"
        );
        assert_eq!(server.sessions(), 0, "{name}");
    }
}

#[test]
fn messages_that_are_too_large_end_the_session() {
    let large = [0; 1025];
    let cases = [
        ("one message", body(&[&large])),
        ("the body", "A".repeat(3000)),
    ];
    for (name, body_text) in cases {
        let server = TestServer::start_with(|options| options.broker.message_bytes_max = 1024);
        let client = Client::connect(&server);
        let reply = server
            .connect()
            .exchange(client.request(2, "0", &body_text));
        assert_eq!(reply.status, 413, "{name}");
        assert_eq!(client.poll(0).text(), body(&[ABORT]), "{name}");
        server.await_sessions(0);
    }
}

#[test]
fn a_close_request_ends_session_and_polls() {
    let server = TestServer::start();
    let client = Client::connect(&server);
    let mut poll = client.begin_poll(0);
    assert_eq!(client.send(0, &[CLOSE_REQUEST]).status, 200);
    let reply = poll.read_reply();
    assert_eq!((reply.status, reply.text()), (200, body(&[ABORT])));
    assert_eq!(client.poll(1).status, 404);
    assert_eq!(client.send(1, &[USER_PING]).status, 404);
    assert_eq!(server.sessions(), 0);
}

#[test]
fn a_client_that_polls_no_more_is_lost() {
    let server =
        TestServer::start_with(|options| options.limits.poll_grace = Duration::from_millis(50));
    let client = Client::connect(&server);
    let held = client.begin_poll(0);
    assert_eq!(client.send(0, &[USER_PING]).status, 200);
    drop(held);
    while client.send(0, &[USER_PING]).status == 200 {}
    assert_eq!(client.poll(1).status, 404);
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_reply_has_a_limited_number_of_messages() {
    let server = TestServer::start();
    let client = Client::connect(&server);
    let pings: Vec<[u8; 3]> = (1..=120).map(ping).collect();
    let pings: Vec<&[u8]> = pings.iter().map(<[u8; 3]>::as_slice).collect();
    client.send(0, &pings);
    let pongs: Vec<[u8; 2]> = (1..=120).map(|conversation| [6, conversation]).collect();
    let pongs: Vec<&[u8]> = pongs.iter().map(<[u8; 2]>::as_slice).collect();
    assert_eq!(client.poll(0).text(), body(&pongs[..100]));
    assert_eq!(client.poll(1).text(), body(&pongs[100..]));
}

#[test]
fn the_token_of_a_websocket_does_not_poll() {
    let server = TestServer::start();
    let mut peer = server.connect();
    let (_, response) = peer.upgrade("/diffusion?v=29&ty=WB&ca=8");
    let token = String::from_utf8(response[19..43].to_vec()).unwrap();
    let client = Client {
        server: &server,
        token,
    };
    assert_eq!(client.poll(0).status, 404);
    assert_eq!(client.send(0, &[USER_PING]).status, 404);
    assert_eq!(peer.ask(USER_PING), USER_PONG);
}
