//! What subscribers get for an update: nothing, a value, a delta, compressed or not (spec: topics §6.4, §11.5, §13).

use bytes::Bytes;
use suffuse_proto::{
    Message,
    message::Encoding,
    service::{SetTopic, Subscribe, Unsubscribe},
};
use suffuse_test::{
    Client, Sim, binary, double, int64, json, record, select, set, specification, string,
};

/// What an update looks like on the wire.
#[derive(Debug, PartialEq)]
enum Form {
    Nothing,
    Value,
    Delta,
}

fn form(client: &mut Client) -> Form {
    let form = match client.take_message() {
        None => Form::Nothing,
        Some(Message::TopicValue { .. }) => Form::Value,
        Some(Message::TopicDelta { .. }) => Form::Delta,
        Some(other) => panic!("{other:?} arrived, expected topic data"),
    };
    client.expect_nothing();
    form
}

fn text(length: usize) -> String {
    (0..length)
        .map(|at| char::from(b'a' + (at * at % 26) as u8))
        .collect()
}

#[test]
fn the_form_of_an_update_follows_the_topic_and_the_change() {
    let long = text(300);
    let longer = format!("{long}!");
    let numbers = |last: &str| {
        json(&format!(
            "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,{last}]"
        ))
    };
    let cases = [
        ("string", string(&long), string(&longer), Form::Delta),
        ("string", string(&long), string(&long), Form::Nothing),
        ("string", string("abc"), string("abd"), Form::Value),
        ("string", string(&long), string("z"), Form::Value),
        ("json", numbers("1"), numbers("2"), Form::Delta),
        ("json", json("1"), json("2"), Form::Value),
        ("json", json("1"), json("1"), Form::Nothing),
        (
            "binary",
            binary(long.as_bytes()),
            binary(longer.as_bytes()),
            Form::Delta,
        ),
        ("binary", binary(long.as_bytes()), binary(b""), Form::Value),
        ("binary", binary(b""), binary(long.as_bytes()), Form::Value),
        ("binary", binary(b""), binary(b""), Form::Nothing),
        (
            "record_v2",
            record(&[&long, "x"]),
            record(&[&long, "y"]),
            Form::Delta,
        ),
        ("int64", int64(1), int64(2), Form::Value),
        ("int64", int64(1), int64(1), Form::Nothing),
        ("double", double(1.0), double(2.0), Form::Value),
        (
            "string PUBLISH_VALUES_ONLY=true",
            string(&long),
            string(&longer),
            Form::Value,
        ),
        (
            "string PUBLISH_VALUES_ONLY=true",
            string(&long),
            string(&long),
            Form::Nothing,
        ),
        (
            "string DONT_RETAIN_VALUE=true",
            string(&long),
            string(&longer),
            Form::Value,
        ),
        (
            "string DONT_RETAIN_VALUE=true",
            string(&long),
            string(&long),
            Form::Value,
        ),
    ];
    for (specification_text, old, new, expected) in cases {
        let sim = Sim::new().with_topic("a", specification(specification_text), Bytes::new());
        let mut bob = sim.connect();
        bob.ask::<Subscribe>(select("a"));
        sim.set("a", old);
        bob.skip_all();
        sim.set("a", new.clone());
        assert_eq!(form(&mut bob), expected, "{specification_text} {new:?}");
    }
}

#[test]
fn a_subscriber_without_the_previous_value_gets_the_value() {
    let sim = Sim::new();
    sim.add("a", specification("string"));
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    let long = text(300);
    sim.set("a", string(&long));
    bob.expect_value("a", string(&long));
    sim.set("a", string(&format!("{long}!")));
    bob.expect_delta("a", string(&format!("{long}!")));
    sim.set("a", Bytes::from_static(&[0xf6]));
    bob.expect_value("a", [0xf6]);
    sim.set("a", string(&long));
    bob.expect_value("a", string(&long));
}

#[test]
fn a_delta_has_at_least_two_bytes_and_is_shorter_than_the_value() {
    let sim = Sim::new().with_topic("a", specification("binary"), binary(b""));
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    bob.skip_all();
    let mut value: Vec<u8> = Vec::new();
    let mut state = 1_u32;
    for round in 0..600 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match state >> 29 {
            0 if round % 7 == 0 => value.clear(),
            0 | 1 => value.truncate((state as usize >> 8) % (value.len() + 1)),
            2 if !value.is_empty() => {
                let at = (state as usize >> 8) % value.len();
                value[at] = value[at].wrapping_add(1);
            }
            _ => value.extend(state.to_be_bytes().repeat(1 + (state as usize >> 8) % 9)),
        }
        sim.set("a", binary(&value));
        // The replica refuses deltas that are too short, do not fit, or say nothing.
        match bob.take_message() {
            Some(Message::TopicDelta { payload, .. }) => assert!(payload.len() < value.len()),
            Some(Message::TopicValue { payload, .. }) => assert!(payload.len() <= value.len()),
            None => {}
            Some(other) => panic!("{other:?} arrived, expected topic data"),
        }
        bob.expect_nothing();
        assert_eq!(
            bob.view()["a"].as_deref(),
            Some(&value[..]),
            "after round {round}"
        );
    }
}

