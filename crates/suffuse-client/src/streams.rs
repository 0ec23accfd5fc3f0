//! Streams of what happens to topics.
//!
//! A stream never holds up the session or other streams. While the application does not read, up to
//! 1024 updates wait (or twice as many as there are topics, if that is more). Then older updates of a
//! topic give way to its newest one, and [`Update::missed`] says how many. So a slow reader still
//! ends with the last value of every topic.

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
use suffuse_proto::{Path, TopicSpecification, services::topics::UnsubscriptionReason};

pub use crate::machine::topics::Received;
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

    fn new(item: Item, raw: Bytes, previous: Option<Bytes>, received: Received) -> Self {
        let value = T::read(item.specification.topic_type, &raw);
        let Item {
            path,
            specification,
            missed,
            ..
        } = item;
        Self {
            path,
            specification,
            value,
            raw,
            previous,
            received,
            missed,
        }
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
        self.queue.poll(context).map(|item| {
            let item = item?;
            match item.event.clone() {
                TopicEvent::Value {
                    payload,
                    previous,
                    received,
                } => Some(Update::new(item, payload, previous, received)),
                TopicEvent::Subscribed | TopicEvent::Unsubscribed(_) => {
                    unreachable!("the queue of a value stream has values only")
                }
            }
        })
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
        self.queue.poll(context).map(|item| item.map(notice))
    }
}

fn notice<T: TopicRead>(item: Item) -> TopicNotice<T> {
    match item.event.clone() {
        TopicEvent::Subscribed => TopicNotice::Subscribed {
            path: item.path,
            specification: item.specification,
        },
        TopicEvent::Value {
            payload,
            previous,
            received,
        } => TopicNotice::Value(Update::new(item, payload, previous, received)),
        TopicEvent::Unsubscribed(reason) => TopicNotice::Unsubscribed {
            path: item.path,
            specification: item.specification,
            reason,
        },
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
