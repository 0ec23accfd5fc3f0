//! Handshakes: how a request becomes a link, or is refused.

use std::{
    net::IpAddr,
    time::{Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use suffuse_broker::{Opening, Transport};
use suffuse_proto::{
    ResponseCode,
    handshake::{Accepted, ConnectionRequest, ConnectionResponse, HandshakeError, Parameters},
};

use super::{
    answer::{Answer, sentence},
    client_address,
    connection::Connection,
    foreign::Owner,
    forward::Received,
    unavailable,
};
use crate::{
    link::{Link, Refusal},
    listener::Listener,
    shared::Shared,
};

const NODE: HeaderName = HeaderName::from_static("x-suffuse-node");

/// Why a request did not lead to a link.
pub(super) enum NoLink {
    /// The protocol has a response for it.
    Response(ConnectionResponse),
    /// HTTP has.
    Answer(Box<Answer>),
}

/// Asks the broker to accept a client.
pub(super) async fn open(
    connection: &Connection,
    transport: Transport,
    source: &request::Parts,
    parameters: &Parameters,
) -> Result<(Link, Accepted), NoLink> {
    let address = client_address(connection, source);
    let shared = &connection.shared;
    if shared.is_stopping() {
        return Err(NoLink::Answer(Box::new(unavailable())));
    }
    let request =
        ConnectionRequest::parse(parameters).map_err(|error| refuse(connection, &error))?;
    if let Some(version) = foreign_reconnection(connection, &request) {
        return Err(reject(connection, address, version, ResponseCode::UNKNOWN_SESSION).await);
    }
    if !shared.drain.progress().phase.admits() {
        let version = request.version.number();
        return Err(match request.reconnect {
            Some(_) => reject(connection, address, version, ResponseCode::UNKNOWN_SESSION).await,
            None => NoLink::Answer(Box::new(unavailable())),
        });
    }
    let is_reconnection = request.reconnect.is_some();
    let opening = Opening {
        transport,
        request,
        address,
        connector: connection.listener.name.clone(),
        wall_clock: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
    };
    let timeout = shared.limits.handshake_timeout;
    match Link::open(shared.next_link(), opening, &shared.inbox, timeout).await {
        Ok(opened) => {
            shared.metrics.on_handshake(opened.1.code);
            Ok(opened)
        }
        Err(Refusal::Rejected { version, code }) => {
            if is_reconnection && code == ResponseCode::UNKNOWN_SESSION {
                shared.metrics.unknown_tokens.inc();
            }
            Err(reject(connection, address, version, code).await)
        }
        Err(Refusal::Unavailable) => Err(NoLink::Answer(Box::new(unavailable()))),
    }
}

/// Returns the version to answer with, if a client wants a session back that is on another node.
fn foreign_reconnection(connection: &Connection, request: &ConnectionRequest) -> Option<u8> {
    let token = request.reconnect.as_ref()?.token?;
    match connection.shared.foreign.owner(&token) {
        Owner::Here => None,
        Owner::Peer(_) | Owner::Other => Some(request.version.number()),
    }
}

/// Refuses a handshake, late if the client has been refused often.
async fn reject(
    connection: &Connection,
    address: IpAddr,
    version: u8,
    code: ResponseCode,
) -> NoLink {
    let Shared {
        guesses, metrics, ..
    } = &*connection.shared;
    metrics.on_handshake(code);
    let pause = guesses.pause(code, address, Instant::now());
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    NoLink::Response(ConnectionResponse::Rejected { version, code })
}

fn refuse(connection: &Connection, error: &HandshakeError) -> NoLink {
    tracing::debug!(%error, peer = %connection.peer, "a connection request was refused");
    match error.response() {
        Some(response) => {
            if let ConnectionResponse::Rejected { code, .. } = &response {
                connection.shared.metrics.on_handshake(*code);
            }
            NoLink::Response(response)
        }
        None => {
            let refusal = sentence(StatusCode::BAD_REQUEST, error.to_string());
            NoLink::Answer(Box::new(refusal))
        }
    }
}

/// Returns the address of the client behind a request, as far as it can be known.
pub(super) fn client_address(connection: &Connection, request: &request::Parts) -> IpAddr {
    if let Some(Received(passage)) = request.extensions.get::<Received>() {
        return passage.client;
    }
    let Listener {
        trusted_proxies,
        forwarded_header,
        ..
    } = &*connection.listener;
    let sender = connection.peer.ip();
    let client = client_address::find(sender, &request.headers, trusted_proxies, *forwarded_header);
    if client.ignored {
        connection.shared.metrics.ignored_forwarding_headers.inc();
    }
    client.address
}

/// Adds what load balancers route by.
pub(super) fn add_session_headers(
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
