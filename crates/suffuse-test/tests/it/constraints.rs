//! Constraints of updates (spec: topics §8).

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, Message,
    service::{
        AddAndSetTopic, CreateUpdateStream, CreateUpdateStreamAndSet, SetTopic,
        StreamAddAndSetTopic, StreamAddTopic, Subscribe,
    },
    services::topic_update::{Comparison, OperandType, Operator, UpdateConstraint as C},
    value,
};
use suffuse_test::{
    Sim, add_and_set, create_stream, double, int64, json, select, set_if, specification,
    stream_add, string,
};

fn compare(operator: Operator, operand: Bytes) -> C {
    let operand_type = OperandType::Binary;
    C::Value(Comparison {
        operator,
        operand_type,
        operand,
    })
}

fn is(text: &str) -> C {
    compare(Operator::Is, string(text))
}

/// A topic `one` with the value "1", a topic `empty` without a value, and nothing at `none`.
fn sim() -> Sim {
    let sim = Sim::new().with_topic("one", specification("string"), string("1"));
    sim.add("empty", specification("string"));
    sim
}

#[test]
fn an_update_is_applied_exactly_if_its_constraint_holds() {
    let all = |members: &[C]| C::All(members.to_vec());
    let any = |members: &[C]| C::Any(members.to_vec());
    let cases = [
        ("one", C::Unconstrained, true),
        ("one", is("1"), true),
        ("one", is("2"), false),
        ("one", is(""), false),
        ("empty", is("1"), false),
        ("empty", is(""), false),
        ("one", C::NoValue, false),
        ("empty", C::NoValue, true),
        ("one", C::NoTopic, false),
        ("empty", C::NoTopic, false),
        ("one", all(&[is("1"), C::Unconstrained]), true),
        ("one", all(&[is("1"), is("2")]), false),
        ("one", all(&[is("2"), is("1")]), false),
        ("one", any(&[is("2"), is("1")]), true),
        ("one", any(&[is("2"), C::NoValue]), false),
        ("empty", any(&[is("1"), C::NoValue]), true),
        (
            "one",
            any(&[all(&[is("1"), C::NoValue]), all(&[is("1"), is("1")])]),
            true,
        ),
        (
            "one",
            all(&[any(&[is("2"), is("1")]), any(&[C::NoTopic, C::NoValue])]),
            false,
        ),
    ];
    for (path, constraint, holds) in cases {
        let sim = sim();
        let mut bob = sim.connect_as("control");
        let before = sim.value(path);
        let request = set_if(path, "string", string("new"), constraint.clone());
        if holds {
            bob.ask::<SetTopic>(request);
            assert_eq!(sim.value(path), Some(string("new")), "{constraint:?}");
        } else {
            let sentence =
                bob.ask_refused::<SetTopic>(request, ErrorReason::UNSATISFIED_CONSTRAINT);
            assert!(sentence.contains(path), "{sentence}");
            assert_eq!(sim.value(path), before, "{constraint:?}");
        }
    }
}

#[test]
fn a_topic_is_added_exactly_if_the_constraint_holds() {
    let cases = [
        ("none", C::NoTopic, true),
        ("none", C::NoValue, false),
        ("none", is("1"), false),
        ("none", C::Any(vec![is("1"), C::NoTopic]), true),
        ("none", C::All(vec![C::NoTopic, C::Unconstrained]), true),
        ("one", C::NoTopic, false),
        ("one", is("1"), true),
        ("empty", C::NoValue, true),
    ];
    for (path, constraint, holds) in cases {
        let sim = sim();
        let mut bob = sim.connect_as("control");
        let mut request = add_and_set(path, "string", string("new"));
        request.constraint = constraint.clone();
        if holds {
            bob.ask::<AddAndSetTopic>(request);
            assert_eq!(sim.value(path), Some(string("new")), "{constraint:?}");
        } else {
            let before = sim.values();
            bob.ask_refused::<AddAndSetTopic>(request, ErrorReason::UNSATISFIED_CONSTRAINT);
            assert_eq!(sim.values(), before, "{constraint:?}");
        }
    }
}

#[test]
fn locks_are_not_built_and_nothing_changes() {
    let locked = || C::Locked {
        name: "lock".to_owned(),
        sequence: 1,
    };
    for constraint in [locked(), C::All(vec![is("1"), locked()])] {
        let sim = sim();
        let request = set_if("one", "string", string("new"), constraint.clone());
        let sentence = sim
            .connect_as("control")
            .ask_refused::<SetTopic>(request, ErrorReason::UNSUPPORTED);
        assert!(sentence.contains("not built yet"), "{sentence}");
        assert_eq!(sim.value("one"), Some(string("1")), "{constraint:?}");
    }
}

