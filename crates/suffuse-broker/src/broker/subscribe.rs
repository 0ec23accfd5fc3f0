//! Subscribing sessions to topics, and back.

use suffuse_proto::{Path, Selector, services::topics::UnsubscriptionReason, topic_message};

use super::Broker;
use crate::{
    outbox::Item, security::PathPermission, session::Session, sessions::SessionKey, topic::TopicKey,
};

/// Fewer announcements and withdrawals than this are never swept.
const NOTICES_SWEPT_MIN: usize = 1000;

impl Broker {
    /// Selects topics for a session, and subscribes it to those that exist.
    pub(crate) fn select(&mut self, key: SessionKey, scope: &str, selector: Selector) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        self.selections.remove(key, session.selections.prefixes());
        session.selections.select(scope, selector.clone());
        self.selections.add(key, session.selections.prefixes());
        let topics: Vec<_> = self.topics.matching(&selector).collect();
        for topic in topics {
            if self.may_read(key, topic) {
                self.subscribe(key, topic);
            }
        }
    }

    /// Alters the selections of a session by `deselect`, and ends the subscriptions that nothing selects any more.
    pub(crate) fn deselect(
        &mut self,
        key: SessionKey,
        selector: &Selector,
        deselect: impl FnOnce(&mut Session),
    ) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        self.selections.remove(key, session.selections.prefixes());
        deselect(session);
        self.selections.add(key, session.selections.prefixes());
        let is_over = |path: &Path| selector.matches(path) && !session.selections.select_path(path);
        let topics = session.topics.iter().copied();
        let ended: Vec<_> = topics
            .filter(|topic| {
                self.topics
                    .get(*topic)
                    .is_some_and(|topic| is_over(&topic.path))
            })
            .collect();
        for topic in ended {
            self.unsubscribe(key, topic, UnsubscriptionReason::Requested);
        }
    }

    /// Subscribes a session to a topic, once.
    pub(super) fn subscribe(&mut self, key: SessionKey, topic_key: TopicKey) {
        let (Some(session), Some(topic)) =
            (self.sessions.get_mut(key), self.topics.get_mut(topic_key))
        else {
            return;
        };
        if session.topics.insert(topic_key) {
            let id = session.queue.next_announcement();
            topic.add_subscriber(key, id);
            self.note_subscribers(topic_key);
            self.push(key, Item::Announce(topic_key, id));
            self.sweep_announcements(key);
        }
    }

    /// Topics that come and go while nobody takes the queue of a session leave announcements of nothing there.
    fn sweep_announcements(&mut self, key: SessionKey) {
        let topics = &self.topics;
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.queue.notices() > 2 * session.topics.len() + NOTICES_SWEPT_MIN {
            session.queue.sweep_announcements(|topic, id| {
                topics
                    .get(topic)
                    .is_some_and(|topic| topic.awaits_announcement(key, id))
            });
        }
    }

    /// Ends the subscription of a session to a topic.
    pub(super) fn unsubscribe(
        &mut self,
        key: SessionKey,
        topic_key: TopicKey,
        reason: UnsubscriptionReason,
    ) {
        let (Some(session), Some(topic)) =
            (self.sessions.get_mut(key), self.topics.get_mut(topic_key))
        else {
            return;
        };
        session.topics.swap_remove(&topic_key);
        let subscriber = topic.remove_subscriber(key);
        if topic.kind.options.tidy_on_unsubscribe {
            session.queue.forget_updates(topic.id);
        }
        let id = topic.id;
        self.note_subscribers(topic_key);
        if subscriber.is_some_and(|subscriber| subscriber.is_announced()) {
            self.notify_unsubscription(key, id, reason);
        }
    }

    /// Returns whether a session may read a topic, by its roles or as the topic's owner, and can be told of it.
    pub(crate) fn may_read(&self, session: SessionKey, topic: TopicKey) -> bool {
        self.is_visible(session, topic) && self.may(session, topic, PathPermission::ReadTopic)
    }

    /// Returns whether the protocol of a session can tell of a topic.
    fn is_visible(&self, session: SessionKey, topic: TopicKey) -> bool {
        let (Some(session), Some(topic)) = (self.sessions.get(session), self.topics.get(topic))
        else {
            return false;
        };
        topic_message::is_visible(
            topic.kind.specification.topic_type,
            &topic.path,
            session.version,
        )
    }

    /// Returns whether a session has a permission for a topic, by its roles or as the topic's owner.
    pub(crate) fn may(
        &self,
        session: SessionKey,
        topic: TopicKey,
        permission: PathPermission,
    ) -> bool {
        let (Some(session), Some(topic)) = (self.sessions.get(session), self.topics.get(topic))
        else {
            return false;
        };
        let owner = topic.kind.options.owner.as_deref();
        session.roles.allow_path(permission, topic.path.as_str())
            || owner.is_some_and(|owner| !owner.is_empty() && owner == session.principal)
    }
}
