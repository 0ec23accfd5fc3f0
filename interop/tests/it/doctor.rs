//! `suffuse doctor` names the fault of each balancer: a table of what it has to say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use suffuse_interop::place;
use suffuse_interop::proxy::{Kind, Proxy};
use suffuse_interop::server::Server;

use crate::faulty::{Balancer, Fault};

/// A line that is not ok: the check, its verdict, and words of what was found. Without a verdict it may
/// be anything, because it depends on chance.
type Line = (&'static str, &'static str, &'static str);

/// What the doctor may take.
const LIMITS: [&str; 8] = [
    "--timeout",
    "2s",
    "--idle-limit",
    "4s",
    "--rounds",
    "10",
    "--origin",
    "http://page.example",
];

/// Runs the doctor and checks its lines. Those that are not named have to be ok, or skipped.
fn check(url: &str, more: &[&str], exit_code: i32, expected: &[Line]) {
    let mut command = Command::new(place::binary().unwrap());
    command
        .args(["doctor", url, "--json"])
        .args(LIMITS)
        .args(more);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    let found: BTreeMap<&str, &Value> = document["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["check"].as_str().unwrap(), line))
        .collect();
    let shown = serde_json::to_string_pretty(&document).unwrap();
    for (check, line) in &found {
        let verdict = line["verdict"].as_str().unwrap();
        let is_named = expected.iter().any(|(name, _, _)| name == check);
        assert!(
            is_named || ["ok", "skipped"].contains(&verdict),
            "{check}: {shown}"
        );
    }
    for (check, verdict, words) in expected
        .iter()
        .filter(|(_, verdict, _)| !verdict.is_empty())
    {
        let line = found[check];
        assert_eq!(line["verdict"], *verdict, "{check}: {shown}");
        let text = line["found"].as_str().unwrap();
        assert!(text.contains(words), "{check}: {words}: {text}");
        assert!(
            line["next"].as_str().is_some_and(|next| !next.is_empty()),
            "{check}: {shown}"
        );
    }
    assert_eq!(output.status.code(), Some(exit_code), "{shown}");
}

fn nodes() -> [Server; 2] {
    [Server::start("n01").unwrap(), Server::start("n02").unwrap()]
}

fn addresses(servers: &[Server]) -> Vec<SocketAddr> {
    servers.iter().map(Server::address).collect()
}

fn through(kind: Kind, exit_code: i32, expected: &[Line]) {
    let servers = nodes();
    let proxy = Proxy::start(kind, &addresses(&servers)).unwrap();
    check(&proxy.url(), &[], exit_code, expected);
}

fn faulty(fault: Fault, exit_code: i32, expected: &[Line]) {
    let servers = nodes();
    let balancer = Balancer::start(fault, addresses(&servers));
    check(&balancer.url(), &[], exit_code, expected);
}

/// Goes through a forward proxy to a server without a balancer.
fn forward(kind: Kind, exit_code: i32, expected: &[Line]) {
    let servers = [Server::start("n01").unwrap()];
    let proxy = Proxy::start(kind, &addresses(&servers)).unwrap();
    let url = format!("http://127.0.0.1:{}", proxy.port());
    check(servers[0].url(), &["--proxy", &url], exit_code, expected);
}

/// A documented balancer has no fault, with TLS and without.
fn good(kind: Kind) {
    let servers = nodes();
    let proxy = Proxy::start(kind, &addresses(&servers)).unwrap();
    check(&proxy.url(), &[], 0, &[]);
    let root = proxy.root_certificate().display().to_string();
    let secure = proxy.secure_url().unwrap();
    check(&secure, &["--ca", &root], 0, &[]);
    let untrusted = (
        "tls",
        "fails",
        "the issuer of the server's certificate is not trusted",
    );
    check(&secure, &[], 3, &[untrusted]);
}

macro_rules! table {
    ($($name:ident: $run:expr;)*) => {
        $(
            #[test]
            fn $name() {
                $run;
            }
        )*
    };
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

table! {
    the_documented_haproxy_is_good: good(Kind::Haproxy);
    the_documented_nginx_is_good: good(Kind::Nginx);
    the_documented_caddy_is_good: good(Kind::Caddy);
    the_documented_traefik_is_good: good(Kind::Traefik);
    the_documented_envoy_is_good: good(Kind::Envoy);
    the_documented_apache_is_good: good(Kind::Apache);
    the_documented_varnish_is_good: good(Kind::Varnish);

    haproxy_strips_upgrades: through(Kind::HaproxyStripsUpgrade, 1, &[("websocket", "fails", "HTTP 426")]);
    haproxy_forbids_upgrades: through(Kind::HaproxyForbidsUpgrade, 1, &[("websocket", "fails", "HTTP 403")]);
    haproxy_answers_a_page: through(Kind::HaproxyAnswersPage, 1, &[("websocket", "fails", "HTTP 200")]);
    haproxy_swallows_upgrades: through(Kind::HaproxySwallowsUpgrade, 1, &[("websocket", "fails", "time-out after 2.0 s")]);
    haproxy_cuts_idle_tunnels: through(Kind::HaproxyCutsIdle, 1, &[("idle", "fails", "cut after 2.0 s")]);
    nginx_passes_no_upgrade_on: through(Kind::NginxWithoutUpgrade, 1, &[
        ("websocket", "fails", "HTTP 426"),
        ("size", "warning", "bodies to 1 MiB (1.1 MiB are refused: HTTP 413"),
    ]);
    caddy_forbids_upgrades: through(Kind::CaddyForbidsUpgrade, 1, &[("websocket", "fails", "HTTP 400")]);
    traefik_strips_upgrades: through(Kind::TraefikStripsUpgrade, 1, &[("websocket", "fails", "HTTP 426")]);
    envoy_forbids_upgrades: through(Kind::EnvoyForbidsUpgrade, 1, &[("websocket", "fails", "HTTP 403")]);
    apache_passes_no_upgrade_on: through(Kind::ApacheWithoutUpgrade, 1, &[("websocket", "fails", "HTTP 426")]);
    varnish_passes_no_upgrade_on: through(Kind::VarnishWithoutUpgrade, 1, &[("websocket", "fails", "HTTP 426")]);

    haproxy_by_cookie_loses_those_without_cookies: through(Kind::HaproxyByCookie, 5, &[
        ("sticky-polls", "warning", "with cookies 20/20"),
        ("sticky-reconnects", "warning", "with cookies 10/10"),
    ]);
    nginx_routes_by_path: {
        let servers = nodes();
        let proxy = Proxy::start(Kind::NginxByPath, &addresses(&servers)).unwrap();
        check(&proxy.url_with_path("/two/diffusion"), &[], 0, &[]);
        check(&proxy.url(), &[], 3, &[("path", "fails", "HTTP 404")]);
    };
    squid_makes_no_tunnels: forward(Kind::Squid, 1, &[("websocket", "fails", "refused CONNECT with HTTP 403")]);
    squid_makes_tunnels: forward(Kind::SquidWithTunnels, 0, &[]);
    tinyproxy_makes_no_tunnels: forward(Kind::Tinyproxy, 1, &[("websocket", "fails", "refused CONNECT with HTTP 403")]);
    tinyproxy_makes_tunnels: forward(Kind::TinyproxyWithTunnels, 0, &[]);

    tunnels_are_cut: faulty(Fault::Cut(millis(200)), 1, &[("steady", "fails", "cut after 2"), ("idle", "fails", "cut after 2")]);
    upgrades_are_swallowed: faulty(Fault::Swallows, 1, &[("websocket", "fails", "time-out")]);
    no_frames_come: faulty(Fault::NoFrames, 1, &[("websocket", "fails", "HTTP 101, and then nothing for 2.0 s")]);
    the_key_is_wrong: faulty(Fault::WrongKey, 1, &[("websocket", "fails", "Sec-WebSocket-Accept does not answer")]);
    upgrades_need_authentication: faulty(Fault::Answers("407 Proxy Authentication Required"), 1, &[("websocket", "fails", "HTTP 407")]);
    upgrades_are_redirected: faulty(Fault::Answers("302 Found\r\nLocation: http://login.example/"), 1, &[("websocket", "fails", "HTTP 302")]);
    everything_is_redirected: faulty(Fault::Redirects, 3, &[("path", "fails", "HTTP 302 Found, to https://login.example/")]);
    chopped_frames_are_no_fault: faulty(Fault::Chops, 0, &[]);
    answers_are_buffered: faulty(Fault::Buffers(millis(700)), 5, &[("buffering", "warning", "every answer is late")]);
    requests_fail: faulty(Fault::FailsEvery(5), 1, &[
        ("sticky-polls", "fails", "else: HTTP 502 Bad Gateway (server: faulty)"),
        ("sticky-reconnects", "fails", "else: HTTP 502"),
        ("polling", "", ""), ("headers", "", ""), ("cors", "", ""), ("parallel", "", ""), ("idle", "", ""),
    ]);
    answers_are_lost: faulty(Fault::LosesEvery(5), 1, &[
        ("sticky-polls", "fails", "else: the connection ended while waiting for the HTTP answer"),
        ("sticky-reconnects", "fails", "else: the connection ended"),
        ("path", "", ""), ("polling", "", ""), ("headers", "", ""), ("cors", "", ""), ("parallel", "", ""), ("idle", "", ""),
    ]);
    nothing_is_sticky: faulty(Fault::NotSticky, 1, &[
        ("sticky-polls", "fails", "polls and sends reached the node of their session"),
        ("sticky-reconnects", "fails", "reached their node"),
        ("parallel", "", ""), ("idle", "", ""),
    ]);
    only_cookies_are_sticky: faulty(Fault::ByCookieOnly, 5, &[
        ("sticky-polls", "warning", "with cookies 20/20"),
        ("sticky-reconnects", "warning", "with cookies 10/10"),
    ]);
    headers_are_dropped: faulty(Fault::DropsHeaders(&["c:", "m:", "s:", "v:", "ty:", "ca:", "r:"]), 1, &[
        ("path", "warning", "HTTP 400"),
        ("polling", "fails", "HTTP 400"),
        ("headers", "fails", "do not arrive: m"),
    ]);
    the_header_of_the_token_is_dropped: faulty(Fault::DropsHeaders(&["c:"]), 1, &[
        ("headers", "fails", "do not arrive: c"),
        ("parallel", "warning", "it could not be told"),
        ("sticky-polls", "fails", "0/20"),
        ("sticky-reconnects", "fails", "polling 0/10"),
        ("idle", "", ""),
    ]);
    headers_of_answers_are_dropped: faulty(Fault::DropsAnswerHeaders, 5, &[("headers", "warning", "set-cookie x-suffuse-node")]);
    bodies_are_limited: faulty(Fault::LimitsBodies(100_000), 5, &[("size", "warning", "HTTP 413")]);
    heads_are_limited: faulty(Fault::LimitsHeads(2500), 5, &[("size", "warning", "HTTP 431")]);
    idle_tunnels_are_cut: faulty(Fault::CutsIdle(millis(1500)), 1, &[("idle", "fails", "cut after 1.5 s")]);
    idle_tunnels_are_forgotten: faulty(Fault::ForgetsIdle(millis(1500)), 1, &[("idle", "fails", "idle for 1.0 s to 2.0 s")]);
    polls_are_cut: faulty(Fault::CutsPolls(millis(1500)), 1, &[("idle", "fails", "HTTP 504")]);
    one_request_at_a_time_passes: faulty(Fault::OneAtATime, 1, &[
        ("parallel", "fails", "a send was not answered within 2.0 s while a poll was held"),
        ("sticky-polls", "", ""), ("sticky-reconnects", "", ""), ("headers", "", ""), ("size", "", ""), ("cors", "", ""),
    ]);
    pre_flights_are_answered_on_the_way: faulty(Fault::AnswersOptions, 1, &[("cors", "fails", "allows no origin")]);
    slow_upgrades_are_told: faulty(Fault::Delays(millis(1000)), 0, &[]);
}
