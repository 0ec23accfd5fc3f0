//! Whether a session has a connection (spec: connection §7.7).

use crate::state::states;

states! {
    /// Whether a session has a connection.
    pub(crate) enum Phase {
        /// It has one.
        Active,
        /// It lost it, and is kept for a while.
        Lost,
        /// It is closed for good.
        Closed,
    }
    /// The connection is lost.
    lost(Active => Lost);
    /// The client is back.
    resumed(Lost => Active);
    /// The session ends: by the client, by the server, or because it did not come back in time.
    close(Active | Lost => Closed);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_transition_is_as_reviewed() {
        insta::assert_snapshot!(super::Phase::table(), @r"
        Active   lost       Lost
        Active   resumed    -
        Active   close      Closed
        Lost     lost       -
        Lost     resumed    Active
        Lost     close      Closed
        Closed   lost       -
        Closed   resumed    -
        Closed   close      -
        ");
    }
}
