//! What a session has still to get.
//!
//! An item is small and shared: a frame, an update (which makes its frame when it is taken), or the
//! announcement of a topic, which becomes a subscription notice and the value of that moment.
//!
//! Limits: at half of the limits of messages or bytes the updates of each topic are conflated to the last
//! one, as whole value; if that leaves more than the limit, the session is closed. The same holds for the
//! memory that updates keep while nobody takes them: a short delta keeps a whole value. Announcements and
//! withdrawals do not count, because there can be one for each topic and a whole branch is removed at once;
//! announcements of topics that went away before they were taken are swept out when they become many.

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc};

use suffuse_proto::{
    message::TopicId, services::topics::UnsubscriptionReason, specification::Conflation,
};

use crate::{Frame, fanout::Update, topic::TopicKey};

/// An empty queue keeps room for so many items: a session that keeps up allocates nothing, and an idle
/// one keeps little.
const KEPT_CAPACITY_MAX: usize = 16;

/// Which announcement of a session it is. A topic can be subscribed to again before its first announcement
/// was taken, and the key of a removed topic is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnnouncementId(pub(crate) NonZeroU32);

/// One thing that waits.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// An encoded message that is not topic data.
    Frame(Frame),
    /// Encoded messages that answer one request, and count as one: how many there are is not for the session
    /// to say.
    Series(Box<[Frame]>),
    /// Encoded messages that were sent before, over a connection that broke. They are the first item if there
    /// are any, count as one, and are no more than the session keeps for a reconnection.
    Again(Box<[Frame]>),
    /// Topic data.
    Update {
        /// What changed.
        update: Arc<Update>,
        /// As delta, for a session that has the previous value.
        as_delta: bool,
    },
    /// A topic to which the session was subscribed.
    Announce(TopicKey, AnnouncementId),
    /// A topic that was announced, and from which the session was unsubscribed.
    Withdraw {
        /// Which topic.
        topic: TopicId,
        /// Why.
        reason: UnsubscriptionReason,
    },
}

impl Item {
    /// Returns the updates of a burst, and everything else as it is.
    fn split(self) -> Vec<Self> {
        if let Self::Update { update, as_delta } = &self
            && !update.parts().is_empty()
        {
            return Self::updates(update.parts(), *as_delta).collect();
        }
        vec![self]
    }

    /// Returns the items of updates of one topic that follow each other.
    pub(crate) fn updates(updates: &[Arc<Update>], as_delta: bool) -> impl Iterator<Item = Self> {
        updates
            .iter()
            .enumerate()
            .map(move |(index, update)| Self::Update {
                update: update.clone(),
                // After the first one the session has the previous value.
                as_delta: (as_delta || index > 0) && update.has_delta(),
            })
    }
}

/// The queue of a session.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    items: VecDeque<Item>,
    /// How many of them are about subscriptions.
    notices: usize,
    /// The number of the last announcement.
    announced: u32,
    bytes: usize,
    /// The bytes of the values that the updates keep in memory, also those that go out as deltas.
    kept_bytes: usize,
    /// When the next conflation is worth its time.
    conflate_at: Option<Limits>,
}

/// The limits of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
    /// For what updates keep in memory besides what is sent.
    pub(crate) kept_bytes_max: usize,
}

impl Limits {
    /// Returns the limits that begin with `half` of these.
    fn half(self) -> Self {
        Self {
            messages_max: self.messages_max / 2,
            bytes_max: self.bytes_max / 2,
            kept_bytes_max: self.kept_bytes_max / 2,
        }
    }
}

/// What a push led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// There is room.
    None,
    /// The session has to be unsubscribed from these topics, whose policy that is.
    Unsubscribe(Vec<TopicId>),
    /// The queue is over its limits: the session has to be closed.
    Full,
}

impl Pressure {
    /// Returns whether the session gets no more of a topic.
    pub(crate) fn ends(&self, topic: TopicId) -> bool {
        match self {
            Self::None => false,
            Self::Unsubscribe(topics) => topics.contains(&topic),
            Self::Full => true,
        }
    }

