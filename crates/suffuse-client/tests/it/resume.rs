//! Sessions of a real server whose connection is cut, at any byte.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use suffuse_client::{
    Builder, ConnectEvent, FixedInterval, Reconnect, RequestError, Session, SessionState,
    TopicSpecification, TopicType,
    Transport::{self, HttpPolling, WebSocket},
    keys,
    streams::ValueStream,
};
use suffuse_server::Server;

use crate::{
    cutter::Cutter,
    peer::within,
    server::{builder, connect, start},
};

/// How often a session is resumed in a run. Many more connections are cut: a poll is repeated.
const RESUMPTIONS: usize = 100;
/// The most bytes of a connection in a run. A handshake has about 600.
const BYTES_MAX: usize = 6000;

fn through(cutter: &Cutter, server: &Server, transports: &[Transport]) -> Builder {
    builder(server, WebSocket)
        .server_port(cutter.address.port())
        .transports(transports.iter().copied())
        .reconnect(
            Reconnect::within(Duration::from_secs(60)).strategy(FixedInterval(Duration::ZERO)),
        )
}

async fn connected_over(session: &Session, transport: Transport) {
    let state = SessionState::Connected { transport };
    within(session.states().wait_for(|it| *it == state))
        .await
        .unwrap();
}

async fn recovering(session: &Session) {
    let is_recovering = |state: &SessionState| matches!(state, SessionState::Recovering { .. });
    within(session.states().wait_for(is_recovering))
        .await
        .unwrap();
}

async fn expect(stream: &mut ValueStream<i64>, value: i64, context: &str) {
    let update = within(stream.next()).await.expect(context);
    assert_eq!(
        (update.value, update.missed, update.lost),
        (Ok(value), 0, false),
        "{context}"
    );
}

async fn add_and_stream(session: &Session, path: &str) -> ValueStream<i64> {
    let specification = TopicSpecification::new(TopicType::INT64).with(keys::CONFLATION, "off");
    session.topics().add(path, specification).await.unwrap();
    session.topics().stream(path).await.unwrap()
}

#[tokio::test]
async fn a_session_is_resumed_over_each_transport() {
    for transport in [WebSocket, HttpPolling] {
        let server = start().await;
        let cutter = Cutter::start(server.addresses()[0], 1).await;
        let session = within(through(&cutter, &server, &[transport]).open())
            .await
            .unwrap();
        let publisher = connect(&server, WebSocket).await;
        let mut stream = add_and_stream(&session, "a").await;
        let mut own = add_and_stream(&session, "b").await;
        let id = session.id();
        let mut value = 0;
        // More than once, and also before anything was sent on the new connection.
        for values in [1, 0, 0, 3] {
            cutter.begin_outage();
            recovering(&session).await;
            for _ in 0..values {
                value += 1;
                publisher.topics().set("a", &value).await.unwrap();
            }
            let late = session.topics();
            let (set, ()) = tokio::join!(within(late.set("b", &value)), async {
                cutter.end_outage();
            });
            set.unwrap();
            connected_over(&session, transport).await;
            if values > 0 {
                expect(&mut own, value, transport.name()).await;
            }
            for expected in value - values + 1..=value {
                expect(&mut stream, expected, transport.name()).await;
            }
        }
        assert_eq!(session.id(), id);
        assert_eq!(server.inspect(|broker| broker.stats().sessions).await, 2);
        within(server.stop()).await;
    }
}

#[tokio::test]
async fn a_session_goes_from_one_transport_to_the_other_and_back() {
    let server = start().await;
    let cutter = Cutter::start(server.addresses()[0], 1).await;
    let session = within(through(&cutter, &server, &[WebSocket, HttpPolling]).open())
        .await
        .unwrap();
    let mut stream = add_and_stream(&session, "a").await;
    let moves = [(true, HttpPolling), (false, WebSocket), (true, HttpPolling)];
    for (value, (refuses, transport)) in (1..).zip(moves) {
        cutter.begin_outage();
        recovering(&session).await;
        cutter.refuse_websocket(refuses);
        cutter.end_outage();
        within(session.topics().set("a", &value)).await.unwrap();
        connected_over(&session, transport).await;
        expect(&mut stream, value, transport.name()).await;
    }
    within(server.stop()).await;
}

