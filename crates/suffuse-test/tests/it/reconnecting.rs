//! Sessions that come back over another connection (spec: connection §7.4, §7.5, §7.6).

use std::time::Duration;

use suffuse_broker::{Closing, Opening, ReconnectPolicy, Settings, Transport};
use suffuse_proto::{
    Message, ResponseCode, SessionToken,
    handshake::Credentials,
    service::{FetchQuery, RemoveTopics, SetTopic, Subscribe, SystemPing, Unsubscribe, UserPing},
    services::topics::UnsubscriptionReason,
};
use suffuse_test::{Client, Sim, fetch, json, remove, select, set, specification, string};

const GOES_ON: ResponseCode = ResponseCode::RECONNECTED;
const ANEW: ResponseCode = ResponseCode::RECONNECTED_WITH_MESSAGE_LOSS;
const UNKNOWN: ResponseCode = ResponseCode::UNKNOWN_SESSION;

/// A server with the topic `a`, whose value is 0, and a client that watches it.
fn watching(client_type: &str) -> (Sim, Client) {
    watching_on(Sim::new(), client_type)
}

fn watching_on(sim: Sim, client_type: &str) -> (Sim, Client) {
    watching_over(Transport::WebSocket, sim, client_type)
}

fn watching_over(transport: Transport, sim: Sim, client_type: &str) -> (Sim, Client) {
    let sim = sim.with_topic("a", specification("json CONFLATION=off"), json("0"));
    let connecting = sim.connecting().client_type(client_type);
    let mut bob = connecting.transport(transport).connect();
    bob.ask::<Subscribe>(select("a"));
    (sim, bob)
}

fn set_to(sim: &Sim, number: usize) {
    sim.set("a", json(&number.to_string()));
}

/// Expects values in order, in whole or as deltas.
#[track_caller]
fn expect_values(bob: &mut Client, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        bob.expect_value("a", json(&number.to_string()));
    }
    bob.expect_nothing();
}

#[test]
fn the_counts_of_both_ends_decide() {
    // The session has received 1 message (R) and sent 7 (S), of which the last 4 are kept.
    let cases: [(i32, i32, ResponseCode, &[usize]); 12] = [
        (1, 7, GOES_ON, &[]),
        (2, 7, GOES_ON, &[]),
        (0, 7, GOES_ON, &[]),
        (-5, 7, GOES_ON, &[]),
        (3, 7, ANEW, &[4]),
        (i32::MAX, 7, ANEW, &[4]),
        (1, 6, GOES_ON, &[4]),
        (1, 3, GOES_ON, &[1, 2, 3, 4]),
        (1, 2, ANEW, &[4]),
        (1, 0, ANEW, &[4]),
        (1, 8, ANEW, &[4]),
        (1, -1, ANEW, &[4]),
    ];
    for (client_sequence, server_sequence, code, values) in cases {
        let sim = Sim::with_settings(|settings| settings.recovery_messages_max = 4);
        let (sim, mut bob) = watching_on(sim, "WJ");
        (1..=4).for_each(|number| set_to(&sim, number));
        bob.skip_all();
        let before = bob.expect_accepted();
        bob.lose();

        let found = bob.resume_as(|opening| {
            let reconnect = opening.request.reconnect.as_mut().unwrap();
            reconnect.client_sequence = client_sequence;
            reconnect.server_sequence = server_sequence;
        });

        let case = format!("cs {client_sequence}, ss {server_sequence}");
        assert_eq!(found, code, "{case}");
        let accepted = bob.expect_accepted();
        assert_eq!(accepted.session, before.session, "{case}");
        assert_eq!(accepted.token, before.token, "{case}");
        assert_eq!(accepted.ping_interval, before.ping_interval, "{case}");
        let expected = match code {
            GOES_ON => 2,
            _ => 32 << 20,
        };
        assert_eq!(accepted.sequence_or_message_bytes_max, expected, "{case}");
        if code == ANEW {
            bob.expect_notice("a");
        }
        expect_values(&mut bob, values.iter().copied());
        set_to(&sim, 5);
        expect_values(&mut bob, [5]);
    }
}

