//! Adding and removing topics (spec: topics §5.4, §6.1, §12).

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, TopicSpecification, TopicType,
    service::{AddAndSetTopic, AddTopic, FetchQuery, RemoveTopics, Subscribe},
    services::topic_control::AddTopicResult,
};
use suffuse_test::{Sim, add, add_and_set, fetch, json, remove, select, specification};

/// What a published client can make sense of as the answer to adding a topic.
const ADD_CODES: [i32; 8] = [103, 110, 9004, 9005, 9006, 9007, 9010, 9011];

#[test]
fn adding_a_topic_that_exists_is_judged_by_the_specification() {
    let cases = [
        ("json", "json", Ok(AddTopicResult::Exists)),
        ("json", "string", Err(ErrorReason::EXISTS_MISMATCH)),
        (
            "json",
            "json CONFLATION=conflate",
            Ok(AddTopicResult::Exists),
        ),
        (
            "json CONFLATION=conflate COMPRESSION=low",
            "json",
            Ok(AddTopicResult::Exists),
        ),
        (
            "json",
            "json CONFLATION=off",
            Err(ErrorReason::EXISTS_MISMATCH),
        ),
        (
            "json PERSISTENT=False",
            "json PERSISTENT=false",
            Ok(AddTopicResult::Exists),
        ),
        ("json PERSISTENT=True", "json", Ok(AddTopicResult::Exists)),
        (
            "json PRIORITY=high",
            "json PRIORITY=low",
            Err(ErrorReason::EXISTS_MISMATCH),
        ),
    ];
    for (first, second, expected) in cases {
        let sim = Sim::new();
        let mut bob = sim.connect_as("control");
        assert_eq!(
            bob.ask::<AddTopic>(add("a", first)),
            AddTopicResult::Created
        );
        match expected {
            Ok(result) => assert_eq!(
                bob.ask::<AddTopic>(add("a", second)),
                result,
                "{first}, {second}"
            ),
            Err(reason) => drop(bob.ask_refused::<AddTopic>(add("a", second), reason)),
        }
        let found = bob.ask::<FetchQuery>(suffuse_proto::services::topics::FetchRequest {
            with_properties: true,
            ..fetch("a")
        });
        assert_eq!(found.topics[0].topic_type, specification(first).topic_type);
    }
}

#[test]
fn adding_fails_with_the_codes_that_clients_know() {
    let cases: Vec<(&str, TopicSpecification, ErrorReason)> = vec![
        ("", specification("json"), ErrorReason::INVALID_TOPIC_PATH),
        ("/", specification("json"), ErrorReason::INVALID_TOPIC_PATH),
        (
            "a//b",
            specification("json"),
            ErrorReason::INVALID_TOPIC_PATH,
        ),
        (
            "Diffusion",
            specification("json"),
            ErrorReason::INVALID_TOPIC_PATH,
        ),
        (
            "Diffusion/x",
            specification("json"),
            ErrorReason::INVALID_TOPIC_PATH,
        ),
        (
            "a",
            TopicSpecification::new(TopicType(3)),
            ErrorReason::INVALID_TOPIC_SPECIFICATION,
        ),
        (
            "a",
            TopicSpecification::new(TopicType(21)),
            ErrorReason::INVALID_TOPIC_SPECIFICATION,
        ),
        (
            "a",
            specification("json NO_SUCH_KEY=1"),
            ErrorReason::INVALID_TOPIC_SPECIFICATION,
        ),
        (
            "a",
            specification("json DONT_RETAIN_VALUE=maybe"),
            ErrorReason::INVALID_TOPIC_SPECIFICATION,
        ),
        (
            "a",
            specification("json CONFLATION=sometimes"),
            ErrorReason::INVALID_TOPIC_SPECIFICATION,
        ),
        (
            "a",
            specification("json OWNER=bob"),
            ErrorReason::INVALID_TOPIC_SPECIFICATION,
        ),
        (
            "a",
            specification("time_series"),
            ErrorReason::INVALID_TOPIC_SPECIFICATION,
        ),
        (
            "full",
            specification("json"),
            ErrorReason::EXCEEDED_TOPIC_LIMIT,
        ),
    ];
    for (path, specification, reason) in cases {
        let sim = Sim::with_settings(|settings| settings.topics_max = 1);
        let mut bob = sim.connect_as("admin");
        if path == "full" {
            sim.add("one", TopicSpecification::new(TopicType::JSON));
        }
        assert!(ADD_CODES.contains(&reason.code));
        let (path, constraint) = (
            path.to_owned(),
            suffuse_proto::services::topic_update::UpdateConstraint::Unconstrained,
        );
        let request = suffuse_proto::services::topic_control::AddTopicRequest {
            path: path.clone(),
            specification: specification.clone(),
        };
        let sentence = bob.ask_refused::<AddTopic>(request, reason.clone());
        assert!(!sentence.is_empty());
        let request = suffuse_proto::services::topic_update::AddAndSetTopicRequest {
            path,
            specification,
            value: Bytes::new(),
            constraint,
        };
        bob.ask_refused::<AddAndSetTopic>(request, reason);
        assert!(sim.stats().topics <= 1);
    }
}

