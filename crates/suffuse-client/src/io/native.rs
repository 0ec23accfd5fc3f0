//! Opening a session over the sockets of the operating system: the cascade, made real.

mod cookies;
mod dial;
mod driver;
mod http;
mod polling;
pub(crate) mod probe;
mod route;
pub(crate) mod tls;
mod websocket;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use suffuse_proto::{
    ResponseCode,
    handshake::{self, Accepted, ConnectionRequest, ConnectionResponse},
};
use tokio::task::JoinSet;
use tracing::{Instrument as _, debug, info, info_span};

use crate::{
    attempt::{Attempt, AttemptOutcome, Failure, Stage},
    builder::{ConnectEvent, Plan},
    error::ConnectError,
    io::link::Link,
    machine::{
        VERSION,
        cascade::{GiveUp, Outcome, Step},
        reconnect::FailedAttempt,
    },
    proxy::Proxy,
    session::Session,
    transport::Transport,
};
use dial::Dialer;
use driver::Driver;
use tls::TlsOptions;

/// How many attempts a session or an error remembers: the last ones.
const ATTEMPTS_KEPT_MAX: usize = 100;

/// Measures a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// How far an attempt got, readable also when it is given up.
#[derive(Debug, Default)]
struct Progress {
    stage: Stage,
    address: Option<SocketAddr>,
    proxy: Option<String>,
    http_status: Option<u16>,
    server: Option<String>,
}

/// A transport that got a session.
#[derive(Debug)]
struct Connected {
    transport: Transport,
    accepted: Accepted,
    link: Link,
    tasks: LinkTasks,
}

/// The tasks of a link. They end when this is dropped.
#[derive(Debug, Default)]
struct LinkTasks {
    readers: JoinSet<()>,
    /// They end on their own when there is nothing more to write.
    writers: JoinSet<()>,
}

/// Opens a session.
pub(crate) async fn open(
    plan: Plan,
    tls: &TlsOptions,
    proxy: Option<&Proxy>,
) -> Result<Session, ConnectError> {
    let dialer = Dialer::new(&plan, tls, proxy)?;
    let (connected, attempts) = cascade(&plan, &dialer).await?;
    Ok(start(connected, attempts, Reconnector { plan, dialer }))
}

/// Makes attempts in the order of the list, until one gets a session.
async fn cascade(plan: &Plan, dialer: &Dialer) -> Result<(Connected, Vec<Attempt>), ConnectError> {
    let mut attempts = Vec::new();
    let mut step = plan.cascade.start();
    loop {
        let (position, transport, pause) = match step {
            Step::Try {
                position,
                transport,
                pause,
            } => (position, transport, pause),
            Step::GiveUp(GiveUp::NoTransport) => return Err(ConnectError::NoTransport),
            Step::GiveUp(GiveUp::Exhausted | GiveUp::Fatal) | Step::Use => {
                return Err(failed(plan, attempts));
            }
        };
        if let Some(pause) = pause {
            wait(plan, position, pause).await;
        }
        let (attempt, connected) = attempt(plan, dialer, position, transport).await;
        step = plan.cascade.on_outcome(position, outcome(&attempt));
        if attempts.len() == ATTEMPTS_KEPT_MAX {
            attempts.remove(0);
        }
        attempts.push(classified(attempt, step));
        let attempt = attempts.last().expect("one was just pushed");
        match connected {
            Some(connected) => {
                plan.emit(|| ConnectEvent::Connected {
                    attempt: attempt.clone(),
                });
                return Ok((connected, attempts));
            }
            None => report(plan, attempt, step),
        }
    }
}

/// What it takes to connect again as the session was connected.
struct Reconnector {
    plan: Plan,
    dialer: Dialer,
}

impl Reconnector {
    /// Makes an attempt to resume the session: one run through the list.
    fn attempt(
        &self,
        parameters: handshake::Reconnect,
    ) -> impl Future<Output = Result<Connected, FailedAttempt>> + Send + use<> {
        let (plan, dialer) = (self.plan.resuming(parameters), self.dialer.clone());
        async move {
            match cascade(&plan, &dialer).await {
                Ok((connected, _)) => Ok(connected),
                Err(error) => Err(FailedAttempt {
                    tried: error.into_attempts(),
                }),
            }
        }
    }
}

/// Waits before the list is run again.
async fn wait(plan: &Plan, position: usize, pause: Duration) {
    let number = plan.cascade.pass(position);
    let of = plan.cascade.retries();
    info!(
        number,
        of,
        ?pause,
        "the list of transports is tried again after a pause"
    );
    plan.emit(|| ConnectEvent::Retry {
        number,
        of,
        after: pause,
    });
    tokio::time::sleep(pause).await;
}

