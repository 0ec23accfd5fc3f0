//! Pages of other origins: what browsers ask and need to see (spec: connection §5.6).

use suffuse_server::Origins;

use crate::peer::{Reply, TestServer, poll_request, upgrade_request};

const PAGE: &str = "https://page.example";

fn origin_server() -> TestServer {
    TestServer::start_with(|options| {
        options.allowed_origins = Origins::List([PAGE.to_owned()].into());
    })
}

fn preflight(server: &TestServer, origin: &str) -> Reply {
    server.connect().exchange(format!(
        "OPTIONS /diffusion HTTP/1.1\r\nhost: test\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\
         access-control-request-headers: ca,m,password,r,sp,ty,username,v\r\n\r\n"
    ))
}

#[test]
fn a_preflight_allows_all_headers_that_clients_send() {
    for server in [origin_server(), TestServer::start()] {
        let reply = preflight(&server, PAGE);
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("access-control-allow-origin"), Some(PAGE));
        assert_eq!(reply.header("vary"), Some("Origin"));
        assert_eq!(
            reply.header("access-control-allow-methods"),
            Some("POST, OPTIONS")
        );
        assert_eq!(reply.header("access-control-max-age"), Some("7200"));
        let allowed = reply.header("access-control-allow-headers").unwrap();
        for name in [
            "c",
            "ca",
            "content-type",
            "cs",
            "m",
            "password",
            "r",
            "s",
            "sp",
            "ss",
            "ty",
            "username",
            "v",
        ] {
            assert!(allowed.split(", ").any(|allowed| allowed == name), "{name}");
        }
        assert_eq!(server.sessions(), 0);
    }
}

#[test]
fn every_answer_can_be_read_by_the_page() {
    let server = origin_server();
    let connect = "ty: B\r\nv: 29\r\nca: 8\r\n";
    let cases = [
        ("m: 0\r\n", connect, 200),
        ("m: 1\r\nc: unknown\r\ns: 0\r\n", "", 404),
        ("m: 7\r\n", "", 400),
    ];
    for (method, headers, status) in cases {
        let headers = format!("origin: {PAGE}\r\n{method}{headers}");
        let reply = server.connect().exchange(poll_request(&headers, ""));
        assert_eq!(reply.status, status);
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some(PAGE),
            "{headers}"
        );
        assert_eq!(
            reply.header("access-control-expose-headers"),
            Some("diffusion-connection")
        );
    }
}

#[test]
fn pages_that_are_not_allowed_are_refused() {
    let server = origin_server();
    let evil = "origin: https://evil.example\r\n";
    let connect = format!("{evil}m: 0\r\nty: B\r\nv: 29\r\nca: 8\r\n");
    let upgrade = upgrade_request("/diffusion?v=29&ty=WB&ca=8", evil);
    for request in [poll_request(&connect, ""), upgrade] {
        let reply = server.connect().exchange(request);
        assert_eq!(reply.status, 403);
        assert!(reply.text().contains("origin"), "{}", reply.text());
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    assert_eq!(preflight(&server, "https://evil.example").status, 403);
    assert_eq!(server.sessions(), 0);

    // Programs send no origin.
    drop(server.websocket());
    server.polling();
}
