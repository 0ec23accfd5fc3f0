//! Fetching topics (spec: topics §7).

use std::collections::BTreeMap;

use bytes::Bytes;
use suffuse_proto::{
    Codec as _, Path, Selector,
    path::cmp_paths,
    services::topics::{FetchRequest, FetchResult, FetchedTopic, PathBound, SizeInfo},
};

use super::{Topic, TopicKey};
use crate::{Broker, call::Caller};

/// The room that a result leaves for the rest of its message, in bytes.
const ENVELOPE_BYTES: usize = 64;

/// Runs a query.
pub(crate) fn run(
    broker: &Broker,
    caller: &Caller,
    selector: &Selector,
    request: &FetchRequest,
) -> FetchResult {
    let limit = request.limit.unsigned_abs() as usize;
    let is_backward = request.limit < 0;
    let mut keys = candidates(
        broker,
        caller,
        selector,
        request,
        is_backward,
        limit.saturating_add(1),
    );
    let is_cut = keys.len() > limit;
    keys.truncate(limit);
    if is_backward {
        keys.reverse();
    }
    let message_bytes_max = broker
        .settings
        .message_bytes_max
        .saturating_sub(ENVELOPE_BYTES);
    let bytes_max = usize::try_from(request.result_bytes_max)
        .unwrap_or(0)
        .min(message_bytes_max);
    let mut result = collect(broker, caller, request, &keys, bytes_max);
    result.has_more |= is_cut;
    result
}

/// Returns up to `count` topics of the query, from the start of its range or from its end.
fn candidates(
    broker: &Broker,
    caller: &Caller,
    selector: &Selector,
    request: &FetchRequest,
    is_backward: bool,
    count: usize,
) -> Vec<TopicKey> {
    let is_wanted = |key: &TopicKey| {
        broker.topics.get(*key).is_some_and(|topic| {
            request
                .topic_types
                .contains(topic.kind.specification.topic_type.0)
                && is_in_range(&topic.path, request)
                && broker.may_read(caller.session, *key)
        })
    };
    let mut branches = Branches::new(request);
    if is_backward && !branches.are_limited() {
        let all = broker.topics.branch(selector.prefix()).rev();
        let matching = all
            .filter(|(path, _)| selector.matches(path))
            .map(|(_, key)| key);
        return matching.filter(is_wanted).take(count).collect();
    }
    let wanted = broker.topics.matching(selector).filter(is_wanted);
    let wanted = wanted.filter(|key| {
        broker
            .topics
            .get(*key)
            .is_some_and(|topic| branches.admit(&topic.path))
    });
    if is_backward {
        // The limit of branches keeps the earliest topics, so the last ones are known at the end only.
        let mut all: Vec<_> = wanted.collect();
        all.reverse();
        all.truncate(count);
        return all;
    }
    wanted.take(count).collect()
}

fn is_in_range(path: &Path, request: &FetchRequest) -> bool {
    let compare = |bound: &PathBound| cmp_paths(path.as_str(), bound.path.trim_matches('/'));
    let is_after = request
        .from
        .as_ref()
        .is_none_or(|from| match compare(from) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => from.inclusive,
            std::cmp::Ordering::Greater => true,
        });
    is_after
        && request.to.as_ref().is_none_or(|to| match compare(to) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => to.inclusive,
            std::cmp::Ordering::Greater => false,
        })
}

/// How many topics of each branch were taken.
struct Branches {
    depth: usize,
    limit: usize,
    /// The branch of the last topic, and how many of it were taken: topics come in path order.
    current: Option<(String, usize)>,
}

impl Branches {
    fn new(request: &FetchRequest) -> Self {
        // Absent before version 17: no limit.
        let has_limit = request.deep_branch_depth > 0;
        let number = |value: i32| {
            if has_limit {
                usize::try_from(value).unwrap_or(0)
            } else {
                usize::MAX
            }
        };
        Self {
            depth: number(request.deep_branch_depth),
            limit: number(request.deep_branch_limit),
            current: None,
        }
    }

    fn are_limited(&self) -> bool {
        self.depth < i32::MAX as usize && self.limit < i32::MAX as usize
    }

    /// Returns whether a topic is within the limit of its branch.
    fn admit(&mut self, path: &Path) -> bool {
        let depth = path.depth();
        if !self.are_limited() || depth < self.depth {
            return true;
        }
        let above = depth - self.depth;
        let root = match above {
            0 => path.as_str(),
            _ => path.ancestors().nth(above - 1).unwrap_or(path.as_str()),
        };
        match &mut self.current {
            Some((current, count)) if current == root => {
                *count += 1;
                *count <= self.limit
            }
            Some(_) | None => {
                self.current = Some((root.to_owned(), 1));
                self.limit >= 1
            }
        }
    }
}

/// Builds the result, up to a size.
fn collect(
    broker: &Broker,
    caller: &Caller,
    request: &FetchRequest,
    keys: &[TopicKey],
    bytes_max: usize,
) -> FetchResult {
    let mut result = FetchResult {
        properties: Vec::new(),
        topics: Vec::new(),
        has_more: false,
    };
    let mut maps: BTreeMap<&BTreeMap<String, String>, i32> = BTreeMap::new();
    let mut bytes = 0;
    for topic in keys.iter().filter_map(|key| broker.topics.get(*key)) {
        let properties = &topic.kind.specification.properties;
        let (properties_index, is_new) = match (request.with_properties, maps.get(properties)) {
            (false, _) => (0, false),
            (true, Some(index)) => (*index, false),
            (true, None) => (i32::try_from(maps.len()).unwrap_or(i32::MAX), true),
        };
        let entry = fetched(topic, request, properties_index);
        bytes += entry.to_bytes(caller.version).len();
        bytes += if is_new {
            properties.to_bytes(caller.version).len()
        } else {
            0
        };
        if bytes > bytes_max {
            result.has_more = true;
            break;
        }
        if is_new {
            maps.insert(properties, properties_index);
            result.properties.push(properties.clone());
        }
        result.topics.push(entry);
    }
    result
}

fn fetched(topic: &Topic, request: &FetchRequest, properties_index: i32) -> FetchedTopic {
    FetchedTopic {
        path: topic.path.as_str().to_owned(),
        topic_type: topic.kind.specification.topic_type,
        value: topic.value.clone().filter(|_| request.with_values),
        properties_index,
        size: match request.with_sizes {
            true => size(topic),
            false => SizeInfo::Absent,
        },
    }
}

fn size(topic: &Topic) -> SizeInfo {
    let number = |size| i32::try_from(size).unwrap_or(i32::MAX);
    let last = number(topic.value.as_ref().map_or(0, Bytes::len));
    match &topic.series {
        None => SizeInfo::Value(last),
        Some(series) => SizeInfo::TimeSeries {
            last_event: last,
            events: number(series.len()),
            total: i64::try_from(series.payload_bytes()).unwrap_or(i64::MAX),
        },
    }
}
