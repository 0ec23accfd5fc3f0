//! The server behind load balancers: requests for other nodes, forwarding headers, and how both are counted.

use std::time::Duration;

use suffuse_server::{ForwardedHeader, Listen, Networks, Options};

use crate::peer::{Peer, Reply, TestServer, poll_request, upgrade_request};

/// Asks for the caller's own session properties, in conversation 1.
const OWN_PROPERTIES: &[u8] = &[0, 0xca, 0x01, 1];

fn behind(trusted: &[&str], header: ForwardedHeader) -> TestServer {
    TestServer::start_with(|options: &mut Options| {
        options.listen[0].trusted_proxies = Networks::parse(trusted).unwrap();
        options.listen[0].forwarded_header = header;
        options.broker.node = "n01".parse().unwrap();
    })
}

/// Returns a metric by its name with its labels; what was never counted is 0.
pub(crate) fn metric(server: &TestServer, name: &str) -> u64 {
    let reply = get(server, "/metrics");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    assert!(
        text.ends_with("# EOF\n\n") || text.ends_with("# EOF\n"),
        "{text}"
    );
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines
        .find(|(found, _)| *found == name)
        .map_or(0, |(_, value)| value.parse().unwrap())
}

fn get(server: &TestServer, path: &str) -> Reply {
    server
        .connect()
        .exchange(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
}

/// Returns what a session holds for its client's address.
fn client_ip(peer: &mut Peer) -> String {
    let answer = peer.ask(OWN_PROPERTIES);
    let key = b"$ClientIP";
    let at = answer.windows(key.len()).position(|found| found == key);
    let rest = &answer[at.unwrap() + key.len()..];
    String::from_utf8(rest[1..=usize::from(rest[0])].to_vec()).unwrap()
}

#[test]
fn a_request_with_a_token_that_is_not_of_here_costs_an_answer_and_is_counted() {
    let server = behind(&[], ForwardedHeader::default());
    let unknown = "suffuse_unknown_tokens_total";
    let other = "suffuse_foreign_requests_total{node=\"other\"}";
    let cases = [
        ("of this node", "n01.aaaaaaaaaaaaaaaaaaaa", unknown),
        ("of another node", "n02.aaaaaaaaaaaaaaaaaaaa", other),
        (
            "of a node that cannot be",
            "N$1.aaaaaaaaaaaaaaaaaaaa",
            other,
        ),
        ("that names no node", "aaaaaaaaaaaaaaaaaaaaaaaa", other),
        ("too short", "n02.a", unknown),
        (
            "too long",
            "n02.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            unknown,
        ),
    ];
    for (name, token, counter) in cases {
        let before = metric(&server, counter);
        for (m, body) in [(1, ""), (2, "AAAAAgA4AQ==")] {
            let request = poll_request(&format!("m: {m}\r\nc: {token}\r\ns: 0\r\n"), body);
            let reply = server.connect().exchange(request);
            assert_eq!(reply.status, 404, "{name}");
            assert_eq!(
                reply.header("diffusion-connection"),
                Some("reconnect"),
                "{name}"
            );
        }
        assert_eq!(metric(&server, counter) - before, 2, "{name}");
        if token.len() == 24 {
            let request =
                format!("m: 0\r\nty: B\r\nv: 29\r\nca: 8\r\nc: {token}\r\ncs: 1\r\nss: 1\r\n");
            let reply = server.connect().exchange(poll_request(&request, ""));
            assert_eq!(
                (reply.status, &reply.body[..]),
                (200, &[b'#', 29, 117][..]),
                "{name}"
            );
            let target = format!("/diffusion?ty=WB&v=29&ca=8&c={token}&cs=1&ss=1");
            let (_, response) = server.connect().upgrade(&target);
            assert_eq!(response, [b'#', 29, 117], "{name}");
            assert_eq!(metric(&server, counter) - before, 4, "{name}");
        }
    }
    assert_eq!(server.sessions(), 0);
    assert_eq!(metric(&server, "suffuse_handshakes_total{code=\"117\"}"), 8);
    assert_eq!(
        metric(&server, "suffuse_refused_requests_total{status=\"404\"}"),
        12
    );
    assert_eq!(metric(&server, "suffuse_session_requests_total"), 16);
}

#[test]
fn only_trusted_proxies_say_where_a_client_is() {
    let local = &["127.0.0.1", "10.0.0.0/8"][..];
    let (old, new) = (ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded);
    let cases = [
        (local, old, "x-forwarded-for: 192.0.2.7", "192.0.2.7", 0),
        (
            local,
            old,
            "x-forwarded-for: 127.0.0.1, 192.0.2.7, 10.1.2.3",
            "192.0.2.7",
            0,
        ),
        (local, old, "forwarded: for=192.0.2.7", "127.0.0.1", 0),
        (
            local,
            new,
            "forwarded: for=\"[2001:db8::7]:1\";proto=https",
            "2001:db8::7",
            0,
        ),
        (local, new, "x-forwarded-for: 192.0.2.7", "127.0.0.1", 0),
        (local, old, "x-other: 1", "127.0.0.1", 0),
        (&[], old, "x-forwarded-for: 192.0.2.7", "127.0.0.1", 1),
        (&[], old, "forwarded: for=192.0.2.7", "127.0.0.1", 1),
        (
            &["10.0.0.0/8"],
            old,
            "x-forwarded-for: 192.0.2.7",
            "127.0.0.1",
            1,
        ),
    ];
    for (trusted, which, header, expected, ignored) in cases {
        let server = behind(trusted, which);
        let mut peer = server.connect();
        let target = "/diffusion?ty=WB&v=29&ca=8";
        let (_, response) = peer.upgrade_with(target, &format!("{header}\r\n"));
        assert_eq!(response[2], 100);
        assert_eq!(client_ip(&mut peer), expected, "{trusted:?} {header}");
        let counted = metric(&server, "suffuse_ignored_forwarding_headers_total");
        assert_eq!(counted, ignored, "{trusted:?} {header}");
    }
}

#[test]
fn metrics_are_read_where_the_listener_has_them() {
    let server = TestServer::start();
    let _one = server.websocket();
    let reply = get(&server, "/metrics");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type"), Some(kind));
    for (name, expected) in [
        ("suffuse_sessions", 1),
        ("suffuse_connections", 2),
        ("suffuse_topics", 0),
        ("suffuse_handshakes_total{code=\"100\"}", 1),
    ] {
        // The connections of earlier looks may not have ended yet.
        let found = metric(&server, name);
        assert!(found >= expected, "{name} {found}");
    }
    let refused = server
        .connect()
        .exchange("POST /metrics HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("GET, HEAD"))
    );

    let server = TestServer::start_with(|options| options.listen[0].metrics = false);
    assert_eq!(get(&server, "/metrics").status, 404);
}

#[test]
fn proxy_headers_are_read_from_trusted_proxies_only() {
    const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n";
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x12\x67\0\x50";
    const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    const BAD: &[u8] = b"PROXY TCP4 somewhere\r\n";
    let counter = |reason| format!("suffuse_refused_proxy_headers_total{{reason=\"{reason}\"}}");
    let cases: [(&str, &[u8], Result<&str, &str>); 8] = [
        ("127.0.0.1", V1, Ok("192.0.2.7")),
        ("127.0.0.1", V2, Ok("192.0.2.7")),
        ("127.0.0.1", LOCAL, Ok("127.0.0.1")),
        ("127.0.0.1", b"", Err("missing")),
        ("127.0.0.1", BAD, Err("malformed")),
        ("10.0.0.1", b"", Ok("127.0.0.1")),
        ("10.0.0.1", V1, Err("untrusted")),
        ("10.0.0.1", V2, Err("untrusted")),
    ];
    for (trusted, header, expected) in cases {
        let server = TestServer::start_with(|options| {
            let plain = Listen {
                metrics: true,
                ..options.listen[0].clone()
            };
            options.listen.push(plain);
            options.listen[0].trusted_proxies = Networks::parse([trusted]).unwrap();
            options.listen[0].proxy_protocol = true;
        });
        let what = format!("{trusted} {}", header.escape_ascii());
        let mut peer = server.connect();
        peer.send(header);
        match expected {
            Ok(address) => {
                let target = "/diffusion?ty=WB&v=29&ca=8";
                // The source of a PROXY header is no trusted proxy, so its headers are ignored.
                let (_, response) = peer.upgrade_with(target, "x-forwarded-for: 198.51.100.1\r\n");
                assert_eq!(response[2], 100, "{what}");
                let found = client_ip(&mut peer);
                // The proxy itself is trusted, and so are its headers.
                let is_proxy = address == trusted;
                let address = if is_proxy { "198.51.100.1" } else { address };
                assert_eq!(found, address, "{what}");
            }
            Err(reason) => {
                _ = peer.try_send(upgrade_request("/diffusion?ty=WB&v=29&ca=8", "").as_bytes());
                assert!(peer.is_cut(), "{what}");
                let mut look = Peer::connect(server.addresses()[1]);
                let reply = look.exchange("GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n");
                let line = format!("{} 1", counter(reason));
                assert!(reply.text().contains(&line), "{what}: {}", reply.text());
                assert_eq!(server.sessions(), 0, "{what}");
            }
        }
    }
}

#[test]
fn a_proxy_header_that_is_never_finished_costs_the_time_limit() {
    let server = TestServer::start_with(|options| {
        options.listen[0].trusted_proxies = Networks::parse(["127.0.0.1"]).unwrap();
        options.listen[0].proxy_protocol = true;
        options.limits.handshake_timeout = Duration::from_millis(50);
    });
    for start in [
        "",
        "PROXY TCP4 192.0.2.7",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\u{f}",
    ] {
        let mut peer = server.connect();
        peer.send(start);
        assert!(peer.is_cut(), "{}", start.escape_debug());
    }
}
