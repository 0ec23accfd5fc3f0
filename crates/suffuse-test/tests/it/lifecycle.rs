//! Pings, lost connections, and the end of sessions (spec: connection §6.6, §7).

use std::time::Duration;

use suffuse_broker::{Closing, Settings};
use suffuse_proto::{
    Message,
    service::{AddTopic, SetTopic, Subscribe, SystemPing, UserPing},
};
use suffuse_test::{Client, Sim, add, json, select, set, specification};

fn interval() -> Duration {
    Settings::default().ping_interval
}

fn answer_ping(client: &mut Client) {
    let (conversation, ()) = client.expect_request::<SystemPing>();
    assert_ne!(conversation.0, 0, "a ping wants an answer");
    client.respond::<SystemPing>(conversation, &());
}

#[test]
fn every_connection_is_pinged_in_each_interval() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    sim.advance(interval() - Duration::from_millis(1));
    bob.expect_nothing();
    for _ in 0..10 {
        sim.advance(Duration::from_millis(1));
        answer_ping(&mut bob);
        bob.expect_nothing();
        sim.advance(interval() - Duration::from_millis(1));
    }
    assert_eq!(bob.closed(), None);
}

#[test]
fn pings_are_sent_also_while_other_messages_flow() {
    let sim = Sim::new().with_topic("a", specification("json"), json("0"));
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    let mut pings = 0;
    for second in 1..=100 {
        sim.advance(Duration::from_secs(1));
        sim.set("a", json(&second.to_string()));
        bob.send::<UserPing>(());
        while let Some(message) = bob.take_message() {
            pings +=
                usize::from(matches!(message, Message::Request { service, .. } if service.0 == 55));
        }
    }
    assert_eq!(pings, 4);
}

#[test]
fn any_message_answers_a_ping() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    for _ in 0..5 {
        sim.advance(interval());
        bob.ask::<UserPing>(());
    }
    assert_eq!(bob.closed(), None);
}

#[test]
fn a_client_that_does_not_answer_is_lost_and_then_closed() {
    let sim = Sim::new();
    let mut bob = sim
        .connecting()
        .reconnect_timeout(Duration::from_secs(60))
        .connect();
    sim.advance(interval());
    bob.expect_request::<SystemPing>();
    sim.advance(interval());
    assert_eq!(bob.closed(), Some(Closing::Unresponsive));
    bob.expect_nothing();
    assert_eq!(sim.stats().sessions, 1, "it waits for its client");
    sim.advance(Duration::from_millis(59_999));
    assert_eq!(sim.stats().sessions, 1);
    sim.advance(Duration::from_millis(1));
    assert_eq!(sim.stats().sessions, 0);
}

#[test]
fn a_lost_session_is_kept_as_long_as_client_and_server_want() {
    let cases = [
        (Duration::ZERO, Duration::ZERO),
        (Duration::from_secs(1), Duration::from_secs(1)),
        (Duration::from_secs(60), Duration::from_secs(60)),
        (Duration::from_secs(1_000_000), Duration::from_secs(300)),
    ];
    for (asked, kept) in cases {
        let sim = Sim::new();
        let mut bob = sim.connecting().reconnect_timeout(asked).connect();
        bob.lose();
        if kept > Duration::ZERO {
            sim.advance(kept - Duration::from_millis(1));
            assert_eq!(sim.stats().sessions, 1, "{asked:?}");
        }
        sim.advance(Duration::from_millis(1));
        assert_eq!(sim.stats().sessions, 0, "{asked:?}");
        assert_eq!(bob.closed(), None, "there is no link to end");
    }
}

#[test]
fn without_reconnection_an_unanswered_ping_ends_the_session_at_once() {
    let sim = Sim::new();
    let bob = sim.connecting().reconnect_timeout(Duration::ZERO).connect();
    sim.advance(interval() * 2);
    assert_eq!(bob.closed(), Some(Closing::Unresponsive));
    assert_eq!(sim.stats().sessions, 0);
}

#[test]
fn a_lost_session_keeps_its_subscriptions_until_it_is_closed() {
    let sim = Sim::new().with_topic("a", specification("json"), json("0"));
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    bob.lose();
    sim.set("a", json("1"));
    bob.expect_nothing();
    sim.advance(Duration::from_secs(60));
    sim.set("a", json("2"));
    assert_eq!(sim.stats().sessions, 0);
}

#[test]
fn a_close_request_is_answered_with_the_abort_and_nothing_after_it() {
    let sim = Sim::new().with_topic("a", specification("json"), json("0"));
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    let mut control = sim.connect_as("control");
    let mut set_to = |text: &str| control.send::<SetTopic>(set("a", "json", json(text)));
    sim.batch(|| {
        set_to("1");
        bob.send::<UserPing>(());
        bob.send_message(&Message::Close);
        bob.send::<UserPing>(());
        bob.send_message(&Message::Close);
        set_to("2");
    });
    bob.expect_value("a", json("1"));
    bob.expect::<UserPing>();
    bob.expect_end(Closing::Normal);
    assert_eq!(sim.stats().sessions, 1);
    bob.lose();
    sim.advance(Duration::from_secs(1000));
    bob.expect_nothing();
}

#[test]
fn a_slow_session_still_gets_what_waits_when_it_closes() {
    let sim = Sim::new().with_topic("a", specification("json"), json("0"));
    let mut bob = sim.connect();
    bob.ask::<Subscribe>(select("a"));
    bob.stop_reading();
    sim.set("a", json("1"));
    bob.send_message(&Message::Close);
    bob.expect_value("a", json("1"));
    bob.expect_end(Closing::Normal);
}

#[test]
fn when_the_server_stops_everybody_hears_of_it() {
    let sim = Sim::new();
    let mut clients = [sim.connect(), sim.connect_as("client")];
    clients[1].stop_reading();
    sim.shut_down();
    for client in &mut clients {
        client.expect_end(Closing::Shutdown);
    }
    assert_eq!(sim.stats().sessions, 0);
}

#[test]
fn topics_outlive_the_sessions_that_added_them() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    bob.ask::<AddTopic>(add("a", "json"));
    bob.ask::<SetTopic>(set("a", "json", json("1")));
    bob.send_message(&Message::Close);
    assert_eq!(sim.value("a"), Some(json("1")));
}
