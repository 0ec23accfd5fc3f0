//! A topic: its specification, its value, and who watches it.

use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression as Level;
use indexmap::IndexMap;
use suffuse_proto::{
    Path, TopicSpecification, TopicType,
    message::TopicId,
    services::time_series::Event,
    specification::{Compression, Conflation, Options},
    value,
};

use self::time_series::{Limits, TimeSeries};
use crate::{
    fanout::Update, outbox::AnnouncementId, sessions::SessionKey, update_stream::StreamInstance,
};

pub(crate) mod fetch;
pub(crate) mod time_series;
pub(crate) mod tree;

/// Where a topic is in the tree's storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TopicKey(pub(crate) u32);

/// A specification with what follows from it. Topics of the same specification share it.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) specification: TopicSpecification,
    pub(crate) options: Options,
}

impl Kind {
    pub(crate) fn new(specification: TopicSpecification) -> Self {
        let options = specification.options();
        Self {
            specification,
            options,
        }
    }

    fn conflation(&self) -> Conflation {
        self.options.conflation
    }

    fn compression(&self) -> Option<Level> {
        match self.options.compression {
            Compression::Off => None,
            Compression::Low => Some(Level::new(1)),
            Compression::Medium => Some(Level::new(3)),
            Compression::High => Some(Level::new(9)),
        }
    }

    /// Whether subscribers may get deltas.
    fn publishes_deltas(&self) -> bool {
        let Options {
            publish_values_only,
            dont_retain_value,
            ..
        } = self.options;
        self.specification.topic_type.supports_deltas()
            && !publish_values_only
            && !dont_retain_value
    }
}

/// What a topic knows of a session that watches it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber {
    /// The announcement that waits in its outbox. Until that is passed on, updates are left out: it brings
    /// the value of its moment. An older announcement of the same topic is none of this subscription.
    pub(crate) awaits: Option<AnnouncementId>,
    /// Whether it got the current value, so that it can apply a delta to it.
    pub(crate) has_value: bool,
}

impl Subscriber {
    fn new(awaits: AnnouncementId) -> Self {
        let awaits = Some(awaits);
        Self {
            awaits,
            has_value: false,
        }
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.awaits.is_none()
    }
}

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: TopicId,
    pub(crate) path: Path,
    pub(crate) kind: Arc<Kind>,
    /// The value, if there is one and it is retained. Of a time series: the last event.
    pub(crate) value: Option<Bytes>,
    /// The update stream that is valid.
    pub(crate) update_stream: Option<StreamInstance>,
    /// The events, if it is a time series.
    pub(crate) series: Option<Box<TimeSeries>>,
    /// Allocated while there are any.
    pub(crate) subscribers: Option<Box<IndexMap<SessionKey, Subscriber>>>,
    /// The current value for sessions that subscribe, shared until the next update.
    initial: Option<Arc<Update>>,
}

impl Topic {
    pub(crate) fn new(id: TopicId, path: Path, kind: Arc<Kind>) -> Self {
        let is_series = kind.specification.topic_type == TopicType::TIME_SERIES;
        Self {
            id,
            path,
            kind,
            value: None,
            update_stream: None,
            series: is_series.then(Box::default),
            subscribers: None,
            initial: None,
        }
    }

    /// Returns whether a session watches the topic and waits for this announcement of it.
    pub(crate) fn awaits_announcement(&self, session: SessionKey, id: AnnouncementId) -> bool {
        let subscribers = self.subscribers.as_ref();
        let subscriber = subscribers.and_then(|subscribers| subscribers.get(&session));
        subscriber.is_some_and(|subscriber| subscriber.awaits == Some(id))
    }

    pub(crate) fn subscriber_mut(&mut self, session: SessionKey) -> Option<&mut Subscriber> {
        self.subscribers.as_mut()?.get_mut(&session)
    }

    pub(crate) fn has_subscriber(&self, session: SessionKey) -> bool {
        let subscribers = self.subscribers.as_ref();
        subscribers.is_some_and(|subscribers| subscribers.contains_key(&session))
    }

    pub(crate) fn add_subscriber(&mut self, session: SessionKey, awaits: AnnouncementId) {
        self.subscribers
            .get_or_insert_default()
            .insert(session, Subscriber::new(awaits));
    }

    /// Lets a session that watches the topic wait for an announcement once more.
    pub(crate) fn announce_again(&mut self, session: SessionKey, awaits: AnnouncementId) {
        if let Some(subscriber) = self.subscriber_mut(session) {
            *subscriber = Subscriber::new(awaits);
        }
    }

