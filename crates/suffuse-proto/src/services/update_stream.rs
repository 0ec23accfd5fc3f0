//! Update streams (spec: topics §6.6).

use bytes::Bytes;

use super::{topic_control::AddTopicResult, topic_update::UpdateConstraint};
use crate::{TopicSpecification, TopicType, codec::Codec, message::TopicId};

/// An update stream, as the wire names it. Clients send it back as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Codec)]
pub struct UpdateStreamId {
    /// The topic that it updates.
    pub topic: TopicId,
    /// Which of all streams that the server ever made.
    pub instance: i32,
    /// 0: the server is in no cluster.
    pub partition: i32,
    /// 0: the server is in no cluster.
    pub generation: i32,
}

/// What a client has to know of the topic of an update stream: a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Codec)]
pub struct UpdateStreamFlags(pub u8);

impl UpdateStreamFlags {
    /// The topic keeps its value, so that deltas are possible.
    pub const RETAINS_VALUE: u8 = 1;
    /// Values that wait in the client may give way to the last one.
    pub const MAY_CONFLATE: u8 = 2;

    /// Returns whether a bit is set.
    #[must_use]
    pub fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// An update stream that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub struct UpdateStreamCreated {
    /// The stream.
    pub stream: UpdateStreamId,
    /// What it can do.
    #[since(19)]
    pub flags: UpdateStreamFlags,
}

/// An update stream that was made, perhaps with its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub struct UpdateStreamAdded {
    /// Whether the topic was there.
    pub topic: AddTopicResult,
    /// The stream.
    pub created: UpdateStreamCreated,
}

/// Makes an update stream of a topic if a constraint holds.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct CreateUpdateStreamRequest {
    /// Which topic.
    pub path: String,
    /// The type that the caller takes it for.
    pub topic_type: TopicType,
    /// What has to hold.
    pub constraint: UpdateConstraint,
}

/// Adds a topic if there is none, and makes an update stream of it if a constraint holds.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct StreamAddTopicRequest {
    /// Which topic.
    pub path: String,
    /// What kind of topic.
    pub specification: TopicSpecification,
    /// What has to hold.
    pub constraint: UpdateConstraint,
}

/// Sets the value of the topic of an update stream.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct StreamSetRequest {
    /// Which stream.
    pub stream: UpdateStreamId,
    /// The value.
    pub value: Bytes,
}

/// Sets the value of the topic of an update stream by what changes in it.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct StreamDeltaRequest {
    /// Which stream.
    pub stream: UpdateStreamId,
    /// What makes the value of the last one that was set through the stream (spec: topics §11.6).
    pub delta: Bytes,
}
