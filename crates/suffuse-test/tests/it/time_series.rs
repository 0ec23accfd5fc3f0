//! Time series topics: events, subscriptions and queries (spec: topics §10).

use std::time::Duration;

use bytes::Bytes;
use suffuse_broker::Transport;
use suffuse_proto::{
    Codec as _, ErrorReason, TopicSpecification, Version,
    service::{
        AddAndSetTopic, AddTopic, FetchQuery, RangeQuery, SetTopic, Subscribe, TimeSeriesAppend,
        TimeSeriesEdit, TimeSeriesTimestampAppend,
    },
    services::{
        time_series::{
            Anchor, AppendRequest, EditRequest, Event, EventMetadata, QueryType, Range,
            RangeQueryRequest, Span, TimestampAppendRequest,
        },
        topics::SizeInfo,
    },
};
use suffuse_test::{
    Client, Sim, add, add_and_set, fetch, int64, json, select, set, specification, string,
};

/// The wall clock at the start of every simulation, in milliseconds.
const START: i64 = 1_800_000_000_000;

fn strings() -> TopicSpecification {
    specification("time_series TIME_SERIES_EVENT_VALUE_TYPE=string")
}

fn append(path: &str, data_type: &str, value: Bytes) -> AppendRequest {
    AppendRequest {
        path: path.to_owned(),
        data_type: data_type.to_owned(),
        value,
    }
}

fn append_at(path: &str, data_type: &str, value: Bytes, timestamp: i64) -> TimestampAppendRequest {
    let AppendRequest {
        path,
        data_type,
        value,
    } = append(path, data_type, value);
    TimestampAppendRequest {
        path,
        data_type,
        value,
        timestamp,
    }
}

fn edit(path: &str, data_type: &str, sequence: i64, value: Bytes) -> EditRequest {
    EditRequest {
        path: path.to_owned(),
        data_type: data_type.to_owned(),
        sequence,
        value,
    }
}

fn query(path: &str) -> RangeQueryRequest {
    RangeQueryRequest {
        path: path.to_owned(),
        query_type: QueryType::Values,
        view: Range::ALL,
        edits: Range::ALL,
        limit: i64::MAX,
    }
}

fn metadata(sequence: i64, timestamp: i64, author: &str) -> EventMetadata {
    EventMetadata {
        sequence,
        timestamp,
        author: author.to_owned(),
    }
}

fn original(sequence: i64, timestamp: i64, author: &str, value: Bytes) -> Bytes {
    let metadata = metadata(sequence, timestamp, author);
    Event::Original { metadata, value }.to_bytes(Version::NEWEST)
}

/// Returns the sequence numbers and values that a query gives.
fn found(client: &mut Client, request: RangeQueryRequest) -> (i64, Vec<(i64, Bytes)>) {
    let result = client.ask::<RangeQuery>(request);
    let events = result.events().expect("all authors are declared");
    let events = events
        .iter()
        .map(|event| (event.metadata().sequence, event.value().clone()));
    (result.selected, events.collect())
}

#[test]
fn appended_events_have_a_number_a_time_and_an_author() {
    let sim = Sim::new();
    sim.add("s", strings());
    let mut bob = sim.connect_as("control");
    let first = bob.ask::<TimeSeriesAppend>(append("s", "string", string("a")));
    assert_eq!(first, metadata(0, START, "control"));
    sim.advance(Duration::from_millis(1500));
    let second = bob.ask::<TimeSeriesAppend>(append("s", "String", string("b")));
    assert_eq!(second, metadata(1, START + 1500, "control"));

    // A time in the future is possible, and none that goes back.
    let later = START + 60_000;
    let third = bob.ask::<TimeSeriesTimestampAppend>(append_at("s", "string", string("c"), later));
    assert_eq!(third, metadata(2, later, "control"));
    let fourth = bob.ask::<TimeSeriesTimestampAppend>(append_at("s", "string", string("d"), later));
    assert_eq!(fourth, metadata(3, later, "control"));
    let fifth = bob.ask::<TimeSeriesAppend>(append("s", "string", string("e")));
    assert_eq!(fifth, metadata(4, later, "control"));
    let edited = bob.ask::<TimeSeriesEdit>(edit("s", "string", 1, string("B")));
    assert_eq!(edited, metadata(5, later, "control"));

    // Setting a value appends it too.
    bob.ask::<SetTopic>(set("s", "string", string("f")));
    let (selected, events) = found(&mut bob, query("s"));
    let expected = [(0, "a"), (5, "B"), (2, "c"), (3, "d"), (4, "e"), (6, "f")];
    let expected = expected.map(|(sequence, value)| (sequence, string(value)));
    assert_eq!((selected, events), (6, expected.to_vec()));
}