#[test]
fn a_wrong_token_or_version_is_of_no_session() {
    let guessed = SessionToken::from_ascii(b"n00.aaaaaaaaaaaaaaaaaaaa");
    let right = |bob: &Client| Some(bob.expect_accepted().token);
    type Token<'a> = &'a dyn Fn(&Client) -> Option<SessionToken>;
    let cases: [(Token<'_>, u8); 4] = [
        (&|_| None, 29),
        (&|_| guessed, 29),
        (&right, 28),
        (&right, 9),
    ];
    for (token, version) in cases {
        let (sim, mut bob) = watching("WJ");
        bob.lose();
        let token = token(&bob);
        let connecting = sim.connecting().resuming(token).version(version);
        assert_eq!(
            connecting.refused(),
            UNKNOWN,
            "{token:?}, version {version}"
        );
        assert_eq!(bob.resume(), GOES_ON, "the session is none the worse");
    }
}

#[test]
fn a_closed_session_is_unknown() {
    let endings: [fn(&Sim, &mut Client); 4] = [
        |_, bob| bob.send_message(&Message::Close),
        |_, bob| bob.send_bytes(&[99][..]),
        |sim, bob| {
            bob.lose();
            sim.advance(Duration::from_secs(60));
        },
        |sim, _| sim.shut_down(),
    ];
    for end in endings {
        let (sim, mut bob) = watching("WJ");
        end(&sim, &mut bob);
        assert_eq!(bob.resume(), UNKNOWN);
        assert_eq!(sim.stats().sessions, 0);
    }
}

#[test]
fn the_policy_and_the_kind_of_client_decide() {
    use ReconnectPolicy::{Always106, Compatible, Strict};
    use Transport::{HttpPolling, WebSocket};
    let cases = [
        (Compatible, "WJ", WebSocket, [GOES_ON, GOES_ON, GOES_ON]),
        (Compatible, "J", WebSocket, [GOES_ON, GOES_ON, GOES_ON]),
        (
            Compatible,
            "unknown",
            WebSocket,
            [GOES_ON, GOES_ON, GOES_ON],
        ),
        (Compatible, "WB", WebSocket, [GOES_ON, ANEW, ANEW]),
        (Compatible, "B", WebSocket, [GOES_ON, ANEW, ANEW]),
        (Compatible, "WB", HttpPolling, [GOES_ON, ANEW, ANEW]),
        (Compatible, "B", HttpPolling, [GOES_ON, ANEW, ANEW]),
        (Compatible, "PY", WebSocket, [ANEW, ANEW, ANEW]),
        (Always106, "WJ", WebSocket, [ANEW, ANEW, ANEW]),
        (Always106, "WB", WebSocket, [ANEW, ANEW, ANEW]),
        (Always106, "PY", WebSocket, [ANEW, ANEW, ANEW]),
        (Strict, "WJ", WebSocket, [GOES_ON, GOES_ON, GOES_ON]),
        (Strict, "WB", WebSocket, [GOES_ON, GOES_ON, GOES_ON]),
        (Strict, "PY", WebSocket, [ANEW, ANEW, ANEW]),
    ];
    for (policy, client_type, transport, codes) in cases {
        let sim = Sim::with_settings(|settings| settings.reconnect_policy = policy);
        let (sim, mut bob) = watching_over(transport, sim, client_type);
        bob.skip_all();
        for (round, code) in codes.into_iter().enumerate() {
            bob.lose();
            set_to(&sim, round + 1);
            assert_eq!(bob.resume(), code, "{policy:?} {client_type} {round}");
            if code == ANEW {
                bob.expect_notice("a");
            }
            expect_values(&mut bob, [round + 1]);
        }
    }
}

#[test]
fn what_was_on_the_way_down_arrives_once_and_in_order() {
    for heard in 0..=5 {
        let (sim, mut bob) = watching("WJ");
        bob.skip_all();
        (1..=heard).for_each(|number| set_to(&sim, number));
        bob.stop_hearing();
        (heard + 1..=5).for_each(|number| set_to(&sim, number));
        bob.lose();
        (6..=10).for_each(|number| set_to(&sim, number));
        assert_eq!(bob.resume(), GOES_ON);
        set_to(&sim, 11);
        expect_values(&mut bob, 1..=11);
    }
}

#[test]
fn what_goes_again_can_be_lost_again() {
    let (sim, mut bob) = watching("WJ");
    bob.skip_all();
    bob.stop_hearing();
    (1..=3).for_each(|number| set_to(&sim, number));
    bob.lose();
    set_to(&sim, 4);
    bob.stop_reading();
    for round in 5..8 {
        assert_eq!(bob.resume(), GOES_ON);
        bob.expect_nothing();
        bob.lose();
        set_to(&sim, round);
    }
    assert_eq!(bob.resume(), GOES_ON);
    bob.read_up_to(1);
    expect_values(&mut bob, 1..=3);
    bob.stop_hearing();
    bob.lose();
    assert_eq!(bob.resume(), GOES_ON);
    expect_values(&mut bob, 4..=7);
}

#[test]
fn what_was_on_the_way_up_is_done_once_and_in_order() {
    let (sim, mut bob) = watching("WJ");
    bob.skip_all();
    bob.ask::<UserPing>(());
    bob.lose();
    // These never arrive.
    let pings: Vec<_> = (0..5).map(|_| bob.send::<UserPing>(())).collect();
    bob.expect_nothing();
    assert_eq!(bob.resume(), GOES_ON);
    for _ in pings {
        bob.expect::<UserPing>();
    }
    bob.expect_nothing();
    assert_eq!(sim.stats().sessions, 1);
}

#[test]
fn answers_that_were_on_the_way_arrive() {
    let (sim, mut bob) = watching("WJ");
    bob.skip_all();
    bob.stop_hearing();
    bob.send::<UserPing>(());
    bob.send::<FetchQuery>(fetch("a"));
    bob.lose();
    assert_eq!(bob.resume(), GOES_ON);
    bob.expect::<UserPing>();
    assert_eq!(bob.expect::<FetchQuery>().topics.len(), 1);
    bob.expect_nothing();
    drop(sim);
}

#[test]
fn a_session_that_starts_anew_keeps_its_selections_and_nothing_else() {
    let (sim, mut bob) = watching("PY");
    bob.ask::<Subscribe>(select("?later//"));
    bob.ask::<Subscribe>(select("?gone//"));
    bob.stop_reading();
    bob.send::<UserPing>(());
    set_to(&sim, 1);
    bob.lose();
    sim.add("later/b", specification("string"));
    sim.set("later/b", string("b"));
    sim.add("gone/c", specification("string"));
    sim.connect_as("admin")
        .ask::<RemoveTopics>(remove("?gone//"));
    set_to(&sim, 2);
    assert_eq!(bob.resume(), ANEW);
    bob.read_all();
    bob.expect_notice("a");
    bob.expect_value("a", json("2"));
    bob.expect_notice("later/b");
    bob.expect_value("later/b", string("b"));
    bob.expect_nothing();

    bob.ask::<Unsubscribe>(select("a"));
    set_to(&sim, 3);
    bob.expect_nothing();
}

/// Lets a client say that it cannot send again what the server does not have.
fn lacks_messages(opening: &mut Opening) {
    let reconnect = opening.request.reconnect.as_mut();
    reconnect.expect("it asks for its session").client_sequence = 1000;
}

#[test]
fn both_directions_are_counted_anew_after_a_loss() {
    let (sim, mut bob) = watching("WJ");
    let rounds = [GOES_ON, ANEW, GOES_ON, ANEW];
    for (round, code) in rounds.into_iter().enumerate() {
        (0..3).for_each(|_| bob.ask::<UserPing>(()));
        bob.lose();
        let resumed = bob.resume_as(|opening| {
            if code == ANEW {
                lacks_messages(opening);
            }
        });
        assert_eq!(resumed, code);
        let expected = bob.expect_accepted().sequence_or_message_bytes_max;
        if code == GOES_ON {
            let asked = if round == 0 { 4 } else { 3 };
            assert_eq!(expected, asked + 1);
        }
        bob.skip_all();
    }
    assert_eq!(sim.stats().sessions, 1);
}

#[test]
fn after_a_loss_ids_of_requests_are_new_again() {
    let (_sim, mut bob) = watching("PY");
    let ping = |bob: &mut Client| {
        bob.send_bytes(&[0, 56, 9][..]);
        bob.take_message()
    };
    assert!(ping(&mut bob).is_some());
    assert!(ping(&mut bob).is_none(), "a repetition");
    bob.lose();
    assert_eq!(bob.resume(), ANEW);
    bob.skip_all();
    assert!(ping(&mut bob).is_some());
}

#[test]
fn python_is_told_of_its_topics_under_ids_that_it_never_had() {
    let (sim, mut bob) = watching("PY");
    bob.skip_all();
    let mut ids = vec![bob.replica().find("a").expect("subscribed").0];
    let mut last = json("0");
    let mut control = sim.connect_as("control");
    for round in 0..3 {
        bob.lose();
        assert_eq!(bob.resume(), ANEW);
        let id = bob.expect_notice("a").topic;
        assert!(!ids.contains(&id), "round {round}: {id:?} of {ids:?}");
        ids.push(id);
        bob.expect_value("a", &last);
        let text = |number| {
            json(&format!(
                "[{round}, {number}, \"a text that does not change\"]"
            ))
        };
        sim.set("a", text(1));
        bob.skip_all();
        assert_eq!(bob.view()["a"], Some(text(1)));
        sim.set("a", text(2));
        bob.expect_delta("a", text(2));
        sim.batch(|| {
            for number in 3..7 {
                control.send::<SetTopic>(set("a", "json", text(number)));
            }
        });
        for number in 3..7 {
            bob.expect_delta("a", text(number));
        }
        bob.expect_nothing();
        last = text(6);
    }
    control.skip_all();
    control.ask::<RemoveTopics>(remove("a"));
    bob.expect_unsubscription(
        *ids.last().expect("subscribed"),
        UnsubscriptionReason::Removed,
    );
    sim.add("a", specification("json"));
    let id = bob.expect_notice("a").topic;
    assert!(!ids.contains(&id), "{id:?} of {ids:?}");
}

#[test]
fn a_client_can_be_back_before_anybody_noticed_that_it_was_away() {
    for client_type in ["WJ", "PY"] {
        let (sim, mut bob) = watching(client_type);
        bob.skip_all();
        let older = bob.handle();
        let code = bob.resume();
        assert_ne!(code, UNKNOWN);
        assert_eq!(older.closed(), Some(Closing::Replaced));
        bob.skip_all();

        // What still comes over the older connection, and its end, is ignored.
        older.send_bytes(&[0, 56, 77][..]);
        older.fault();
        older.lose();
        older.ready();
        set_to(&sim, 1);
        expect_values(&mut bob, [1]);
        assert_eq!(bob.closed(), None);
        bob.ask::<UserPing>(());
        assert_eq!(older.arrived(), 0, "no abort either");
    }
}

#[test]
fn many_can_come_back_at_once_and_the_last_one_has_the_session() {
    let (sim, mut bob) = watching("WJ");
    bob.skip_all();
    let mut older = Vec::new();
    for number in 1..=5 {
        older.push(bob.handle());
        assert_eq!(bob.resume(), GOES_ON);
        set_to(&sim, number);
        expect_values(&mut bob, [number]);
    }
    for older in older {
        older.lose();
    }
    sim.advance(Duration::from_secs(20));
    set_to(&sim, 6);
    expect_values(&mut bob, [6]);
    assert_eq!(sim.stats().sessions, 1);
}

#[test]
fn a_session_can_change_its_transport() {
    use Transport::{HttpPolling, WebSocket};
    for (from, to) in [(WebSocket, HttpPolling), (HttpPolling, WebSocket)] {
        for heard in 0..4 {
            let sim = Sim::new().with_topic("a", specification("json"), json("0"));
            let connecting = sim.connecting().client_type("WJ").transport(from);
            let mut bob = connecting.connect();
            bob.ask::<Subscribe>(select("a"));
            bob.skip_all();
            let mut control = sim.connect_as("control");
            let mut burst = |from: usize, to: usize| {
                sim.batch(|| {
                    for number in from..to {
                        control.send::<SetTopic>(set("a", "json", json(&number.to_string())));
                    }
                });
            };
            // Bursts that arrived, that were lost on the way, and that wait.
            burst(1, 1 + heard);
            bob.stop_hearing();
            burst(1 + heard, 8);
            bob.lose();
            burst(8, 12);
            let code = bob.resume_as(|opening| opening.transport = to);
            assert_eq!(code, GOES_ON, "{from:?} to {to:?}");
            burst(12, 15);
            expect_values(&mut bob, 1..15);
            drop(control);
        }
    }
}

#[test]
fn a_burst_that_waits_when_the_connection_breaks_goes_on_by_polling() {
    let (sim, mut bob) = watching("WJ");
    bob.skip_all();
    let mut control = sim.connect_as("control");
    sim.batch(|| {
        for number in 1..=4 {
            control.send::<SetTopic>(set("a", "json", json(&number.to_string())));
        }
        bob.lose();
    });
    let code = bob.resume_as(|opening| opening.transport = Transport::HttpPolling);
    assert_eq!(code, GOES_ON);
    expect_values(&mut bob, 1..=4);
}

#[test]
fn a_part_of_a_burst_that_arrived_is_not_sent_again() {
    for to in [Transport::WebSocket, Transport::HttpPolling] {
        for arrived in 0..=4 {
            let (sim, mut bob) = watching("WJ");
            bob.skip_all();
            let mut control = sim.connect_as("control");
            sim.batch(|| {
                for number in 1..=4 {
                    control.send::<SetTopic>(set("a", "json", json(&number.to_string())));
                }
            });
            (0..arrived).for_each(|_| assert!(bob.take_message().is_some()));
            bob.skip_all();
            bob.lose();
            let received = bob.received() - (4 - arrived);
            let code = bob.resume_as(|opening| {
                opening.transport = to;
                let reconnect = opening.request.reconnect.as_mut().unwrap();
                reconnect.server_sequence = received as i32;
            });
            assert_eq!(code, GOES_ON);
            expect_values(&mut bob, arrived as usize + 1..=4);
        }
    }
}

#[test]
fn a_reconnection_says_anew_how_long_the_session_is_kept() {
    let seconds = Duration::from_secs;
    let cases = [
        (seconds(10), seconds(10)),
        (seconds(120), seconds(120)),
        (seconds(10_000), seconds(300)),
    ];
    for (asked, kept) in cases {
        let (sim, mut bob) = watching("WJ");
        bob.lose();
        bob.resume_as(|opening| opening.request.reconnect_timeout = asked);
        bob.lose();
        sim.advance(kept - Duration::from_millis(1));
        assert_eq!(sim.stats().sessions, 1, "{asked:?}");
        sim.advance(Duration::from_millis(1));
        assert_eq!(sim.stats().sessions, 0, "{asked:?}");
    }
}

#[test]
fn a_session_that_is_back_is_pinged_again() {
    let interval = Settings::default().ping_interval;
    let (sim, mut bob) = watching("WJ");
    bob.lose();
    sim.advance(interval + Duration::from_secs(1));
    bob.skip_all();
    assert_eq!(bob.resume(), GOES_ON);
    sim.advance(interval - Duration::from_millis(1));
    bob.expect_nothing();
    sim.advance(Duration::from_millis(1));
    bob.expect_request::<SystemPing>();
    sim.advance(interval);
    assert_eq!(bob.closed(), Some(Closing::Unresponsive));
    assert_eq!(bob.resume(), GOES_ON);
}

#[test]
fn a_session_that_misses_too_much_starts_anew_with_the_last_values() {
    let sim = Sim::with_settings(|settings| settings.queue_messages_max = 10);
    let sim = sim.with_topic("b", specification("json"), json("10"));
    let (sim, mut bob) = watching_on(sim, "WJ");
    bob.ask::<Subscribe>(select("b"));
    bob.lose();
    (1..=30).for_each(|number| set_to(&sim, number));
    bob.expect_nothing();
    assert_eq!(sim.stats().sessions, 1);
    assert_eq!(bob.resume(), ANEW);
    bob.expect_notice("a");
    bob.expect_value("a", json("30"));
    bob.expect_notice("b");
    bob.expect_value("b", json("10"));
    bob.expect_nothing();

    bob.lose();
    set_to(&sim, 31);
    assert_eq!(bob.resume(), GOES_ON, "nothing is missing since then");
    expect_values(&mut bob, [31]);
}

#[test]
fn a_session_that_misses_everything_starts_anew() {
    let sim = Sim::with_settings(|settings| settings.queue_messages_max = 10);
    let sim = sim.with_topic("a", specification("json CONFLATION=off"), json("0"));
    let mut bob = sim.connecting().client_type("WJ").connect();
    bob.stop_hearing();
    bob.send::<Subscribe>(select("a"));
    bob.lose();
    (1..=30).for_each(|number| set_to(&sim, number));
    // Nothing was sent since the session started anew, and the client has received nothing.
    assert_eq!(bob.resume(), ANEW);
    bob.expect_notice("a");
    expect_values(&mut bob, [30]);
}

#[test]
fn nobody_reconnects_with_a_password() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("control");
    bob.lose();
    let code = bob.resume_as(|opening| {
        opening.request.principal = "nobody".to_owned();
        opening.request.credentials = Credentials::None;
    });
    assert_eq!(code, GOES_ON);
    bob.ask::<suffuse_proto::service::AddTopic>(suffuse_test::add("x", "json"));
}

