//! Fetching topics and their values, once.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use suffuse_proto::{
    TopicType,
    codec::BitSet,
    service::FetchQuery,
    services::topics::{self as wire, FetchRequest, PathBound, SizeInfo},
};

use crate::{
    error::RequestError,
    features::topics::parse_selector,
    session::Session,
    topic::{TopicRead, ValueError},
};

/// A fetch that is being put together. Without options it returns path and type of all topics that
/// the selector matches.
#[derive(Clone, Debug)]
#[must_use = "a fetch does nothing until it is sent"]
pub struct Fetch<'a> {
    session: &'a Session,
    request: FetchRequest,
}

impl<'a> Fetch<'a> {
    pub(super) fn new(session: &'a Session, selector: &str) -> Self {
        let request = FetchRequest {
            selector: selector.to_owned(),
            from: None,
            to: None,
            topic_types: bits(TopicType::ALL),
            with_values: false,
            with_properties: false,
            limit: i32::MAX,
            result_bytes_max: i32::MAX,
            deep_branch_depth: i32::MAX,
            deep_branch_limit: i32::MAX,
            with_unpublished_delayed_topics: false,
            with_sizes: false,
        };
        Self { session, request }
    }

    /// Leaves out topics before a path.
    pub fn from(mut self, path: &str) -> Self {
        self.request.from = bound(path, true);
        self
    }

    /// Leaves out topics up to and with a path.
    pub fn after(mut self, path: &str) -> Self {
        self.request.from = bound(path, false);
        self
    }

    /// Leaves out topics after a path.
    pub fn to(mut self, path: &str) -> Self {
        self.request.to = bound(path, true);
        self
    }

    /// Leaves out topics from a path on.
    pub fn before(mut self, path: &str) -> Self {
        self.request.to = bound(path, false);
        self
    }

    /// Returns only the first topics of the range.
    pub fn first(mut self, count: u32) -> Self {
        self.request.limit = positive(count);
        self
    }

    /// Returns only the last topics of the range, still in path order.
    pub fn last(mut self, count: u32) -> Self {
        self.request.limit = -positive(count);
        self
    }

    /// Returns only topics of these types.
    pub fn topic_types(mut self, types: &[TopicType]) -> Self {
        self.request.topic_types = bits(types);
        self
    }

    /// Returns the values of topics.
    pub fn with_values(mut self) -> Self {
        self.request.with_values = true;
        self
    }

    /// Returns the properties of the topics' specifications.
    pub fn with_properties(mut self) -> Self {
        self.request.with_properties = true;
        self
    }

    /// Returns the sizes of values.
    pub fn with_sizes(mut self) -> Self {
        self.request.with_sizes = true;
        self
    }

    /// Limits the size of the result, in bytes. [`FetchResult::has_more`] tells if it was cut.
    pub fn maximum_result_size(mut self, bytes: u32) -> Self {
        self.request.result_bytes_max = positive(bytes);
        self
    }

    /// Returns at most `limit` topics of each branch whose root has `depth` parts.
    pub fn limit_deep_branches(mut self, depth: u32, limit: u32) -> Self {
        self.request.deep_branch_depth = positive(depth);
        self.request.deep_branch_limit = positive(limit);
        self
    }

    /// Returns also topics that a delayed topic view holds back.
    pub fn with_unpublished_delayed_topics(mut self) -> Self {
        self.request.with_unpublished_delayed_topics = true;
        self
    }

    /// Sends the fetch and returns its result.
    ///
    /// # Errors
    /// When the selector is not valid, the session lacks a permission, or the session is closed.
    pub async fn send(self) -> Result<FetchResult, RequestError> {
        parse_selector(&self.request.selector)?;
        let result = self.session.request::<FetchQuery>(&self.request).await?;
        Ok(FetchResult::new(result, self.request.with_properties))
    }
}

fn positive(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn bound(path: &str, inclusive: bool) -> Option<PathBound> {
    Some(PathBound {
        path: path.to_owned(),
        inclusive,
    })
}

fn bits(types: &[TopicType]) -> BitSet {
    types.iter().map(|topic_type| topic_type.0).collect()
}

/// The result of a fetch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FetchResult {
    /// The topics, in path order.
    pub topics: Vec<FetchedTopic>,
    /// Whether the limit or the maximum size left topics out.
    pub has_more: bool,
}

/// A topic of the result of a fetch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FetchedTopic {
    /// Its path.
    pub path: String,
    /// Its type.
    pub topic_type: TopicType,
    /// The bytes of its value, if values were asked for and it has one.
    pub raw: Option<Bytes>,
    /// The properties of its specification, if they were asked for.
    pub properties: Option<Arc<BTreeMap<String, String>>>,
    /// The size of its value, if sizes were asked for.
    pub size: SizeInfo,
}

impl FetchedTopic {
    /// Returns the value, if values were asked for and the topic has one.
    ///
    /// # Errors
    /// When it cannot be read as a `T`.
    pub fn value<T: TopicRead>(&self) -> Result<Option<T>, ValueError> {
        self.raw
            .as_ref()
            .map(|raw| T::read(self.topic_type, raw))
            .transpose()
    }
}

impl FetchResult {
    fn new(result: wire::FetchResult, with_properties: bool) -> Self {
        let maps: Vec<_> = result.properties.into_iter().map(Arc::new).collect();
        let properties = |index: i32| {
            let index = usize::try_from(index).ok().filter(|_| with_properties)?;
            maps.get(index).cloned()
        };
        let topics = result.topics.into_iter().map(|topic| FetchedTopic {
            properties: properties(topic.properties_index),
            path: topic.path,
            topic_type: topic.topic_type,
            raw: topic.value,
            size: topic.size,
        });
        Self {
            topics: topics.collect(),
            has_more: result.has_more,
        }
    }
}
