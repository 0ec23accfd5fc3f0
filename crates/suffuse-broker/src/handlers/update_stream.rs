//! Update streams: making them, and updating topics through them (spec: topics §6.6).

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, Path,
    services::{
        topic_update::{AddAndSetTopicRequest, SetTopicRequest},
        update_stream::{
            CreateUpdateStreamRequest, StreamAddTopicRequest, StreamDeltaRequest, StreamSetRequest,
            UpdateStreamAdded, UpdateStreamCreated, UpdateStreamId,
        },
    },
    value::{cbor, delta},
};

use super::topic_update::{Addition, Target, check_value, no_series};
use crate::{
    Broker,
    broker::Answer,
    call::Caller,
    event::Change,
    security::PathPermission,
    topic::TopicKey,
    update,
    update_stream::{self, StreamInstance, UpdateStream},
};

pub(crate) fn create(
    broker: &mut Broker,
    caller: &Caller,
    request: CreateUpdateStreamRequest,
) -> Answer<UpdateStreamCreated> {
    let target = Target::find(broker, caller, &request.path, request.topic_type)?;
    update::check(broker, &target.path, &request.constraint)?;
    check_room(broker, caller, &target.path)?;
    open(broker, caller, &target.path, None)
}

pub(crate) fn create_and_set(
    broker: &mut Broker,
    caller: &Caller,
    request: SetTopicRequest,
) -> Answer<UpdateStreamCreated> {
    let target = Target::find(broker, caller, &request.path, request.topic_type)?;
    update::check(broker, &target.path, &request.constraint)?;
    check_value(broker, target.key, &request.value)?;
    check_room(broker, caller, &target.path)?;
    open(broker, caller, &target.path, Some(request.value))
}

pub(crate) fn add_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: StreamAddTopicRequest,
) -> Answer<UpdateStreamAdded> {
    let StreamAddTopicRequest {
        path,
        specification,
        constraint,
    } = request;
    let addition = Addition::check(broker, caller, &path, &specification, &constraint)?;
    add(broker, caller, addition, None)
}

pub(crate) fn add_and_set_topic(
    broker: &mut Broker,
    caller: &Caller,
    request: AddAndSetTopicRequest,
) -> Answer<UpdateStreamAdded> {
    let AddAndSetTopicRequest {
        path,
        specification,
        value,
        constraint,
    } = request;
    let addition = Addition::check(broker, caller, &path, &specification, &constraint)?;
    addition.check_value(&value)?;
    add(broker, caller, addition, Some(value))
}

pub(crate) fn check(broker: &mut Broker, caller: &Caller, id: UpdateStreamId) -> Answer<()> {
    find(broker, caller, id).map(|_| ())
}

pub(crate) fn set(broker: &mut Broker, caller: &Caller, request: StreamSetRequest) -> Answer<()> {
    let (instance, stream) = find(broker, caller, request.stream)?;
    update(broker, instance, stream, request.value)
}

pub(crate) fn apply_delta(
    broker: &mut Broker,
    caller: &Caller,
    request: StreamDeltaRequest,
) -> Answer<()> {
    let (instance, stream) = find(broker, caller, request.stream)?;
    let Some(base) = base(broker, &stream) else {
        return Err(ErrorReason::DELTA_WITHOUT_VALUE.with(
            "the topic has no value that was set through the update stream, to which a delta could be applied: set a value first",
        ));
    };
    if *request.delta == [delta::UNCHANGED] {
        return Ok(());
    }
    let value = delta::apply(&base, &request.delta, broker.settings.message_bytes_max)
        .map_err(|error| ErrorReason::UPDATE_FAILED.with(error.to_string()))?;
    update(broker, instance, stream, value)
}

/// Returns what a delta through a stream is applied to: the last value that was set through it.
fn base(broker: &Broker, stream: &UpdateStream) -> Option<Bytes> {
    let topic = broker.topics.get(stream.topic)?;
    if !stream.has_set || topic.kind.options.dont_retain_value {
        return None;
    }
    // A topic that keeps values and has none although one was set: that one was null.
    Some(
        topic
            .value
            .clone()
            .unwrap_or(Bytes::from_static(&[cbor::NULL])),
    )
}

