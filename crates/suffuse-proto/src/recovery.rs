//! The messages of one direction that are kept so that a reconnection loses none (spec: connection §7.4).
//!
//! Both ends count every message of each direction from 1; the numbers are not on the wire. A
//! reconnection compares the counts, and what is missing is sent again from this ring.

use std::collections::VecDeque;

/// The most recent messages that were sent. The oldest is dropped at the limit: a peer that lost more
/// has to start anew.
#[derive(Clone, Debug)]
pub struct Recovery<T> {
    ring: VecDeque<Kept<T>>,
    /// How many messages `ring` has.
    messages: usize,
    bytes: usize,
    sent: u32,
    messages_max: usize,
    bytes_max: usize,
}

/// One message, or several that were sent together.
#[derive(Clone, Copy, Debug)]
struct Kept<T> {
    content: T,
    messages: u32,
    /// At most 4 GiB, so that a ring takes little memory.
    bytes: u32,
}

impl<T> Recovery<T> {
    /// Returns an empty ring for at most `messages_max` messages of `bytes_max` bytes together. It takes
    /// memory when it is used.
    #[must_use]
    pub fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            messages: 0,
            bytes: 0,
            sent: 0,
            messages_max,
            bytes_max,
        }
    }

    /// Counts messages that were sent together, and keeps them and their size.
    pub fn push(&mut self, content: T, messages: u32, bytes: usize) {
        self.sent = self.sent.wrapping_add(messages);
        // The oldest go first, so that the ring never takes memory for more than it may keep.
        while self.messages + messages as usize > self.messages_max
            || self.bytes + bytes > self.bytes_max
        {
            let Some(oldest) = self.ring.pop_front() else {
                return; // Too large to be kept at all.
            };
            self.messages -= oldest.messages as usize;
            self.bytes -= oldest.bytes as usize;
        }
        let Ok(kept_bytes) = u32::try_from(bytes) else {
            return self.forget();
        };
        self.messages += messages as usize;
        self.bytes += bytes;
        self.ring.push_back(Kept {
            content,
            messages,
            bytes: kept_bytes,
        });
    }

    fn forget(&mut self) {
        self.ring.clear();
        (self.messages, self.bytes) = (0, 0);
    }

    /// Returns how many messages were sent.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// Returns the messages after the `received` first ones, if all of them are still here: what they were
    /// sent in, and how many messages of the first of these the peer has already.
    #[must_use]
    pub fn after(&self, received: u32) -> Option<(usize, impl Iterator<Item = &T>)> {
        let missing = usize::try_from(self.sent.checked_sub(received)?).ok()?;
        let mut surplus = self.messages.checked_sub(missing)?;
        let mut start = 0;
        while let Some(kept) = self.ring.get(start)
            && kept.messages as usize <= surplus
        {
            surplus -= kept.messages as usize;
            start += 1;
        }
        let contents = self.ring.range(start..).map(|kept| &kept.content);
        Some((surplus, contents))
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
        (1..=5).for_each(|message| recovery.push(message, 1, 10));

        let after = |received| {
            let (_, kept) = recovery.after(received)?;
            Some(kept.copied().collect::<Vec<_>>())
        };
        assert_eq!(recovery.sent(), 5);
        assert_eq!(after(5), Some(vec![]));
        assert_eq!(after(3), Some(vec![4, 5]));
        assert_eq!(after(2), Some(vec![3, 4, 5]));
        assert_eq!(after(1), None, "message 2 was dropped");
        assert_eq!(after(6), None, "the peer cannot have more than was sent");

        recovery.push(6, 1, 95);
        assert_eq!(count(&recovery, 5), Some(1));
        assert_eq!(count(&recovery, 4), None, "its bytes had to make room");
        recovery.push(7, 1, 101);
        assert_eq!(count(&recovery, 6), None, "too large to be kept at all");
        assert_eq!(recovery.sent(), 7);
    }

    #[test]
    fn messages_that_were_sent_together_are_kept_together() {
        let mut recovery = Recovery::new(6, 100);
        for (content, messages) in [('a', 3), ('b', 2), ('c', 3)] {
            recovery.push(content, messages, 10);
        }
        let after = |received| {
            let (surplus, kept) = recovery.after(received)?;
            Some((surplus, kept.collect::<String>()))
        };
        assert_eq!(recovery.sent(), 8);
        assert_eq!(after(8), Some((0, String::new())));
        assert_eq!(after(7), Some((2, "c".to_owned())));
        assert_eq!(after(5), Some((0, "c".to_owned())));
        assert_eq!(after(4), Some((1, "bc".to_owned())));
        assert_eq!(after(3), Some((0, "bc".to_owned())));
        assert_eq!(after(2), None, "the first three had to make room");
    }

    fn count<T>(recovery: &Recovery<T>, received: u32) -> Option<usize> {
        let (_, kept) = recovery.after(received)?;
        Some(kept.count())
    }
}
