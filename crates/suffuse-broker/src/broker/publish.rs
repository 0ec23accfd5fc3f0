//! Applying changes to topics, and passing updates on to queues and ports.

use std::sync::Arc;

use bytes::Bytes;
use suffuse_proto::{
    Path, TopicSpecification,
    message::TopicId,
    services::{time_series, topics::UnsubscriptionReason},
    topic_message,
};

use super::Broker;
use crate::{
    Frame,
    event::{Closing, LinkId},
    fanout::Update,
    outbox::{AnnouncementId, Item, Limits, Pressure},
    session::{CloseReason, Session},
    sessions::SessionKey,
    topic::{TopicKey, tree::TopicTree},
    update_stream::StreamInstance,
};

/// Lets the port of a link take from an outbox.
pub(super) type Give<'a> = dyn FnMut(LinkId, &mut Outbox<'_>) + 'a;

impl Broker {
    pub(super) fn apply_add_topic(&mut self, path: Path, specification: TopicSpecification) {
        let key = self.topics.insert(path.clone(), specification);
        for session in self.selections.candidates(&path) {
            let is_selected = |session: &Session| session.selections.select_path(&path);
            if self.sessions.get(session).is_some_and(is_selected) && self.may_read(session, key) {
                self.subscribe(session, key);
            }
        }
    }

    pub(super) fn apply_set_value(
        &mut self,
        path: &Path,
        value: Bytes,
        stream: Option<StreamInstance>,
    ) {
        let Some(key) = self.topics.find(path.as_str()) else {
            return;
        };
        let valid = self.topics.get(key).and_then(|topic| topic.update_stream);
        if valid != stream {
            self.end_update_stream_of(key);
        }
        if let Some(now) = self.now {
            self.removals.on_update(key, now);
        }
        if let Some(update) = self.topics.get_mut(key).and_then(|topic| topic.set(value)) {
            self.publish_soon(key, update);
        }
    }

    pub(super) fn apply_append_event(&mut self, path: &Path, event: &time_series::Event) {
        let Some(key) = self.topics.find(path.as_str()) else {
            return;
        };
        let limits = crate::topic::time_series::Limits {
            events_max: self.settings.series_events_max,
            bytes_max: self.settings.series_bytes_max,
        };
        if let Some(now) = self.now {
            self.removals.on_update(key, now);
        }
        let topic = self.topics.get_mut(key);
        if let Some(update) = topic.and_then(|topic| topic.append(event, limits)) {
            self.publish_soon(key, update);
        }
    }

    pub(super) fn apply_remove_topic(&mut self, path: &Path) {
        let Some(topic) = self.topics.find(path.as_str()).and_then(|key| {
            self.end_update_stream_of(key);
            let topic = self.topics.remove(key)?;
            Some((key, topic))
        }) else {
            return;
        };
        let (key, topic) = topic;
        self.removals.remove(key);
        let subscribers = topic.subscribers.unwrap_or_default();
        for (session, subscriber) in *subscribers {
            if let Some(session) = self.sessions.get_mut(session) {
                session.topics.swap_remove(&key);
            }
            // A session that has not heard of the topic yet never will: its announcement finds nothing.
            if subscriber.is_announced() {
                self.notify_unsubscription(session, topic.id, UnsubscriptionReason::Removed);
            }
        }
    }

    /// Passes an update on to everyone who watches the topic: to the ports of those that wait for nothing
    /// else, if there is `give`, and to the queues of the others.
    pub(super) fn publish(
        &mut self,
        key: TopicKey,
        update: &Arc<Update>,
        mut give: Option<&mut Give<'_>>,
    ) {
        let limits = self.queue_limits();
        // The subscribers are taken out of the topic meanwhile: queues may ask to unsubscribe from it.
        let Some(mut subscribers) = self
            .topics
            .get_mut(key)
            .and_then(|topic| topic.subscribers.take())
        else {
            return;
        };
        let mut pressed = Vec::new();
        for (session_key, subscriber) in &mut *subscribers {
            if !subscriber.is_announced() {
                continue;
            }
            let as_delta = subscriber.has_value && update.has_delta();
            subscriber.has_value = true;
            let Some(session) = self.sessions.get_mut(*session_key) else {
                continue;
            };
            let pressure = match (&mut give, session.link) {
                (Some(give), Some(link)) if session.takes_at_once(update) => {
                    let item = Item::Update {
                        update: update.clone(),
                        as_delta,
                    };
                    let mut outbox = Outbox {
                        key: *session_key,
                        session,
                        last: Some(item),
                        topics: &mut self.topics,
                    };
                    give(link, &mut outbox);
                    outbox.put_back(limits)
                }
                _ => {
                    let pressure = queue_update(session, update, as_delta, limits);
                    if !session.is_dirty && !session.is_blocked && session.link.is_some() {
                        session.is_dirty = true;
                        self.dirty.push(*session_key);
                    }
                    pressure
                }
            };
            if pressure != Pressure::None {
                pressed.push((*session_key, pressure));
            }
        }
        if let Some(topic) = self.topics.get_mut(key) {
            topic.subscribers = Some(subscribers);
        }
        for (session, pressure) in pressed {
            self.on_pressure(session, pressure);
        }
    }

