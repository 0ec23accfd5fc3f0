//! Requests for sessions of other servers are passed on to them, so that load balancers need not be sticky.
//!
//! Polls, sends and reconnections go over pooled connections; a WebSocket gets one of its own, and from then on
//! bytes are passed both ways. What was forwarded is never forwarded again, so there are no loops.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header, request};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use suffuse_broker::Transport;
use suffuse_proto::{NodeId, SessionToken};
use tokio::{io::AsyncWriteExt as _, sync::Semaphore};

use super::{
    answer::{self, Answer, sentence},
    connection::Connection,
    opening::client_address,
    parameters, upgrade,
};
use crate::{
    cluster::{Cluster, FORWARDED, Link, Passage, PassageError},
    metrics::ForwardOutcome,
    shared::Shared,
    stream::Stream,
};

/// How long a forwarded request took where it was answered, in microseconds.
const TOOK: HeaderName = HeaderName::from_static("x-suffuse-took-us");
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// How much longer than a poll is held an answer may take.
const ANSWER_TIME_SPARE: Duration = Duration::from_secs(10);
/// How long nothing is sent to a server that could not be reached.
const DOWN_TIME: Duration = Duration::from_secs(1);
/// How often the log says so.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);
/// Headers of one connection, which are not passed on.
const HOP_HEADERS: [HeaderName; 7] = [
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// What a server needs to forward requests.
pub(crate) struct Forwarding {
    link: Link,
    peers: Vec<Peer>,
    client: Client<HttpConnector, Incoming>,
    places: Semaphore,
    begin: Instant,
}

struct Peer {
    node: NodeId,
    authority: http::uri::Authority,
    /// Until when it counts as down, and when the log said so last, in milliseconds since the server began.
    down_until: AtomicU64,
    complained: AtomicU64,
}

/// A request that a server of the group has passed on, and its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received(pub(super) Passage);

impl Forwarding {
    pub(crate) fn new(cluster: &Cluster, link: Link) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME_MAX));
        connector.set_keepalive(Some(Duration::from_secs(30)));
        let peers = cluster.forward.then(|| cluster.peers.iter());
        let peer = |(node, authority): (NodeId, &http::uri::Authority)| Peer {
            node,
            authority: authority.clone(),
            down_until: AtomicU64::new(0),
            complained: AtomicU64::new(0),
        };
        Self {
            link,
            peers: peers.into_iter().flatten().map(peer).collect(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            places: Semaphore::new(cluster.forwards_max.min(Semaphore::MAX_PERMITS)),
            begin: Instant::now(),
        }
    }

    fn millis(&self) -> u64 {
        self.begin.elapsed().as_millis() as u64
    }
}

/// Checks what a request says of its forwarding; `None` if it comes from a client.
pub(super) fn receive(
    connection: &Connection,
    request: &request::Parts,
) -> Result<Option<Received>, Box<Answer>> {
    let Some(header) = request.headers.get(FORWARDED) else {
        return Ok(None);
    };
    let shared = &connection.shared;
    let token = token_text(request);
    let checked = match &shared.forwarding {
        None => Err(PassageError::NoSecret),
        Some(forwarding) => forwarding.link.check(header, request, &token, shared.node),
    };
    match checked {
        Ok(passage) => Ok(Some(Received(passage))),
        Err(error) => {
            shared.metrics.refused_forwards.inc();
            tracing::debug!(%error, peer = %connection.peer, "a forwarded request was refused");
            let status = match error {
                PassageError::Misdirected { .. } => StatusCode::MISDIRECTED_REQUEST,
                PassageError::NoSecret | PassageError::Proof | PassageError::Time(_) => {
                    StatusCode::FORBIDDEN
                }
            };
            Err(Box::new(sentence(status, error.to_string())))
        }
    }
}

/// Says how long a forwarded request took here, so that the time on the way can be told.
pub(super) fn add_time(answer: &mut Answer, begin: Instant) {
    let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
    answer.headers_mut().insert(TOOK, HeaderValue::from(micros));
}

/// Returns the configured node, other than this one, whose session a request is for.
pub(super) fn destination(connection: &Connection, request: &request::Parts) -> Option<NodeId> {
    let forwarding = connection.shared.forwarding.as_ref()?;
    if forwarding.peers.is_empty() || !matches!(request.method, Method::GET | Method::POST) {
        return None;
    }
    let node = SessionToken::from_ascii(token_text(request).as_bytes())?.node()?;
    let is_peer = forwarding.peers.iter().any(|peer| peer.node == node);
    (is_peer && node != connection.shared.node).then_some(node)
}

fn token_text(request: &request::Parts) -> String {
    let transport = match request.method {
        Method::GET => Transport::WebSocket,
        _ => Transport::HttpPolling,
    };
    let parameters = parameters(request, transport);
    parameters.get("c").unwrap_or_default().to_owned()
}

