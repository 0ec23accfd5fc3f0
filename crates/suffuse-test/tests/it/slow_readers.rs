//! Sessions that do not keep up: conflation, limits, and the other queue properties (spec: topics §6.4, §13).

use bytes::Bytes;
use suffuse_broker::Closing;
use suffuse_proto::{
    Message,
    service::{
        RemoveTopics, SetTopic, Subscribe, SystemPing, Unsubscribe, UnsubscriptionNotification,
        UserPing,
    },
    services::topics::UnsubscriptionReason,
};
use suffuse_test::{Client, Sim, json, remove, select, set, specification, string};

/// How many messages may wait. Conflation begins at half of it.
const MESSAGES_MAX: usize = 40;

fn sim() -> Sim {
    Sim::with_settings(|settings| settings.queue_messages_max = MESSAGES_MAX)
}

/// Returns a long text whose versions differ in a few places, so that it is published as delta.
fn text(number: usize) -> Bytes {
    string(&format!("{number:05}{}{number:05}", "suffuse ".repeat(20)))
}

/// Returns a client that is subscribed to everything, and stops to read.
fn slow(sim: &Sim) -> Client {
    let mut client = sim.connect();
    client.ask::<Subscribe>(select("?.*//"));
    client.stop_reading();
    client
}

/// Takes all messages, and returns how many of them were values, and how many deltas.
fn count(client: &mut Client) -> (usize, usize) {
    let (mut values, mut deltas) = (0, 0);
    while let Some(message) = client.take_message() {
        match message {
            Message::TopicValue { .. } => values += 1,
            Message::TopicDelta { .. } => deltas += 1,
            other => panic!("{other:?} arrived, expected topic data"),
        }
    }
    (values, deltas)
}

#[test]
fn a_session_that_lags_a_little_gets_every_update() {
    let sim = sim().with_topic("a", specification("string"), text(0));
    let mut bob = slow(&sim);
    for number in 1..=MESSAGES_MAX / 2 {
        sim.set("a", text(number));
    }
    bob.expect_nothing();
    bob.read_all();
    assert_eq!(count(&mut bob), (0, MESSAGES_MAX / 2));
    assert_eq!(bob.view()["a"], Some(text(MESSAGES_MAX / 2)));
}

#[test]
fn a_session_that_lags_gets_only_the_last_value_of_each_topic() {
    let sim = sim()
        .with_topic("a", specification("string"), text(0))
        .with_topic("b", specification("string"), text(0));
    let mut bob = slow(&sim);
    for number in 1..=10 * MESSAGES_MAX {
        sim.set(["a", "b"][number % 2], text(number));
    }
    bob.read_all();
    assert_eq!(bob.view(), sim.values());
    let (values, deltas) = count(&mut bob);
    assert!(
        values >= 2 && values + deltas <= MESSAGES_MAX / 2 + 1,
        "{values} values, {deltas} deltas"
    );
    sim.set("a", text(9));
    bob.expect_delta("a", text(9));
}

#[test]
fn updates_stay_in_their_places_between_other_messages() {
    let sim = sim().with_topic("a", specification("string"), text(0));
    let mut bob = slow(&sim);
    for number in 1..=MESSAGES_MAX {
        sim.set("a", text(number));
    }
    bob.send::<UserPing>(());
    sim.set("a", text(MESSAGES_MAX + 1));
    bob.read_all();
    bob.expect_value("a", text(MESSAGES_MAX));
    while !matches!(bob.take_message(), Some(Message::Response { .. })) {}
    bob.expect_delta("a", text(MESSAGES_MAX + 1));
    assert_eq!(bob.view(), sim.values());
}

#[test]
fn with_conflation_always_at_most_one_update_of_a_topic_waits() {
    let sim = sim().with_topic("a", specification("string CONFLATION=always"), text(0));
    let mut bob = slow(&sim);
    sim.set("a", text(1));
    sim.set("a", text(2));
    sim.set("a", text(3));
    bob.read_all();
    bob.expect_value("a", text(3));
    bob.expect_nothing();

    // A session that keeps up gets deltas all the same.
    sim.set("a", text(4));
    bob.expect_delta("a", text(4));
}

#[test]
fn with_conflation_always_a_single_update_stays_a_delta() {
    let sim = sim().with_topic("a", specification("string CONFLATION=always"), text(0));
    let mut bob = slow(&sim);
    sim.set("a", text(1));
    bob.read_all();
    bob.expect_delta("a", text(1));
}

#[test]
fn with_conflation_off_every_update_arrives_or_the_session_is_closed() {
    let sim = sim().with_topic("a", specification("string CONFLATION=off"), text(0));
    let mut bob = slow(&sim);
    for number in 1..=MESSAGES_MAX {
        sim.set("a", text(number));
    }
    bob.read_all();
    assert_eq!(count(&mut bob), (0, MESSAGES_MAX));

    bob.stop_reading();
    for number in 1..=MESSAGES_MAX + 1 {
        sim.set("a", text(number + 1000));
    }
    bob.expect_end(Closing::Normal);
    assert_eq!(sim.stats().sessions, 0);
}

