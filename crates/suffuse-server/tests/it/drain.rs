//! Draining: when a server is not ready, whom it still serves, and how its sessions learn that they have to move.

use std::{
    net::Shutdown,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use suffuse_server::{DrainPhase, DrainPlan};

use crate::peer::{CLOSE, Peer, Reply, TestServer, USER_PING, USER_PONG, poll_request};

const QUERY: &str = "/diffusion?ty=WB&v=29&ca=8&r=60000";
const FOREVER: Duration = Duration::from_secs(3600);

fn ready(server: &TestServer) -> u16 {
    let request = "GET /health/ready HTTP/1.1\r\nhost: test\r\n\r\n";
    server.connect().exchange(request).status
}

fn poll(token: &str, sequence: u32) -> String {
    poll_request(&format!("m: 1\r\nc: {token}\r\ns: {sequence}\r\n"), "")
}

fn token_of(response: &[u8]) -> String {
    String::from_utf8(response[19..43].to_vec()).unwrap()
}

#[test]
fn sessions_are_moved_in_order_and_then_nobody_is_taken() {
    let server = TestServer::start();
    let mut websocket = server.connect();
    let (_, response) = websocket.upgrade(QUERY);
    assert_eq!(websocket.ask(USER_PING), USER_PONG);
    let tokens = [(); 3].map(|()| server.polling());
    let mut held = server.connect();
    held.send(poll(&tokens[0], 0));
    // The second has an answer waiting, the third asks later.
    let send = poll_request(
        &format!("m: 2\r\nc: {}\r\ns: 0\r\n", tokens[1]),
        "AAAAAgA4AQ==",
    );
    assert_eq!(server.connect().exchange(send).status, 200);

    let plan = DrainPlan {
        wait: Duration::ZERO,
        rate: 1000,
    };
    let progress = server.drain(plan);
    assert_eq!(
        (progress.phase, progress.moved, progress.left),
        (DrainPhase::Drained, 4, 0)
    );
    assert_eq!(ready(&server), 503);

    // A WebSocket gets a close frame and no abort message, so that its client connects again.
    let (opcode, payload) = websocket.read_frame();
    assert_eq!((opcode, &payload[..]), (CLOSE, &1001_u16.to_be_bytes()[..]));
    websocket.shut_down(Shutdown::Write);
    assert_eq!(websocket.read_to_end(), b"");

    let moved = |reply: &Reply| {
        assert_eq!((reply.status, reply.text().as_str()), (200, ""));
        assert_eq!(reply.header("diffusion-connection"), Some("reconnect"));
    };
    moved(&held.read_reply());
    moved(&server.connect().exchange(poll(&tokens[2], 0)));
    // What waited is told before.
    let reply = server.connect().exchange(poll(&tokens[1], 0));
    assert_eq!((reply.status, reply.text().len()), (200, 8));
    assert_eq!(reply.header("diffusion-connection"), None);
    let reply = server.connect().exchange(poll(&tokens[1], 1));
    assert_eq!(
        (reply.status, reply.header("diffusion-connection")),
        (404, Some("reconnect"))
    );

    // Who comes back is sent to the others, by a balancer that routes to this one: only a new session helps.
    let target = format!("{QUERY}&c={}&cs=1&ss=1", token_of(&response));
    assert_eq!(server.connect().upgrade(&target).1, [b'#', 29, 117]);
    let fresh = server
        .connect()
        .exchange(poll_request("m: 0\r\nty: B\r\nv: 29\r\nca: 8\r\n", ""));
    assert_eq!(
        (fresh.status, fresh.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(
        server.sessions(),
        4,
        "they wait for their clients, in case the drain is aborted"
    );

    // After that they may come back.
    server.abort_drain();
    assert_eq!(ready(&server), 200);
    let target = format!("{QUERY}&c={}&cs=2&ss=2", token_of(&response));
    let code = server.connect().upgrade(&target).1[2];
    assert!(matches!(code, 105 | 106), "{code}");
}

#[test]
fn while_a_drain_waits_for_balancers_everybody_is_served() {
    let server = TestServer::start();
    server.begin_drain(DrainPlan {
        wait: FOREVER,
        rate: 500,
    });
    assert_eq!(server.drain_progress().phase, DrainPhase::Waiting);
    assert_eq!(ready(&server), 503);
    let mut peer = server.websocket();
    assert_eq!(peer.ask(USER_PING), USER_PONG);
    server.polling();

    server.abort_drain();
    assert_eq!(server.drain_progress().phase, DrainPhase::Serving);
    assert_eq!(ready(&server), 200);
    let another_ping = [0, 0x38, 2];
    assert_eq!(peer.ask(&another_ping), [6, 2]);
}

#[test]
fn sessions_are_moved_at_the_rate() {
    let server = TestServer::start();
    let _peers: Vec<Peer> = (0..5).map(|_| server.websocket()).collect();
    let begin = Instant::now();
    server.begin_drain(DrainPlan {
        wait: Duration::ZERO,
        rate: 10,
    });
    while server.drain_progress().phase != DrainPhase::Drained {
        let (moved, elapsed) = (server.drain_progress().moved, begin.elapsed().as_secs_f64());
        assert!(
            moved as f64 <= 1.0 + elapsed * 10.0,
            "{moved} after {elapsed} s"
        );
        std::thread::yield_now();
    }
    assert!(
        begin.elapsed() >= Duration::from_millis(400),
        "four after the first"
    );
    assert_eq!(server.drain_progress().moved, 5);
}

#[test]
fn only_principals_that_may_control_the_server_drain_it() {
    let server = TestServer::start();
    let ask = |method: &str, query: &str, headers: &str| {
        server.connect().exchange(format!(
            "{method} /admin/drain{query} HTTP/1.1\r\nhost: test\r\n{headers}content-length: 0\r\n\r\n"
        ))
    };
    let basic = |text: &str| format!("authorization: Basic {}\r\n", STANDARD.encode(text));
    let admin = basic("admin:password");
    let page = format!("{admin}origin: https://evil.example\r\n");
    let cases = [
        ("POST", "", String::new(), 401, "Authorization"),
        (
            "POST",
            "",
            "authorization: Bearer x\r\n".to_owned(),
            401,
            "Authorization",
        ),
        (
            "POST",
            "",
            "authorization: Basic !\r\n".to_owned(),
            401,
            "Authorization",
        ),
        ("POST", "", basic("admin"), 401, "Authorization"),
        ("POST", "", basic("admin:wrong"), 401, "password"),
        ("POST", "", basic("nobody:password"), 401, "password"),
        ("POST", "", basic("client:password"), 403, "CONTROL_SERVER"),
        (
            "DELETE",
            "",
            basic("client:password"),
            403,
            "CONTROL_SERVER",
        ),
        ("GET", "", basic("client:password"), 403, "CONTROL_SERVER"),
        ("POST", "", page, 403, "pages"),
        ("PUT", "", admin.clone(), 405, "POST"),
        ("POST", "?wait_ms=-1", admin.clone(), 400, "wait_ms"),
        ("POST", "?wait_ms=99999999", admin.clone(), 400, "wait_ms"),
        ("POST", "?rate=many", admin.clone(), 400, "rate"),
        (
            "GET",
            "",
            admin.clone(),
            200,
            "{\"phase\":\"serving\",\"moved\":0,\"left\":0}",
        ),
        (
            "POST",
            "?wait_ms=3600000&rate=1",
            admin.clone(),
            202,
            "\"waiting\"",
        ),
        ("POST", "", admin.clone(), 409, "already"),
        ("GET", "", admin.clone(), 200, "\"waiting\""),
        ("DELETE", "", admin.clone(), 200, "\"serving\""),
        ("DELETE", "", admin.clone(), 200, "\"serving\""),
    ];
    for (method, query, headers, status, word) in cases {
        let reply = ask(method, query, &headers);
        let what = format!("{method} {query} {headers:?}: {}", reply.text());
        assert_eq!(reply.status, status, "{what}");
        assert!(reply.text().contains(word), "{what}");
    }
    let server = TestServer::start_with(|options| options.listen[0].admin = false);
    let request =
        format!("POST /admin/drain HTTP/1.1\r\nhost: test\r\n{admin}content-length: 0\r\n\r\n");
    assert_eq!(server.connect().exchange(request).status, 404);
}
