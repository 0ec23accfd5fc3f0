//! Sessions over HTTP polling with a scripted peer.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use suffuse_client::{CloseReason, Reconnect, Session, Transport};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::peer::{accepted, within};

/// A request as the server sees it, and where to put its answer.
pub(crate) struct Exchange {
    headers: hyper::HeaderMap,
    path: String,
    pub(crate) body: Bytes,
    answer: oneshot::Sender<Response<Full<Bytes>>>,
    /// Which connection it came on, from 0.
    connection: usize,
}

impl Exchange {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn answer(self, body: impl Into<Bytes>) {
        let _ = self.answer.send(Response::new(Full::new(body.into())));
    }

    pub(crate) fn answer_with(self, status: u16, header: (&'static str, &'static str)) {
        let response = Response::builder()
            .status(status)
            .header(header.0, header.1);
        let _ = self.answer.send(response.body(Full::default()).unwrap());
    }
}

/// A session, and the requests that its server gets.
pub(crate) struct Pair {
    pub(crate) session: Session,
    pub(crate) requests: mpsc::Receiver<Exchange>,
    connect: hyper::HeaderMap,
    _server: JoinSet<()>,
}

impl Pair {
    async fn connect() -> Self {
        Self::connect_with(Reconnect::never()).await
    }

    pub(crate) async fn connect_with(reconnect: Reconnect) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let builder = Session::builder()
            .url(format!(
                "http://{}/path/diffusion",
                listener.local_addr().unwrap()
            ))
            .transports([Transport::HttpPolling])
            .principal("contrôl")
            .credentials("secret")
            .reconnect(reconnect);
        let (sender, mut requests) = mpsc::channel(16);
        let mut server = JoinSet::new();
        server.spawn(serve(listener, sender));
        let accept = async {
            let request = requests.recv().await.unwrap();
            let (connect, path) = (request.headers.clone(), request.path.clone());
            assert_eq!(path, "/path/diffusion");
            let response = Response::builder().header("Set-Cookie", "SERVERID=n07; Path=/");
            let _ = request
                .answer
                .send(response.body(Full::new(accepted(90_000).into())).unwrap());
            connect
        };
        let (session, connect) = within(async { tokio::join!(builder.open(), accept) }).await;
        Self {
            session: session.unwrap(),
            requests,
            connect,
            _server: server,
        }
    }

    pub(crate) async fn next(&mut self, mode: &str) -> Exchange {
        let exchange = within(self.requests.recv()).await.expect("a request");
        assert_eq!(exchange.header("m"), mode);
        assert_eq!(exchange.header("c"), "n00.abcdefghijklmnopqrst");
        assert_eq!(exchange.header("v"), "29");
        assert_eq!(exchange.header("cookie"), "SERVERID=n07");
        exchange
    }
}

async fn serve(listener: TcpListener, requests: mpsc::Sender<Exchange>) {
    let mut connections = JoinSet::new();
    for connection in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let requests = requests.clone();
        let handle = move |request| handle(request, connection, requests.clone());
        connections.spawn(async move {
            // A test may drop an exchange to cut its connection.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(handle))
                .await;
        });
    }
}

async fn handle(
    request: Request<Incoming>,
    connection: usize,
    requests: mpsc::Sender<Exchange>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (answer, answered) = oneshot::channel();
    let (headers, path) = (request.headers().clone(), request.uri().to_string());
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(|_| Cut)?
        .to_bytes();
    let exchange = Exchange {
        headers,
        path,
        body,
        answer,
        connection,
    };
    requests.send(exchange).await.map_err(|_| Cut)?;
    answered.await.map_err(|_| Cut)
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct Cut;
impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}
impl std::error::Error for Cut {}
impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[tokio::test]
async fn the_request_has_its_parameters_as_headers() {
    let pair = Pair::connect().await;
    let value = |name| pair.connect.get(name).unwrap().to_str().unwrap();
    assert_eq!(
        (value("m"), value("v"), value("ty"), value("ca"), value("r")),
        ("0", "29", "J", "10", "0")
    );
    assert_eq!(
        (value("username"), value("password")),
        ("contr%C3%B4l", "AQZzZWNyZXQ%3D")
    );
    assert_eq!(pair.session.transport(), Transport::HttpPolling);
}