fn encoding(client: &mut Client) -> Encoding {
    match client.take_message() {
        Some(Message::TopicValue { encoding, .. } | Message::TopicDelta { encoding, .. }) => {
            encoding
        }
        other => panic!("{other:?} arrived, expected topic data"),
    }
}

#[test]
fn data_is_compressed_exactly_if_that_is_allowed_and_worth_it() {
    use Encoding::{Plain, Zlib};
    let repeated = "suffuse ".repeat(100);
    let noise: Vec<u8> = {
        let mut state = 7_u64;
        let step = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        (0..1000).map(step).collect()
    };
    let cases = [
        ("string", true, string(&repeated), Zlib),
        ("string", false, string(&repeated), Plain),
        ("string COMPRESSION=off", true, string(&repeated), Plain),
        ("string COMPRESSION=false", true, string(&repeated), Plain),
        ("string COMPRESSION=medium", true, string(&repeated), Zlib),
        ("string COMPRESSION=high", true, string(&repeated), Zlib),
        ("json COMPRESSION=true", true, string(&repeated), Zlib),
        ("string", true, string("short"), Plain),
        ("binary", true, noise.into(), Plain),
    ];
    for (specification_text, takes_zlib, value, expected) in cases {
        let sim = Sim::new();
        sim.add("a", specification(specification_text));
        let connecting = sim.connecting();
        let connecting = if takes_zlib {
            connecting
        } else {
            connecting.without_zlib()
        };
        let mut bob = connecting.connect();
        bob.ask::<Subscribe>(select("a"));

        sim.set("a", value.clone());
        assert_eq!(encoding(&mut bob), expected, "{specification_text}");
        assert_eq!(bob.view()["a"].as_ref(), Some(&value));

        bob.ask::<Unsubscribe>(select("a"));
        bob.send::<Subscribe>(select("a"));
        bob.expect_notice("a");
        assert_eq!(
            encoding(&mut bob),
            expected,
            "the initial value of {specification_text}"
        );
        assert_eq!(bob.view()["a"].as_ref(), Some(&value));
    }
}

#[test]
fn a_large_delta_is_compressed_too() {
    let old = text(4000);
    let new = format!("{}{}", old, "suffuse ".repeat(100));
    let sim = Sim::new().with_topic("a", specification("string"), string(&old));
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    sim.set("a", string(&new));
    match bob.take_message() {
        Some(Message::TopicDelta {
            encoding, payload, ..
        }) => {
            assert_eq!(encoding, Encoding::Zlib);
            assert!(payload.len() < 200);
        }
        other => panic!("{other:?} arrived, expected a delta"),
    }
    assert_eq!(bob.view()["a"], Some(string(&new)));
}

#[test]
fn clients_of_all_kinds_get_the_same_value_of_one_update() {
    let sim = Sim::new().with_topic("a", specification("string"), string(&text(300)));
    let mut clients: Vec<_> = (22..=29)
        .flat_map(|version| {
            [
                sim.connecting().version(version).connect(),
                sim.connecting().version(version).without_zlib().connect(),
            ]
        })
        .collect();
    for client in &mut clients {
        client.ask::<Subscribe>(select("a"));
    }
    for round in 0..20 {
        let value = string(&text(300 + round * 37));
        sim.set("a", value.clone());
        for client in &clients {
            assert_eq!(client.view()["a"].as_ref(), Some(&value));
        }
    }
}

#[test]
fn a_value_that_is_not_retained_reaches_subscribers_only() {
    let sim = Sim::new();
    sim.add("a", specification("json DONT_RETAIN_VALUE=true"));
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));
    for _ in 0..2 {
        bob.send::<SetTopic>(set("a", "json", json("1")));
        bob.expect_value("a", json("1"));
        bob.expect::<SetTopic>();
    }
    assert_eq!(sim.values()["a"], None);
    let mut eve = sim.connect();
    eve.send::<Subscribe>(select("a"));
    eve.expect_notice("a");
    eve.expect::<Subscribe>();
    eve.expect_nothing();
}
