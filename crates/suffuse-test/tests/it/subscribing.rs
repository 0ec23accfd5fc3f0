//! Selections, subscriptions, and the order of what a session hears (spec: topics §5).

use suffuse_proto::{
    ErrorReason,
    service::{AddTopic, RemoveTopics, SetTopic, Subscribe, Unsubscribe, UnsubscribeAll},
    services::topics::{UnsubscribeAllRequest, UnsubscriptionReason},
};
use suffuse_test::{Client, Sim, add, json, remove, select, select_in, set, specification, string};

fn sim() -> Sim {
    Sim::new()
        .with_topic("a", specification("json"), json("1"))
        .with_topic("a/b", specification("string"), string("two"))
        .with_topic("b/c", specification("json"), json("3"))
}

fn unsubscribe_all(selector: &str) -> UnsubscribeAllRequest {
    UnsubscribeAllRequest {
        selector: selector.to_owned(),
    }
}

/// Returns the paths of the subscribed topics.
fn subscribed(client: &Client) -> Vec<String> {
    client.view().into_keys().collect()
}

#[test]
fn topics_are_announced_and_their_values_sent_before_the_response() {
    let sim = sim();
    let mut bob = sim.connect();

    bob.send::<Subscribe>(select("?a//"));

    let notice = bob.expect_notice("a");
    assert_eq!(notice.specification, specification("json"));
    bob.expect_value("a", json("1"));
    bob.expect_notice("a/b");
    bob.expect_value("a/b", string("two"));
    bob.expect::<Subscribe>();
    bob.expect_nothing();
}

#[test]
fn a_selector_that_matches_nothing_gets_the_response_alone() {
    let sim = sim();
    let mut bob = sim.connect();
    bob.send::<Subscribe>(select("?nothing//"));
    bob.expect::<Subscribe>();
    bob.expect_nothing();
}

#[test]
fn a_topic_is_announced_before_the_response_to_the_session_that_adds_it() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("?new//"));

    bob.send::<AddTopic>(add("new/one", "json"));

    bob.expect_notice("new/one");
    bob.expect::<AddTopic>();
    bob.expect_nothing();
}

#[test]
fn an_update_comes_before_the_response_to_the_session_that_makes_it() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));

    bob.send::<SetTopic>(set("a", "json", json("2")));

    bob.expect_value("a", json("2"));
    bob.expect::<SetTopic>();
    bob.expect_nothing();
}

#[test]
fn an_unsubscription_comes_before_the_response() {
    let sim = sim();
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    let (id, _) = bob
        .replica()
        .find("a")
        .map(|(id, topic)| (id, topic.clone()))
        .expect("it is subscribed");

    bob.send::<Unsubscribe>(select("a"));

    bob.expect_unsubscription(id, UnsubscriptionReason::Requested);
    bob.expect::<Unsubscribe>();
    bob.expect_nothing();
}

#[test]
fn a_removal_is_told_before_the_response_to_the_session_that_makes_it() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    let mut eve = sim.connect();
    for client in [&mut bob, &mut eve] {
        client.ask::<Subscribe>(select("a"));
    }
    let (id, _) = bob
        .replica()
        .find("a")
        .map(|(id, topic)| (id, topic.clone()))
        .expect("it is subscribed");

    bob.send::<RemoveTopics>(remove("a"));

    bob.expect_unsubscription(id, UnsubscriptionReason::Removed);
    assert_eq!(bob.expect::<RemoveTopics>().count, 1);
    bob.expect_nothing();
    eve.expect_unsubscription(id, UnsubscriptionReason::Removed);
    eve.expect_nothing();
}

