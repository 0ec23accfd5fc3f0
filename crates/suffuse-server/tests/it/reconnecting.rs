//! Sessions that come back over another connection (spec: connection §7.4).

use std::time::Duration;

use crate::{
    balancers::metric,
    peer::{BINARY, CLOSE_REQUEST, Peer, TestServer, poll_request},
    polling::{Client, body, ping},
};

const OK: u8 = 100;
const GOES_ON: u8 = 105;
const ANEW: u8 = 106;
const UNKNOWN: u8 = 117;

/// An accepted connection response, apart from what is the same for all.
#[derive(Debug, PartialEq, Eq)]
struct Response {
    code: u8,
    session: Vec<u8>,
    token: String,
    last: u32,
}

fn response(bytes: &[u8]) -> Response {
    assert_eq!(bytes.len(), 55, "{bytes:02x?}");
    assert_eq!(bytes[..2], [b'#', 29]);
    Response {
        code: bytes[2],
        session: bytes[3..19].to_vec(),
        token: String::from_utf8(bytes[19..43].to_vec()).unwrap(),
        last: u32::from_be_bytes(bytes[51..].try_into().unwrap()),
    }
}

/// What a client asks for that has sent and received so much.
#[derive(Clone, Copy)]
struct Counts {
    oldest: i32,
    received: i32,
}

fn counts(oldest: i32, received: i32) -> Counts {
    Counts { oldest, received }
}

fn websocket(server: &TestServer) -> (Peer, Response) {
    let mut peer = server.connect();
    let (_, message) = peer.upgrade("/diffusion?v=29&ty=WJ&ca=8&r=60000");
    let response = response(&message);
    assert_eq!(response.code, OK);
    (peer, response)
}

/// Asks for a session over a WebSocket. Returns the bytes of the response.
fn resume_websocket(server: &TestServer, token: &str, counts: Counts) -> (Peer, Vec<u8>) {
    let Counts { oldest, received } = counts;
    let mut peer = server.connect();
    let query = format!("v=29&ty=WJ&ca=8&r=60000&c={token}&cs={oldest}&ss={received}");
    let (_, message) = peer.upgrade(&format!("/diffusion?{query}"));
    (peer, message)
}

/// The same with headers, as Python does.
fn resume_by_headers(server: &TestServer, token: &str, counts: Counts) -> (Peer, Vec<u8>) {
    let Counts { oldest, received } = counts;
    let mut peer = server.connect();
    let headers = format!(
        "v: 29\r\nty: WJ\r\nca: 8\r\nr: 60000\r\nc: {token}\r\ncs: {oldest}\r\nss: {received}\r\n"
    );
    let (_, message) = peer.upgrade_with("/diffusion", &headers);
    (peer, message)
}

/// The same by polling.
fn resume_polling(server: &TestServer, token: &str, counts: Counts) -> Vec<u8> {
    let Counts { oldest, received } = counts;
    let headers = format!(
        "m: 0\r\nty: J\r\nv: 29\r\nca: 8\r\nr: 60000\r\nc: {token}\r\ncs: {oldest}\r\nss: {received}\r\n"
    );
    let reply = server.connect().exchange(poll_request(&headers, ""));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.body
}

fn polling<'a>(server: &'a TestServer, token: &str) -> Client<'a> {
    Client {
        server,
        token: token.to_owned(),
    }
}

#[test]
fn a_websocket_goes_on_with_what_is_missing() {
    for resume in [resume_websocket, resume_by_headers] {
        let server = TestServer::start();
        let (mut peer, first) = websocket(&server);
        for number in 1..=3 {
            assert_eq!(peer.ask(&ping(number)), [6, number]);
        }
        drop(peer);

        // The client says that the last two answers did not arrive.
        let (mut peer, message) = resume(&server, &first.token, counts(1, 1));
        let expected = Response {
            code: GOES_ON,
            last: 4,
            ..first
        };
        assert_eq!(response(&message), expected);
        assert_eq!(peer.expect_message(), [6, 2]);
        assert_eq!(peer.expect_message(), [6, 3]);
        assert_eq!(peer.ask(&ping(4)), [6, 4]);
        assert_eq!(server.sessions(), 1);
    }
}

#[test]
fn what_cannot_go_on_starts_anew() {
    let server = TestServer::start();
    let (mut peer, first) = websocket(&server);
    assert_eq!(peer.ask(&ping(1)), [6, 1]);
    for (number, counts) in [(1, counts(3, 1)), (2, counts(1, 9))] {
        let (mut peer, message) = resume_websocket(&server, &first.token, counts);
        let response = response(&message);
        assert_eq!((response.code, response.last), (ANEW, 32 << 20));
        assert_eq!(response.session, first.session);
        assert_eq!(peer.ask(&ping(number)), [6, number]);
    }
}