fn update(
    broker: &mut Broker,
    instance: StreamInstance,
    stream: UpdateStream,
    value: Bytes,
) -> Answer<()> {
    check_value(broker, stream.topic, &value)?;
    let Some(path) = path_of(broker, stream.topic) else {
        return Err(ErrorReason::INVALID_UPDATE_STREAM);
    };
    commit(broker, instance, path, value);
    Ok(())
}

/// Finds a stream of the caller that is valid. A caller who may not update the topic any more loses it.
fn find(
    broker: &mut Broker,
    caller: &Caller,
    id: UpdateStreamId,
) -> Answer<(StreamInstance, UpdateStream)> {
    let Some((instance, stream)) = broker.update_streams.find(caller.session, id) else {
        return Err(ErrorReason::INVALID_UPDATE_STREAM.with(
            "the update stream has ended: its topic was updated by something else or removed, or the session has lost messages",
        ));
    };
    if !broker.may(caller.session, stream.topic, PathPermission::UpdateTopic) {
        broker.end_update_stream(instance);
        return Err(ErrorReason::INVALID_UPDATE_STREAM
            .with("the update stream has ended: the session may not update its topic any more"));
    }
    Ok((instance, stream))
}

fn add(
    broker: &mut Broker,
    caller: &Caller,
    addition: Addition,
    value: Option<Bytes>,
) -> Answer<UpdateStreamAdded> {
    if addition.is_series() {
        return Err(no_series());
    }
    check_room(broker, caller, addition.path())?;
    let (path, topic) = addition.commit(broker, caller);
    let created = open(broker, caller, &path, value)?;
    Ok(UpdateStreamAdded { topic, created })
}

/// Makes a stream of a topic that is there, and sets the first value through it.
fn open(
    broker: &mut Broker,
    caller: &Caller,
    path: &Path,
    value: Option<Bytes>,
) -> Answer<UpdateStreamCreated> {
    let key = broker.topics.find(path.as_str());
    let opened = key.and_then(|key| {
        let flags = update_stream::flags(&broker.topics.get(key)?.kind);
        let stream = broker.open_update_stream(caller.session, key)?;
        Some(UpdateStreamCreated { stream, flags })
    });
    let created = opened.ok_or(ErrorReason::NO_SUCH_TOPIC)?;
    if let Some(value) = value
        && let Some((instance, _)) = broker.update_streams.find(caller.session, created.stream)
    {
        commit(broker, instance, path.clone(), value);
    }
    Ok(created)
}

fn commit(broker: &mut Broker, instance: StreamInstance, path: Path, value: Bytes) {
    if let Some(stream) = broker.update_streams.get_mut(instance) {
        stream.has_set = true;
    }
    broker.commit(Change::SetValue {
        path,
        value,
        stream: Some(instance),
    });
}

/// Checks that a session may have one more stream. One that takes the place of its own needs no room.
fn check_room(broker: &Broker, caller: &Caller, path: &Path) -> Answer<()> {
    let Some(session) = broker.sessions.get(caller.session) else {
        return Ok(());
    };
    let max = broker.settings.update_streams_max;
    let topic = broker.topics.find(path.as_str());
    let current = topic.and_then(|key| broker.topics.get(key)?.update_stream);
    let replaces = current.is_some_and(|current| session.update_streams.contains(&current));
    if replaces || session.update_streams.len() < max {
        return Ok(());
    }
    Err(ErrorReason::INVALID_DATA.with(format!(
        "the session has {max} update streams, and may not have more: a stream ends when its topic is removed or updated by something else"
    )))
}

fn path_of(broker: &Broker, key: TopicKey) -> Option<Path> {
    broker.topics.get(key).map(|topic| topic.path.clone())
}
