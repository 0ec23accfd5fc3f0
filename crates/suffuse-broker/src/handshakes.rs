//! Handshakes that wait for the check of a password. The number is limited by `Settings::verifications_max`.

use std::collections::BTreeMap;

use crate::event::{LinkId, Opening, Ticket};

/// A handshake that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) link: LinkId,
    pub(crate) opening: Opening,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    waiting: BTreeMap<Ticket, Waiting>,
    last: u64,
}

impl Handshakes {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn add(&mut self, waiting: Waiting) -> Ticket {
        self.last += 1;
        self.waiting.insert(Ticket(self.last), waiting);
        Ticket(self.last)
    }

    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Waiting> {
        self.waiting.remove(&ticket)
    }

    /// Drops the handshake of a link that ended.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.waiting.retain(|_, waiting| waiting.link != link);
    }
}
