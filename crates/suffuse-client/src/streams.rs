//! Streams of what happens to topics.
//!
//! A stream never holds up the session or other streams. While the application does not read, up to
//! 1024 updates wait (or twice as many as there are topics, if that is more). Then older updates of
//! a topic give way to its newest one, and [`Update::missed`] says how many. So a slow reader still
//! ends with the last value of every topic.
//!
//! Streams outlive a lost connection. When the session is resumed, they go on where they were; when
//! messages were lost, every topic begins anew with its current value, and [`Update::lost`] says so.

mod queue;

use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use suffuse_proto::{Path, TopicSpecification};

pub use crate::machine::topics::{Received, UnsubscriptionReason};
use crate::{
    machine::topics::TopicEvent,
    topic::{TopicRead, ValueError},
};
use queue::Item;
pub(crate) use queue::{Interest, Queue};

/// A new value of a topic.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Update<T> {
    /// Which topic.
    pub path: Path,
    /// What the topic was made with.
    pub specification: Arc<TopicSpecification>,
    /// The value; an error if it cannot be read as a `T`.
    pub value: Result<T, ValueError>,
    /// The bytes of the value.
    pub raw: Bytes,
    /// The bytes of the value before, if there was one.
    pub previous: Option<Bytes>,
    /// How the value came.
    pub received: Received,
    /// How many earlier values of the topic this stream left out because it was not read in time.
    pub missed: u64,
    /// Whether earlier values of the topic may have been lost in a reconnection.
    pub lost: bool,
}

impl<T: TopicRead> Update<T> {
    /// Returns the value before, if there was one.
    ///
    /// # Errors
    /// When it cannot be read as a `T`.
    pub fn previous_value(&self) -> Result<Option<T>, ValueError> {
        let previous = self.previous.as_ref();
        previous
            .map(|previous| T::read(self.specification.topic_type, previous))
            .transpose()
    }

    /// Returns the update that an item of a queue is, if it is one.
    fn from_item(item: Item) -> Option<Self> {
        let Item {
            path,
            specification,
            event,
            missed,
        } = item;
        let TopicEvent::Value {
            payload: raw,
            previous,
            received,
            lost,
        } = event
        else {
            return None;
        };
        let value = T::read(specification.topic_type, &raw);
        Some(Self {
            path,
            specification,
            value,
            raw,
            previous,
            received,
            missed,
            lost,
        })
    }
}

/// The values of topics, as they change. Ends with the session.
#[must_use = "a stream does nothing unless it is read"]
pub struct ValueStream<T> {
    queue: Arc<Queue>,
    _type: PhantomData<fn() -> T>,
}

impl<T: TopicRead> ValueStream<T> {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            _type: PhantomData,
        }
    }

    /// Returns the next update; `None` when the session is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Update<T>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Update<T>>> {
        // The queue of this stream has nothing but values.
        self.queue
            .poll(context)
            .map(|item| item.and_then(Update::from_item))
    }
}

impl<T: TopicRead> Stream for ValueStream<T> {
    type Item = Update<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Update<T>>> {
        self.poll(context)
    }
}

impl<T> Drop for ValueStream<T> {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl<T> fmt::Debug for ValueStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueStream").finish_non_exhaustive()
    }
}

/// Something that happened to a topic.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TopicNotice<T> {
    /// The session is subscribed to the topic now. Its value follows, if it has one.
    Subscribed {
        /// Which topic.
        path: Path,
        /// What the topic was made with.
        specification: Arc<TopicSpecification>,
    },
    /// The topic has a new value.
    Value(Update<T>),
    /// The session is not subscribed to the topic any more.
    Unsubscribed {
        /// Which topic.
        path: Path,
        /// What the topic was made with.
        specification: Arc<TopicSpecification>,
        /// Why.
        reason: UnsubscriptionReason,
    },
}

/// Subscriptions to topics, their values, and the ends of subscriptions. Ends with the session.
#[must_use = "a stream does nothing unless it is read"]
pub struct NoticeStream<T> {
    queue: Arc<Queue>,
    _type: PhantomData<fn() -> T>,
}

impl<T: TopicRead> NoticeStream<T> {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            _type: PhantomData,
        }
    }

    /// Returns the next notice; `None` when the session is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<TopicNotice<T>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<TopicNotice<T>>> {
        self.queue.poll(context).map(|item| item.and_then(notice))
    }
}

fn notice<T: TopicRead>(item: Item) -> Option<TopicNotice<T>> {
    let (path, specification) = (item.path.clone(), item.specification.clone());
    match item.event {
        TopicEvent::Subscribed => Some(TopicNotice::Subscribed {
            path,
            specification,
        }),
        TopicEvent::Value { .. } => Update::from_item(item).map(TopicNotice::Value),
        TopicEvent::Unsubscribed(reason) => Some(TopicNotice::Unsubscribed {
            path,
            specification,
            reason,
        }),
    }
}

impl<T: TopicRead> Stream for NoticeStream<T> {
    type Item = TopicNotice<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<TopicNotice<T>>> {
        self.poll(context)
    }
}

impl<T> Drop for NoticeStream<T> {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl<T> fmt::Debug for NoticeStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoticeStream").finish_non_exhaustive()
    }
}
