//! HTTP: which request is what.
//!
//! | request | answer |
//! |---|---|
//! | `…/diffusion`, `GET` with `Upgrade: websocket` | a WebSocket link |
//! | `…/diffusion`, `POST` with header `m` | polling: 0 connects, 1 polls, 2 sends |
//! | `…/diffusion`, `OPTIONS` | what a browser asks before it polls |
//! | `/health/live`, `/health/ready` | whether to send anybody here |
//! | everything else | the built-in page |
//!
//! What is refused gets a status and one sentence.

use std::{
    net::IpAddr,
    sync::PoisonError,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{Request, body::Body as _, body::Incoming};
use percent_encoding::percent_decode_str;
use suffuse_broker::{Opening, Transport};
use suffuse_proto::handshake::{
    Accepted, ConnectionRequest, ConnectionResponse, HandshakeError, Parameters,
};

mod answer;
pub(crate) mod connection;
mod explained;
mod guesses;
mod health;
mod origins;
mod upgrade;

pub(crate) use guesses::Guesses;
pub use origins::Origins;

use crate::{
    link::{
        Link, Refusal,
        polling::{PollingLink, Reply},
        websocket::WebSocketLink,
    },
    page,
    shared::Shared,
    stream::Stream,
};
use answer::{Answer, sentence};
use connection::Connection;

const NODE: HeaderName = HeaderName::from_static("x-suffuse-node");
const METHODS: &str = "GET, POST, OPTIONS";

/// A WebSocket that begins when the response to its handshake is written.
pub(crate) struct Pending {
    link: Link,
    response: ConnectionResponse,
    message_bytes_max: usize,
    message_time_max: Duration,
}

impl Pending {
    /// Lets the link run on a socket; `early` is what the client has sent behind its handshake.
    pub(crate) fn start(self, stream: Stream, early: &[u8]) {
        let link = match self.response {
            ConnectionResponse::Rejected { .. } => {
                WebSocketLink::refused(stream, self.link, &self.response)
            }
            ConnectionResponse::Accepted(_) => {
                let (bytes_max, time_max) = (self.message_bytes_max, self.message_time_max);
                let mut link =
                    WebSocketLink::new(stream, self.link, &self.response, bytes_max, time_max);
                link.receive_early(early);
                link
            }
        };
        tokio::spawn(link);
    }
}

/// Answers a request.
async fn respond(connection: &Connection, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    if let Some(refusal) = refuse_at_once(connection, &parts) {
        return refusal;
    }
    if !is_connection_path(parts.uri.path()) {
        return match health::answer(&connection.shared, &parts).await {
            Some(answer) => answer,
            None => answer_page(connection, &parts).await,
        };
    }
    if !connection.shared.origins.allow(&parts.headers) {
        return sentence(
            StatusCode::FORBIDDEN,
            "pages of this origin may not connect: add it to the allowed origins of the server",
        );
    }
    let mut answer = match parts.method {
        Method::GET => connect_websocket(connection, &parts).await,
        Method::POST => answer_polling(connection, &parts, body).await,
        Method::OPTIONS => origins::preflight(),
        _ => {
            let text = "a connection is a GET request with `Upgrade: websocket`, or POST requests with the header `m`";
            answer::with(
                sentence(StatusCode::METHOD_NOT_ALLOWED, text),
                header::ALLOW,
                METHODS,
            )
        }
    };
    if let Some(origin) = parts.headers.get(header::ORIGIN) {
        origins::expose(&mut answer, origin.clone());
    }
    answer
}

/// Returns whether a path is one of a connection: it ends in `/diffusion` or `/diffusion/`.
fn is_connection_path(path: &str) -> bool {
    let path: Vec<u8> = percent_decode_str(path).collect();
    path.ends_with(b"/diffusion") || path.ends_with(b"/diffusion/")
}

/// Refuses what the server has no room or no time for.
fn refuse_at_once(connection: &Connection, request: &request::Parts) -> Option<Answer> {
    let Shared { limits, .. } = &*connection.shared;
    let refuse = |status, text: String| {
        Some(answer::with(
            sentence(status, text),
            header::CONNECTION,
            "close",
        ))
    };
    if connection.is_surplus {
        let text = format!(
            "this server has {} connections, as many as it may have: try again later",
            limits.connections_max
        );
        return refuse(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    let target = request
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > limits.target_bytes_max {
        let text = format!(
            "the request target has {target} bytes, expected at most {}",
            limits.target_bytes_max
        );
        return refuse(StatusCode::URI_TOO_LONG, text);
    }
    let headers: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers > limits.header_bytes_max {
        let text = format!(
            "the request headers have {headers} bytes, expected at most {}",
            limits.header_bytes_max
        );
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text);
    }
    None
}

async fn answer_page(connection: &Connection, request: &request::Parts) -> Answer {
    let nothing = || {
        let text = "nothing is here: connections are made to a path that ends in /diffusion";
        sentence(StatusCode::NOT_FOUND, text)
    };
    // An upgrade is never for the page, and its client waits for a status.
    let Some(info) = connection
        .shared
        .page
        .as_ref()
        .filter(|_| !upgrade::is_asked(&request.headers))
    else {
        return nothing();
    };
    match page::answer(
        info,
        &request.method,
        &request.uri,
        &request.headers,
        connection.local,
    ) {
        page::Answer::Ready(answer) => answer,
        page::Answer::Values(values) => {
            let answer = connection
                .shared
                .inspect(move |broker| values.answer_from(broker))
                .await;
            answer.unwrap_or_else(unavailable)
        }
    }
}

async fn connect_websocket(connection: &Connection, request: &request::Parts) -> Answer {
    if !upgrade::is_asked(&request.headers) {
        let text = "connect with a WebSocket (GET with `Upgrade: websocket`), or poll with POST requests; if this \
             was a WebSocket, a proxy on the way has removed its headers";
        let refusal = sentence(StatusCode::UPGRADE_REQUIRED, text);
        let refusal = answer::with(refusal, header::CONNECTION, "Upgrade");
        return answer::with(refusal, header::UPGRADE, "websocket");
    }
    let accept = match upgrade::check(request) {
        Ok(accept) => accept,
        Err(refusal) => return *refusal,
    };
    let parameters = parameters(request, Transport::WebSocket);
    let (link, response) = match open(connection, Transport::WebSocket, &parameters).await {
        Ok((link, accepted)) => (link, ConnectionResponse::Accepted(accepted)),
        Err(NoLink::Response(response)) => (Link::unknown(&connection.shared.inbox), response),
        Err(NoLink::Answer(refusal)) => return *refusal,
    };
    let mut answer = upgrade::switch(accept);
    add_session_headers(&mut answer, connection, &response);
    let pending = Pending {
        link,
        response,
        message_bytes_max: connection.shared.message_bytes_max,
        message_time_max: connection.shared.message_time_max,
    };
    *connection
        .pending
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(pending);
    answer
}

async fn answer_polling(
    connection: &Connection,
    request: &request::Parts,
    body: Incoming,
) -> Answer {
    let parameters = parameters(request, Transport::HttpPolling);
    let sequence = parameters.get("s").and_then(|text| text.parse().ok());
    match parameters.get("m") {
        Some("0") => connect_polling(connection, &parameters).await,
        Some("1") => match find(connection, &parameters) {
            Some(link) => reply(
                link.poll(sequence, connection.shared.limits.poll_hold)
                    .await,
            ),
            None => gone(),
        },
        Some("2") => match find(connection, &parameters) {
            Some(link) => answer_send(connection, &link, sequence, body).await,
            None => gone(),
        },
        Some(_) | None => {
            let text = "expected the header `m` to be 0 (connect), 1 (poll) or 2 (send); if this was a client, a \
                 proxy on the way has removed its headers";
            sentence(StatusCode::BAD_REQUEST, text)
        }
    }
}

async fn connect_polling(connection: &Connection, parameters: &Parameters) -> Answer {
    let response = match open(connection, Transport::HttpPolling, parameters).await {
        Ok((link, accepted)) => {
            let dialect = accepted.version.dialect();
            connection
                .shared
                .polling
                .insert(accepted.token, link, dialect);
            ConnectionResponse::Accepted(accepted)
        }
        Err(NoLink::Response(response)) => response,
        Err(NoLink::Answer(refusal)) => return *refusal,
    };
    let body = response.to_bytes();
    let mut answer = answer::with_body(StatusCode::OK, "text/plain; charset=ISO-8859-1", body);
    add_session_headers(&mut answer, connection, &response);
    answer
}

async fn answer_send(
    connection: &Connection,
    link: &PollingLink,
    sequence: Option<u32>,
    body: Incoming,
) -> Answer {
    let message_bytes_max = connection.shared.message_bytes_max;
    // Base64 makes four bytes of three; a message has four bytes of framing.
    let body_bytes_max = (message_bytes_max + 8).saturating_mul(4) / 3 + 4;
    if body.size_hint().lower() > body_bytes_max as u64 {
        return reply(link.refuse_too_large());
    }
    let read = tokio::time::timeout(
        connection.shared.limits.body_timeout,
        Limited::new(body, body_bytes_max).collect(),
    );
    match read.await {
        Ok(Ok(body)) => reply(
            link.send(sequence, &body.to_bytes(), message_bytes_max)
                .await,
        ),
        Ok(Err(error)) if error.is::<LengthLimitError>() => reply(link.refuse_too_large()),
        Ok(Err(error)) => sentence(
            StatusCode::BAD_REQUEST,
            format!("the body could not be read: {error}"),
        ),
        Err(_) => sentence(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    }
}

/// Reads the parameters of a request: from its query, else from its headers.
fn parameters(request: &request::Parts, transport: Transport) -> Parameters {
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let from_headers = match transport {
        Transport::WebSocket => Parameters::from_upgrade_headers(headers),
        Transport::HttpPolling => Parameters::from_polling_headers(headers),
    };
    Parameters::from_query(request.uri.query().unwrap_or_default()).or(from_headers)
}

/// Why a request did not lead to a link.
enum NoLink {
    /// The protocol has a response for it.
    Response(ConnectionResponse),
    /// HTTP has.
    Answer(Box<Answer>),
}

/// Asks the broker to accept a client.
async fn open(
    connection: &Connection,
    transport: Transport,
    parameters: &Parameters,
) -> Result<(Link, Accepted), NoLink> {
    let shared = &connection.shared;
    if shared.is_stopping() {
        return Err(NoLink::Answer(Box::new(unavailable())));
    }
    let request =
        ConnectionRequest::parse(parameters).map_err(|error| refuse(connection, &error))?;
    let opening = Opening {
        transport,
        request,
        address: client_address(connection.peer.ip()),
        connector: connection.listener.name.clone(),
        wall_clock: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
    };
    let timeout = shared.limits.handshake_timeout;
    match Link::open(shared.next_link(), opening, &shared.inbox, timeout).await {
        Ok(opened) => Ok(opened),
        Err(Refusal::Rejected { version, code }) => {
            let address = client_address(connection.peer.ip());
            let pause = shared.guesses.pause(code, address, Instant::now());
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Err(NoLink::Response(ConnectionResponse::Rejected {
                version,
                code,
            }))
        }
        Err(Refusal::Unavailable) => Err(NoLink::Answer(Box::new(unavailable()))),
    }
}

fn refuse(connection: &Connection, error: &HandshakeError) -> NoLink {
    tracing::debug!(%error, peer = %connection.peer, "a connection request was refused");
    error.response().map_or_else(
        || {
            NoLink::Answer(Box::new(sentence(
                StatusCode::BAD_REQUEST,
                error.to_string(),
            )))
        },
        NoLink::Response,
    )
}

/// An IPv4 client of an IPv6 listener is an IPv4 client.
fn client_address(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Adds what load balancers route by.
fn add_session_headers(
    answer: &mut Answer,
    connection: &Connection,
    response: &ConnectionResponse,
) {
    let ConnectionResponse::Accepted(Accepted { session, .. }) = response else {
        return;
    };
    let headers: &mut HeaderMap = answer.headers_mut();
    if let Ok(node) = HeaderValue::from_str(connection.shared.node.as_str()) {
        headers.insert(NODE, node);
    }
    let cookie = connection.shared.cookie.as_ref();
    let cookie = cookie.map(|name| {
        HeaderValue::try_from(format!("{name}={session}; Path=/; HttpOnly; SameSite=Lax"))
    });
    if let Some(Ok(cookie)) = cookie {
        headers.insert(header::SET_COOKIE, cookie);
    }
}

fn find(connection: &Connection, parameters: &Parameters) -> Option<std::sync::Arc<PollingLink>> {
    connection.shared.polling.find(parameters.get("c")?)
}

fn reply(reply: Reply) -> Answer {
    match reply {
        Reply::Body(body) => {
            answer::with_body(StatusCode::OK, "text/plain; charset=US-ASCII", body)
        }
        Reply::Gone => gone(),
        Reply::Broken(problem) => {
            sentence(StatusCode::BAD_REQUEST, format!("{problem}: connect again"))
        }
        Reply::TooLarge => {
            let refusal = sentence(
                StatusCode::PAYLOAD_TOO_LARGE,
                "a message is larger than this server accepts",
            );
            answer::with(refusal, header::CONNECTION, "close")
        }
    }
}

fn gone() -> Answer {
    let text = "no client polls with this token here: connect again; behind a load balancer, see to it that all \
         requests of a session reach the same server";
    sentence(StatusCode::NOT_FOUND, text)
}

fn unavailable() -> Answer {
    sentence(
        StatusCode::SERVICE_UNAVAILABLE,
        "this server is busy or stops: try again later",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_path_ends_in_diffusion() {
        let cases = [
            ("/diffusion", true),
            ("/diffusion/", true),
            ("/a/b/diffusion", true),
            ("/a%20b/%C3%A9/diffusion", true),
            ("/%64iffusion", true),
            ("/a%2Fdiffusion", true),
            ("/diffusion/diffusion", true),
            ("/", false),
            ("/xdiffusion", false),
            ("/diffusion/x", false),
            ("/diffusion//", false),
            ("/DIFFUSION", false),
            ("diffusion", false),
        ];
        for (path, expected) in cases {
            assert_eq!(is_connection_path(path), expected, "{path}");
        }
    }
}