#[test]
fn adding_and_setting_makes_a_series_and_appends_to_it() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("s"));
    let series = "time_series TIME_SERIES_EVENT_VALUE_TYPE=int64 VALIDATE_VALUES=true";
    for sequence in [0, 1] {
        bob.send::<AddAndSetTopic>(add_and_set("s", series, int64(7)));
        if sequence == 0 {
            bob.expect_notice("s");
        }
        bob.expect_value("s", original(sequence, START, "control", int64(7)));
        bob.expect::<AddAndSetTopic>();
    }
    bob.ask_refused::<AddAndSetTopic>(
        add_and_set("s", series, string("no number")),
        ErrorReason::UPDATE_FAILED,
    );
    bob.expect_nothing();
}

#[test]
fn subscribers_get_events_as_values_and_deltas() {
    let long = "a text that is long enough for a delta to be shorter than the whole event";
    let sim = Sim::new();
    sim.add("s", strings());
    let mut bob = sim.connect();
    let mut control = sim.connect_as("control");
    bob.send::<Subscribe>(select("s"));
    bob.expect_notice("s");
    bob.expect::<Subscribe>();
    bob.expect_nothing();

    control.ask::<TimeSeriesAppend>(append("s", "string", string(long)));
    bob.expect_value("s", original(0, START, "control", string(long)));
    // An event that equals the one before it is an event.
    control.ask::<TimeSeriesAppend>(append("s", "string", string(long)));
    bob.expect_delta("s", original(1, START, "control", string(long)));
    control.ask::<TimeSeriesEdit>(edit("s", "string", 0, string("x")));
    let edited = Event::Edit {
        original: metadata(0, START, "control"),
        metadata: metadata(2, START, "control"),
        value: string("x"),
    };
    bob.expect_delta("s", edited.to_bytes(Version::NEWEST));
    bob.expect_nothing();
}

#[test]
fn new_subscribers_get_the_subscription_range_over_every_transport() {
    let words = [
        "one word that is long",
        "one word that is longer",
        "the last",
    ];
    for transport in [Transport::WebSocket, Transport::HttpPolling] {
        let sim = Sim::new();
        let two = strings().with("TIME_SERIES_SUBSCRIPTION_RANGE", "limit 2");
        sim.add("default", strings());
        sim.add("two", two.clone());
        sim.add("values", strings().with("PUBLISH_VALUES_ONLY", "true"));
        sim.add("two/values", two.with("PUBLISH_VALUES_ONLY", "true"));
        let mut control = sim.connect_as("control");
        let event = |n: usize| original(n as i64, START, "control", string(words[n]));
        for path in ["default", "two", "values", "two/values"] {
            for word in words {
                control.ask::<TimeSeriesAppend>(append(path, "string", string(word)));
            }
        }
        let mut bob = sim.connecting().transport(transport).connect();
        bob.send::<Subscribe>(select("?.*//"));
        bob.expect_notice("default");
        bob.expect_value("default", event(2));
        bob.expect_notice("two");
        bob.expect_value("two", event(1));
        bob.expect_delta("two", event(2));
        bob.expect_notice("two/values");
        bob.expect_value("two/values", event(1));
        bob.expect_value("two/values", event(2));
        bob.expect_notice("values");
        bob.expect::<Subscribe>();

        let next = original(3, START, "control", string("the last one"));
        for path in ["default", "two", "values", "two/values"] {
            control.ask::<TimeSeriesAppend>(append(path, "string", string("the last one")));
        }
        bob.expect_delta("default", &next);
        bob.expect_delta("two", &next);
        bob.expect_value("values", &next);
        bob.expect_value("two/values", &next);
        bob.expect_nothing();
    }
}

