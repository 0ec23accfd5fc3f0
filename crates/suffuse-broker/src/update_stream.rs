//! Update streams: a session that alone updates a topic, and may do it by deltas (spec: topics §6.6).
//!
//! A topic has at most one valid stream. Whatever else changes the topic ends it, so that the value to
//! which a delta is applied is always the last one that was set through the stream.

use hashbrown::HashMap;
use suffuse_proto::{
    message::TopicId,
    services::update_stream::{UpdateStreamFlags, UpdateStreamId},
    specification::Conflation,
};

use crate::{
    Broker,
    sessions::SessionKey,
    topic::{Kind, TopicKey},
};

/// One of all update streams that the server ever made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamInstance(i32);

/// An update stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpdateStream {
    pub(crate) session: SessionKey,
    pub(crate) topic: TopicKey,
    topic_id: TopicId,
    /// Whether a value was set through it: only then a delta has something to be applied to.
    pub(crate) has_set: bool,
}

/// All update streams that are valid. A session has at most `update_streams_max` of them.
#[derive(Debug, Default)]
pub(crate) struct UpdateStreams {
    streams: HashMap<StreamInstance, UpdateStream>,
    last: i32,
}

impl UpdateStreams {
    fn insert(&mut self, stream: UpdateStream) -> StreamInstance {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            let instance = StreamInstance(self.last);
            // The numbers start anew after 2^31 streams, when some of the first may still be valid.
            if !self.streams.contains_key(&instance) {
                self.streams.insert(instance, stream);
                return instance;
            }
        }
    }

    /// Returns a stream of a session, if it is valid.
    pub(crate) fn find(
        &self,
        session: SessionKey,
        id: UpdateStreamId,
    ) -> Option<(StreamInstance, UpdateStream)> {
        let instance = StreamInstance(id.instance);
        let stream = *self.streams.get(&instance)?;
        let is_it = stream.session == session && id == stream.id(instance);
        is_it.then_some((instance, stream))
    }

    pub(crate) fn get_mut(&mut self, instance: StreamInstance) -> Option<&mut UpdateStream> {
        self.streams.get_mut(&instance)
    }
}

impl UpdateStream {
    fn id(&self, instance: StreamInstance) -> UpdateStreamId {
        UpdateStreamId {
            topic: self.topic_id,
            instance: instance.0,
            partition: 0,
            generation: 0,
        }
    }
}

impl Broker {
    /// Makes an update stream, which ends the one that the topic may have.
    pub(crate) fn open_update_stream(
        &mut self,
        session: SessionKey,
        key: TopicKey,
    ) -> Option<UpdateStreamId> {
        self.end_update_stream_of(key);
        let topic = self.topics.get_mut(key)?;
        let owner = self.sessions.get_mut(session)?;
        let stream = UpdateStream {
            session,
            topic: key,
            topic_id: topic.id,
            has_set: false,
        };
        let instance = self.update_streams.insert(stream);
        topic.update_stream = Some(instance);
        owner.update_streams.insert(instance);
        Some(stream.id(instance))
    }

    /// Ends the update stream of a topic, because the topic is changed by something else or is gone.
    pub(crate) fn end_update_stream_of(&mut self, key: TopicKey) {
        let topic = self.topics.get(key);
        if let Some(instance) = topic.and_then(|topic| topic.update_stream) {
            self.end_update_stream(instance);
        }
    }

    pub(crate) fn end_update_stream(&mut self, instance: StreamInstance) {
        let Some(stream) = self.update_streams.streams.remove(&instance) else {
            return;
        };
        if let Some(topic) = self.topics.get_mut(stream.topic) {
            topic.update_stream = None;
        }
        if let Some(session) = self.sessions.get_mut(stream.session) {
            session.update_streams.swap_remove(&instance);
        }
    }
}

/// Returns what a client has to know of a topic to update it by a stream.
pub(crate) fn flags(kind: &Kind) -> UpdateStreamFlags {
    let mut flags = 0;
    if !kind.options.dont_retain_value {
        flags |= UpdateStreamFlags::RETAINS_VALUE;
    }
    if kind.options.conflation != Conflation::Off {
        flags |= UpdateStreamFlags::MAY_CONFLATE;
    }
    UpdateStreamFlags(flags)
}
