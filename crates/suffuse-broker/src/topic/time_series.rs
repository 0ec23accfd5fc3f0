//! The events of a time series topic, and which of them it keeps (spec: topics §10.2).
//!
//! They are one log: sequence numbers have no gaps, and timestamps never go back. Old events are dropped from
//! its front when a new one comes, by the retained range of the topic and by the limits of the server. What
//! is dropped can leave edits of it behind, which then stand for it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use suffuse_proto::{
    Codec as _, Version,
    services::time_series::Event,
    specification::{Options, RangeExpression},
};

pub(crate) mod query;

/// What an event takes in memory besides its payload, in bytes, about.
const EVENT_BYTES: usize = 200;

/// The most that a time series keeps, whatever its retained range is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
}

/// An event with the bytes that subscribers get.
#[derive(Debug)]
struct Kept {
    event: Event,
    payload: Bytes,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.payload.len() + EVENT_BYTES
    }
}

/// The events of a topic.
#[derive(Debug, Default)]
pub(crate) struct TimeSeries {
    events: VecDeque<Kept>,
    bytes: usize,
}

impl TimeSeries {
    /// Returns the sequence number of the next event.
    pub(crate) fn next_sequence(&self) -> i64 {
        self.last().map_or(0, |last| last.metadata().sequence + 1)
    }

    /// Returns the last event. There is one once there was any.
    pub(crate) fn last(&self) -> Option<&Event> {
        self.events.back().map(|kept| &kept.event)
    }

    /// Returns an event that is kept.
    pub(crate) fn get(&self, sequence: i64) -> Option<&Event> {
        let first = self.events.front()?.event.metadata().sequence;
        let at = usize::try_from(sequence.checked_sub(first)?).ok()?;
        self.events.get(at).map(|kept| &kept.event)
    }

    /// Returns the events that are kept, in the order of their sequence numbers.
    fn events(&self) -> impl DoubleEndedIterator<Item = &Event> + Clone {
        self.events.iter().map(|kept| &kept.event)
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns the bytes of all payloads.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.bytes - self.events.len() * EVENT_BYTES
    }

    /// Appends an event, and drops what need not be kept any more. Returns its payload.
    pub(super) fn push(
        &mut self,
        event: &Event,
        retained: RangeExpression,
        limits: Limits,
    ) -> Bytes {
        let payload = event.to_bytes(Version::NEWEST);
        // The value of the event that is kept shares the bytes of the payload.
        let event = Event::from_bytes(payload.clone(), Version::NEWEST)
            .expect("what was encoded can be decoded");
        let kept = Kept {
            event,
            payload: payload.clone(),
        };
        self.bytes += kept.bytes();
        self.events.push_back(kept);
        self.trim(retained, limits);
        payload
    }

    /// Drops old events. The last one stays: it is the value of the topic.
    fn trim(&mut self, retained: RangeExpression, limits: Limits) {
        let count_max = retained.limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let count_max = count_max.min(limits.events_max).max(1);
        let oldest = self.oldest_of(retained);
        while self.events.len() > 1
            && let Some(first) = self.events.front()
            && (self.events.len() > count_max
                || self.bytes > limits.bytes_max
                || first.event.metadata().timestamp < oldest)
        {
            self.bytes -= first.bytes();
            self.events.pop_front();
        }
    }

    /// Returns the earliest timestamp of a range.
    fn oldest_of(&self, range: RangeExpression) -> i64 {
        let last = self.last().map_or(0, |last| last.metadata().timestamp);
        range.last.map_or(i64::MIN, |duration| {
            last.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// Returns the payloads that a session gets that subscribes, oldest first: of the original events and the
    /// latest edit of each, those in the subscription range (spec: topics §10.5).
    pub(super) fn initial(&self, options: &Options) -> Vec<Bytes> {
        let sends_deltas = !options.publish_values_only;
        let range = match options.subscription_range {
            Some(range) => range,
            None => RangeExpression {
                limit: Some(0),
                last: None,
            },
        };
        // A delta to come needs the last event.
        let at_least = usize::from(sends_deltas);
        let count_max = range
            .limit
            .map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let oldest = self.oldest_of(range);
        let mut latest = BTreeMap::new();
        let mut payloads = Vec::new();
        for kept in self.events.iter().rev() {
            let is_in_range =
                payloads.len() < count_max && kept.event.metadata().timestamp >= oldest;
            if payloads.len() >= at_least && !is_in_range {
                break;
            }
            let is_latest = !kept.event.is_edit()
                || latest.insert(kept.event.original().sequence, ()).is_none();
            if is_latest {
                payloads.push(kept.payload.clone());
            }
        }
        payloads.reverse();
        payloads
    }
}

#[cfg(test)]
mod tests;
