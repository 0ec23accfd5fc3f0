//! Idle connections: whether something on the way cuts them before the server's ping comes.
//!
//! A connection that is cut with a sign is seen when that happens. One that is dropped without a sign
//! is found by using it: of several connections each is left idle for twice as long as the one before.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{
    Doctor,
    outcome::{Outcome, millis, shown},
    session::{PollingSession, SocketSession, Trouble, Wish},
};

/// How many WebSockets are left idle.
const SOCKETS: u32 = 6;
/// How long the answer of a connection that was idle may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// What became of an idle connection.
#[derive(Clone, Debug)]
enum Fate {
    /// It is alive after this time.
    Alive(Duration),
    /// The ping of the server came, after this time, so it is not idle any more.
    Pinged(Duration),
    /// It was cut after this time.
    Cut(Duration, String),
    /// It was alive by all signs, and dead when it was used after this time.
    Dead(Duration),
    /// There was none.
    None(String),
}

pub(super) async fn check(
    doctor: &Doctor,
    (can_websocket, can_poll): (bool, bool),
    ping_interval: Option<Duration>,
) -> Outcome {
    let limit = doctor.idle_limit;
    let count = if can_websocket { SOCKETS } else { 0 };
    let sockets = (0..count).map(|number| idle_socket(doctor, limit / 2u32.pow(number)));
    let sockets = futures_util::future::join_all(sockets);
    let poll = async {
        match can_poll {
            true => Some(held_poll(doctor, limit).await),
            false => None,
        }
    };
    let (sockets, poll) = tokio::join!(sockets, poll);
    judge(&sockets, poll.as_ref(), limit, ping_interval)
}

/// Leaves a WebSocket idle for a while, and then uses it.
async fn idle_socket(doctor: &Doctor, wait: Duration) -> Fate {
    let mut session = match SocketSession::open(doctor, &Wish::default()).await {
        Ok(session) => session,
        Err(trouble) => return Fate::None(trouble.to_string()),
    };
    let start = Instant::now();
    match timeout(wait, session.receive()).await {
        Ok(Ok(_)) => return Fate::Pinged(start.elapsed()),
        Ok(Err(how)) => return Fate::Cut(start.elapsed(), how),
        Err(_) => {}
    }
    let idle = start.elapsed();
    match timeout(ANSWER_MAX, session.ping()).await {
        Ok(Ok(_)) => Fate::Alive(idle),
        Ok(Err(_)) | Err(_) => Fate::Dead(idle),
    }
}

/// Holds a poll for a while.
async fn held_poll(doctor: &Doctor, wait: Duration) -> Fate {
    let mut session = match PollingSession::open(doctor, &Wish::default()).await {
        Ok(session) => session,
        Err(trouble) => return Fate::None(trouble.to_string()),
    };
    session.cookies = session.answer.cookies();
    let start = Instant::now();
    match session.poll(0, wait).await {
        Ok(_) => Fate::Pinged(start.elapsed()),
        // It did not get to its node, which says nothing about idle connections.
        Err(Trouble::Status(answer)) if answer.status == 404 => {
            Fate::None("it did not reach the node of its session".to_owned())
        }
        Err(trouble) if trouble.is_time_out() => Fate::Alive(start.elapsed()),
        Err(trouble) => Fate::Cut(start.elapsed(), trouble.to_string()),
    }
}

fn judge(
    sockets: &[Fate],
    poll: Option<&Fate>,
    limit: Duration,
    ping_interval: Option<Duration>,
) -> Outcome {
    let mut cuts: Vec<(Duration, &str)> = sockets.iter().filter_map(cut).collect();
    cuts.sort_unstable();
    let dead = sockets.iter().filter_map(dead).min();
    let alive = sockets.iter().filter_map(alive).max();
    let every = ping_interval.filter(|interval| !interval.is_zero());
    let pings = match every {
        Some(every) => format!("the server pings every {}", shown(every)),
        None => "the server does not ping".to_owned(),
    };
    let outcome = if let Some((after, how)) = cuts.get(cuts.len() / 2) {
        let found = format!(
            "idle WebSockets are cut after {} ({how}), and {pings}",
            shown(*after)
        );
        cut_outcome(*after, every, found)
    } else if let Some(dead) = dead {
        let from = alive.unwrap_or_default();
        let found = format!(
            "WebSockets are dropped without a sign when they are idle for {} to {}, and {pings}",
            shown(from),
            shown(dead)
        );
        cut_outcome(dead, every, found)
    } else if let Some(Fate::Cut(after, how)) = poll {
        Outcome::fails(
            format!("a poll that waits is ended after {}: {how}", shown(*after)),
            "raise the time-out for answers (nginx: proxy_read_timeout, HAProxy: timeout server) above the time for \
             which the server holds polls, or lower transport.poll_hold",
        )
    } else {
        survived(sockets, poll, limit, &pings)
    };
    outcome
        .with("limit_ms", millis(limit))
        .with(
            "websocket_cut_after_ms",
            cuts.first().map(|(after, _)| millis(*after)),
        )
        .with("websocket_dead_after_ms", dead.map(millis))
        .with(
            "poll_cut_after_ms",
            poll.and_then(cut).map(|(after, _)| millis(after)),
        )
        .with("ping_interval_ms", ping_interval.map(millis))
}

