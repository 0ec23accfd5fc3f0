//! The topics that the session is subscribed to, their last values, and who listens to them.
//!
//! Per topic the server sends a subscription notice, then values and deltas, then an unsubscription
//! notice. What does not fit this order is reported and dropped, except a delta that cannot be
//! applied: after it all values of the topic would be wrong, so it ends the session.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use suffuse_proto::{
    Path, Selector, TopicSpecification, TopicType,
    message::TopicId,
    services::topics::{self, SubscriptionNotice, UnsubscriptionNotice},
    specification::keys,
    value::delta,
};
use tracing::warn;

use crate::MESSAGE_BYTES_MAX;

/// Names a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ListenerId(u64);

/// Something happened to a topic, and a listener hears of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) listener: ListenerId,
    pub(crate) path: Path,
    pub(crate) specification: Arc<TopicSpecification>,
    pub(crate) event: TopicEvent,
}

/// What happened to a topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TopicEvent {
    Subscribed,
    Value {
        payload: Bytes,
        previous: Option<Bytes>,
        received: Received,
        /// Whether earlier values may have been lost in a reconnection.
        lost: bool,
    },
    Unsubscribed(UnsubscriptionReason),
}

/// Why a session is not subscribed to a topic any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsubscriptionReason {
    /// The session asked for it.
    Requested,
    /// The server or another session did it.
    Control,
    /// The topic was removed.
    Removed,
    /// The session may not read the topic any more.
    Authorization,
    /// Unknown.
    Unknown,
    /// The session was too slow for a topic with `CONFLATION=unsubscribe`.
    BackPressure,
    /// The branch mappings of the session changed.
    BranchMappings,
    /// Messages were lost in a reconnection, so all subscriptions begin anew: what the session is
    /// still subscribed to is announced again.
    SubscriptionRefresh,
}

impl From<topics::UnsubscriptionReason> for UnsubscriptionReason {
    fn from(reason: topics::UnsubscriptionReason) -> Self {
        match reason {
            topics::UnsubscriptionReason::Requested => Self::Requested,
            topics::UnsubscriptionReason::Control => Self::Control,
            topics::UnsubscriptionReason::Removed => Self::Removed,
            topics::UnsubscriptionReason::Authorization => Self::Authorization,
            topics::UnsubscriptionReason::Unknown => Self::Unknown,
            topics::UnsubscriptionReason::BackPressure => Self::BackPressure,
            topics::UnsubscriptionReason::BranchMappings => Self::BranchMappings,
        }
    }
}

/// How a value came to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It was here already when the stream was made.
    Cached,
    /// As a whole, in so many bytes.
    Value {
        /// The bytes that were received.
        bytes: usize,
    },
    /// As a delta to the value before, in so many bytes.
    Delta {
        /// The bytes that were received.
        bytes: usize,
    },
}

#[derive(Debug)]
struct Listener {
    selector: Selector,
    accepts: fn(TopicType) -> bool,
}

impl Listener {
    fn wants(&self, topic: &Topic) -> bool {
        (self.accepts)(topic.specification.topic_type) && self.selector.matches(&topic.path)
    }
}

#[derive(Debug)]
struct Topic {
    path: Path,
    specification: Arc<TopicSpecification>,
    value: Option<Bytes>,
    listeners: Vec<ListenerId>,
    /// Whether values were lost of which no listener was told yet.
    lost: bool,
}

impl Topic {
    fn deliveries(&self, event: &TopicEvent) -> Vec<Delivery> {
        self.listeners
            .iter()
            .map(|listener| self.delivery(*listener, event.clone()))
            .collect()
    }

    fn delivery(&self, listener: ListenerId, event: TopicEvent) -> Delivery {
        let (path, specification) = (self.path.clone(), self.specification.clone());
        Delivery {
            listener,
            path,
            specification,
            event,
        }
    }

