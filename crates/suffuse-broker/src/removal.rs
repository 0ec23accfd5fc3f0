//! Topics that are removed by themselves (`REMOVAL`, spec: topics §13.1).
//!
//! For each condition it is known since when it holds, or when it will if nothing happens until then. So
//! a policy is looked at when that time has come, and else only after something has happened to its topic;
//! conditions about sessions are looked at once a second.
//!
//! Limits: there is at most one policy for each topic. Looking at a filter costs one look at each session,
//! once a second for each distinct policy with one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use indexmap::IndexMap;
use suffuse_proto::{
    SessionId,
    filter::SessionFilter,
    specification::{RemovalCondition, RemovalPolicy},
};

use crate::{security::Roles, topic::TopicKey};

/// How long after an event policies are looked at, and how often sessions are counted. No period of a
/// policy is shorter, unless it is zero.
const PERIOD: Duration = Duration::from_secs(1);

/// The removal policies of all topics.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    standing: IndexMap<TopicKey, Standing>,
    by_creator: HashMap<SessionId, Vec<TopicKey>>,
    next: Option<Instant>,
}

/// A policy and what has happened to its topic.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) policy: Arc<RemovalPolicy>,
    pub(crate) creator: SessionId,
    /// What the creator might do when it created the topic.
    pub(crate) roles: Arc<Roles>,
    pub(crate) principal: String,
    created: Instant,
    updated: Instant,
    /// How many subscribers there are.
    subscribers: u64,
    /// Since when there are as few as the policy asks for, if there are.
    fewer_since: Instant,
    is_creator_closed: bool,
    /// Since when each filter of the policy means no session, in the order of the policy.
    nobody_since: Vec<Option<Instant>>,
}

/// The clock on the wall, and what it is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) at: Instant,
    /// What the wall clock showed then, as the time since 1970.
    pub(crate) shown: Duration,
}

impl Clock {
    /// Returns the instant of a time on the wall; `None` if it is too far away to come.
    fn instant_of(self, shown: Duration) -> Option<Instant> {
        match shown.checked_sub(self.shown) {
            Some(ahead) => self.at.checked_add(ahead),
            None => Some(self.at.checked_sub(self.shown - shown).unwrap_or(self.at)),
        }
    }
}

impl Removals {
    /// Returns when [`Self::take_due`] is needed next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Watches a new topic.
    pub(crate) fn add(
        &mut self,
        topic: TopicKey,
        policy: Arc<RemovalPolicy>,
        creator: (SessionId, String, Arc<Roles>),
        subscribers: usize,
        now: Instant,
    ) {
        let (creator, principal, roles) = creator;
        self.by_creator.entry(creator).or_default().push(topic);
        let standing = Standing {
            nobody_since: vec![None; filters(&policy.condition)],
            policy,
            creator,
            roles,
            principal,
            created: now,
            updated: now,
            subscribers: subscribers as u64,
            fewer_since: now,
            is_creator_closed: false,
        };
        self.standing.insert(topic, standing);
        self.wake(now);
    }

    /// A topic is gone, or its policy is done.
    pub(crate) fn remove(&mut self, topic: TopicKey) -> Option<Standing> {
        let standing = self.standing.swap_remove(&topic)?;
        if let Some(topics) = self.by_creator.get_mut(&standing.creator) {
            topics.retain(|other| *other != topic);
            if topics.is_empty() {
                self.by_creator.remove(&standing.creator);
            }
        }
        Some(standing)
    }

    /// A topic was updated, also if its value is the same.
    pub(crate) fn on_update(&mut self, topic: TopicKey, now: Instant) {
        if let Some(standing) = self.standing.get_mut(&topic) {
            standing.updated = now;
            self.wake(now + PERIOD);
        }
    }

    /// A topic has another number of subscribers.
    pub(crate) fn on_subscribers(&mut self, topic: TopicKey, count: usize, now: Instant) {
        if let Some(standing) = self.standing.get_mut(&topic) {
            let limit = limit(&standing.policy.condition);
            let was_few = standing.subscribers < limit;
            standing.subscribers = count as u64;
            if !was_few {
                standing.fewer_since = now;
            }
            self.wake(now + PERIOD);
        }
    }

    /// A session is closed for good.
    pub(crate) fn on_close(&mut self, session: SessionId, now: Instant) {
        for topic in self.by_creator.get(&session).into_iter().flatten() {
            if let Some(standing) = self.standing.get_mut(topic) {
                standing.is_creator_closed = true;
                self.next = Some(now);
            }
        }
    }

