//! Update streams (spec: topics §6.6, §12).

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, ResponseCode,
    message::TopicId,
    sample::Random,
    service::{
        AddAndSetTopic, CheckUpdateStream, CreateUpdateStream, CreateUpdateStreamAndSet,
        RemoveTopics, SetTopic, StreamAddAndSetTopic, StreamAddTopic, StreamApplyDelta,
        StreamSetTopic, Subscribe,
    },
    services::{
        topic_control::AddTopicResult,
        topic_update::UpdateConstraint,
        update_stream::{UpdateStreamFlags, UpdateStreamId},
    },
    value::delta,
};
use suffuse_test::{
    Client, Sim, add_and_set, create_stream, int64, json, remove, select, set, set_if,
    specification, stream_add, stream_delta, stream_set, string,
};

const INVALID: ErrorReason = ErrorReason::INVALID_UPDATE_STREAM;

/// A server with the JSON topic `a`, whose value is `[0]`, and who publishes to it.
fn publishing() -> (Sim, Client) {
    let sim = Sim::new().with_topic("a", specification("json"), json("[0]"));
    let bob = sim.connect_as("control");
    (sim, bob)
}

fn stream_of(client: &mut Client, path: &str, type_name: &str, value: Bytes) -> UpdateStreamId {
    let request = set(path, type_name, value);
    client.ask::<CreateUpdateStreamAndSet>(request).stream
}

#[test]
fn a_stream_sets_values_and_applies_deltas_to_the_last_of_them() {
    let (sim, mut bob) = publishing();
    let mut eve = sim.connect();
    eve.ask::<Subscribe>(select("a"));
    eve.skip_all();

    let created = bob.ask::<CreateUpdateStream>(create_stream("a", "json"));
    assert_eq!(created.flags, UpdateStreamFlags(3));
    assert_eq!(
        (created.stream.partition, created.stream.generation),
        (0, 0)
    );
    let stream = created.stream;
    eve.expect_nothing();
    bob.ask::<CheckUpdateStream>(stream);

    let mut last = json(r#"{"n":0,"text":"a text that is the same in each"}"#);
    bob.ask::<StreamSetTopic>(stream_set(stream, last.clone()));
    eve.expect_value("a", &last);
    for n in 1..200 {
        let next = json(&format!(
            r#"{{"n":{n},"text":"a text that is the same in each"}}"#
        ));
        let delta = delta::diff(&last, &next).expect("much is the same");
        bob.ask::<StreamApplyDelta>(stream_delta(stream, delta));
        eve.expect_delta("a", &next);
        last = next;
    }
    assert_eq!(sim.value("a"), Some(last));
}

#[test]
fn a_stream_can_be_made_with_its_topic_and_with_its_first_value() {
    let (sim, mut bob) = publishing();
    let added = bob.ask::<StreamAddTopic>(stream_add("new", "string"));
    assert_eq!(added.topic, AddTopicResult::Created);
    assert_eq!(sim.values()["new"], None);
    bob.ask::<StreamSetTopic>(stream_set(added.created.stream, string("1")));
    assert_eq!(sim.value("new"), Some(string("1")));

    let added = bob.ask::<StreamAddTopic>(stream_add("new", "string"));
    assert_eq!(added.topic, AddTopicResult::Exists);
    assert_eq!(sim.value("new"), Some(string("1")));

    let request = add_and_set("newer", "int64", int64(5));
    let added = bob.ask::<StreamAddAndSetTopic>(request.clone());
    assert_eq!(added.topic, AddTopicResult::Created);
    assert_eq!(sim.value("newer"), Some(int64(5)));
    let added = bob.ask::<StreamAddAndSetTopic>(request);
    assert_eq!(added.topic, AddTopicResult::Exists);
    bob.ask::<CheckUpdateStream>(added.created.stream);
}

#[test]
fn a_subscriber_gets_what_a_stream_adds_before_the_answer() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("?.*//"));
    bob.send::<StreamAddAndSetTopic>(add_and_set("new", "string", string("1")));
    bob.expect_notice("new");
    bob.expect_value("new", string("1"));
    bob.expect::<StreamAddAndSetTopic>();
}

