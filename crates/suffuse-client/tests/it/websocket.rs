//! Sessions over WebSocket with a scripted peer.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use suffuse_client::{CloseReason, Reconnect, RequestError, Session, Transport};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::peer::{accepted, header, read_head, switching, within};

/// A session, and the server's end of its WebSocket.
struct Pair {
    session: Session,
    peer: WebSocketStream<TcpStream>,
    head: String,
}

impl Pair {
    async fn connect(ping_interval: u64) -> Self {
        Self::connect_to(
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            ping_interval,
        )
        .await
    }

    async fn connect_to(listener: TcpListener, ping_interval: u64) -> Self {
        let builder = Session::builder()
            .url(format!(
                "ws://{}/path/diffusion",
                listener.local_addr().unwrap()
            ))
            .principal("contrôl")
            .credentials("secret")
            .property("shoe", "größe")
            .reconnect(Reconnect::never());
        let accept = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await;
            tokio::io::AsyncWriteExt::write_all(&mut stream, switching(&head).as_bytes())
                .await
                .unwrap();
            let mut peer = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            peer.send(Message::binary(accepted(ping_interval)))
                .await
                .unwrap();
            (peer, head)
        };
        let (session, (peer, head)) = within(async { tokio::join!(builder.open(), accept) }).await;
        Self {
            session: session.unwrap(),
            peer,
            head,
        }
    }

    async fn send(&mut self, bytes: &'static [u8]) {
        self.peer.send(Message::binary(bytes)).await.unwrap();
    }

    async fn receive(&mut self) -> Bytes {
        let message = within(self.peer.next()).await.expect("a message").unwrap();
        assert!(message.is_binary(), "{message:?}");
        message.into_data()
    }
}

#[tokio::test]
async fn the_request_has_its_parameters_as_headers_and_no_query() {
    let pair = Pair::connect(90_000).await;
    let value = |name| header(&pair.head, name).unwrap_or_default();
    assert!(
        pair.head.starts_with("GET /path/diffusion HTTP/1.1\r\n"),
        "{}",
        pair.head
    );
    assert_eq!(
        (value("v"), value("ca"), value("r"), value("ty")),
        ("29", "10", "0", "WJ")
    );
    assert_eq!(
        (value("username"), value("password")),
        ("contrôl", "AQZzZWNyZXQ=")
    );
    assert!(value("sp").contains(r#""shoe":"größe""#), "{}", value("sp"));
    assert_eq!(pair.session.transport(), Transport::WebSocket);
    assert_eq!(
        pair.session.id().to_string(),
        "0000000000000001-0000000000000002"
    );
    assert_eq!(pair.session.attempts().len(), 1);
}

#[tokio::test]
async fn requests_and_answers_cross_the_link() {
    let mut pair = Pair::connect(90_000).await;
    let session = pair.session.clone();
    let ping = tokio::spawn(async move { session.ping().await });
    assert_eq!(pair.receive().await, [0, 0x38, 1].as_slice());
    pair.send(&[0, 0x37, 5]).await;
    assert_eq!(pair.receive().await, [6, 5].as_slice());
    pair.send(&[6, 1]).await;
    within(ping).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_last_handle_closes_the_session() {
    let mut pair = Pair::connect(90_000).await;
    let other = pair.session.clone();
    drop(pair.session);
    drop(other);
    let mut peer = pair.peer;
    assert_eq!(
        within(peer.next()).await.unwrap().unwrap(),
        Message::binary([0x1d].as_slice())
    );
    peer.send(Message::binary([0x1c].as_slice())).await.unwrap();
    assert!(matches!(
        within(peer.next()).await,
        Some(Ok(Message::Close(_)) | Err(_)) | None
    ));
    pair.head.clear();
}

#[tokio::test]
async fn closing_waits_for_the_server() {
    let mut pair = Pair::connect(90_000).await;
    let session = pair.session.clone();
    let close = tokio::spawn(async move { session.close().await });
    assert_eq!(pair.receive().await, [0x1d].as_slice());
    pair.send(&[0x1c]).await;
    within(close).await.unwrap();
    assert_eq!(
        pair.session.close_reason(),
        Some(CloseReason::ClosedByClient)
    );
    let error = pair.session.ping().await.unwrap_err();
    assert_eq!(
        error,
        RequestError::SessionClosed(CloseReason::ClosedByClient)
    );
    assert_eq!(error.code(), "SFX-R001");
}

#[tokio::test]
async fn the_end_of_a_session_has_its_reason() {
    let ends: [(&[u8], &str); 3] = [
        (&[0x1c], "closed by the server"),
        (
            &[0x22],
            "the server broke the protocol: unknown tag 34 of Message",
        ),
        (
            &[],
            "the connection was lost: the server closed the WebSocket without a code",
        ),
    ];
    for (bytes, reason) in ends {
        let mut pair = Pair::connect(90_000).await;
        let mut stream = pair
            .session
            .topics()
            .stream_of_subscribed::<i64>("a")
            .await
            .unwrap();
        match bytes.is_empty() {
            true => pair.peer.close(None).await.unwrap(),
            false => pair.send(bytes).await,
        }
        assert_eq!(within(pair.session.closed()).await.to_string(), reason);
        assert_eq!(within(stream.next()).await, None);
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_ends_the_session() {
    let pair = Pair::connect(90_000).await;
    drop(pair.peer);
    let reason = within(pair.session.closed()).await;
    assert!(
        matches!(reason, CloseReason::ConnectionLost { .. }),
        "{reason}"
    );
    assert_eq!(reason.code(), "SFX-D203");
}

#[tokio::test]
async fn a_server_that_does_not_ping_is_given_up() {
    let pair = Pair::connect(20).await;
    let reason = within(pair.session.closed()).await;
    assert_eq!(
        reason.to_string(),
        "the connection was lost: no ping of the server for 0.04 s"
    );
}

#[tokio::test]
async fn fragments_and_websocket_pings_are_handled() {
    let mut pair = Pair::connect(90_000).await;
    pair.peer
        .send(Message::Ping(Bytes::from_static(b"hi")))
        .await
        .unwrap();
    pair.send(&[0, 0x38, 7]).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.push(within(pair.peer.next()).await.unwrap().unwrap());
    }
    assert!(
        seen.contains(&Message::Pong(Bytes::from_static(b"hi"))),
        "{seen:?}"
    );
    assert!(
        seen.contains(&Message::binary([6, 7].as_slice())),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_session_whose_link_is_stuck_can_be_closed() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let pair = Pair::connect_to(socket.listen(1).unwrap(), 0).await;
    let value = Bytes::from(vec![0; 1 << 14]);
    let sets = (0..3000).map(|_| {
        let (session, value) = (pair.session.clone(), value.clone());
        tokio::spawn(async move { session.topics().set("a", &value).await })
    });
    let sets = sets.collect::<Vec<_>>();
    // Lets all of them be sent, as far as there is room.
    for _ in &sets {
        tokio::task::yield_now().await;
    }
    within(pair.session.close()).await;
    for set in sets {
        let closed = RequestError::SessionClosed(CloseReason::ClosedByClient);
        assert_eq!(within(set).await.unwrap(), Err(closed));
    }
}
