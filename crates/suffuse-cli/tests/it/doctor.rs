//! `suffuse doctor` against servers that are all right, and against scripted ones that are not.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    thread,
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};
use serde_json::Value;

use crate::support::{Ran, Server, run, suffuse};

/// Runs the doctor, with short limits; returns its document.
fn doctor(url: &str, more: &[&str]) -> (Ran, Value) {
    let args = [
        "doctor",
        url,
        "--json",
        "--timeout",
        "2s",
        "--idle-limit",
        "500ms",
    ];
    let ran = run([&args[..], more].concat());
    let document = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| {
        panic!("{error}: {ran:?}");
    });
    (ran, document)
}

fn line<'a>(document: &'a Value, check: &str) -> &'a Value {
    let lines = document["checks"].as_array().unwrap();
    let line = lines.iter().find(|line| line["check"] == check);
    line.unwrap_or_else(|| panic!("no {check}: {document:#}"))
}

/// Checks the verdict of a line, and words of what was found.
fn check(document: &Value, name: &str, verdict: &str, words: &str) {
    let line = line(document, name);
    assert_eq!(line["verdict"], verdict, "{name}: {document:#}");
    assert!(
        line["found"].as_str().unwrap().contains(words),
        "{words}: {line:#}"
    );
}

/// Answers every request with this; returns the address.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The client may have gone.
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_server_without_a_balancer_is_all_right() {
    let server = Server::dev();
    let more = ["--origin", "https://page.example", "--rounds", "3"];
    let (ran, document) = doctor(&server.url(), &more);
    assert_eq!(ran.code, 0, "{document:#}");
    assert_eq!(document["verdict"], "ok");
    assert_eq!(document["exit_code"], 0);
    let names: Vec<&str> = document["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["check"].as_str().unwrap())
        .collect();
    let expected = [
        "dns",
        "tcp",
        "tls",
        "path",
        "websocket",
        "steady",
        "polling",
        "parallel",
        "buffering",
        "sticky-polls",
        "sticky-reconnects",
        "headers",
        "cors",
        "size",
        "spread",
        "idle",
    ];
    assert_eq!(names, expected);
    check(&document, "spread", "ok", "n00 6");
    check(&document, "tls", "skipped", "the URL has no TLS");
}

#[test]
fn it_leaves_no_session_behind() {
    let server = Server::dev();
    let more = ["--skip", "steady,idle", "--rounds", "3"];
    let (ran, document) = doctor(&server.url(), &more);
    assert_eq!(ran.code, 0, "{document:#}");
    let (_, said) = server.end_by("-TERM");
    assert!(said.contains("0 sessions"), "{said}");
}

#[cfg(unix)]
#[test]
fn it_leaves_no_session_behind_when_it_is_stopped() {
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };
    let server = Server::dev();
    let url = server.url();
    let mut child = suffuse(["doctor", &url, "--only", "idle", "--idle-limit", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Then the idle connections are opened.
    assert!(lines.any(|line| line.unwrap().contains("polling")));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    drop(lines);
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Ctrl-C: stopped"), "{ran:?}");
    let (_, said) = server.end_by("-TERM");
    assert!(said.contains("0 sessions"), "{said}");
}

#[test]
fn people_get_a_table_with_the_next_step() {
    let address = answering(
        "HTTP/1.1 502 Bad Gateway\r\nServer: lb\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let ran = run(["doctor", &format!("http://{address}/x/diffusion")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], format!("http://{address}/x/diffusion"));
    for part in [
        "  fails    path               HTTP 502 Bad Gateway (server: lb)",
        "-> the balancer answers but has no live node behind it",
        "  skipped  websocket          path fails",
        "ok 2, warning 0, fails 1, skipped ",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    assert!(
        lines.iter().all(|line| line.chars().count() <= 110),
        "{ran:?}"
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn what_answers_at_the_path_is_told() {
    let cases = [
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage",
            "fails",
            "HTTP 200 OK that is no",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "fails",
            "HTTP 404 Not Found (server: nginx)",
        ),
        (
            "HTTP/1.1 301 Moved Permanently\r\nLocation: https://a/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "fails",
            "to https://a/",
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            "fails",
            "the HTTP answer is not valid",
        ),
    ];
    for (answer, verdict, words) in cases {
        let url = format!("http://{}/diffusion", answering(answer));
        let (ran, document) = doctor(&url, &["--only", "path"]);
        let words = words.trim_end_matches(" that is no");
        check(&document, "path", verdict, words);
        assert_eq!(ran.code, 1, "{document:#}");
    }
}

#[test]
fn nothing_that_listens_fails_at_tcp() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (ran, document) = doctor(&format!("ws://{free}"), &[]);
    assert_eq!(ran.code, 3, "{document:#}");
    check(&document, "tcp", "fails", "connection refused");
    for name in ["path", "polling", "idle"] {
        check(&document, name, "skipped", "");
    }
    let (ran, document) = doctor("ws://no-such-host.invalid", &[]);
    assert_eq!(ran.code, 3, "{document:#}");
    check(&document, "dns", "fails", "the host has no address");
}

#[test]
fn refused_credentials_have_an_exit_code_of_their_own() {
    let server = Server::dev();
    let more = [
        "--principal",
        "admin",
        "--credentials",
        "wrong",
        "--only",
        "websocket,polling",
    ];
    let (ran, document) = doctor(&server.url(), &more);
    assert_eq!(ran.code, 4, "{document:#}");
    check(&document, "websocket", "fails", "116");
    check(&document, "polling", "fails", "116");
}

#[test]
fn transports_that_are_not_wanted_are_left_out() {
    let server = Server::dev();
    let more = ["--transports", "polling", "--only", "websocket,polling"];
    let (ran, document) = doctor(&server.url(), &more);
    assert_eq!(ran.code, 0, "{document:#}");
    let lines = document["checks"].as_array().unwrap();
    assert!(
        lines.iter().all(|line| line["check"] != "websocket"),
        "{document:#}"
    );
}

#[test]
fn sessions_that_are_not_kept_are_not_resumed() {
    let server = Server::dev();
    let more = ["--only", "sticky-reconnects", "--reconnect-timeout", "0"];
    let (ran, document) = doctor(&server.url(), &more);
    assert_eq!(ran.code, 0, "{document:#}");
    check(
        &document,
        "sticky-reconnects",
        "skipped",
        "keeps no session",
    );
}

/// Speaks TLS with a certificate that is valid for these names until that year; returns its port and
/// the certificate.
fn secure(names: &[&str], until: i32) -> (u16, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // The client may refuse the certificate, or have gone.
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    (port, certificate.pem())
}

#[test]
fn certificates_are_judged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let ca = file.display().to_string();
    let cases = [
        (&["localhost"][..], 2100, "ok", "for localhost, issued by"),
        (
            &["localhost"],
            2021,
            "fails",
            "the server's certificate has expired",
        ),
        (&["other.example"], 2100, "fails", "it is for other.example"),
    ];
    for (names, until, verdict, words) in cases {
        let (port, pem) = secure(names, until);
        std::fs::write(&file, pem).unwrap();
        let url = format!("wss://localhost:{port}");
        let (_, document) = doctor(&url, &["--only", "tls", "--ca", &ca]);
        check(&document, "tls", verdict, words);
        assert!(
            line(&document, "tls")["measured"]["days_left"].is_i64(),
            "{document:#}"
        );
    }
    let (port, _) = secure(&["localhost"], 2100);
    let (_, document) = doctor(&format!("wss://localhost:{port}"), &["--only", "tls"]);
    check(&document, "tls", "fails", "is not trusted");
}

#[test]
fn tls_on_one_side_only_is_told() {
    let (port, _) = secure(&["localhost"], 2100);
    let (_, document) = doctor(&format!("ws://localhost:{port}"), &["--only", "tls"]);
    check(
        &document,
        "tls",
        "fails",
        "the port speaks TLS, and the URL has none",
    );

    let server = Server::dev();
    let url = server.url().replace("ws://", "wss://");
    let (_, document) = doctor(&url, &["--only", "tls"]);
    check(&document, "tls", "fails", "what answers does not speak TLS");
}