#[test]
fn the_flags_say_what_the_topic_allows() {
    let cases = [
        ("json", 3),
        ("json DONT_RETAIN_VALUE=true", 2),
        ("json CONFLATION=off", 1),
        ("json CONFLATION=off DONT_RETAIN_VALUE=true", 0),
        ("json CONFLATION=always PUBLISH_VALUES_ONLY=true", 3),
    ];
    for (specification, flags) in cases {
        let sim = Sim::new();
        let mut bob = sim.connect_as("control");
        let added = bob.ask::<StreamAddTopic>(stream_add("a", specification));
        assert_eq!(
            added.created.flags,
            UpdateStreamFlags(flags),
            "{specification}"
        );
    }
}

/// Something that ends the stream of a topic.
type Ending = fn(&Sim, &mut Client);

#[test]
fn a_stream_ends_when_anything_else_changes_its_topic() {
    let cases: [(&str, Ending); 10] = [
        ("set by the same session", |_, bob| {
            bob.ask::<SetTopic>(set("a", "json", json("[1]")));
        }),
        ("set by another session", |sim, _| sim.set("a", json("[1]"))),
        ("set to the value that it has", |sim, _| {
            sim.set("a", json("[2]"));
        }),
        ("added and set", |_, bob| {
            bob.ask::<AddAndSetTopic>(add_and_set("a", "json", json("[1]")));
        }),
        ("another stream of the same session", |_, bob| {
            bob.ask::<CreateUpdateStream>(create_stream("a", "json"));
        }),
        ("another stream with a value", |_, bob| {
            stream_of(bob, "a", "json", json("[1]"));
        }),
        ("a stream of another session", |sim, _| {
            let mut eve = sim.connect_as("control");
            eve.ask::<StreamAddTopic>(stream_add("a", "json"));
        }),
        (
            "a stream of another session that ended meanwhile",
            |sim, _| {
                let mut eve = sim.connect_as("control");
                eve.ask::<CreateUpdateStream>(create_stream("a", "json"));
                eve.send_message(&suffuse_proto::Message::Close);
            },
        ),
        ("removed", |_, bob| {
            bob.ask::<RemoveTopics>(remove("a"));
        }),
        ("removed and added again", |sim, bob| {
            bob.ask::<RemoveTopics>(remove("a"));
            sim.add("a", specification("json"));
            sim.set("a", json("[2]"));
        }),
    ];
    for (case, end) in cases {
        let (sim, mut bob) = publishing();
        let stream = stream_of(&mut bob, "a", "json", json("[2]"));
        bob.ask::<CheckUpdateStream>(stream);

        end(&sim, &mut bob);
        let before = sim.values();

        let sentence = bob.ask_refused::<CheckUpdateStream>(stream, INVALID);
        assert!(sentence.contains("has ended"), "{sentence}");
        bob.ask_refused::<StreamSetTopic>(stream_set(stream, json("[3]")), INVALID);
        bob.ask_refused::<StreamApplyDelta>(stream_delta(stream, vec![0x43, 1, 2, 3]), INVALID);
        bob.ask_refused::<StreamApplyDelta>(stream_delta(stream, vec![delta::UNCHANGED]), INVALID);
        assert_eq!(sim.values(), before, "{case}");
    }
}

#[test]
fn what_changes_nothing_of_the_topic_leaves_its_stream() {
    let (sim, mut bob) = publishing();
    let stream = stream_of(&mut bob, "a", "json", json("[2]"));
    let unsatisfied = set_if("a", "json", json("[3]"), UpdateConstraint::NoTopic);
    bob.ask_refused::<SetTopic>(unsatisfied.clone(), ErrorReason::UNSATISFIED_CONSTRAINT);
    bob.ask_refused::<CreateUpdateStreamAndSet>(unsatisfied, ErrorReason::UNSATISFIED_CONSTRAINT);
    bob.ask_refused::<CreateUpdateStream>(
        create_stream("a", "string"),
        ErrorReason::INCOMPATIBLE_TOPIC,
    );
    bob.ask::<AddAndSetTopic>(add_and_set("b", "json", json("[1]")));
    sim.connect()
        .ask_refused::<CreateUpdateStream>(create_stream("a", "json"), ErrorReason::ACCESS_DENIED);
    bob.ask::<StreamSetTopic>(stream_set(stream, json("[4]")));
    assert_eq!(sim.value("a"), Some(json("[4]")));
}

