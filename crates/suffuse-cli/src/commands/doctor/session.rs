//! Sessions that are opened to be looked at. Each is closed when it is dropped, whatever was the reason.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use suffuse_client::{
    Failure, ResponseCode, Transport,
    probe::{Answer, Ask, Probe, WebSocket},
};
use suffuse_proto::{
    SessionToken, Version,
    handshake::{Accepted, ConnectionResponse, Parameters, Reconnect},
    polling::{self, Direction},
};
use tokio::{sync::oneshot, task::JoinSet};

use super::Doctor;
use crate::output::printable;

/// For how long a server keeps a session that could not be closed, at most.
const KEPT: Duration = Duration::from_secs(10);
/// How often the request that closes a polling session is made: not all reach its node.
const CLOSE_TRIES: usize = 6;
/// How long closing one session, and all of them, may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);
const CLOSE_ALL_MAX: Duration = Duration::from_secs(5);

/// The close request, and a ping as the conversation 1 with its answer (spec: connection §6.2, §6.6).
const CLOSE: &[u8] = &[0x1d];
const PING: &[u8] = &[0, 0x38, 1];
const PONG: &[u8] = &[6, 1];
const VERSION: Version = Version::NEWEST;

/// Why there is no session.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There was no usable answer.
    Failure(Failure),
    /// The answer has another status than it should have.
    Status(Box<Answer>),
    /// The answer is not one of the protocol.
    NotOurs(Box<Answer>),
    /// The server refused.
    Rejected(ResponseCode),
    /// The WebSocket ended before anything came through it; after this time.
    Ended(Duration, String),
    /// The WebSocket opened, and nothing came through it within this time.
    Silent(Duration),
}

impl Trouble {
    /// Returns the code of a refusal.
    pub(super) fn code(&self) -> Option<ResponseCode> {
        match self {
            Self::Rejected(code) => Some(*code),
            Self::Failure(_)
            | Self::Status(_)
            | Self::NotOurs(_)
            | Self::Ended(..)
            | Self::Silent(_) => None,
        }
    }

    /// Returns the status of the HTTP answer, if it was not the one that was hoped for.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Status(answer) => Some(answer.status),
            Self::Failure(Failure::Http { status, .. }) => Some(*status),
            Self::Failure(_)
            | Self::NotOurs(_)
            | Self::Rejected(_)
            | Self::Ended(..)
            | Self::Silent(_) => None,
        }
    }

    /// Returns whether a limit of time was used up.
    pub(super) fn is_time_out(&self) -> bool {
        matches!(
            self,
            Self::Failure(Failure::TimedOut { .. }) | Self::Silent(_)
        )
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failure(failure) => write!(f, "{failure}"),
            Self::Status(answer) => write!(f, "{}", status_of(answer)),
            Self::NotOurs(answer) => {
                write!(f, "{} that is no answer of the protocol", status_of(answer))
            }
            Self::Rejected(code) => write!(f, "response {code}: {}", code.sentence()),
            Self::Ended(after, how) => write!(
                f,
                "HTTP 101, and then the connection ended after {}: {how}",
                super::outcome::shown(*after)
            ),
            Self::Silent(limit) => write!(
                f,
                "HTTP 101, and then nothing for {}",
                super::outcome::shown(*limit)
            ),
        }
    }
}

/// Returns the status of an answer and who says that it answered.
pub(super) fn status_of(answer: &Answer) -> String {
    let server = answer.header("server").map(|server| {
        let server: String = server.chars().take(60).collect();
        format!(" (server: {})", printable(&server))
    });
    format!(
        "HTTP {} {}{}",
        answer.status,
        answer.reason(),
        server.unwrap_or_default()
    )
    .trim_end()
    .to_owned()
}

/// How to ask for a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// The session to resume.
    pub(super) token: Option<SessionToken>,
    /// The value of the header `Cookie`.
    pub(super) cookies: Option<String>,
    /// Parameters that are other than they should be.
    pub(super) changed: Vec<(&'static str, String)>,
    /// Whether a WebSocket has its parameters in headers, as native clients do, and not in the query.
    pub(super) in_headers: bool,
    /// The page that asks.
    pub(super) origin: Option<String>,
}

impl Wish {
    pub(super) fn resume(token: SessionToken, cookies: Option<String>) -> Self {
        Self {
            token: Some(token),
            cookies,
            ..Self::default()
        }
    }

    pub(super) fn changed(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            changed: vec![(name, value.into())],
            ..Self::default()
        }
    }

    fn parameters(&self, probe: &Probe, transport: Transport) -> Parameters {
        let mut request = probe.request(transport);
        request.reconnect_timeout = request.reconnect_timeout.min(KEPT);
        request.reconnect = self.token.map(|token| Reconnect {
            token: Some(token),
            client_sequence: 1,
            server_sequence: 0,
        });
        let mut parameters = request.to_parameters();
        for (name, value) in &self.changed {
            parameters.set(name, value.clone());
        }
        parameters
    }

    fn dress(&self, mut ask: Ask) -> Ask {
        if let Some(cookies) = &self.cookies {
            ask = ask.header("cookie", cookies);
        }
        if let Some(origin) = &self.origin {
            ask = ask.header("origin", origin);
        }
        ask
    }
}

