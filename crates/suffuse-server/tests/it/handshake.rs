//! Who is accepted, who is refused, and how both are told.

use crate::peer::{CLOSE, TestServer, poll_request};

const QUERY: &str =
    "/diffusion?ty=WB&v=29&ca=10&r=60000&sp=%7B%22%24Environment%22%3A%22NODE_linux_20.20.2%22%7D";
/// `password` and `wrong`, as clients encode them.
const PASSWORD: &str = "AQhwYXNzd29yZA%3D%3D";
const WRONG: &str = "AQV3cm9uZw%3D%3D";

#[test]
fn parameters_are_taken_from_query_and_headers() {
    let server = TestServer::start();
    let python = "v: 25\r\nca: 10\r\nusername:\r\nr: 60000\r\npassword:\r\nty: PY\r\n\
        sp: \"$Environment\",\"PYTHON_cpython_3.11.7\"\r\n";
    let credentials = format!("{QUERY}&username=control&password={PASSWORD}");
    let cases = [
        (QUERY, "", 29),
        (&credentials, "", 29),
        ("/diffusion", python, 25),
        ("/diffusion?v=29", python, 29), // The query wins.
        ("/a%20b/%C3%A9/diffusion/?ty=WB&v=22&ca=8", "", 22),
        ("/diffusion?v=29", "", 29), // What is missing has a default.
        ("/diffusion?ty=WB&v=29&ca=8&sp=%7Bnonsense", "", 29), // What is proposed badly is ignored.
    ];
    for (target, headers, version) in cases {
        let mut peer = server.connect();
        let (reply, response) = peer.upgrade_with(target, headers);
        assert_eq!(response[..3], [b'#', version, 100], "{target} {headers}");
        assert_eq!(response.len(), 55);
        let session = format!("{}-{}", hex(&response[3..11]), hex(&response[11..19]));
        let cookie = format!("session={session}; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(reply.header("set-cookie"), Some(cookie.as_str()));
        assert_eq!(reply.header("x-suffuse-node"), Some("n00"));
        assert_eq!(response[19..23], *b"n00.");
    }
}

#[test]
fn a_refused_websocket_gets_the_response_and_a_proper_end() {
    let server = TestServer::start_with(|options| options.broker.sessions_max = 0);
    let full = format!("{QUERY}&username=control&password={PASSWORD}");
    assert_refused(&server, &full, &[b'#', 29, 113]);

    let server = TestServer::start();
    let cases: [(&str, &str, [u8; 3]); 8] = [
        (
            "wrong password",
            &format!("{QUERY}&username=control&password={WRONG}"),
            [b'#', 29, 116],
        ),
        (
            "unknown principal",
            &format!("{QUERY}&username=nobody&password={PASSWORD}"),
            [b'#', 29, 116],
        ),
        (
            "newer version",
            "/diffusion?ty=WB&v=30&ca=8",
            [b'#', 30, 102],
        ),
        (
            "newer version of Python",
            "/diffusion?ty=PY&v=30&ca=8",
            [b'#', 30, 115],
        ),
        (
            "bad base64",
            &format!("{QUERY}&username=a&password=%%%"),
            [b'#', 29, 115],
        ),
        (
            "bad number",
            "/diffusion?ty=WB&v=29&ca=8&r=soon",
            [b'#', 29, 115],
        ),
        (
            "unknown token",
            &format!("{QUERY}&c=n00.aaaaaaaaaaaaaaaaaaaa&cs=1&ss=0"),
            [b'#', 29, 117],
        ),
        (
            "no token",
            &format!("{QUERY}&c=x&cs=1&ss=0"),
            [b'#', 29, 117],
        ),
    ];
    for (name, target, response) in cases {
        println!("{name}");
        assert_refused(&server, target, &response);
    }
    assert_eq!(server.sessions(), 0);
}

#[test]
fn a_refused_polling_client_gets_the_response_as_body() {
    let server = TestServer::start();
    let wrong = format!("v: 29\r\nusername: control\r\npassword: {WRONG}\r\n");
    let unknown = "v: 29\r\nc: n00.aaaaaaaaaaaaaaaaaaaa\r\ncs: 1\r\nss: 0\r\n".to_owned();
    let cases = [
        (wrong, b"#\x1d\x74"),
        (unknown, b"#\x1d\x75"),
        ("v: 31\r\n".to_owned(), b"#\x1f\x66"),
    ];
    for (headers, response) in cases {
        let headers = format!("m: 0\r\nty: B\r\nca: 8\r\n{headers}");
        let reply = server.connect().exchange(poll_request(&headers, ""));
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (200, &response[..]),
            "{headers}"
        );
        assert_eq!(reply.header("set-cookie"), None);
    }
}

#[test]
fn an_accepted_polling_client_gets_response_cookie_and_node() {
    let server = TestServer::start();
    let headers =
        format!("m: 0\r\nty: B\r\nv: 29\r\nca: 8\r\nusername: control\r\npassword: {PASSWORD}\r\n");
    let reply = server.connect().exchange(poll_request(&headers, ""));
    assert_eq!(
        (reply.status, &reply.body[..3], reply.body.len()),
        (200, &b"#\x1d\x64"[..], 55)
    );
    assert!(
        reply
            .header("set-cookie")
            .is_some_and(|cookie| cookie.starts_with("session="))
    );
    assert_eq!(reply.header("x-suffuse-node"), Some("n00"));
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=ISO-8859-1")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

fn assert_refused(server: &TestServer, target: &str, response: &[u8]) {
    let mut peer = server.connect();
    let (reply, message) = peer.upgrade(target);
    assert_eq!(message, response);
    assert_eq!(reply.header("set-cookie"), None);
    let (opcode, payload) = peer.read_frame();
    assert_eq!((opcode, payload.as_slice()), (CLOSE, &[0x03, 0xe8][..]));
    peer.send_frame(CLOSE, &payload);
    assert_eq!(peer.read_to_end(), b"");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
