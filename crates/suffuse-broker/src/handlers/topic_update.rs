//! Setting values.

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, Path, TopicType,
    services::{
        topic_control::AddTopicResult,
        topic_update::{AddAndSetTopicRequest, SetTopicRequest},
    },
    value,
};

use super::{roles, specification, topic_control::check_addition, topic_path};
use crate::{
    Broker, broker::Answer, call::Caller, event::Change, security::PathPermission, topic::TopicKey,
    update,
};

pub(crate) fn set_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: SetTopicRequest,
) -> Answer<()> {
    let path = Path::parse(&request.path)
        .map_err(|error| ErrorReason::NO_SUCH_TOPIC.with(error.to_string()))?;
    let Some(key) = broker.topics.find(path.as_str()) else {
        roles(broker, caller).require_path(PathPermission::UpdateTopic, path.as_str())?;
        return Err(ErrorReason::NO_SUCH_TOPIC.with(format!("there is no topic at `{path}`")));
    };
    require_update(broker, caller, key, &path)?;
    check_type(broker, key, request.topic_type)?;
    update::check(broker, &path, &request.constraint)?;
    check_value(broker, key, &request.value)?;
    broker.commit(Change::SetValue {
        path,
        value: request.value,
    });
    Ok(())
}

pub(crate) fn add_and_set_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: AddAndSetTopicRequest,
) -> Answer<AddTopicResult> {
    let path = topic_path(&request.path)?;
    let roles = roles(broker, caller);
    let specification = specification(&request.specification)?;
    let result = match broker.topics.find(path.as_str()) {
        Some(key) => {
            require_update(broker, caller, key, &path)?;
            check_addition(broker, &path, &specification)?
        }
        None => {
            roles.require_path(PathPermission::ModifyTopic, path.as_str())?;
            roles.require_path(PathPermission::UpdateTopic, path.as_str())?;
            check_addition(broker, &path, &specification)?
        }
    };
    update::check(broker, &path, &request.constraint)?;
    if specification.options().validate_values {
        value::validate(specification.topic_type, &request.value)
            .map_err(|error| ErrorReason::UPDATE_FAILED.with(error.to_string()))?;
    }
    if result == AddTopicResult::Created {
        broker.commit(Change::AddTopic {
            path: path.clone(),
            specification,
        });
    }
    broker.commit(Change::SetValue {
        path,
        value: request.value,
    });
    Ok(result)
}

fn require_update(broker: &Broker, caller: &Caller, key: TopicKey, path: &Path) -> Answer<()> {
    if broker.may(caller.session, key, PathPermission::UpdateTopic) {
        return Ok(());
    }
    roles(broker, caller).require_path(PathPermission::UpdateTopic, path.as_str())
}

fn check_type(broker: &Broker, key: TopicKey, given: TopicType) -> Answer<()> {
    let expected = broker
        .topics
        .get(key)
        .map(|topic| topic.kind.specification.topic_type);
    match expected {
        Some(expected) if expected != given => Err(ErrorReason::INCOMPATIBLE_TOPIC.with(format!(
            "the topic is of type {expected}, and the update is of type {given}"
        ))),
        Some(_) | None => Ok(()),
    }
}

fn check_value(broker: &Broker, key: TopicKey, value: &Bytes) -> Answer<()> {
    let Some(topic) = broker.topics.get(key) else {
        return Ok(());
    };
    topic
        .check(value)
        .map_err(|error| ErrorReason::UPDATE_FAILED.with(error.to_string()))
}
