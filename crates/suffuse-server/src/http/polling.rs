//! Requests of polling clients (spec: connection §5.1).

use std::sync::Arc;

use http::{HeaderName, StatusCode, header, request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use suffuse_broker::Transport;
use suffuse_proto::{
    SessionToken,
    handshake::{ConnectionResponse, Parameters},
};

use super::{
    answer::{self, Answer, sentence},
    connection::Connection,
    foreign::Owner,
    opening::{self, NoLink},
    parameters,
};
use crate::{
    link::polling::{PollingLink, Reply},
    shared::Shared,
};

const REPLY_TYPE: &str = "text/plain; charset=US-ASCII";
const DIFFUSION_CONNECTION: HeaderName = HeaderName::from_static("diffusion-connection");

pub(super) async fn answer(
    connection: &Connection,
    request: &request::Parts,
    body: Incoming,
) -> Answer {
    let parameters = parameters(request, Transport::HttpPolling);
    let sequence = parameters.get("s").and_then(|text| text.parse().ok());
    match parameters.get("m") {
        Some("0") => connect(connection, request, &parameters).await,
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

async fn connect(
    connection: &Connection,
    request: &request::Parts,
    parameters: &Parameters,
) -> Answer {
    let response =
        match opening::open(connection, Transport::HttpPolling, request, parameters).await {
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
    opening::add_session_headers(&mut answer, connection, &response);
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

/// Finds who polls with the token of a request. A token that is none costs as little as an unknown one.
fn find(connection: &Connection, parameters: &Parameters) -> Option<Arc<PollingLink>> {
    let Shared {
        foreign,
        metrics,
        polling,
        ..
    } = &*connection.shared;
    let token = parameters.get("c")?.as_bytes();
    let Some(token) = SessionToken::from_ascii(token) else {
        metrics.unknown_tokens.inc();
        return None;
    };
    let Owner::Here = foreign.owner(&token) else {
        return None;
    };
    let link = polling.find(&token);
    if link.is_none() {
        metrics.unknown_tokens.inc();
    }
    link
}

fn reply(reply: Reply) -> Answer {
    match reply {
        Reply::Body(body) => answer::with_body(StatusCode::OK, REPLY_TYPE, body),
        Reply::Gone => gone(),
        Reply::Moved => {
            let empty = answer::with_body(StatusCode::OK, REPLY_TYPE, "");
            answer::with(empty, DIFFUSION_CONNECTION, "reconnect")
        }
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

/// Clients take the status for a lost connection, and so they take the header, which balancers may log.
fn gone() -> Answer {
    let text = "no client polls with this token here: connect again; behind a load balancer, see to it that all \
         requests of a session reach the same server";
    let refusal = sentence(StatusCode::NOT_FOUND, text);
    answer::with(refusal, DIFFUSION_CONNECTION, "reconnect")
}