#[test]
fn with_conflation_unsubscribe_a_slow_session_is_unsubscribed() {
    let sim = sim()
        .with_topic("a", specification("string CONFLATION=unsubscribe"), text(0))
        .with_topic("b", specification("string"), text(0));
    let mut bob = slow(&sim);
    let (id, _) = bob
        .replica()
        .find("a")
        .map(|(id, topic)| (id, topic.clone()))
        .expect("it is subscribed");
    for number in 1..=2 * MESSAGES_MAX {
        sim.set("a", text(number));
        sim.set("b", text(number));
    }
    bob.read_all();
    let unsubscribed =
        std::iter::from_fn(|| bob.take_message()).filter_map(|message| match message {
            Message::Request { body, .. } => Some(body),
            _ => None,
        });
    let unsubscribed: Vec<_> = unsubscribed.collect();
    assert_eq!(
        unsubscribed,
        [suffuse_proto::Codec::to_bytes(
            &suffuse_proto::services::topics::UnsubscriptionNotice {
                topic: id,
                reason: UnsubscriptionReason::BackPressure,
            },
            bob.version(),
        )]
    );
    assert_eq!(
        bob.view(),
        [("b".to_owned(), Some(text(2 * MESSAGES_MAX)))].into()
    );

    // Whoever wants it again, asks again.
    bob.ask::<Subscribe>(select("a"));
    assert_eq!(bob.view(), sim.values());
}

#[test]
fn a_session_is_closed_if_too_many_messages_or_bytes_wait() {
    let sim = Sim::with_settings(|settings| {
        settings.queue_messages_max = 1000;
        settings.queue_bytes_max = 10_000;
    });
    let specification = specification("string CONFLATION=off PUBLISH_VALUES_ONLY=true");
    let sim = sim.with_topic("a", specification, string("0"));
    let mut bob = slow(&sim);
    let mut eve = sim.connect();
    eve.ask::<Subscribe>(select("a"));
    for number in 0..4 {
        sim.set("a", string(&format!("{number}").repeat(3000)));
    }
    bob.expect_end(Closing::Normal);
    assert_eq!(eve.view(), sim.values(), "the others are not disturbed");
    assert_eq!(eve.closed(), None);
}

#[test]
fn one_message_may_be_larger_than_all_that_may_wait() {
    let sim = Sim::with_settings(|settings| settings.queue_bytes_max = 1000);
    let sim = sim.with_topic("a", specification("string COMPRESSION=off"), string("0"));
    let mut bob = slow(&sim);
    let large = string(&"0".repeat(5000));
    sim.set("a", large.clone());
    bob.read_all();
    bob.expect_value("a", &large);
    sim.set("a", string(&"1".repeat(5000)));
    assert_eq!(bob.view(), sim.values());
    assert_eq!(bob.closed(), None);
}

#[test]
fn responses_that_nobody_takes_close_the_session() {
    let sim = sim();
    let mut bob = sim.connect();
    bob.stop_reading();
    for _ in 0..=MESSAGES_MAX {
        bob.send::<UserPing>(());
    }
    bob.expect_end(Closing::Normal);
}

#[test]
fn a_large_tree_can_be_subscribed_to_unsubscribed_from_and_removed() {
    let sim = sim();
    for number in 0..10 * MESSAGES_MAX {
        sim.add(&format!("a/{number}"), specification("json"));
    }
    let mut bob = slow(&sim);
    bob.send::<Unsubscribe>(select("?.*//"));
    bob.send::<Subscribe>(select("?.*//"));
    bob.read_all();
    assert_eq!(bob.view(), sim.values());

    bob.stop_reading();
    let removed = sim.connect_as("admin").ask::<RemoveTopics>(remove("?.*//"));
    assert_eq!(removed.count as usize, 10 * MESSAGES_MAX);
    bob.read_all();
    assert_eq!(bob.view(), [].into());
    assert_eq!(bob.closed(), None);
}

#[test]
fn a_topic_that_was_announced_late_comes_with_the_value_of_that_moment() {
    let sim = Sim::new();
    let mut bob = slow(&sim);
    sim.add("a", specification("string"));
    for number in 0..10 {
        sim.set("a", text(number));
    }
    bob.read_all();
    bob.expect_notice("a");
    bob.expect_value("a", text(9));
    bob.expect_nothing();
    sim.set("a", text(10));
    bob.expect_delta("a", text(10));
}

#[test]
fn what_was_added_and_removed_meanwhile_is_never_heard_of() {
    let sim = Sim::new();
    let mut bob = slow(&sim);
    for _ in 0..3 {
        sim.add("a", specification("json"));
        sim.set("a", json("1"));
        sim.connect_as("admin").ask::<RemoveTopics>(remove("a"));
    }
    bob.read_all();
    bob.expect_nothing();
}