/// Makes one attempt within its time limit.
async fn attempt(
    plan: &Plan,
    dialer: &Dialer,
    position: usize,
    transport: Transport,
) -> (Attempt, Option<Connected>) {
    let number = position + 1;
    let url = plan.endpoint.url(transport);
    debug!(number, %transport, url, "attempt to connect");
    let of = plan.cascade.attempts_max();
    plan.emit(|| ConnectEvent::Attempt {
        number,
        of,
        transport,
        url: url.clone(),
    });
    let (start, mut progress) = (Instant::now(), Progress::default());
    let limit = plan.attempt_timeout;
    let result = tokio::time::timeout(limit, connect(dialer, plan, transport, &mut progress)).await;
    let result = result.unwrap_or(Err(Failure::TimedOut {
        stage: progress.stage,
        limit,
    }));
    let (outcome, connected) = match result {
        Ok(connected) => (AttemptOutcome::Connected, Some(connected)),
        Err(failure) => (AttemptOutcome::TransportError(failure), None),
    };
    let Progress {
        address,
        proxy,
        http_status,
        server,
        ..
    } = progress;
    let elapsed = start.elapsed();
    (
        Attempt {
            number,
            transport,
            url,
            address,
            proxy,
            http_status,
            server,
            outcome,
            elapsed,
        },
        connected,
    )
}

async fn connect(
    dialer: &Dialer,
    plan: &Plan,
    transport: Transport,
    progress: &mut Progress,
) -> Result<Connected, Failure> {
    let request = ConnectionRequest {
        client_type: client_type(transport).to_owned(),
        ..plan.request.clone()
    };
    let dialer = &dialer.with(transport);
    match transport {
        Transport::WebSocket => websocket::connect(dialer, &request, progress).await,
        Transport::HttpPolling => polling::connect(dialer, &request, progress).await,
    }
}

/// What the client calls itself (spec: connection §3.4).
fn client_type(transport: Transport) -> &'static str {
    match transport {
        Transport::WebSocket => "WJ",
        Transport::HttpPolling => "J",
    }
}

fn outcome(attempt: &Attempt) -> Outcome {
    match (attempt.failure(), attempt.response_code()) {
        (None, _) => Outcome::Connected,
        (Some(_), Some(code)) => Outcome::Rejected(code),
        (Some(_), None) => Outcome::TransportError,
    }
}

/// Returns the attempt with its failure named as the cascade took it.
fn classified(attempt: Attempt, step: Step) -> Attempt {
    let outcome = match (attempt.outcome, step) {
        (AttemptOutcome::TransportError(failure), Step::GiveUp(GiveUp::Fatal)) => {
            AttemptOutcome::Fatal(failure)
        }
        (outcome, _) => outcome,
    };
    Attempt { outcome, ..attempt }
}

fn report(plan: &Plan, attempt: &Attempt, step: Step) {
    let next = match step {
        Step::Try { transport, .. } => Some(transport),
        Step::Use | Step::GiveUp(_) => None,
    };
    info!(
        number = attempt.number,
        transport = %attempt.transport,
        outcome = attempt.outcome.name(),
        reason = attempt.reason(),
        next = next.map(Transport::name),
        "an attempt to connect failed"
    );
    plan.emit(|| ConnectEvent::Failed {
        attempt: attempt.clone(),
        next,
    });
}

fn failed(plan: &Plan, attempts: Vec<Attempt>) -> ConnectError {
    let last = attempts.last().map_or(0, |attempt| attempt.number - 1);
    let not_tried = plan.cascade.after(last).to_vec();
    ConnectError::Failed {
        attempts,
        not_tried,
    }
}

/// Gives a connected link to a driver of its own.
fn start(connected: Connected, attempts: Vec<Attempt>, reconnector: Reconnector) -> Session {
    let (id, transport) = (connected.accepted.session, connected.transport);
    let (session, ends) = Session::new(id, transport, attempts);
    let span = info_span!(parent: None, "session", %id);
    span.in_scope(|| info!(%transport, "connected"));
    tokio::spawn(
        Driver::new(connected, ends, reconnector)
            .run()
            .instrument(span),
    );
    session
}

/// Reads the response to a connection request.
fn accepted(bytes: Bytes, request: &ConnectionRequest) -> Result<Accepted, Failure> {
    match ConnectionResponse::decode(bytes, VERSION) {
        Ok(ConnectionResponse::Accepted(accepted))
            if request.reconnect.is_none() && accepted.code != ResponseCode::OK =>
        {
            Err(Failure::Response {
                problem: format!(
                    "response {}, but there is no session to resume",
                    accepted.code
                ),
            })
        }
        Ok(ConnectionResponse::Accepted(accepted)) => Ok(accepted),
        Ok(ConnectionResponse::Rejected { code, .. }) => Err(Failure::Rejected(code)),
        Err(error) => Err(Failure::Response {
            problem: error.to_string(),
        }),
    }
}
