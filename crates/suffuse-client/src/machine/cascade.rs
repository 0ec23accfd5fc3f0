//! The cascade: which transport comes next, as a pure function of the list, the position and the
//! outcome of the attempt there.
//!
//! ```text
//! transport error, or a code that cascades   the next of the list; after the last one: exhausted
//! any other code                             fatal: the rest of the list is not tried
//! ```
//! It never goes back, unless the application asked for retries: then the whole list comes again,
//! after a pause, as often as was asked for. It knows neither hosts nor security: those are the same for all attempts.

use std::{collections::BTreeSet, time::Duration};

use suffuse_proto::{ResponseClass, ResponseCode};

use crate::{
    retry::Retry,
    transport::{Transport, Transports},
};

/// Which rejections make the cascade go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum CascadingCodes {
    /// Those of the table of response codes.
    #[default]
    Table,
    /// Only these.
    Only(BTreeSet<ResponseCode>),
}

impl CascadingCodes {
    fn contains(&self, code: ResponseCode) -> bool {
        match self {
            Self::Table => code.class() == ResponseClass::Cascade,
            Self::Only(codes) => codes.contains(&code),
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The session is connected.
    Connected,
    /// There was no connection response.
    TransportError,
    /// The server refused.
    Rejected(ResponseCode),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make an attempt.
    Try {
        /// Its place in the list; counts on when the list is run again.
        position: usize,
        /// The transport there.
        transport: Transport,
        /// How long to wait before, at the start of the list.
        pause: Option<Duration>,
    },
    /// Use the session.
    Use,
    /// Stop.
    GiveUp(GiveUp),
}

/// Why the cascade stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    /// The list is empty.
    NoTransport,
    /// Every transport of the list failed, as often as the list was to be run.
    Exhausted,
    /// The server refused with a code after which other transports are of no use.
    Fatal,
}

/// A list of transports, and the rules to go through it.
#[derive(Clone, Debug)]
pub(crate) struct Cascade {
    list: Vec<Transport>,
    codes: CascadingCodes,
    retry: Retry,
}

impl Cascade {
    pub(crate) fn new(transports: &Transports, codes: CascadingCodes, retry: Retry) -> Self {
        Self {
            list: transports.as_slice().to_vec(),
            codes,
            retry,
        }
    }

    /// Returns the cascade that runs through the list once.
    pub(crate) fn without_retries(self) -> Self {
        Self {
            retry: Retry::default(),
            ..self
        }
    }

    /// Returns how many attempts there are at most.
    pub(crate) fn attempts_max(&self) -> usize {
        self.list.len().saturating_mul(self.retries() + 1)
    }

    /// Returns the pass through the list that a position is in, from 0.
    pub(crate) fn pass(&self, position: usize) -> usize {
        position.checked_div(self.list.len()).unwrap_or_default()
    }

    /// Returns how often the list is run again at most.
    pub(crate) fn retries(&self) -> usize {
        usize::from(self.retry.attempts)
    }

    /// Returns the first step.
    pub(crate) fn start(&self) -> Step {
        self.step_at(0, GiveUp::NoTransport)
    }

    /// Returns the step after an attempt.
    pub(crate) fn on_outcome(&self, position: usize, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Connected => Step::Use,
            Outcome::Rejected(code) if !self.codes.contains(code) => Step::GiveUp(GiveUp::Fatal),
            Outcome::Rejected(_) | Outcome::TransportError => {
                self.step_at(position + 1, GiveUp::Exhausted)
            }
        }
    }

    /// Returns the transports after a position, in the same pass.
    pub(crate) fn after(&self, position: usize) -> &[Transport] {
        let place = position.checked_rem(self.list.len()).unwrap_or_default();
        self.list.get(place + 1..).unwrap_or_default()
    }

    fn step_at(&self, position: usize, otherwise: GiveUp) -> Step {
        let place = position.checked_rem(self.list.len()).unwrap_or_default();
        match self.list.get(place) {
            Some(&transport) if self.pass(position) <= self.retries() => Step::Try {
                position,
                transport,
                pause: (place == 0 && position > 0).then_some(self.retry.interval),
            },
            Some(_) | None => Step::GiveUp(otherwise),
        }
    }
}

#[cfg(test)]
mod tests;
