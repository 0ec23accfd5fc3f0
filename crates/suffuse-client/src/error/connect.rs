//! Why there is no session.

use std::fmt;

use crate::{
    attempt::{Attempt, AttemptOutcome},
    transport::Transport,
};

/// Why a session could not be opened. [`fmt::Display`] shows a report that names every attempt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The list of transports is empty. Nothing was sent.
    NoTransport,
    /// The request path is not possible. Nothing was sent.
    InvalidRequestPath {
        /// The path that was given.
        found: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The URL is not possible. Nothing was sent.
    InvalidUrl {
        /// The URL that was given, without a password.
        found: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The host is not possible. Nothing was sent.
    InvalidHost {
        /// The host that was given.
        found: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The port is 0. Nothing was sent.
    InvalidPort,
    /// The principal or a session property is not possible. Nothing was sent.
    InvalidSessionData {
        /// Which one.
        what: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The proxy is not possible. Nothing was sent.
    InvalidProxy {
        /// The proxy that was given, without user and password.
        found: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The trusted roots or the client certificate could not be used. Nothing was sent.
    TlsConfiguration {
        /// What is wrong.
        problem: String,
    },
    /// No attempt led to a session.
    Failed {
        /// Every attempt, in order. With many retries, the last 100 of them.
        attempts: Vec<Attempt>,
        /// The transports of the list that a fatal error left out.
        not_tried: Vec<Transport>,
    },
}

impl ConnectError {
    /// Returns the stable code, `SFX-C101` to `SFX-C110`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTransport => "SFX-C101",
            Self::InvalidRequestPath { .. } => "SFX-C102",
            Self::InvalidUrl { .. } => "SFX-C103",
            Self::Failed { .. } if self.is_fatal() => "SFX-C105",
            Self::Failed { .. } => "SFX-C104",
            Self::InvalidHost { .. } => "SFX-C106",
            Self::InvalidPort => "SFX-C107",
            Self::InvalidSessionData { .. } => "SFX-C108",
            Self::TlsConfiguration { .. } => "SFX-C109",
            Self::InvalidProxy { .. } => "SFX-C110",
        }
    }

    /// Returns every attempt that was made, in order.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            Self::Failed { attempts, .. } => attempts,
            Self::NoTransport
            | Self::InvalidRequestPath { .. }
            | Self::InvalidUrl { .. }
            | Self::InvalidHost { .. }
            | Self::InvalidPort
            | Self::InvalidSessionData { .. }
            | Self::InvalidProxy { .. }
            | Self::TlsConfiguration { .. } => &[],
        }
    }

    pub(crate) fn into_attempts(self) -> Vec<Attempt> {
        match self {
            Self::Failed { attempts, .. } => attempts,
            Self::NoTransport
            | Self::InvalidRequestPath { .. }
            | Self::InvalidUrl { .. }
            | Self::InvalidHost { .. }
            | Self::InvalidPort
            | Self::InvalidSessionData { .. }
            | Self::InvalidProxy { .. }
            | Self::TlsConfiguration { .. } => Vec::new(),
        }
    }

    /// Returns whether the server refused in a way after which no other transport is tried.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.attempts()
            .last()
            .is_some_and(|last| matches!(last.outcome, AttemptOutcome::Fatal(_)))
    }

    /// Returns the report for a terminal: `error[SFX-C104]: cannot connect: …`, and one line per
    /// attempt.
    #[must_use]
    pub fn report(&self) -> String {
        format!("error[{}]: {}", self.code(), Body(self))
    }
}

impl std::error::Error for ConnectError {}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), Body(self))
    }
}

/// The report without the code.
struct Body<'a>(&'a ConnectError);

impl fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = |f: &mut fmt::Formatter<'_>, help: &str| write!(f, "\n  help: {help}");
        match self.0 {
            ConnectError::NoTransport => {
                f.write_str("cannot connect: the list of transports is empty")?;
                help(
                    f,
                    "name at least one of WEBSOCKET and HTTP_POLLING, or leave the list out for WEBSOCKET",
                )
            }
            ConnectError::InvalidRequestPath { found, problem } => {
                write!(f, "the request path `{found}` is not valid: {problem}")?;
                help(
                    f,
                    "begin it with `/` and end it with `/diffusion`, for example `/path/diffusion`",
                )
            }
            ConnectError::InvalidUrl { found, problem } => {
                write!(f, "the URL `{found}` is not valid: {problem}")?;
                help(f, "write it like `wss://push.example.com/diffusion`")
            }
            ConnectError::InvalidHost { found, problem } => {
                write!(f, "the host `{found}` is not valid: {problem}")?;
                help(
                    f,
                    "give a name or an IP address, for example `push.example.com`",
                )
            }
            ConnectError::InvalidPort => {
                f.write_str("the port 0 is not valid")?;
                help(f, "give a port from 1 to 65535")
            }
            ConnectError::InvalidSessionData { what, problem } => {
                write!(f, "the {what} is not valid: {problem}")
            }
            ConnectError::InvalidProxy { found, problem } => {
                write!(f, "the proxy `{found}` is not valid: {problem}")?;
                help(
                    f,
                    "write it like `http://proxy.example.com:3128`; only HTTP proxies are supported",
                )
            }
            ConnectError::TlsConfiguration { problem } => {
                write!(f, "TLS cannot be set up: {problem}")?;
                help(
                    f,
                    "check the trusted roots of this machine, and the client certificate and its key, if \
                     there is one",
                )
            }
            ConnectError::Failed {
                attempts,
                not_tried,
            } => failed(f, self.0, attempts, not_tried),
        }
    }
}

fn failed(
    f: &mut fmt::Formatter<'_>,
    error: &ConnectError,
    attempts: &[Attempt],
    not_tried: &[Transport],
) -> fmt::Result {
    f.write_str(match error.is_fatal() {
        true => "cannot connect: the server refused the session",
        false => "cannot connect: every transport in the list failed",
    })?;
    if let Some(left_out @ 1..) = attempts.first().map(|first| first.number - 1) {
        write!(f, "\n  {left_out} earlier attempts are left out")?;
    }
    for attempt in attempts {
        write!(f, "\n  {attempt}")?;
    }
    if !not_tried.is_empty() {
        let names = not_tried
            .iter()
            .map(|transport| transport.name())
            .collect::<Vec<_>>()
            .join(", ");
        write!(
            f,
            "\n  not tried, because it would be refused as well: {names}"
        )?;
    }
    // Attempts that failed in the same way have the same help.
    let mut hints: Vec<String> = Vec::new();
    for hint in attempts.iter().filter_map(Attempt::hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
        .iter()
        .try_for_each(|hint| write!(f, "\n  help: {hint}"))
}
