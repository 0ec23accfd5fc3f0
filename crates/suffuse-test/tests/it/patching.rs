//! JSON patches (spec: topics §6.5, §12).

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason,
    service::{ApplyJsonPatch, CheckUpdateStream, CreateUpdateStreamAndSet, Subscribe},
    services::topic_update::{PatchResult, UpdateConstraint},
};
use suffuse_test::{Sim, json, patch, select, set, specification, string};

const ADD: &str = r#"[{"op":"add","path":"/b","value":2}]"#;

#[test]
fn a_patch_alters_the_value_and_subscribers_get_the_delta() {
    let text = "a text that is long enough for a delta";
    let value = |b: &str| json(&format!(r#"{{"text":"{text}","a":1{b}}}"#));
    let sim = Sim::new().with_topic("a", specification("json"), value(""));
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));
    bob.send::<ApplyJsonPatch>(patch("a", ADD));
    bob.expect_delta("a", value(r#","b":2"#));
    assert_eq!(bob.expect::<ApplyJsonPatch>(), PatchResult::APPLIED);

    // Nothing changes, so nothing is published.
    bob.send::<ApplyJsonPatch>(patch("a", ADD));
    assert_eq!(bob.expect::<ApplyJsonPatch>(), PatchResult::APPLIED);
    bob.expect_nothing();
}

#[test]
fn a_patch_is_applied_as_a_whole_or_not_at_all() {
    let sim = Sim::new().with_topic("a", specification("json"), json(r#"{"a":1}"#));
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));
    bob.skip_all();
    let failing = r#"[{"op":"add","path":"/b","value":2},{"op":"test","path":"/b","value":3}]"#;
    bob.send::<ApplyJsonPatch>(patch("a", failing));
    assert_eq!(bob.expect::<ApplyJsonPatch>().failed_operation, 1);
    bob.expect_nothing();
    assert_eq!(sim.value("a"), Some(json(r#"{"a":1}"#)));
}

#[test]
fn a_patch_that_cannot_be_applied_is_refused_with_its_reason_and_changes_nothing() {
    let sim = Sim::with_settings(|settings| settings.message_bytes_max = 2000)
        .with_topic("a", specification("json"), json(r#"{"a":1}"#))
        .with_topic("text", specification("string"), string("x"))
        .with_topic("broken", specification("json"), Bytes::from_static(&[0xff]))
        .with_topic(
            "forgotten",
            specification("json DONT_RETAIN_VALUE=true"),
            json("{}"),
        );
    // Tags are CBOR, but no JSON.
    let tagged = Bytes::from_static(&[0x81, 0xc1, 0x01]);
    sim.add("empty", specification("json"));
    sim.add("checked", specification("json VALIDATE_VALUES=true"));
    let mut bob = sim.connect_as("control");
    let before = sim.values();
    let bomb = format!(
        "[{}]",
        [r#"{"op":"copy","from":"","path":"/x"}"#; 40].join(",")
    );
    let cases = [
        ("none", ADD, ErrorReason::NO_SUCH_TOPIC),
        ("a//b", ADD, ErrorReason::NO_SUCH_TOPIC),
        ("text", ADD, ErrorReason::INCOMPATIBLE_TOPIC),
        ("a", "no JSON", ErrorReason::INVALID_JSON_PATCH),
        ("a", "{}", ErrorReason::INVALID_JSON_PATCH),
        (
            "a",
            r#"[{"op":"add","path":"/a"}]"#,
            ErrorReason::INVALID_JSON_PATCH,
        ),
        (
            "a",
            r#"[{"op":"remove","path":"a"}]"#,
            ErrorReason::INVALID_JSON_PATCH,
        ),
        ("broken", ADD, ErrorReason::PATCH_NOT_APPLICABLE),
        ("empty", ADD, ErrorReason::PATCH_NOT_APPLICABLE),
        ("forgotten", ADD, ErrorReason::PATCH_NOT_APPLICABLE),
        ("checked", ADD, ErrorReason::PATCH_NOT_APPLICABLE),
        ("a", &bomb, ErrorReason::UPDATE_FAILED),
    ];
    for (path, text, reason) in cases {
        let sentence = bob.ask_refused::<ApplyJsonPatch>(patch(path, text), reason);
        assert!(!sentence.is_empty());
    }
    let mut request = patch("a", ADD);
    request.constraint = UpdateConstraint::NoValue;
    bob.ask_refused::<ApplyJsonPatch>(request, ErrorReason::UNSATISFIED_CONSTRAINT);
    let mut guest = sim.connect();
    for path in ["a", "none"] {
        guest.ask_refused::<ApplyJsonPatch>(patch(path, ADD), ErrorReason::ACCESS_DENIED);
    }
    assert_eq!(sim.values(), before);

    sim.add("tagged", specification("json"));
    sim.set("tagged", tagged);
    let copy = r#"[{"op":"copy","from":"/0","path":"/-"}]"#;
    assert_eq!(
        bob.ask::<ApplyJsonPatch>(patch("tagged", copy)),
        PatchResult::APPLIED
    );
    assert_eq!(
        sim.value("tagged").unwrap().as_ref(),
        [0x82, 0xc1, 0x01, 0xc1, 0x01]
    );
}

#[test]
fn a_patch_ends_the_update_stream_of_its_topic() {
    let sim = Sim::new().with_topic("a", specification("json"), json("{}"));
    let mut bob = sim.connect_as("control");
    let stream = bob
        .ask::<CreateUpdateStreamAndSet>(set("a", "json", json("{}")))
        .stream;
    let failing = r#"[{"op":"remove","path":"/x"}]"#;
    bob.ask::<ApplyJsonPatch>(patch("a", failing));
    bob.ask::<CheckUpdateStream>(stream);
    bob.ask::<ApplyJsonPatch>(patch("a", ADD));
    bob.ask_refused::<CheckUpdateStream>(stream, ErrorReason::INVALID_UPDATE_STREAM);
}
