//! Adding and removing topics (spec: topics §5.4, §6.1).

use crate::{TopicSpecification, codec::Codec};

/// Adds a topic.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct AddTopicRequest {
    /// Where. Checked by the handler, which answers an invalid one with error 9005.
    pub path: String,
    /// What kind of topic.
    pub specification: TopicSpecification,
}

/// Whether a topic was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub enum AddTopicResult {
    /// It was added.
    #[tag(0)]
    Created,
    /// A topic with the same specification exists.
    #[tag(1)]
    Exists,
}

/// Removes all topics that a selector matches.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct RemoveTopicsRequest {
    /// Which topics.
    pub selector: String,
}

/// How many topics were removed.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct RemovedTopics {
    /// The number.
    #[since(16)]
    pub count: i32,
}