    /// Adds what one more push led to.
    pub(crate) fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Unsubscribe(topics), Self::Unsubscribe(more)) => topics.extend(more),
            (_, Self::None) | (Self::Full, _) => {}
            (pressure, other) => *pressure = other,
        }
    }
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Appends an item.
    pub(crate) fn push(&mut self, item: Item, limits: Limits) -> Pressure {
        if let Item::Update { update, .. } = &item
            && update.conflation == Conflation::Always
        {
            return self.replace_or_push(item, limits);
        }
        self.append(item);
        self.relieve(limits)
    }

    fn append(&mut self, item: Item) {
        match &item {
            Item::Announce(..) | Item::Withdraw { .. } => self.notices += 1,
            Item::Frame(_) | Item::Series(_) | Item::Again(_) | Item::Update { .. } => {
                self.bytes += bytes_of(&item);
                self.kept_bytes += kept_bytes_of(&item);
            }
        }
        self.items.push_back(item);
    }

    /// `CONFLATION=always`: at most one update of the topic waits, and it is the last.
    fn replace_or_push(&mut self, item: Item, limits: Limits) -> Pressure {
        let topic = topic_of(&item);
        let waiting = self
            .items
            .iter()
            .rposition(|waiting| topic_of(waiting) == topic);
        let item = match (item, waiting) {
            (Item::Update { update, .. }, Some(at)) => {
                self.remove_at(at);
                Item::Update {
                    update,
                    as_delta: false,
                }
            }
            (item, _) => item,
        };
        self.append(item);
        self.relieve(limits)
    }

    fn remove_at(&mut self, at: usize) {
        if let Some(item) = self.items.remove(at) {
            self.bytes -= bytes_of(&item);
            self.kept_bytes -= kept_bytes_of(&item);
        }
    }

    /// Forgets the updates of a topic that wait (`TIDY_ON_UNSUBSCRIBE`).
    pub(crate) fn forget_updates(&mut self, topic: TopicId) {
        self.items.retain(|item| topic_of(item) != Some(topic));
        self.count_bytes();
    }

    /// Returns how many announcements and withdrawals wait.
    pub(crate) fn notices(&self) -> usize {
        self.notices
    }

    /// Returns the id of the next announcement.
    pub(crate) fn next_announcement(&mut self) -> AnnouncementId {
        self.announced = self.announced.wrapping_add(1);
        AnnouncementId(NonZeroU32::new(self.announced).unwrap_or(NonZeroU32::MAX))
    }

    /// Forgets the announcements that nobody waits for.
    pub(crate) fn sweep_announcements(
        &mut self,
        is_due: impl Fn(TopicKey, AnnouncementId) -> bool,
    ) {
        let mut swept = 0;
        self.items.retain(|item| {
            let Item::Announce(topic, id) = item else {
                return true;
            };
            let is_kept = is_due(*topic, *id);
            swept += usize::from(!is_kept);
            is_kept
        });
        self.notices -= swept;
    }

    fn relieve(&mut self, limits: Limits) -> Pressure {
        let at = self.conflate_at.unwrap_or_else(|| limits.half());
        // What a batch may keep counts again once nobody takes it.
        let kept_bytes_max = at.kept_bytes_max.min(limits.kept_bytes_max);
        if self.is_within(Limits {
            kept_bytes_max,
            ..at
        }) {
            return Pressure::None;
        }
        let unsubscribe = self.conflate();
        // A single message may be larger than the limit: it could never be sent otherwise.
        if !self.is_within(limits) && self.messages() > 1 {
            return Pressure::Full;
        }
        // Not before the queue has grown by half of what remains: so a push costs constant time on average.
        let next = |now: usize, max: usize| (now + now / 2).max(max / 2).min(max);
        self.conflate_at = Some(Limits {
            messages_max: next(self.messages(), limits.messages_max),
            bytes_max: next(self.bytes, limits.bytes_max),
            kept_bytes_max: next(self.kept_bytes, limits.kept_bytes_max),
        });
        if unsubscribe.is_empty() {
            Pressure::None
        } else {
            Pressure::Unsubscribe(unsubscribe)
        }
    }

    fn messages(&self) -> usize {
        self.items.len() - self.notices
    }

    fn is_within(&self, limits: Limits) -> bool {
        self.messages() <= limits.messages_max
            && self.bytes <= limits.bytes_max
            && self.kept_bytes <= limits.kept_bytes_max
    }

    fn count_bytes(&mut self) {
        self.bytes = self.items.iter().map(bytes_of).sum();
        self.kept_bytes = self.items.iter().map(kept_bytes_of).sum();
    }

    /// Keeps the last update of each topic, as whole value if others were dropped. Returns the topics whose
    /// policy is to unsubscribe instead; their updates are dropped.
    fn conflate(&mut self) -> Vec<TopicId> {
        let mut seen = hashbrown::HashMap::new();
        let mut unsubscribe = Vec::new();
        let mut kept = VecDeque::with_capacity(self.items.len());
        for item in self.items.drain(..).rev() {
            let Item::Update { update, as_delta } = item else {
                kept.push_front(item);
                continue;
            };
            match update.conflation {
                Conflation::Off => kept.push_front(Item::Update { update, as_delta }),
                Conflation::Unsubscribe => {
                    if seen.insert(update.topic, None).is_none() {
                        unsubscribe.push(update.topic);
                    }
                }
                Conflation::Conflate | Conflation::Always => {
                    // Counted from the back, positions stay as they are while items go in at the front.
                    let from_back = kept.len() + 1;
                    match seen.insert(update.topic, Some(from_back)) {
                        None => kept.push_front(Item::Update { update, as_delta }),
                        Some(last) => {
                            seen.insert(update.topic, last);
                            if let Some(from_back) = last {
                                make_value(&mut kept, from_back);
                            }
                        }
                    }
                }
            }
        }
        self.items = kept;
        self.count_bytes();
        unsubscribe
    }

    /// Takes what was sent before and goes again.
    pub(crate) fn take_again(&mut self) -> Option<Box<[Frame]>> {
        let is_again = |item: &mut Item| matches!(item, Item::Again(_));
        let Some(Item::Again(frames)) = self.items.pop_front_if(is_again) else {
            return None;
        };
        self.tidy_if_empty();
        Some(frames)
    }

    /// Prepares the queue for another connection: `again` goes first, in the place of what was to go again
    /// over the connection before. Without `bursts` each update goes alone.
    pub(crate) fn resume(&mut self, again: Vec<Frame>, bursts: bool) {
        self.take_again();
        if !bursts {
            let items = std::mem::take(&mut self.items);
            self.items = items.into_iter().flat_map(Item::split).collect();
            self.count_bytes();
        }
        if !again.is_empty() {
            self.items.push_front(Item::Again(again.into()));
        }
    }

    /// Forgets everything that waits.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            announced: self.announced,
            ..Self::default()
        };
    }

    /// Takes the oldest item.
    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        match &item {
            Item::Announce(..) | Item::Withdraw { .. } => self.notices -= 1,
            Item::Frame(_) | Item::Series(_) | Item::Again(_) | Item::Update { .. } => {
                self.bytes -= bytes_of(&item);
                self.kept_bytes -= kept_bytes_of(&item);
            }
        }
        self.tidy_if_empty();
        Some(item)
    }

    fn tidy_if_empty(&mut self) {
        if self.items.is_empty() {
            self.conflate_at = None;
            self.items.shrink_to(KEPT_CAPACITY_MAX);
        }
    }
}

