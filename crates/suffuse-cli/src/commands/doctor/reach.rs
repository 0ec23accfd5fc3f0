//! Getting there: DNS, TCP, TLS, and what answers at the path.

use std::time::{Duration, Instant};

use serde_json::Value;
use suffuse_client::{
    Failure, TlsProblem, Transport,
    probe::{Answer, Handshake},
};

use super::{
    Doctor, Facts,
    certificate::Certificate,
    outcome::{Outcome, millis, shown},
    session::{PollingSession, Trouble, Wish, status_of},
};

/// How often a request is made that a balancer answers with an error now and then.
const TRIES: usize = 3;
/// From how many days before the end a certificate is a warning.
const DAYS_LEFT_MIN: i64 = 21;
/// How long a server may take to say that it does not speak TLS.
const NOT_TLS_MAX: Duration = Duration::from_secs(2);

pub(super) async fn dns(doctor: &Doctor) -> Outcome {
    if let Some(proxy) = doctor.probe.proxy() {
        return Outcome::skipped(format!("the proxy {proxy} looks the host up"));
    }
    let start = Instant::now();
    match doctor.probe.look_up().await {
        Ok(addresses) => {
            let list: Vec<String> = addresses.iter().map(|it| it.ip().to_string()).collect();
            let found = format!("{}, in {}", list.join(" "), shown(start.elapsed()));
            Outcome::ok(found)
                .with("addresses", list)
                .with("time_ms", millis(start.elapsed()))
        }
        Err(failure) => failed(&failure),
    }
}

pub(super) async fn tcp(doctor: &Doctor, facts: &mut Facts) -> Outcome {
    if let Some(proxy) = doctor.probe.proxy() {
        return Outcome::skipped(format!("the proxy {proxy} connects to the host"));
    }
    let addresses = match doctor.probe.look_up().await {
        Ok(addresses) => addresses,
        Err(failure) => return failed(&failure),
    };
    let attempts = addresses.iter().map(|address| doctor.probe.reach(*address));
    let outcomes = futures_util::future::join_all(attempts).await;
    let mut list = Vec::new();
    let mut parts = Vec::new();
    for (address, outcome) in addresses.iter().zip(&outcomes) {
        let (part, time, problem) = match outcome {
            Ok(time) => (shown(*time), Value::from(millis(*time)), Value::Null),
            Err(failure) => (failure.to_string(), Value::Null, failure.to_string().into()),
        };
        parts.push(format!("{address} {part}"));
        list.push(serde_json::json!({ "address": address, "time_ms": time, "problem": problem }));
    }
    facts.tcp = outcomes.iter().flatten().min().copied();
    let found = parts.join(", ");
    let bad = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let outcome = match bad {
        0 => Outcome::ok(found),
        bad if bad == outcomes.len() => Outcome::fails(
            found,
            "check that the balancer or server runs, that it listens on this port, and the firewalls",
        ),
        _ => Outcome::warning(
            found,
            "clients lose time on the addresses that do not answer: take them out of DNS, or let something listen",
        ),
    };
    outcome.with("addresses", list)
}

fn failed(failure: &Failure) -> Outcome {
    let next = failure.hint(Transport::HttpPolling);
    Outcome::fails(failure.to_string(), next.unwrap_or_default())
}

pub(super) async fn tls(doctor: &Doctor) -> Outcome {
    match doctor.probe.is_secure() {
        true => secure(doctor).await,
        false => insecure(doctor).await,
    }
}

async fn secure(doctor: &Doctor) -> Outcome {
    let handshake = match doctor.probe.negotiate(doctor.probe.limit()).await {
        Ok(handshake) => handshake,
        Err(error) => return Outcome::fails(error.to_string(), "check --ca and --client-cert"),
    };
    let certificate = handshake.certificates.first().and_then(Certificate::read);
    let about = certificate
        .as_ref()
        .map(|it| format!("; it is {it}"))
        .unwrap_or_default();
    let outcome = match (&handshake.outcome, &certificate) {
        (Err(failure), _) => {
            let next = failure.hint(Transport::HttpPolling).unwrap_or_default();
            Outcome::fails(format!("{failure}{about}"), next)
        }
        (Ok(()), Some(it)) if it.days_left < DAYS_LEFT_MIN => {
            let found = format!("{it}, {} left", days(it.days_left));
            Outcome::warning(found, "renew the certificate now, and automate it")
        }
        (Ok(()), Some(it)) => Outcome::ok(format!(
            "{it}, {} left, chain of {}, in {}",
            days(it.days_left),
            handshake.certificates.len(),
            shown(handshake.elapsed)
        )),
        (Ok(()), None) => Outcome::ok(format!("trusted, in {}", shown(handshake.elapsed))),
    };
    with_figures(outcome, &handshake, certificate.as_ref())
}

fn days(count: i64) -> String {
    match count {
        1 => "1 day".to_owned(),
        count => format!("{count} days"),
    }
}

