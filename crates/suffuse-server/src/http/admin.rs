//! What operators may do with a running server, on listeners that allow it.
//!
//! | request | does | answer |
//! |---|---|---|
//! | `POST /admin/drain?wait_ms=…&rate=…` | begins to drain | 202, or 409 if it does already |
//! | `DELETE /admin/drain` | serves again | 200 |
//! | `GET /admin/drain` | | 200 |
//!
//! Answers are the progress as JSON. Requests carry a principal that may control the server, and its password
//! (`Authorization: Basic`). Those of web pages are refused, whatever they carry.

use std::{
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, StatusCode, header, request};
use suffuse_broker::{Broker, Secret};
use suffuse_proto::ResponseCode;

use super::{
    answer::{self, Answer, sentence},
    connection::Connection,
    opening::client_address,
    unavailable,
};
use crate::{
    drain::{Drain, DrainPlan, DrainProgress},
    password,
};

const PATH: &str = "/admin/drain";
/// The longest wait, and the highest rate.
const WAIT_MILLIS_MAX: u64 = 3_600_000;
const RATE_MAX: u64 = 1_000_000;

/// Answers a request of an operator, if it is one.
pub(super) async fn answer(connection: &Connection, request: &request::Parts) -> Option<Answer> {
    if !connection.listener.has_admin || request.uri.path() != PATH {
        return None;
    }
    if let Err(refusal) = authorize(connection, request).await {
        return Some(*refusal);
    }
    let shared = &connection.shared;
    Some(match request.method {
        Method::GET => progress(StatusCode::OK, shared.drain.progress()),
        Method::DELETE => {
            shared.drain.abort();
            progress(StatusCode::OK, shared.drain.progress())
        }
        Method::POST => begin(connection, request.uri.query().unwrap_or_default()),
        _ => {
            let refusal = sentence(
                StatusCode::METHOD_NOT_ALLOWED,
                "expected POST to drain, DELETE to abort, GET to ask",
            );
            answer::with(refusal, header::ALLOW, "GET, POST, DELETE")
        }
    })
}

fn begin(connection: &Connection, query: &str) -> Answer {
    let shared = &connection.shared;
    let plan = match plan(shared.drain_plan, query) {
        Ok(plan) => plan,
        Err(problem) => return sentence(StatusCode::BAD_REQUEST, problem),
    };
    match Drain::begin(shared, plan) {
        Ok(()) => progress(StatusCode::ACCEPTED, shared.drain.progress()),
        Err(error) => sentence(StatusCode::CONFLICT, error.to_string()),
    }
}

fn plan(default: DrainPlan, query: &str) -> Result<DrainPlan, String> {
    let mut plan = default;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let number = |range: RangeInclusive<u64>| {
            let number = value.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| {
                format!(
                    "expected `{name}` to be a number from {} to {}, found `{value}`",
                    range.start(),
                    range.end()
                )
            })
        };
        match name {
            "wait_ms" => plan.wait = Duration::from_millis(number(0..=WAIT_MILLIS_MAX)?),
            "rate" => plan.rate = number(1..=RATE_MAX)? as usize,
            _ => return Err(format!("expected `wait_ms` and `rate`, found `{name}`")),
        }
    }
    Ok(plan)
}

fn progress(status: StatusCode, progress: DrainProgress) -> Answer {
    let DrainProgress { phase, moved, left } = progress;
    let body = format!("{{\"phase\":\"{phase}\",\"moved\":{moved},\"left\":{left}}}\n");
    answer::with_body(status, "application/json", body)
}

/// Checks who asks. A wrong password costs as much time as one of a client, and is limited like it.
async fn authorize(connection: &Connection, request: &request::Parts) -> Result<(), Box<Answer>> {
    let headers = &request.headers;
    let refuse = |status, text: &str| Err(Box::new(sentence(status, text)));
    if headers.contains_key(header::ORIGIN) {
        return refuse(StatusCode::FORBIDDEN, "pages may not do this");
    }
    let Some((principal, password)) = credentials(headers) else {
        let mut refusal = sentence(
            StatusCode::UNAUTHORIZED,
            "expected `Authorization: Basic` with a principal that may control the server",
        );
        refusal = answer::with(refusal, header::WWW_AUTHENTICATE, "Basic realm=\"suffuse\"");
        return Err(Box::new(refusal));
    };
    let shared = &connection.shared;
    let Ok(place) = Arc::clone(&shared.admin_places).try_acquire_owned() else {
        return Err(Box::new(unavailable()));
    };
    let look = move |broker: &Broker| broker.controller(&principal);
    let Some((hash, may_control)) = shared.inspect(look).await else {
        return Err(Box::new(unavailable()));
    };
    let check = tokio::task::spawn_blocking(move || {
        let _place = place;
        password::verify(&password, &hash)
    });
    if !check.await.unwrap_or(false) {
        let code = ResponseCode::AUTHENTICATION_FAILED;
        let address = client_address(connection, request);
        tokio::time::sleep(shared.guesses.pause(code, address, Instant::now())).await;
        return refuse(
            StatusCode::UNAUTHORIZED,
            "the principal is unknown, or its password is another one",
        );
    }
    if !may_control {
        return refuse(
            StatusCode::FORBIDDEN,
            "the principal lacks the permission CONTROL_SERVER, which the role ADMINISTRATOR has",
        );
    }
    Ok(())
}

fn credentials(headers: &HeaderMap) -> Option<(String, Secret)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (principal, password) = text.split_once(':')?;
    Some((principal.to_owned(), Secret(password.to_owned())))
}
