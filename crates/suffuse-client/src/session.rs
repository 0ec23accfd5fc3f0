//! A session, as the application holds it.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use suffuse_proto::{
    Codec as _, Selector, Service, SessionId, TopicType, message::ServiceId, service::UserPing,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::{
    attempt::Attempt,
    builder::Builder,
    error::{CloseReason, RequestError},
    features::{session_properties::Properties, topics::Topics},
    io::Stopwatch,
    machine::VERSION,
    streams::Queue,
    transport::Transport,
};

/// How many commands may wait for the driver; the application waits for room.
pub(crate) const COMMANDS_MAX: usize = 1024;

/// How many requests may wait for an answer; further ones wait in the application.
const REQUESTS_MAX: usize = 4096;

/// Where a request is answered.
#[derive(Debug)]
pub(crate) struct Ticket {
    answer: oneshot::Sender<Result<Bytes, RequestError>>,
    /// One of [`REQUESTS_MAX`]; free again when the request is answered, not when nobody waits for
    /// it.
    _permit: OwnedSemaphorePermit,
}

impl Ticket {
    pub(crate) fn answer(self, result: Result<Bytes, RequestError>) {
        // The application may have dropped the request.
        let _ = self.answer.send(result);
    }
}

/// What the application wants of the driver of its session.
#[derive(Debug)]
pub(crate) enum Command {
    /// Ask the server for a service.
    Request {
        service: ServiceId,
        body: Bytes,
        ticket: Ticket,
    },
    /// Tell a stream about topics.
    Listen {
        selector: Selector,
        accepts: fn(TopicType) -> bool,
        queue: Arc<Queue>,
    },
    /// End the session.
    Close,
}

/// Whether a session has a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// It is connected.
    Connected {
        /// The transport that carries it.
        transport: Transport,
    },
    /// Its connection is lost, and is to be made anew. Requests wait, streams are silent.
    Recovering {
        /// The number of the attempt that is made after the pause, from 1.
        attempt: u32,
        /// How long it is waited before the attempt.
        pause: Duration,
        /// What happened: how the connection was lost, or why the last attempt failed.
        cause: String,
    },
    /// It is over.
    Closed(CloseReason),
}

impl SessionState {
    fn close_reason(&self) -> Option<&CloseReason> {
        match self {
            Self::Closed(reason) => Some(reason),
            Self::Connected { .. } | Self::Recovering { .. } => None,
        }
    }
}

/// A session with a server.
///
/// Clones are handles of the same session. It ends with [`Session::close`], when its last handle is
/// dropped, when the server closes it, or when its connection is lost and cannot be made anew;
/// [`Session::closed`] says why.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    id: SessionId,
    attempts: Vec<Attempt>,
    requests: Arc<Semaphore>,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<SessionState>,
    transport: watch::Receiver<Transport>,
}

/// The driver's ends of the channels to a session.
#[derive(Debug)]
pub(crate) struct DriverEnds {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) state: watch::Sender<SessionState>,
    pub(crate) transport: watch::Sender<Transport>,
}

impl Session {
    /// Returns a builder, which says where to connect and how.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        id: SessionId,
        transport: Transport,
        attempts: Vec<Attempt>,
    ) -> (Self, DriverEnds) {
        let (commands, driver_commands) = mpsc::channel(COMMANDS_MAX);
        let (driver_state, state) = watch::channel(SessionState::Connected { transport });
        let (driver_transport, transport) = watch::channel(transport);
        let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
        let shared = Shared {
            id,
            attempts,
            requests,
            commands,
            state,
            transport,
        };
        let ends = DriverEnds {
            commands: driver_commands,
            state: driver_state,
            transport: driver_transport,
        };
        (
            Self {
                shared: Arc::new(shared),
            },
            ends,
        )
    }

    /// Returns the public id of the session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.shared.id
    }

    /// Returns the transport that carries the session, or did so last.
    #[must_use]
    pub fn transport(&self) -> Transport {
        *self.shared.transport.borrow()
    }

    /// Returns whether the session has a connection.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.shared.state.borrow().clone()
    }

    /// Returns a watch of the state of the session. It sees the newest state; those between may be
    /// missed. [`Builder::on_event`] sees all.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<SessionState> {
        self.shared.state.clone()
    }

    /// Returns the attempts that were made to connect, the last of which succeeded.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.shared.attempts
    }

    /// Returns what can be done with topics.
    #[must_use]
    pub fn topics(&self) -> Topics<'_> {
        Topics::new(self)
    }

    /// Returns what can be done with session properties.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        Properties::new(self)
    }

    /// Pings the server, and returns how long the answer took.
    ///
    /// # Errors
    /// When the session is closed, or the ping was lost in a reconnection.
    pub async fn ping(&self) -> Result<Duration, RequestError> {
        let start = Stopwatch::start();
        self.request::<UserPing>(&()).await?;
        Ok(start.elapsed())
    }

    /// Closes the session, and waits until it is closed: at most about a second.
    pub async fn close(&self) {
        // If the driver is gone, the session is closed already.
        let _ = self.shared.commands.send(Command::Close).await;
        self.closed().await;
    }

    /// Waits until the session is closed, and returns why.
    pub async fn closed(&self) -> CloseReason {
        let mut state = self.shared.state.clone();
        let is_closed = |state: &SessionState| state.close_reason().is_some();
        match state.wait_for(is_closed).await {
            Ok(state) => state.close_reason().cloned().unwrap_or_else(lost_driver),
            Err(_) => lost_driver(),
        }
    }

    /// Returns why the session is closed, if it is.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.state.borrow().close_reason().cloned()
    }

    /// Asks the server for a service.
    pub(crate) async fn request<S: Service>(
        &self,
        request: &S::Request,
    ) -> Result<S::Response, RequestError> {
        let permit = self
            .shared
            .requests
            .clone()
            .acquire_owned()
            .await
            .expect("it is never closed");
        let (sender, answer) = oneshot::channel();
        let ticket = Ticket {
            answer: sender,
            _permit: permit,
        };
        let body = request.to_bytes(VERSION);
        self.command(Command::Request {
            service: S::ID,
            body,
            ticket,
        })
        .await?;
        match answer.await {
            Ok(body) => S::Response::from_bytes(body?, VERSION).map_err(RequestError::BadAnswer),
            Err(_) => Err(self.session_closed()),
        }
    }

    /// Gives a command to the driver.
    pub(crate) async fn command(&self, command: Command) -> Result<(), RequestError> {
        self.shared
            .commands
            .send(command)
            .await
            .map_err(|_| self.session_closed())
    }

    fn session_closed(&self) -> RequestError {
        RequestError::SessionClosed(self.close_reason().unwrap_or_else(lost_driver))
    }
}

/// The driver went away without a word: its runtime was shut down.
fn lost_driver() -> CloseReason {
    CloseReason::ConnectionLost {
        what: "the async runtime of the session was shut down".to_owned(),
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.shared.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
