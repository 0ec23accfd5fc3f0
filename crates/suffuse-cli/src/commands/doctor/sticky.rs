//! Stickiness: whether the requests of a session reach the node that has it.
//!
//! Every request has a connection of its own, which is the hardest case, and each series is made
//! without the cookies of the answers, as native clients and pages of another origin do, and with them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};
use suffuse_client::{ResponseCode, Transport};
use suffuse_proto::SessionToken;

use super::{
    Doctor, Facts,
    outcome::{Outcome, Verdict},
    session::{PollingSession, SocketSession, Trouble, Wish},
};

/// How many sessions are looked at once.
const AT_ONCE: usize = 8;
/// For how long a poll has to be held at least, when its send went elsewhere, to have reached its node.
const HELD: Duration = Duration::from_millis(300);
/// After how many time-outs a series ends.
const TIME_OUTS_MAX: usize = 2;

/// Where requests went.
#[derive(Clone, Debug, Default)]
pub(super) struct Hits {
    pub(super) right: usize,
    /// They reached a server that does not know the session.
    wrong: usize,
    /// They were not answered, or with an error.
    failed: usize,
    /// What happened to the first that failed.
    problem: Option<String>,
    time_outs: usize,
}

impl Hits {
    fn all(&self) -> usize {
        self.right + self.wrong + self.failed
    }

    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.failed += other.failed;
        self.time_outs += other.time_outs;
        self.problem = self.problem.take().or(other.problem);
    }

    fn right() -> Self {
        Self {
            right: 1,
            ..Self::default()
        }
    }

    fn wrong() -> Self {
        Self {
            wrong: 1,
            ..Self::default()
        }
    }

    fn failed(trouble: &Trouble) -> Self {
        Self {
            failed: 1,
            problem: Some(trouble.to_string()),
            time_outs: usize::from(trouble.is_time_out()),
            ..Self::default()
        }
    }

    fn is_good(&self) -> bool {
        self.wrong == 0 && self.failed == 0 && self.right > 0
    }

    fn shown(&self) -> String {
        format!("{}/{}", self.right, self.all())
    }

    fn figures(&self) -> Value {
        json!({ "right": self.right, "wrong": self.wrong, "failed": self.failed, "problem": self.problem })
    }
}

/// What the polls of a number of sessions did.
#[derive(Debug, Default)]
pub(super) struct Polls {
    without_cookies: Hits,
    with_cookies: Option<Hits>,
    /// How many sessions each node got.
    nodes: BTreeMap<String, usize>,
}

/// Makes a series, in which each round says where its requests went.
async fn series<F: Future<Output = Hits>>(rounds: usize, round: impl Fn() -> F) -> Hits {
    let mut hits = Hits::default();
    let mut outcomes = stream::iter(0..rounds)
        .map(|_| round())
        .buffer_unordered(AT_ONCE);
    while let Some(outcome) = outcomes.next().await {
        hits.add(outcome);
        if hits.time_outs >= TIME_OUTS_MAX {
            break;
        }
    }
    hits
}