#[test]
fn a_slow_subscriber_misses_no_event() {
    let sim = Sim::new();
    sim.add("s", strings());
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("s"));
    bob.stop_reading();
    let mut control = sim.connect_as("control");
    for n in 0..500 {
        control.ask::<TimeSeriesAppend>(append("s", "string", string(&format!("{n}"))));
    }
    bob.read_all();
    let mut count = 0;
    while bob.take_message().is_some() {
        count += 1;
    }
    assert_eq!(count, 500);
    let last = original(499, START, "control", string("499"));
    assert_eq!(bob.view()["s"], Some(last));
}

#[test]
fn the_retained_range_counts_events_and_time() {
    let sim = Sim::new();
    sim.add("default", strings());
    sim.add(
        "three",
        strings().with("TIME_SERIES_RETAINED_RANGE", "limit 3"),
    );
    sim.add(
        "minute",
        strings().with("TIME_SERIES_RETAINED_RANGE", "last 60s limit 99"),
    );
    let mut control = sim.connect_as("control");
    for n in 0..12 {
        for path in ["default", "three", "minute"] {
            control.ask::<TimeSeriesAppend>(append(path, "string", string(&n.to_string())));
        }
        sim.advance(Duration::from_secs(20));
    }
    for (path, first) in [("default", 2), ("three", 9), ("minute", 8)] {
        let (selected, events) = found(&mut control, query(path));
        let expected: Vec<_> = (first..12).map(|n| (n, string(&n.to_string()))).collect();
        assert_eq!((selected, events), (12 - first, expected), "{path}");
    }
}

#[test]
fn a_series_has_limits_of_the_server_whatever_it_is_told_to_retain() {
    let sim = Sim::with_settings(|settings| {
        settings.series_events_max = 5;
        settings.series_bytes_max = 100_000;
    });
    sim.add(
        "s",
        strings().with("TIME_SERIES_RETAINED_RANGE", "limit 1000000"),
    );
    let mut control = sim.connect_as("control");
    for _ in 0..9 {
        control.ask::<TimeSeriesAppend>(append("s", "string", string("a")));
    }
    assert_eq!(found(&mut control, query("s")).0, 5);
    let large = string(&"a".repeat(40_000));
    for _ in 0..3 {
        control.ask::<TimeSeriesAppend>(append("s", "string", large.clone()));
    }
    assert_eq!(found(&mut control, query("s")).0, 2);
}

#[test]
fn queries_give_the_latest_events_within_the_limit_and_what_fits_into_a_message() {
    let sim = Sim::with_settings(|settings| settings.message_bytes_max = 2000);
    sim.add(
        "s",
        strings().with("TIME_SERIES_RETAINED_RANGE", "limit 100"),
    );
    let mut control = sim.connect_as("control");
    for n in 0..100 {
        control.ask::<TimeSeriesAppend>(append("s", "string", string(&n.to_string())));
    }
    let mut request = query("s");
    request.limit = 2;
    let last_two = vec![(98, string("98")), (99, string("99"))];
    assert_eq!(found(&mut control, request.clone()), (100, last_two));
    request.limit = 0;
    assert_eq!(found(&mut control, request.clone()), (100, vec![]));

    let result = control.ask::<RangeQuery>(query("s"));
    let events = result.events().unwrap();
    assert!(result.to_bytes(Version::NEWEST).len() < 2000);
    assert!((10..100).contains(&events.len()), "{}", events.len());
    assert_eq!(events.last().unwrap().value(), &string("99"));
    assert_eq!(result.selected, 100);

    request = query("s");
    request.view = Range {
        anchor: Anchor::Sequence(10),
        span: Span::Next(2),
    };
    let two = vec![(10, string("10")), (11, string("11"))];
    assert_eq!(found(&mut control, request), (2, two));
}

