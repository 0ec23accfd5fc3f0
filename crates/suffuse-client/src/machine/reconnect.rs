//! Reconnection: when a lost connection is made anew, and when it is given up.
//!
//! ```text
//!            lost                    pause is over
//!   Up ────────────────► Waiting ──────────────────► Trying
//!   ▲                    ▲  │                         │ │ │
//!   │ resumed            │  │ time is up,    failed   │ │ │
//!   └────────────────────│──│─────────────────────────│─┘ │ refused,
//!                        └──│─────────────────────────┘   │ time is up
//!                           └──────────► Over ◄───────────┘
//! ```
//! An attempt is a run through the whole list of transports, and has an id: what an attempt that was
//! given up still reports is ignored. The time runs from the loss of the connection. The strategy
//! says how long to wait; attempts count on until a connection has held for [`STABLE`].

use std::time::Duration;

use suffuse_proto::ResponseCode;

use crate::{
    attempt::Attempt,
    reconnect::{NextAttempt, Reconnect},
};

/// How long a connection has to hold before the next loss is a new story.
pub(crate) const STABLE: Duration = Duration::from_secs(5);

/// Names one attempt to reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttemptId(u64);

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub(crate) struct FailedAttempt {
    /// What happened on each transport.
    pub(crate) tried: Vec<Attempt>,
}

impl FailedAttempt {
    /// Returns the code by which the server said that the session is over for good (spec: connection
    /// §7.7): any but 127, after which it may know better.
    fn refusal(&self) -> Option<ResponseCode> {
        let mut codes = self.tried.iter().filter_map(Attempt::response_code);
        codes.rfind(|code| *code != ResponseCode::ERROR)
    }

    pub(crate) fn cause(&self) -> String {
        self.tried.last().map_or_else(
            || "no transport could be tried".to_owned(),
            |last| format!("{}: {}", last.transport, last.reason()),
        )
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: what happened does not matter here.
    Ignore,
    /// Wait until [`Reconnection::poll_timeout`].
    Wait { attempt: u32, pause: Duration },
    /// Run through the list of transports.
    Try(AttemptId),
    /// Close the session.
    GiveUp(GiveUp),
}

/// Why no more attempts are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    /// The application does not want any.
    Off,
    /// The strategy of the application wants no more.
    Strategy { cause: String },
    /// The time is up.
    TimedOut { within: Duration, cause: String },
    /// The server does not resume the session.
    Refused(ResponseCode),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Up {
        since: Duration,
    },
    Waiting {
        lost: Duration,
        until: Duration,
        cause: String,
    },
    Trying {
        lost: Duration,
        id: AttemptId,
        cause: String,
    },
    Over,
}

/// The logic of reconnection of one session.
#[derive(Debug)]
pub(crate) struct Reconnection {
    settings: Reconnect,
    state: State,
    /// How many attempts were made since a connection was stable.
    attempts: u32,
    last_id: u64,
    random: Random,
}

impl Reconnection {
    /// Returns the logic of a session that is connected. Jitter follows from `seed`.
    pub(crate) fn new(settings: Reconnect, seed: u64) -> Self {
        Self {
            settings,
            state: State::Up {
                since: Duration::ZERO,
            },
            attempts: 0,
            last_id: 0,
            random: Random(seed),
        }
    }

    /// Returns whether a lost connection is made anew.
    pub(crate) fn is_on(&self) -> bool {
        !self.settings.within.is_zero()
    }

    /// Returns when [`Self::on_timeout`] has to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting { lost, until, .. } => Some((*until).min(self.deadline(*lost))),
            State::Trying { lost, .. } => Some(self.deadline(*lost)),
            State::Up { .. } | State::Over => None,
        }
    }

    /// Takes note that the connection was lost.
    pub(crate) fn on_lost(&mut self, cause: String, now: Duration) -> Step {
        let State::Up { since } = self.state else {
            return Step::Ignore;
        };
        if !self.is_on() {
            return self.give_up(GiveUp::Off);
        }
        if now.saturating_sub(since) >= STABLE {
            self.attempts = 0;
        }
        self.wait(now, &[], cause, now)
    }

    /// Takes note of the time.
    pub(crate) fn on_timeout(&mut self, now: Duration) -> Step {
        if self.poll_timeout().is_none_or(|timeout| timeout > now) {
            return Step::Ignore;
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting { lost, cause, .. } if now < self.deadline(lost) => {
                self.last_id += 1;
                let id = AttemptId(self.last_id);
                self.state = State::Trying { lost, id, cause };
                Step::Try(id)
            }
            State::Waiting { cause, .. } | State::Trying { cause, .. } => self.time_out(cause),
            State::Up { .. } | State::Over => Step::Ignore,
        }
    }

    /// Takes note that an attempt failed.
    pub(crate) fn on_failed(
        &mut self,
        id: AttemptId,
        failed: &FailedAttempt,
        now: Duration,
    ) -> Step {
        let Some(lost) = self.trying(id) else {
            return Step::Ignore;
        };
        match failed.refusal() {
            Some(code) => self.give_up(GiveUp::Refused(code)),
            None => self.wait(lost, &failed.tried, failed.cause(), now),
        }
    }

    /// Takes note that an attempt led to a connection. Returns whether it is to be used: not if the
    /// attempt was given up meanwhile.
    pub(crate) fn on_connected(&mut self, id: AttemptId, now: Duration) -> bool {
        let is_current = self.trying(id).is_some();
        if is_current {
            self.state = State::Up { since: now };
        }
        is_current
    }

    /// Takes note that the session is closed.
    pub(crate) fn on_closed(&mut self) {
        self.state = State::Over;
    }

    /// Returns when the connection was lost, if the attempt is the one that is being made.
    fn trying(&self, id: AttemptId) -> Option<Duration> {
        match self.state {
            State::Trying {
                lost, id: current, ..
            } if current == id => Some(lost),
            State::Trying { .. } | State::Up { .. } | State::Waiting { .. } | State::Over => None,
        }
    }

    fn wait(&mut self, lost: Duration, tried: &[Attempt], cause: String, now: Duration) -> Step {
        let attempt = self.attempts.saturating_add(1);
        let next = NextAttempt {
            number: attempt,
            cause: &cause,
            tried,
            lost_for: now.saturating_sub(lost),
            random: self.random.next(),
        };
        let Some(pause) = self.settings.strategy.pause(&next) else {
            return self.give_up(GiveUp::Strategy { cause });
        };
        self.attempts = attempt;
        let until = now.saturating_add(pause);
        self.state = State::Waiting { lost, until, cause };
        Step::Wait { attempt, pause }
    }

    fn time_out(&mut self, cause: String) -> Step {
        let within = self.settings.within;
        self.give_up(GiveUp::TimedOut { within, cause })
    }

    fn give_up(&mut self, why: GiveUp) -> Step {
        self.state = State::Over;
        Step::GiveUp(why)
    }

    fn deadline(&self, lost: Duration) -> Duration {
        lost.saturating_add(self.settings.within)
    }
}

/// Numbers for jitter (splitmix64): the machine has no randomness of its own but this seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// Returns a number from 0 up to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // A float has 53 bits of precision.
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests;
