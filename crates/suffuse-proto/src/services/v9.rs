//! The records that only the old dialect has (spec: topics §14). Their handlers translate to modern requests.

use bytes::Bytes;

use crate::{
    Path, TopicType,
    codec::{Codec, DecodeError, Reader, Writer},
    message::{ConversationId, TopicId},
};

/// What kind of topic it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDetails {
    /// The type.
    pub topic_type: TopicType,
    /// The description that single values and records have; the modern types have none.
    pub schema: Option<String>,
}

/// The types whose details carry a description: single value and record.
const DESCRIBED: [TopicType; 2] = [TopicType(3), TopicType(4)];

impl TopicDetails {
    /// Returns the details of a type.
    #[must_use]
    pub fn new(topic_type: TopicType) -> Self {
        Self {
            topic_type,
            schema: None,
        }
    }
}

impl Codec for TopicDetails {
    fn encode(&self, out: &mut Writer) {
        true.encode(out);
        self.topic_type.encode(out);
        self.schema.is_some().encode(out);
        if let Some(schema) = &self.schema {
            if DESCRIBED.contains(&self.topic_type) {
                schema.encode(out);
            }
            false.encode(out);
        }
    }

    fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
        if !bool::decode(input)? {
            return Err(DecodeError::Invalid("the details of a topic are absent"));
        }
        let topic_type = TopicType::decode(input)?;
        if !bool::decode(input)? {
            return Ok(Self::new(topic_type));
        }
        let schema = match DESCRIBED.contains(&topic_type) {
            true => String::decode(input)?,
            false => String::new(),
        };
        if bool::decode(input)? {
            return Err(DecodeError::Invalid("topics have no attributes here"));
        }
        Ok(Self {
            topic_type,
            schema: Some(schema),
        })
    }

    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self {
        let topic_type = TopicType(random.byte());
        let schema = DESCRIBED.contains(&topic_type).then(|| random.text());
        Self { topic_type, schema }
    }
}

/// Tells a session that it is subscribed to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct SubscriptionNotice {
    /// The id that the unsubscription notice will have.
    pub topic: TopicId,
    /// The path that values and deltas of the topic will have.
    pub path: Path,
    /// What kind of topic it is.
    pub details: TopicDetails,
}

/// Asks for values. They come as messages of their own after the response.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct FetchRequest {
    /// Which topics.
    pub selector: String,
    /// What the values will refer to.
    pub conversation: ConversationId,
}

/// A value with its encoding.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct Content {
    /// 0: plain. Others are not used.
    pub encoding: u8,
    /// The value.
    pub value: Bytes,
}

/// Adds a topic, with its first value.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct AddTopicRequest {
    /// Where.
    pub path: String,
    /// Always 0: details are not referred to.
    pub reference: i32,
    /// What kind of topic.
    pub details: TopicDetails,
    /// The first value.
    pub content: Option<Content>,
}

/// What became of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub enum AddTopicResult {
    /// The topic was added.
    #[tag(0)]
    Added,
    /// It was not.
    #[tag(2)]
    Failed(AddTopicFailure),
}

/// Why a topic was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub enum AddTopicFailure {
    /// One of the same kind exists.
    #[tag(1)]
    Exists,
    /// One of another kind exists.
    #[tag(2)]
    ExistsMismatch,
    /// The path is not valid.
    #[tag(3)]
    InvalidPath,
    /// The details are not valid, or not known here.
    #[tag(4)]
    InvalidDetails,
    /// The caller may not.
    #[tag(7)]
    PermissionDenied,
    /// Anything else.
    #[tag(9)]
    Unexpected,
}

/// Removes topics.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct RemoveTopicsRequest {
    /// Which topics.
    pub selector: String,
}

/// Updates a topic.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct UpdateTopicRequest {
    /// Which topic.
    pub path: String,
    /// 0: content.
    pub update_type: u8,
    /// 0: update.
    pub action: u8,
    /// The value.
    pub content: Content,
}

/// Sets the value of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct SetTopicRequest {
    /// Which topic.
    pub path: String,
    /// The value.
    pub value: Bytes,
}

/// Changes the value of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct ApplyDeltaRequest {
    /// Which topic.
    pub path: String,
    /// Always 0: binary.
    pub delta_type: i32,
    /// What changes.
    pub delta: Bytes,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub enum UpdateResult {
    /// It was applied.
    #[tag(0)]
    Applied,
    /// It does not fit the type of the topic.
    #[tag(1)]
    Incompatible,
    /// The value is not valid.
    #[tag(2)]
    Failed,
    /// There is no topic.
    #[tag(4)]
    MissingTopic,
    /// There is no value to apply a delta to.
    #[tag(8)]
    DeltaWithoutValue,
}