/// Closes sessions behind those who opened them.
#[derive(Debug, Default)]
pub(super) struct Closer(Mutex<JoinSet<()>>);

impl Closer {
    /// Opens something in a task of its own, so that it is not left half open when nobody waits any more.
    async fn open<T: Send + 'static>(
        &self,
        opening: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        // If nobody waits, dropping it closes it.
        self.spawn(async { drop(sender.send(opening.await)) });
        receiver.await.expect("the task sends what it opened")
    }

    fn close(&self, closing: impl Future<Output = ()> + Send + 'static) {
        self.spawn(async {
            // A session that cannot be closed ends by itself, a little later.
            let _ = tokio::time::timeout(CLOSE_MAX, closing).await;
        });
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.try_join_next().is_some() {}
        all.spawn(task);
    }

    /// Waits until everything is closed, or for a while.
    pub(super) async fn finish(&self) {
        let end = async {
            loop {
                // What is opened still is closed by another task.
                let mut all =
                    std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
                if all.is_empty() {
                    return;
                }
                while all.join_next().await.is_some() {}
            }
        };
        let _ = tokio::time::timeout(CLOSE_ALL_MAX, end).await;
    }
}

/// A session over HTTP polling.
#[derive(Debug)]
pub(super) struct PollingSession {
    doctor: Doctor,
    pub(super) accepted: Accepted,
    /// The answer to the connection request.
    pub(super) answer: Answer,
    pub(super) cookies: Option<String>,
    sends: std::sync::atomic::AtomicU64,
}

impl PollingSession {
    /// Opens a session.
    pub(super) async fn open(doctor: &Doctor, wish: &Wish) -> Result<Self, Trouble> {
        let (own, wish) = (doctor.clone(), wish.clone());
        let opening = async move { Self::connect(&own, &wish).await };
        doctor.closer.open(opening).await
    }

    async fn connect(doctor: &Doctor, wish: &Wish) -> Result<Self, Trouble> {
        let mut ask = wish.dress(Ask::new("POST").header("m", "0"));
        let parameters = wish.parameters(&doctor.probe, Transport::HttpPolling);
        for (name, value) in parameters.to_polling_headers() {
            ask = ask.header(name, &value);
        }
        let answer = doctor.exchange(&ask).await?;
        if answer.status != 200 {
            return Err(Trouble::Status(Box::new(answer)));
        }
        match ConnectionResponse::decode(answer.body.clone(), VERSION) {
            Ok(ConnectionResponse::Accepted(accepted)) => Ok(Self {
                doctor: doctor.clone(),
                accepted,
                answer,
                cookies: wish.cookies.clone(),
                sends: 0.into(),
            }),
            Ok(ConnectionResponse::Rejected { code, .. }) => Err(Trouble::Rejected(code)),
            Err(_) => Err(Trouble::NotOurs(Box::new(answer))),
        }
    }

    /// Makes a poll, and returns its answer with the messages in it.
    pub(super) async fn poll(
        &self,
        sequence: u64,
        limit: Duration,
    ) -> Result<(Answer, Vec<Bytes>), Trouble> {
        let ask = self.request("1", sequence);
        let answer = self.doctor.probe.exchange(&ask, limit).await?;
        if answer.status != 200 {
            return Err(Trouble::Status(Box::new(answer)));
        }
        match polling::decode(&answer.body, VERSION.dialect(), Direction::Down) {
            Ok(messages) => Ok((answer, messages)),
            Err(_) => Err(Trouble::NotOurs(Box::new(answer))),
        }
    }

    /// Sends a ping.
    pub(super) async fn ping(&self, sequence: u64) -> Result<Answer, Trouble> {
        self.send(sequence, PING).await
    }

    /// Sends a message.
    pub(super) async fn send(&self, sequence: u64, message: &[u8]) -> Result<Answer, Trouble> {
        self.sends
            .fetch_max(sequence + 1, std::sync::atomic::Ordering::Relaxed);
        let ask = self.request("2", sequence).body(body_of(message));
        let answer = self.doctor.exchange(&ask).await?;
        match answer.status {
            200 => Ok(answer),
            _ => Err(Trouble::Status(Box::new(answer))),
        }
    }

    fn request(&self, mode: &str, sequence: u64) -> Ask {
        request(
            &self.accepted.token,
            self.cookies.as_deref(),
            mode,
            sequence,
        )
    }
}

impl Drop for PollingSession {
    fn drop(&mut self) {
        let (doctor, cookies) = (self.doctor.clone(), self.cookies.take());
        let (token, sends) = (self.accepted.token, *self.sends.get_mut());
        self.doctor.closer.close(async move {
            for _ in 0..CLOSE_TRIES {
                // What was sent last may not have arrived, so its number may be free.
                for sequence in [sends, sends.saturating_sub(1)] {
                    let ask =
                        request(&token, cookies.as_deref(), "2", sequence).body(body_of(CLOSE));
                    let answer = doctor.exchange(&ask).await;
                    if answer.is_ok_and(|answer| answer.status == 200) {
                        return;
                    }
                }
            }
        });
    }
}