#[test]
fn a_stream_is_of_one_session_and_of_its_numbers() {
    let (sim, mut bob) = publishing();
    let stream = stream_of(&mut bob, "a", "json", json("[2]"));
    let mut eve = sim.connect_as("control");
    eve.ask_refused::<StreamSetTopic>(stream_set(stream, json("[3]")), INVALID);
    let wrong = [
        UpdateStreamId {
            topic: TopicId(stream.topic.0 + 1),
            ..stream
        },
        UpdateStreamId {
            instance: stream.instance + 1,
            ..stream
        },
        UpdateStreamId {
            instance: -1,
            ..stream
        },
        UpdateStreamId {
            partition: 1,
            ..stream
        },
        UpdateStreamId {
            generation: 1,
            ..stream
        },
    ];
    for wrong in wrong {
        bob.ask_refused::<StreamSetTopic>(stream_set(wrong, json("[3]")), INVALID);
    }
    assert_eq!(sim.value("a"), Some(json("[2]")));
    bob.ask::<CheckUpdateStream>(stream);
}

#[test]
fn a_delta_needs_a_value_that_was_set_through_the_stream() {
    let delta = || vec![0x43, b'a', b'b', b'c'];
    let without = ErrorReason::DELTA_WITHOUT_VALUE;
    let (sim, mut bob) = publishing();
    let stream = bob
        .ask::<CreateUpdateStream>(create_stream("a", "json"))
        .stream;
    bob.ask_refused::<StreamApplyDelta>(stream_delta(stream, delta()), without.clone());
    bob.ask_refused::<StreamApplyDelta>(stream_delta(stream, vec![0xf6]), without.clone());
    assert_eq!(sim.value("a"), Some(json("[0]")));

    sim.add("forgotten", specification("json DONT_RETAIN_VALUE=true"));
    let stream = stream_of(&mut bob, "forgotten", "json", json("1"));
    bob.ask_refused::<StreamApplyDelta>(stream_delta(stream, delta()), without);
}

#[test]
fn deltas_may_say_unchanged_or_empty_and_start_from_null() {
    let (sim, mut bob) = publishing();
    let mut eve = sim.connect();
    eve.ask::<Subscribe>(select("?.*//"));
    eve.skip_all();
    let stream = stream_of(&mut bob, "a", "json", json("[2]"));
    eve.expect_value("a", json("[2]"));
    bob.ask::<StreamApplyDelta>(stream_delta(stream, vec![delta::UNCHANGED]));
    eve.expect_nothing();
    assert_eq!(sim.value("a"), Some(json("[2]")));
    bob.ask::<StreamApplyDelta>(stream_delta(stream, Vec::new()));
    eve.expect_value("a", b"");
    bob.ask::<StreamApplyDelta>(stream_delta(stream, vec![0x41, 0x05]));
    eve.expect_value("a", json("5"));

    sim.add("text", specification("string"));
    eve.skip_all();
    let stream = stream_of(&mut bob, "text", "string", string("x"));
    bob.ask::<StreamSetTopic>(stream_set(stream, Bytes::from_static(&[0xf6])));
    assert_eq!(sim.value("text"), None);
    // The one byte of null, and then the text: a delta of that form shows what it is applied to.
    bob.ask::<StreamApplyDelta>(stream_delta(stream, vec![0x00, 0x01, 0x41, 0x60]));
    assert_eq!(sim.value("text"), Some(Bytes::from_static(&[0xf6, 0x60])));
}

