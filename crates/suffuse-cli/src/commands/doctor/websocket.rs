//! WebSocket: whether one gets a session, and keeps it.

use std::time::{Duration, Instant};

use suffuse_client::{Failure, ResponseCode, Transport};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    Doctor, Facts,
    outcome::{Outcome, millis, shown},
    session::{SocketSession, Trouble, Wish},
};

/// From when an upgrade is slow: clients wait ten seconds for one.
const SLOW: Duration = Duration::from_secs(2);
/// How long a WebSocket is used, and how often, to see whether it is cut.
const STEADY: Duration = Duration::from_secs(3);
const PING_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn check(doctor: &Doctor, facts: &mut Facts) -> Outcome {
    let mut session = match SocketSession::open(doctor, &Wish::default()).await {
        Ok(session) => session,
        Err(trouble) => {
            facts.is_refused |= trouble.code() == Some(ResponseCode::AUTHENTICATION_FAILED);
            return failed(&trouble);
        }
    };
    let elapsed = session.elapsed;
    let accepted = &session.accepted;
    facts.can_websocket = true;
    facts.ping_interval = Some(accepted.ping_interval);
    facts.message_bytes_max = usize::try_from(accepted.sequence_or_message_bytes_max).ok();
    let ping = match timeout(doctor.probe.limit(), session.ping()).await {
        Ok(Ok(ping)) => ping,
        Ok(Err(how)) => {
            let found = format!("a session, but its connection ended at the first message: {how}");
            return Outcome::fails(found, CUT);
        }
        Err(_) => {
            let found = "a session, but no answer to the first message".to_owned();
            return Outcome::fails(found, SWALLOWED);
        }
    };
    facts.websocket_ping = Some(ping);
    let found = format!(
        "HTTP 101 and a session in {}, a ping takes {}",
        shown(elapsed),
        shown(ping)
    );
    let outcome = match elapsed > SLOW {
        false => Outcome::ok(found),
        true => Outcome::warning(
            found,
            "clients give up after 10 s: look for what is slow on the way or at the server",
        ),
    };
    outcome
        .with("time_ms", millis(elapsed))
        .with("ping_ms", millis(ping))
}

const UPGRADE: &str = "let the balancer or proxy pass the headers Upgrade and Connection on, with HTTP/1.1; until \
                       then clients need HTTP_POLLING in their list of transports";
const CUT: &str = "something on the way ends WebSockets after it let them through: look for inspection of traffic, \
                   and for time limits of tunnels";
const SWALLOWED: &str = "something on the way lets the upgrade through and keeps what comes after it: look for \
                         inspection and buffering of traffic";

fn failed(trouble: &Trouble) -> Outcome {
    let next = match trouble {
        Trouble::Rejected(code) => return refused(*code, trouble),
        Trouble::Ended(..) => CUT.to_owned(),
        Trouble::Silent(_) => SWALLOWED.to_owned(),
        Trouble::Status(answer) => match answer.status {
            200 | 400 | 403 | 405 | 426 | 501 => UPGRADE.to_owned(),
            300..=399 => format!(
                "the upgrade is redirected{}: no client follows; {UPGRADE}",
                answer
                    .header("location")
                    .map(|to| format!(" to {to}"))
                    .unwrap_or_default()
            ),
            401 | 407 => "a proxy on the way wants its own user and password".to_owned(),
            404 => "check the path; if polling works, the balancer routes upgrades elsewhere".to_owned(),
            502..=504 => "the balancer reaches no node with upgrades: ask for /health/ready on the nodes; if polling works, \
                          it may talk HTTP/1.0 to them"
                .to_owned(),
            _ => UPGRADE.to_owned(),
        },
        Trouble::Failure(Failure::Upgrade { .. }) => {
            "what answers does not follow RFC 6455: something on the way makes up the answer; let it pass the upgrade on"
                .to_owned()
        }
        Trouble::Failure(Failure::TimedOut { .. }) => format!("the upgrade is swallowed: {UPGRADE}"),
        Trouble::Failure(failure) => failure
            .hint(Transport::WebSocket)
            .unwrap_or_else(|| UPGRADE.to_owned()),
        Trouble::NotOurs(_) => {
            "another kind of server has opened the WebSocket: check the path and the routing".to_owned()
        }
    };
    let status = trouble.status();
    Outcome::fails(trouble.to_string(), next).with("status", status)
}

/// Returns the outcome of a refusal by the server itself: the way is free.
pub(super) fn refused(code: ResponseCode, trouble: &Trouble) -> Outcome {
    let next = Failure::Rejected(code).hint(Transport::WebSocket);
    let next = next.unwrap_or_else(|| "look into the log of the server".to_owned());
    Outcome::fails(trouble.to_string(), next).with("response_code", code.0)
}

/// Uses a WebSocket for a while.
pub(super) async fn steady(doctor: &Doctor) -> Outcome {
    let mut session = match SocketSession::open(doctor, &Wish::default()).await {
        Ok(session) => session,
        Err(trouble) => {
            let found = format!("a second WebSocket did not open: {trouble}");
            return Outcome::fails(found, "not every upgrade passes: ask each node by itself");
        }
    };
    let start = Instant::now();
    let mut ticks = interval(PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut slowest = Duration::ZERO;
    while start.elapsed() < STEADY {
        ticks.tick().await;
        let cut = match timeout(doctor.probe.limit(), session.ping()).await {
            Ok(Ok(ping)) => {
                slowest = slowest.max(ping);
                continue;
            }
            Ok(Err(how)) => format!("cut after {}: {how}", shown(start.elapsed())),
            Err(_) => format!(
                "silent after {}: a ping was not answered",
                shown(start.elapsed())
            ),
        };
        return Outcome::fails(
            format!("a WebSocket in use was {cut}"),
            format!("{CUT}; until then clients need HTTP_POLLING in their list of transports"),
        )
        .with("cut_after_ms", millis(start.elapsed()));
    }
    Outcome::ok(format!(
        "in use for {}, the slowest ping took {}",
        shown(STEADY),
        shown(slowest)
    ))
    .with("used_ms", millis(STEADY))
    .with("slowest_ping_ms", millis(slowest))
}
