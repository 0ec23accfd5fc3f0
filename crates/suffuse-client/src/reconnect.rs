//! How the client comes back after its connection was lost: for how long, and when it tries.

use std::{fmt, sync::Arc, time::Duration};

use crate::attempt::Attempt;

/// For how long a session is kept without a connection, if nothing else is said.
const WITHIN: Duration = Duration::from_secs(60);

/// Whether, for how long and how a lost connection is made anew. Given to
/// [`Builder::reconnect`](crate::Builder::reconnect).
///
/// The server is asked to keep the session for the same time; it may keep it for less.
///
/// ```
/// # use std::time::Duration;
/// use suffuse_client::{Backoff, FixedInterval, NextAttempt, Reconnect};
///
/// // The default: exponential back-off with full jitter, for at most a minute.
/// let default = Reconnect::within(Duration::from_secs(60));
/// // At most two minutes, with pauses that grow up to 10 s.
/// let quick = Reconnect::within(Duration::from_secs(120))
///     .strategy(Backoff::full_jitter(Duration::from_millis(100), Duration::from_secs(10)));
/// // Every 5 s, as the published clients do it.
/// let fixed = Reconnect::within(Duration::from_secs(60))
///     .strategy(FixedInterval(Duration::from_secs(5)));
/// // Three attempts, a second apart.
/// let own = Reconnect::default().strategy(|next: &NextAttempt<'_>| {
///     (next.number <= 3).then_some(Duration::from_secs(1))
/// });
/// // A lost connection ends the session.
/// let never = Reconnect::never();
/// ```
#[derive(Clone)]
pub struct Reconnect {
    pub(crate) within: Duration,
    pub(crate) strategy: Arc<dyn ReconnectStrategy>,
}

impl Reconnect {
    /// Returns the settings by which the client tries to come back for so long, from the loss of the
    /// connection on; then the session is closed. Zero is the same as [`Self::never`].
    #[must_use]
    pub fn within(within: Duration) -> Self {
        Self {
            within,
            strategy: Arc::new(Backoff::default()),
        }
    }

    /// Returns the settings by which a lost connection ends the session.
    #[must_use]
    pub fn never() -> Self {
        Self::within(Duration::ZERO)
    }

    /// Sets when an attempt is made; by default as [`Backoff::default`] has it.
    #[must_use]
    pub fn strategy(self, strategy: impl ReconnectStrategy + 'static) -> Self {
        Self {
            strategy: Arc::new(strategy),
            ..self
        }
    }
}

/// Within a minute, with back-off.
impl Default for Reconnect {
    fn default() -> Self {
        Self::within(WITHIN)
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect")
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

/// What is known before an attempt to reconnect. An attempt is a run through the whole list of
/// transports.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NextAttempt<'a> {
    /// Its number, from 1. It counts on over losses that follow each other within 5 s, so that a
    /// connection that does not hold is tried more and more rarely.
    pub number: u32,
    /// What happened last: how the connection was lost, or why the last attempt failed.
    pub cause: &'a str,
    /// What the last attempt did on each transport; empty before the first one after a loss.
    pub tried: &'a [Attempt],
    /// How long ago the connection was lost.
    pub lost_for: Duration,
    /// A random number from 0 up to 1, for jitter.
    pub random: f64,
}

/// Says how long to wait before an attempt to reconnect. It is a pure function: it must not block.
///
/// Functions are strategies too: `|next: &NextAttempt<'_>| Some(Duration::from_secs(1))`.
pub trait ReconnectStrategy: Send + Sync {
    /// Returns the pause before the next attempt; `None` closes the session.
    fn pause(&self, next: &NextAttempt<'_>) -> Option<Duration>;
}

impl<F: Fn(&NextAttempt<'_>) -> Option<Duration> + Send + Sync> ReconnectStrategy for F {
    fn pause(&self, next: &NextAttempt<'_>) -> Option<Duration> {
        self(next)
    }
}

/// Exponential back-off with full jitter: each pause is a random part of a limit that doubles with
/// every attempt. So thousands of clients that lost one server do not come back in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The limit of the first pause.
    pub first: Duration,
    /// The limit that no pause exceeds.
    pub longest: Duration,
}

impl Backoff {
    /// Returns the back-off whose first pause is at most `first`, and whose pauses are never longer
    /// than `longest`.
    #[must_use]
    pub fn full_jitter(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }
}

/// From 200 ms up to a minute.
impl Default for Backoff {
    fn default() -> Self {
        Self::full_jitter(Duration::from_millis(200), Duration::from_secs(60))
    }
}

impl ReconnectStrategy for Backoff {
    fn pause(&self, next: &NextAttempt<'_>) -> Option<Duration> {
        let doublings = next.number.saturating_sub(1).min(31);
        let limit = self.first.saturating_mul(1 << doublings).min(self.longest);
        Some(limit.mul_f64(next.random.clamp(0.0, 1.0)))
    }
}

/// The same pause before every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedInterval(
    /// The pause.
    pub Duration,
);

impl ReconnectStrategy for FixedInterval {
    fn pause(&self, _: &NextAttempt<'_>) -> Option<Duration> {
        Some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(number: u32, random: f64) -> NextAttempt<'static> {
        NextAttempt {
            number,
            cause: "cut",
            tried: &[],
            lost_for: Duration::ZERO,
            random,
        }
    }

    #[test]
    fn pauses_are_a_random_part_of_a_limit_that_doubles_up_to_the_cap() {
        let backoff = Backoff::default();
        let pause = |number, random| backoff.pause(&next(number, random)).unwrap().as_millis();
        let cases = [
            (1, 0.0, 0),
            (1, 0.5, 100),
            (1, 1.0, 200),
            (2, 1.0, 400),
            (3, 0.5, 400),
            (9, 1.0, 51_200),
            (10, 1.0, 60_000),
            (u32::MAX, 0.5, 30_000),
            (1, f64::INFINITY, 200),
        ];
        for (number, random, millis) in cases {
            assert_eq!(pause(number, random), millis, "attempt {number}, {random}");
        }
    }

    #[test]
    fn intervals_and_functions_are_strategies() {
        let second = Duration::from_secs(1);
        assert_eq!(FixedInterval(second).pause(&next(7, 0.3)), Some(second));
        let three = |next: &NextAttempt<'_>| (next.number <= 3).then_some(second);
        assert_eq!(three.pause(&next(3, 0.3)), Some(second));
        assert_eq!(three.pause(&next(4, 0.3)), None);
    }
}