fn request(token: &SessionToken, cookies: Option<&str>, mode: &str, sequence: u64) -> Ask {
    let ask = Ask::new("POST")
        .header("m", mode)
        .header("c", token.as_str())
        .header("s", &sequence.to_string())
        .header("v", &VERSION.number().to_string());
    match cookies {
        Some(cookies) => ask.header("cookie", cookies),
        None => ask,
    }
}

/// Returns the body of a request that sends a message.
pub(super) fn body_of(message: &[u8]) -> Bytes {
    let mut body = Vec::new();
    let (dialect, direction) = (VERSION.dialect(), Direction::Up);
    polling::append(&mut body, message, dialect, direction);
    polling::finish(body, dialect, direction)
}

/// Returns whether messages have the answer to the ping.
pub(super) fn has_pong(messages: &[Bytes]) -> bool {
    messages.iter().any(|message| message == PONG)
}

/// A session over a WebSocket.
#[derive(Debug)]
pub(super) struct SocketSession {
    doctor: Doctor,
    socket: Option<WebSocket>,
    pings: u8,
    pub(super) accepted: Accepted,
    /// The answer to the upgrade.
    pub(super) answer: Answer,
    /// How long it took until the session was there.
    pub(super) elapsed: Duration,
}

impl SocketSession {
    /// Opens a session.
    pub(super) async fn open(doctor: &Doctor, wish: &Wish) -> Result<Self, Trouble> {
        let (own, wish) = (doctor.clone(), wish.clone());
        let opening = async move { Self::connect(&own, &wish).await };
        doctor.closer.open(opening).await
    }

    async fn connect(doctor: &Doctor, wish: &Wish) -> Result<Self, Trouble> {
        let start = Instant::now();
        let (probe, limit) = (&doctor.probe, doctor.probe.limit());
        let parameters = wish.parameters(probe, Transport::WebSocket);
        let mut ask = wish.dress(Ask::new("GET"));
        if wish.in_headers {
            for name in Parameters::NAMES {
                if let Some(value) = parameters.get(name) {
                    ask = ask.header(name, value);
                }
            }
        } else {
            ask = ask.query(parameters.to_query());
        }
        let _turn = doctor.turn().await;
        let upgraded = probe.upgrade(&ask, limit).await?;
        let mut socket = match upgraded.socket {
            Ok(socket) => socket,
            Err(_) if upgraded.answer.status != 101 => {
                return Err(Trouble::Status(Box::new(upgraded.answer)));
            }
            Err(failure) => return Err(failure.into()),
        };
        let left = limit.saturating_sub(start.elapsed());
        let opened = Instant::now();
        let bytes = match tokio::time::timeout(left, socket.receive()).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(how)) => return Err(Trouble::Ended(opened.elapsed(), how)),
            Err(_) => return Err(Trouble::Silent(left)),
        };
        match ConnectionResponse::decode(bytes, VERSION) {
            Ok(ConnectionResponse::Accepted(accepted)) => Ok(Self {
                doctor: doctor.clone(),
                socket: Some(socket),
                pings: 0,
                accepted,
                answer: upgraded.answer,
                elapsed: start.elapsed(),
            }),
            Ok(ConnectionResponse::Rejected { code, .. }) => Err(Trouble::Rejected(code)),
            Err(_) => Err(Trouble::NotOurs(Box::new(upgraded.answer))),
        }
    }

    /// Sends a ping and waits for its answer.
    pub(super) async fn ping(&mut self) -> Result<Duration, String> {
        let start = Instant::now();
        // A server ignores a conversation that it has had. Nobody pings so often that a second byte is needed.
        self.pings = self.pings % 127 + 1;
        let (ping, pong) = (vec![0, 0x38, self.pings], [6, self.pings]);
        self.socket().send(ping.into()).await?;
        loop {
            if self.receive().await? == pong[..] {
                return Ok(start.elapsed());
            }
        }
    }

    /// Returns the next message; a ping of the server is answered and returned. May be dropped.
    pub(super) async fn receive(&mut self) -> Result<Bytes, String> {
        let message = self.socket().receive().await?;
        if let Some(conversation) = message.strip_prefix(&[0, 0x37]) {
            let answer = [&[6], conversation].concat();
            self.socket().send(answer.into()).await?;
        }
        Ok(message)
    }

    fn socket(&mut self) -> &mut WebSocket {
        self.socket.as_mut().expect("it is taken by drop only")
    }
}

impl Drop for SocketSession {
    fn drop(&mut self) {
        let Some(mut socket) = self.socket.take() else {
            return;
        };
        self.doctor.closer.close(async move {
            if socket.send(Bytes::from_static(CLOSE)).await.is_ok() {
                // The server ends the connection.
                while socket.receive().await.is_ok() {}
            }
        });
    }
}
