//! Whether a session goes on over a new connection, or starts anew (spec: connection §7.4, §7.5, §7.6).

use suffuse_proto::handshake::Reconnect;

use super::Session;
use crate::{Frame, ReconnectPolicy, event::Transport};

/// What became of the messages of a session since it began, or started anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// All went over one connection.
    #[default]
    Whole,
    /// It went on over another connection.
    Resumed,
    /// It started anew over another connection.
    Anew,
    /// Some that were for the client are dropped.
    Broken,
}

impl Session {
    /// Returns whether the session can go on without loss.
    pub(crate) fn goes_on(&self, policy: ReconnectPolicy, reconnect: &Reconnect) -> bool {
        let is_allowed = match policy {
            ReconnectPolicy::Compatible => !self.resends_wrongly() && !self.counts_wrongly(),
            ReconnectPolicy::Always106 => false,
            ReconnectPolicy::Strict => true,
        };
        // Python forgets its topics and its requests, whatever it is told.
        is_allowed
            && !self.is_python()
            && self.continuity != Continuity::Broken
            && self.has_all_messages(reconnect)
    }

    /// Returns whether the client sends the wrong messages again if it is told once more to go on: JavaScript
    /// does not count what it has sent again.
    fn resends_wrongly(&self) -> bool {
        self.is_javascript() && self.continuity == Continuity::Resumed
    }

    /// Returns whether the client may not know how many messages it has received: JavaScript that starts anew
    /// leaves out messages that come right behind the answer, and counts some of the connection before.
    fn counts_wrongly(&self) -> bool {
        self.is_javascript() && self.continuity == Continuity::Anew
    }

    fn has_all_messages(&self, reconnect: &Reconnect) -> bool {
        let oldest = reconnect.client_sequence as u32;
        // Counts start anew after 2^32 messages, so only their distance says which is ahead.
        let missing = oldest.wrapping_sub(self.received.wrapping_add(1)) as i32;
        let received = reconnect.server_sequence as u32;
        missing <= 0 && self.recovery.after(received).is_some()
    }

    /// Takes what the client does not have from the messages that are kept. A poll carries single messages.
    pub(crate) fn messages_after(&self, received: u32) -> Vec<Frame> {
        let Some((surplus, kept)) = self.recovery.after(received) else {
            return Vec::new();
        };
        let is_split = self.origin.transport == Transport::HttpPolling;
        let mut frames = Vec::new();
        let mut surplus = surplus;
        for frame in kept {
            if surplus > 0 || is_split {
                frames.extend(frame.split().skip(surplus));
                surplus = 0;
            } else {
                frames.push(frame.clone());
            }
        }
        frames
    }

    /// Returns whether a client that repeats a request or an answer has left another one out. JavaScript that
    /// has lost several messages sends one of them again in the place of another.
    pub(crate) fn loses_what_it_repeats(&self, policy: ReconnectPolicy) -> bool {
        policy == ReconnectPolicy::Compatible && self.resends_wrongly()
    }

    fn is_javascript(&self) -> bool {
        matches!(self.origin.client_type.as_str(), "WB" | "B")
    }

    pub(crate) fn is_python(&self) -> bool {
        self.origin.client_type == "PY"
    }
}
