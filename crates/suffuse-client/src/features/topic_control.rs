//! Adding and removing topics.

use suffuse_proto::{
    Path, TopicSpecification,
    service::{AddTopic, RemoveTopics},
    services::topic_control::{AddTopicRequest, RemoveTopicsRequest},
};

pub use suffuse_proto::services::topic_control::AddTopicResult as AddResult;

use crate::{
    error::RequestError,
    features::topics::{Topics, parse_selector},
};

impl Topics<'_> {
    /// Adds a topic, unless there is one with the same specification.
    ///
    /// # Errors
    /// When the path is not valid, a topic with another specification exists, the session lacks a
    /// permission, or the session is closed.
    pub async fn add(
        &self,
        path: &str,
        specification: TopicSpecification,
    ) -> Result<AddResult, RequestError> {
        let path = Path::parse(path)?.as_str().to_owned();
        self.session
            .request::<AddTopic>(&AddTopicRequest {
                path,
                specification,
            })
            .await
    }

    /// Removes all topics that a selector matches, and returns how many that were.
    ///
    /// # Errors
    /// When the selector is not valid, the session lacks a permission, or the session is closed.
    pub async fn remove(&self, selector: &str) -> Result<usize, RequestError> {
        let selector = parse_selector(selector)?.as_str().to_owned();
        let removed = self
            .session
            .request::<RemoveTopics>(&RemoveTopicsRequest { selector })
            .await?;
        Ok(usize::try_from(removed.count).unwrap_or(0))
    }
}
