//! `suffuse doctor`: looks at a deployment from outside, and says what to change.
//!
//! Each check is one line with a verdict and the next step. Checks that others need come first; what
//! needs a failed one is skipped. Whatever is opened is closed again ([`session::Closer`]).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use suffuse_client::{
    Failure as AttemptFailure, Transport,
    probe::{Answer, Ask, Probe},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    args::{Check, DoctorArgs, Output},
    connection,
    failure::{Failure, Status},
    signals::StopSignals,
};
use outcome::{Line, Outcome, Verdict};
use report::Report;
use session::Closer;

mod certificate;
mod cors;
mod headers;
mod idle;
mod outcome;
mod polling;
mod reach;
mod report;
mod session;
mod size;
mod sticky;
mod websocket;

/// The most requests that are under way at once, beside those that wait on purpose.
const AT_ONCE_MAX: usize = 8;

/// What the checks share.
#[derive(Clone, Debug)]
struct Doctor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    probe: Probe,
    closer: Closer,
    turns: Semaphore,
    rounds: usize,
    idle_limit: Duration,
    size_limit: usize,
    origin: Option<String>,
}

impl std::ops::Deref for Doctor {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    /// Waits until one more request may be under way.
    async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }

    /// Makes a request that is answered at once.
    async fn exchange(&self, ask: &Ask) -> Result<Answer, AttemptFailure> {
        let _turn = self.turn().await;
        self.probe.exchange(ask, self.probe.limit()).await
    }
}

/// What earlier checks tell later ones.
#[derive(Debug, Default)]
struct Facts {
    /// The shortest time that a TCP connection took.
    tcp: Option<Duration>,
    /// How long a ping took over a WebSocket.
    websocket_ping: Option<Duration>,
    /// How often the server pings; zero: never.
    ping_interval: Option<Duration>,
    message_bytes_max: Option<usize>,
    can_websocket: bool,
    can_poll: bool,
    is_refused: bool,
    /// What the polling checks found out with one session after the other.
    held: Vec<polling::Held>,
    polls: sticky::Polls,
}

pub(crate) async fn run(mut args: DoctorArgs) -> Result<(), Failure> {
    if let Some(server) = args.server.take() {
        args.connection.url = server;
    }
    let builder = connection::builder(&args.connection)?;
    let probe = builder.probe()?;
    let doctor = Doctor(Arc::new(Shared {
        probe,
        closer: Closer::default(),
        turns: Semaphore::new(AT_ONCE_MAX),
        rounds: usize::from(args.rounds),
        idle_limit: args.idle_limit,
        size_limit: args.size_limit,
        origin: args.origin.clone(),
    }));
    let is_json = args.json || args.connection.output == Output::Json;
    let mut report = Report::new(&doctor.probe, is_json)?;
    let mut signals = StopSignals::new()?;
    let stopped = tokio::select! {
        outcome = examine(&doctor, &args, &mut report) => outcome.map(|_| None),
        signal = signals.next() => Ok(Some(signal)),
    };
    doctor.closer.finish().await;
    if let Some(signal) = stopped? {
        let report = format!("{signal}: stopped, and closed what was open");
        return Err(Failure::new(Status::Error, report));
    }
    report.finish()?;
    let status = report.status();
    if status == Status::Ok {
        return Ok(());
    }
    Err(Failure {
        status,
        report: None,
    })
}

/// Makes the checks that were asked for.
async fn examine(doctor: &Doctor, args: &DoctorArgs, report: &mut Report) -> Result<(), Failure> {
    let (facts, wanted) = (&mut Facts::default(), &wanted(args));
    let early = [
        Check::Dns,
        Check::Tcp,
        Check::Tls,
        Check::Path,
        Check::Websocket,
        Check::Steady,
        Check::Polling,
    ];
    for check in early {
        one(doctor, facts, wanted, report, check).await?;
    }
    report.is_refused = facts.is_refused;
    report.connects = facts.can_websocket || facts.can_poll;
    // Watching idle connections takes long and costs nothing, so it is done beside the others.
    let idle = missing(Check::Idle, wanted, report);
    let can = (facts.can_websocket, facts.can_poll);
    let ping_interval = facts.ping_interval;
    let watch = async {
        let start = Instant::now();
        let outcome = match idle {
            None => idle::check(doctor, can, ping_interval).await,
            Some(reason) => Outcome::skipped(reason),
        };
        (outcome, start.elapsed())
    };
    let rest = async {
        for check in Check::ALL {
            if check > Check::Polling && check != Check::Idle {
                one(doctor, facts, wanted, report, check).await?;
            }
        }
        Ok::<_, Failure>(())
    };
    let ((outcome, elapsed), rest) = tokio::join!(watch, rest);
    rest?;
    if wanted.contains(&Check::Idle) {
        report.add(Line {
            check: Check::Idle,
            outcome,
            elapsed,
        })?;
    }
    Ok(())
}