pub(super) async fn polls(doctor: &Doctor, facts: &mut Facts) -> Outcome {
    let nodes = std::sync::Mutex::new(BTreeMap::new());
    let has_cookies = std::sync::atomic::AtomicBool::new(false);
    let note = |session: &PollingSession| {
        let mut nodes = nodes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *nodes.entry(node(session)).or_insert(0) += 1;
        if session.answer.cookies().is_some() {
            has_cookies.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let without = series(doctor.rounds, || poll_round(doctor, false, &note)).await;
    let has_cookies = has_cookies.load(std::sync::atomic::Ordering::Relaxed);
    let with = match has_cookies {
        true => Some(series(doctor.rounds, || poll_round(doctor, true, &note)).await),
        false => None,
    };
    facts.polls = Polls {
        without_cookies: without,
        with_cookies: with,
        nodes: nodes.into_inner().unwrap_or_default(),
    };
    judge_polls(&facts.polls)
}

fn node(session: &PollingSession) -> String {
    let header = session.answer.header("x-suffuse-node");
    header.unwrap_or_else(|| prefix(&session.accepted.token))
}

/// Returns the part of a token that names the node, if it has one.
fn prefix(token: &SessionToken) -> String {
    match token.as_str().split_once('.') {
        Some((node, _)) => node.to_owned(),
        None => "unknown".to_owned(),
    }
}

/// Opens a session, and makes a send and a poll.
async fn poll_round(doctor: &Doctor, with_cookies: bool, note: &impl Fn(&PollingSession)) -> Hits {
    let mut session = match PollingSession::open(doctor, &Wish::default()).await {
        Ok(session) => session,
        Err(trouble) => return Hits::failed(&trouble),
    };
    note(&session);
    if with_cookies {
        session.cookies = session.answer.cookies();
    }
    let start = Instant::now();
    let mut hits = where_to(session.ping(0).await.map(drop));
    if hits.right > 0 {
        let polled = session.poll(0, doctor.probe.limit()).await;
        hits.add(where_to(polled.map(drop)));
        return hits;
    }
    // Nothing ends the poll where the send is not: being held is being right.
    let held = HELD.max(start.elapsed() * 3);
    hits.add(match session.poll(0, held).await {
        Err(trouble) if trouble.is_time_out() => Hits::right(),
        polled => where_to(polled.map(drop)),
    });
    hits
}

/// Returns where a poll or a send went: a server that does not know the session answers 404.
fn where_to(outcome: Result<(), Trouble>) -> Hits {
    match outcome {
        Ok(()) => Hits::right(),
        Err(Trouble::Status(answer))
            if answer.status == 404 || answer.header("diffusion-connection").is_some() =>
        {
            Hits::wrong()
        }
        Err(trouble) => Hits::failed(&trouble),
    }
}

const BY_TOKEN: &str = "route by the token, which names the node: header `c`, else query `c`, begins with the node id; \
                        docs/load-balancers has files for it";
const ONLY_COOKIE: &str = "it is sticky by a cookie, which native clients and pages of another origin do not send \
                           back: route by the token (header `c`, query `c`)";
const ERRORS: &str =
    "the balancer loses requests or answers them itself: look into its log and at its nodes";

fn judge_polls(polls: &Polls) -> Outcome {
    let (without, with) = (&polls.without_cookies, polls.with_cookies.as_ref());
    let beside = with.map(|with| format!(", with cookies {}", with.shown()));
    let nodes = match polls.nodes.len() {
        1 => ", all on one node",
        _ => "",
    };
    let found = format!(
        "{} polls and sends reached the node of their session{}{nodes}",
        without.shown(),
        beside.unwrap_or_default(),
    );
    let problem = without
        .problem
        .as_ref()
        .or_else(|| with.and_then(|with| with.problem.as_ref()));
    let outcome = judge(without, with, &found, problem);
    outcome
        .with("without_cookies", without.figures())
        .with("with_cookies", with.map(Hits::figures))
}

fn judge(without: &Hits, with: Option<&Hits>, found: &str, problem: Option<&String>) -> Outcome {
    let is_good_with = with.is_some_and(Hits::is_good);
    if without.is_good() && with.is_none_or(|with| with.is_good()) {
        return Outcome::ok(found);
    }
    if without.wrong > 0 && is_good_with {
        return Outcome::warning(found, ONLY_COOKIE);
    }
    if without.wrong > 0 || with.is_some_and(|with| with.wrong > 0) {
        return Outcome::fails(found, BY_TOKEN);
    }
    let problem = problem.map_or("", String::as_str);
    Outcome::fails(format!("{found}; else: {problem}"), ERRORS)
}

/// How a session is resumed.
#[derive(Clone, Copy, Debug)]
enum Way {
    Polling,
    WebSocketQuery,
    WebSocketHeader,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocketQuery => "websocket by query",
            Self::WebSocketHeader => "websocket by header",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocketQuery => "websocket_query",
            Self::WebSocketHeader => "websocket_header",
        }
    }
}

pub(super) async fn reconnects(doctor: &Doctor, facts: &Facts) -> Outcome {
    let request = doctor.probe.request(Transport::HttpPolling);
    if request.reconnect_timeout.is_zero() {
        return Outcome::skipped("--reconnect-timeout 0: the server keeps no session to resume");
    }
    let mut ways = Vec::new();
    if facts.can_poll {
        ways.push(Way::Polling);
    }
    if facts.can_websocket {
        ways.extend([Way::WebSocketQuery, Way::WebSocketHeader]);
    }
    let (mut worst, mut parts, mut figures) = (None, Vec::new(), Map::new());
    for way in ways {
        let without = series(doctor.rounds, || resume(doctor, way, false)).await;
        let with = series(doctor.rounds, || resume(doctor, way, true)).await;
        parts.push(format!(
            "{} {}, with cookies {}",
            way.name(),
            without.shown(),
            with.shown()
        ));
        let problem = without.problem.as_ref().or(with.problem.as_ref());
        let judged = judge(&without, Some(&with), "", problem);
        figures.insert(
            way.key().to_owned(),
            json!({ "without_cookies": without.figures(), "with_cookies": with.figures() }),
        );
        worst = Some(match worst {
            Some(worst) => worse(worst, judged),
            None => judged,
        });
    }
    let Some(mut outcome) = worst else {
        return Outcome::skipped("no transport connects");
    };
    outcome.found = format!("reached their node: {}{}", parts.join("; "), outcome.found);
    outcome.measured = figures;
    outcome
}

