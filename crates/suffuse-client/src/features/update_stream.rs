//! Update streams: setting the value of a topic again and again, by deltas.

use std::marker::PhantomData;

use bytes::Bytes;
use suffuse_proto::{
    Path, TopicSpecification,
    service::{
        CheckUpdateStream, CreateUpdateStream, StreamAddTopic, StreamApplyDelta, StreamSetTopic,
    },
    services::{
        topic_update::UpdateConstraint,
        update_stream::{
            CreateUpdateStreamRequest, StreamAddTopicRequest, StreamDeltaRequest, StreamSetRequest,
            UpdateStreamCreated, UpdateStreamFlags,
        },
    },
    value::delta,
};

use crate::{
    Session,
    error::RequestError,
    features::{AddResult, topics::Topics},
    topic::TopicWrite,
};

/// A way to set the value of one topic that sends only what changes. It ends when anything else updates
/// or removes the topic, when another stream is made of it, and when a reconnection loses messages: from
/// then on it is refused with error 9013. Make another one then.
#[derive(Debug)]
pub struct UpdateStream<T: ?Sized> {
    session: Session,
    created: UpdateStreamCreated,
    supports_deltas: bool,
    /// What the server has as the last value of this stream, while that is certain.
    last: Option<Bytes>,
    value: PhantomData<fn(&T)>,
}

impl Topics<'_> {
    /// Makes an update stream of a topic if a constraint holds. The constraint is not asked again later.
    ///
    /// # Errors
    /// When there is no such topic, its type is another one, the constraint does not hold (error 9012),
    /// the session lacks a permission, or it is closed.
    pub async fn update_stream<T: TopicWrite + ?Sized>(
        &self,
        path: &str,
        constraint: UpdateConstraint,
    ) -> Result<UpdateStream<T>, RequestError> {
        let request = CreateUpdateStreamRequest {
            path: Path::parse(path)?.as_str().to_owned(),
            topic_type: T::TOPIC_TYPE,
            constraint,
        };
        let created = self.session.request::<CreateUpdateStream>(&request).await?;
        Ok(UpdateStream::new(self.session, created))
    }

    /// Adds a topic, unless there is one with the same specification, and makes an update stream of it if
    /// a constraint holds. If it does not, no topic is added.
    ///
    /// # Errors
    /// As [`Self::update_stream`], and when the path is not valid or a topic with another specification
    /// exists.
    pub async fn add_and_update_stream<T: TopicWrite + ?Sized>(
        &self,
        path: &str,
        specification: TopicSpecification,
        constraint: UpdateConstraint,
    ) -> Result<(UpdateStream<T>, AddResult), RequestError> {
        let request = StreamAddTopicRequest {
            path: Path::parse(path)?.as_str().to_owned(),
            specification,
            constraint,
        };
        let added = self.session.request::<StreamAddTopic>(&request).await?;
        Ok((UpdateStream::new(self.session, added.created), added.topic))
    }
}

impl<T: TopicWrite + ?Sized> UpdateStream<T> {
    fn new(session: &Session, created: UpdateStreamCreated) -> Self {
        let is_retained = created.flags.has(UpdateStreamFlags::RETAINS_VALUE);
        Self {
            session: session.clone(),
            created,
            supports_deltas: is_retained && T::TOPIC_TYPE.supports_deltas(),
            last: None,
            value: PhantomData,
        }
    }

    /// Sets the value: by a delta where that is shorter.
    ///
    /// # Errors
    /// When the stream has ended (error 9013), the server does not take the value (501), or the session is
    /// closed.
    pub async fn set(&mut self, value: &T) -> Result<(), RequestError> {
        let value = value.write()?;
        // If nobody waits for the answer, it is not known what the server has: the next value goes whole.
        let last = self.last.take();
        let result = self.send(last.as_deref(), &value).await;
        self.last = match &result {
            Ok(()) => Some(value),
            Err(RequestError::Refused(_)) => last,
            Err(_) => None,
        };
        result
    }

    async fn send(&self, last: Option<&[u8]>, value: &Bytes) -> Result<(), RequestError> {
        let stream = self.created.stream;
        let last = last.filter(|_| self.supports_deltas);
        match last.and_then(|last| delta::diff(last, value)) {
            Some(delta) => {
                let delta = delta.into();
                let request = StreamDeltaRequest { stream, delta };
                self.session.request::<StreamApplyDelta>(&request).await
            }
            None => {
                let value = value.clone();
                let request = StreamSetRequest { stream, value };
                self.session.request::<StreamSetTopic>(&request).await
            }
        }
    }

    /// Asks whether the stream is still valid.
    ///
    /// # Errors
    /// When the stream has ended (error 9013), or the session is closed.
    pub async fn check(&self) -> Result<(), RequestError> {
        let stream = &self.created.stream;
        self.session.request::<CheckUpdateStream>(stream).await
    }
}