/// Makes one check, if it was asked for.
async fn one(
    doctor: &Doctor,
    facts: &mut Facts,
    wanted: &[Check],
    report: &mut Report,
    check: Check,
) -> Result<(), Failure> {
    if !wanted.contains(&check) {
        return Ok(());
    }
    let start = Instant::now();
    let outcome = match missing(check, wanted, report) {
        Some(reason) => Outcome::skipped(reason),
        None => look_at(doctor, facts, check).await,
    };
    report.add(Line {
        check,
        outcome,
        elapsed: start.elapsed(),
    })
}

async fn look_at(doctor: &Doctor, facts: &mut Facts, check: Check) -> Outcome {
    match check {
        Check::Dns => reach::dns(doctor).await,
        Check::Tcp => reach::tcp(doctor, facts).await,
        Check::Tls => reach::tls(doctor).await,
        Check::Path => reach::path(doctor).await,
        Check::Websocket => websocket::check(doctor, facts).await,
        Check::Steady => websocket::steady(doctor).await,
        Check::Polling => polling::check(doctor, facts).await,
        Check::Parallel => polling::parallel(doctor, facts).await,
        Check::Buffering => polling::buffering(facts),
        Check::StickyPolls => sticky::polls(doctor, facts).await,
        Check::StickyReconnects => sticky::reconnects(doctor, facts).await,
        Check::Headers => headers::check(doctor, facts).await,
        Check::Cors => cors::check(doctor, facts).await,
        Check::Size => size::check(doctor, facts).await,
        Check::Spread => sticky::spread(facts),
        Check::Idle => unreachable!("it is made beside the others"),
    }
}

/// Returns why a check cannot be made.
fn missing(check: Check, wanted: &[Check], report: &Report) -> Option<String> {
    let bad = blocker(check, wanted, report)?;
    Some(format!("{} fails", bad.name()))
}

/// Returns the failed check without which this one says nothing.
fn blocker(check: Check, wanted: &[Check], report: &Report) -> Option<Check> {
    let mut needs = check.needs().iter().filter(|need| wanted.contains(need));
    let blocked = |need: &Check| match report.verdict(*need) {
        Some(Verdict::Fails) => Some(*need),
        Some(Verdict::Ok | Verdict::Warning | Verdict::Skipped) | None => {
            blocker(*need, wanted, report)
        }
    };
    match is_over_either(check) {
        false => needs.find_map(blocked),
        true => {
            let blockers: Option<Vec<Check>> = needs.map(blocked).collect();
            blockers?.first().copied()
        }
    }
}

/// Returns whether one transport is enough, of those that the check needs.
fn is_over_either(check: Check) -> bool {
    matches!(check, Check::StickyReconnects | Check::Idle)
}

/// Returns the checks that were asked for, with those that they need.
fn wanted(args: &DoctorArgs) -> Vec<Check> {
    let mut skip = args.skip.clone();
    if let Some((transports, _)) = args.connection.transports() {
        let of = [
            (Transport::WebSocket, Check::Websocket),
            (Transport::HttpPolling, Check::Polling),
        ];
        let unwanted = of
            .iter()
            .filter(|(transport, _)| !transports.contains(transport));
        skip.extend(unwanted.map(|(_, check)| *check));
    }
    let is_skipped = |check: &Check| is_in(&skip, *check);
    let is_asked = |check: &Check| args.only.is_empty() || is_needed(&args.only, *check);
    Check::ALL
        .into_iter()
        .filter(|check| is_asked(check) && !is_skipped(check))
        .collect()
}

/// Returns whether a check is one of these, or one of them needs it.
fn is_needed(checks: &[Check], check: Check) -> bool {
    checks
        .iter()
        .any(|it| *it == check || is_needed(it.needs(), check))
}

/// Returns whether a check is one of these, or cannot be made without one of them.
fn is_in(skipped: &[Check], check: Check) -> bool {
    let mut needs = check.needs().iter();
    let without = |need: &Check| is_in(skipped, *need);
    skipped.contains(&check)
        || match is_over_either(check) {
            true => needs.all(without),
            false => needs.any(without),
        }
}
