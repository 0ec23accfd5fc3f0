//! Time series: appending and editing events, and range queries (spec: topics §10).

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, Path, TopicType,
    services::time_series::{
        AppendRequest, EditRequest, Event, EventMetadata, QueryType, Range, RangeQueryRequest,
        RangeQueryResult, TimestampAppendRequest,
    },
};

use super::{roles, topic_update::require_update};
use crate::{
    Broker,
    broker::Answer,
    call::Caller,
    event::Change,
    security::PathPermission,
    topic::{
        Topic, TopicKey,
        time_series::{TimeSeries, query},
    },
};

/// What an event takes in the result of a query at most, besides its payload, in bytes.
const ENTRY_BYTES: usize = 64;

pub(crate) fn append(
    broker: &mut Broker,
    caller: &Caller,
    request: AppendRequest,
) -> Answer<EventMetadata> {
    let AppendRequest {
        path,
        data_type,
        value,
    } = request;
    let path = to_update(broker, caller, &path, &data_type, &value)?;
    let timestamp = broker.wall_clock_millis();
    Ok(append_value(broker, caller, path, value, timestamp))
}

pub(crate) fn timestamp_append(
    broker: &mut Broker,
    caller: &Caller,
    request: TimestampAppendRequest,
) -> Answer<EventMetadata> {
    let TimestampAppendRequest {
        path,
        data_type,
        value,
        timestamp,
    } = request;
    let path = to_update(broker, caller, &path, &data_type, &value)?;
    let (_, _, series) = series_at(broker, &path)?;
    let last = series.last().map(|last| last.metadata().timestamp);
    if let Some(last) = last.filter(|last| timestamp < *last) {
        return Err(ErrorReason::UPDATE_FAILED.with(format!(
            "the event has the timestamp {timestamp}, and the last event of `{path}` has {last}: events are appended in the order of their time"
        )));
    }
    Ok(append_value(broker, caller, path, value, timestamp))
}

pub(crate) fn edit(
    broker: &mut Broker,
    caller: &Caller,
    request: EditRequest,
) -> Answer<EventMetadata> {
    let path = parse(&request.path)?;
    let may_edit_own = require_edit(broker, caller, &path)?;
    let (_, topic, series) = series_at(broker, &path)?;
    check_data_type(topic, &request.data_type)?;
    let no_such_event = |why: &str| {
        ErrorReason::NO_SUCH_EVENT.with(format!(
            "the event with sequence number {} of `{path}` {why}",
            request.sequence
        ))
    };
    let original = match series.get(request.sequence) {
        None => return Err(no_such_event("does not exist, or is not kept any more")),
        Some(Event::Edit { .. }) => {
            return Err(no_such_event(
                "is an edit itself: edit the original event again",
            ));
        }
        Some(Event::Original { metadata, .. }) => metadata.clone(),
    };
    let author = author(broker, caller);
    if let EditRight::Own = may_edit_own
        && (author.is_empty() || author != original.author)
    {
        roles(broker, caller).require_path(PathPermission::EditTimeSeriesEvents, path.as_str())?;
    }
    check_value(topic, &request.value)?;
    let metadata = next(Some(series), broker.wall_clock_millis(), author);
    let event = Event::Edit {
        original,
        metadata: metadata.clone(),
        value: request.value,
    };
    broker.commit(Change::AppendEvent { path, event });
    Ok(metadata)
}

pub(crate) fn range_query(
    broker: &mut Broker,
    caller: &Caller,
    request: RangeQueryRequest,
) -> Answer<RangeQueryResult> {
    let path = parse(&request.path)?;
    let is_current = request.query_type == QueryType::Values && request.edits == Range::ALL;
    let roles = roles(broker, caller);
    match broker.topics.find(path.as_str()) {
        Some(key) if broker.may_read(caller.session, key) => {}
        Some(_) | None => roles.require_path(PathPermission::ReadTopic, path.as_str())?,
    }
    if !is_current {
        roles.require_path(PathPermission::QueryObsoleteTimeSeriesEvents, path.as_str())?;
    }
    let (_, topic, series) = series_at(broker, &path)?;
    let Ok(limit) = usize::try_from(request.limit) else {
        return Err(ErrorReason::INVALID_DATA.with(format!(
            "the limit of the range query is {}, and it cannot be negative",
            request.limit
        )));
    };
    let mut events = query::select(series, &request)?;
    let selected = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let bytes_max = broker.settings.message_bytes_max;
    events.drain(..events.len() - count_of_latest(&events, limit, bytes_max));
    let data_type = topic.value_type().data_type_name().unwrap_or_default();
    Ok(RangeQueryResult::new(
        data_type,
        selected,
        events.into_iter(),
    ))
}

