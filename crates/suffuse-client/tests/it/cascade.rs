//! The cascade against every way in which a path breaks WebSocket, before a real server.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use suffuse_client::{
    AttemptOutcome, Builder, ConnectError, Proxy, Session, TopicSpecification, TopicType,
    Transport, TransportNameError,
};
use tokio::task::JoinSet;

use crate::{
    bad_proxy::{BadProxy, Fault},
    peer::within,
    server::start,
};

/// How long an attempt may take where it fails by taking too long.
const SHORT: Duration = Duration::from_secs(1);
/// What a run may take beyond its time-outs, on a machine that does other things as well.
const SLACK: Duration = Duration::from_secs(8);

/// A way to break WebSocket, and what an attempt says about it.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    fault: Fault,
    reason: &'static str,
    /// Whether an attempt ends by its time limit only.
    is_slow: bool,
    /// Whether it breaks polling as well.
    breaks_polling: bool,
}

const fn case(name: &'static str, fault: Fault, reason: &'static str) -> Case {
    Case {
        name,
        fault,
        reason,
        is_slow: false,
        breaks_polling: false,
    }
}

const fn slow(name: &'static str, fault: Fault, reason: &'static str) -> Case {
    Case {
        is_slow: true,
        ..case(name, fault, reason)
    }
}

const CASES: [Case; 15] = [
    case("stripped", Fault::Stripped, "HTTP 4"),
    case(
        "400",
        Fault::Answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        "HTTP 400 Bad Request",
    ),
    case(
        "403",
        Fault::Answer("HTTP/1.1 403 Forbidden\r\nServer: squid\r\nContent-Length: 0\r\n\r\n"),
        "HTTP 403 Forbidden",
    ),
    case(
        "502",
        Fault::Answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
        "HTTP 502 Bad Gateway",
    ),
    case(
        "503",
        Fault::Answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        "HTTP 503 Service Unavailable",
    ),
    case(
        "redirect",
        Fault::Answer("HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n"),
        "HTTP 302 Found, to http://login.example/",
    ),
    case(
        "page",
        Fault::Answer(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
        ),
        "HTTP 200 OK",
    ),
    case(
        "reset",
        Fault::Reset,
        "the connection ended while waiting for the HTTP answer",
    ),
    slow(
        "swallowed",
        Fault::Swallowed,
        "time-out after 1.0 s while waiting for the HTTP answer",
    ),
    slow(
        "late",
        Fault::Late,
        "time-out after 1.0 s while waiting for the HTTP answer",
    ),
    slow(
        "no frames",
        Fault::NoFrames,
        "time-out after 1.0 s while waiting for the connection response",
    ),
    case(
        "cut",
        Fault::Cut(Duration::from_millis(200)),
        "the connection ended while waiting for the connection response",
    ),
    case(
        "wrong key",
        Fault::WrongKey,
        "Sec-WebSocket-Accept does not answer this request",
    ),
    case(
        "no tunnel",
        Fault::NoTunnel,
        "refused CONNECT with HTTP 403 Forbidden",
    ),
    Case {
        breaks_polling: true,
        ..case("not trusted", Fault::Untrusted, "no TLS")
    },
];

/// Lists of transports, by their names; `None` is no list.
const LISTS: [Option<&[&str]>; 7] = [
    Some(&["WS", "XHR"]),
    Some(&["WS"]),
    Some(&["WS", "XHR", "WS"]),
    Some(&["WS", "WS", "WS", "WS"]),
    Some(&[]),
    None,
    Some(&["WS", "CARRIER_PIGEON", "XHR"]),
];

#[tokio::test]
async fn the_cascade_gets_around_everything_that_breaks_websocket() {
    let server = start().await;
    let address = server.addresses()[0];
    let mut runs = JoinSet::new();
    for case in CASES {
        for list in LISTS {
            runs.spawn(run(case, list, address));
        }
    }
    within(async {
        while let Some(run) = runs.join_next().await {
            run.unwrap();
        }
    })
    .await;
    within(server.stop()).await;
}