    /// Appends an item to the queue of a session.
    pub(super) fn push(&mut self, key: SessionKey, item: Item) {
        self.settle_for(key);
        let limits = self.queue_limits();
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let pressure = session.queue.push(item, limits);
        self.mark_dirty(key);
        self.on_pressure(key, pressure);
    }

    fn on_pressure(&mut self, key: SessionKey, pressure: Pressure) {
        match pressure {
            Pressure::None => {}
            Pressure::Unsubscribe(topics) => {
                let subscribed = self.sessions.get(key).map(|session| session.topics.clone());
                for topic in subscribed.into_iter().flatten() {
                    let id = self.topics.get(topic).map(|topic| topic.id);
                    if id.is_some_and(|id| topics.contains(&id)) {
                        self.unsubscribe(key, topic, UnsubscriptionReason::BackPressure);
                    }
                }
            }
            Pressure::Full => {
                if self.sessions.get(key).is_some_and(Session::is_lost) {
                    return self.give_up_messages(key);
                }
                if let Some(session) = self.sessions.get(key) {
                    tracing::info!(session = %session.id, "a session is closed: more waits for it than the limits allow");
                }
                self.close(key, CloseReason::QueueLimit, Closing::Normal);
            }
        }
    }

    pub(super) fn notify_unsubscription(
        &mut self,
        session: SessionKey,
        topic: TopicId,
        reason: UnsubscriptionReason,
    ) {
        self.push(session, Item::Withdraw { topic, reason });
    }

    /// Offers the outbox of each link that has something new to `give`, which takes what its port has
    /// room for. A link whose outbox is not empty afterwards is not offered again before it is ready.
    pub fn flush(&mut self, mut give: impl FnMut(LinkId, &mut Outbox<'_>)) {
        // The last update goes to ports without a detour over queues: the sessions of a topic with many
        // subscribers fit into no cache, and would be looked at twice.
        if let Some((topic, update)) = self.pending.take() {
            self.publish(topic, &update, Some(&mut give));
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            session.is_dirty = false;
            if let Some(link) = session.link {
                give(
                    link,
                    &mut Outbox {
                        key,
                        session,
                        last: None,
                        topics: &mut self.topics,
                    },
                );
                session.is_blocked = !session.queue.is_empty();
            }
        }
        // The list keeps its memory for the next batch.
        self.dirty = dirty;
    }

    pub(super) fn on_ready(&mut self, link: LinkId) {
        let Some(key) = self.sessions.by_link(link) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(key) {
            session.is_blocked = false;
            if !session.queue.is_empty() {
                self.mark_dirty(key);
            }
        }
    }

    /// Takes all that waits for a session, for its last port.
    pub(super) fn drain(&mut self, key: SessionKey) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let Some(session) = self.sessions.get_mut(key) {
            Outbox {
                key,
                session,
                last: None,
                topics: &mut self.topics,
            }
            .take(&mut frames, usize::MAX);
        }
        frames
    }
}

/// Appends an update to the queue of a session. A burst is for sessions that take it as it is, at once: in
/// the queues of others each update counts.
fn queue_update(
    session: &mut Session,
    update: &Arc<Update>,
    as_delta: bool,
    limits: Limits,
) -> Pressure {
    let is_ready = session.is_ready();
    let updates = match update.parts() {
        parts @ [_, ..] if !is_ready || !session.takes_bursts() => parts,
        _ => std::slice::from_ref(update),
    };
    let limits = match is_ready {
        // What a batch keeps is gone when it is flushed.
        true => Limits {
            kept_bytes_max: usize::MAX,
            ..limits
        },
        false => limits,
    };
    let topic = update.topic;
    let mut pressure = Pressure::None;
    for item in Item::updates(updates, as_delta) {
        pressure.add(session.queue.push(item, limits));
        if pressure.ends(topic) {
            break; // What follows is built on what the queue has just dropped.
        }
    }
    pressure
}

