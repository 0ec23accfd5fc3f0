//! The messages that were sent, numbered, and kept until the server is known to have them
//! (spec: connection §7.4).
//!
//! Numbers begin at 1 and are not on the wire: both ends count. An answer says that the server has
//! the request, and so everything before it; a reconnection says it too. At the limit the oldest
//! messages are forgotten, and a reconnection that needs them loses messages.

use std::collections::VecDeque;

use bytes::Bytes;

/// How many messages are kept: as many as there may be requests, and what goes between.
const MESSAGES_MAX: usize = 4096 + 256;
/// How many bytes they may have together; the newest message is kept whatever its size.
const BYTES_MAX: usize = 8 << 20;

/// The number of a message of one direction, from 1.
pub(crate) type Number = u64;

/// What was sent, and may have to be sent again.
#[derive(Debug, Default)]
pub(super) struct Sent {
    kept: VecDeque<Bytes>,
    bytes: usize,
    count: Number,
}

impl Sent {
    /// Keeps a message, and returns its number.
    pub(super) fn push(&mut self, message: Bytes) -> Number {
        self.count += 1;
        self.bytes += message.len();
        self.kept.push_back(message);
        while self.kept.len() > MESSAGES_MAX || (self.bytes > BYTES_MAX && self.kept.len() > 1) {
            self.forget_oldest();
        }
        self.count
    }

    /// Takes note that the server has a message, and so all before it.
    pub(super) fn arrived(&mut self, number: Number) {
        while !self.kept.is_empty() && self.oldest() <= number {
            self.forget_oldest();
        }
    }

    /// Returns the number of the oldest message that is kept; of the next one, if none is.
    pub(super) fn oldest(&self) -> Number {
        self.count + 1 - self.kept.len() as Number
    }

    /// Returns the messages that the server lacks when `next` is the number that it expects next;
    /// `None` if they are not here, or were never sent.
    pub(super) fn from(&mut self, next: Number) -> Option<impl Iterator<Item = Bytes>> {
        if next < self.oldest() || next > self.count + 1 {
            return None;
        }
        self.arrived(next - 1);
        Some(self.kept.iter().cloned())
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(count: u8) -> Sent {
        let mut sent = Sent::default();
        (1..=count).for_each(|number| {
            assert_eq!(sent.push(vec![number].into()), Number::from(number));
        });
        sent
    }

    fn lacking(sent: &mut Sent, next: Number) -> Option<Vec<u8>> {
        Some(sent.from(next)?.map(|message| message[0]).collect())
    }

    #[test]
    fn exactly_what_the_server_lacks_is_sent_again() {
        let cases: [(u8, Number, Number, Option<&[u8]>); 9] = [
            // sent, known to have arrived, expected next, what it lacks
            (0, 0, 1, Some(&[])),
            (3, 0, 1, Some(&[1, 2, 3])),
            (3, 0, 2, Some(&[2, 3])),
            (3, 0, 4, Some(&[])),
            (3, 2, 3, Some(&[3])),
            (3, 3, 4, Some(&[])),
            (3, 2, 2, None),
            (3, 0, 5, None),
            (3, 0, 0, None),
        ];
        for (count, arrived, next, expected) in cases {
            let mut sent = sent(count);
            sent.arrived(arrived);
            let lacking = lacking(&mut sent, next);
            assert_eq!(
                lacking.as_deref(),
                expected,
                "{count} sent, {arrived} arrived, {next} next"
            );
        }
    }

    #[test]
    fn what_was_sent_again_is_not_counted_again() {
        let mut sent = sent(3);
        assert_eq!(lacking(&mut sent, 2), Some(vec![2, 3]));
        assert_eq!((sent.oldest(), sent.push(vec![4].into())), (2, 4));
        assert_eq!(lacking(&mut sent, 3), Some(vec![3, 4]));
    }

    #[test]
    fn the_oldest_are_forgotten_at_the_limits() {
        let mut many = Sent::default();
        for _ in 0..=MESSAGES_MAX {
            many.push(Bytes::new());
        }
        assert_eq!(many.oldest(), 2);

        let mut large = sent(2);
        large.push(vec![0; BYTES_MAX].into());
        assert_eq!((large.oldest(), large.bytes), (3, BYTES_MAX));
        large.push(vec![0; BYTES_MAX + 1].into());
        assert_eq!((large.oldest(), large.bytes), (4, BYTES_MAX + 1));
        large.arrived(4);
        assert_eq!((large.oldest(), large.bytes), (5, 0));
    }
}
