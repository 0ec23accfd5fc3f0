//! One TCP connection: HTTP until it ends or becomes a WebSocket.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    Pending,
    explained::{Explained, TIMEOUT},
};
use crate::{listener::Listener, shared::Shared, stream::Stream};

/// The largest head of a request that hyper reads: larger than our own limits, which say what they are.
const HEAD_BYTES_MAX: usize = 256 * 1024;
const HEADERS_MAX: usize = 128;
/// How long, and for how many bytes, the rest of a request is read that nobody wants.
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// What the requests of one connection share.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) listener: Arc<Listener>,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// Set by the request that becomes a WebSocket.
    pending: Mutex<Option<Pending>>,
    has_request: AtomicBool,
    /// There are as many connections as there may be: all requests are refused.
    pub(super) is_surplus: bool,
}

impl Connection {
    /// Says what the connection becomes after the answer.
    pub(super) fn hand_over(&self, pending: Pending) {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
    }
}

/// How a connection stopped being HTTP.
enum End {
    Done,
    Timeout,
}

/// Serves a connection until it ends; a WebSocket goes on in a task of its own.
pub(crate) async fn serve(
    stream: Stream,
    peer: SocketAddr,
    local: SocketAddr,
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    is_surplus: bool,
) {
    let connection = Arc::new(Connection {
        shared,
        listener,
        peer,
        local,
        pending: Mutex::new(None),
        has_request: AtomicBool::new(false),
        is_surplus,
    });
    let Some((stream, early)) = serve_http(stream, &connection).await else {
        return;
    };
    let pending = connection
        .pending
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    match pending {
        Some(pending) => pending.start(stream, early),
        None => linger(stream).await,
    }
}

/// Serves requests; returns the socket and what was read from it in advance.
async fn serve_http(stream: Stream, connection: &Arc<Connection>) -> Option<(Stream, Bytes)> {
    let service = {
        let connection = Arc::clone(connection);
        service_fn(move |request| Box::pin(respond(Arc::clone(&connection), request)))
    };
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(connection.shared.limits.keep_alive)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(
            TokioIo::new(Explained::new(stream, Arc::clone(&connection.shared))),
            service,
        );
    let end = {
        let mut first_request = pin!(tokio::time::sleep(
            connection.shared.limits.handshake_timeout
        ));
        let mut stop = pin!(connection.shared.stopped());
        let mut is_stopping = false;
        poll_fn(|cx| {
            if !is_stopping && stop.as_mut().poll(cx).is_ready() {
                is_stopping = true;
                Pin::new(&mut http).graceful_shutdown();
            }
            if let Poll::Ready(result) = http.poll_without_shutdown(cx) {
                if let Err(error) = result {
                    tracing::debug!(%error, peer = %connection.peer, "a connection ended with an error");
                }
                return Poll::Ready(End::Done);
            }
            let has_request = connection.has_request.load(Ordering::Relaxed);
            if !has_request && first_request.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::Timeout);
            }
            Poll::Pending
        })
        .await
    };
    let parts = http.into_parts();
    let mut stream = parts.io.into_inner().into_inner();
    if matches!(end, End::Timeout) {
        stream.write_all(TIMEOUT).await.ok()?;
    }
    Some((stream, parts.read_buf))
}

async fn respond(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    connection.has_request.store(true, Ordering::Relaxed);
    let answer = super::respond(&connection, request).await;
    if answer.status().is_client_error() || answer.status().is_server_error() {
        connection.shared.metrics.on_refusal(answer.status());
    }
    Ok(answer.map(Full::new))
}

/// Ends the socket so that the client can read the last answer: a socket that is closed with unread bytes
/// is reset, and the answer may be lost with it.
async fn linger(mut stream: Stream) {
    let end = async {
        stream.shutdown().await?;
        let mut buffer = [0; 1024];
        let mut left = LINGER_BYTES_MAX;
        loop {
            match stream.read(&mut buffer).await? {
                0 => return Ok::<_, std::io::Error>(()),
                read => left = left.saturating_sub(read),
            }
            if left == 0 {
                return Ok(());
            }
        }
    };
    let _ = tokio::time::timeout(LINGER_TIME_MAX, end).await;
}
