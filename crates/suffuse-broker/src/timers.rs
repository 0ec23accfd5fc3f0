//! When sessions have to be looked at.

use std::{collections::BTreeSet, time::Instant};

use crate::sessions::SessionKey;

/// One deadline at most for each session.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, SessionKey)>);

impl Timers {
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(crate) fn replace(&mut self, session: SessionKey, old: Option<Instant>, at: Instant) {
        if let Some(old) = old {
            self.remove(session, old);
        }
        self.0.insert((at, session));
    }

    pub(crate) fn remove(&mut self, session: SessionKey, at: Instant) {
        self.0.remove(&(at, session));
    }

    pub(crate) fn take_due(&mut self, now: Instant) -> Option<SessionKey> {
        let (at, session) = *self.0.first().filter(|(at, _)| *at <= now)?;
        self.0.remove(&(at, session));
        Some(session)
    }
}
