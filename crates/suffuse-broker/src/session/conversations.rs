//! Which requests of a session are open or were seen (spec: connection §6.3, §7.5).

use suffuse_proto::message::ConversationId;

/// How far behind the highest id a request may come. Older ones count as seen.
const WINDOW: i64 = 128;

/// The ids of requests in both directions.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    /// The last id of a request to the client.
    last: i64,
    /// The last id that the client has answered. It answers in order.
    answered: i64,
    /// The highest id of a request from the client.
    highest: i64,
    /// Bit n: the request `highest - n` was seen.
    seen: u128,
}

impl Conversations {
    /// Returns the id of the next request to the client.
    pub(crate) fn next(&mut self) -> ConversationId {
        self.last += 1;
        ConversationId(self.last)
    }

    /// Notes an answer of the client. Returns false if it is a repetition.
    pub(crate) fn is_new_answer(&mut self, id: ConversationId) -> bool {
        if id == ConversationId::ONE_WAY {
            return true;
        }
        let is_new = id.0 > self.answered;
        self.answered = self.answered.max(id.0);
        is_new
    }

    /// Notes a request from the client. Returns false if it is a repetition, which clients can send after
    /// a reconnection, and which must not be done again.
    pub(crate) fn is_new(&mut self, id: ConversationId) -> bool {
        if id == ConversationId::ONE_WAY {
            return true;
        }
        let ahead = id.0 - self.highest;
        if ahead > 0 {
            self.seen = if ahead < WINDOW {
                self.seen << ahead
            } else {
                0
            };
            self.seen |= 1;
            self.highest = id.0;
            return true;
        }
        let bit = -ahead;
        let is_new = bit < WINDOW && self.seen >> bit & 1 == 0;
        if is_new {
            self.seen |= 1 << bit;
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_request_is_told_from_a_new_one() {
        let mut conversations = Conversations::default();
        let cases = [
            (0, true),
            (0, true),
            (5, true),
            (5, false),
            (4, true),
            (4, false),
            (i64::MAX, true),
            (i64::MAX, false),
            (i64::MAX - 127, true),
            (i64::MAX - 128, false),
            (7, false),
        ];
        for (id, expected) in cases {
            assert_eq!(conversations.is_new(ConversationId(id)), expected, "{id}");
        }
    }
}
