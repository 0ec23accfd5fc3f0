//! HTTP polling: whether it gets a session, and whether answers come when they should.

use std::time::{Duration, Instant};

use suffuse_client::{ResponseCode, Transport};
use tokio::time::timeout;

use super::{
    Doctor, Facts,
    outcome::{Outcome, millis, shown},
    session::{PollingSession, Trouble, Wish, has_pong},
    websocket,
};

/// How many sessions are tried.
const TRIES: usize = 3;
/// How many sessions are looked at for a poll that is held, and how many have to reach their node.
const HELD_TRIES: usize = 8;
const HELD_WANTED: usize = 3;
/// How long a poll is held before something is sent.
const HELD_FOR: Duration = Duration::from_millis(100);
/// From which delay of an answer on it is a warning, and from which a failure.
const LATE: Duration = Duration::from_millis(100);
const VERY_LATE: Duration = Duration::from_secs(2);

pub(super) async fn check(doctor: &Doctor, facts: &mut Facts) -> Outcome {
    let mut troubles = Vec::new();
    for number in 1..=TRIES {
        let start = Instant::now();
        let trouble = match PollingSession::open(doctor, &Wish::default()).await {
            Ok(session) => {
                let accepted = &session.accepted;
                facts.can_poll = true;
                facts.ping_interval = Some(accepted.ping_interval);
                facts.message_bytes_max =
                    usize::try_from(accepted.sequence_or_message_bytes_max).ok();
                return opened(start.elapsed(), number, &troubles);
            }
            Err(trouble) => trouble,
        };
        let is_final = trouble.code().is_some() || trouble.is_time_out();
        facts.is_refused |= trouble.code() == Some(ResponseCode::AUTHENTICATION_FAILED);
        troubles.push(trouble);
        if is_final {
            break;
        }
    }
    failed(&troubles[0])
}

fn opened(elapsed: Duration, number: usize, troubles: &[Trouble]) -> Outcome {
    let found = format!("HTTP 200 and a session in {}", shown(elapsed));
    let outcome = match troubles.first() {
        None => Outcome::ok(found),
        Some(trouble) => Outcome::warning(
            format!("{found}, at attempt {number}; before: {trouble}"),
            "some requests fail on the way: look into the log of the balancer and at its nodes",
        ),
    };
    outcome
        .with("time_ms", millis(elapsed))
        .with("attempts", number)
}

fn failed(trouble: &Trouble) -> Outcome {
    let next = match trouble {
        Trouble::Rejected(code) => return websocket::refused(*code, trouble),
        Trouble::Failure(failure) => failure.hint(Transport::HttpPolling).unwrap_or_default(),
        Trouble::Status(answer) => match answer.status {
            400 => "the header `m` did not arrive: let the balancer pass all headers on".to_owned(),
            403 => "a rule on the way refuses it: let POST requests to this path pass".to_owned(),
            404 => "check the path, and that the balancer routes POST requests to the server".to_owned(),
            502..=504 => {
                "the balancer answers but has no live node behind it: ask for /health/ready on the nodes".to_owned()
            }
            _ => "look into the log of the server and of what is before it".to_owned(),
        },
        Trouble::NotOurs(_) | Trouble::Ended(..) | Trouble::Silent(_) => {
            "something else answers here: check the path and the routing of the balancer".to_owned()
        }
    };
    Outcome::fails(trouble.to_string(), next).with("status", trouble.status())
}

/// What a send did while a poll was held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// How long the send took, without making the connection.
    send: Duration,
    /// How long it took until the poll had the answer.
    delivery: Duration,
}

/// What came of one session.
enum Attempt {
    Measured(Held),
    /// The send was answered, but the poll was not.
    NoDelivery(String),
    /// The send was not answered while the poll was held.
    Blocked(Duration),
    /// A request did not get to its node, or failed otherwise.
    Failed(String),
}

pub(super) async fn parallel(doctor: &Doctor, facts: &mut Facts) -> Outcome {
    let mut problems = Vec::new();
    let mut tried = 0;
    let start = Instant::now();
    // Requests that are swallowed shall not be waited for again and again.
    let enough = doctor.probe.limit() * 2;
    while facts.held.len() < HELD_WANTED && tried < HELD_TRIES && start.elapsed() < enough {
        tried += 1;
        match attempt(doctor).await {
            Attempt::Measured(held) => facts.held.push(held),
            Attempt::Failed(problem) => problems.push(problem),
            Attempt::NoDelivery(how) => {
                let found = format!(
                    "a send passed while a poll was held, and the poll got no answer: {how}"
                );
                return Outcome::fails(found, BUFFERED);
            }
            Attempt::Blocked(limit) => {
                let found = format!(
                    "a send was not answered within {} while a poll was held",
                    shown(limit)
                );
                return Outcome::fails(
                    found,
                    "let the balancer pass two requests of a client on at once: no limit of one connection or request \
                     for a client",
                );
            }
        }
    }
    told(facts.held.first(), tried, facts.held.len(), &problems)
}

