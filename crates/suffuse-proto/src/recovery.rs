//! The messages of one direction that are kept so that a reconnection loses none (spec: connection §7.4).
//!
//! Both ends count every message of each direction from 1; the numbers are not on the wire. A
//! reconnection compares the counts, and what is missing is sent again from this ring.

use std::collections::VecDeque;

/// The most recent messages that were sent. The oldest is dropped at the limit: a peer that lost more
/// has to start anew.
#[derive(Clone, Debug)]
pub struct Recovery<T> {
    ring: VecDeque<(T, usize)>,
    bytes: usize,
    sent: u32,
    messages_max: usize,
    bytes_max: usize,
}

impl<T> Recovery<T> {
    /// Returns an empty ring for at most `messages_max` messages of `bytes_max` bytes together. It takes
    /// memory when it is used.
    #[must_use]
    pub fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            bytes: 0,
            sent: 0,
            messages_max,
            bytes_max,
        }
    }

    /// Counts a message that was sent, and keeps it and its size.
    pub fn push(&mut self, message: T, bytes: usize) {
        self.sent = self.sent.wrapping_add(1);
        // The oldest go first, so that the ring never takes memory for more than it may keep.
        while self.ring.len() >= self.messages_max || self.bytes + bytes > self.bytes_max {
            let Some((_, bytes)) = self.ring.pop_front() else {
                return; // Too large to be kept at all.
            };
            self.bytes -= bytes;
        }
        self.bytes += bytes;
        self.ring.push_back((message, bytes));
    }

    /// Returns how many messages were sent.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// Returns the messages after the `received` first ones, if all of them are still here.
    #[must_use]
    pub fn after(&self, received: u32) -> Option<impl Iterator<Item = &T>> {
        let missing = usize::try_from(self.sent.checked_sub(received)?).ok()?;
        let start = self.ring.len().checked_sub(missing)?;
        Some(self.ring.range(start..).map(|(message, _)| message))
    }

    /// Forgets all messages and starts to count anew.
    pub fn clear(&mut self) {
        *self = Self::new(self.messages_max, self.bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_peer_did_not_get_is_there_up_to_the_limit() {
        let mut recovery = Recovery::new(3, 100);
        (1..=5).for_each(|message| recovery.push(message, 10));

        let after = |received| {
            recovery
                .after(received)
                .map(|kept| kept.copied().collect::<Vec<_>>())
        };
        assert_eq!(recovery.sent(), 5);
        assert_eq!(after(5), Some(vec![]));
        assert_eq!(after(3), Some(vec![4, 5]));
        assert_eq!(after(2), Some(vec![3, 4, 5]));
        assert_eq!(after(1), None, "message 2 was dropped");
        assert_eq!(after(6), None, "the peer cannot have more than was sent");

        recovery.push(6, 95);
        assert_eq!(recovery.after(5).map(Iterator::count), Some(1));
        assert_eq!(
            recovery.after(4).map(Iterator::count),
            None,
            "its bytes had to make room"
        );
        recovery.push(7, 101);
        assert_eq!(
            recovery.after(6).map(Iterator::count),
            None,
            "too large to be kept at all"
        );
        assert_eq!(recovery.sent(), 7);
    }
}