#[test]
fn what_one_batch_does_is_told_in_its_order() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    sim.batch(|| {
        bob.send::<Subscribe>(select("?x//"));
        bob.send::<AddTopic>(add("x", "json"));
        bob.send::<SetTopic>(set("x", "json", json("1")));
        bob.send::<SetTopic>(set("x", "json", json("2")));
    });

    bob.expect::<Subscribe>();
    bob.expect_notice("x");
    // The announcement brings the value of its moment; the updates that made it are not told again.
    bob.expect_value("x", json("2"));
    bob.expect::<AddTopic>();
    bob.expect::<SetTopic>();
    bob.expect::<SetTopic>();
    bob.expect_nothing();
}

#[test]
fn selections_hold_for_topics_that_are_added_later() {
    let cases = [
        (">x/y", vec!["x/y"]),
        ("x/y", vec!["x/y"]),
        ("?x/.*", vec!["x/y"]),
        ("?x/", vec!["x/y", "x/y/z"]),
        ("?x//", vec!["x", "x/y", "x/y/z"]),
        ("?.*//", vec!["x", "x/y", "x/y/z", "y"]),
        ("*x.*", vec!["x", "x/y", "x/y/z"]),
        ("#>x////>y", vec!["x", "y"]),
    ];
    for (selector, expected) in cases {
        let sim = Sim::new();
        let mut bob = sim.connect();
        bob.ask::<Subscribe>(select(selector));
        for path in ["x", "x/y", "x/y/z", "y"] {
            sim.add(path, specification("json"));
        }
        assert_eq!(subscribed(&bob), expected, "{selector}");
    }
}

#[test]
fn no_topic_is_announced_twice() {
    let sim = sim();
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));

    for selector in ["a", "?a//", "?.*//"] {
        bob.ask::<Subscribe>(select(selector));
    }
    bob.ask::<Subscribe>(select_in("scope", "?.*//"));

    assert_eq!(subscribed(&bob), ["a", "a/b", "b/c"]);
}

#[test]
fn a_session_is_subscribed_while_any_scope_selects() {
    let sim = sim();
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select_in("one", "?.*//"));
    bob.ask::<Subscribe>(select_in("two", "a"));
    bob.ask::<Subscribe>(select("b/c"));

    bob.ask::<Unsubscribe>(select_in("one", "?.*//"));
    assert_eq!(subscribed(&bob), ["a", "b/c"]);
    bob.ask::<Unsubscribe>(select_in("two", "?.*//"));
    assert_eq!(subscribed(&bob), ["b/c"]);
    bob.ask::<Unsubscribe>(select_in("never used", "?.*//"));
    assert_eq!(subscribed(&bob), ["b/c"]);
    bob.ask::<Unsubscribe>(select("b/c"));
    assert_eq!(subscribed(&bob), [""; 0]);
}

#[test]
fn unsubscribing_from_all_scopes_ends_what_it_names_only() {
    let sim = sim();
    let mut bob = sim.connect();
    for scope in ["", "one", "two"] {
        bob.ask::<Subscribe>(select_in(scope, "?.*//"));
    }

    bob.send::<UnsubscribeAll>(unsubscribe_all("?a//"));

    for path in ["a", "a/b"] {
        let _ = path;
        let (_, notice) =
            bob.expect_request::<suffuse_proto::service::UnsubscriptionNotification>();
        assert_eq!(notice.reason, UnsubscriptionReason::Requested);
    }
    bob.expect::<UnsubscribeAll>();
    assert_eq!(subscribed(&bob), ["b/c"]);
    sim.add("a/new", specification("json"));
    sim.add("c", specification("json"));
    assert_eq!(
        subscribed(&bob),
        ["b/c", "c"],
        "the deselection holds for later topics too"
    );
}

#[test]
fn the_last_selection_that_matches_decides() {
    let sim = sim();
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("?.*//"));
    bob.ask::<Unsubscribe>(select("?a//"));
    bob.ask::<Subscribe>(select("a/b"));
    assert_eq!(subscribed(&bob), ["a/b", "b/c"]);

    sim.add("a/x", specification("json"));
    sim.add("b/x", specification("json"));
    assert_eq!(subscribed(&bob), ["a/b", "b/c", "b/x"]);
}

