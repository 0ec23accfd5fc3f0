use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use serde_json::Value;

use crate::support::{Server, run};

/// Answers every connection with this text; returns its address.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            // The client may have gone.
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

const FORBIDDEN: &str =
    "HTTP/1.1 403 Forbidden\r\nServer: squid/5.7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn names_of_no_transport_are_left_out_with_a_warning() {
    let server = Server::dev();
    let cases = [
        ("ws,tcp", 0, "`tcp` is not a transport"),
        (
            "carrier-pigeon, XHR",
            0,
            "`carrier-pigeon` is not a transport",
        ),
        ("tcp", 2, "SFX-C101"),
        ("", 2, "SFX-C101"),
    ];
    for (list, code, told) in cases {
        let ran = run(["connect", &server.url(), "--transports", list]);
        assert_eq!(ran.code, code, "{list}: {ran:?}");
        assert!(ran.stderr.contains(told), "{list}: {ran:?}");
    }
}

#[test]
fn a_connection_is_told() {
    let server = Server::dev();
    for transport in ["ws", "polling"] {
        let ran = run(["connect", &server.url(), "--transports", transport]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.starts_with("connected  session "), "{ran:?}");
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    }
}

#[test]
fn explain_lists_the_attempts() {
    let server = Server::dev();
    let ran = run([
        "connect",
        &server.url(),
        "--explain",
        "--transports",
        "polling,ws",
    ]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("1 HTTP_POLLING  http://"), "{ran:?}");
    assert!(lines[1].contains("transport HTTP_POLLING"), "{ran:?}");
}

#[test]
fn a_failed_cascade_is_explained_attempt_by_attempt() {
    let url = format!("ws://{}/x/diffusion", answering(FORBIDDEN));
    let ran = run(["connect", &url, "--explain", "--transports", "ws,polling"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.stderr, "");
    for part in [
        "1 WEBSOCKET     ws://",
        "2 HTTP_POLLING  http://",
        "HTTP 403 Forbidden",
        "squid/5.7",
        "help: ",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn a_failed_cascade_is_a_document_for_programs() {
    let url = format!("ws://{}", answering(FORBIDDEN));
    let ran = run([
        "connect",
        &url,
        "--explain",
        "--transports",
        "ws,polling",
        "--output",
        "json",
    ]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        keys(&document),
        ["attempts", "connected", "error", "session", "transport"]
    );
    assert_eq!(document["connected"], false);
    assert_eq!(document["transport"], Value::Null);
    assert_eq!(document["session"], Value::Null);
    let attempts = document["attempts"].as_array().unwrap();
    let transports: Vec<&Value> = attempts
        .iter()
        .map(|attempt| &attempt["transport"])
        .collect();
    assert_eq!(transports, ["WEBSOCKET", "HTTP_POLLING"]);
    for attempt in attempts {
        assert_eq!(keys(attempt), ATTEMPT);
        assert_eq!(attempt["response_code"], Value::Null, "{attempt}");
        assert_eq!(attempt["outcome"], "transport_error", "{attempt}");
        assert_eq!(attempt["http_status"], 403, "{attempt}");
        assert!(
            attempt["elapsed_ms"].is_u64() && attempt["reason"].is_string(),
            "{attempt}"
        );
    }
}

/// The fields of an attempt. They are always there, and null without a value.
const ATTEMPT: [&str; 11] = [
    "address",
    "elapsed_ms",
    "hint",
    "http_status",
    "outcome",
    "proxy",
    "reason",
    "response_code",
    "server",
    "transport",
    "url",
];

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[test]
fn a_session_is_a_document_for_programs() {
    let server = Server::dev();
    let ran = server.client(&[
        "connect",
        "--explain",
        "--transports",
        "polling",
        "--output",
        "json",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        keys(&document),
        [
            "attempts",
            "connected",
            "round_trip_ms",
            "session",
            "transport"
        ]
    );
    assert_eq!(document["connected"], true);
    assert_eq!(document["transport"], "HTTP_POLLING");
    assert!(document["session"].is_string(), "{document}");
    let attempt = &document["attempts"][0];
    assert_eq!(keys(attempt), ATTEMPT);
    assert_eq!(attempt["outcome"], "connected");
    assert_eq!(attempt["http_status"], 200);
    assert_eq!(attempt["response_code"], 100);
}

#[test]
fn a_wrong_password_is_fatal_and_refused() {
    let server = Server::dev();
    let args = [
        "connect",
        "--transports",
        "ws,polling",
        "--principal",
        "admin",
        "--credentials",
        "wrong",
    ];
    let ran = server.client(&[&args[..], &["--output", "json"]].concat());
    assert_eq!(ran.code, 4, "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        document["attempts"].as_array().unwrap().len(),
        1,
        "{document}"
    );
    assert_eq!(document["attempts"][0]["outcome"], "fatal");
    assert_eq!(document["attempts"][0]["response_code"], 116);
    assert!(ran.stderr.starts_with("error[SFX-C105]"), "{ran:?}");
}

#[test]
fn attempts_are_traced_as_they_happen() {
    let url = format!("ws://{}", answering(FORBIDDEN));
    let ran = run(["connect", &url, "--trace", "--transports", "ws,polling"]);
    let expected = [
        "attempt 1 of 2: WEBSOCKET",
        "attempt 1 failed: ",
        "attempt 2 of 2: HTTP_POLLING",
        "attempt 2 failed: ",
    ];
    let lines: Vec<&str> = ran.stderr.lines().collect();
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{ran:?}");
    }
    assert!(
        lines[1].ends_with("HTTP_POLLING is next") && lines[3].ends_with("nothing else is tried"),
        "{ran:?}"
    );
}

#[test]
fn nothing_is_sent_for_what_cannot_be() {
    let cases = [
        (&["connect", "localhost:8080"][..], "error[SFX-C103]"),
        (&["connect", "ws://localhost/path"], "error[SFX-C1"),
        (
            &["connect", "ws://localhost", "--path", "/path"],
            "error[SFX-C102]",
        ),
    ];
    for (args, start) in cases {
        let ran = run(args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(
            ran.stderr.starts_with(start) && ran.stderr.contains("help:"),
            "{args:?}: {ran:?}"
        );
    }
}

#[test]
fn who_starts_without_a_server_is_told_how_to_get_one() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ran = run(["ping", "--url", &format!("ws://{free}")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("`suffuse dev` starts a server"),
        "{ran:?}"
    );
}
