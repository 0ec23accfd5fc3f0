//! Bursts: updates of one topic that follow each other without anything between them go through queues
//! and ports as one.
//!
//! A topic that is updated many times within a batch would else cost each of its subscribers a place in
//! the queue, in the port and in the recovery ring for each update. The last updates are held back until
//! something else happens that a session could see: then they are *settled*, which publishes them. Nobody
//! can tell, because all sessions get the same messages in the same order.

use std::sync::Arc;

use suffuse_proto::{
    Service as _,
    message::ServiceId,
    service::{
        AddAndSetTopic, ApplyJsonPatch, CheckUpdateStream, CreateUpdateStream,
        CreateUpdateStreamAndSet, SetTopic, StreamAddAndSetTopic, StreamAddTopic, StreamApplyDelta,
        StreamSetTopic, TimeSeriesAppend, TimeSeriesEdit, TimeSeriesTimestampAppend,
    },
    specification::Conflation,
};

use super::Broker;
use crate::{fanout::Update, topic::TopicKey};

/// How many updates a burst has at most.
const UPDATES_MAX: usize = 64;
/// How many bytes a burst has at most, beyond its first update.
const BYTES_MAX: usize = 16 << 10;

/// The services that can only add a topic, publish and answer.
const UPDATES: [ServiceId; 13] = [
    SetTopic::ID,
    AddAndSetTopic::ID,
    CreateUpdateStream::ID,
    CreateUpdateStreamAndSet::ID,
    CheckUpdateStream::ID,
    StreamSetTopic::ID,
    StreamApplyDelta::ID,
    StreamAddTopic::ID,
    StreamAddAndSetTopic::ID,
    ApplyJsonPatch::ID,
    TimeSeriesAppend::ID,
    TimeSeriesEdit::ID,
    TimeSeriesTimestampAppend::ID,
];

/// Updates that are not published yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    topic: Option<TopicKey>,
    updates: Vec<Arc<Update>>,
    bytes: usize,
}

impl Pending {
    fn takes(&self, topic: TopicKey, bytes: usize) -> bool {
        self.topic == Some(topic)
            && self.updates.len() < UPDATES_MAX
            && self.bytes + bytes <= BYTES_MAX
    }

    /// Takes the updates, as a burst if there are several.
    pub(super) fn take(&mut self) -> Option<(TopicKey, Arc<Update>)> {
        let topic = self.topic.take()?;
        self.bytes = 0;
        let update = match self.updates.len() {
            1 => self.updates.pop()?,
            _ => Arc::new(Update::burst(self.updates.drain(..).collect())?),
        };
        Some((topic, update))
    }
}

impl Broker {
    /// Publishes an update, together with those before and after it where nobody can tell.
    pub(super) fn publish_soon(&mut self, key: TopicKey, update: Update) {
        let bytes = update.payload_bytes(true);
        if !self.pending.takes(key, bytes) {
            self.settle();
        }
        if update.conflation == Conflation::Always {
            // At most one of them waits for each session, which is for the queue to see.
            self.settle();
            return self.publish(key, &Arc::new(update), None);
        }
        self.pending.topic = Some(key);
        self.pending.updates.push(Arc::new(update));
        self.pending.bytes += bytes;
    }

    /// Publishes the updates that were held back, before something that a session could see.
    pub(super) fn settle(&mut self) {
        if let Some((topic, update)) = self.pending.take() {
            self.publish(topic, &update, None);
        }
    }

    /// Settles before a request, unless all that it can do is to publish and to answer.
    pub(super) fn settle_before(&mut self, service: ServiceId) {
        if !UPDATES.contains(&service) {
            self.settle();
        }
    }

    /// Settles before a message to a session that has updates of its own to get first.
    pub(super) fn settle_for(&mut self, session: crate::sessions::SessionKey) {
        let topic = self.pending.topic.and_then(|topic| self.topics.get(topic));
        if topic.is_some_and(|topic| topic.has_subscriber(session)) {
            self.settle();
        }
    }
}