#[test]
fn a_session_that_subscribes_again_gets_the_announcement_and_the_value_again() {
    let sim = sim();
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    bob.ask::<Unsubscribe>(select("a"));

    bob.send::<Subscribe>(select("a"));

    bob.expect_notice("a");
    bob.expect_value("a", json("1"));
    bob.expect::<Subscribe>();
}

#[test]
fn unsubscribing_from_what_is_not_subscribed_is_answered() {
    let sim = sim();
    let mut bob = sim.connect();
    for selector in ["a", "?nothing//", "?.*//"] {
        bob.send::<Unsubscribe>(select(selector));
        bob.expect::<Unsubscribe>();
        bob.send::<UnsubscribeAll>(unsubscribe_all(selector));
        bob.expect::<UnsubscribeAll>();
        bob.expect_nothing();
    }
}

#[test]
fn a_topic_that_is_added_again_has_a_new_id_and_no_value() {
    let sim = sim();
    let mut bob = sim.connect();
    bob.send::<Subscribe>(select("a"));
    let first = bob.expect_notice("a").topic;
    bob.skip_all();

    sim.connect_as("admin").ask::<RemoveTopics>(remove("a"));
    sim.add("a", specification("json"));

    bob.expect_unsubscription(first, UnsubscriptionReason::Removed);
    let second = bob.expect_notice("a").topic;
    assert_ne!(first, second);
    bob.expect_nothing();
    sim.set("a", json("1"));
    bob.expect_value("a", json("1"));
}

#[test]
fn topic_ids_are_the_same_for_all_sessions_and_positive() {
    let sim = sim();
    let mut bob = sim.connect();
    let mut eve = sim.connect();
    bob.ask::<Subscribe>(select("?.*//"));
    eve.ask::<Subscribe>(select("?.*//"));
    assert_eq!(bob.replica().topics(), eve.replica().topics());
    assert!(bob.replica().topics().keys().all(|id| id.0 > 0));
}

#[test]
fn a_later_subscriber_gets_the_whole_value_first_and_deltas_then() {
    let sim = Sim::new().with_topic("long", specification("string"), string(&"old ".repeat(50)));
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("long"));
    let text = "old ".repeat(50) + "more";
    sim.set("long", string(&text));
    bob.expect_delta("long", string(&text));

    let mut eve = sim.connect();
    eve.send::<Subscribe>(select("long"));
    eve.expect_notice("long");
    eve.expect_value("long", string(&text));
    eve.expect::<Subscribe>();
    let text = text + " and more";
    sim.set("long", string(&text));
    for client in [&mut bob, &mut eve] {
        client.expect_delta("long", string(&text));
    }
}

#[test]
fn the_initial_value_follows_the_kind_of_topic() {
    let null = [0xf6].as_slice();
    let cases = [
        ("json", Some(json("1")), true),
        ("json", Some(json("null")), true),
        ("binary", Some(b"".as_slice().into()), true),
        ("string", Some(string("")), true),
        ("string", Some(null.into()), false),
        ("int64", Some(null.into()), false),
        ("double", Some(null.into()), false),
        ("json DONT_RETAIN_VALUE=true", Some(json("1")), false),
        ("json PUBLISH_VALUES_ONLY=true", Some(json("1")), true),
        ("json", None, false),
        ("string", None, false),
    ];
    for (text, value, is_sent) in cases {
        let sim = Sim::new();
        sim.add("a", specification(text));
        if let Some(value) = &value {
            sim.set("a", value.clone());
        }
        let mut bob = sim.connect();
        bob.send::<Subscribe>(select("a"));
        bob.expect_notice("a");
        if is_sent {
            bob.expect_value("a", value.expect("it has a value"));
        }
        bob.expect::<Subscribe>();
        bob.expect_nothing();
    }
}

