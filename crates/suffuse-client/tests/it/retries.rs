//! Running the whole list of transports again. The clock of these tests stands still unless
//! everybody waits for it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use suffuse_client::{
    Builder, ConnectEvent, Retry, Session,
    Transport::{self, HttpPolling as Xhr, WebSocket as Ws},
};
use tokio::time::Instant;

use crate::peer::{Peer, Script, accepted};

const INTERVAL: Duration = Duration::from_secs(3600);

fn builder(peer: &Peer, attempts: u16) -> Builder {
    Session::builder()
        .url(format!("ws://{}", peer.address))
        .transports([Ws, Xhr])
        .retry(Retry {
            attempts,
            interval: INTERVAL,
        })
}

/// Collects the events as texts.
fn watched(builder: Builder) -> (Builder, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let builder = builder.on_event(move |event| {
        let text = match event {
            ConnectEvent::Attempt {
                number,
                of,
                transport,
                ..
            } => format!("{number}/{of} {transport}"),
            ConnectEvent::Failed { attempt, next } => {
                format!("{} failed, next {next:?}", attempt.number)
            }
            ConnectEvent::Retry { number, of, after } => format!("retry {number}/{of} {after:?}"),
            ConnectEvent::Connected { attempt } => format!("{} connected", attempt.number),
            ConnectEvent::Recovering { .. }
            | ConnectEvent::Recovered { .. }
            | ConnectEvent::Closed { .. }
            | _ => panic!("{event:?}"),
        };
        seen.lock().unwrap().push(text);
    });
    (builder, events)
}

#[tokio::test(start_paused = true)]
async fn the_whole_list_is_run_again_after_each_interval() {
    let peer = Peer::start(Script::Answer("HTTP/1.1 503 Service Unavailable\r\n\r\n")).await;
    let (builder, events) = watched(builder(&peer, 2));
    let begin = Instant::now();
    let error = builder.open().await.unwrap_err();
    assert_eq!(begin.elapsed(), 2 * INTERVAL);
    assert_eq!(peer.transports(), [Ws, Xhr, Ws, Xhr, Ws, Xhr]);
    assert_eq!(error.code(), "SFX-C104");
    let numbers: Vec<_> = error.attempts().iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let expected = [
        "1/6 WEBSOCKET",
        "1 failed, next Some(HttpPolling)",
        "2/6 HTTP_POLLING",
        "2 failed, next Some(WebSocket)",
        "retry 1/2 3600s",
        "3/6 WEBSOCKET",
        "3 failed, next Some(HttpPolling)",
        "4/6 HTTP_POLLING",
        "4 failed, next Some(WebSocket)",
        "retry 2/2 3600s",
        "5/6 WEBSOCKET",
        "5 failed, next Some(HttpPolling)",
        "6/6 HTTP_POLLING",
        "6 failed, next None",
    ];
    assert_eq!(*events.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_is_not_retried() {
    let peer = Peer::start(Script::reject(116)).await;
    let begin = Instant::now();
    let error = builder(&peer, 5).open().await.unwrap_err();
    assert_eq!(
        (error.code(), begin.elapsed()),
        ("SFX-C105", Duration::ZERO)
    );
    assert_eq!(peer.transports(), [Ws]);
    assert!(error.report().contains("not tried"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_connects_ends_the_retries() {
    let peer = Peer::start(Script::respond(&accepted(90_000))).await;
    let begin = Instant::now();
    let session = builder(&peer, 5).open().await.unwrap();
    assert_eq!(
        (session.transport(), begin.elapsed()),
        (Transport::WebSocket, Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn each_attempt_keeps_its_own_limit() {
    let peer = Peer::start(Script::Swallow).await;
    let limit = Duration::from_secs(60);
    let begin = Instant::now();
    let error = builder(&peer, 1)
        .attempt_timeout(limit)
        .open()
        .await
        .unwrap_err();
    assert_eq!(begin.elapsed(), 4 * limit + INTERVAL);
    assert_eq!(
        error.report().matches("time-out after 60.0 s").count(),
        4,
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn many_retries_keep_the_last_attempts_only() {
    let peer = Peer::start(Script::Answer("HTTP/1.1 503 Service Unavailable\r\n\r\n")).await;
    let error = builder(&peer, 59).open().await.unwrap_err();
    let numbers: Vec<_> = error.attempts().iter().map(|it| it.number).collect();
    assert_eq!(numbers, Vec::from_iter(21..=120));
    let report = error.report();
    assert!(
        report.contains("\n  20 earlier attempts are left out\n"),
        "{report}"
    );
}
