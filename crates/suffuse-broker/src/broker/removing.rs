//! Removing topics whose policy says so (spec: topics §13.1).

use std::time::Instant;

use suffuse_proto::{Path, filter::SessionFilter};

use super::Broker;
use crate::{
    event::Change, removal::Standing, security::PathPermission, sessions::SessionKey,
    topic::TopicKey,
};

impl Broker {
    /// Watches a topic that a session has just created, if it has a removal policy.
    pub(crate) fn watch_for_removal(&mut self, path: &Path, creator: SessionKey) {
        let (Some(key), Some(creator), Some(now)) = (
            self.topics.find(path.as_str()),
            self.sessions.get(creator),
            self.now,
        ) else {
            return;
        };
        let Some(topic) = self.topics.get(key) else {
            return;
        };
        if let Some(policy) = topic.kind.options.removal.clone() {
            let subscribers = topic.subscriber_count();
            let creator = (creator.id, creator.principal.clone(), creator.roles.clone());
            self.removals.add(key, policy, creator, subscribers, now);
        }
    }

    pub(super) fn note_subscribers(&mut self, key: TopicKey) {
        if let (Some(topic), Some(now)) = (self.topics.get(key), self.now)
            && topic.kind.options.removal.is_some()
        {
            let count = topic.subscriber_count();
            self.removals.on_subscribers(key, count, now);
        }
    }

    /// Removes what is due.
    pub(super) fn remove_due_topics(&mut self, now: Instant) {
        if self.removals.next().is_none_or(|next| next > now) {
            return;
        }
        let Some(clock) = self.clock else {
            return; // Only sessions create topics, and each tells the time.
        };
        let sessions = &self.sessions;
        let is_anybody =
            |filter: &SessionFilter| sessions.iter().any(|session| filter.matches(session));
        for (key, standing) in self.removals.take_due(now, clock, is_anybody) {
            self.remove_by_policy(key, &standing);
        }
    }

    /// A policy acts once, with the permissions that the creator of its topic had.
    fn remove_by_policy(&mut self, key: TopicKey, standing: &Standing) {
        let keys: Vec<_> = match &standing.policy.remove {
            Some(selector) => self.topics.matching(selector).collect(),
            None => vec![key],
        };
        let may_remove = |key: &TopicKey| {
            let topic = self.topics.get(*key)?;
            let is_owner = topic.kind.options.owner.as_ref() == Some(&standing.principal);
            let path = topic.path.as_str();
            let is_allowed =
                is_owner || standing.roles.allow_path(PathPermission::ModifyTopic, path);
            is_allowed.then(|| topic.path.clone())
        };
        let paths: Vec<_> = keys.iter().filter_map(may_remove).collect();
        tracing::debug!(count = paths.len(), "topics are removed by a policy");
        for path in paths {
            self.commit(Change::RemoveTopic { path });
        }
    }
}