#[test]
fn javascript_that_leaves_a_message_out_is_told_of_a_loss() {
    // The published client was seen to send 2, 4, 4 when the server expects 2, and 2, 2 when two are missing.
    type Case = (&'static [[u8; 3]], &'static [[u8; 2]], bool);
    let cases: [Case; 5] = [
        (&[[0, 56, 2], [0, 56, 4], [0, 56, 4]], &[], true),
        (&[[0, 56, 2], [0, 56, 2]], &[], true),
        (&[], &[[6, 1], [6, 1]], true),
        (&[[0, 56, 2]], &[[6, 1]], false),
        (&[], &[[6, 0], [6, 0]], false),
    ];
    for (client_type, policy, is_cut) in [
        ("WB", ReconnectPolicy::Compatible, true),
        ("WB", ReconnectPolicy::Strict, false),
        ("WJ", ReconnectPolicy::Compatible, false),
    ] {
        for (requests, answers, is_wrong) in cases {
            let sim = Sim::with_settings(|settings| settings.reconnect_policy = policy);
            let (_sim, mut bob) = watching_on(sim, client_type);
            bob.lose();
            assert_eq!(bob.resume(), GOES_ON);
            requests
                .iter()
                .for_each(|bytes| bob.send_bytes(bytes.to_vec()));
            answers
                .iter()
                .for_each(|bytes| bob.send_bytes(bytes.to_vec()));

            let is_closed = bob.closed().is_some();
            assert_eq!(
                is_closed,
                is_wrong && is_cut,
                "{client_type} {policy:?} {requests:?} {answers:?}"
            );
            if is_closed {
                assert_eq!(bob.resume(), ANEW);
            }
        }
    }
}
