//! Fetch queries (spec: topics §7; spec: topics §7).

use std::collections::BTreeMap;

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, TopicType,
    codec::BitSet,
    service::FetchQuery,
    services::topics::{FetchRequest, FetchResult, PathBound, SizeInfo},
};
use suffuse_test::{Sim, fetch, int64, json, specification, string};

/// The topics of the manual's example.
const TREE: [&str; 8] = [
    "x/0",
    "x/x/1",
    "x/x/x/2",
    "y/y/y/4",
    "y/y/y/y/3",
    "z/5",
    "z/z/6",
    "a",
];

fn sim_of(paths: &[&str]) -> Sim {
    let sim = Sim::new();
    for path in paths {
        sim.add(path, specification("json"));
    }
    sim
}

fn paths(result: &FetchResult) -> Vec<&str> {
    result
        .topics
        .iter()
        .map(|topic| topic.path.as_str())
        .collect()
}

fn bound(path: &str, inclusive: bool) -> Option<PathBound> {
    Some(PathBound {
        path: path.to_owned(),
        inclusive,
    })
}

#[test]
fn topics_come_in_path_order() {
    let sim = sim_of(&[
        "b", "a/d", "a!", "a/c/x", "a", "a/c", "a/b", "ab", "é", "Z", "a/b!",
    ]);
    let mut bob = sim.connect();
    let result = bob.ask::<FetchQuery>(fetch("?.*//"));
    assert_eq!(
        paths(&result),
        [
            "Z", "a", "a/b", "a/b!", "a/c", "a/c/x", "a/d", "a!", "ab", "b", "é"
        ]
    );
    assert!(!result.has_more);
}

#[test]
fn a_range_has_its_bounds_or_not() {
    let sim = sim_of(&["a", "a/b", "b", "b/c", "c", "d"]);
    let mut bob = sim.connect();
    let cases = [
        (None, None, vec!["a", "a/b", "b", "b/c", "c", "d"]),
        (bound("b", true), None, vec!["b", "b/c", "c", "d"]),
        (bound("b", false), None, vec!["b/c", "c", "d"]),
        (None, bound("b", true), vec!["a", "a/b", "b"]),
        (None, bound("b", false), vec!["a", "a/b"]),
        (
            bound("a/b", true),
            bound("c", false),
            vec!["a/b", "b", "b/c"],
        ),
        (bound("b", true), bound("b", true), vec!["b"]),
        (bound("b", false), bound("b", false), vec![]),
        (bound("c", true), bound("b", true), vec![]),
        (bound("bb", true), None, vec!["c", "d"]),
        (
            bound("/b/", true),
            bound("/c/", true),
            vec!["b", "b/c", "c"],
        ),
    ];
    for (from, to, expected) in cases {
        let request = FetchRequest {
            from: from.clone(),
            to: to.clone(),
            ..fetch("?.*//")
        };
        let result = bob.ask::<FetchQuery>(request);
        assert_eq!(paths(&result), expected, "{from:?} {to:?}");
        assert!(!result.has_more);
        let request = FetchRequest {
            from,
            to,
            limit: -100,
            ..fetch("?.*//")
        };
        assert_eq!(
            paths(&bob.ask::<FetchQuery>(request)),
            expected,
            "from the end"
        );
    }
}

#[test]
fn a_limit_takes_the_first_or_the_last_topics() {
    let sim = sim_of(&["a", "b", "c"]);
    let mut bob = sim.connect();
    let cases = [
        (0, vec![], true),
        (1, vec!["a"], true),
        (2, vec!["a", "b"], true),
        (3, vec!["a", "b", "c"], false),
        (i32::MAX, vec!["a", "b", "c"], false),
        (-1, vec!["c"], true),
        (-2, vec!["b", "c"], true),
        (-3, vec!["a", "b", "c"], false),
        (i32::MIN, vec!["a", "b", "c"], false),
    ];
    for (limit, expected, has_more) in cases {
        let result = bob.ask::<FetchQuery>(FetchRequest {
            limit,
            ..fetch("?.*//")
        });
        assert_eq!(
            (paths(&result), result.has_more),
            (expected, has_more),
            "{limit}"
        );
    }
    let result = bob.ask::<FetchQuery>(FetchRequest {
        limit: 0,
        ..fetch("nothing")
    });
    assert!(!result.has_more, "there is nothing to have more of");
}

#[test]
fn topics_are_filtered_by_type() {
    let sim = Sim::new();
    for (path, type_name) in [
        ("b", "binary"),
        ("d", "double"),
        ("i", "int64"),
        ("j", "json"),
        ("s", "string"),
    ] {
        sim.add(path, specification(type_name));
    }
    let mut bob = sim.connect();
    let cases = [
        (BitSet(0x1f_c000), vec!["b", "d", "i", "j", "s"]),
        (BitSet(0xe_8000), vec!["d", "i", "j", "s"]),
        (BitSet(0x4000), vec!["b"]),
        (
            [TopicType::INT64.0, TopicType::STRING.0]
                .into_iter()
                .collect(),
            vec!["i", "s"],
        ),
        (BitSet(0), vec![]),
        (BitSet(-1), vec!["b", "d", "i", "j", "s"]),
    ];
    for (topic_types, expected) in cases {
        let result = bob.ask::<FetchQuery>(FetchRequest {
            topic_types,
            ..fetch("?.*//")
        });
        assert_eq!(paths(&result), expected, "{topic_types:?}");
    }
}

