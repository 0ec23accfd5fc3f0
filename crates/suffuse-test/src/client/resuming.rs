//! How a client comes back over another connection (spec: connection §7.4).

use suffuse_broker::Opening;
use suffuse_proto::{ResponseCode, handshake::Reconnect};

use super::Client;
use crate::{
    Connection,
    sim::{Outcome, Reading},
};

impl Client {
    /// Returns how many messages arrived since the session began, or started anew.
    #[must_use]
    pub fn received(&self) -> u32 {
        self.world().link(self.link).received
    }

    /// Returns a handle of the connection, for when the client has another one.
    #[must_use]
    pub fn handle(&self) -> Connection {
        Connection {
            world: self.world.clone(),
            link: self.link,
        }
    }

    /// From now on everything is taken by the network, and nothing arrives.
    pub fn stop_hearing(&mut self) {
        self.world().link(self.link).reading = Reading::Deaf;
    }

    /// Comes back over another connection, and returns the code that it gets. What the server expects is
    /// sent again.
    pub fn resume(&mut self) -> ResponseCode {
        self.resume_as(|_| {})
    }

    /// Comes back as [`Client::resume`] does, with a handshake that `alter` alters.
    ///
    /// # Panics
    /// When the server expects a message that was never sent.
    #[track_caller]
    pub fn resume_as(&mut self, alter: impl FnOnce(&mut Opening)) -> ResponseCode {
        let mut opening = self.opening.clone();
        opening.request.reconnect = Some(Reconnect {
            token: Some(self.expect_accepted().token),
            client_sequence: 1,
            server_sequence: self.world().link(self.link).received as i32,
        });
        alter(&mut opening);
        let link = self.world.borrow_mut().open(opening, Some(self.link));
        let outcome = self.world().link(link).outcome.clone();
        let accepted = match outcome {
            Outcome::Accepted(accepted) => accepted,
            Outcome::Refused(code) => return code,
            Outcome::Open => panic!("a reconnection is answered at once"),
        };
        self.link = link;
        let sent = std::mem::take(&mut self.sent);
        if accepted.code == ResponseCode::RECONNECTED {
            let arrived = accepted.sequence_or_message_bytes_max as usize - 1;
            let (arrived, again) = sent
                .split_at_checked(arrived)
                .expect("the server expects the next message or one that was sent");
            self.sent = arrived.to_vec();
            for message in again {
                self.send_bytes(message.clone());
            }
        } else {
            self.asked.clear();
        }
        accepted.code
    }
}
