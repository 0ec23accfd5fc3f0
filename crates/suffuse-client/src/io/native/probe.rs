//! Single exchanges with a server, each on a connection of its own and with all that was seen of it.
//!
//! Nothing is retried, no redirect is followed, and no cookie is remembered: whoever asks, decides.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    header::{self, HeaderName, HeaderValue},
};
use rustls::pki_types::CertificateDer;
use suffuse_proto::handshake::ConnectionRequest;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::{Message, handshake::client::generate_key};

use super::{
    Progress, client_type,
    dial::{self, Dialer},
    http::{self, HttpConnection},
    tls::TlsOptions,
    websocket::{self, Socket},
};
use crate::{
    attempt::{Failure, Stage},
    builder::Plan,
    error::ConnectError,
    proxy::Proxy,
    transport::Transport,
};
use recorder::Recorder;

mod recorder;

/// The most bytes of the body of an answer that are read.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Makes single exchanges with one server.
#[derive(Clone)]
pub struct Probe {
    dialer: Dialer,
    request: ConnectionRequest,
    tls: TlsOptions,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Probe")
            .field(&self.url(Transport::HttpPolling))
            .finish()
    }
}

/// A request. The path is that of the endpoint.
#[derive(Clone, Debug)]
pub struct Ask {
    method: Method,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Ask {
    /// Makes a request with a method such as `POST`; what is no method is `GET`.
    #[must_use]
    pub fn new(method: &str) -> Self {
        Self {
            method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
            query: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Sets the query, percent-encoded and without `?`.
    #[must_use]
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// Sets a header. Control characters of the value are left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value: String = value.chars().filter(|char| !char.is_control()).collect();
        self.headers
            .insert(HeaderName::from_static(name), http::text_header(&value));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    headers: HeaderMap,
    /// Its body; empty for status 101.
    pub body: Bytes,
    /// How long it took to make the connection, TLS included.
    pub dialled_after: Duration,
    /// How long it took from the beginning to the whole answer.
    pub elapsed: Duration,
}

impl Answer {
    /// Returns the value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Returns the cookies that it sets, as the header `Cookie` has them.
    #[must_use]
    pub fn cookies(&self) -> Option<String> {
        let pairs: Vec<&str> = self
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next())
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Returns the usual name of the status.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default()
    }
}

/// The answer to an upgrade request.
#[derive(Debug)]
pub struct Upgraded {
    /// What was answered.
    pub answer: Answer,
    /// The WebSocket; or why there is none.
    pub socket: Result<WebSocket, Failure>,
}

/// What TLS came to.
#[derive(Debug)]
pub struct Handshake {
    /// The certificates that the server sent, its own first; none if it did not get so far.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Whether a client would go on.
    pub outcome: Result<(), Failure>,
    /// How long it took, with the connection.
    pub elapsed: Duration,
}

/// A WebSocket, without a notion of sessions.
#[derive(Debug)]
pub struct WebSocket(Socket);

impl WebSocket {
    /// Sends a message.
    ///
    /// # Errors
    /// When the connection is lost; the text says how.
    pub async fn send(&mut self, message: Bytes) -> Result<(), String> {
        let sent = self.0.send(Message::Binary(message)).await;
        sent.map_err(|error| websocket::describe(&error))
    }

    /// Returns the next message. May be dropped and called again.
    ///
    /// # Errors
    /// When the connection ends; the text says how.
    pub async fn receive(&mut self) -> Result<Bytes, String> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => return Err("the server sent a text frame".to_owned()),
                Some(Ok(Message::Close(frame))) => return Err(websocket::closed_later(frame)),
                Some(Err(error)) => return Err(websocket::describe(&error)),
                None => return Err("the peer ended it".to_owned()),
            }
        }
    }
}

