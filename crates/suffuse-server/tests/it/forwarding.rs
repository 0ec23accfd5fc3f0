//! Requests for sessions of another server are passed on to it, once.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use suffuse_server::{Cluster, Peers};

use crate::{
    balancers::metric,
    peer::{BINARY, CLOSE_REQUEST, Peer, Reply, TestServer, USER_PING, USER_PONG, poll_request},
};

const SECRET: &str = "the secret of the group, for tests";

fn node(id: &str, peers: &[(&str, SocketAddr)], secret: &str) -> TestServer {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{secret}").unwrap();
    let urls: Vec<_> = peers
        .iter()
        .map(|(node, address)| (*node, format!("http://{address}")))
        .collect();
    let pairs = urls.iter().map(|(node, url)| (*node, url.as_str()));
    TestServer::start_with(|options| {
        options.broker.node = id.parse().unwrap();
        options.cluster = Cluster {
            peers: Peers::parse(pairs).unwrap(),
            secret_file: Some(file.path().to_owned()),
            forward: true,
            forwards_max: 2,
        };
    })
}

/// Listens somewhere, and passes bytes on to an address that is told later.
fn relay() -> (SocketAddr, Arc<OnceLock<SocketAddr>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, target) = (listener.local_addr().unwrap(), Arc::new(OnceLock::new()));
    let known: Arc<OnceLock<SocketAddr>> = Arc::clone(&target);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(known.wait()) else {
                return;
            };
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                thread::spawn(move || io::copy(&mut from, &mut to));
            }
        }
    });
    (address, target)
}

fn request(m: u8, token: &str, s: u32, body: &str) -> String {
    poll_request(&format!("m: {m}\r\nc: {token}\r\ns: {s}\r\n"), body)
}

fn ask(server: &TestServer, request: impl AsRef<[u8]>) -> Reply {
    server.connect().exchange(request)
}

#[test]
fn a_session_is_served_through_the_wrong_node() {
    let second = node("n02", &[], SECRET);
    let first = node("n01", &[("n02", second.address())], SECRET);
    let token = second.polling();
    assert!(token.starts_with("n02."));
    for s in 0..3 {
        let body = ["AAAAAgA4AQ==", "AAAAAgA4Ag==", "AAAAAgA4Aw=="][s as usize];
        assert_eq!(ask(&first, request(2, &token, s, body)).status, 200);
        let reply = ask(&first, request(1, &token, s, ""));
        assert_eq!(
            (reply.status, reply.body.len()),
            (200, 8),
            "{}",
            reply.text()
        );
        assert_eq!(reply.header("x-suffuse-took-us"), None);
    }
    // It reconnects there, over polling and then over a WebSocket.
    let headers =
        format!("m: 0\r\nty: B\r\nv: 29\r\nca: 8\r\nr: 60000\r\nc: {token}\r\ncs: 4\r\nss: 4\r\n");
    let reply = ask(&first, poll_request(&headers, ""));
    assert_eq!(
        (reply.status, &reply.body[19..43]),
        (200, token.as_bytes()),
        "{}",
        reply.text()
    );
    let target = format!("/diffusion?ty=WB&v=29&ca=8&r=60000&c={token}&cs=4&ss=4");
    let mut peer = first.connect();
    let (reply, response) = peer.upgrade(&target);
    assert_eq!(reply.header("x-suffuse-node"), Some("n02"));
    assert_eq!(&response[19..43], token.as_bytes());
    // What was not received before may come first.
    peer.send_frame(BINARY, &[0, 0x38, 0x55]);
    while peer.expect_message() != [6, 0x55] {}
    peer.send_frame(BINARY, CLOSE_REQUEST);
    while peer.read_frame().0 == BINARY {}
    second.await_sessions(0);

    assert_eq!(first.sessions(), 0);
    let forwarded = "suffuse_forwarded_requests_total{node=\"n02\",outcome=\"answered\"}";
    assert_eq!(metric(&first, forwarded), 8);
    assert_eq!(
        metric(&first, "suffuse_foreign_requests_total{node=\"n02\"}"),
        8
    );
    assert_eq!(metric(&first, "suffuse_forward_seconds_count"), 8);
    assert_eq!(
        metric(&second, "suffuse_foreign_requests_total{node=\"other\"}"),
        0
    );
}

#[test]
fn what_the_owner_refuses_is_refused() {
    let second = node("n02", &[], SECRET);
    let first = node("n01", &[("n02", second.address())], SECRET);
    let unknown = "n02.aaaaaaaaaaaaaaaaaaaa";
    let reply = ask(&first, request(1, unknown, 0, ""));
    assert_eq!(
        (reply.status, reply.header("diffusion-connection")),
        (404, Some("reconnect"))
    );
    let target = format!("/diffusion?ty=WB&v=29&ca=8&c={unknown}&cs=1&ss=1");
    assert_eq!(first.connect().upgrade(&target).1, [b'#', 29, 117]);
    // Nodes that are not configured are nobody to forward to.
    assert_eq!(
        ask(&first, request(1, "n09.aaaaaaaaaaaaaaaaaaaa", 0, "")).status,
        404
    );
    // A session of here stays here.
    let mut own = first.websocket();
    assert_eq!(own.ask(USER_PING), USER_PONG);
}