const EQ: Operator = Operator::Equal;
const NE: Operator = Operator::NotEqual;
const GT: Operator = Operator::Greater;
const GE: Operator = Operator::GreaterOrEqual;
const LT: Operator = Operator::Less;
const LE: Operator = Operator::LessOrEqual;

/// Compares with a text, number, boolean or null as JSON has it.
fn comparison(operator: Operator, operand: &str) -> Comparison {
    let (operand_type, operand) = match operand {
        "null" => (OperandType::Null, json(operand)),
        "true" | "false" => (OperandType::Boolean, json(operand)),
        text if text.starts_with('"') => (OperandType::String, json(operand)),
        number if number.contains('.') => (
            OperandType::Double,
            double(number.parse().expect("a number")),
        ),
        _ => (OperandType::Int64, json(operand)),
    };
    Comparison {
        operator,
        operand_type,
        operand,
    }
}

#[test]
fn operators_compare_texts_numbers_null_and_booleans() {
    let cases: &[(&str, Bytes, Operator, &str, bool)] = &[
        ("int64", int64(5), EQ, "5", true),
        ("int64", int64(5), EQ, "5.0", true),
        ("int64", int64(5), NE, "5", false),
        ("int64", int64(5), NE, "6", true),
        ("int64", int64(5), GT, "4", true),
        ("int64", int64(5), GT, "5", false),
        ("int64", int64(5), GT, "4.5", true),
        ("int64", int64(5), GE, "5", true),
        ("int64", int64(5), GE, "6", false),
        ("int64", int64(5), LT, "5", false),
        ("int64", int64(5), LT, "5.5", true),
        ("int64", int64(5), LE, "5", true),
        ("int64", int64(5), LE, "4", false),
        ("int64", int64(-5), LT, "-4", true),
        ("int64", int64(i64::MAX), GT, "9223372036854775806", true),
        ("int64", int64(5), EQ, r#""5""#, true),
        ("int64", int64(5), NE, r#""5""#, false),
        ("double", double(1.5), EQ, "1.5", true),
        ("double", double(1.5), EQ, r#""1.5""#, true),
        ("double", double(1.5), GT, "1", true),
        ("double", double(2.0), EQ, "2", true),
        ("double", double(f64::NAN), NE, "2", false),
        ("double", double(f64::NAN), EQ, "2", false),
        ("string", string("a"), EQ, r#""a""#, true),
        ("string", string("a"), EQ, r#""b""#, false),
        ("string", string("a"), NE, r#""b""#, true),
        ("string", string("a"), NE, r#""a""#, false),
        ("string", string("12"), GT, "5", true),
        ("string", string("12"), EQ, "12.0", true),
        ("string", string("twelve"), GT, "5", false),
        ("string", string("twelve"), NE, "5", false),
        ("json", json("null"), EQ, "null", true),
        ("json", json("null"), NE, "null", false),
        ("json", json("1"), NE, "null", true),
        ("json", json("true"), EQ, "true", true),
        ("json", json("true"), EQ, "false", false),
        ("json", json("1"), EQ, "true", false),
        ("json", json("[5]"), EQ, "5", false),
        ("json", json("[5]"), NE, r#""5""#, false),
        ("json", Bytes::from_static(&[0xff]), NE, "5", false),
        ("binary", Bytes::from_static(&[5]), EQ, "5", false),
        ("record_v2", Bytes::from_static(b"5"), NE, "6", false),
    ];
    for (type_name, value, operator, operand, holds) in cases {
        let sim = Sim::new().with_topic("a", specification(type_name), value.clone());
        let mut bob = sim.connect_as("control");
        let constraint = C::Value(comparison(*operator, operand));
        let case = format!("{type_name} {value:?} {operator:?} {operand}");
        let request = set_if("a", type_name, Bytes::from_static(&[0x07]), constraint);
        if *holds {
            bob.ask::<SetTopic>(request);
        } else {
            bob.ask_refused::<SetTopic>(request, ErrorReason::UNSATISFIED_CONSTRAINT);
            assert_eq!(sim.value("a"), Some(value.clone()), "{case}");
        }
    }
}

#[test]
fn a_comparison_that_is_none_is_refused_with_what_is_wrong() {
    let of = |operator, operand_type, operand: Bytes| {
        C::Value(Comparison {
            operator,
            operand_type,
            operand,
        })
    };
    let cases = [
        (of(GT, OperandType::String, string("a")), "Greater"),
        (of(NE, OperandType::Boolean, json("true")), "NotEqual"),
        (of(LT, OperandType::Null, json("null")), "Less"),
        (of(EQ, OperandType::Json, json("1")), "Json"),
        (of(EQ, OperandType::Binary, json("1")), "Binary"),
        (of(EQ, OperandType::RecordV2, json("1")), "RecordV2"),
        (of(EQ, OperandType::Int64, string("a")), "a text"),
        (of(EQ, OperandType::String, int64(5)), "an integer"),
        (of(EQ, OperandType::Null, int64(5)), "an integer"),
        (of(EQ, OperandType::Boolean, int64(5)), "an integer"),
        (of(EQ, OperandType::Double, Bytes::new()), "ends"),
    ];
    for (constraint, expected) in cases {
        let sim = sim();
        let mut bob = sim.connect_as("control");
        let request = set_if("one", "string", string("2"), constraint);
        let sentence = bob.ask_refused::<SetTopic>(request, ErrorReason::INVALID_DATA);
        assert!(sentence.contains(expected), "{sentence}");
        assert_eq!(sim.value("one"), Some(string("1")));
    }
}

fn partial(with: &[(&str, Comparison)], without: &[&str]) -> C {
    C::PartialJson {
        with: with
            .iter()
            .map(|(pointer, comparison)| ((*pointer).to_owned(), comparison.clone()))
            .collect(),
        without: without.iter().map(|&pointer| pointer.to_owned()).collect(),
    }
}

#[test]
fn parts_of_json_values_are_compared_where_their_pointers_say() {
    let value = r#"{"a":2,"list":[1,{"b":"x"}],"null":null,"/~":true,"":"empty"}"#;
    let is = |operand: &str| Comparison {
        operator: Operator::Is,
        operand_type: OperandType::Binary,
        operand: json(operand),
    };
    let cases = [
        (partial(&[("/a", is("2"))], &[]), true),
        (partial(&[("/a", is("3"))], &[]), false),
        (partial(&[("/a", comparison(GE, "2"))], &["/zz"]), true),
        (partial(&[("/a", comparison(GT, "2"))], &[]), false),
        (
            partial(&[("/list/1/b", comparison(EQ, r#""x""#))], &[]),
            true,
        ),
        (partial(&[("/list/1", is(r#"{"b":"x"}"#))], &[]), true),
        (partial(&[("/list/2", is("1"))], &[]), false),
        (partial(&[("/list/-", is("1"))], &[]), false),
        (partial(&[("/null", comparison(EQ, "null"))], &[]), true),
        (partial(&[("/none", comparison(EQ, "null"))], &[]), false),
        (partial(&[("/none", comparison(NE, "null"))], &[]), false),
        (partial(&[("/~1~0", comparison(EQ, "true"))], &[]), true),
        (partial(&[("/", comparison(EQ, r#""empty""#))], &[]), true),
        (partial(&[("", is(value))], &[]), true),
        (partial(&[("/a", is("2")), ("/null", is("1"))], &[]), false),
        (partial(&[], &["/none", "/list/2", "/a/b"]), true),
        (partial(&[], &["/none", "/a"]), false),
        (partial(&[], &["/null"]), false),
        (partial(&[], &[]), true),
        (
            C::Any(vec![C::NoTopic, partial(&[("/a", is("2"))], &["/zz"])]),
            true,
        ),
        (
            C::All(vec![C::NoTopic, partial(&[("/a", is("2"))], &["/zz"])]),
            false,
        ),
    ];
    for (constraint, holds) in cases {
        let sim = Sim::new().with_topic("a", specification("json"), json(value));
        let mut bob = sim.connect_as("control");
        let request = set_if("a", "json", json("1"), constraint.clone());
        if holds {
            bob.ask::<SetTopic>(request);
            assert_eq!(sim.value("a"), Some(json("1")), "{constraint:?}");
        } else {
            bob.ask_refused::<SetTopic>(request, ErrorReason::UNSATISFIED_CONSTRAINT);
            assert_eq!(sim.value("a"), Some(json(value)), "{constraint:?}");
        }
    }
}

#[test]
fn partial_json_needs_a_value_of_a_json_topic() {
    let sim = sim();
    sim.add("json", specification("json"));
    let mut bob = sim.connect_as("control");
    let refused = ErrorReason::UNSATISFIED_CONSTRAINT;
    for (path, type_name) in [("one", "string"), ("json", "json")] {
        let request = set_if(path, type_name, json("1"), partial(&[], &["/a"]));
        bob.ask_refused::<SetTopic>(request, refused.clone());
    }
    let mut request = add_and_set("none", "json", json("1"));
    request.constraint = partial(&[], &["/a"]);
    bob.ask_refused::<AddAndSetTopic>(request, refused);
    assert!(!sim.values().contains_key("none"));

    let sim = Sim::new().with_topic("a", specification("json"), json("1"));
    let request = set_if("a", "json", json("2"), partial(&[], &["a"]));
    let mut bob = sim.connect_as("control");
    let sentence = bob.ask_refused::<SetTopic>(request, ErrorReason::INVALID_DATA);
    assert!(sentence.contains("`a` is no JSON pointer"), "{sentence}");
}

#[test]
fn a_constraint_that_takes_too_long_is_refused() {
    let long = format!("[{}1]", "1,".repeat(500_000));
    let sim = Sim::new().with_topic("a", specification("json"), json(&long));
    let pointers: Vec<String> = (0..600).map(|n| format!("/{n}x")).collect();
    let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
    let request = set_if("a", "json", json("2"), partial(&[], &pointers));
    let mut bob = sim.connect_as("control");
    let sentence = bob.ask_refused::<SetTopic>(request.clone(), ErrorReason::INVALID_DATA);
    assert!(sentence.contains("too many pointers"), "{sentence}");
    sim.set("a", json("1"));
    bob.ask::<SetTopic>(request);
}

#[test]
fn streams_are_made_exactly_if_their_constraint_holds() {
    for (constraint, holds) in [(is("1"), true), (is("2"), false), (C::NoTopic, false)] {
        let sim = sim();
        let mut bob = sim.connect_as("control");
        let mut create = create_stream("one", "string");
        create.constraint = constraint.clone();
        let create_and_set = set_if("one", "string", string("1"), constraint.clone());
        let mut add = stream_add("one", "string");
        add.constraint = constraint.clone();
        let mut add_and_set = add_and_set("one", "string", string("1"));
        add_and_set.constraint = constraint;
        if holds {
            bob.ask::<CreateUpdateStream>(create);
            bob.ask::<CreateUpdateStreamAndSet>(create_and_set);
            bob.ask::<StreamAddTopic>(add);
            bob.ask::<StreamAddAndSetTopic>(add_and_set);
        } else {
            let refused = ErrorReason::UNSATISFIED_CONSTRAINT;
            bob.ask_refused::<CreateUpdateStream>(create, refused.clone());
            bob.ask_refused::<CreateUpdateStreamAndSet>(create_and_set, refused.clone());
            bob.ask_refused::<StreamAddTopic>(add, refused.clone());
            bob.ask_refused::<StreamAddAndSetTopic>(add_and_set, refused);
        }
    }
}

#[test]
fn no_increment_of_eight_sessions_that_compare_and_set_is_lost() {
    let sim = Sim::new().with_topic("count", specification("int64"), int64(0));
    let mut sessions: Vec<_> = (0..8).map(|_| sim.connect_as("control")).collect();
    for session in &mut sessions {
        session.ask::<Subscribe>(select("count"));
    }
    let mut done = vec![0; sessions.len()];
    let mut refused = 0;
    while done.iter().any(|done| *done < 1250) {
        // All look before any of them sets.
        let seen: Vec<_> = sessions
            .iter()
            .map(|session| session.view()["count"].clone().expect("it has a value"))
            .collect();
        for ((session, seen), done) in sessions.iter_mut().zip(seen).zip(&mut done) {
            if *done == 1250 {
                continue;
            }
            let next = value::primitive::decode_int64(&seen).unwrap().unwrap() + 1;
            let request = set_if("count", "int64", int64(next), compare(Operator::Is, seen));
            let asked = session.send::<SetTopic>(request);
            let answer =
                std::iter::from_fn(|| session.take_message()).find_map(|message| match message {
                    Message::Response { conversation, .. } if conversation == asked => Some(true),
                    Message::Error { conversation, .. } if conversation == asked => Some(false),
                    _ => None,
                });
            match answer.expect("it is answered") {
                true => *done += 1,
                false => refused += 1,
            }
        }
    }
    assert_eq!(sim.value("count"), Some(int64(10_000)));
    assert!(refused > 10_000, "{refused} attempts came too late");
}

#[test]
fn every_version_has_its_own_layout_of_the_same_constraint() {
    for version in 22..=29 {
        let sim = sim();
        let mut bob = sim
            .connecting()
            .version(version)
            .principal("control")
            .connect();
        let all = C::All(vec![is("1"), C::Unconstrained]);
        bob.ask::<SetTopic>(set_if("one", "string", string("2"), all));
        bob.ask_refused::<SetTopic>(
            set_if("one", "string", string("3"), is("1")),
            ErrorReason::UNSATISFIED_CONSTRAINT,
        );
        assert_eq!(sim.value("one"), Some(string("2")), "{version}");
    }
}

#[test]
fn a_value_that_is_null_or_not_retained_is_no_value() {
    let sim = Sim::new()
        .with_topic("null", specification("string"), Bytes::from_static(&[0xf6]))
        .with_topic(
            "forgotten",
            specification("string DONT_RETAIN_VALUE=true"),
            string("1"),
        );
    let mut bob = sim.connect_as("control");
    for path in ["null", "forgotten"] {
        let request = set_if(path, "string", string("2"), is("1"));
        bob.ask_refused::<SetTopic>(request, ErrorReason::UNSATISFIED_CONSTRAINT);
        bob.ask::<SetTopic>(set_if(path, "string", string("2"), C::NoValue));
    }
}