#[tokio::test]
async fn websockets_are_cut_at_random_bytes_and_nothing_is_lost() {
    cut_at_random(&[WebSocket]).await;
}

#[tokio::test]
async fn polls_are_cut_at_random_bytes_and_nothing_is_lost() {
    cut_at_random(&[HttpPolling]).await;
}

/// A session sets a topic, and sees another one that a session without cuts sets: every value arrives
/// once, and in order. `SUFFUSE_TEST_SEED` repeats the cuts of a run.
#[allow(clippy::print_stdout, reason = "shown when the test fails")]
async fn cut_at_random(transports: &[Transport]) {
    let given = std::env::var("SUFFUSE_TEST_SEED").ok();
    let seed = given.map_or_else(
        || RandomState::new().hash_one(transports),
        |seed| seed.parse().unwrap(),
    );
    let context = format!("SUFFUSE_TEST_SEED={seed}");
    println!("{context}");
    let server = start().await;
    let cutter = Cutter::start(server.addresses()[0], seed).await;
    let resumed = Arc::new(AtomicUsize::new(0));
    let count = resumed.clone();
    let builder = through(&cutter, &server, transports).on_event(move |event| {
        if let ConnectEvent::Recovered { lost, .. } = event {
            assert!(!lost, "the server has all that it sent");
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let session = within(builder.open()).await.unwrap();
    let steady = connect(&server, WebSocket).await;
    let mut down = add_and_stream(&session, "down").await;
    let mut up = add_and_stream(&steady, "up").await;
    cutter.cut_within(BYTES_MAX);
    let mut value = 0;
    while resumed.load(Ordering::SeqCst) < RESUMPTIONS {
        value += 1;
        let (set_up, set_down) = (session.topics(), steady.topics());
        let sets =
            async { tokio::try_join!(set_up.set("up", &value), set_down.set("down", &value)) };
        within(sets).await.expect(&context);
        expect(&mut up, value, &context).await;
        expect(&mut down, value, &context).await;
    }
    cutter.cut_within(0);
    within(session.ping()).await.expect(&context);
    println!("{context}: {value} values, {} cuts", cutter.cuts());
    within(server.stop()).await;
}

/// So many that every cut finds many without an answer. Beyond the messages that the server keeps, 256, it may
/// say that answers are lost.
#[tokio::test]
async fn requests_that_are_under_way_are_done_once_or_told_to_be_lost() {
    const LAST: i64 = -1;
    for (transport, count) in [(WebSocket, 200), (HttpPolling, 200), (HttpPolling, 1000)] {
        let server = start().await;
        let cutter = Cutter::start(server.addresses()[0], 3).await;
        let session = within(through(&cutter, &server, &[transport]).open())
            .await
            .unwrap();
        let steady = connect(&server, WebSocket).await;
        let mut seen = add_and_stream(&steady, "a").await;
        cutter.cut_within(BYTES_MAX);
        let sets = (1..=count).map(|value| {
            let session = session.clone();
            async move { (value, session.topics().set("a", &value).await) }
        });
        let results = within(join_all(sets)).await;
        within(steady.topics().set("a", &LAST)).await.unwrap();
        let mut values = Vec::new();
        while values.last() != Some(&LAST) {
            values.push(within(seen.next()).await.unwrap().value.unwrap());
        }
        values.pop();
        // Futures that wait together are not polled in their order.
        values.sort_unstable();
        let total = values.len();
        values.dedup();
        assert_eq!(
            values.len(),
            total,
            "{transport}, {count}: something was done twice"
        );
        for (value, result) in results {
            let is_done = values.binary_search(&value).is_ok();
            match result {
                Ok(()) => assert!(is_done, "{transport}, {count}: {value} is not done"),
                Err(error) => assert!(
                    count > 256 && matches!(error, RequestError::LostInReconnection),
                    "{transport}, {count}: {value}: {error}"
                ),
            }
        }
        assert!(cutter.cuts() > 0, "{transport}: {} cuts", cutter.cuts());
        within(server.stop()).await;
    }
}