#[test]
fn selectors_and_scopes_that_are_not_valid_are_refused() {
    let sim = Sim::with_settings(|settings| settings.selections_max = 3);
    let mut bob = sim.connect();
    for selector in [
        "", "$x", "%x", "&x", "<x", ">", ">a//b", "?", "*", "?[", "*(",
    ] {
        bob.ask_refused::<Subscribe>(select(selector), ErrorReason::INVALID_DATA);
        bob.ask_refused::<Unsubscribe>(select(selector), ErrorReason::INVALID_DATA);
        bob.ask_refused::<UnsubscribeAll>(unsubscribe_all(selector), ErrorReason::INVALID_DATA);
    }
    bob.ask_refused::<Subscribe>(select_in("$scope", "a"), ErrorReason::INVALID_DATA);
    bob.ask_refused::<Unsubscribe>(select_in("$scope", "a"), ErrorReason::INVALID_DATA);
    bob.ask_refused::<Subscribe>(select_in(&"s".repeat(2000), "a"), ErrorReason::INVALID_DATA);
}

#[test]
fn a_session_has_so_many_selections_and_deselections_at_most() {
    let sim = Sim::with_settings(|settings| settings.selections_max = 3);
    let mut bob = sim.connect();
    for selector in ["?.*//", "b"] {
        bob.ask::<Subscribe>(select(selector));
    }
    bob.ask::<Unsubscribe>(select("c"));

    let sentence = bob.ask_refused::<Subscribe>(select("d"), ErrorReason::INVALID_DATA);
    assert!(sentence.contains("3 selections"), "{sentence}");
    bob.ask_refused::<Subscribe>(select_in("scope", "d"), ErrorReason::INVALID_DATA);
    bob.ask_refused::<Unsubscribe>(select("d"), ErrorReason::INVALID_DATA);
    bob.ask_refused::<UnsubscribeAll>(unsubscribe_all("d"), ErrorReason::INVALID_DATA);

    // What replaces others is always possible.
    bob.ask::<Subscribe>(select("c"));
    bob.ask::<Unsubscribe>(select("b"));
    bob.ask::<Unsubscribe>(select_in("no such scope", "d"));
    bob.ask::<UnsubscribeAll>(unsubscribe_all("?.*//"));
    bob.ask::<Subscribe>(select_in("scope", "d"));
}

#[test]
fn what_ends_in_a_batch_before_it_was_announced_is_not_told() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    sim.batch(|| {
        bob.send::<Subscribe>(select("a"));
        bob.send::<Unsubscribe>(select("a"));
        bob.send::<Subscribe>(select("b/c"));
        bob.send::<RemoveTopics>(remove("b/c"));
    });
    bob.expect::<Subscribe>();
    bob.expect::<Unsubscribe>();
    bob.expect::<Subscribe>();
    bob.expect::<RemoveTopics>();
    bob.expect_nothing();
    assert_eq!(subscribed(&bob), [""; 0]);
}

#[test]
fn all_versions_hear_of_topics_alike() {
    let sim = sim();
    for version in 22..=29 {
        let mut bob = sim.connecting().version(version).connect();
        bob.send::<Subscribe>(select("a"));
        bob.expect_notice("a");
        bob.expect_value("a", json("1"));
        bob.expect::<Subscribe>();
        bob.send::<Unsubscribe>(select("a"));
        bob.expect_request::<suffuse_proto::service::UnsubscriptionNotification>();
        bob.expect::<Unsubscribe>();
        bob.expect_nothing();
    }
}

#[test]
fn sessions_before_version_29_use_the_default_scope() {
    let sim = sim();
    let mut bob = sim.connecting().version(28).connect();
    bob.ask::<Subscribe>(select_in("is not on the wire", "a"));
    bob.ask::<Unsubscribe>(select("a"));
    assert_eq!(subscribed(&bob), [""; 0]);
}
