//! Sessions whose connection is lost, with scripted peers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use suffuse_client::{
    Backoff, Builder, CloseReason, ConnectEvent, FixedInterval, NextAttempt, Reconnect,
    RequestError, ResponseCode, Session, SessionState,
    Transport::{HttpPolling, WebSocket},
    streams::TopicNotice,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::{
    peer::{accepted, header, ok, read_head, resumed, resumed_with_loss, switching, within},
    polling,
};

/// The subscription notice of the string topic `a`, and a value of it, for topic id 7 or 8.
const SUBSCRIBED: &[u8] = &[0, 0x57, 0, 7, 1, b'a', 17, 0];
const VALUE: &[u8] = &[4, 0, 0, 0, 7, 0x61, b'x'];
const SUBSCRIBED_ANEW: &[u8] = &[0, 0x57, 0, 8, 1, b'a', 17, 0];
const VALUE_ANEW: &[u8] = &[4, 0, 0, 0, 8, 0x61, b'y'];

/// Without pauses, for as long as a test may take.
fn at_once() -> Reconnect {
    Reconnect::within(Duration::from_secs(60)).strategy(FixedInterval(Duration::ZERO))
}

type WebSocketPeer = WebSocketStream<TcpStream>;

/// A server that does what the test says, and what the client told about it.
struct Host {
    listener: TcpListener,
    events: Arc<Mutex<Vec<String>>>,
}

impl Host {
    async fn start() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            events: Arc::default(),
        }
    }

    fn builder(&self) -> Builder {
        let events = self.events.clone();
        Session::builder()
            .url(format!("ws://{}", self.listener.local_addr().unwrap()))
            .reconnect(at_once())
            .on_event(move |event| events.lock().unwrap().extend(shown(event)))
    }

    /// Opens a session over WebSocket, with a ping interval in milliseconds.
    async fn open(&self, builder: Builder, ping_interval: u64) -> (Session, WebSocketPeer) {
        let (session, peer) =
            within(async { tokio::join!(builder.open(), self.accept(accepted(ping_interval))) })
                .await;
        (session.unwrap(), peer.1)
    }

    async fn connection(&self) -> (TcpStream, String) {
        let (mut stream, _) = within(self.listener.accept()).await.unwrap();
        let head = within(read_head(&mut stream)).await;
        (stream, head)
    }

    /// Accepts a WebSocket with this response. Returns the head of the request too.
    async fn accept(&self, response: Vec<u8>) -> (String, WebSocketPeer) {
        let (mut stream, head) = self.connection().await;
        assert!(head.starts_with("GET "), "{head}");
        stream.write_all(switching(&head).as_bytes()).await.unwrap();
        let mut peer = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        peer.send(Message::binary(response)).await.unwrap();
        (head, peer)
    }

    /// Answers the next request by HTTP, and ends its connection.
    async fn refuse(&self, answer: &str) -> String {
        let (mut stream, head) = self.connection().await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        head
    }

    fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

fn shown(event: ConnectEvent) -> Option<String> {
    match event {
        ConnectEvent::Failed { attempt, .. } => Some(format!("failed: {}", attempt.reason())),
        ConnectEvent::Recovering { attempt, .. } => Some(format!("recovering {attempt}")),
        ConnectEvent::Recovered { transport, lost } => {
            Some(format!("recovered over {transport}, lost: {lost}"))
        }
        ConnectEvent::Closed { reason } => Some(format!("closed: {}", reason.code())),
        ConnectEvent::Attempt { .. }
        | ConnectEvent::Connected { .. }
        | ConnectEvent::Retry { .. }
        | _ => None,
    }
}

