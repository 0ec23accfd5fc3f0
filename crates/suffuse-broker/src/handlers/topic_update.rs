//! Setting values.

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, Path, TopicSpecification, TopicType,
    services::{
        topic_control::AddTopicResult,
        topic_update::{
            AddAndSetTopicRequest, ApplyJsonPatchRequest, PatchResult, SetTopicRequest,
            UpdateConstraint,
        },
    },
    value::{
        self,
        patch::{Patch, PatchError},
    },
};

use super::{
    roles, specification, time_series,
    topic_control::{check_addition, create},
    topic_path,
};
use crate::{
    Broker,
    broker::Answer,
    call::Caller,
    event::Change,
    security::PathPermission,
    topic::{Topic, TopicKey},
    update,
};

pub(crate) fn set_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: SetTopicRequest,
) -> Answer<()> {
    let target = Target::find_any(broker, caller, &request.path, request.topic_type)?;
    update::check(broker, &target.path, &request.constraint)?;
    check_value(broker, target.key, &request.value)?;
    commit_value(broker, caller, target.path, request.value);
    Ok(())
}

pub(crate) fn add_and_set_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: AddAndSetTopicRequest,
) -> Answer<AddTopicResult> {
    let AddAndSetTopicRequest {
        path,
        specification,
        value,
        constraint,
    } = request;
    let addition = Addition::check(broker, caller, &path, &specification, &constraint)?;
    addition.check_value(&value)?;
    let (path, result) = addition.commit(broker, caller);
    commit_value(broker, caller, path, value);
    Ok(result)
}

/// Sets the value of a topic, or appends it to a time series.
fn commit_value(broker: &mut Broker, caller: &Caller, path: Path, value: Bytes) {
    let topic = broker
        .topics
        .find(path.as_str())
        .and_then(|key| broker.topics.get(key));
    if topic.is_some_and(|topic| topic.series.is_some()) {
        let timestamp = broker.wall_clock_millis();
        time_series::append_value(broker, caller, path, value, timestamp);
        return;
    }
    broker.commit(Change::SetValue {
        path,
        value,
        stream: None,
    });
}

pub(crate) fn apply_json_patch(
    broker: &mut Broker,
    caller: &Caller,
    request: ApplyJsonPatchRequest,
) -> Answer<PatchResult> {
    let target = Target::find(broker, caller, &request.path, TopicType::JSON)?;
    update::check(broker, &target.path, &request.constraint)?;
    let patch = Patch::parse(&request.patch)
        .map_err(|error| ErrorReason::INVALID_JSON_PATCH.with(error.to_string()))?;
    let topic = broker.topics.get(target.key);
    let Some(value) = topic.and_then(|topic| topic.value.as_ref()) else {
        return Err(ErrorReason::PATCH_NOT_APPLICABLE
            .with("the topic has no value that could be patched: set a value first"));
    };
    let patched = match patch.apply(value, broker.settings.message_bytes_max) {
        Ok(patched) => patched,
        Err(PatchError::Operation(index)) => {
            let failed_operation = i32::try_from(index).unwrap_or(i32::MAX);
            return Ok(PatchResult { failed_operation });
        }
        Err(error @ PatchError::Value(_)) => {
            return Err(ErrorReason::PATCH_NOT_APPLICABLE.with(error.to_string()));
        }
        Err(error) => return Err(ErrorReason::UPDATE_FAILED.with(error.to_string())),
    };
    check_value(broker, target.key, &patched)?;
    broker.commit(Change::SetValue {
        path: target.path,
        value: patched,
        stream: None,
    });
    Ok(PatchResult::APPLIED)
}

/// A topic that the caller may update.
pub(super) struct Target {
    pub(super) path: Path,
    pub(super) key: TopicKey,
}

impl Target {
    /// Finds the topic at a path, which is not a time series: these take whole events only.
    pub(super) fn find(
        broker: &Broker,
        caller: &Caller,
        path: &str,
        topic_type: TopicType,
    ) -> Answer<Self> {
        let target = Self::find_any(broker, caller, path, topic_type)?;
        let topic = broker.topics.get(target.key);
        if topic.is_some_and(|topic| topic.series.is_some()) {
            return Err(no_series());
        }
        Ok(target)
    }

