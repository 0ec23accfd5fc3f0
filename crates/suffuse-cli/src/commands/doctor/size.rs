//! Sizes: how large bodies, headers and queries may be on the way to the server.

use suffuse_client::{Failure, ResponseCode};

use super::{
    Doctor, Facts,
    outcome::{Outcome, shown_size},
    session::{PollingSession, SocketSession, Trouble, Wish},
};

/// The smallest body that is tried, in bytes.
const BODY_MIN: usize = 16 << 10;
/// How often the range between what passed and what did not is halved.
const HALVINGS: usize = 4;
/// The lengths of headers and queries that are tried, in bytes. Servers take 16 KiB of each.
const LENGTHS: [usize; 5] = [1 << 10, 2 << 10, 4 << 10, 7 << 10, 12 << 10];
/// What long credentials need.
const LENGTH_WANTED: usize = 4 << 10;
/// How often a session is opened for one size, because requests may be lost.
const TRIES: usize = 6;

/// A ping with no answer, and whatever follows it.
const ONE_WAY: [u8; 3] = [0, 0x38, 0];

/// How far one kind of size goes.
#[derive(Debug, Default)]
struct Reach {
    /// The largest that passed.
    passed: usize,
    /// The smallest that did not, and what was seen.
    refused: Option<(usize, String)>,
}

impl Reach {
    fn shown(&self) -> String {
        match &self.refused {
            None => shown_size(self.passed),
            Some((size, how)) => format!(
                "{} ({} are refused: {how})",
                shown_size(self.passed),
                shown_size(*size)
            ),
        }
    }
}

pub(super) async fn check(doctor: &Doctor, facts: &Facts) -> Outcome {
    let body = bodies(doctor, facts).await;
    let header = lengths(async |length| header(doctor, length).await).await;
    let query = match facts.can_websocket {
        true => Some(lengths(async |length| query(doctor, length).await).await),
        false => None,
    };
    let mut found = format!("bodies to {}, a header to {}", body.shown(), header.shown());
    if let Some(query) = &query {
        found.push_str(&format!(", a query to {}", query.shown()));
    }
    let is_short = |reach: &Reach| reach.passed < LENGTH_WANTED;
    let outcome = if is_short(&header) || query.as_ref().is_some_and(is_short) {
        Outcome::warning(
            found,
            "credentials such as tokens of an identity provider are up to 4 KiB long: raise the limits for headers and \
             the request line (nginx: large_client_header_buffers, Apache: LimitRequestLine, HAProxy: tune.bufsize)",
        )
    } else if body.refused.is_some() {
        Outcome::warning(
            found,
            "raise the limit for bodies (nginx: client_max_body_size) to what the largest message needs, four thirds of \
             it; WebSockets are not limited by it",
        )
    } else {
        Outcome::ok(found)
    };
    outcome
        .with("body_passed", body.passed)
        .with("body_refused", body.refused.map(|(size, _)| size))
        .with("header_passed", header.passed)
        .with("header_refused", header.refused.map(|(size, _)| size))
        .with("query_passed", query.as_ref().map(|query| query.passed))
        .with(
            "query_refused",
            query.and_then(|query| query.refused).map(|(size, _)| size),
        )
}

/// Doubles the size of bodies up to the limit, and then halves the range in which the limit is.
async fn bodies(doctor: &Doctor, facts: &Facts) -> Reach {
    // The server's own limit is not that of something on the way.
    let server = facts.message_bytes_max.unwrap_or(usize::MAX);
    let limit = doctor.size_limit.min(server);
    let mut reach = Reach::default();
    let mut size = BODY_MIN.min(limit);
    loop {
        match body(doctor, size).await {
            Ok(()) => reach.passed = size,
            Err(how) => {
                reach.refused = Some((size, how));
                break;
            }
        }
        if size >= limit {
            return reach;
        }
        size = (size * 2).min(limit);
    }
    for _ in 0..HALVINGS {
        let Some((refused, _)) = &reach.refused else {
            break;
        };
        let middle = reach.passed + (refused - reach.passed) / 2;
        match body(doctor, middle).await {
            Ok(()) => reach.passed = middle,
            Err(how) => reach.refused = Some((middle, how)),
        }
    }
    reach
}

/// Sends a body of a size; returns how it was refused.
async fn body(doctor: &Doctor, size: usize) -> Result<(), String> {
    let message = message_for(size);
    let mut last = String::new();
    for _ in 0..TRIES {
        let sent = match PollingSession::open(doctor, &Wish::default()).await {
            Ok(mut session) => {
                session.cookies = session.answer.cookies();
                session.send(0, &message).await
            }
            Err(trouble) => Err(trouble),
        };
        match sent {
            Ok(_) => return Ok(()),
            // It came to a node, if to another one than it should.
            Err(trouble) if trouble.status() == Some(404) => return Ok(()),
            Err(trouble) if is_lost(&trouble) => last = trouble.to_string(),
            Err(trouble) => return Err(trouble.to_string()),
        }
        // If every so manieth request is lost, it shall not be the same one of each try.
        let _ = PollingSession::open(doctor, &Wish::changed("r", "x")).await;
    }
    Err(last)
}

/// Returns a message that makes a body of about this size.
fn message_for(size: usize) -> Vec<u8> {
    let mut message = ONE_WAY.to_vec();
    message.resize((size / 4 * 3).saturating_sub(5).max(ONE_WAY.len()), 0);
    message
}

async fn lengths(mut passes: impl AsyncFnMut(usize) -> Result<(), String>) -> Reach {
    let mut reach = Reach::default();
    for length in LENGTHS {
        match passes(length).await {
            Ok(()) => reach.passed = length,
            Err(how) => {
                reach.refused = Some((length, how));
                break;
            }
        }
    }
    reach
}

/// Returns what a server refuses, with a part of this length.
fn long(length: usize) -> Wish {
    Wish {
        changed: vec![("r", "x".to_owned()), ("sp", "x".repeat(length))],
        ..Wish::default()
    }
}

async fn header(doctor: &Doctor, length: usize) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match PollingSession::open(doctor, &long(length)).await {
            Ok(_) => return Ok(()),
            Err(trouble) if is_lost(&trouble) => last = trouble.to_string(),
            Err(trouble) => return came(&trouble),
        }
    }
    Err(last)
}

async fn query(doctor: &Doctor, length: usize) -> Result<(), String> {
    match SocketSession::open(doctor, &long(length)).await {
        Ok(_) => Ok(()),
        Err(trouble) => came(&trouble),
    }
}

/// Returns whether a request may be answered otherwise when it is made again.
fn is_lost(trouble: &Trouble) -> bool {
    let is_error = |status| (502..=504).contains(&status);
    trouble.status().is_some_and(is_error)
        || matches!(trouble, Trouble::Failure(Failure::Ended { .. }))
}

/// A refusal by the server says that the request came through.
fn came(trouble: &Trouble) -> Result<(), String> {
    match trouble.code() {
        Some(ResponseCode::CONNECTION_PROTOCOL_ERROR) => Ok(()),
        _ => Err(trouble.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::session::body_of, *};

    #[test]
    fn a_body_has_the_size_that_is_wanted() {
        for size in [1000, BODY_MIN, 1 << 20] {
            let body = body_of(&message_for(size));
            assert!(
                body.len() <= size && body.len() + 8 >= size,
                "{size}: {}",
                body.len()
            );
        }
    }
}
