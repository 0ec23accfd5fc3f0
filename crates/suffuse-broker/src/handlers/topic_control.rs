//! Adding and removing topics.

use suffuse_proto::{
    ErrorReason, Path, TopicSpecification,
    services::topic_control::{
        AddTopicRequest, AddTopicResult, RemoveTopicsRequest, RemovedTopics,
    },
};

use super::{parse_selector, roles, specification, topic_path};
use crate::{Broker, broker::Answer, call::Caller, event::Change, security::PathPermission};

pub(crate) fn add_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: AddTopicRequest,
) -> Answer<AddTopicResult> {
    let path = topic_path(&request.path)?;
    roles(broker, caller).require_path(PathPermission::ModifyTopic, path.as_str())?;
    let specification = specification(&request.specification)?;
    let result = check_addition(broker, &path, &specification)?;
    if result == AddTopicResult::Created {
        create(broker, caller, path, specification);
    }
    Ok(result)
}

/// Creates a topic, for which all is checked.
pub(super) fn create(
    broker: &mut Broker,
    caller: &Caller,
    path: Path,
    specification: TopicSpecification,
) {
    broker.commit(Change::AddTopic {
        path: path.clone(),
        specification,
    });
    broker.watch_for_removal(&path, caller.session);
}

/// Returns whether a topic would be created, or exists with the same specification.
pub(super) fn check_addition(
    broker: &Broker,
    path: &Path,
    specification: &TopicSpecification,
) -> Answer<AddTopicResult> {
    if let Some(topic) = broker
        .topics
        .find(path.as_str())
        .and_then(|key| broker.topics.get(key))
    {
        let existing = &topic.kind.specification;
        if existing.is_same_as(specification) {
            return Ok(AddTopicResult::Exists);
        }
        return Err(ErrorReason::EXISTS_MISMATCH.with(format!(
            "topic `{path}` exists with another specification: type {}, properties {:?}",
            existing.topic_type, existing.properties
        )));
    }
    if broker.topics.len() >= broker.settings.topics_max {
        return Err(ErrorReason::EXCEEDED_TOPIC_LIMIT);
    }
    Ok(AddTopicResult::Created)
}

/// Topics that the caller may not remove stay, and are not counted.
pub(crate) fn remove_topics(
    broker: &mut Broker,
    caller: &Caller,
    request: RemoveTopicsRequest,
) -> Answer<RemovedTopics> {
    let selector = parse_selector(&request.selector)?;
    let keys: Vec<_> = broker.topics.matching(&selector).collect();
    let may_modify = |key| broker.may(caller.session, key, PathPermission::ModifyTopic);
    let keys = keys.into_iter().filter(|key| may_modify(*key));
    let paths: Vec<_> = keys
        .filter_map(|key| broker.topics.get(key).map(|topic| topic.path.clone()))
        .collect();
    let count = i32::try_from(paths.len()).unwrap_or(i32::MAX);
    for path in paths {
        broker.commit(Change::RemoveTopic { path });
    }
    Ok(RemovedTopics { count })
}