/// Passes a request on to the node of its session, and its answer back.
pub(super) async fn send(
    connection: &Connection,
    node: NodeId,
    parts: request::Parts,
    body: Incoming,
) -> Answer {
    let shared = &connection.shared;
    let Some((forwarding, peer)) = peer_of(shared, node) else {
        return super::unavailable();
    };
    if let Some(token) = SessionToken::from_ascii(token_text(&parts).as_bytes()) {
        shared.foreign.owner(&token); // It is counted.
    }
    let Ok(_place) = forwarding.places.try_acquire() else {
        shared.metrics.on_forward(node, ForwardOutcome::Refused);
        return sentence(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many requests are forwarded as may be (cluster.forwards_max): try again later",
        );
    };
    if forwarding.millis() < peer.down_until.load(Ordering::Relaxed) {
        shared.metrics.on_forward(node, ForwardOutcome::Refused);
        return unreachable_answer(StatusCode::SERVICE_UNAVAILABLE, node);
    }
    let begin = Instant::now();
    let is_upgrade = upgrade::is_asked(&parts.headers);
    let request = outgoing(connection, forwarding, peer, parts, body, is_upgrade);
    let time_max = shared.limits.poll_hold + ANSWER_TIME_SPARE;
    let sent = tokio::time::timeout(time_max, forwarding.client.request(request)).await;
    let failure = match sent {
        Ok(Ok(response)) => match receive_answer(connection, response, begin, node).await {
            Ok(answer) => return answer,
            Err(problem) => problem,
        },
        Ok(Err(error)) => {
            if error.is_connect() {
                let until = forwarding.millis() + DOWN_TIME.as_millis() as u64;
                peer.down_until.store(until, Ordering::Relaxed);
            }
            describe(&error)
        }
        Err(_) => "it did not answer in time".to_owned(),
    };
    shared.metrics.on_forward(node, ForwardOutcome::Failed);
    complain(forwarding, peer, &failure);
    unreachable_answer(StatusCode::BAD_GATEWAY, node)
}

fn peer_of(shared: &Shared, node: NodeId) -> Option<(&Forwarding, &Peer)> {
    let forwarding = shared.forwarding.as_ref()?;
    let peer = forwarding.peers.iter().find(|peer| peer.node == node)?;
    Some((forwarding, peer))
}

/// Makes a client's request one of this server.
fn outgoing(
    connection: &Connection,
    forwarding: &Forwarding,
    peer: &Peer,
    mut parts: request::Parts,
    body: Incoming,
    is_upgrade: bool,
) -> Request<Incoming> {
    let passage = Passage {
        from: connection.shared.node,
        to: peer.node,
        client: client_address(connection, &parts),
    };
    let proof = forwarding.link.sign(&passage, &parts, &token_text(&parts));
    remove_hop_headers(&mut parts.headers);
    // This server has checked the origin, and adds what its pages need.
    parts.headers.remove(header::ORIGIN);
    parts.headers.insert(FORWARDED, proof);
    if is_upgrade {
        parts
            .headers
            .insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        parts
            .headers
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let target = parts.uri.path_and_query().cloned();
    parts.uri = Uri::builder()
        .scheme("http")
        .authority(peer.authority.clone())
        .path_and_query(target.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")))
        .build()
        .expect("its parts are those of a URI");
    Request::from_parts(parts, body)
}

fn remove_hop_headers(headers: &mut HeaderMap) {
    for name in &HOP_HEADERS {
        headers.remove(name);
    }
}

/// Turns the answer of the other server into ours.
async fn receive_answer(
    connection: &Connection,
    mut response: http::Response<Incoming>,
    begin: Instant,
    node: NodeId,
) -> Result<Answer, String> {
    let shared = &connection.shared;
    let is_switch = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let upgraded = is_switch.then(|| hyper::upgrade::on(&mut response));
    let (mut parts, body) = response.into_parts();
    let took = parts.headers.remove(TOOK).and_then(|took| {
        let micros = took.to_str().ok()?.parse().ok()?;
        Some(Duration::from_micros(micros))
    });
    if let Some(upgraded) = upgraded {
        let upgraded = upgraded.await.map_err(|error| error.to_string())?;
        connection.hand_over(super::Pending::Tunnel(Tunnel {
            upgraded,
            shared: Arc::clone(shared),
        }));
    } else {
        remove_hop_headers(&mut parts.headers);
    }
    let bytes = match is_switch {
        true => Bytes::new(),
        false => {
            let limit = (shared.message_bytes_max + 8).saturating_mul(4) / 3 + 128 * 1024;
            let body = Limited::new(body, limit).collect().await;
            body.map_err(|error| error.to_string())?.to_bytes()
        }
    };
    shared.metrics.on_forward(node, ForwardOutcome::Answered);
    if let Some(took) = took {
        shared
            .foreign
            .on_forwarded(begin.elapsed().saturating_sub(took), &shared.metrics);
    }
    Ok(Answer::from_parts(parts, bytes))
}

fn unreachable_answer(status: StatusCode, node: NodeId) -> Answer {
    let text = format!("node {node}, which has this session, cannot be reached: try again");
    let header = HeaderName::from_static("diffusion-connection");
    answer::with(sentence(status, text), header, "reconnect")
}

fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn complain(forwarding: &Forwarding, peer: &Peer, problem: &str) {
    let now = forwarding.millis() + 1;
    let last = peer.complained.load(Ordering::Relaxed);
    let is_due = last == 0 || now - last >= COMPLAINT_INTERVAL.as_millis() as u64;
    if is_due && peer.complained.swap(now, Ordering::Relaxed) == last {
        let Peer {
            node, authority, ..
        } = peer;
        tracing::warn!(
            code = "SFX-L203",
            "requests for sessions of node {node} cannot be forwarded to http://{authority}: {problem}. Is it there, \
             and is the address in cluster.peers right?"
        );
    }
}

/// A WebSocket whose session is on another server.
pub(crate) struct Tunnel {
    upgraded: Upgraded,
    shared: Arc<Shared>,
}

impl Tunnel {
    /// Passes bytes both ways until one side ends or the server stops.
    pub(super) async fn run(self, mut stream: Stream, early: Bytes) {
        let stopped = self.shared.stopped();
        let mut peer = TokioIo::new(self.upgraded);
        let pass = async {
            peer.write_all(&early).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut peer).await
        };
        tokio::select! {
            // However it ends, both sockets do.
            _ = pass => {}
            () = stopped => {}
        }
    }
}
