//! HTTP: which request is what.
//!
//! | request | answer |
//! |---|---|
//! | `…/diffusion`, `GET` with `Upgrade: websocket` | a WebSocket link |
//! | `…/diffusion`, `POST` with header `m` | polling: 0 connects, 1 polls, 2 sends |
//! | `…/diffusion`, `OPTIONS` | what a browser asks before it polls |
//! | `/health/live`, `/health/ready` | whether to send anybody here |
//! | `/metrics`, where the listener has it | counters |
//! | `/admin/drain`, where the listener has it | draining |
//! | everything else | the built-in page |
//!
//! What is refused gets a status and one sentence.

use std::time::{Duration, Instant};

use bytes::Bytes;

use http::{Method, StatusCode, header, request};
use hyper::{Request, body::Incoming};
use percent_encoding::percent_decode_str;
use suffuse_broker::Transport;
use suffuse_proto::handshake::{ConnectionResponse, Parameters};

mod admin;
mod answer;
mod client_address;
pub(crate) mod connection;
mod explained;
mod foreign;
mod forward;
mod guesses;
mod health;
mod opening;
mod origins;
mod polling;
mod upgrade;

pub use client_address::{ForwardedHeader, Networks, NetworksError};
pub(crate) use foreign::Foreign;
pub(crate) use forward::Forwarding;
pub(crate) use guesses::Guesses;
pub use origins::Origins;

use crate::{
    link::{Link, websocket::WebSocketLink},
    page,
    shared::Shared,
    stream::Stream,
};
use answer::{Answer, sentence};
use connection::Connection;
use opening::NoLink;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const METHODS: &str = "GET, POST, OPTIONS";

/// What a connection becomes when the response to its handshake is written.
pub(crate) enum Pending {
    /// A WebSocket.
    Link(PendingLink),
    /// A WebSocket of another server.
    Tunnel(forward::Tunnel),
}

impl Pending {
    /// Begins on a socket; `early` is what the client has sent behind its handshake.
    pub(crate) fn start(self, stream: Stream, early: Bytes) {
        match self {
            Self::Link(link) => link.start(stream, &early),
            Self::Tunnel(tunnel) => drop(tokio::spawn(tunnel.run(stream, early))),
        }
    }
}

/// A WebSocket that begins when the response to its handshake is written.
pub(crate) struct PendingLink {
    link: Link,
    response: ConnectionResponse,
    message_bytes_max: usize,
    message_time_max: Duration,
}

impl PendingLink {
    /// Lets the link run on a socket; `early` is what the client has sent behind its handshake.
    fn start(self, stream: Stream, early: &[u8]) {
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
    let begin = Instant::now();
    let (mut parts, body) = request.into_parts();
    if let Some(refusal) = refuse_at_once(connection, &parts) {
        return refusal;
    }
    if !is_connection_path(parts.uri.path()) {
        return answer_other(connection, &parts).await;
    }
    if !connection.shared.origins.allow(&parts.headers) {
        return sentence(
            StatusCode::FORBIDDEN,
            "pages of this origin may not connect: add it to the allowed origins of the server",
        );
    }
    let received = match forward::receive(connection, &parts) {
        Ok(received) => received,
        Err(refusal) => return *refusal,
    };
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let is_received = received.is_some();
    if let Some(received) = received {
        parts.extensions.insert(received);
    }
    let mut answer = match forward::destination(connection, &parts) {
        // What was forwarded once goes no further.
        Some(node) if !is_received => forward::send(connection, node, parts, body).await,
        Some(_) | None => answer_connection(connection, parts, body).await,
    };
    if is_received {
        forward::add_time(&mut answer, begin);
    }
    if let Some(origin) = origin {
        origins::expose(&mut answer, origin);
    }
    answer
}

/// Answers a request of a client whose session is here, or is to be.
async fn answer_connection(
    connection: &Connection,
    parts: request::Parts,
    body: Incoming,
) -> Answer {
    match parts.method {
        Method::GET => connect_websocket(connection, &parts).await,
        Method::POST => polling::answer(connection, &parts, body).await,
        Method::OPTIONS => origins::preflight(),
        _ => {
            let text = "a connection is a GET request with `Upgrade: websocket`, or POST requests with the header `m`";
            answer::with(
                sentence(StatusCode::METHOD_NOT_ALLOWED, text),
                header::ALLOW,
                METHODS,
            )
        }
    }
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

/// Answers what is no connection of a client.
async fn answer_other(connection: &Connection, request: &request::Parts) -> Answer {
    if let Some(answer) = health::answer(&connection.shared, request).await {
        return answer;
    }
    if connection.listener.has_metrics && request.uri.path() == "/metrics" {
        return answer_metrics(connection, request).await;
    }
    if let Some(answer) = admin::answer(connection, request).await {
        return answer;
    }
    answer_page(connection, request).await
}

async fn answer_metrics(connection: &Connection, request: &request::Parts) -> Answer {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        let refusal = sentence(
            StatusCode::METHOD_NOT_ALLOWED,
            "metrics are asked for with GET or HEAD",
        );
        return answer::with(refusal, header::ALLOW, "GET, HEAD");
    }
    match connection.shared.encode_metrics().await {
        Some(text) => answer::with_body(StatusCode::OK, METRICS_TYPE, text),
        None => unavailable(),
    }
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
    let (link, response) =
        match opening::open(connection, Transport::WebSocket, request, &parameters).await {
            Ok((link, accepted)) => (link, ConnectionResponse::Accepted(accepted)),
            Err(NoLink::Response(response)) => (Link::unknown(&connection.shared.inbox), response),
            Err(NoLink::Answer(refusal)) => return *refusal,
        };
    let mut answer = upgrade::switch(accept);
    opening::add_session_headers(&mut answer, connection, &response);
    let pending = PendingLink {
        link,
        response,
        message_bytes_max: connection.shared.message_bytes_max,
        message_time_max: connection.shared.message_time_max,
    };
    connection.hand_over(Pending::Link(pending));
    answer
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

/// Answers while the server cannot do what is asked.
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