impl Probe {
    pub(crate) fn new(
        plan: &Plan,
        tls: &TlsOptions,
        proxy: Option<&Proxy>,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            dialer: Dialer::new(plan, tls, proxy)?,
            request: plan.request.clone(),
            tls: tls.clone(),
        })
    }

    /// Returns the host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.dialer.endpoint.host
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.dialer.endpoint.port
    }

    /// Returns whether the connection is secure.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.dialer.endpoint.secure
    }

    /// Returns the URL for a transport.
    #[must_use]
    pub fn url(&self, transport: Transport) -> String {
        self.dialer.endpoint.url(transport)
    }

    /// Returns host and port of the forward proxy, if there is one.
    #[must_use]
    pub fn proxy(&self) -> Option<String> {
        self.dialer.forward_proxy().map(ToString::to_string)
    }

    /// Returns the longest wait for a connection.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.dialer.limit
    }

    /// Returns the request for a session that a client makes over a transport.
    #[must_use]
    pub fn request(&self, transport: Transport) -> ConnectionRequest {
        ConnectionRequest {
            client_type: client_type(transport).to_owned(),
            ..self.request.clone()
        }
    }

    /// Returns the addresses of the host, at most eight.
    ///
    /// # Errors
    /// When it has none, or the resolver takes too long.
    pub async fn look_up(&self) -> Result<Vec<SocketAddr>, Failure> {
        let (endpoint, limit) = (&self.dialer.endpoint, self.dialer.limit);
        let look_up = dial::look_up(&endpoint.host, endpoint.port);
        timeout(limit, look_up)
            .await
            .unwrap_or(Err(Failure::TimedOut {
                stage: Stage::Lookup,
                limit,
            }))
    }

    /// Makes a TCP connection to an address, ends it, and returns how long it took.
    ///
    /// # Errors
    /// When there is none.
    pub async fn reach(&self, address: SocketAddr) -> Result<Duration, Failure> {
        let start = Instant::now();
        match timeout(self.dialer.limit, TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(start.elapsed()),
            Ok(Err(error)) => Err(Failure::Tcp {
                problem: dial::describe(&error),
            }),
            Err(_) => Err(Failure::TimedOut {
                stage: Stage::Tcp,
                limit: self.dialer.limit,
            }),
        }
    }

    /// Negotiates TLS, also when the endpoint is said to be insecure, and ends the connection.
    ///
    /// # Errors
    /// When the settings of TLS cannot be used.
    pub async fn negotiate(&self, limit: Duration) -> Result<Handshake, ConnectError> {
        let start = Instant::now();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        let config = self
            .tls
            .config_with(|judge| Arc::new(Recorder::new(judge, record)))?;
        let dialer = self
            .dialer
            .with_tls(TlsConnector::from(config))
            .with(Transport::WebSocket);
        let mut progress = Progress::default();
        let outcome = timeout(limit, dialer.dial(&mut progress)).await;
        let outcome = match outcome {
            Ok(outcome) => outcome.map(drop),
            Err(_) => Err(Failure::TimedOut {
                stage: progress.stage,
                limit,
            }),
        };
        let certificates = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Handshake {
            certificates,
            outcome,
            elapsed: start.elapsed(),
        })
    }

    /// Makes a request and returns the whole answer, of whatever status.
    ///
    /// # Errors
    /// When there is none within the limit.
    pub async fn exchange(&self, ask: &Ask, limit: Duration) -> Result<Answer, Failure> {
        let dialer = self.dialer.fresh().with(Transport::HttpPolling);
        let mut progress = Progress::default();
        let exchange = async {
            let start = Instant::now();
            let request = request(&dialer, ask)?;
            let mut connection = connect(&dialer, &mut progress).await?;
            let dialled_after = start.elapsed();
            let response = connection
                .send(request)
                .await
                .map_err(|error| http::failure(&error))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = http::body(response, BODY_BYTES_MAX).await;
            let body = body.map_err(|problem| Failure::Ended {
                stage: Stage::Http,
                problem,
            })?;
            Ok(Answer {
                status,
                headers,
                body,
                dialled_after,
                elapsed: start.elapsed(),
            })
        };
        let outcome = timeout(limit, exchange).await;
        outcome.unwrap_or(Err(Failure::TimedOut {
            stage: progress.stage,
            limit,
        }))
    }

    /// Asks for a WebSocket.
    ///
    /// # Errors
    /// When there is no HTTP answer within the limit. Any other status than 101 is an answer.
    pub async fn upgrade(&self, ask: &Ask, limit: Duration) -> Result<Upgraded, Failure> {
        let dialer = self.dialer.fresh().with(Transport::WebSocket);
        let mut progress = Progress::default();
        let outcome = timeout(limit, upgrade(&dialer, ask, &mut progress)).await;
        outcome.unwrap_or(Err(Failure::TimedOut {
            stage: progress.stage,
            limit,
        }))
    }
}

async fn connect(dialer: &Dialer, progress: &mut Progress) -> Result<HttpConnection, Failure> {
    let stream = dialer.dial(progress).await?;
    progress.stage = Stage::Http;
    let connection = HttpConnection::open(stream).await;
    connection.map_err(|error| http::failure(&error))
}

async fn upgrade(dialer: &Dialer, ask: &Ask, progress: &mut Progress) -> Result<Upgraded, Failure> {
    let (start, key) = (Instant::now(), generate_key());
    let mut request = request(dialer, ask)?;
    websocket::ask_for_upgrade(request.headers_mut(), &key);
    let mut connection = connect(dialer, progress).await?;
    let dialled_after = start.elapsed();
    let response = connection
        .send(request)
        .await
        .map_err(|error| http::failure(&error))?;
    let mut answer = Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: Bytes::new(),
        dialled_after,
        elapsed: start.elapsed(),
    };
    let judged = http::expect_status(&response, StatusCode::SWITCHING_PROTOCOLS)
        .and_then(|()| websocket::check_upgrade(&response, &key));
    if let Err(failure) = judged {
        if answer.status != 101 {
            // What is in an answer that ends too early does not matter beside its status.
            answer.body = http::body(response, BODY_BYTES_MAX)
                .await
                .unwrap_or_default();
        }
        return Ok(Upgraded {
            answer,
            socket: Err(failure),
        });
    }
    progress.stage = Stage::Response;
    let socket = match hyper::upgrade::on(response).await {
        Ok(upgraded) => Ok(WebSocket(websocket::open_socket(upgraded).await)),
        Err(error) => Err(Failure::Ended {
            stage: Stage::Response,
            problem: http::chain(&error),
        }),
    };
    Ok(Upgraded { answer, socket })
}

fn request(dialer: &Dialer, ask: &Ask) -> Result<Request<http_body_util::Full<Bytes>>, Failure> {
    let mut request = http::request(dialer, ask.method.clone(), ask.body.clone());
    if let Some(query) = &ask.query {
        let target = format!("{}?{query}", dialer.request_target());
        *request.uri_mut() = Uri::try_from(target).map_err(|error| Failure::Upgrade {
            problem: format!("the query cannot be sent: {error}"),
        })?;
    }
    for (name, value) in &ask.headers {
        request.headers_mut().insert(name, value.clone());
    }
    if ask.method == Method::POST && !request.headers().contains_key(header::CONTENT_TYPE) {
        let text = HeaderValue::from_static("text/plain;charset=UTF-8");
        request.headers_mut().insert(header::CONTENT_TYPE, text);
    }
    Ok(request)
}
