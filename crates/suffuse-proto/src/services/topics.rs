//! Subscribing to topics and fetching them (spec: topics §5, §7).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    Path, TopicSpecification, TopicType,
    codec::{BitSet, Codec},
    message::TopicId,
};

/// Selects topics in a scope of the session, or deselects them.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct SelectionRequest {
    /// Which topics.
    pub selector: String,
    /// The scope; empty: the default one.
    #[since(29)]
    pub scope: String,
}

/// Deselects topics in all scopes of the session.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct UnsubscribeAllRequest {
    /// Which topics.
    pub selector: String,
}

/// Tells a session that it is subscribed to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct SubscriptionNotice {
    /// The id that values and deltas of the topic will have.
    pub topic: TopicId,
    /// Its path.
    pub path: Path,
    /// Its specification, with the properties as they were given.
    pub specification: TopicSpecification,
}

/// Tells a session that it is not subscribed to a topic any more.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct UnsubscriptionNotice {
    /// Which topic.
    pub topic: TopicId,
    /// Why.
    pub reason: UnsubscriptionReason,
}

/// Why a session is not subscribed to a topic any more (spec: topics §5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub enum UnsubscriptionReason {
    /// The session asked for it.
    #[tag(0)]
    Requested,
    /// The server or another session did it.
    #[tag(1)]
    Control,
    /// The topic was removed.
    #[tag(2)]
    Removed,
    /// The session may not read the topic any more.
    #[tag(3)]
    Authorization,
    /// Unknown.
    #[tag(4)]
    Unknown,
    /// The session was too slow for a topic with `CONFLATION=unsubscribe`.
    #[tag(5)]
    BackPressure,
    /// The branch mappings of the session changed.
    #[tag(6)]
    BranchMappings,
}

/// A bound of a range of paths.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct PathBound {
    /// The path.
    pub path: String,
    /// Whether the path itself is in the range.
    pub inclusive: bool,
}

/// Asks for topics, and what to know of each.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct FetchRequest {
    /// Which topics.
    pub selector: String,
    /// Where the range of paths starts.
    pub from: Option<PathBound>,
    /// Where it ends.
    pub to: Option<PathBound>,
    /// The topic types that are wanted.
    pub topic_types: BitSet,
    /// Whether to return values.
    pub with_values: bool,
    /// Whether to return the properties of specifications.
    pub with_properties: bool,
    /// How many topics at most: from the start of the range, or from its end if negative.
    pub limit: i32,
    /// How many bytes at most the result may have.
    pub result_bytes_max: i32,
    /// The depth in parts of a branch root for `deep_branch_limit`.
    #[since(17)]
    pub deep_branch_depth: i32,
    /// How many topics at most of each branch.
    #[since(17)]
    pub deep_branch_limit: i32,
    /// Whether to return topics that views hold back.
    #[since(18)]
    pub with_unpublished_delayed_topics: bool,
    /// Whether to return the sizes of values.
    #[since(28)]
    pub with_sizes: bool,
}

/// The answer to a fetch.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct FetchResult {
    /// The distinct property maps of the topics.
    pub properties: Vec<BTreeMap<String, String>>,
    /// The topics, in path order.
    pub topics: Vec<FetchedTopic>,
    /// Whether the limit or the size cut the result.
    pub has_more: bool,
}

/// One topic of a fetch result.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct FetchedTopic {
    /// Its path.
    pub path: String,
    /// Its type.
    pub topic_type: TopicType,
    /// Its value.
    pub value: Option<Bytes>,
    /// Which of the property maps is its own.
    pub properties_index: i32,
    /// The size of its value.
    #[since(28)]
    pub size: SizeInfo,
}

/// What a fetch tells about the size of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Codec)]
pub enum SizeInfo {
    /// Nothing.
    #[default]
    #[tag(0)]
    Absent,
    /// The bytes of the value.
    #[tag(1)]
    Value(i32),
    /// A time series.
    #[tag(2)]
    TimeSeries {
        /// The bytes of the last event.
        last_event: i32,
        /// The number of events.
        events: i32,
        /// The bytes of all events.
        total: i64,
    },
}
