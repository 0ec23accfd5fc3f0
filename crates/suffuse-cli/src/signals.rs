//! Requests to stop: Ctrl-C and SIGTERM.

use crate::failure::{Failure, Status};

/// The name of the signal by which supervisors end a program.
pub(crate) const SIGTERM: &str = "SIGTERM";

/// Receives requests to stop, from the moment it is made.
#[derive(Debug)]
pub(crate) struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Takes over the signals, inside a runtime.
    ///
    /// # Errors
    /// When the system does not let us.
    #[cfg(unix)]
    pub(crate) fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let on = |kind| signal(kind).map_err(|error| refused(&error));
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
        })
    }

    /// Takes over the signals, inside a runtime.
    ///
    /// # Errors
    /// Never, on this system.
    #[cfg(not(unix))]
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next request and returns its name. May be dropped and called again.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => SIGTERM,
        }
    }

    /// Waits for the next request and returns its name. May be dropped and called again.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> &'static str {
        _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
    }
}

#[cfg(unix)]
fn refused(error: &std::io::Error) -> Failure {
    Failure::new(
        Status::Error,
        format!("error[SFX-X002]: cannot wait for signals: {error}"),
    )
}