#[tokio::test]
async fn polls_and_sends_have_their_own_connection_and_sequence() {
    let mut pair = Pair::connect().await;
    let first = pair.next("1").await;
    assert_eq!(
        (first.header("s"), first.connection, first.body.len()),
        ("0", 0, 0)
    );
    for (sequence, body) in ["AAAAAgA4AQ==", "AAAAAgA4Ag=="].into_iter().enumerate() {
        let session = pair.session.clone();
        tokio::spawn(async move { session.ping().await });
        let send = pair.next("2").await;
        assert_eq!(
            (send.header("s"), send.connection),
            (sequence.to_string().as_str(), 1)
        );
        assert_eq!(send.body, body);
        send.answer("");
    }
    first.answer("AAAAAQYB");
    let second = pair.next("1").await;
    assert_eq!((second.header("s"), second.connection), ("1", 0));
    second.answer("");
    assert_eq!(pair.next("1").await.header("s"), "2");
}

#[tokio::test]
async fn an_answer_to_a_poll_can_have_many_messages() {
    let mut pair = Pair::connect().await;
    let poll = pair.next("1").await;
    poll.answer("AAAAAgA3BQAAAAIAOAY=");
    let mut bodies = Vec::new();
    while bodies.len() < 2 {
        let exchange = within(pair.requests.recv()).await.unwrap();
        match exchange.header("m") {
            "1" => bodies.push("poll".to_owned()),
            _ => bodies.push(String::from_utf8(exchange.body.to_vec()).unwrap()),
        }
    }
    bodies.sort();
    assert_eq!(bodies, ["AAAAAQYFAAAAAQYG", "poll"]);
}

#[tokio::test]
async fn a_request_whose_connection_is_cut_is_made_once_more() {
    let mut pair = Pair::connect().await;
    drop(pair.next("1").await);
    let again = pair.next("1").await;
    assert_eq!((again.header("s"), again.connection), ("0", 1));
    again.answer("");
    assert_eq!(pair.next("1").await.header("s"), "1");
}

#[tokio::test]
async fn two_cuts_end_the_session() {
    let mut pair = Pair::connect().await;
    drop(pair.next("1").await);
    drop(pair.next("1").await);
    let reason = within(pair.session.closed()).await;
    assert!(
        matches!(reason, CloseReason::ConnectionLost { .. }),
        "{reason}"
    );
}

#[tokio::test]
async fn answers_that_end_the_connection_end_the_session_with_their_reason() {
    let ends: [(u16, (&str, &str), &str); 3] = [
        (
            404,
            ("x", "y"),
            "the server answered a request with HTTP 404 Not Found; behind a load balancer: it must send all requests of a session to one server",
        ),
        (
            200,
            ("diffusion-connection", "reconnect"),
            "the server asked for another connection",
        ),
        (
            503,
            ("x", "y"),
            "the server answered a request with HTTP 503 Service Unavailable",
        ),
    ];
    for (status, header, reason) in ends {
        let mut pair = Pair::connect().await;
        pair.next("1").await.answer_with(status, header);
        let closed = within(pair.session.closed()).await;
        assert_eq!(
            closed.to_string(),
            format!("the connection was lost: {reason}")
        );
    }
}

#[tokio::test]
async fn a_malformed_answer_to_a_poll_ends_the_session() {
    let mut pair = Pair::connect().await;
    pair.next("1").await.answer("<html>");
    let reason = within(pair.session.closed()).await.to_string();
    assert!(
        reason.contains("the answer to a poll is not well-formed: the body is not base64"),
        "{reason}"
    );
}

#[tokio::test]
async fn closing_tells_the_server() {
    let mut pair = Pair::connect().await;
    let poll = pair.next("1").await;
    let session = pair.session.clone();
    let close = tokio::spawn(async move { session.close().await });
    let send = pair.next("2").await;
    assert_eq!(send.body, "AAAAAB0=");
    send.answer("");
    poll.answer("AAAAABw=");
    within(close).await.unwrap();
    assert_eq!(
        pair.session.close_reason(),
        Some(CloseReason::ClosedByClient)
    );
}