    fn wake(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Takes the policies whose condition holds, with their topics. `is_anybody` says whether a filter means a
    /// session.
    pub(crate) fn take_due(
        &mut self,
        now: Instant,
        clock: Clock,
        mut is_anybody: impl FnMut(&SessionFilter) -> bool,
    ) -> Vec<(TopicKey, Standing)> {
        let mut known = HashMap::new();
        let mut look = |filter: &SessionFilter| {
            let known = known.entry(std::ptr::from_ref(filter));
            *known.or_insert_with(|| is_anybody(filter))
        };
        self.next = None;
        let mut due = Vec::new();
        for (topic, standing) in &mut self.standing {
            standing.look(now, &mut look);
            let holds_from = standing.holds_from(clock);
            let again = (!standing.nobody_since.is_empty()).then_some(now + PERIOD);
            match holds_from {
                Some(from) if from <= now => due.push(*topic),
                from => self.next = [self.next, from, again].into_iter().flatten().min(),
            }
        }
        due.into_iter()
            .filter_map(|topic| Some((topic, self.remove(topic)?)))
            .collect()
    }
}

impl Standing {
    /// Looks at sessions.
    fn look(&mut self, now: Instant, is_anybody: &mut impl FnMut(&SessionFilter) -> bool) {
        let mut since = self.nobody_since.iter_mut();
        each_filter(&self.policy.condition, &mut |filter| {
            if let Some(since) = since.next() {
                *since = match is_anybody(filter) {
                    true => None,
                    false => Some(since.unwrap_or(now)),
                };
            }
        });
    }

    /// Returns from when on the topic is to be removed, if nothing happens to it.
    fn holds_from(&self, clock: Clock) -> Option<Instant> {
        let mut nobody_since = self.nobody_since.iter().copied();
        self.condition_holds_from(
            &self.policy.condition,
            self.created,
            clock,
            &mut nobody_since,
        )
    }

    /// Times that a condition has to last count from `start`, or later.
    fn condition_holds_from(
        &self,
        condition: &RemovalCondition,
        start: Instant,
        clock: Clock,
        nobody_since: &mut impl Iterator<Item = Option<Instant>>,
    ) -> Option<Instant> {
        let last = |since: Instant, lasting: Duration, after: Duration| {
            (since.max(start) + lasting).max(self.created + after)
        };
        match condition {
            RemovalCondition::All(all) => {
                let times = all.iter().filter_map(|condition| {
                    let RemovalCondition::TimeAfter(time) = condition else {
                        return None;
                    };
                    clock.instant_of(*time)
                });
                let start = times.fold(start, Instant::max);
                let mut each = |condition| {
                    self.condition_holds_from(condition, start, clock, &mut *nobody_since)
                };
                // All are visited, for the filters.
                let from: Vec<_> = all.iter().map(&mut each).collect();
                from.into_iter()
                    .collect::<Option<Vec<_>>>()?
                    .into_iter()
                    .max()
            }
            RemovalCondition::Any(any) => {
                let mut each = |condition| {
                    self.condition_holds_from(condition, start, clock, &mut *nobody_since)
                };
                let from: Vec<_> = any.iter().map(&mut each).collect();
                from.into_iter().flatten().min()
            }
            RemovalCondition::TimeAfter(time) => clock.instant_of(*time),
            RemovalCondition::Subscriptions {
                below,
                lasting,
                after,
            } => (self.subscribers < *below).then(|| last(self.fewer_since, *lasting, *after)),
            RemovalCondition::NoUpdates { lasting, after } => {
                Some(last(self.updated, *lasting, *after))
            }
            RemovalCondition::NoSession { lasting, after, .. } => {
                let since = nobody_since.next().flatten()?;
                Some(last(since, *lasting, *after))
            }
            RemovalCondition::ThisSessionCloses => self.is_creator_closed.then_some(self.created),
        }
    }
}

/// Visits the filters of a condition, in their order.
fn each_filter(condition: &RemovalCondition, visit: &mut dyn FnMut(&SessionFilter)) {
    match condition {
        RemovalCondition::All(conditions) | RemovalCondition::Any(conditions) => {
            for condition in conditions {
                each_filter(condition, visit);
            }
        }
        RemovalCondition::NoSession { filter, .. } => visit(filter),
        RemovalCondition::TimeAfter(_)
        | RemovalCondition::Subscriptions { .. }
        | RemovalCondition::NoUpdates { .. }
        | RemovalCondition::ThisSessionCloses => {}
    }
}

fn filters(condition: &RemovalCondition) -> usize {
    let mut count = 0;
    each_filter(condition, &mut |_| count += 1);
    count
}

/// Returns fewer than how many subscribers a condition asks for. It is asked for once at most.
fn limit(condition: &RemovalCondition) -> u64 {
    match condition {
        RemovalCondition::All(conditions) | RemovalCondition::Any(conditions) => {
            conditions.iter().map(limit).max().unwrap_or(0)
        }
        RemovalCondition::Subscriptions { below, .. } => *below,
        RemovalCondition::TimeAfter(_)
        | RemovalCondition::NoUpdates { .. }
        | RemovalCondition::NoSession { .. }
        | RemovalCondition::ThisSessionCloses => 0,
    }
}