fn told(held: Option<&Held>, tried: usize, passed: usize, problems: &[String]) -> Outcome {
    let problem = problems.first();
    let outcome = match held {
        Some(held) => {
            let partly = problem.map(|it| format!("; in {passed} of {tried} sessions, else: {it}"));
            Outcome::ok(format!(
                "a send passed in {} while a poll was held, and the poll got the answer after {}{}",
                shown(held.send),
                shown(held.delivery),
                partly.unwrap_or_default()
            ))
            .with("send_ms", millis(held.send))
            .with("delivery_ms", millis(held.delivery))
        }
        None => Outcome::warning(
            format!(
                "it could not be told in {tried} sessions: {}",
                problem.map_or("", String::as_str)
            ),
            "see `sticky-polls` and `headers`: requests do not come to their node",
        ),
    };
    outcome.with("sessions", tried).with("passed", passed)
}

async fn attempt(doctor: &Doctor) -> Attempt {
    let mut session = match PollingSession::open(doctor, &Wish::default()).await {
        Ok(session) => session,
        Err(trouble) => return Attempt::Failed(trouble.to_string()),
    };
    // Whether it is sticky without cookies is another question.
    session.cookies = session.answer.cookies();
    let limit = doctor.probe.limit();
    let mut poll = std::pin::pin!(session.poll(0, limit * 2));
    if let Ok(early) = timeout(HELD_FOR, poll.as_mut()).await {
        return Attempt::Failed(match early {
            Ok(_) => "a poll was answered although there was nothing to say".to_owned(),
            Err(trouble) => format!("poll: {trouble}"),
        });
    }
    let mut send = std::pin::pin!(session.ping(0));
    let start = Instant::now();
    let mut delivered = None;
    let sent = tokio::select! {
        sent = send.as_mut() => sent,
        polled = poll.as_mut() => {
            delivered = Some((polled, start.elapsed()));
            send.await
        }
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(trouble) if trouble.is_time_out() => return Attempt::Blocked(limit),
        Err(trouble) => return Attempt::Failed(format!("send: {trouble}")),
    };
    let (polled, after) = match delivered {
        Some(delivered) => delivered,
        None => match timeout(limit, poll).await {
            Ok(polled) => (polled, start.elapsed()),
            Err(_) => return Attempt::NoDelivery(format!("none within {}", shown(limit))),
        },
    };
    match polled {
        Ok((_, messages)) if has_pong(&messages) => Attempt::Measured(Held {
            send: sent.elapsed.saturating_sub(sent.dialled_after),
            delivery: after.saturating_sub(sent.dialled_after),
        }),
        Ok(_) => Attempt::Failed("poll: an answer without the message".to_owned()),
        Err(trouble) if trouble.is_time_out() => Attempt::NoDelivery(trouble.to_string()),
        Err(trouble) => Attempt::Failed(format!("poll: {trouble}")),
    }
}

const BUFFERED: &str = "let the balancer pass answers on at once: switch off buffering and caching of responses for \
                        this path (nginx: proxy_buffering off)";

/// Compares the time of a message through a poll with what the network needs.
pub(super) fn buffering(facts: &Facts) -> Outcome {
    let mut held = facts.held.clone();
    held.sort_by_key(|held| held.delivery);
    let Some(held) = held.get(held.len() / 2) else {
        return Outcome::skipped("no poll got its message: see `parallel`");
    };
    let network = [facts.tcp, facts.websocket_ping]
        .into_iter()
        .flatten()
        .min();
    let network = network.unwrap_or_default();
    let late = held.delivery.saturating_sub(network * 3);
    let beside = match facts.websocket_ping {
        Some(ping) => format!("a WebSocket needs {}", shown(ping)),
        None => format!("a TCP connection needs {}", shown(network)),
    };
    let found = format!(
        "a message takes {} through a poll, and {beside}",
        shown(held.delivery)
    );
    // A send is answered at once, so that it is late too says that every answer is.
    let is_all = held.send.saturating_sub(network * 3) >= LATE;
    let found = match is_all && late >= LATE {
        true => format!(
            "{found}; every answer is late, that of a send by {}",
            shown(held.send)
        ),
        false => found,
    };
    let outcome = match late {
        late if late >= VERY_LATE => Outcome::fails(found, BUFFERED),
        late if late >= LATE => Outcome::warning(found, BUFFERED),
        _ => Outcome::ok(found),
    };
    outcome
        .with("delivery_ms", millis(held.delivery))
        .with("send_ms", millis(held.send))
        .with("network_ms", millis(network))
}