fn worse(a: Outcome, b: Outcome) -> Outcome {
    let rank = |outcome: &Outcome| match outcome.verdict {
        Verdict::Ok | Verdict::Skipped => 0,
        Verdict::Warning => 1,
        Verdict::Fails => 2,
    };
    match rank(&b) > rank(&a) {
        true => b,
        false => a,
    }
}

/// Opens a session, resumes it on another connection, and says where that went.
async fn resume(doctor: &Doctor, way: Way, with_cookies: bool) -> Hits {
    match way {
        Way::Polling => {
            let old = match PollingSession::open(doctor, &Wish::default()).await {
                Ok(old) => old,
                Err(trouble) => return Hits::failed(&trouble),
            };
            let cookies = old.answer.cookies().filter(|_| with_cookies);
            let wish = Wish::resume(old.accepted.token, cookies);
            let new = PollingSession::open(doctor, &wish).await;
            resumed(new.as_ref().map(|new| new.accepted.code))
        }
        Way::WebSocketQuery | Way::WebSocketHeader => {
            let in_headers = matches!(way, Way::WebSocketHeader);
            let first = Wish {
                in_headers,
                ..Wish::default()
            };
            let old = match SocketSession::open(doctor, &first).await {
                Ok(old) => old,
                Err(trouble) => return Hits::failed(&trouble),
            };
            let cookies = old.answer.cookies().filter(|_| with_cookies);
            let wish = Wish {
                in_headers,
                ..Wish::resume(old.accepted.token, cookies)
            };
            let new = SocketSession::open(doctor, &wish).await;
            resumed(new.as_ref().map(|new| new.accepted.code))
        }
    }
}

/// Returns where a request to resume went, by the answer. A server that has the session, and cannot
/// resume any, says 114; one that does not have it says 117.
fn resumed(answer: Result<ResponseCode, &Trouble>) -> Hits {
    match answer {
        Ok(ResponseCode::OK) => Hits {
            failed: 1,
            problem: Some(
                "a new session in place of the old one: the token did not arrive, see `headers`"
                    .to_owned(),
            ),
            ..Hits::default()
        },
        Ok(_) | Err(Trouble::Rejected(ResponseCode::RECONNECTION_UNSUPPORTED)) => Hits::right(),
        Err(Trouble::Rejected(ResponseCode::UNKNOWN_SESSION)) => Hits::wrong(),
        Err(trouble) => Hits::failed(trouble),
    }
}

/// How much of all sessions one node may get, of at least this many, before it is told.
const SHARE_MAX: f64 = 0.9;
const SESSIONS_MIN: usize = 20;

pub(super) fn spread(facts: &Facts) -> Outcome {
    let nodes = &facts.polls.nodes;
    let sessions: usize = nodes.values().sum();
    if sessions == 0 {
        return Outcome::skipped("no session was opened by `sticky-polls`");
    }
    let list: Vec<String> = nodes
        .iter()
        .map(|(node, count)| format!("{node} {count}"))
        .collect();
    let found = format!("{sessions} sessions: {}", list.join(", "));
    let most = nodes.values().max().copied().unwrap_or_default();
    let is_uneven =
        nodes.len() > 1 && sessions >= SESSIONS_MIN && most as f64 > SHARE_MAX * sessions as f64;
    let outcome = match is_uneven {
        true => Outcome::warning(
            found,
            "nearly all sessions come to one node: look at the weights and health of the others",
        ),
        false => Outcome::ok(found),
    };
    let counts: Map<String, Value> = nodes
        .iter()
        .map(|(node, count)| (node.clone(), Value::from(*count)))
        .collect();
    outcome.with("sessions", sessions).with("nodes", counts)
}