fn with_figures(outcome: Outcome, handshake: &Handshake, it: Option<&Certificate>) -> Outcome {
    let outcome = outcome
        .with("time_ms", millis(handshake.elapsed))
        .with("chain", handshake.certificates.len());
    match it {
        None => outcome,
        Some(it) => outcome
            .with("issuer", it.issuer.clone())
            .with("names", it.names.clone())
            .with("not_after", it.not_after.clone())
            .with("days_left", it.days_left),
    }
}

/// Looks for TLS where the URL has none, if what answers does not speak HTTP.
async fn insecure(doctor: &Doctor) -> Outcome {
    let plain = Outcome::skipped("the URL has no TLS");
    let is_suspicious = match ask(doctor).await {
        Err(Trouble::Failure(Failure::Upgrade { .. } | Failure::Ended { .. })) => true,
        Err(Trouble::Status(answer)) => answer.status == 400,
        _ => false,
    };
    if !is_suspicious {
        return plain;
    }
    let limit = NOT_TLS_MAX.min(doctor.probe.limit());
    match doctor.probe.negotiate(limit).await {
        Ok(handshake) if speaks_tls(&handshake) => Outcome::fails(
            "the port speaks TLS, and the URL has none",
            "use https:// or wss:// in the URL, or the port that is meant for plain HTTP",
        ),
        _ => plain,
    }
}

fn speaks_tls(handshake: &Handshake) -> bool {
    let not_tls = |failure: &Failure| {
        !matches!(
            failure,
            Failure::Tls {
                cause: TlsProblem::ClientCertificateRequired | TlsProblem::ProtocolVersion,
                ..
            }
        )
    };
    !handshake.certificates.is_empty() || !handshake.outcome.as_ref().is_err_and(not_tls)
}

/// Asks for something that the server refuses, so that no session is made.
async fn ask(doctor: &Doctor) -> Result<PollingSession, Trouble> {
    PollingSession::open(doctor, &Wish::changed("r", "x")).await
}

pub(super) async fn path(doctor: &Doctor) -> Outcome {
    let mut seen = ask(doctor).await;
    for _ in 1..TRIES {
        if !matches!(&seen, Err(Trouble::Status(answer)) if answer.status >= 500) {
            break;
        }
        seen = ask(doctor).await;
    }
    match seen {
        // Whoever refuses with a code, or accepts, speaks the protocol.
        Ok(session) => speaks(&session.answer),
        Err(Trouble::Rejected(code)) => {
            Outcome::ok("a server of the protocol answers").with("response_code", code.0)
        }
        Err(Trouble::Status(answer)) => refused(&answer),
        Err(Trouble::NotOurs(answer)) => Outcome::fails(
            format!("{} and {}", status_of(&answer), what(&answer)),
            "something else answers here: check host, port, path and the routing of the balancer",
        )
        .with("status", answer.status),
        Err(Trouble::Failure(failure)) => failed(&failure),
        Err(trouble @ (Trouble::Ended(..) | Trouble::Silent(_))) => {
            Outcome::fails(trouble.to_string(), "check the balancer")
        }
    }
}

fn speaks(answer: &Answer) -> Outcome {
    let node = answer.header("x-suffuse-node");
    let of = node.as_ref().map(|node| format!(", node {node}"));
    Outcome::ok(format!(
        "a server of the protocol answers{}",
        of.unwrap_or_default()
    ))
}

/// Returns what an answer carries, for people.
fn what(answer: &Answer) -> String {
    let length = answer.body.len();
    match answer.header("content-type") {
        Some(kind) => format!("{length} bytes of {kind}"),
        None => format!("{length} bytes"),
    }
}

fn refused(answer: &Answer) -> Outcome {
    let found = match answer.header("location") {
        Some(location) => format!("{}, to {location}", status_of(answer)),
        None => status_of(answer),
    };
    let next = match answer.status {
        300..=399 => {
            "clients do not follow redirects: use the address that it redirects to, or let the balancer \
                      pass requests to this path on"
        }
        400 => {
            "the server misses headers, or something else answers: see `headers`, and let the balancer pass them on"
        }
        401 | 407 => "a proxy on the way wants its own user and password",
        403 => {
            "a rule on the way, or the allowed origins of the server, refuse this client: look into the logs"
        }
        404 => "check the request path, and that the balancer routes it to the server",
        405 => {
            "the balancer, or another server, does not take POST at this path: let it pass POST on for polling"
        }
        502..=504 => {
            "the balancer answers but has no live node behind it: ask for /health/ready on the nodes"
        }
        _ => "look into the log of the server and of what is before it",
    };
    let outcome = match answer.status {
        // The transports may work all the same.
        400..=403 | 405 => Outcome::warning(found, next),
        _ => Outcome::fails(found, next),
    };
    outcome
        .with("status", answer.status)
        .with("server", answer.header("server"))
}
