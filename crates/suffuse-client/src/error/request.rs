//! Why a request failed, and why a session ended.

use suffuse_proto::{
    DecodeError, ErrorReason, ResponseCode, path::PathError, selector::SelectorError,
};

use crate::topic::ValueError;

/// Why a request of a session failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server refused it.
    #[error("the server refused the request: {0}")]
    Refused(ErrorReason),
    /// The session is closed. It is not known whether the server has done what was asked.
    #[error("the session is closed: {0}")]
    SessionClosed(CloseReason),
    /// The connection was lost, and the server could not resume the session without loss. It is not
    /// known whether it has done what was asked; the session goes on.
    #[error("the request or its answer was lost in a reconnection; it may have been done")]
    LostInReconnection,
    /// The connection is lost, and too much waits for it already. Nothing was sent.
    #[error(
        "nothing was sent: the connection is lost, and {requests} requests of {bytes} bytes wait for it already"
    )]
    TooManyWaiting {
        /// How many requests wait.
        requests: usize,
        /// How many bytes they have.
        bytes: usize,
    },
    /// The answer of the server could not be understood.
    #[error("the answer of the server could not be understood: {0}")]
    BadAnswer(DecodeError),
    /// The topic selector is not valid. Nothing was sent.
    #[error(transparent)]
    InvalidSelector(#[from] SelectorError),
    /// The topic path is not valid. Nothing was sent.
    #[error(transparent)]
    InvalidPath(#[from] PathError),
    /// The value cannot be written as topic data. Nothing was sent.
    #[error(transparent)]
    InvalidValue(#[from] ValueError),
    /// The message is larger than the server accepts. Nothing was sent.
    #[error("the message has {bytes} bytes, and the server accepts at most {bytes_max}")]
    TooLarge {
        /// The size of the message.
        bytes: usize,
        /// The limit of the server.
        bytes_max: usize,
    },
}

impl RequestError {
    /// Returns the stable code: `SFX-R` and the number of the reason for what the server refused,
    /// `SFX-R001` to `SFX-R008` for the others.
    #[must_use]
    pub fn code(&self) -> String {
        let number = match self {
            Self::Refused(reason) => reason.code,
            Self::SessionClosed(_) => 1,
            Self::BadAnswer(_) => 2,
            Self::InvalidSelector(_) => 3,
            Self::InvalidPath(_) => 4,
            Self::InvalidValue(_) => 5,
            Self::TooLarge { .. } => 6,
            Self::LostInReconnection => 7,
            Self::TooManyWaiting { .. } => 8,
        };
        format!("SFX-R{number:03}")
    }

    /// Returns why the server refused, if it did.
    #[must_use]
    pub fn reason(&self) -> Option<&ErrorReason> {
        match self {
            Self::Refused(reason) => Some(reason),
            Self::SessionClosed(_)
            | Self::BadAnswer(_)
            | Self::InvalidSelector(_)
            | Self::InvalidPath(_)
            | Self::InvalidValue(_)
            | Self::TooLarge { .. }
            | Self::LostInReconnection
            | Self::TooManyWaiting { .. } => None,
        }
    }
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application closed it, or dropped its last handle.
    #[error("closed by this client")]
    ClosedByClient,
    /// The server closed it.
    #[error("closed by the server")]
    ClosedByServer,
    /// The connection was lost, and the session is not to be resumed.
    #[error("the connection was lost: {what}")]
    ConnectionLost {
        /// What happened to it.
        what: String,
    },
    /// The server did not ping for twice the time in which it promised to.
    #[error("the connection was lost: no ping of the server for {} s", .limit.as_secs_f32())]
    Idle {
        /// Twice the ping interval of the server.
        limit: std::time::Duration,
    },
    /// The server sent what it must not.
    #[error("the server broke the protocol: {what}")]
    ProtocolError {
        /// What it sent.
        what: String,
    },
    /// The connection was lost, and could not be made anew in time.
    #[error("reconnect timed out after {} s: {cause}", .within.as_secs_f32())]
    ReconnectTimedOut {
        /// For how long it was tried.
        within: std::time::Duration,
        /// What went wrong last.
        cause: String,
    },
    /// The connection was lost, and the strategy of the application wants no more attempts.
    #[error("the reconnect strategy gave up: {cause}")]
    ReconnectGivenUp {
        /// What went wrong last.
        cause: String,
    },
    /// The connection was lost, and the server does not resume the session.
    #[error("the server does not resume the session: response {0}: {sentence}", sentence = .0.sentence())]
    ReconnectRefused(ResponseCode),
    /// The connection was lost, and the server lacks messages that this client does not have any more.
    #[error(
        "messages were lost in a reconnection: the server expects number {expected}, and {oldest} is the oldest that is kept"
    )]
    LostMessages {
        /// The number of the message that the server expects.
        expected: i32,
        /// The number of the oldest message that the client has.
        oldest: u64,
    },
}

impl CloseReason {
    /// Returns the stable code, `SFX-D201` to `SFX-D209`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ClosedByClient => "SFX-D201",
            Self::ClosedByServer => "SFX-D202",
            Self::ConnectionLost { .. } => "SFX-D203",
            Self::Idle { .. } => "SFX-D204",
            Self::ProtocolError { .. } => "SFX-D205",
            Self::ReconnectTimedOut { .. } => "SFX-D206",
            Self::ReconnectGivenUp { .. } => "SFX-D207",
            Self::ReconnectRefused(_) => "SFX-D208",
            Self::LostMessages { .. } => "SFX-D209",
        }
    }
}