#[test]
fn polling_goes_on_with_what_is_missing_and_numbers_its_requests_anew() {
    let server = TestServer::start();
    let client = Client::connect(&server);
    client.send(0, &[&ping(1), &ping(2)]);
    client.send(1, &[&ping(3)]);
    let answers: &[&[u8]] = &[&[6, 1], &[6, 2], &[6, 3]];
    assert_eq!(client.poll(0).text(), body(answers));
    let requests = || metric(&server, "suffuse_session_requests_total");
    let before = requests();
    let held = client.begin_poll(1);
    // It may not overtake the reconnection: it would be out of its turn there.
    while requests() == before {
        std::thread::yield_now();
    }

    let response = response(&resume_polling(&server, &client.token, counts(1, 1)));
    assert_eq!((response.code, response.last), (GOES_ON, 4));
    assert_eq!(response.token, client.token);
    assert_eq!({ held }.read_reply().status, 404, "the poll of before");
    assert_eq!(client.poll(0).text(), body(&answers[1..]));
    client.send(0, &[&ping(4)]);
    assert_eq!(client.poll(1).text(), body(&[&[6, 4]]));
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_session_moves_from_a_websocket_to_polling_and_back() {
    let server = TestServer::start();
    let (mut peer, first) = websocket(&server);
    assert_eq!(peer.ask(&ping(1)), [6, 1]);
    assert_eq!(peer.ask(&ping(2)), [6, 2]);

    let message = resume_polling(&server, &first.token, counts(1, 1));
    assert_eq!((message[2], response(&message).last), (GOES_ON, 3));
    // The older connection ends without a word.
    assert_eq!(peer.read_to_end(), b"");
    let client = polling(&server, &first.token);
    assert_eq!(client.poll(0).text(), body(&[&[6, 2]]));
    client.send(0, &[&ping(3)]);
    assert_eq!(client.poll(1).text(), body(&[&[6, 3]]));
    let held = client.begin_poll(2);

    let (mut peer, message) = resume_websocket(&server, &first.token, counts(1, 2));
    assert_eq!((message[2], response(&message).last), (GOES_ON, 4));
    assert_eq!(peer.expect_message(), [6, 3]);
    assert_eq!({ held }.read_reply().status, 404);
    assert_eq!(client.send(1, &[&ping(9)]).status, 404);
    assert_eq!(client.poll(3).status, 404);
    assert_eq!(peer.ask(&ping(4)), [6, 4]);
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_client_comes_back_before_any_message_and_as_often_as_it_likes() {
    let server = TestServer::start();
    let (mut peer, first) = websocket(&server);
    for round in 0..10 {
        let (next, message) = match round % 3 {
            0 => resume_by_headers(&server, &first.token, counts(1, 0)),
            _ => resume_websocket(&server, &first.token, counts(1, 0)),
        };
        assert_eq!((message[2], response(&message).last), (GOES_ON, 1));
        assert_eq!(peer.read_to_end(), b"", "the connection before");
        peer = next;
    }
    assert_eq!(peer.ask(&ping(1)), [6, 1]);
    assert_eq!(server.sessions(), 1);
}

#[test]
fn two_polling_handshakes_at_once_leave_one_of_them_connected() {
    let server = TestServer::start();
    let token = server.polling();
    for _ in 0..20 {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let message = resume_polling(&server, &token, counts(1, 0));
                    assert!([GOES_ON, ANEW].contains(&message[2]));
                });
            }
        });
        // Whichever was last, the session is reached by its token.
        let client = polling(&server, &token);
        assert_eq!(client.send(0, &[&ping(0)]).status, 200);
    }
    assert_eq!(server.sessions(), 1);
}

#[test]
fn late_messages_of_the_older_connection_are_ignored() {
    let server = TestServer::start();
    let (mut older, first) = websocket(&server);
    let (mut peer, message) = resume_websocket(&server, &first.token, counts(1, 0));
    assert_eq!(message[2], GOES_ON);
    let _ = older.try_send(&crate::peer::frame(BINARY, CLOSE_REQUEST));
    drop(older);
    assert_eq!(peer.ask(&ping(1)), [6, 1]);
    assert_eq!(server.sessions(), 1);
}

#[test]
fn the_token_of_a_closed_session_is_of_no_session() {
    let server = TestServer::start();
    let (mut peer, first) = websocket(&server);
    peer.ask(CLOSE_REQUEST);
    for _ in 0..2 {
        let (mut peer, message) = resume_websocket(&server, &first.token, counts(1, 0));
        assert_eq!(message, [b'#', 29, UNKNOWN]);
        peer.expect_close(1000);
    }
    let message = resume_polling(&server, &first.token, counts(1, 0));
    assert_eq!(message, [b'#', 29, UNKNOWN]);
}

#[test]
fn counts_that_are_none_are_refused() {
    let server = TestServer::start();
    let (_peer, first) = websocket(&server);
    for rest in [
        "",
        "&cs=1",
        "&ss=1",
        "&cs=x&ss=1",
        "&cs=1&ss=",
        "&cs=1&ss=1.5",
    ] {
        let query = format!("v=29&ty=WJ&ca=8&c={}{rest}", first.token);
        let (_, message) = server.connect().upgrade(&format!("/diffusion?{query}"));
        assert_eq!(message, [b'#', 29, 115], "{rest}");
    }
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_polling_session_without_a_poll_is_lost_and_comes_back() {
    let server =
        TestServer::start_with(|options| options.limits.poll_grace = Duration::from_millis(50));
    let client = Client::connect(&server);
    let mut sends = 0..;
    while client.send(sends.next().unwrap(), &[&ping(0)]).status == 200 {}
    let message = resume_polling(&server, &client.token, counts(1, 0));
    assert_eq!(message[2], GOES_ON);
}
