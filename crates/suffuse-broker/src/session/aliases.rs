//! Topics under other ids (spec: connection §7.6).
//!
//! A Python client drops its topics when it comes back, and may drop one that it is told of again under the same
//! id. So a session of it gets a fresh id with each announcement after the first reconnection. Limit: one for
//! each topic of the session.

use hashbrown::HashMap;
use suffuse_proto::message::TopicId;

/// The ids that a session has other than all the others.
#[derive(Debug, Default)]
pub(crate) struct Aliases(Option<Box<HashMap<TopicId, TopicId>>>);

impl Aliases {
    /// Gives every topic that is announced from now on an id of its own.
    pub(crate) fn renew(&mut self) {
        self.0.get_or_insert_default().clear();
    }

    /// Returns whether announcements need ids of their own.
    pub(crate) fn are_used(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn insert(&mut self, topic: TopicId, alias: TopicId) {
        if let Some(aliases) = &mut self.0 {
            aliases.insert(topic, alias);
        }
    }

    /// Returns the id of a topic, if it is another one.
    pub(crate) fn get(&self, topic: TopicId) -> Option<TopicId> {
        self.0.as_ref()?.get(&topic).copied()
    }

    /// Returns the id under which the session knew a topic, and forgets it.
    pub(crate) fn remove(&mut self, topic: TopicId) -> TopicId {
        let alias = self.0.as_mut().and_then(|aliases| aliases.remove(&topic));
        alias.unwrap_or(topic)
    }
}
