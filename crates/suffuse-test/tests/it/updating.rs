//! Setting values: results and errors (spec: topics §6.2, §6.3, §12, §13).

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, TopicType,
    service::{AddAndSetTopic, FetchQuery, SetTopic, Subscribe},
};
use suffuse_test::{
    Sim, add_and_set, double, fetch, int64, json, record, select, set, specification, string,
};

#[test]
fn a_set_that_cannot_be_done_is_answered_with_its_reason_and_changes_nothing() {
    let cases = [
        ("nothing", "json", json("2"), ErrorReason::NO_SUCH_TOPIC),
        ("", "json", json("2"), ErrorReason::NO_SUCH_TOPIC),
        ("a//b", "json", json("2"), ErrorReason::NO_SUCH_TOPIC),
        ("a", "string", string("2"), ErrorReason::INCOMPATIBLE_TOPIC),
        ("a", "binary", json("2"), ErrorReason::INCOMPATIBLE_TOPIC),
        (
            "checked",
            "json",
            Bytes::from_static(&[0xff]),
            ErrorReason::UPDATE_FAILED,
        ),
        ("checked", "json", Bytes::new(), ErrorReason::UPDATE_FAILED),
    ];
    for (path, type_name, value, reason) in cases {
        let sim = Sim::new()
            .with_topic("a", specification("json"), json("1"))
            .with_topic(
                "checked",
                specification("json VALIDATE_VALUES=true"),
                json("1"),
            );
        let mut eve = sim.connect();
        eve.ask::<Subscribe>(select("?.*//"));
        sim.connect_as("control")
            .ask_refused::<SetTopic>(set(path, type_name, value), reason);
        eve.expect_nothing();
        assert!(sim.values().values().all(|value| *value == Some(json("1"))));
    }
}

#[test]
fn values_are_kept_as_the_bytes_that_came() {
    let short_float = Bytes::from_static(&[0xf9, 0x3e, 0x00]);
    let long_integer = Bytes::from_static(&[0x1b, 0, 0, 0, 0, 0, 0, 0, 1]);
    let cases = [
        ("double", short_float),
        ("json", long_integer),
        ("json", Bytes::from_static(&[0xbf, 0x61, b'a', 0x01, 0xff])),
        ("json", Bytes::from_static(&[0xa1, 0x61, b'a', 0x01])),
        ("json", Bytes::from_static(b"\xff\xff this is no CBOR")),
        ("binary", Bytes::from_static(b"\0\x01\xff")),
        ("record_v2", record(&["a", "b"])),
        ("string", Bytes::from_static(&[0x61])),
    ];
    for (type_name, value) in cases {
        let sim = Sim::new().with_topic("a", specification(type_name), value.clone());
        assert_eq!(sim.value("a"), Some(value.clone()), "{type_name}");
        let mut bob = sim.connect();
        bob.ask::<Subscribe>(select("a"));
        assert_eq!(bob.view()["a"], Some(value));
    }
}

#[test]
fn validation_is_by_the_type_of_the_topic() {
    let cases = [
        ("json", json("[1]"), string("x").slice(..1)),
        ("string", string("x"), int64(1)),
        ("int64", int64(1), double(0.5)),
        ("double", double(0.5), int64(1)),
        ("record_v2", record(&["a"]), Bytes::from_static(&[0xff])),
    ];
    for (type_name, good, bad) in cases {
        let sim = Sim::new();
        sim.add(
            "a",
            specification(&format!("{type_name} VALIDATE_VALUES=true")),
        );
        sim.add("unchecked", specification(type_name));
        let mut bob = sim.connect_as("control");
        bob.ask::<SetTopic>(set("a", type_name, good.clone()));
        bob.ask_refused::<SetTopic>(set("a", type_name, bad.clone()), ErrorReason::UPDATE_FAILED);
        bob.ask::<SetTopic>(set("unchecked", type_name, bad.clone()));
        assert_eq!(sim.value("a"), Some(good), "{type_name}");
        assert_eq!(sim.value("unchecked"), Some(bad), "{type_name}");
    }
}

#[test]
fn null_takes_the_value_from_topics_of_simple_types() {
    let null = Bytes::from_static(&[0xf6]);
    for (type_name, value) in [
        ("string", string("x")),
        ("int64", int64(1)),
        ("double", double(0.5)),
    ] {
        let sim = Sim::new().with_topic("a", specification(type_name), value.clone());
        let mut bob = sim.connect_as("control");
        bob.ask::<Subscribe>(select("a"));

        bob.send::<SetTopic>(set("a", type_name, null.clone()));
        bob.expect_value("a", &null);
        bob.expect::<SetTopic>();

        bob.send::<SetTopic>(set("a", type_name, null.clone()));
        bob.expect::<SetTopic>();
        bob.expect_nothing();
        assert_eq!(bob.ask::<FetchQuery>(fetch("a")).topics[0].value, None);

        bob.send::<SetTopic>(set("a", type_name, value.clone()));
        bob.expect_value("a", &value);
        bob.expect::<SetTopic>();
    }
}

#[test]
fn null_of_a_topic_that_never_had_a_value_is_told_to_nobody() {
    let sim = Sim::new();
    sim.add("a", specification("string"));
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));
    bob.send::<SetTopic>(set("a", "string", Bytes::from_static(&[0xf6])));
    bob.expect::<SetTopic>();
    bob.expect_nothing();
}

#[test]
fn null_is_a_value_of_json() {
    let sim = Sim::new().with_topic("a", specification("json"), json("1"));
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));
    bob.send::<SetTopic>(set("a", "json", json("null")));
    bob.expect_value("a", json("null"));
    bob.expect::<SetTopic>();
    assert_eq!(sim.value("a"), Some(json("null")));
}

#[test]
fn adding_with_null_makes_a_topic_without_a_value() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));
    bob.send::<AddAndSetTopic>(add_and_set("a", "int64", Bytes::from_static(&[0xf6])));
    bob.expect_notice("a");
    bob.expect::<AddAndSetTopic>();
    bob.expect_nothing();
    assert_eq!(sim.values()["a"], None);
}

#[test]
fn a_request_that_wants_no_answer_is_done_and_not_answered() {
    let sim = Sim::new().with_topic("a", specification("json"), json("1"));
    let mut bob = sim.connect_as("control");
    bob.send_one_way::<SetTopic>(set("a", "json", json("2")));
    bob.send_one_way::<SetTopic>(set("nothing", "json", json("2")));
    bob.expect_nothing();
    assert_eq!(sim.value("a"), Some(json("2")));
}

#[test]
fn a_type_number_that_no_topic_has_is_the_wrong_one() {
    let sim = Sim::new().with_topic("a", specification("json"), json("1"));
    let mut request = set("a", "json", json("2"));
    request.topic_type = TopicType(200);
    sim.connect_as("control")
        .ask_refused::<SetTopic>(request, ErrorReason::INCOMPATIBLE_TOPIC);
}
