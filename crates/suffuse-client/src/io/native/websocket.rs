//! The WebSocket transport: one binary frame for each message.

use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use suffuse_proto::handshake::{Accepted, ConnectionRequest, Parameters};
use tokio::sync::mpsc;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig, frame::CloseFrame},
    },
};

use super::{Connected, LinkTasks, Progress, dial::Dialer, http};
use crate::{
    MESSAGE_BYTES_MAX,
    attempt::{Failure, Stage},
    io::link::{self, Link, LinkEnds},
    text::shortened,
    transport::Transport,
};

/// How many messages are written in one go.
const BATCH_MAX: usize = 64;

pub(super) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Makes an attempt to get a session over a WebSocket.
pub(super) async fn connect(
    dialer: &Dialer,
    request: &ConnectionRequest,
    progress: &mut Progress,
) -> Result<Connected, Failure> {
    let key = generate_key();
    let (_connection, response) =
        http::begin(dialer, upgrade(dialer, request, &key), progress).await?;
    http::expect_status(&response, StatusCode::SWITCHING_PROTOCOLS)?;
    check_upgrade(&response, &key)?;
    progress.stage = Stage::Response;
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(|error| Failure::Ended {
            stage: Stage::Response,
            problem: http::chain(&error),
        })?;
    let mut socket = open_socket(upgraded).await;
    let accepted = connection_response(&mut socket, request).await?;
    let (link, ends) = Link::new();
    Ok(Connected {
        transport: Transport::WebSocket,
        accepted,
        link,
        tasks: start(socket, ends),
    })
}

/// Returns the upgrade request. The parameters are headers and not a query, because queries are in
/// the access logs of proxies, and the credentials are among them.
fn upgrade(dialer: &Dialer, request: &ConnectionRequest, key: &str) -> Request<Full<Bytes>> {
    let mut upgrade = http::request(dialer, Method::GET, Bytes::new());
    let headers = upgrade.headers_mut();
    ask_for_upgrade(headers, key);
    let parameters = request.to_parameters();
    for name in Parameters::NAMES {
        if let Some(value) = parameters.get(name) {
            http::set_parameter(headers, name, value);
        }
    }
    upgrade
}

/// Adds the headers that make a request one for a WebSocket.
pub(super) fn ask_for_upgrade(headers: &mut HeaderMap, key: &str) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    headers.insert(header::SEC_WEBSOCKET_KEY, http::text_header(key));
}

pub(super) fn check_upgrade(response: &Response<Incoming>, key: &str) -> Result<(), Failure> {
    let bad = |problem: &str| {
        Err(Failure::Upgrade {
            problem: problem.to_owned(),
        })
    };
    let headers = response.headers();
    let upgrade = http::text_of(headers, &header::UPGRADE).unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return bad("status 101, but to another protocol than WebSocket");
    }
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    if accept.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
    {
        return bad("status 101, but Sec-WebSocket-Accept does not answer this request");
    }
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS)
        || headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL)
    {
        return bad("status 101, but with an extension or a subprotocol that was not asked for");
    }
    Ok(())
}

pub(super) async fn open_socket(upgraded: hyper::upgrade::Upgraded) -> Socket {
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MESSAGE_BYTES_MAX);
    config.max_frame_size = Some(MESSAGE_BYTES_MAX);
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config)).await
}

/// Waits for the connection response, which is the first message.
async fn connection_response(
    socket: &mut Socket,
    request: &ConnectionRequest,
) -> Result<Accepted, Failure> {
    let stage = Stage::Response;
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return super::accepted(bytes, request),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Text(_))) => {
                return Err(Failure::Response {
                    problem: "a text frame".to_owned(),
                });
            }
            Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
            Some(Err(error)) => {
                return Err(Failure::Ended {
                    stage,
                    problem: describe(&error),
                });
            }
            None => {
                return Err(Failure::Ended {
                    stage,
                    problem: "the peer ended it".to_owned(),
                });
            }
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> Failure {
    match frame {
        Some(frame) => Failure::Closed {
            code: Some(frame.code.into()),
            reason: shortened(&frame.reason),
        },
        None => Failure::Closed {
            code: None,
            reason: String::new(),
        },
    }
}

pub(super) fn describe(error: &tungstenite::Error) -> String {
    use tungstenite::{Error::Protocol, error::ProtocolError::ResetWithoutClosingHandshake};
    if matches!(error, Protocol(ResetWithoutClosingHandshake)) {
        return "the peer ended the TCP connection".to_owned();
    }
    http::chain(error)
}

/// Starts the tasks that carry messages.
fn start(socket: Socket, ends: LinkEnds) -> LinkTasks {
    let (sink, source) = socket.split();
    let mut tasks = LinkTasks::default();
    tasks.readers.spawn(read(source, ends.incoming));
    tasks.writers.spawn(write(sink, ends.outgoing));
    tasks
}

async fn read(mut source: SplitStream<Socket>, incoming: mpsc::Sender<link::Incoming>) {
    let end = loop {
        match source.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                if incoming.send(Ok(bytes)).await.is_err() {
                    return;
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Text(_))) => break "the server sent a text frame".to_owned(),
            Some(Ok(Message::Close(frame))) => break closed_later(frame),
            Some(Err(error)) => break describe(&error),
            None => break "the server ended it".to_owned(),
        }
    };
    // Nobody listens if the driver has ended.
    let _ = incoming.send(Err(end)).await;
}

pub(super) fn closed_later(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) => {
            let (code, reason) = (u16::from(frame.code), shortened(&frame.reason));
            format!("the server closed the WebSocket with code {code} {reason}")
                .trim_end()
                .to_owned()
        }
        None => "the server closed the WebSocket without a code".to_owned(),
    }
}

async fn write(mut sink: SplitSink<Socket, Message>, mut outgoing: mpsc::Receiver<Bytes>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while outgoing.recv_many(&mut batch, BATCH_MAX).await > 0 {
        for message in batch.drain(..) {
            if sink.feed(Message::Binary(message)).await.is_err() {
                return;
            }
        }
        // If the connection is lost, the reader says so.
        if sink.flush().await.is_err() {
            return;
        }
    }
    let _ = sink.close().await;
}
