//! The cascade: which transport comes next, as a pure function of the list, the position and the
//! outcome of the attempt there.
//!
//! ```text
//! transport error, or a code that cascades   the next of the list; after the last one: exhausted
//! any other code                             fatal: the rest of the list is not tried
//! ```
//! It never goes back, and it knows neither hosts nor security: those are the same for all attempts.

use std::collections::BTreeSet;

use suffuse_proto::{ResponseClass, ResponseCode};

use crate::transport::{Transport, Transports};

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
        /// Its place in the list.
        position: usize,
        /// The transport there.
        transport: Transport,
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
    /// Every transport of the list failed.
    Exhausted,
    /// The server refused with a code after which other transports are of no use.
    Fatal,
}

/// A list of transports, and the rules to go through it.
#[derive(Clone, Debug)]
pub(crate) struct Cascade {
    list: Vec<Transport>,
    codes: CascadingCodes,
}

impl Cascade {
    pub(crate) fn new(transports: &Transports, codes: CascadingCodes) -> Self {
        Self {
            list: transports.as_slice().to_vec(),
            codes,
        }
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

    /// Returns the transports after a position.
    pub(crate) fn after(&self, position: usize) -> &[Transport] {
        self.list.get(position + 1..).unwrap_or_default()
    }

    fn step_at(&self, position: usize, otherwise: GiveUp) -> Step {
        match self.list.get(position) {
            Some(&transport) => Step::Try {
                position,
                transport,
            },
            None => Step::GiveUp(otherwise),
        }
    }
}

#[cfg(test)]
mod tests;