#[test]
fn a_delta_or_value_that_cannot_be_applied_is_refused_and_the_stream_goes_on() {
    let sim = Sim::with_settings(|settings| settings.message_bytes_max = 1000);
    let mut bob = sim.connect_as("control");
    sim.add("a", specification("json VALIDATE_VALUES=true"));
    let stream = stream_of(&mut bob, "a", "json", json(r#""0123456789""#));
    let cases = [
        ("not CBOR", vec![0xff]),
        ("half an item", vec![0x45, 1]),
        ("half a copy", vec![0x01]),
        ("neither bytes nor a copy", vec![0x61, b'a']),
        ("a copy beyond the end", vec![0x00, 0x18, 0xff]),
        ("a value that is not valid", vec![0x00, 0x02]),
        ("a value that is too long", [0x00, 0x0b].repeat(400)),
    ];
    for (case, delta) in cases {
        let request = stream_delta(stream, delta);
        bob.ask_refused::<StreamApplyDelta>(request, ErrorReason::UPDATE_FAILED);
        assert_eq!(sim.value("a"), Some(json(r#""0123456789""#)), "{case}");
    }
    let request = stream_set(stream, Bytes::from_static(&[0xff]));
    bob.ask_refused::<StreamSetTopic>(request, ErrorReason::UPDATE_FAILED);
    bob.ask::<StreamSetTopic>(stream_set(stream, json("1")));
}

#[test]
fn a_stream_that_cannot_be_made_is_refused_and_changes_nothing() {
    let (sim, mut bob) = publishing();
    sim.add("checked", specification("json VALIDATE_VALUES=true"));
    let mut guest = sim.connect();
    let before = sim.values();
    let not_cbor = Bytes::from_static(&[0xff]);
    let denied = ErrorReason::ACCESS_DENIED;

    for (path, type_name, reason) in [
        ("none", "json", ErrorReason::NO_SUCH_TOPIC),
        ("a//b", "json", ErrorReason::NO_SUCH_TOPIC),
        ("a", "string", ErrorReason::INCOMPATIBLE_TOPIC),
    ] {
        bob.ask_refused::<CreateUpdateStream>(create_stream(path, type_name), reason.clone());
        let request = set(path, type_name, json("1"));
        bob.ask_refused::<CreateUpdateStreamAndSet>(request, reason);
    }
    let request = set("checked", "json", not_cbor.clone());
    bob.ask_refused::<CreateUpdateStreamAndSet>(request, ErrorReason::UPDATE_FAILED);

    for (path, text, reason) in [
        ("a//b", "json", ErrorReason::INVALID_TOPIC_PATH),
        ("Diffusion/x", "json", ErrorReason::INVALID_TOPIC_PATH),
        ("a", "string", ErrorReason::EXISTS_MISMATCH),
        (
            "new",
            "json CONFLATION=x",
            ErrorReason::INVALID_TOPIC_SPECIFICATION,
        ),
    ] {
        bob.ask_refused::<StreamAddTopic>(stream_add(path, text), reason.clone());
        bob.ask_refused::<StreamAddAndSetTopic>(add_and_set(path, text, json("1")), reason);
    }
    let request = add_and_set("new", "json VALIDATE_VALUES=true", not_cbor);
    bob.ask_refused::<StreamAddAndSetTopic>(request, ErrorReason::UPDATE_FAILED);
    let mut request = stream_add("new", "json");
    request.constraint = UpdateConstraint::NoValue;
    bob.ask_refused::<StreamAddTopic>(request, ErrorReason::UNSATISFIED_CONSTRAINT);

    for path in ["a", "none"] {
        guest.ask_refused::<CreateUpdateStream>(create_stream(path, "json"), denied.clone());
        let request = set(path, "json", json("1"));
        guest.ask_refused::<CreateUpdateStreamAndSet>(request, denied.clone());
        guest.ask_refused::<StreamAddTopic>(stream_add(path, "json"), denied.clone());
        let request = add_and_set(path, "json", json("1"));
        guest.ask_refused::<StreamAddAndSetTopic>(request, denied.clone());
    }
    assert_eq!(sim.values(), before);
}

#[test]
fn a_session_has_no_more_streams_than_the_limit() {
    let sim = Sim::with_settings(|settings| settings.update_streams_max = 2);
    let mut bob = sim.connect_as("control");
    let request = |path: &str| add_and_set(path, "json", json("1"));
    let first = bob.ask::<StreamAddAndSetTopic>(request("a")).created.stream;
    bob.ask::<StreamAddAndSetTopic>(request("b"));

    let full = ErrorReason::INVALID_DATA;
    let sentence = bob.ask_refused::<StreamAddAndSetTopic>(request("c"), full.clone());
    assert!(sentence.contains("2 update streams"), "{sentence}");
    bob.ask_refused::<StreamAddTopic>(stream_add("c", "json"), full.clone());
    sim.add("c", specification("json"));
    bob.ask_refused::<CreateUpdateStream>(create_stream("c", "json"), full.clone());
    bob.ask_refused::<CreateUpdateStreamAndSet>(set("c", "json", json("1")), full.clone());
    assert_eq!(sim.values()["c"], None);
    bob.ask::<CheckUpdateStream>(first);

    // One in the place of another needs no room, and one that has ended takes none.
    bob.ask::<CreateUpdateStream>(create_stream("a", "json"));
    sim.set("a", json("2"));
    bob.ask::<CreateUpdateStream>(create_stream("c", "json"));
    bob.ask_refused::<CreateUpdateStream>(create_stream("a", "json"), full);
    sim.connect_as("control")
        .ask::<CreateUpdateStream>(create_stream("a", "json"));
}

#[test]
fn a_stream_survives_a_connection_unless_messages_are_lost() {
    for (oldest, expected) in [(None, Ok(())), (Some(i32::MAX), Err(INVALID))] {
        let (sim, _) = publishing();
        let connecting = sim.connecting().principal("control").client_type("WJ");
        let mut bob = connecting.connect();
        let stream = stream_of(&mut bob, "a", "json", json("[2]"));
        bob.lose();
        let code = bob.resume_as(|opening| {
            let reconnect = opening.request.reconnect.as_mut().unwrap();
            reconnect.client_sequence = oldest.unwrap_or(reconnect.client_sequence);
        });
        match expected {
            Ok(()) => {
                assert_eq!(code, ResponseCode::RECONNECTED);
                bob.ask::<CheckUpdateStream>(stream);
            }
            Err(reason) => {
                assert_eq!(code, ResponseCode::RECONNECTED_WITH_MESSAGE_LOSS);
                bob.ask_refused::<CheckUpdateStream>(stream, reason);
            }
        }
    }
}

#[test]
fn a_stream_that_was_not_meant_never_changes_a_value() {
    let mut random = Random::new(5);
    let sim = Sim::new();
    let mut publishers = [sim.connect_as("control"), sim.connect_as("control")];
    let mut reader = sim.connect();
    reader.ask::<Subscribe>(select("?.*//"));
    sim.add("a", specification("binary"));
    let mut value = Bytes::new();
    // What each publisher knows of its streams: the last value that it set through each.
    let mut streams: Vec<(usize, UpdateStreamId, Bytes)> = Vec::new();
    let mut valid = None;
    for step in 0..600 {
        let who = random.below(2);
        let new = mutated(&mut random, &value);
        match random.below(10) {
            0 => {
                publishers[who].ask::<SetTopic>(set("a", "binary", new.clone()));
                (value, valid) = (new, None);
            }
            1 => {
                let stream = stream_of(&mut publishers[who], "a", "binary", new.clone());
                valid = Some(streams.len());
                streams.push((who, stream, new.clone()));
                value = new;
            }
            _ if streams.is_empty() => {}
            choice => {
                let at = match valid {
                    Some(valid) if choice > 4 => valid,
                    _ => random.below(streams.len()),
                };
                let (who, stream, base) = &mut streams[at];
                let new = mutated(&mut random, base);
                let delta = delta::diff(base, &new).unwrap_or_else(|| inserted(&new));
                let request = stream_delta(*stream, delta);
                if valid == Some(at) {
                    publishers[*who].ask::<StreamApplyDelta>(request);
                    *base = new.clone();
                    value = new;
                } else {
                    publishers[*who].ask_refused::<StreamApplyDelta>(request, INVALID);
                }
            }
        }
        if step % 20 == 0 {
            assert_eq!(sim.value("a").unwrap_or_default(), value, "step {step}");
        }
        assert_eq!(
            reader.view()["a"].clone().unwrap_or_default(),
            value,
            "step {step}"
        );
    }
    assert!(streams.len() > 20);
}

/// Returns a delta that copies nothing.
fn inserted(value: &[u8]) -> Vec<u8> {
    let mut delta = vec![0x59];
    delta.extend((value.len() as u16).to_be_bytes());
    delta.extend(value);
    delta
}

fn mutated(random: &mut Random, value: &[u8]) -> Bytes {
    let mut new = value.to_vec();
    let from = random.below(new.len() + 1);
    let to = from + random.below(new.len() + 1 - from);
    let piece = (0..random.below(60)).map(|_| b'a' + random.byte() % 4);
    new.splice(from..to, piece.collect::<Vec<_>>());
    new.truncate(2000);
    new.into()
}
