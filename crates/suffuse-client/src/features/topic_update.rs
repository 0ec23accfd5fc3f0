//! Setting the values of topics.

use bytes::Bytes;
use suffuse_proto::{
    Path, TopicSpecification, TopicType,
    service::{AddAndSetTopic, ApplyJsonPatch, SetTopic},
    services::topic_update::{
        AddAndSetTopicRequest, ApplyJsonPatchRequest, PatchResult, SetTopicRequest,
        UpdateConstraint,
    },
};

use crate::{
    error::RequestError,
    features::{AddResult, topics::Topics},
    topic::TopicWrite,
};

impl Topics<'_> {
    /// Sets the value of a topic.
    ///
    /// # Errors
    /// When there is no such topic, its type is another one, the session lacks a permission, or the
    /// session is closed.
    pub async fn set<T: TopicWrite + ?Sized>(
        &self,
        path: &str,
        value: &T,
    ) -> Result<(), RequestError> {
        self.set_raw(path, T::TOPIC_TYPE, value.write()?).await
    }

    /// Sets the value of a topic, given as its bytes.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub async fn set_raw(
        &self,
        path: &str,
        topic_type: TopicType,
        value: Bytes,
    ) -> Result<(), RequestError> {
        self.set_raw_if(path, topic_type, value, UpdateConstraint::Unconstrained)
            .await
    }

    /// Sets the value of a topic, given as its bytes, if a constraint holds.
    ///
    /// # Errors
    /// As [`Self::set`], and with error 9012 when the constraint does not hold.
    pub async fn set_raw_if(
        &self,
        path: &str,
        topic_type: TopicType,
        value: Bytes,
        constraint: UpdateConstraint,
    ) -> Result<(), RequestError> {
        let path = Path::parse(path)?.as_str().to_owned();
        let request = SetTopicRequest {
            path,
            topic_type,
            value,
            constraint,
        };
        self.session.request::<SetTopic>(&request).await
    }

    /// Alters the value of a JSON topic by a JSON patch (RFC 6902), given as its text, if a constraint
    /// holds. Returns the index of the first operation that failed: then nothing was altered.
    ///
    /// # Errors
    /// When the text is no patch (error 9014), the topic has no value that can be patched (9015), there is
    /// no such topic or it is no JSON topic, the constraint does not hold (9012), the session lacks a
    /// permission, or it is closed.
    pub async fn patch(
        &self,
        path: &str,
        patch: &str,
        constraint: UpdateConstraint,
    ) -> Result<Option<i32>, RequestError> {
        let request = ApplyJsonPatchRequest {
            path: Path::parse(path)?.as_str().to_owned(),
            patch: patch.to_owned(),
            constraint,
        };
        let result = self.session.request::<ApplyJsonPatch>(&request).await?;
        Ok((result != PatchResult::APPLIED).then_some(result.failed_operation))
    }

    /// Adds a topic, unless there is one with the same specification, and sets its value.
    ///
    /// # Errors
    /// When the path is not valid, a topic with another specification exists, the value does not fit
    /// the type, the session lacks a permission, or the session is closed.
    pub async fn add_and_set<T: TopicWrite + ?Sized>(
        &self,
        path: &str,
        specification: TopicSpecification,
        value: &T,
    ) -> Result<AddResult, RequestError> {
        self.add_and_set_raw_if(
            path,
            specification,
            value.write()?,
            UpdateConstraint::Unconstrained,
        )
        .await
    }

    /// Adds a topic, unless there is one with the same specification, and sets its value, given as
    /// bytes, if a constraint holds. If it does not, no topic is added.
    ///
    /// # Errors
    /// As [`Self::add_and_set`], and with error 9012 when the constraint does not hold.
    pub async fn add_and_set_raw_if(
        &self,
        path: &str,
        specification: TopicSpecification,
        value: Bytes,
        constraint: UpdateConstraint,
    ) -> Result<AddResult, RequestError> {
        let path = Path::parse(path)?.as_str().to_owned();
        let request = AddAndSetTopicRequest {
            path,
            specification,
            value,
            constraint,
        };
        self.session.request::<AddAndSetTopic>(&request).await
    }
}
