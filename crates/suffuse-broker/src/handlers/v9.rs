//! The services of the old dialect: each translates to a modern request and calls its handler (spec: topics §14).

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, Message, Path, TopicSpecification, TopicType,
    message::ConversationId,
    services::{
        topic_control,
        topic_update::{AddAndSetTopicRequest, SetTopicRequest, UpdateConstraint},
        v9,
    },
    value::delta,
};

use v9::AddTopicFailure::{
    Exists, ExistsMismatch, InvalidDetails, InvalidPath, PermissionDenied, Unexpected,
};

use super::{selector, topic_control as control, topic_update as update};
use crate::{Broker, broker::Answer, call::Caller};

/// The values come after the response, and an empty one at the end.
pub(crate) fn fetch(broker: &mut Broker, caller: &Caller, request: v9::FetchRequest) -> Answer<()> {
    let selector = selector(broker, caller, &request.selector)?;
    let readable = broker
        .topics
        .matching(&selector)
        .filter(|key| broker.may_read(caller.session, *key))
        .filter_map(|key| broker.topics.get(key))
        .filter_map(|topic| Some((topic.path.as_str().to_owned(), topic.value.clone()?)));
    let end = (String::new(), Bytes::from_static(&[1]));
    let replies = readable
        .chain([end])
        .map(|(path, payload)| Message::FetchReply {
            path,
            conversation: ConversationId(request.conversation.0),
            payload,
        });
    broker.follow_ups = replies.collect();
    Ok(())
}

pub(crate) fn add_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: v9::AddTopicRequest,
) -> Answer<v9::AddTopicResult> {
    let (path, specification) = (
        request.path,
        TopicSpecification::new(request.details.topic_type),
    );
    if ![TopicType::JSON, TopicType::BINARY].contains(&specification.topic_type) {
        return Ok(v9::AddTopicResult::Failed(InvalidDetails));
    }
    let added = match request.content {
        None => control::add_topic(
            broker,
            caller,
            topic_control::AddTopicRequest {
                path,
                specification,
            },
        ),
        Some(v9::Content { value, .. }) => {
            let constraint = UpdateConstraint::NoTopic;
            update::add_and_set_topic(
                broker,
                caller,
                AddAndSetTopicRequest {
                    path,
                    specification,
                    value,
                    constraint,
                },
            )
        }
    };
    let failure = match added {
        Ok(topic_control::AddTopicResult::Created) => return Ok(v9::AddTopicResult::Added),
        Ok(topic_control::AddTopicResult::Exists) => Exists,
        Err(reason) if reason.code == ErrorReason::UNSATISFIED_CONSTRAINT.code => Exists,
        Err(reason) if reason.code == ErrorReason::EXISTS_MISMATCH.code => ExistsMismatch,
        Err(reason) if reason.code == ErrorReason::INVALID_TOPIC_PATH.code => InvalidPath,
        Err(reason) if reason.code == ErrorReason::INVALID_TOPIC_SPECIFICATION.code => {
            InvalidDetails
        }
        Err(reason) if reason.code == ErrorReason::ACCESS_DENIED.code => PermissionDenied,
        Err(_) => Unexpected,
    };
    Ok(v9::AddTopicResult::Failed(failure))
}

pub(crate) fn remove_topics(
    broker: &mut Broker,
    caller: &Caller,
    request: v9::RemoveTopicsRequest,
) -> Answer<()> {
    let request = topic_control::RemoveTopicsRequest {
        selector: request.selector,
    };
    control::remove_topics(broker, caller, request).map(|_| ())
}

pub(crate) fn update_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: v9::UpdateTopicRequest,
) -> Answer<v9::UpdateResult> {
    let is_plain = (
        request.update_type,
        request.action,
        request.content.encoding,
    ) == (0, 0, 0);
    if !is_plain {
        return Ok(v9::UpdateResult::Incompatible);
    }
    set(broker, caller, request.path, request.content.value)
}

pub(crate) fn set_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: v9::SetTopicRequest,
) -> Answer<v9::UpdateResult> {
    set(broker, caller, request.path, request.value)
}

pub(crate) fn apply_delta(
    broker: &mut Broker,
    caller: &Caller,
    request: v9::ApplyDeltaRequest,
) -> Answer<v9::UpdateResult> {
    let Some(old) = find(broker, &request.path) else {
        return Ok(v9::UpdateResult::MissingTopic);
    };
    let Some(old) = old else {
        return Ok(v9::UpdateResult::DeltaWithoutValue);
    };
    match delta::apply(&old, &request.delta, broker.settings.message_bytes_max) {
        Ok(value) => set(broker, caller, request.path, value),
        Err(_) => Ok(v9::UpdateResult::Failed),
    }
}

/// Returns the value of the topic at a path, if there is a topic.
fn find(broker: &Broker, path: &str) -> Option<Option<Bytes>> {
    let path = Path::parse(path).ok()?;
    let topic = broker.topics.get(broker.topics.find(path.as_str())?)?;
    Some(topic.value.clone())
}

fn set(
    broker: &mut Broker,
    caller: &Caller,
    path: String,
    value: Bytes,
) -> Answer<v9::UpdateResult> {
    let topic_type = Path::parse(&path)
        .ok()
        .and_then(|path| broker.topics.get(broker.topics.find(path.as_str())?))
        .map_or(TopicType::BINARY, |topic| {
            topic.kind.specification.topic_type
        });
    let constraint = UpdateConstraint::Unconstrained;
    let request = SetTopicRequest {
        path,
        topic_type,
        value,
        constraint,
    };
    match update::set_topic(broker, caller, request) {
        Ok(()) => Ok(v9::UpdateResult::Applied),
        Err(reason) if reason.code == ErrorReason::NO_SUCH_TOPIC.code => {
            Ok(v9::UpdateResult::MissingTopic)
        }
        Err(reason) if reason.code == ErrorReason::INCOMPATIBLE_TOPIC.code => {
            Ok(v9::UpdateResult::Incompatible)
        }
        Err(reason) if reason.code == ErrorReason::UPDATE_FAILED.code => {
            Ok(v9::UpdateResult::Failed)
        }
        Err(reason) => Err(reason),
    }
}