#[test]
fn values_come_if_they_are_wanted_and_there() {
    let sim = Sim::new()
        .with_topic("json", specification("json"), json("[1]"))
        .with_topic("null", specification("int64"), Bytes::from_static(&[0xf6]))
        .with_topic("number", specification("int64"), int64(5))
        .with_topic(
            "forgotten",
            specification("json DONT_RETAIN_VALUE=true"),
            json("1"),
        );
    sim.add("empty", specification("json"));
    let mut bob = sim.connect();
    let values: BTreeMap<_, _> = bob
        .ask::<FetchQuery>(fetch("?.*//"))
        .topics
        .into_iter()
        .map(|topic| (topic.path, topic.value))
        .collect();
    let expected = [
        ("json", Some(json("[1]"))),
        ("null", None),
        ("number", Some(int64(5))),
        ("forgotten", None),
        ("empty", None),
    ];
    assert_eq!(
        values,
        expected
            .map(|(path, value)| (path.to_owned(), value))
            .into()
    );

    let result = bob.ask::<FetchQuery>(FetchRequest {
        with_values: false,
        ..fetch("?.*//")
    });
    assert!(result.topics.len() == 5 && result.topics.iter().all(|topic| topic.value.is_none()));
}

#[test]
fn equal_property_maps_are_sent_once() {
    let sim = Sim::new();
    for (path, text) in [
        ("a", "json"),
        ("b", "json PRIORITY=high"),
        ("c", "string"),
        ("d", "string PRIORITY=high"),
        ("e", "json PRIORITY=high CONFLATION=off"),
    ] {
        sim.add(path, specification(text));
    }
    let mut bob = sim.connect();
    let result = bob.ask::<FetchQuery>(FetchRequest {
        with_properties: true,
        ..fetch("?.*//")
    });
    let indices: Vec<_> = result
        .topics
        .iter()
        .map(|topic| topic.properties_index)
        .collect();
    assert_eq!(indices, [0, 1, 0, 1, 2]);
    let expected = [
        "json",
        "json PRIORITY=high",
        "json PRIORITY=high CONFLATION=off",
    ];
    assert_eq!(
        result.properties,
        expected.map(|text| specification(text).properties)
    );

    let result = bob.ask::<FetchQuery>(FetchRequest {
        with_properties: false,
        ..fetch("?.*//")
    });
    assert_eq!(result.properties, []);
    assert!(
        result
            .topics
            .iter()
            .all(|topic| topic.properties_index == 0)
    );
}

#[test]
fn sizes_come_if_they_are_wanted_and_the_version_has_them() {
    let sim = Sim::new().with_topic("a", specification("string"), string("four"));
    sim.add("b", specification("string"));
    for version in 22..=29 {
        let mut bob = sim.connecting().version(version).connect();
        for (with_sizes, with_values) in [(true, true), (true, false), (false, true)] {
            let request = FetchRequest {
                with_sizes,
                with_values,
                ..fetch("?.*//")
            };
            let result = bob.ask::<FetchQuery>(request);
            let sizes: Vec<_> = result.topics.iter().map(|topic| topic.size).collect();
            let expected = match with_sizes && version >= 28 {
                true => [SizeInfo::Value(5), SizeInfo::Value(0)],
                false => [SizeInfo::Absent; 2],
            };
            assert_eq!(sizes, expected, "version {version}");
        }
    }
}

