//! What operators do with a running broker.

use std::time::Instant;

use super::Broker;
use crate::{
    event::Closing,
    security::{GlobalPermission, Roles, UNKNOWN_PRINCIPAL_HASH},
};

impl Broker {
    /// Ends the connections of at most `count` sessions, so that their clients connect elsewhere, and returns
    /// of how many. The sessions wait for their clients as after a lost connection.
    pub fn move_sessions(&mut self, count: usize, now: Instant) -> usize {
        self.settle();
        let keys = self.sessions.connected(count);
        for key in &keys {
            self.cut(*key, Closing::Moved, now);
        }
        keys.len()
    }

    /// Returns how many sessions have a connection.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.sessions.connected_len()
    }

    /// Returns the hash of a principal's password, and whether the principal may control the server. For one
    /// that does not exist there is a hash too, which takes as long to check and fits no password.
    #[must_use]
    pub fn controller(&self, principal: &str) -> (String, bool) {
        let Some(principal) = self.principals.principals.get(principal) else {
            return (UNKNOWN_PRINCIPAL_HASH.to_owned(), false);
        };
        let roles = Roles::new(principal.roles.iter().cloned());
        let control = GlobalPermission::ControlServer as u8;
        let may_control = roles.global_ids().contains(&control);
        (principal.password_hash.clone(), may_control)
    }
}
