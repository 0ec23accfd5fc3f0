//! Our client through programs that break WebSocket: with both transports it polls, with one it
//! says what it saw.

use std::process::{Command, Output};

use serde_json::Value;
use suffuse_interop::place;
use suffuse_interop::proxy::{Kind, Proxy};
use suffuse_interop::server::Server;

/// The exit codes of a connection that failed, and of one that took too long.
const NOT_CONNECTED: i32 = 3;
const TIMED_OUT: i32 = 6;

/// How long an attempt may take. Only an upgrade that is swallowed takes so long.
const ATTEMPT_MAX: &str = "3s";

/// What the client must say about the upgrade.
#[derive(Clone, Copy)]
enum Seen {
    Status(u64),
    /// Nothing within the time limit.
    Silence,
}

#[test]
fn our_client_polls_through_haproxy_that_strips_upgrades() {
    check(Kind::HaproxyStripsUpgrade, Seen::Status(426));
}

#[test]
fn our_client_polls_through_haproxy_that_forbids_upgrades() {
    check(Kind::HaproxyForbidsUpgrade, Seen::Status(403));
}

#[test]
fn our_client_polls_through_haproxy_that_answers_a_page() {
    check(Kind::HaproxyAnswersPage, Seen::Status(200));
}

#[test]
fn our_client_polls_through_haproxy_that_swallows_upgrades() {
    check(Kind::HaproxySwallowsUpgrade, Seen::Silence);
}

#[test]
fn our_client_polls_through_nginx_that_passes_no_upgrade_on() {
    check(Kind::NginxWithoutUpgrade, Seen::Status(426));
}

#[test]
fn our_client_polls_through_caddy_that_forbids_upgrades() {
    check(Kind::CaddyForbidsUpgrade, Seen::Status(400));
}

#[test]
fn our_client_polls_through_traefik_that_strips_upgrades() {
    check(Kind::TraefikStripsUpgrade, Seen::Status(426));
}

#[test]
fn our_client_polls_through_envoy_that_forbids_upgrades() {
    check(Kind::EnvoyForbidsUpgrade, Seen::Status(403));
}

#[test]
fn our_client_polls_through_apache_that_passes_no_upgrade_on() {
    check(Kind::ApacheWithoutUpgrade, Seen::Status(426));
}

#[test]
fn our_client_polls_through_varnish_that_passes_no_upgrade_on() {
    check(Kind::VarnishWithoutUpgrade, Seen::Status(426));
}

#[test]
fn our_client_polls_through_squid_that_refuses_tunnels() {
    check(Kind::Squid, Seen::Status(403));
}

#[test]
fn our_client_polls_through_tinyproxy_that_refuses_tunnels() {
    check(Kind::Tinyproxy, Seen::Status(403));
}

#[test]
fn our_client_tunnels_through_squid() {
    check_open(Kind::SquidWithTunnels);
}

#[test]
fn our_client_tunnels_through_tinyproxy() {
    check_open(Kind::TinyproxyWithTunnels);
}

#[test]
fn our_client_connects_through_haproxy_that_cuts_idle_sockets() {
    check_open(Kind::HaproxyCutsIdle);
}

fn check(kind: Kind, seen: Seen) {
    let server = Server::start("n00").unwrap();
    let proxy = Proxy::start(kind, &[server.address()]).unwrap();

    let (status, report) = connect(&proxy, &server, "ws,polling");
    assert_eq!(status, Some(0), "{report}");
    assert_eq!(report["transport"], "HTTP_POLLING", "{report}");
    assert_eq!(
        outcomes(&report),
        ["transport_error", "connected"],
        "{report}"
    );
    expect(&report["attempts"][0], seen);

    let (status, report) = connect(&proxy, &server, "ws");
    let expected = match seen {
        Seen::Status(_) => NOT_CONNECTED,
        Seen::Silence => TIMED_OUT,
    };
    assert_eq!(status, Some(expected), "{report}");
    assert_eq!(report["connected"], false, "{report}");
    assert_eq!(outcomes(&report), ["transport_error"], "{report}");
    expect(&report["attempts"][0], seen);
}

fn check_open(kind: Kind) {
    let server = Server::start("n00").unwrap();
    let proxy = Proxy::start(kind, &[server.address()]).unwrap();
    for (list, transport) in [("ws", "WEBSOCKET"), ("polling", "HTTP_POLLING")] {
        let (status, report) = connect(&proxy, &server, list);
        assert_eq!(status, Some(0), "{report}");
        assert_eq!(report["transport"], transport, "{report}");
    }
}

fn expect(attempt: &Value, seen: Seen) {
    assert_eq!(attempt["transport"], "WEBSOCKET");
    match seen {
        Seen::Status(status) => {
            assert_eq!(attempt["http_status"], status, "{attempt}");
            let reason = attempt["reason"].as_str().unwrap();
            assert!(reason.contains(&status.to_string()), "{attempt}");
        }
        Seen::Silence => {
            assert_eq!(attempt["http_status"], Value::Null, "{attempt}");
            assert!(
                attempt["elapsed_ms"].as_f64().unwrap() >= 3000.0,
                "{attempt}"
            );
        }
    }
}

fn outcomes(report: &Value) -> Vec<&str> {
    let attempts = report["attempts"].as_array().unwrap();
    let outcomes = attempts.iter().map(|attempt| attempt["outcome"].as_str());
    outcomes.map(Option::unwrap).collect()
}

fn connect(proxy: &Proxy, server: &Server, transports: &str) -> (Option<i32>, Value) {
    let mut command = Command::new(place::binary().unwrap());
    command.arg("connect");
    if proxy.is_forward() {
        let proxy = format!("http://127.0.0.1:{}", proxy.port());
        command.args([server.url(), "--proxy", &proxy]);
    } else {
        command.arg(proxy.url());
    }
    command.args(["--explain", "--output", "json", "--transports", transports]);
    command.args(["--timeout", ATTEMPT_MAX]);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let report = serde_json::from_slice(&stdout).unwrap_or_else(|error| {
        let stderr = String::from_utf8_lossy(&stderr);
        panic!("{error} in {}{stderr}", String::from_utf8_lossy(&stdout))
    });
    (status.code(), report)
}
