//! Values and requests in few words.

use bytes::Bytes;
use suffuse_proto::{
    TopicSpecification, TopicType,
    codec::BitSet,
    services::{
        topic_control::{AddTopicRequest, RemoveTopicsRequest},
        topic_update::{
            AddAndSetTopicRequest, ApplyJsonPatchRequest, SetTopicRequest, UpdateConstraint,
        },
        topics::{FetchRequest, SelectionRequest},
        update_stream::{
            CreateUpdateStreamRequest, StreamAddTopicRequest, StreamDeltaRequest, StreamSetRequest,
            UpdateStreamId,
        },
    },
    value,
};

/// Returns the value of a JSON topic.
#[must_use]
#[track_caller]
pub fn json(text: &str) -> Bytes {
    value::json::from_text(text).expect("the text is JSON")
}

/// Returns the value of a string topic.
#[must_use]
pub fn string(text: &str) -> Bytes {
    value::primitive::encode_string(Some(text))
}

/// Returns the value of an integer topic.
#[must_use]
pub fn int64(number: i64) -> Bytes {
    value::primitive::encode_int64(Some(number))
}

/// Returns the value of a topic of floating-point numbers.
#[must_use]
pub fn double(number: f64) -> Bytes {
    value::primitive::encode_double(Some(number))
}

/// Returns the value of a binary topic.
#[must_use]
pub fn binary(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Returns the value of a record topic with one record.
#[must_use]
#[track_caller]
pub fn record(fields: &[&str]) -> Bytes {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    value::record::encode(&[fields]).expect("the fields have no control characters")
}

/// Returns a specification: a type name, and properties as `KEY=value`, all separated by blanks.
#[must_use]
#[track_caller]
pub fn specification(text: &str) -> TopicSpecification {
    let mut words = text.split(' ');
    let topic_type = words
        .next()
        .and_then(TopicType::from_name)
        .expect("a topic type comes first");
    words.fold(
        TopicSpecification::new(topic_type),
        |specification, word| {
            let (key, value) = word
                .split_once('=')
                .expect("a property is written KEY=value");
            specification.with(key, value)
        },
    )
}

/// Selects topics in the default scope.
#[must_use]
pub fn select(selector: &str) -> SelectionRequest {
    select_in("", selector)
}

/// Selects topics in a scope.
#[must_use]
pub fn select_in(scope: &str, selector: &str) -> SelectionRequest {
    SelectionRequest {
        selector: selector.to_owned(),
        scope: scope.to_owned(),
    }
}

/// Adds a topic.
#[must_use]
#[track_caller]
pub fn add(path: &str, specification_text: &str) -> AddTopicRequest {
    AddTopicRequest {
        path: path.to_owned(),
        specification: specification(specification_text),
    }
}

/// Removes topics.
#[must_use]
pub fn remove(selector: &str) -> RemoveTopicsRequest {
    RemoveTopicsRequest {
        selector: selector.to_owned(),
    }
}

/// Sets a value.
#[must_use]
#[track_caller]
pub fn set(path: &str, type_name: &str, value: Bytes) -> SetTopicRequest {
    set_if(path, type_name, value, UpdateConstraint::Unconstrained)
}

/// Sets a value if a constraint holds.
#[must_use]
#[track_caller]
pub fn set_if(
    path: &str,
    type_name: &str,
    value: Bytes,
    constraint: UpdateConstraint,
) -> SetTopicRequest {
    let topic_type = TopicType::from_name(type_name).expect("it is a topic type");
    SetTopicRequest {
        path: path.to_owned(),
        topic_type,
        value,
        constraint,
    }
}

/// Adds a topic and sets its value.
#[must_use]
#[track_caller]
pub fn add_and_set(path: &str, specification_text: &str, value: Bytes) -> AddAndSetTopicRequest {
    AddAndSetTopicRequest {
        path: path.to_owned(),
        specification: specification(specification_text),
        value,
        constraint: UpdateConstraint::Unconstrained,
    }
}

/// Patches a JSON value.
#[must_use]
pub fn patch(path: &str, patch: &str) -> ApplyJsonPatchRequest {
    ApplyJsonPatchRequest {
        path: path.to_owned(),
        patch: patch.to_owned(),
        constraint: UpdateConstraint::Unconstrained,
    }
}

/// Makes an update stream of a topic.
#[must_use]
#[track_caller]
pub fn create_stream(path: &str, type_name: &str) -> CreateUpdateStreamRequest {
    CreateUpdateStreamRequest {
        path: path.to_owned(),
        topic_type: TopicType::from_name(type_name).expect("it is a topic type"),
        constraint: UpdateConstraint::Unconstrained,
    }
}

/// Adds a topic and makes an update stream of it.
#[must_use]
#[track_caller]
pub fn stream_add(path: &str, specification_text: &str) -> StreamAddTopicRequest {
    StreamAddTopicRequest {
        path: path.to_owned(),
        specification: specification(specification_text),
        constraint: UpdateConstraint::Unconstrained,
    }
}

/// Sets a value through an update stream.
#[must_use]
pub fn stream_set(stream: UpdateStreamId, value: Bytes) -> StreamSetRequest {
    StreamSetRequest { stream, value }
}

/// Applies a delta through an update stream.
#[must_use]
pub fn stream_delta(stream: UpdateStreamId, delta: impl Into<Bytes>) -> StreamDeltaRequest {
    StreamDeltaRequest {
        stream,
        delta: delta.into(),
    }
}

/// Fetches all topics that a selector matches, with values, without limits.
#[must_use]
pub fn fetch(selector: &str) -> FetchRequest {
    FetchRequest {
        selector: selector.to_owned(),
        from: None,
        to: None,
        topic_types: TopicType::ALL
            .iter()
            .map(|topic_type| topic_type.0)
            .collect::<BitSet>(),
        with_values: true,
        with_properties: false,
        limit: i32::MAX,
        result_bytes_max: i32::MAX,
        deep_branch_depth: i32::MAX,
        deep_branch_limit: i32::MAX,
        with_unpublished_delayed_topics: false,
        with_sizes: false,
    }
}
