//! The messages of one direction that are kept so that a reconnection loses none (spec: connection §7.4).
//!
//! Both ends count every message of each direction from 1; the numbers are not on the wire. A
//! reconnection compares the counts, and what is missing is sent again from this ring.

use std::collections::VecDeque;

/// The most recent messages that were sent. The oldest are dropped at the limit: a peer that lost more
/// has to start anew.
///
/// Servers send the same to thousands of peers, and the rings of all of them fit into no cache. So the last
/// messages wait beside the counts, and go to the ring four at a time.
#[derive(Clone, Debug)]
pub struct Recovery<T> {
    ring: VecDeque<Kept<T>>,
    /// What is newer than `ring`, in the first places.
    recent: [Option<Kept<T>>; RECENT_MAX],
    recent_count: usize,
    /// How many messages are kept.
    messages: usize,
    /// How many bytes they have.
    bytes: usize,
    sent: u32,
    messages_max: usize,
    bytes_max: usize,
}

/// How many wait to go to the ring.
const RECENT_MAX: usize = 4;
/// At the limit so many messages are dropped at once: one in 64.
const DROPPED_DIVISOR: usize = 64;

/// One message, or several that were sent together.
#[derive(Clone, Copy, Debug)]
struct Kept<T> {
    content: T,
    messages: u32,
    /// Not more than 4 GiB, so that a ring takes little memory.
    bytes: u32,
}

impl<T> Recovery<T> {
    /// Returns an empty ring for at most `messages_max` messages of `bytes_max` bytes together. It takes
    /// memory when it is used.
    #[must_use]
    pub fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            recent: [const { None }; RECENT_MAX],
            recent_count: 0,
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
        let kept_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let is_too_large = bytes > self.bytes_max.min(u32::MAX as usize);
        if is_too_large || messages as usize > self.messages_max {
            return self.forget();
        }
        self.make_room(messages as usize, bytes);
        if self.recent_count == RECENT_MAX {
            let recent = self.recent.iter_mut().filter_map(Option::take);
            self.ring.extend(recent);
            self.recent_count = 0;
        }
        self.messages += messages as usize;
        self.bytes += bytes;
        self.recent[self.recent_count] = Some(Kept {
            content,
            messages,
            bytes: kept_bytes,
        });
        self.recent_count += 1;
    }

    /// Drops the oldest, if that is needed for what comes.
    fn make_room(&mut self, messages: usize, bytes: usize) {
        if self.messages + messages > self.messages_max {
            let kept = self.messages_max - messages;
            let kept = kept.saturating_sub(self.messages_max / DROPPED_DIVISOR);
            while self.messages > kept {
                self.drop_oldest();
            }
        }
        while self.bytes + bytes > self.bytes_max {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.ring.pop_front().or_else(|| {
            let oldest = self.recent[0].take();
            self.recent.rotate_left(1);
            self.recent_count -= usize::from(oldest.is_some());
            oldest
        });
        if let Some(oldest) = oldest {
            self.messages -= oldest.messages as usize;
            self.bytes -= oldest.bytes as usize;
        }
    }

    fn forget(&mut self) {
        self.ring.clear();
        self.recent.fill_with(|| None);
        (self.recent_count, self.messages, self.bytes) = (0, 0, 0);
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
        // The counts start anew after 2^32 messages. A peer that claims more than was sent misses more than
        // is kept.
        let missing = usize::try_from(self.sent.wrapping_sub(received)).ok()?;
        let mut surplus = self.messages.checked_sub(missing)?;
        let mut all = self
            .ring
            .iter()
            .chain(self.recent.iter().flatten())
            .peekable();
        while let Some(kept) = all.next_if(|kept| kept.messages as usize <= surplus) {
            surplus -= kept.messages as usize;
        }
        Some((surplus, all.map(|kept| &kept.content)))
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

    #[test]
    fn the_limit_holds_while_many_are_dropped_at_once() {
        let mut recovery = Recovery::new(256, 10_000);
        for message in 1..=5000_u32 {
            recovery.push(message, 1, 7);
            let kept = (0..=256).rev().find_map(|lost| {
                let (surplus, kept) = recovery.after(message.checked_sub(lost)?)?;
                assert_eq!(surplus, 0);
                Some(kept.copied().collect::<Vec<_>>())
            });
            let kept = kept.unwrap();
            let expected = message + 1 - u32::try_from(kept.len()).unwrap()..=message;
            assert!(kept.into_iter().eq(expected.clone()), "after {message}");
            let least = message.min(252);
            assert!(
                (least..=256).contains(&(expected.count() as u32)),
                "after {message}"
            );
        }
    }

    fn count<T>(recovery: &Recovery<T>, received: u32) -> Option<usize> {
        let (_, kept) = recovery.after(received)?;
        Some(kept.count())
    }
}
