//! Trying again when no transport led to a session.

use std::time::Duration;

/// How often the whole list of transports is tried again. Given to
/// [`Builder::retry`](crate::Builder::retry).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// How often the list is run again after its first run.
    pub attempts: u16,
    /// How long to wait before each further run.
    pub interval: Duration,
}