fn bytes_of(frames: &[Frame]) -> usize {
    frames.iter().map(|frame| frame.websocket().len()).sum()
}

/// What a session has still to get, as a port sees it.
#[derive(Debug)]
pub struct Outbox<'a> {
    key: SessionKey,
    session: &'a mut Session,
    /// What comes after the queue.
    last: Option<Item>,
    topics: &'a mut TopicTree,
}

impl Outbox<'_> {
    /// Returns whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.session.queue.is_empty() && self.last.is_none()
    }

    /// Puts what nobody took into the queue of the session, which then waits until its link is ready.
    fn put_back(self, limits: Limits) -> Pressure {
        match self.last {
            None => Pressure::None,
            Some(item) => {
                self.session.is_blocked = true;
                self.session.queue.push(item, limits)
            }
        }
    }

    /// Moves frames, oldest first, to `port` until they have `bytes_max` bytes together; at least one.
    pub fn take(&mut self, port: &mut Vec<Frame>, bytes_max: usize) {
        let again = self.session.queue.take_again();
        let mut bytes = again.as_deref().map_or(0, bytes_of);
        port.extend(again.into_iter().flatten());
        let first = port.len();
        while bytes < bytes_max
            && let Some(item) = self.session.queue.pop().or_else(|| self.last.take())
        {
            let from = port.len();
            self.resolve(item, port);
            bytes += bytes_of(&port[from..]);
        }
        for frame in &port[first..] {
            let (messages, bytes) = (frame.message_count(), frame.websocket().len());
            self.session.recovery.push(frame.clone(), messages, bytes);
        }
    }

    /// Makes the frames of an item.
    fn resolve(&mut self, item: Item, port: &mut Vec<Frame>) {
        match item {
            Item::Frame(frame) => port.push(frame),
            Item::Series(frames) | Item::Again(frames) => port.extend(frames),
            Item::Update { update, as_delta } => {
                self.update(&update, as_delta, port);
            }
            Item::Announce(topic, id) => self.announce(topic, id, port),
            Item::Withdraw { topic, reason } => {
                let topic = self.session.aliases.remove(topic);
                let version = self.session.version;
                let message = topic_message::unsubscription(topic, reason, version);
                port.push(Frame::new(&message, version));
            }
        }
    }

    /// Tells the session of a topic and of its value, unless that subscription has ended meanwhile.
    fn announce(&mut self, key: TopicKey, id: AnnouncementId, port: &mut Vec<Frame>) {
        let fresh = self
            .session
            .aliases
            .are_used()
            .then(|| self.topics.fresh_id());
        let topic = self.topics.get_mut(key);
        let Some(topic) = topic.filter(|topic| topic.awaits_announcement(self.key, id)) else {
            return;
        };
        if let Some(fresh) = fresh {
            self.session.aliases.insert(topic.id, fresh);
        }
        let initial = topic.initial();
        if let Some(subscriber) = topic.subscriber_mut(self.key) {
            subscriber.awaits = None;
            subscriber.has_value = initial.is_some();
        }
        let version = self.session.version;
        let specification = &topic.kind.specification;
        let message = topic_message::subscription(
            fresh.unwrap_or(topic.id),
            &topic.path,
            specification,
            version,
        );
        port.push(Frame::new(&message, version));
        if let Some(initial) = initial {
            self.update(&initial, false, port);
        }
    }

    /// Makes the frames of an update, or of the first events of a time series.
    fn update(&self, update: &Update, as_delta: bool, port: &mut Vec<Frame>) {
        let reception = self.session.reception;
        if let Some(alias) = self.session.aliases.get(update.topic) {
            port.extend(update.frames_under(alias, as_delta, reception));
        } else if update.parts().is_empty() || self.session.takes_bursts() {
            port.push(update.frame(as_delta, reception).clone());
        } else {
            let parts = update.each_part(as_delta);
            port.extend(parts.map(|(part, as_delta)| part.frame(as_delta, reception).clone()));
        }
    }
}
