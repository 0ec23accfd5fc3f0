//! Updates of one topic that follow each other in a batch: they go through queues together, and nobody can
//! tell (spec: topics §6.4).

use bytes::Bytes;
use suffuse_broker::Transport;
use suffuse_proto::{
    Message,
    service::{AddTopic, SetTopic, Subscribe, Unsubscribe},
    services::topics::UnsubscriptionReason,
};
use suffuse_test::{Client, Sim, add, json, select, set, specification};

/// More than one burst can have.
const MANY: usize = 150;

/// Returns a long text whose versions differ in a few places, so that it is published as delta.
fn text(number: usize) -> Bytes {
    json(&format!("\"{number:05}{}\"", "suffuse ".repeat(20)))
}

fn sim() -> Sim {
    Sim::new()
        .with_topic("a", specification("json"), text(0))
        .with_topic("b", specification("json"), text(0))
}

fn watcher(sim: &Sim, selector: &str) -> Client {
    let mut client = sim.connect();
    client.ask::<Subscribe>(select(selector));
    client.skip_all();
    client
}

fn send_set(client: &mut Client, path: &str, number: usize) {
    client.send::<SetTopic>(set(path, "json", text(number)));
}

#[test]
fn a_batch_of_updates_is_told_one_by_one_over_every_transport_and_dialect() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    let mut watchers = [
        watcher(&sim, "a"),
        watcher(&sim, "?.*//"),
        sim.connecting().transport(Transport::HttpPolling).connect(),
        sim.connecting().version(9).connect(),
    ];
    for late in &mut watchers[2..] {
        late.ask::<Subscribe>(select("a"));
        late.skip_all();
    }

    sim.batch(|| (1..=MANY).for_each(|number| send_set(&mut bob, "a", number)));

    for watcher in &mut watchers {
        for number in 1..=MANY {
            watcher.expect_delta("a", text(number));
        }
        watcher.expect_nothing();
    }
    (1..=MANY).for_each(|_| bob.expect::<SetTopic>());
}

#[test]
fn updates_of_two_topics_keep_their_order() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    let (mut both, mut one) = (watcher(&sim, "?.*//"), watcher(&sim, "b"));
    let updates = [("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2), ("b", 3)];

    sim.batch(|| {
        for (path, number) in updates {
            send_set(&mut bob, path, number);
        }
    });

    for (path, number) in updates {
        both.expect_delta(path, text(number));
    }
    (1..=3).for_each(|number| drop(one.expect_delta("b", text(number))));
    both.expect_nothing();
    one.expect_nothing();
}

#[test]
fn who_sets_a_topic_that_it_watches_gets_the_update_before_the_answer() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    bob.ask::<Subscribe>(select("a"));
    bob.skip_all();

    sim.batch(|| (1..=3).for_each(|number| send_set(&mut bob, "a", number)));

    for number in 1..=3 {
        bob.expect_delta("a", text(number));
        bob.expect::<SetTopic>();
    }
    bob.expect_nothing();
}

#[test]
fn what_ends_a_subscription_comes_after_the_updates_before_it() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    let mut eve = sim.connect();
    eve.send::<Subscribe>(select("a"));
    let id = eve.expect_notice("a").topic;
    eve.skip_all();

    sim.batch(|| {
        send_set(&mut bob, "a", 1);
        send_set(&mut bob, "a", 2);
        eve.send::<Unsubscribe>(select("a"));
        send_set(&mut bob, "a", 3);
    });

    eve.expect_delta("a", text(1));
    eve.expect_delta("a", text(2));
    eve.expect_unsubscription(id, UnsubscriptionReason::Requested);
    eve.expect::<Unsubscribe>();
    eve.expect_nothing();
}

#[test]
fn who_subscribes_within_a_batch_gets_the_last_value_once() {
    let sim = sim();
    let (mut bob, mut eve) = (sim.connect_as("control"), sim.connect());

    sim.batch(|| {
        send_set(&mut bob, "a", 1);
        eve.send::<Subscribe>(select("a"));
        send_set(&mut bob, "a", 2);
        send_set(&mut bob, "a", 3);
    });

    eve.expect_notice("a");
    eve.expect_value("a", text(3));
    eve.expect::<Subscribe>();
    eve.expect_nothing();
}

#[test]
fn the_first_values_of_a_topic_are_all_told() {
    let sim = Sim::new();
    let (mut bob, mut eve) = (sim.connect_as("control"), watcher(&sim, "?.*//"));
    bob.ask::<AddTopic>(add("new", "json"));
    eve.skip_all();

    sim.batch(|| {
        for number in ["1", "2", "3"] {
            bob.send::<SetTopic>(set("new", "json", json(number)));
        }
    });

    for number in ["1", "2", "3"] {
        eve.expect_value("new", json(number));
    }
    eve.expect_nothing();
}

#[test]
fn each_update_of_a_batch_counts_for_a_session_that_does_not_read() {
    let sim = Sim::with_settings(|settings| settings.queue_messages_max = 40).with_topic(
        "a",
        specification("json"),
        text(0),
    );
    let mut bob = sim.connect_as("control");
    let mut slow = watcher(&sim, "a");
    slow.stop_reading();
    send_set(&mut bob, "a", 1);

    sim.batch(|| (2..=30).for_each(|number| send_set(&mut bob, "a", number)));

    slow.read_all();
    let count = std::iter::from_fn(|| slow.take_message()).count();
    assert!(count < 20, "conflated at 20 waiting messages: {count} came");
    assert_eq!(slow.view()["a"], Some(text(30)));
}

#[test]
fn the_close_of_a_session_comes_after_the_updates_of_its_batch() {
    let sim = sim();
    let mut bob = sim.connect_as("control");
    let mut eve = watcher(&sim, "a");

    sim.batch(|| {
        send_set(&mut bob, "a", 1);
        send_set(&mut bob, "a", 2);
        eve.send_message(&Message::Close);
    });

    eve.expect_delta("a", text(1));
    eve.expect_delta("a", text(2));
    assert!(matches!(eve.take_message(), Some(Message::Abort)));
}