/// Appends a value to a time series, as a session that may do it and with a value that was checked.
pub(super) fn append_value(
    broker: &mut Broker,
    caller: &Caller,
    path: Path,
    value: Bytes,
    timestamp: i64,
) -> EventMetadata {
    let author = author(broker, caller);
    let series = broker.topics.find(path.as_str());
    let series = series.and_then(|key| broker.topics.get(key)?.series.as_deref());
    let metadata = next(series, timestamp, author);
    let event = Event::Original {
        metadata: metadata.clone(),
        value,
    };
    broker.commit(Change::AppendEvent { path, event });
    metadata
}

/// Returns what identifies the next event. Its time is not before that of the last one.
fn next(series: Option<&TimeSeries>, timestamp: i64, author: String) -> EventMetadata {
    let last = series
        .and_then(TimeSeries::last)
        .map(|last| last.metadata().timestamp);
    EventMetadata {
        sequence: series.map_or(0, TimeSeries::next_sequence),
        timestamp: last.map_or(timestamp, |last| timestamp.max(last)),
        author,
    }
}

/// Returns how many of the latest events are within a limit, and fit into a message.
fn count_of_latest(events: &[&Event], limit: usize, bytes_max: usize) -> usize {
    let mut bytes = ENTRY_BYTES;
    let latest = events.iter().rev().take(limit);
    let fitting = latest.take_while(|event| {
        bytes += ENTRY_BYTES
            + event.value().len()
            + event.metadata().author.len()
            + event.original().author.len();
        bytes <= bytes_max
    });
    fitting.count()
}

fn parse(path: &str) -> Answer<Path> {
    Path::parse(path).map_err(|error| ErrorReason::NO_SUCH_TOPIC.with(error.to_string()))
}

/// Returns the path of a time series that takes a value of the caller.
fn to_update(
    broker: &Broker,
    caller: &Caller,
    path: &str,
    data_type: &str,
    value: &[u8],
) -> Answer<Path> {
    let path = parse(path)?;
    match broker.topics.find(path.as_str()) {
        Some(key) => require_update(broker, caller, key, &path)?,
        None => roles(broker, caller).require_path(PathPermission::UpdateTopic, path.as_str())?,
    }
    let (_, topic, _) = series_at(broker, &path)?;
    check_data_type(topic, data_type)?;
    check_value(topic, value)?;
    Ok(path)
}

fn series_at<'a>(broker: &'a Broker, path: &Path) -> Answer<(TopicKey, &'a Topic, &'a TimeSeries)> {
    let topic = broker
        .topics
        .find(path.as_str())
        .and_then(|key| Some((key, broker.topics.get(key)?)));
    let Some((key, topic)) = topic else {
        return Err(ErrorReason::NO_SUCH_TOPIC.with(format!("there is no topic at `{path}`")));
    };
    match &topic.series {
        Some(series) => Ok((key, topic, series)),
        None => Err(ErrorReason::NOT_A_TIME_SERIES.with(format!(
            "the topic `{path}` is of type {}, and not a time series",
            topic.kind.specification.topic_type
        ))),
    }
}

fn check_data_type(topic: &Topic, name: &str) -> Answer<()> {
    let expected = topic.value_type();
    if TopicType::from_data_type_name(&name.to_ascii_lowercase()) == Some(expected) {
        return Ok(());
    }
    Err(ErrorReason::INCOMPATIBLE_DATATYPE.with(format!(
        "the events of `{}` are of type {}, and the request is for events of type `{}`",
        topic.path,
        expected.data_type_name().unwrap_or_default(),
        name.escape_debug()
    )))
}

fn check_value(topic: &Topic, value: &[u8]) -> Answer<()> {
    topic
        .check(value)
        .map_err(|error| ErrorReason::UPDATE_FAILED.with(error.to_string()))
}

/// Whose events a session may edit.
#[derive(Clone, Copy, Debug)]
enum EditRight {
    All,
    Own,
}

fn require_edit(broker: &Broker, caller: &Caller, path: &Path) -> Answer<EditRight> {
    let roles = roles(broker, caller);
    if roles.allow_path(PathPermission::EditTimeSeriesEvents, path.as_str()) {
        return Ok(EditRight::All);
    }
    if roles.allow_path(PathPermission::EditOwnTimeSeriesEvents, path.as_str()) {
        return Ok(EditRight::Own);
    }
    roles.require_path(PathPermission::EditTimeSeriesEvents, path.as_str())?;
    Ok(EditRight::All)
}

/// Returns the name that events of the caller have.
fn author(broker: &Broker, caller: &Caller) -> String {
    let session = broker.sessions.get(caller.session);
    session.map_or_else(String::new, |session| session.principal.clone())
}
