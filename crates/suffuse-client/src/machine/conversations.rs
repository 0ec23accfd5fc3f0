//! The requests that wait for an answer.

use std::collections::BTreeMap;

use suffuse_proto::message::ConversationId;

use super::sent::Number;

/// The open conversations, each with the number of its request and what the driver needs to answer it.
#[derive(Debug)]
pub(super) struct Conversations<Ticket> {
    last: i64,
    open: BTreeMap<ConversationId, (Number, Ticket)>,
}

impl<Ticket> Default for Conversations<Ticket> {
    fn default() -> Self {
        Self {
            last: 0,
            open: BTreeMap::new(),
        }
    }
}

impl<Ticket> Conversations<Ticket> {
    /// Returns an id that was not used before in this session.
    pub(super) fn next_id(&mut self) -> ConversationId {
        self.last += 1;
        ConversationId(self.last)
    }

    pub(super) fn open(&mut self, id: ConversationId, number: Number, ticket: Ticket) {
        self.open.insert(id, (number, ticket));
    }

    pub(super) fn close(&mut self, id: ConversationId) -> Option<(Number, Ticket)> {
        self.open.remove(&id)
    }

    /// Returns the tickets of all open conversations, oldest first, and forgets them.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Ticket> + use<Ticket> {
        std::mem::take(&mut self.open)
            .into_values()
            .map(|(_, ticket)| ticket)
    }
}