fn make_value(kept: &mut VecDeque<Item>, from_back: usize) {
    let at = kept.len() - from_back;
    if let Item::Update { as_delta, .. } = &mut kept[at] {
        *as_delta = false;
    }
}

fn topic_of(item: &Item) -> Option<TopicId> {
    match item {
        Item::Update { update, .. } => Some(update.topic),
        Item::Frame(_)
        | Item::Series(_)
        | Item::Again(_)
        | Item::Announce(..)
        | Item::Withdraw { .. } => None,
    }
}

fn kept_bytes_of(item: &Item) -> usize {
    match item {
        Item::Update { update, .. } => update.kept_bytes(),
        Item::Frame(_)
        | Item::Series(_)
        | Item::Again(_)
        | Item::Announce(..)
        | Item::Withdraw { .. } => 0,
    }
}

fn bytes_of(item: &Item) -> usize {
    match item {
        Item::Frame(frame) => frame.websocket().len(),
        Item::Series(frames) => frames.iter().map(|frame| frame.websocket().len()).sum(),
        Item::Update { update, as_delta } => update.payload_bytes(*as_delta),
        Item::Again(_) | Item::Announce(..) | Item::Withdraw { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_of_topics_that_went_away_are_swept_out() {
        let limits = Limits {
            messages_max: 10,
            bytes_max: 1000,
            kept_bytes_max: 1000,
        };
        let mut queue = Queue::default();
        let frame = Frame::new(
            &suffuse_proto::Message::Abort,
            suffuse_proto::Version::NEWEST,
        );
        let ids = [(); 3].map(|()| queue.next_announcement());
        for id in ids {
            queue.push(Item::Announce(TopicKey(7), id), limits);
        }
        queue.push(Item::Frame(frame), limits);

        queue.sweep_announcements(|_, id| id == ids[2]);

        assert_eq!(queue.notices(), 1);
        let left: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert!(
            matches!(left[..], [Item::Announce(_, id), Item::Frame(_)] if id == ids[2]),
            "{left:?}"
        );
    }
}
