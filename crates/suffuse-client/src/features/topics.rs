//! Subscribing to topics, streams of their values, and fetching them.

mod fetch;

use std::sync::Arc;

use suffuse_proto::{
    Selector,
    service::{Subscribe, Unsubscribe, UnsubscribeAll},
    services::topics::{SelectionRequest, UnsubscribeAllRequest},
};

pub use fetch::{Fetch, FetchResult, FetchedTopic};

use crate::{
    error::RequestError,
    session::{Command, Session},
    streams::{Interest, NoticeStream, Queue, ValueStream},
    topic::TopicRead,
};

/// What can be done with topics.
#[derive(Clone, Copy, Debug)]
pub struct Topics<'a> {
    pub(super) session: &'a Session,
}

impl<'a> Topics<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        Self { session }
    }

    /// Subscribes to the topics that a selector matches, now and later. Streams get their values.
    ///
    /// # Errors
    /// When the selector is not valid, the session lacks a permission, or the session is closed.
    pub async fn subscribe(&self, selector: &str) -> Result<(), RequestError> {
        self.subscribe_to(&parse_selector(selector)?).await
    }

    async fn subscribe_to(&self, selector: &Selector) -> Result<(), RequestError> {
        self.session
            .request::<Subscribe>(&selection(selector))
            .await
    }

    /// Unsubscribes from the topics that a selector matches.
    ///
    /// # Errors
    /// When the selector is not valid, or the session is closed.
    pub async fn unsubscribe(&self, selector: &str) -> Result<(), RequestError> {
        self.session
            .request::<Unsubscribe>(&selection(&parse_selector(selector)?))
            .await
    }

    /// Unsubscribes from the topics that a selector matches, in all scopes of the session.
    ///
    /// # Errors
    /// When the selector is not valid, or the session is closed.
    pub async fn unsubscribe_all(&self, selector: &str) -> Result<(), RequestError> {
        let selector = parse_selector(selector)?.as_str().to_owned();
        self.session
            .request::<UnsubscribeAll>(&UnsubscribeAllRequest { selector })
            .await
    }

    /// Subscribes to the topics that a selector matches, and returns a stream of the values of
    /// those of them that can be read as a `T`. Values that are there already come first.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub async fn stream<T: TopicRead>(
        &self,
        selector: &str,
    ) -> Result<ValueStream<T>, RequestError> {
        let selector = parse_selector(selector)?;
        let stream = ValueStream::new(self.listen::<T>(&selector, Interest::Values).await?);
        self.subscribe_to(&selector).await?;
        Ok(stream)
    }

    /// Returns a stream of the values of topics that match a selector and that the session is, or
    /// will be, subscribed to by other calls. Values that are there already come first.
    ///
    /// # Errors
    /// When the selector is not valid, or the session is closed.
    pub async fn stream_of_subscribed<T: TopicRead>(
        &self,
        selector: &str,
    ) -> Result<ValueStream<T>, RequestError> {
        let selector = parse_selector(selector)?;
        Ok(ValueStream::new(
            self.listen::<T>(&selector, Interest::Values).await?,
        ))
    }

    /// Subscribes as [`Self::stream`] does, and returns a stream that also tells when the session
    /// is subscribed to a topic, and when and why it is not any more.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub async fn notices<T: TopicRead>(
        &self,
        selector: &str,
    ) -> Result<NoticeStream<T>, RequestError> {
        let selector = parse_selector(selector)?;
        let stream = NoticeStream::new(self.listen::<T>(&selector, Interest::Everything).await?);
        self.subscribe_to(&selector).await?;
        Ok(stream)
    }

    /// Returns a fetch of the topics that a selector matches, to add options to and to send.
    pub fn fetch(&self, selector: &str) -> Fetch<'a> {
        Fetch::new(self.session, selector)
    }

    async fn listen<T: TopicRead>(
        &self,
        selector: &Selector,
        interest: Interest,
    ) -> Result<Arc<Queue>, RequestError> {
        let queue = Arc::new(Queue::new(interest));
        let listen = Command::Listen {
            selector: selector.clone(),
            accepts: T::accepts,
            queue: queue.clone(),
        };
        self.session.command(listen).await?;
        Ok(queue)
    }
}

pub(super) fn parse_selector(selector: &str) -> Result<Selector, RequestError> {
    Ok(Selector::parse(selector)?)
}

/// A selection in the default scope.
fn selection(selector: &Selector) -> SelectionRequest {
    SelectionRequest {
        selector: selector.as_str().to_owned(),
        scope: String::new(),
    }
}
