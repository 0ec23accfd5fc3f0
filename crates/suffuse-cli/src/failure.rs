//! Why a command fails: what is printed, and the exit code.

use std::io;

use suffuse_client::{ConnectError, Failure as AttemptFailure, RequestError};
use suffuse_proto::{ErrorReason, ResponseCode};
use suffuse_server::config::{ConfigError, SecurityFileError};

/// The exit codes; 2, a wrong command line, is also given by the parser of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok = 0,
    Error = 1,
    Usage = 2,
    CannotConnect = 3,
    Refused = 4,
    ConditionFailed = 5,
    TimeOut = 6,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// What is printed, if that has not been done.
    pub(crate) report: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: Status, report: impl Into<String>) -> Self {
        Self {
            status,
            report: Some(report.into()),
        }
    }

    /// Makes the failure of a write to standard output. That the reader of the results has gone is none.
    pub(crate) fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                status: Status::Ok,
                report: None,
            };
        }
        Self::new(
            Status::Error,
            format!("error[SFX-X001]: cannot write the results: {error}"),
        )
    }

    pub(crate) fn time_out(what: &str, seconds: f64) -> Self {
        let report = format!(
            "error[SFX-X006]: {what} did not answer within {seconds} s\n  help: --timeout 1min waits longer"
        );
        Self::new(Status::TimeOut, report)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let start = if is_nobody_home(&error) {
            "\n  help: `suffuse dev` starts a server on this machine"
        } else {
            ""
        };
        Self::new(connect_status(&error), format!("{}{start}", error.report()))
    }
}

/// Returns whether nothing was reached on this machine.
fn is_nobody_home(error: &ConnectError) -> bool {
    let is_refused_here = |attempt: &suffuse_client::Attempt| {
        matches!(attempt.failure(), Some(AttemptFailure::Tcp { .. }))
            && attempt
                .address
                .is_some_and(|address| address.ip().is_loopback())
    };
    !error.attempts().is_empty() && error.attempts().iter().all(is_refused_here)
}

fn connect_status(error: &ConnectError) -> Status {
    let Some(last) = error.attempts().last() else {
        return Status::Usage;
    };
    match last.failure() {
        Some(AttemptFailure::Rejected(ResponseCode::AUTHENTICATION_FAILED)) => Status::Refused,
        Some(AttemptFailure::TimedOut { .. }) => Status::TimeOut,
        Some(_) | None => Status::CannotConnect,
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let status = error.reason().map_or(Status::Error, refusal_status);
        let help = error.reason().and_then(refusal_help);
        let help = help
            .map(|help| format!("\n  help: {help}"))
            .unwrap_or_default();
        Self::new(status, format!("error[{}]: {error}{help}", error.code()))
    }
}

fn refusal_status(reason: &ErrorReason) -> Status {
    match reason.code {
        code if code == ErrorReason::ACCESS_DENIED.code => Status::Refused,
        code if code == ErrorReason::UNSATISFIED_CONSTRAINT.code => Status::ConditionFailed,
        code if code == ErrorReason::REQUEST_TIME_OUT.code => Status::TimeOut,
        _ => Status::Error,
    }
}

fn refusal_help(reason: &ErrorReason) -> Option<&'static str> {
    match reason.code {
        code if code == ErrorReason::ACCESS_DENIED.code => {
            Some("connect as a principal that may do this: --principal NAME --credentials PASSWORD")
        }
        code if code == ErrorReason::EXISTS_MISMATCH.code => Some(
            "remove the topic first, or use the type that it has: `suffuse fetch PATH` shows it",
        ),
        _ => None,
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Status::Error, error.to_string())
    }
}

impl From<SecurityFileError> for Failure {
    fn from(error: SecurityFileError) -> Self {
        Self::new(Status::Error, error.to_string())
    }
}
