//! Topics that are removed by themselves (spec: topics §13.1).

use std::time::Duration;

use suffuse_proto::{
    ErrorReason, TopicSpecification, TopicType,
    service::{AddTopic, FetchQuery, SetTopic, Subscribe, Unsubscribe},
    services::{topic_control::AddTopicRequest, topics::UnsubscriptionReason},
    specification::keys,
};
use suffuse_test::{Client, Sim, fetch, json, select, set};

fn policy(text: &str) -> TopicSpecification {
    TopicSpecification::new(TopicType::JSON).with(keys::REMOVAL, text)
}

fn add(client: &mut Client, path: &str, specification: TopicSpecification) {
    client.ask::<AddTopic>(AddTopicRequest {
        path: path.to_owned(),
        specification,
    });
}

/// What happens at a second after the topic was created.
#[derive(Clone, Copy)]
enum Act {
    Set,
    Subscribe,
    Unsubscribe,
    BobConnects,
    BobCloses,
    CreatorCloses,
}

/// A policy, what happens, and the second in which the topic is removed.
type Case<'a> = (&'a str, &'a [(u64, Act)], Option<u64>);

/// How many seconds a case is watched.
const WATCHED: u64 = 40;

/// Returns the second in which the topic is removed.
fn removed_at(removal: &str, acts: &[(u64, Act)]) -> Option<u64> {
    let sim = Sim::new();
    let mut watcher = sim.connect();
    let mut creator = sim.connect_as("control");
    let mut publisher = sim.connect_as("admin");
    let mut bob = None;
    add(&mut creator, "a", policy(removal));
    let mut creator = Some(creator);
    for second in 0..=WATCHED {
        if !publisher
            .ask::<FetchQuery>(fetch("a"))
            .topics
            .iter()
            .any(|topic| topic.path == "a")
        {
            return Some(second);
        }
        for (_, act) in acts.iter().filter(|(at, _)| *at == second) {
            match act {
                Act::Set => publisher.ask::<SetTopic>(set("a", "json", json("1"))),
                Act::Subscribe => watcher.ask::<Subscribe>(select("a")),
                Act::Unsubscribe => watcher.ask::<Unsubscribe>(select("a")),
                Act::BobConnects => bob = Some(sim.connect_as("client")),
                Act::BobCloses => bob = bob.take().and_then(close),
                Act::CreatorCloses => creator = creator.take().and_then(close),
            }
        }
        watcher.skip_all();
        sim.advance(Duration::from_secs(1));
        publisher.skip_all();
    }
    None
}

fn close(mut client: Client) -> Option<Client> {
    client.send_message(&suffuse_proto::Message::Close);
    None
}

#[test]
fn topics_are_removed_when_their_policy_says() {
    use Act::{BobCloses, BobConnects, CreatorCloses, Set, Subscribe, Unsubscribe};
    let cases: &[Case<'_>] = &[
        ("when no updates for 5s", &[], Some(5)),
        ("when no updates for 5s", &[(2, Set), (4, Set)], Some(9)),
        ("when no updates for 5s after 10s", &[], Some(10)),
        ("when no updates for 5s after 10s", &[(7, Set)], Some(12)),
        ("when no updates for 1d", &[], None),
        ("when subscriptions < 1 for 3s", &[], Some(3)),
        ("when subscriptions < 1 for 3s", &[(1, Subscribe)], None),
        (
            "when local subscriptions < 1 for 3s",
            &[(1, Subscribe), (6, Unsubscribe)],
            Some(9),
        ),
        (
            "when subscriptions < 1 for 3s",
            &[(1, Subscribe), (4, Unsubscribe), (6, Subscribe)],
            None,
        ),
        ("when subscriptions < 2 for 3s", &[(1, Subscribe)], Some(3)),
        ("when this session closes", &[], None),
        ("when this session closes", &[(4, CreatorCloses)], Some(5)),
        (
            "when no session has '$Principal is \"client\"'",
            &[],
            Some(1),
        ),
        (
            "when no session has '$Principal is \"client\"'",
            &[(0, BobConnects)],
            None,
        ),
        ("when no session has 'all'", &[(1, CreatorCloses)], None),
        (
            "when no session has '$Principal is \"client\"' for 4s",
            &[(1, BobConnects), (5, BobCloses)],
            Some(10),
        ),
        (
            "when no session has 'hasRoles \"CLIENT_CONTROL\"' after 6s",
            &[],
            None,
        ),
        (
            "when this session closes and no updates for 5s",
            &[(2, CreatorCloses)],
            Some(5),
        ),
        (
            "when this session closes or no updates for 5s",
            &[(2, CreatorCloses)],
            Some(3),
        ),
        (
            "when no updates for 3s and (this session closes or subscriptions < 1 for 20s)",
            &[(1, Subscribe), (8, Unsubscribe)],
            Some(28),
        ),
    ];
    for (removal, acts, expected) in cases {
        let times: Vec<_> = acts.iter().map(|(at, _)| at).collect();
        assert_eq!(
            removed_at(removal, acts),
            *expected,
            "{removal}, acts at {times:?}"
        );
    }
}

#[test]
fn a_time_on_the_wall_is_waited_for_and_periods_count_from_then() {
    let start = 1_800_000_000_u64;
    let cases = [
        (format!("when time after {}", (start + 7) * 1000), Some(7)),
        (
            "when time after 'Fri, 15 Jan 2027 08:00:09 GMT'".to_owned(),
            Some(9),
        ),
        // At once: the simulation looks a second later.
        ("when time after 1000".to_owned(), Some(1)),
        (
            format!(
                "when time after {} and no updates for 4s",
                (start + 7) * 1000
            ),
            Some(11),
        ),
        (format!("when time after {}", (start + 1000) * 1000), None),
    ];
    for (removal, expected) in cases {
        assert_eq!(removed_at(&removal, &[]), expected, "{removal}");
    }
}

#[test]
fn a_policy_removes_what_its_selector_selects_and_its_creator_may_remove() {
    let sim = Sim::new();
    let mut creator = sim.connect_as("control");
    let mut watcher = sim.connect();
    watcher.ask::<Subscribe>(select("?.*//"));
    for path in ["scores/1", "scores/2", "prices/1"] {
        add(&mut creator, path, TopicSpecification::new(TopicType::JSON));
    }
    add(
        &mut creator,
        "owner",
        policy("when no updates for 2s remove '?scores//'"),
    );
    let ids: Vec<_> = ["scores/1", "scores/2", "prices/1", "owner"]
        .map(|path| watcher.expect_notice(path).topic)
        .to_vec();

    sim.advance(Duration::from_secs(2));

    for id in &ids[..2] {
        watcher.expect_unsubscription(*id, UnsubscriptionReason::Removed);
    }
    watcher.expect_nothing();
    // The policy has acted, and does not act again.
    add(
        &mut creator,
        "scores/1",
        TopicSpecification::new(TopicType::JSON),
    );
    sim.advance(Duration::from_secs(20));
    assert!(sim.values().contains_key("scores/1"));
}

#[test]
fn what_is_no_policy_is_refused_with_its_place() {
    let sim = Sim::new();
    let mut creator = sim.connect_as("control");
    let request = AddTopicRequest {
        path: "a".to_owned(),
        specification: policy("when nothing happens"),
    };
    let sentence =
        creator.ask_refused::<AddTopic>(request, ErrorReason::INVALID_TOPIC_SPECIFICATION);
    assert!(
        sentence.contains("found `nothing`") && sentence.contains("character 6"),
        "{sentence}"
    );
    assert!(sim.values().is_empty());
}