async fn send(peer: &mut WebSocketPeer, messages: &[&'static [u8]]) {
    for message in messages {
        peer.send(Message::binary(*message)).await.unwrap();
    }
}

async fn receive(peer: &mut WebSocketPeer) -> Bytes {
    let message = within(peer.next()).await.expect("a message").unwrap();
    assert!(message.is_binary(), "{message:?}");
    message.into_data()
}

fn ping(session: &Session) -> JoinHandle<Result<Duration, RequestError>> {
    let session = session.clone();
    tokio::spawn(async move { session.ping().await })
}

async fn state(session: &Session, wanted: impl FnMut(&SessionState) -> bool) -> SessionState {
    within(session.states().wait_for(wanted))
        .await
        .unwrap()
        .clone()
}

fn is_recovering(state: &SessionState) -> bool {
    matches!(state, SessionState::Recovering { .. })
}

#[tokio::test]
async fn what_the_server_did_not_get_is_sent_again_once() {
    const REQUESTS: u8 = 3;
    for arrived in 0..=REQUESTS {
        let host = Host::start().await;
        let (session, mut peer) = host.open(host.builder(), 90_000).await;
        let mut pings = Vec::new();
        for number in 1..=REQUESTS {
            pings.push(ping(&session));
            assert_eq!(receive(&mut peer).await, [0, 0x38, number].as_slice());
        }
        drop(peer);
        let (head, mut peer) = host.accept(resumed(u32::from(arrived) + 1)).await;
        let value = |name| header(&head, name).unwrap_or_default();
        assert_eq!(value("c"), "n00.abcdefghijklmnopqrst");
        assert_eq!((value("cs"), value("ss"), value("r")), ("1", "0", "60000"));
        assert_eq!((value("ty"), value("v")), ("WJ", "29"));
        for number in arrived + 1..=REQUESTS {
            assert_eq!(receive(&mut peer).await, [0, 0x38, number].as_slice());
        }
        pings.push(ping(&session));
        assert_eq!(receive(&mut peer).await, [0, 0x38, REQUESTS + 1].as_slice());
        send(&mut peer, &[&[6, 1], &[6, 2], &[6, 3], &[6, 4]]).await;
        for ping in pings {
            within(ping).await.unwrap().unwrap();
        }
        assert_eq!(
            host.events(),
            ["recovering 1", "recovered over WEBSOCKET, lost: false"]
        );

        // And once more: both ends have counted on.
        drop(peer);
        let (head, _peer) = host.accept(resumed(u32::from(REQUESTS) + 2)).await;
        let value = |name| header(&head, name).unwrap_or_default();
        assert_eq!((value("cs"), value("ss")), ("5", "4"));
    }
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was() {
    let host = Host::start().await;
    let (session, mut peer) = host.open(host.builder(), 90_000).await;
    let mut stream = session
        .topics()
        .stream_of_subscribed::<String>("a")
        .await
        .unwrap();
    send(&mut peer, &[SUBSCRIBED, VALUE]).await;
    let update = within(stream.next()).await.unwrap();
    assert_eq!((update.value, update.lost), (Ok("x".to_owned()), false));
    peer.close(None).await.unwrap();
    let (head, mut peer) = host.accept(resumed(1)).await;
    assert_eq!(header(&head, "ss"), Some("2"));
    send(&mut peer, &[&[4, 0, 0, 0, 7, 0x61, b'z']]).await;
    let update = within(stream.next()).await.unwrap();
    assert_eq!(update.previous_value(), Ok(Some("x".to_owned())));
    assert_eq!((update.value, update.lost), (Ok("z".to_owned()), false));
}

#[tokio::test]
async fn a_loss_is_told_to_requests_streams_and_the_application() {
    let host = Host::start().await;
    let (session, mut peer) = host.open(host.builder(), 90_000).await;
    let topics = session.topics();
    let mut values = topics.stream_of_subscribed::<String>("a").await.unwrap();
    send(&mut peer, &[SUBSCRIBED, VALUE]).await;
    let lost = ping(&session);
    assert_eq!(receive(&mut peer).await, [0, 0x38, 1].as_slice());
    assert!(!within(values.next()).await.unwrap().lost);
    drop(peer);
    state(&session, is_recovering).await;
    let late = ping(&session);

    let (_, mut peer) = host.accept(resumed_with_loss()).await;
    assert_eq!(
        within(lost).await.unwrap(),
        Err(RequestError::LostInReconnection)
    );
    assert_eq!(receive(&mut peer).await, [0, 0x38, 2].as_slice());
    send(&mut peer, &[SUBSCRIBED_ANEW, VALUE_ANEW, &[6, 2]]).await;
    within(late).await.unwrap().unwrap();
    let update = within(values.next()).await.unwrap();
    assert_eq!((update.previous.clone(), update.lost), (None, true));
    assert_eq!(update.value, Ok("y".to_owned()));
    assert_eq!(
        host.events(),
        ["recovering 1", "recovered over WEBSOCKET, lost: true"]
    );

    drop(peer);
    let (head, _peer) = host.accept(resumed(2)).await;
    assert_eq!(header(&head, "ss"), Some("3"), "it counts from the loss on");
}

#[tokio::test]
async fn subscriptions_end_and_begin_anew_after_a_loss() {
    let host = Host::start().await;
    let (session, mut peer) = host.open(host.builder(), 90_000).await;
    let topics = session.topics();
    let subscribe = async {
        assert!(receive(&mut peer).await.starts_with(&[0, 3, 1]));
        send(&mut peer, &[SUBSCRIBED, VALUE, &[6, 1]]).await;
    };
    let (notices, ()) = tokio::join!(topics.notices::<String>("a"), subscribe);
    let mut notices = notices.unwrap();
    drop(peer);
    let (_, mut peer) = host.accept(resumed_with_loss()).await;
    send(&mut peer, &[SUBSCRIBED_ANEW, VALUE_ANEW]).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(match within(notices.next()).await.unwrap() {
            TopicNotice::Subscribed { path, .. } => format!("+{path}"),
            TopicNotice::Value(update) => update.value.unwrap(),
            TopicNotice::Unsubscribed { path, reason, .. } => format!("-{path} {reason:?}"),
            _ => unreachable!("there are no others"),
        });
    }
    assert_eq!(seen, ["+a", "x", "-a SubscriptionRefresh", "+a", "y"]);
}

#[tokio::test]
async fn an_attempt_that_fails_is_followed_by_another() {
    let answers = [
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "",
    ];
    let host = Host::start().await;
    let builder = host.builder().attempt_timeout(Duration::from_millis(200));
    let (session, peer) = host.open(builder, 90_000).await;
    drop(peer);
    for answer in answers {
        host.refuse(answer).await;
    }
    // Swallows the upgrade, as long as an attempt may take.
    let (mut swallowed, _) = host.connection().await;
    let (_, _peer) = host.accept(resumed(1)).await;
    assert_eq!(swallowed.read(&mut [0]).await.ok(), Some(0), "it was ended");
    let connected = |state: &SessionState| matches!(state, SessionState::Connected { .. });
    state(&session, connected).await;
    let events = host.events();
    let failed = events.iter().filter(|event| event.starts_with("failed"));
    assert_eq!(failed.count(), 5, "{events:?}");
    assert_eq!(
        events[..2],
        ["recovering 1", "failed: HTTP 502 Bad Gateway"]
    );
    assert_eq!(
        events[events.len() - 2..],
        ["recovering 6", "recovered over WEBSOCKET, lost: false"]
    );
}

#[tokio::test]
async fn a_refusal_ends_the_session_after_the_whole_list() {
    // Code, and how many transports are tried.
    for (code, tried) in [
        (117, 2),
        (113, 2),
        (114, 1),
        (115, 1),
        (118, 1),
        (119, 1),
        (102, 1),
    ] {
        let host = Host::start().await;
        let builder = host.builder().transports([WebSocket, WebSocket]);
        let (session, peer) = host.open(builder, 90_000).await;
        drop(peer);
        for _ in 0..tried {
            host.accept(vec![0x23, 29, code]).await;
        }
        assert_eq!(
            within(session.closed()).await,
            CloseReason::ReconnectRefused(ResponseCode(code))
        );
        let events = host.events();
        let failed = events.iter().filter(|event| event.starts_with("failed"));
        assert_eq!(failed.count(), tried, "{events:?}");
        assert_eq!(events.last().unwrap(), "closed: SFX-D208");
    }
}

#[tokio::test]
async fn the_client_gives_up_when_the_time_is_up() {
    let host = Host::start().await;
    let second = Reconnect::within(Duration::from_millis(100)).strategy(Backoff::full_jitter(
        Duration::from_millis(1),
        Duration::from_millis(10),
    ));
    let (session, peer) = host.open(host.builder().reconnect(second), 90_000).await;
    let waiting = ping(&session);
    let mut stream = session
        .topics()
        .stream_of_subscribed::<String>("a")
        .await
        .unwrap();
    drop((peer, host.listener));
    let reason = within(session.closed()).await;
    assert_eq!(reason.code(), "SFX-D206");
    let text = reason.to_string();
    assert!(
        text.starts_with("reconnect timed out after 0.1 s: WEBSOCKET: no TCP connection"),
        "{text}"
    );
    assert_eq!(
        within(waiting).await.unwrap(),
        Err(RequestError::SessionClosed(reason.clone()))
    );
    assert_eq!(within(stream.next()).await, None);
    assert_eq!(session.state(), SessionState::Closed(reason));
}

#[tokio::test]
async fn a_strategy_of_the_application_gives_up() {
    let host = Host::start().await;
    let twice = Reconnect::default()
        .strategy(|next: &NextAttempt<'_>| (next.number <= 2).then_some(Duration::ZERO));
    let (session, peer) = host.open(host.builder().reconnect(twice), 90_000).await;
    drop(peer);
    for _ in 0..2 {
        host.refuse("HTTP/1.1 503 Service Unavailable\r\n\r\n")
            .await;
    }
    assert_eq!(
        within(session.closed()).await.to_string(),
        "the reconnect strategy gave up: WEBSOCKET: HTTP 503 Service Unavailable"
    );
}

#[tokio::test]
async fn closing_while_an_attempt_is_made_leaves_nothing_behind() {
    let host = Host::start().await;
    let (session, peer) = host.open(host.builder(), 90_000).await;
    drop(peer);
    let (mut swallowed, _) = host.connection().await;
    state(&session, is_recovering).await;
    within(session.close()).await;
    assert_eq!(session.close_reason(), Some(CloseReason::ClosedByClient));
    assert_eq!(within(swallowed.read(&mut [0])).await.ok(), Some(0));
    assert_eq!(host.events().last().unwrap(), "closed: SFX-D201");
}

#[tokio::test]
async fn a_silent_connection_is_replaced_and_ended() {
    let host = Host::start().await;
    let (_session, mut silent) = host.open(host.builder(), 20).await;
    let (_, mut peer) = host.accept(resumed(1)).await;
    send(&mut peer, &[&[0, 0x38, 9]]).await;
    assert_eq!(receive(&mut peer).await, [6, 9].as_slice());
    let end = within(silent.next()).await;
    assert!(matches!(end, Some(Err(_)) | None), "{end:?}");
}

#[tokio::test]
async fn an_abort_is_not_a_lost_connection() {
    let host = Host::start().await;
    let (session, mut peer) = host.open(host.builder(), 90_000).await;
    send(&mut peer, &[&[0x1c]]).await;
    assert_eq!(within(session.closed()).await, CloseReason::ClosedByServer);
    assert_eq!(host.events(), ["closed: SFX-D202"]);
}

#[tokio::test]
async fn the_whole_list_is_there_for_each_attempt() {
    let host = Host::start().await;
    let builder = host.builder().transports([WebSocket, HttpPolling]);
    let (session, peer) = host.open(builder, 90_000).await;
    drop(peer);
    assert!(
        host.refuse("HTTP/1.1 403 Forbidden\r\n\r\n")
            .await
            .starts_with("GET ")
    );
    let (mut polls, head) = host.connection().await;
    assert_eq!(
        (header(&head, "m"), header(&head, "ty"), header(&head, "cs")),
        (Some("0"), Some("J"), Some("1"))
    );
    let response = resumed(1);
    let answer = [ok(response.len()).into_bytes(), response].concat();
    polls.write_all(&answer).await.unwrap();
    let on_polling = SessionState::Connected {
        transport: HttpPolling,
    };
    state(&session, |state| *state == on_polling).await;
    assert_eq!(session.transport(), HttpPolling);
    drop(polls);
    // Polls are made once more on a new connection, before the connection counts as lost.
    let (again, head) = host.connection().await;
    assert_eq!(header(&head, "m"), Some("1"));
    drop(again);
    let (head, _peer) = host.accept(resumed(1)).await;
    assert_eq!(header(&head, "ty"), Some("WJ"));
    let on_websocket = SessionState::Connected {
        transport: WebSocket,
    };
    state(&session, |state| *state == on_websocket).await;
}

#[tokio::test]
async fn polling_is_resumed_too() {
    let losses: [fn(polling::Exchange); 4] = [
        |poll| poll.answer_with(502, ("x", "y")),
        |poll| poll.answer_with(503, ("x", "y")),
        |poll| poll.answer_with(404, ("x", "y")),
        |poll| poll.answer_with(200, ("diffusion-connection", "reconnect")),
    ];
    for lose in losses {
        let mut pair = polling::Pair::connect_with(at_once()).await;
        let poll = pair.next("1").await;
        let pings = [ping(&pair.session), ping(&pair.session)];
        let mut bodies = String::new();
        while bodies.len() < 20 {
            let sent = pair.next("2").await;
            bodies += std::str::from_utf8(&sent.body).unwrap();
            sent.answer("");
        }
        lose(poll);
        let connect = pair.next("0").await;
        assert_eq!((connect.header("cs"), connect.header("ss")), ("1", "0"));
        // The server has the first one only.
        connect.answer(resumed(2));
        let mut polls = Vec::new();
        let sent = loop {
            let exchange = within(pair.requests.recv()).await.unwrap();
            assert_eq!(exchange.header("s"), "0");
            match exchange.header("m") {
                "2" => break exchange,
                _ => polls.push(exchange),
            }
        };
        assert_eq!(sent.body, "AAAAAgA4Ag==");
        sent.answer("");
        let poll = match polls.pop() {
            Some(poll) => poll,
            None => pair.next("1").await,
        };
        poll.answer("AAAAAQYBAAAAAQYC");
        for ping in pings {
            within(ping).await.unwrap().unwrap();
        }
    }
}
