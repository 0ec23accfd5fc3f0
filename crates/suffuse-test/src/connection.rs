//! A connection apart from its client.

use std::{
    cell::{RefCell, RefMut},
    rc::Rc,
};

use bytes::Bytes;
use suffuse_broker::{Closing, Event, Fault, LinkId};

use crate::sim::World;

/// A connection that its client has left, or will leave.
#[derive(Debug)]
pub struct Connection {
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) link: LinkId,
}

impl Connection {
    /// A message comes, late.
    pub fn send_bytes(&self, bytes: impl Into<Bytes>) {
        let (link, bytes) = (self.link, bytes.into());
        self.world().handle(Event::Message { link, bytes });
    }

    /// It breaks.
    pub fn lose(&self) {
        let link = self.link;
        self.world().handle(Event::Lost { link });
    }

    /// It has a fault below the messages.
    pub fn fault(&self) {
        let (link, fault) = (self.link, Fault::Malformed);
        self.world().handle(Event::Fault { link, fault });
    }

    /// It has sent everything.
    pub fn ready(&self) {
        let link = self.link;
        self.world().handle(Event::Ready { link });
    }

    /// Returns why the broker ended it, if it did.
    #[must_use]
    pub fn closed(&self) -> Option<Closing> {
        self.world().link(self.link).closed
    }

    /// Returns how many messages arrived that nobody looked at.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.world().link(self.link).arrived.len()
    }

    fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }
}