    /// Finds the topic at a path. Who may not update learns of no topics.
    fn find_any(
        broker: &Broker,
        caller: &Caller,
        path: &str,
        topic_type: TopicType,
    ) -> Answer<Self> {
        let path = Path::parse(path)
            .map_err(|error| ErrorReason::NO_SUCH_TOPIC.with(error.to_string()))?;
        let Some(key) = broker.topics.find(path.as_str()) else {
            roles(broker, caller).require_path(PathPermission::UpdateTopic, path.as_str())?;
            return Err(ErrorReason::NO_SUCH_TOPIC.with(format!("there is no topic at `{path}`")));
        };
        require_update(broker, caller, key, &path)?;
        check_type(broker, key, topic_type)?;
        Ok(Self { path, key })
    }
}

/// A topic that is there, or can be added, and that the caller may update.
pub(super) struct Addition {
    path: Path,
    specification: TopicSpecification,
    result: AddTopicResult,
}

impl Addition {
    /// Checks all but the value, and changes nothing.
    pub(super) fn check(
        broker: &Broker,
        caller: &Caller,
        path: &str,
        given: &TopicSpecification,
        constraint: &UpdateConstraint,
    ) -> Answer<Self> {
        let path = topic_path(path)?;
        let specification = specification(given)?;
        match broker.topics.find(path.as_str()) {
            Some(key) => require_update(broker, caller, key, &path)?,
            None => {
                let roles = roles(broker, caller);
                roles.require_path(PathPermission::ModifyTopic, path.as_str())?;
                roles.require_path(PathPermission::UpdateTopic, path.as_str())?;
            }
        }
        let result = check_addition(broker, &path, &specification)?;
        update::check(broker, &path, constraint)?;
        Ok(Self {
            path,
            specification,
            result,
        })
    }

    pub(super) fn is_series(&self) -> bool {
        self.specification.topic_type == TopicType::TIME_SERIES
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn check_value(&self, value: &[u8]) -> Answer<()> {
        let options = self.specification.options();
        if !options.validate_values {
            return Ok(());
        }
        let value_type = options.event_type.unwrap_or(self.specification.topic_type);
        value::validate(value_type, value)
            .map_err(|error| ErrorReason::UPDATE_FAILED.with(error.to_string()))
    }

    /// Adds the topic if it is not there.
    pub(super) fn commit(self, broker: &mut Broker, caller: &Caller) -> (Path, AddTopicResult) {
        if self.result == AddTopicResult::Created {
            create(broker, caller, self.path.clone(), self.specification);
        }
        (self.path, self.result)
    }
}

/// What update streams and patches of time series are refused with.
pub(super) fn no_series() -> ErrorReason {
    ErrorReason::INCOMPATIBLE_TOPIC.with(
        "the topic is a time series, which has no update streams and patches: append events to it",
    )
}

pub(super) fn require_update(
    broker: &Broker,
    caller: &Caller,
    key: TopicKey,
    path: &Path,
) -> Answer<()> {
    if broker.may(caller.session, key, PathPermission::UpdateTopic) {
        return Ok(());
    }
    roles(broker, caller).require_path(PathPermission::UpdateTopic, path.as_str())
}

fn check_type(broker: &Broker, key: TopicKey, given: TopicType) -> Answer<()> {
    let expected = broker.topics.get(key).map(Topic::value_type);
    match expected {
        Some(expected) if expected != given => Err(ErrorReason::INCOMPATIBLE_TOPIC.with(format!(
            "the topic takes values of type {expected}, and the update is of type {given}"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Checks that a topic takes a value.
pub(super) fn check_value(broker: &Broker, key: TopicKey, value: &Bytes) -> Answer<()> {
    let Some(topic) = broker.topics.get(key) else {
        return Ok(());
    };
    topic
        .check(value)
        .map_err(|error| ErrorReason::UPDATE_FAILED.with(error.to_string()))
}