#[test]
fn queued_updates_are_told_before_the_unsubscription_unless_the_topic_is_tidy() {
    for (specification_text, is_told) in
        [("string", true), ("string TIDY_ON_UNSUBSCRIBE=true", false)]
    {
        let sim = Sim::new()
            .with_topic("a", specification(specification_text), text(0))
            .with_topic("b", specification("string"), text(0));
        let mut bob = slow(&sim);
        sim.set("a", text(1));
        sim.set("b", text(1));
        sim.set("a", text(2));
        bob.send::<Unsubscribe>(select("a"));
        bob.read_all();
        if is_told {
            bob.expect_delta("a", text(1));
        }
        bob.expect_delta("b", text(1));
        if is_told {
            bob.expect_delta("a", text(2));
        }
        bob.expect_request::<UnsubscriptionNotification>();
        bob.expect::<Unsubscribe>();
        bob.expect_nothing();
    }
}

#[test]
fn a_port_that_has_little_room_gets_everything_in_order_over_time() {
    let sim = Sim::new().with_topic("a", specification("string COMPRESSION=off"), text(0));
    let mut bob = slow(&sim);
    for number in 1..=8 {
        sim.set("a", text(number));
    }
    let mut rounds = 0;
    while bob.view()["a"] != Some(text(8)) {
        bob.read_up_to(1);
        rounds += 1;
    }
    assert_eq!(
        rounds, 8,
        "at least one message goes at a time, however little room there is"
    );
    for number in 1..=8 {
        bob.expect_delta("a", text(number));
    }
    bob.read_all();
    bob.expect_nothing();
}

#[test]
fn a_session_that_reads_nothing_is_lost_when_it_does_not_answer_the_ping() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    bob.stop_reading();
    let interval = suffuse_broker::Settings::default().ping_interval;
    sim.advance(interval * 2);
    assert_eq!(bob.closed(), Some(Closing::Unresponsive));
    bob.expect_nothing();
}

#[test]
fn a_slow_session_that_sends_is_not_lost() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    bob.stop_reading();
    let interval = suffuse_broker::Settings::default().ping_interval;
    for _ in 0..10 {
        sim.advance(interval);
        bob.send::<UserPing>(());
    }
    assert_eq!(bob.closed(), None);
    bob.read_all();
    bob.expect_request::<SystemPing>();
}

#[test]
fn an_old_announcement_is_not_taken_for_a_later_subscription() {
    let sim = Sim::new().with_topic("a", specification("json"), json("1"));
    let mut bob = slow(&sim);
    bob.send::<Unsubscribe>(select("?.*//"));
    bob.read_all();
    bob.stop_reading();
    bob.skip_all();
    // The first announcement is left over, the second is the one that counts.
    bob.send::<Subscribe>(select("a"));
    bob.send::<Unsubscribe>(select("a"));
    bob.send::<Subscribe>(select("a"));
    bob.read_up_to(1);
    bob.send::<Unsubscribe>(select("a"));
    bob.send::<Subscribe>(select("a"));

    bob.read_all();

    assert_eq!(bob.view(), sim.values());
}

#[test]
fn updates_after_the_one_that_unsubscribed_a_slow_session_are_not_for_it() {
    let sim = Sim::with_settings(|settings| settings.queue_messages_max = 10);
    let topic = specification("string CONFLATION=unsubscribe");
    let sim = sim.with_topic("a", topic, text(0));
    let mut bob = slow(&sim);
    let mut control = sim.connect_as("control");
    for number in 1..=5 {
        sim.set("a", text(number));
    }
    sim.batch(|| {
        for number in 6..10 {
            control.send::<SetTopic>(set("a", "string", text(number)));
        }
    });
    bob.read_all();
    bob.expect_request::<UnsubscriptionNotification>();
    bob.expect_nothing();
}

#[test]
fn what_waits_as_short_deltas_does_not_keep_many_large_values_in_memory() {
    let large = |number: usize| string(&format!("{number:05}{}", "suffuse ".repeat(1000)));
    for (conflation, is_closed) in [("conflate", false), ("off", true)] {
        let sim = Sim::with_settings(|settings| settings.queue_bytes_max = 10_000);
        let topic = specification("string").with("CONFLATION", conflation);
        let sim = sim.with_topic("a", topic, large(0));
        let mut bob = slow(&sim);
        let (mut eve, mut control) = (sim.connect(), sim.connect_as("control"));
        eve.ask::<Subscribe>(select("a"));
        for round in 0..5 {
            sim.batch(|| {
                for number in 1..=5 {
                    control.send::<SetTopic>(set("a", "string", large(10 * round + number)));
                }
            });
        }
        assert_eq!(bob.closed().is_some(), is_closed, "{conflation}");
        if !is_closed {
            bob.read_all();
            assert!(count(&mut bob).1 < 10);
            assert_eq!(bob.view(), sim.values());
        }
        assert_eq!(count(&mut eve), (0, 25), "whoever keeps up gets all deltas");
    }
}