async fn run(case: Case, names: Option<&'static [&'static str]>, server: SocketAddr) {
    let context = format!("{} {names:?}", case.name);
    let list: Result<Option<Vec<Transport>>, TransportNameError> = names
        .map(|names| names.iter().map(|name| name.parse()).collect())
        .transpose();
    let list = match list {
        Ok(list) => list,
        Err(error) => {
            assert!(error.to_string().contains("`CARRIER_PIGEON`"), "{error}");
            return;
        }
    };
    let proxy = BadProxy::start(case.fault, server).await;
    let builder = builder(case, list.as_deref(), &proxy, server);
    let tried = list.unwrap_or_else(|| vec![Transport::WebSocket]);
    let begin = Instant::now();
    let result = builder.open().await;
    let elapsed = begin.elapsed();
    let polling = tried.iter().position(|it| *it == Transport::HttpPolling);
    let failures = match (result, polling) {
        (Err(ConnectError::NoTransport), _) => {
            assert_eq!((tried.len(), proxy.connections()), (0, 0), "{context}");
            return;
        }
        (Err(error), _) => {
            check_failure(case, &tried, &error, &context);
            tried.len()
        }
        (Ok(session), Some(before)) => {
            check_attempts(case, before, &session, &context);
            // What was given up has ended while the session lives.
            proxy.all_ended().await;
            exchange_values(&session, &context).await;
            session.close().await;
            before
        }
        (Ok(session), None) => panic!("{context}: {:?}", session.attempts()),
    };
    proxy.all_ended().await;
    assert_eq!(proxy.broken(), failures, "{context}");
    let needed = if case.is_slow {
        SHORT * u32::try_from(failures).unwrap()
    } else {
        Duration::ZERO
    };
    assert!(
        elapsed >= needed && elapsed < needed + SLACK,
        "{context}: {elapsed:?}"
    );
}

fn builder(
    case: Case,
    list: Option<&[Transport]>,
    proxy: &BadProxy,
    server: SocketAddr,
) -> Builder {
    let is_forward = case.fault == Fault::NoTunnel;
    let target = if is_forward { server } else { proxy.address };
    let mut builder = Session::builder()
        .server_host(target.ip().to_string())
        .server_port(target.port())
        .request_path("/path/diffusion")
        .principal("admin")
        .credentials("password");
    if case.is_slow {
        builder = builder.attempt_timeout(SHORT);
    }
    if case.fault == Fault::Untrusted {
        builder = builder.secure_transport(true).tls(trusting_nothing());
    }
    if is_forward {
        builder = builder.proxy(Proxy::url(format!("http://{}", proxy.address)));
    }
    match list {
        Some(list) => builder.transports(list.to_vec()),
        None => builder,
    }
}

fn trusting_nothing() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Arc::new(config)
}

/// Checks that an error names every attempt, and what was seen in it.
fn check_failure(case: Case, tried: &[Transport], error: &ConnectError, context: &str) {
    assert!(
        case.breaks_polling || !tried.contains(&Transport::HttpPolling),
        "{context}: {error}"
    );
    assert_eq!(error.code(), "SFX-C104", "{context}: {error}");
    let transports: Vec<_> = error.attempts().iter().map(|it| it.transport).collect();
    assert_eq!(transports, tried, "{context}");
    assert_eq!(
        error.report().matches(case.reason).count(),
        tried.len(),
        "{context}: {error}"
    );
    for attempt in error.attempts() {
        assert!(attempt.hint().is_some(), "{context}: {attempt}");
    }
}

/// Checks that a session is over polling, after this many attempts that failed.
fn check_attempts(case: Case, failed: usize, session: &Session, context: &str) {
    assert_eq!(session.transport(), Transport::HttpPolling, "{context}");
    let attempts = session.attempts();
    assert_eq!(attempts.len(), failed + 1, "{context}: {attempts:?}");
    for attempt in &attempts[..failed] {
        assert!(
            attempt.reason().contains(case.reason),
            "{context}: {attempt}"
        );
    }
    assert_eq!(attempts[failed].outcome, AttemptOutcome::Connected);
}

async fn exchange_values(session: &Session, context: &str) {
    let topics = session.topics();
    let path = format!(
        "cascade/{}",
        context.replace(|it: char| !it.is_alphanumeric(), "_")
    );
    let mut values = topics.stream::<i64>(&path).await.unwrap();
    let specification = TopicSpecification::new(TopicType::INT64);
    topics.add(&path, specification).await.unwrap();
    let write = async {
        for value in 0..50 {
            topics.set(&path, &value).await.unwrap();
        }
    };
    let read = async {
        for value in 0..50 {
            let update = values.next().await.unwrap();
            assert_eq!((update.value, update.missed), (Ok(value), 0), "{context}");
        }
    };
    tokio::join!(write, read);
}