#[test]
fn authors_of_events_are_told_to_both_generations_of_clients() {
    for version in [25, 29] {
        let sim = Sim::new();
        let owned = strings().with("OWNER", r#"$Principal is "client""#);
        sim.add("s", owned);
        for principal in ["control", "client"] {
            let mut author = sim.connect_as(principal);
            author.ask::<TimeSeriesAppend>(append("s", "string", string(principal)));
        }
        let mut bob = sim.connecting().version(version).connect();
        let result = bob.ask::<RangeQuery>(query("s"));
        let authors = result.events().unwrap();
        let authors: Vec<_> = authors
            .iter()
            .map(|event| event.metadata().author.clone())
            .collect();
        assert_eq!(authors, ["control", "client"]);
        assert_eq!(result.data_type, "string");
    }
}

#[test]
fn a_fetch_gives_the_last_event_and_the_sizes_of_all() {
    let sim = Sim::new();
    sim.add("empty", strings());
    sim.add("s", strings());
    let mut control = sim.connect_as("control");
    for value in ["a", "b"] {
        control.ask::<TimeSeriesAppend>(append("s", "string", string(value)));
    }
    let mut request = fetch("?.*//");
    request.with_sizes = true;
    let topics = control.ask::<FetchQuery>(request).topics;
    let last = original(1, START, "control", string("b"));
    let size = last.len() as i32;
    assert_eq!(topics[0].value, None);
    let sizes = |last_event, events, total| SizeInfo::TimeSeries {
        last_event,
        events,
        total,
    };
    assert_eq!(topics[0].size, sizes(0, 0, 0));
    assert_eq!(topics[1].value.as_ref(), Some(&last));
    assert_eq!(topics[1].size, sizes(size, 2, i64::from(2 * size)));
}

#[test]
fn a_specification_that_cannot_be_is_refused() {
    let series = "time_series TIME_SERIES_EVENT_VALUE_TYPE=string";
    let cases = [
        ("time_series", "TIME_SERIES_EVENT_VALUE_TYPE"),
        (
            "time_series TIME_SERIES_EVENT_VALUE_TYPE=timeseries",
            "TIME_SERIES_EVENT_VALUE_TYPE",
        ),
        (
            "time_series TIME_SERIES_EVENT_VALUE_TYPE=number",
            "TIME_SERIES_EVENT_VALUE_TYPE",
        ),
        (
            &format!("{series} TIME_SERIES_RETAINED_RANGE=10"),
            "TIME_SERIES_RETAINED_RANGE",
        ),
        (
            &format!("{series} TIME_SERIES_SUBSCRIPTION_RANGE=last"),
            "TIME_SERIES_SUBSCRIPTION_RANGE",
        ),
        (&format!("{series} CONFLATION=conflate"), "CONFLATION"),
        (&format!("{series} CONFLATION=always"), "CONFLATION"),
    ];
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    for (text, key) in cases {
        let sentence =
            bob.ask_refused::<AddTopic>(add("s", text), ErrorReason::INVALID_TOPIC_SPECIFICATION);
        assert!(sentence.contains(key), "{sentence}");
    }
    assert!(sim.values().is_empty());
}

#[test]
fn what_cannot_be_done_is_answered_with_its_reason_and_changes_nothing() {
    let sim = Sim::new().with_topic("json", specification("json"), json("1"));
    sim.add("s", strings().with("VALIDATE_VALUES", "true"));
    let mut admin = sim.connect_as("admin");
    admin.ask::<TimeSeriesAppend>(append("s", "string", string("a")));
    admin.ask::<TimeSeriesEdit>(edit("s", "string", 0, string("b")));
    let mut eve = sim.connect();
    eve.ask::<Subscribe>(select("?.*//"));
    let before = sim.values();
    let good = || string("x");

    let appends = [
        ("nothing", "string", good(), ErrorReason::NO_SUCH_TOPIC),
        ("a//b", "string", good(), ErrorReason::NO_SUCH_TOPIC),
        ("json", "json", json("2"), ErrorReason::NOT_A_TIME_SERIES),
        ("s", "json", json("2"), ErrorReason::INCOMPATIBLE_DATATYPE),
        (
            "s",
            "timeseries",
            good(),
            ErrorReason::INCOMPATIBLE_DATATYPE,
        ),
        ("s", "", good(), ErrorReason::INCOMPATIBLE_DATATYPE),
        ("s", "string", int64(1), ErrorReason::UPDATE_FAILED),
    ];
    for (path, data_type, value, reason) in appends {
        admin.ask_refused::<TimeSeriesAppend>(
            append(path, data_type, value.clone()),
            reason.clone(),
        );
        admin.ask_refused::<TimeSeriesTimestampAppend>(
            append_at(path, data_type, value.clone(), START + 1),
            reason.clone(),
        );
        admin.ask_refused::<TimeSeriesEdit>(edit(path, data_type, 0, value), reason);
    }
    for timestamp in [START - 1, i64::MIN] {
        admin.ask_refused::<TimeSeriesTimestampAppend>(
            append_at("s", "string", good(), timestamp),
            ErrorReason::UPDATE_FAILED,
        );
    }
    for sequence in [1, 2, -1, i64::MAX, i64::MIN] {
        admin.ask_refused::<TimeSeriesEdit>(
            edit("s", "string", sequence, good()),
            ErrorReason::NO_SUCH_EVENT,
        );
    }
    for topic_type in ["time_series", "json"] {
        admin.ask_refused::<SetTopic>(
            set("s", topic_type, good()),
            ErrorReason::INCOMPATIBLE_TOPIC,
        );
    }
    admin.ask_refused::<RangeQuery>(query("nothing"), ErrorReason::NO_SUCH_TOPIC);
    admin.ask_refused::<RangeQuery>(query("json"), ErrorReason::NOT_A_TIME_SERIES);
    let mut request = query("s");
    request.limit = -1;
    admin.ask_refused::<RangeQuery>(request, ErrorReason::INVALID_DATA);
    let mut request = query("s");
    request.view.span = Span::Next(-1);
    admin.ask_refused::<RangeQuery>(request, ErrorReason::INVALID_DATA);

    eve.expect_nothing();
    assert_eq!(sim.values(), before);
    assert_eq!(found(&mut admin, query("s")), (1, vec![(1, string("b"))]));
}

#[test]
fn permissions_decide_who_appends_edits_and_sees_what_was_edited() {
    let sim = Sim::new();
    sim.add("s", strings());
    let denied = ErrorReason::ACCESS_DENIED;
    let mut admin = sim.connect_as("admin");
    let mut control = sim.connect_as("control");
    let mut client = sim.connect_as("client");
    admin.ask::<TimeSeriesAppend>(append("s", "string", string("0")));
    control.ask::<TimeSeriesAppend>(append("s", "string", string("1")));
    let before = sim.values();

    for path in ["s", "nothing"] {
        client.ask_refused::<TimeSeriesAppend>(append(path, "string", string("x")), denied.clone());
        client.ask_refused::<TimeSeriesTimestampAppend>(
            append_at(path, "string", string("x"), START),
            denied.clone(),
        );
        client.ask_refused::<TimeSeriesEdit>(edit(path, "string", 0, string("x")), denied.clone());
    }
    control.ask_refused::<TimeSeriesEdit>(edit("s", "string", 0, string("x")), denied.clone());
    assert_eq!(sim.values(), before);

    control.ask::<TimeSeriesEdit>(edit("s", "string", 1, string("own")));
    admin.ask::<TimeSeriesEdit>(edit("s", "string", 1, string("any")));
    let expected = (2, vec![(0, string("0")), (3, string("any"))]);
    for session in [&mut client, &mut control, &mut admin] {
        assert_eq!(found(session, query("s")), expected);
    }
    for query_type in [QueryType::AllEdits, QueryType::LatestEdits] {
        let mut request = query("s");
        request.query_type = query_type;
        client.ask_refused::<RangeQuery>(request.clone(), denied.clone());
        admin.ask::<RangeQuery>(request);
    }
    let mut request = query("s");
    request.edits.span = Span::Sequence(2);
    client.ask_refused::<RangeQuery>(request.clone(), denied.clone());
    assert_eq!(found(&mut admin, request).1[1], (2, string("own")));
    client.ask_refused::<RangeQuery>(query("Diffusion/series"), denied);
}

#[test]
fn constraints_see_the_value_of_the_last_event() {
    use suffuse_proto::services::topic_update::{
        Comparison, OperandType, Operator, UpdateConstraint,
    };
    let sim = Sim::new();
    sim.add("s", strings());
    let mut control = sim.connect_as("control");
    control.ask::<TimeSeriesAppend>(append("s", "string", string("a")));
    let is = |operand| {
        UpdateConstraint::Value(Comparison {
            operator: Operator::Is,
            operand_type: OperandType::String,
            operand,
        })
    };
    let mut request = set("s", "string", string("b"));
    request.constraint = is(string("a"));
    control.ask::<SetTopic>(request.clone());
    control.ask_refused::<SetTopic>(request, ErrorReason::UNSATISFIED_CONSTRAINT);
    assert_eq!(found(&mut control, query("s")).0, 2);
}