#[test]
fn a_request_is_forwarded_once() {
    let (itself, target) = relay();
    let lonely = node("n01", &[("n02", itself)], SECRET);
    target.set(lonely.address()).unwrap();
    let (to_second, second_target) = relay();
    let first = node("n01", &[("n03", to_second)], SECRET);
    let second = node("n02", &[("n03", first.address())], SECRET);
    second_target.set(second.address()).unwrap();
    for (server, token) in [
        (&lonely, "n02.aaaaaaaaaaaaaaaaaaaa"),
        (&first, "n03.aaaaaaaaaaaaaaaaaaaa"),
    ] {
        let reply = ask(server, request(1, token, 0, ""));
        assert_eq!(reply.status, 421, "{}", reply.text());
        assert!(
            reply.text().contains("cluster.peers of node n01"),
            "{}",
            reply.text()
        );
    }
    assert_eq!(
        metric(
            &second,
            "suffuse_forwarded_requests_total{node=\"n03\",outcome=\"answered\"}"
        ),
        0
    );
}

#[test]
fn who_has_no_proof_forwards_nothing() {
    let second = node("n02", &[], SECRET);
    let stranger = node(
        "n01",
        &[("n02", second.address())],
        "another secret, for tests",
    );
    let alone = TestServer::start();
    let token = second.polling();
    let forged = |header: &str| {
        poll_request(
            &format!("m: 1\r\nc: {token}\r\ns: 0\r\nx-suffuse-forwarded: {header}\r\n"),
            "",
        )
    };
    let long = "0".repeat(64);
    let cases = [
        (&stranger, request(1, &token, 0, ""), "secret"),
        (&second, forged(""), "proof"),
        (&second, forged("v1 n01 n02 1 127.0.0.1 00"), "proof"),
        (
            &second,
            forged(&format!("v1 n01 n02 1 127.0.0.1 {long}")),
            "proof",
        ),
        (&alone, forged("v1"), "cluster.secret_file"),
    ];
    for (server, request, word) in cases {
        let reply = ask(server, &request);
        assert_eq!(reply.status, 403, "{request}: {}", reply.text());
        assert!(reply.text().contains(word), "{request}: {}", reply.text());
    }
    assert_eq!(metric(&second, "suffuse_refused_forwards_total"), 4);
    assert_eq!(metric(&alone, "suffuse_refused_forwards_total"), 1);
}

#[test]
fn a_node_that_is_not_there_costs_little() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let first = node("n01", &[("n02", gone)], SECRET);
    let token = "n02.aaaaaaaaaaaaaaaaaaaa";
    let begin = Instant::now();
    let statuses: Vec<u16> = (0..50)
        .map(|_| {
            let reply = ask(&first, request(1, token, 0, ""));
            assert_eq!(reply.header("diffusion-connection"), Some("reconnect"));
            assert!(reply.text().contains("node n02"), "{}", reply.text());
            reply.status
        })
        .collect();
    assert_eq!(statuses[0], 502);
    assert!(
        statuses.iter().filter(|status| **status == 503).count() >= 45,
        "{statuses:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn there_is_a_limit_on_what_is_under_way() {
    let second = node("n02", &[], SECRET);
    let first = node("n01", &[("n02", second.address())], SECRET);
    let held: Vec<Peer> = (0..2)
        .map(|_| {
            let mut peer = first.connect();
            peer.send(request(1, &second.polling(), 0, ""));
            peer
        })
        .collect();
    let forwarded = "suffuse_foreign_requests_total{node=\"n02\"}";
    while metric(&first, forwarded) < 2 {
        thread::yield_now();
    }
    let reply = ask(&first, request(1, &second.polling(), 0, ""));
    assert_eq!(reply.status, 503);
    assert!(
        reply.text().contains("cluster.forwards_max"),
        "{}",
        reply.text()
    );
    drop(held);
}

/// Prints what forwarding adds: `cargo nextest run -p suffuse-server forwarding_adds --no-capture`, with
/// `--release` for figures that mean something.
#[test]
fn forwarding_adds_a_little_time() {
    const COUNT: u32 = 200;
    let second = node("n02", &[], SECRET);
    let first = node("n01", &[("n02", second.address())], SECRET);
    let time = |server: &TestServer| {
        let (token, mut peer) = (second.polling(), server.connect());
        let mut times: Vec<Duration> = (0..COUNT)
            .map(|s| {
                let begin = Instant::now();
                assert_eq!(
                    peer.exchange(request(2, &token, s, "AAAAAgA4AQ==")).status,
                    200
                );
                begin.elapsed()
            })
            .collect();
        times.sort();
        times
    };
    let (direct, forwarded) = (time(&second), time(&first));
    for (name, times) in [("direct", &direct), ("forwarded", &forwarded)] {
        let at = |share: usize| times[times.len() * share / 100].as_micros();
        eprintln!(
            "{name:<10} {COUNT} sends: median {} us, 99 % {} us",
            at(50),
            at(99)
        );
    }
    assert!(forwarded[COUNT as usize / 2] < Duration::from_millis(100));
}
