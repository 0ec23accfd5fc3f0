//! What load balancers ask before they send anybody here.
//!
//! | path | 200 | 503 |
//! |---|---|---|
//! | `/health/live` | the process answers requests | never |
//! | `/health/ready` | the broker answers, and takes sessions | the server is drained or stops, or the broker is stuck |

use std::time::Duration;

use http::{Method, StatusCode, header, request};

use super::answer::{self, Answer, sentence};
use crate::{drain::DrainPhase, shared::Shared};

/// How long the broker may take to answer before it counts as stuck. Batches take milliseconds.
const BROKER_TIME_MAX: Duration = Duration::from_secs(1);

/// Answers a question about the health of the server, if it is one.
pub(super) async fn answer(shared: &Shared, request: &request::Parts) -> Option<Answer> {
    let path = request.uri.path();
    if !matches!(path, "/health/live" | "/health/ready") {
        return None;
    }
    if !matches!(request.method, Method::GET | Method::HEAD) {
        let refusal = sentence(
            StatusCode::METHOD_NOT_ALLOWED,
            "health is asked for with GET or HEAD",
        );
        return Some(answer::with(refusal, header::ALLOW, "GET, HEAD"));
    }
    if path == "/health/live" {
        return Some(sentence(StatusCode::OK, "live"));
    }
    let broker = tokio::time::timeout(BROKER_TIME_MAX, shared.inspect(|_| ()));
    if shared.drain.progress().phase != DrainPhase::Serving {
        return Some(sentence(
            StatusCode::SERVICE_UNAVAILABLE,
            "this server is being drained",
        ));
    }
    Some(match (shared.is_stopping(), broker.await) {
        (false, Ok(Some(()))) => sentence(StatusCode::OK, "ready"),
        (true, _) => sentence(
            StatusCode::SERVICE_UNAVAILABLE,
            "this server stops and takes no sessions",
        ),
        (false, Ok(None) | Err(_)) => sentence(
            StatusCode::SERVICE_UNAVAILABLE,
            "this server does not take sessions at the moment",
        ),
    })
}