    fn retains_value(&self) -> bool {
        let value = self.specification.properties.get(keys::DONT_RETAIN_VALUE);
        !value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn set(&mut self, payload: Bytes, received: Received) -> Vec<Delivery> {
        let kept = self.retains_value().then(|| payload.clone());
        let previous = std::mem::replace(&mut self.value, kept);
        let lost = std::mem::take(&mut self.lost);
        self.deliveries(&TopicEvent::Value {
            payload,
            previous,
            received,
            lost,
        })
    }
}

/// The topics of a session.
#[derive(Debug, Default)]
pub(super) struct Topics {
    by_id: HashMap<TopicId, Topic>,
    by_path: BTreeMap<Path, TopicId>,
    listeners: BTreeMap<ListenerId, Listener>,
    last_listener: u64,
    /// What was subscribed when messages were lost, and was not announced again yet.
    refreshed: BTreeSet<Path>,
}

impl Topics {
    /// Adds a listener, and returns what it has to hear about the topics that are there.
    pub(super) fn listen(
        &mut self,
        selector: Selector,
        accepts: fn(TopicType) -> bool,
    ) -> (ListenerId, Vec<Delivery>) {
        self.last_listener += 1;
        let id = ListenerId(self.last_listener);
        let listener = Listener { selector, accepts };
        let mut deliveries = Vec::new();
        for topic_id in self.by_path.values() {
            let topic = self
                .by_id
                .get_mut(topic_id)
                .expect("a path leads to a topic");
            if !listener.wants(topic) {
                continue;
            }
            topic.listeners.push(id);
            deliveries.push(topic.delivery(id, TopicEvent::Subscribed));
            if let Some(payload) = topic.value.clone() {
                let event = TopicEvent::Value {
                    payload,
                    previous: None,
                    received: Received::Cached,
                    lost: false,
                };
                deliveries.push(topic.delivery(id, event));
            }
        }
        self.listeners.insert(id, listener);
        (id, deliveries)
    }

    pub(super) fn unlisten(&mut self, listener: ListenerId) {
        if self.listeners.remove(&listener).is_some() {
            for topic in self.by_id.values_mut() {
                topic.listeners.retain(|known| *known != listener);
            }
        }
    }

    pub(super) fn subscribed(&mut self, notice: SubscriptionNotice) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let known = self.by_path.get(&notice.path).copied();
        for id in known.into_iter().chain([notice.topic]) {
            if let Some(topic) = self.remove(id) {
                warn!(
                    topic = id.0,
                    "the server announced a topic that was there already"
                );
                deliveries.extend(
                    topic.deliveries(&TopicEvent::Unsubscribed(UnsubscriptionReason::Unknown)),
                );
            }
        }
        let mut topic = Topic {
            path: notice.path,
            specification: Arc::new(notice.specification),
            value: None,
            listeners: Vec::new(),
            lost: false,
        };
        topic.lost = self.refreshed.remove(&topic.path);
        let wanting = self
            .listeners
            .iter()
            .filter(|(_, listener)| listener.wants(&topic));
        topic.listeners = wanting.map(|(id, _)| *id).collect();
        deliveries.extend(topic.deliveries(&TopicEvent::Subscribed));
        self.by_path.insert(topic.path.clone(), notice.topic);
        self.by_id.insert(notice.topic, topic);
        deliveries
    }

    pub(super) fn unsubscribed(&mut self, notice: &UnsubscriptionNotice) -> Vec<Delivery> {
        match self.remove(notice.topic) {
            Some(topic) => topic.deliveries(&TopicEvent::Unsubscribed(notice.reason.into())),
            None => Vec::new(),
        }
    }

    pub(super) fn value(&mut self, id: TopicId, payload: Bytes, received: usize) -> Vec<Delivery> {
        let Some(topic) = self.by_id.get_mut(&id) else {
            warn!(
                topic = id.0,
                "a value was lost: the server did not announce its topic"
            );
            return Vec::new();
        };
        topic.set(payload, Received::Value { bytes: received })
    }

    pub(super) fn delta(
        &mut self,
        id: TopicId,
        delta: &Bytes,
        received: usize,
    ) -> Result<Vec<Delivery>, String> {
        let Some(topic) = self.by_id.get_mut(&id) else {
            warn!(
                topic = id.0,
                "a delta was lost: the server did not announce its topic"
            );
            return Ok(Vec::new());
        };
        let Some(base) = &topic.value else {
            return Err(format!(
                "a delta to topic `{}`, which has no value",
                topic.path.as_str()
            ));
        };
        let payload = delta::apply(base, delta, MESSAGE_BYTES_MAX).map_err(|error| {
            format!(
                "a delta to topic `{}` that does not fit: {error}",
                topic.path.as_str()
            )
        })?;
        Ok(topic.set(payload, Received::Delta { bytes: received }))
    }

    /// Forgets all topics, because messages were lost: the server announces them again.
    pub(super) fn refresh(&mut self) -> Vec<Delivery> {
        let mut by_id = std::mem::take(&mut self.by_id);
        let mut deliveries = Vec::new();
        for (path, id) in std::mem::take(&mut self.by_path) {
            let topic = by_id.remove(&id).expect("a path leads to a topic");
            deliveries.extend(topic.deliveries(&TopicEvent::Unsubscribed(
                UnsubscriptionReason::SubscriptionRefresh,
            )));
            self.refreshed.insert(path);
        }
        deliveries
    }

    fn remove(&mut self, id: TopicId) -> Option<Topic> {
        let topic = self.by_id.remove(&id)?;
        self.by_path.remove(&topic.path);
        Some(topic)
    }
}