/// The manual has `y/y/y/y/3` where we have `y/y/y/4`: it lists them in an order that is not that of paths.
#[test]
fn deep_branches_are_cut_as_the_manual_has_it() {
    let sim = sim_of(&TREE);
    let mut bob = sim.connect();
    let cases = [
        ((1, 1), vec!["a", "x/0", "y/y/y/4", "z/5"]),
        ((3, 0), vec!["a", "x/0", "z/5"]),
        ((1, 0), vec![]),
        ((2, 0), vec!["a"]),
        ((2, 1), vec!["a", "x/0", "x/x/1", "y/y/y/4", "z/5", "z/z/6"]),
        (
            (1, 2),
            vec!["a", "x/0", "x/x/1", "y/y/y/4", "y/y/y/y/3", "z/5", "z/z/6"],
        ),
        (
            (100, 0),
            vec![
                "a",
                "x/0",
                "x/x/1",
                "x/x/x/2",
                "y/y/y/4",
                "y/y/y/y/3",
                "z/5",
                "z/z/6",
            ],
        ),
        (
            (i32::MAX, 0),
            vec![
                "a",
                "x/0",
                "x/x/1",
                "x/x/x/2",
                "y/y/y/4",
                "y/y/y/y/3",
                "z/5",
                "z/z/6",
            ],
        ),
        (
            (1, i32::MAX),
            vec![
                "a",
                "x/0",
                "x/x/1",
                "x/x/x/2",
                "y/y/y/4",
                "y/y/y/y/3",
                "z/5",
                "z/z/6",
            ],
        ),
    ];
    for ((deep_branch_depth, deep_branch_limit), expected) in cases {
        let request = FetchRequest {
            deep_branch_depth,
            deep_branch_limit,
            ..fetch("?.*//")
        };
        let result = bob.ask::<FetchQuery>(request.clone());
        assert_eq!(
            paths(&result),
            expected,
            "{deep_branch_depth} {deep_branch_limit}"
        );
        assert!(
            !result.has_more,
            "a limit of branches says nothing about more"
        );

        let result = bob.ask::<FetchQuery>(FetchRequest {
            limit: -2,
            ..request
        });
        let last = &expected[expected.len().saturating_sub(2)..];
        assert_eq!(
            paths(&result),
            last,
            "the last of {deep_branch_depth} {deep_branch_limit}"
        );
        assert_eq!(result.has_more, expected.len() > 2);
    }
}

#[test]
fn a_result_stops_before_the_topic_that_is_too_much() {
    let sim = Sim::new();
    let sim = ["a", "b", "c"].into_iter().fold(sim, |sim, path| {
        sim.with_topic(path, specification("string"), string(&"x".repeat(100)))
    });
    let mut bob = sim.connect();
    let cases = [
        (-1, vec![], true),
        (0, vec![], true),
        (50, vec![], true),
        (150, vec!["a"], true),
        (250, vec!["a", "b"], true),
        (400, vec!["a", "b", "c"], false),
        (i32::MAX, vec!["a", "b", "c"], false),
    ];
    for (result_bytes_max, expected, has_more) in cases {
        let result = bob.ask::<FetchQuery>(FetchRequest {
            result_bytes_max,
            ..fetch("?.*//")
        });
        assert_eq!(
            (paths(&result), result.has_more),
            (expected, has_more),
            "{result_bytes_max}"
        );
    }
}

#[test]
fn a_result_is_never_larger_than_a_message_may_be() {
    let sim = Sim::with_settings(|settings| settings.message_bytes_max = 1000);
    let sim = ["a", "b", "c"].into_iter().fold(sim, |sim, path| {
        sim.with_topic(path, specification("string"), string(&"x".repeat(400)))
    });
    let mut bob = sim.connect();
    let result = bob.ask::<FetchQuery>(fetch("?.*//"));
    assert_eq!(paths(&result), ["a", "b"]);
    assert!(result.has_more);
    let rest = bob.ask::<FetchQuery>(FetchRequest {
        from: bound("b", false),
        ..fetch("?.*//")
    });
    assert_eq!(paths(&rest), ["c"]);
    assert!(!rest.has_more);
}

#[test]
fn selectors_say_what_is_fetched() {
    let sim = sim_of(&["a", "a/b", "a/b/c", "b", "b/c"]);
    let mut bob = sim.connect();
    let cases = [
        ("a/b", vec!["a/b"]),
        (">/a/b/", vec!["a/b"]),
        ("?a/b/", vec!["a/b/c"]),
        ("?a/b//", vec!["a/b", "a/b/c"]),
        ("*a/b//", vec!["a/b", "a/b/c"]),
        ("?a/.*//", vec!["a/b", "a/b/c"]),
        ("?.*//", vec!["a", "a/b", "a/b/c", "b", "b/c"]),
        ("?.*", vec!["a", "b"]),
        ("?.*/", vec!["a/b", "a/b/c", "b/c"]),
        ("*a|b", vec!["a", "b"]),
        ("#>a////?b//", vec!["a", "b", "b/c"]),
        ("#", vec![]),
        ("?a//b", vec![]),
    ];
    for (selector, expected) in cases {
        let result = bob.ask::<FetchQuery>(fetch(selector));
        assert_eq!(paths(&result), expected, "{selector}");
        let result = bob.ask::<FetchQuery>(FetchRequest {
            limit: -100,
            ..fetch(selector)
        });
        assert_eq!(paths(&result), expected, "{selector} from the end");
    }
    bob.ask_refused::<FetchQuery>(fetch("?["), ErrorReason::INVALID_DATA);
    bob.ask_refused::<FetchQuery>(fetch(""), ErrorReason::INVALID_DATA);
}

#[test]
fn every_version_fetches() {
    let sim = sim_of(&TREE);
    for version in 22..=29 {
        let mut bob = sim.connecting().version(version).connect();
        let result = bob.ask::<FetchQuery>(FetchRequest {
            limit: 2,
            ..fetch("?.*//")
        });
        assert_eq!(paths(&result), ["a", "x/0"]);
        assert!(result.has_more);
    }
}