#[test]
fn slashes_around_a_path_do_not_count() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    assert_eq!(
        bob.ask::<AddTopic>(add("/a/b/", "json")),
        AddTopicResult::Created
    );
    assert_eq!(
        bob.ask::<AddTopic>(add("a/b", "json")),
        AddTopicResult::Exists
    );
    assert_eq!(sim.values().into_keys().collect::<Vec<_>>(), ["a/b"]);
}

#[test]
fn paths_may_have_any_characters() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("?.*//"));
    let paths = [
        "é/日本",
        " ",
        "a b/c",
        "\u{0}",
        "?x",
        "😀",
        "A",
        "diffusion",
    ];
    for path in paths {
        assert_eq!(
            bob.ask::<AddTopic>(add(path, "json")),
            AddTopicResult::Created,
            "{path}"
        );
    }
    assert_eq!(bob.view().len(), paths.len());
}

#[test]
fn properties_are_told_as_they_were_given_but_for_the_spelling_of_flags() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));
    bob.send::<AddTopic>(add(
        "a",
        "json DONT_RETAIN_VALUE=True PERSISTENT=FALSE CONFLATION=off",
    ));
    let notice = bob.expect_notice("a");
    let expected = specification("json DONT_RETAIN_VALUE=true PERSISTENT=false CONFLATION=off");
    assert_eq!(notice.specification, expected);
}

#[test]
fn removal_takes_what_the_selector_matches_and_counts_it() {
    let cases = [
        ("a", 1, vec!["a/b", "a/b/c", "d"]),
        ("?a/", 2, vec!["a", "d"]),
        ("?a//", 3, vec!["d"]),
        ("?.*//", 4, vec![]),
        ("#>a////>d", 2, vec!["a/b", "a/b/c"]),
        ("nothing", 0, vec!["a", "a/b", "a/b/c", "d"]),
    ];
    for (selector, count, left) in cases {
        let sim = Sim::new();
        for path in ["a", "a/b", "a/b/c", "d"] {
            sim.add(path, specification("json"));
        }
        let removed = sim
            .connect_as("control")
            .ask::<RemoveTopics>(remove(selector));
        assert_eq!(removed.count, count, "{selector}");
        assert_eq!(
            sim.values().into_keys().collect::<Vec<_>>(),
            left,
            "{selector}"
        );
    }
}

#[test]
fn a_bad_selector_removes_nothing() {
    let sim = Sim::new().with_topic("a", specification("json"), json("1"));
    let mut bob = sim.connect_as("control");
    bob.ask_refused::<RemoveTopics>(remove("?["), ErrorReason::INVALID_DATA);
    assert_eq!(sim.stats().topics, 1);
}

#[test]
fn adding_with_a_value_announces_the_topic_then_tells_the_value() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));

    bob.send::<AddAndSetTopic>(add_and_set("a", "json", json("1")));
    bob.expect_notice("a");
    bob.expect_value("a", json("1"));
    assert_eq!(bob.expect::<AddAndSetTopic>(), AddTopicResult::Created);

    bob.send::<AddAndSetTopic>(add_and_set("a", "json", json("2")));
    bob.expect_value("a", json("2"));
    assert_eq!(bob.expect::<AddAndSetTopic>(), AddTopicResult::Exists);

    bob.send::<AddAndSetTopic>(add_and_set("a", "string", json("3")));
    bob.expect_error::<AddAndSetTopic>(ErrorReason::EXISTS_MISMATCH);
    bob.expect_nothing();
    assert_eq!(sim.value("a"), Some(json("2")));
}

#[test]
fn a_topic_whose_value_is_not_valid_is_not_added() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    let request = add_and_set(
        "a",
        "json VALIDATE_VALUES=true",
        Bytes::from_static(&[0xff]),
    );
    bob.ask_refused::<AddAndSetTopic>(request, ErrorReason::UPDATE_FAILED);
    assert_eq!(sim.stats().topics, 0);
}