    pub(crate) fn subscriber_count(&self) -> usize {
        self.subscribers.as_ref().map_or(0, |all| all.len())
    }

    pub(crate) fn remove_subscriber(&mut self, session: SessionKey) -> Option<Subscriber> {
        let subscribers = self.subscribers.as_mut()?;
        let removed = subscribers.swap_remove(&session);
        if subscribers.is_empty() {
            self.subscribers = None;
        }
        removed
    }

    /// Returns the type of values: of a time series that of its events.
    pub(crate) fn value_type(&self) -> TopicType {
        let Kind {
            specification,
            options,
        } = &*self.kind;
        options.event_type.unwrap_or(specification.topic_type)
    }

    /// Returns the value: of a time series that of the last event.
    pub(crate) fn current_value(&self) -> Option<&Bytes> {
        match &self.series {
            Some(series) => series.last().map(Event::value),
            None => self.value.as_ref(),
        }
    }

    /// Whether bytes are a value that the topic takes (`VALIDATE_VALUES`).
    pub(crate) fn check(&self, value: &[u8]) -> Result<(), value::ValueError> {
        match self.kind.options.validate_values {
            true => value::validate(self.value_type(), value),
            false => Ok(()),
        }
    }

    /// Sets the value. Returns what has to be published: nothing if nothing changed.
    pub(crate) fn set(&mut self, new: Bytes) -> Option<Update> {
        let new = owned(new);
        let is_null = value::is_null(self.kind.specification.topic_type, &new);
        let is_retained = !self.kind.options.dont_retain_value;
        let is_same = match &self.value {
            Some(old) => *old == new,
            None => is_null,
        };
        if is_retained && is_same {
            return None;
        }
        let old = self.value.take();
        self.initial = None;
        let update = self.subscribers.is_some().then(|| {
            let delta = self.delta(old.as_ref().filter(|_| !is_null), &new);
            self.update(new.clone(), delta)
        });
        self.value = (is_retained && !is_null).then_some(new);
        update
    }

    /// Appends an event to a time series. Returns what has to be published: nothing if nobody watches.
    pub(crate) fn append(&mut self, event: &Event, limits: Limits) -> Option<Update> {
        let series = self.series.as_mut()?;
        let new = series.push(event, self.kind.options.retained_range, limits);
        let old = self.value.replace(new.clone());
        self.initial = None;
        self.subscribers.as_ref()?;
        let delta = self.delta(old.as_ref(), &new);
        Some(self.update(new, delta))
    }

    /// Returns how a value differs from the one before it, if subscribers may get that and it is shorter.
    fn delta(&self, old: Option<&Bytes>, new: &Bytes) -> Option<Bytes> {
        let old = old.filter(|_| self.kind.publishes_deltas())?;
        value::delta::diff(old, new).map(Bytes::from)
    }

    fn update(&self, value: Bytes, delta: Option<Bytes>) -> Update {
        Update::new(
            self.id,
            self.path.clone(),
            value,
            delta,
            self.kind.conflation(),
            self.kind.compression(),
        )
    }

    /// Returns the current value for a session that subscribes: of a time series a burst of events.
    pub(crate) fn initial(&mut self) -> Option<Arc<Update>> {
        if self.initial.is_none() {
            self.initial = match &self.series {
                Some(series) => self.initial_events(&series.initial(&self.kind.options)),
                None => Some(Arc::new(self.update(self.value.clone()?, None))),
            };
        }
        self.initial.clone()
    }

    fn initial_events(&self, payloads: &[Bytes]) -> Option<Arc<Update>> {
        let before = std::iter::once(None).chain(payloads.iter().map(Some));
        let updates = payloads.iter().zip(before).map(|(payload, before)| {
            let delta = self.delta(before, payload);
            Arc::new(self.update(payload.clone(), delta))
        });
        let mut updates: Vec<_> = updates.collect();
        match updates.len() {
            0 | 1 => updates.pop(),
            _ => Update::burst(updates).map(Arc::new),
        }
    }
}

/// Values up to this size are copied when they are kept, in bytes.
const COPIED_BYTES_MAX: usize = 32 << 10;

/// A value that comes out of a message shares the buffer of all that was read with it: kept as it is, a
/// small value would keep all of that.
fn owned(value: Bytes) -> Bytes {
    if value.len() <= COPIED_BYTES_MAX {
        Bytes::copy_from_slice(&value)
    } else {
        value
    }
}
