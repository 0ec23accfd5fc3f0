//! Constraints of updates (spec: topics §8).

use bytes::Bytes;
use std::collections::BTreeMap;
use suffuse_proto::{
    ErrorReason,
    service::{AddAndSetTopic, SetTopic},
    services::topic_update::{Comparison, OperandType, Operator, UpdateConstraint as C},
};
use suffuse_test::{Sim, add_and_set, json, set_if, specification, string};

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
fn constraints_that_are_not_built_are_refused_and_nothing_changes() {
    let comparison = Comparison {
        operator: Operator::Is,
        operand_type: OperandType::Binary,
        operand: json("1"),
    };
    let with: BTreeMap<_, _> = [("/a".to_owned(), comparison)].into();
    let mut cases = vec![
        C::Locked {
            name: "lock".to_owned(),
            sequence: 1,
        },
        C::PartialJson {
            with,
            without: Vec::new(),
        },
    ];
    let operators = [
        Operator::Equal,
        Operator::NotEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
        Operator::Less,
        Operator::LessOrEqual,
    ];
    cases.extend(operators.map(|operator| compare(operator, string("1"))));
    cases.extend(operators.map(|operator| C::All(vec![is("1"), compare(operator, string("1"))])));
    for constraint in cases {
        let sim = sim();
        let request = set_if("one", "string", string("new"), constraint.clone());
        let sentence = sim
            .connect_as("control")
            .ask_refused::<SetTopic>(request, ErrorReason::UNSUPPORTED);
        assert!(sentence.contains("not built yet"), "{sentence}");
        assert_eq!(sim.value("one"), Some(string("1")), "{constraint:?}");
    }
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