fn survived(sockets: &[Fate], poll: Option<&Fate>, limit: Duration, pings: &str) -> Outcome {
    let pinged = sockets.iter().filter_map(pinged).max();
    let alive = sockets.iter().chain(poll).filter_map(alive).max();
    if let (None, None, Some(Fate::None(problem))) =
        (pinged, alive, sockets.iter().chain(poll).next())
    {
        return Outcome::warning(
            format!("no connection to leave idle: {problem}"),
            "see `sticky-polls`",
        );
    }
    Outcome::ok(match pinged {
        Some(after) => format!(
            "no idle connection is cut before the server's ping, which came after {}",
            shown(after)
        ),
        None => format!(
            "no idle connection is cut within {}, and {pings}",
            shown(limit)
        ),
    })
}

fn cut_outcome(after: Duration, every: Option<Duration>, found: String) -> Outcome {
    match every {
        Some(every) if every * 2 <= after => Outcome::ok(found),
        Some(every) => {
            let next = format!(
                "raise the idle time-out (HAProxy: timeout tunnel, nginx: proxy_read_timeout) to {} or more, or set \
                 transport.ping_interval to {}s",
                shown(every * 2),
                (after.as_secs() / 2).max(1)
            );
            match every < after {
                true => Outcome::warning(found, next),
                false => Outcome::fails(found, next),
            }
        }
        None => Outcome::fails(found, "let the server ping: transport.ping_interval"),
    }
}

fn cut(fate: &Fate) -> Option<(Duration, &str)> {
    match fate {
        Fate::Cut(after, how) => Some((*after, how)),
        Fate::Alive(_) | Fate::Pinged(_) | Fate::Dead(_) | Fate::None(_) => None,
    }
}

fn dead(fate: &Fate) -> Option<Duration> {
    match fate {
        Fate::Dead(after) => Some(*after),
        Fate::Alive(_) | Fate::Pinged(_) | Fate::Cut(..) | Fate::None(_) => None,
    }
}

fn alive(fate: &Fate) -> Option<Duration> {
    match fate {
        Fate::Alive(after) => Some(*after),
        Fate::Dead(_) | Fate::Pinged(_) | Fate::Cut(..) | Fate::None(_) => None,
    }
}

fn pinged(fate: &Fate) -> Option<Duration> {
    match fate {
        Fate::Pinged(after) => Some(*after),
        Fate::Dead(_) | Fate::Alive(_) | Fate::Cut(..) | Fate::None(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_to_idle_connections_is_compared_with_the_pings_of_the_server() {
        let seconds = Duration::from_secs;
        let cut = |after| Fate::Cut(seconds(after), "gone".to_owned());
        let cases = [
            (vec![cut(2), Fate::Alive(seconds(1))], 25, "fails"),
            (vec![cut(30)], 25, "warning"),
            (vec![cut(60)], 25, "ok"),
            (
                vec![Fate::Dead(seconds(8)), Fate::Alive(seconds(4))],
                25,
                "fails",
            ),
            (vec![Fate::Alive(seconds(20))], 25, "ok"),
            (vec![Fate::Pinged(seconds(5))], 5, "ok"),
            (vec![Fate::None("no".to_owned())], 5, "warning"),
            (vec![cut(2)], 0, "fails"),
        ];
        for (fates, ping, expected) in cases {
            let outcome = judge(&fates, None, seconds(20), Some(seconds(ping)));
            assert_eq!(outcome.verdict.name(), expected, "{fates:?}: {outcome:?}");
        }
    }

    #[test]
    fn a_poll_that_is_ended_early_is_told() {
        let poll = Fate::Cut(Duration::from_secs(10), "HTTP 504".to_owned());
        let alive = [Fate::Alive(Duration::from_secs(20))];
        let outcome = judge(&alive, Some(&poll), Duration::from_secs(20), None);
        assert_eq!(outcome.verdict.name(), "fails", "{outcome:?}");
        assert!(outcome.found.contains("HTTP 504"), "{outcome:?}");
    }
}
