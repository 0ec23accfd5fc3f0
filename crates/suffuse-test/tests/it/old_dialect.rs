//! Sessions of version 9 (spec: topics §14; spec: connection §6).

use bytes::Bytes;
use suffuse_broker::Closing;
use suffuse_proto::{
    ErrorReason, Message, TopicType,
    message::{ConversationId, ServiceId},
    service::{
        AddTopicOld, FetchOld, RemoveTopics, RemoveTopicsOld, Service, Subscribe,
        SubscriptionNotificationOld, SystemPing, Unsubscribe, UnsubscriptionNotification,
        UpdateTopicDelta, UpdateTopicOld, UpdateTopicSet, UserPing,
    },
    services::{
        topics::UnsubscriptionReason,
        v9::{self, AddTopicFailure as F, AddTopicResult as R, UpdateResult as U},
    },
    value::delta,
};
use suffuse_test::{Client, Sim, binary, json, remove, select, specification, string};

fn old(sim: &Sim) -> Client {
    sim.connecting().version(9).connect()
}

fn old_control(sim: &Sim) -> Client {
    sim.connecting().version(9).principal("control").connect()
}

fn sim() -> Sim {
    Sim::new()
        .with_topic("a", specification("json"), json("1"))
        .with_topic("b", specification("binary"), binary(b"two"))
        .with_topic("hidden", specification("string"), string("three"))
}

fn expect_notice(client: &mut Client, path: &str) -> v9::SubscriptionNotice {
    let (conversation, notice) = client.expect_request::<SubscriptionNotificationOld>();
    assert_eq!(conversation, ConversationId::ONE_WAY);
    assert_eq!(notice.path.as_str(), path);
    notice
}

fn add(path: &str, topic_type: TopicType, value: Option<Bytes>) -> v9::AddTopicRequest {
    v9::AddTopicRequest {
        path: path.to_owned(),
        reference: 0,
        details: v9::TopicDetails::new(topic_type),
        content: value.map(|value| v9::Content { encoding: 0, value }),
    }
}

fn set(path: &str, value: Bytes) -> v9::SetTopicRequest {
    v9::SetTopicRequest {
        path: path.to_owned(),
        value,
    }
}

#[test]
fn topics_are_announced_by_their_paths_and_modern_types_are_hidden() {
    let sim = sim();
    let mut bob = old(&sim);
    bob.send::<Subscribe>(select("?.*//"));
    assert_eq!(
        expect_notice(&mut bob, "a").details,
        v9::TopicDetails::new(TopicType::JSON)
    );
    bob.expect_value("a", json("1"));
    assert_eq!(
        expect_notice(&mut bob, "b").details,
        v9::TopicDetails::new(TopicType::BINARY)
    );
    bob.expect_value("b", binary(b"two"));
    bob.expect::<Subscribe>();
    bob.expect_nothing();

    for type_name in ["string", "int64", "double", "record_v2"] {
        sim.add(type_name, specification(type_name));
        bob.expect_nothing();
    }
    sim.set("hidden", string("new"));
    bob.expect_nothing();
    sim.add("c", specification("json PUBLISH_VALUES_ONLY=true"));
    expect_notice(&mut bob, "c");
}

#[test]
fn a_path_that_cannot_be_written_is_hidden() {
    let sim = Sim::new();
    let mut bob = old(&sim);
    bob.ask::<Subscribe>(select("?.*//"));
    for path in ["x\u{1}y", "x\u{2}"] {
        sim.add(path, specification("json"));
        sim.set(path, json("1"));
    }
    bob.expect_nothing();
}

#[test]
fn deltas_are_binary_ones_for_both_types() {
    let long = "suffuse ".repeat(20);
    let sim = Sim::new()
        .with_topic("b", specification("binary"), binary(long.as_bytes()))
        .with_topic("j", specification("json"), json(&format!("[{long:?},1]")));
    let mut bob = old(&sim);
    bob.ask::<Subscribe>(select("?.*//"));
    let (longer, array) = (format!("{long}!"), json(&format!("[{long:?},2]")));
    sim.set("b", binary(longer.as_bytes()));
    bob.expect_delta("b", longer);
    sim.set("j", array.clone());
    bob.expect_delta("j", array);
    sim.set("b", binary(b""));
    bob.expect_value("b", b"");
}

#[test]
fn unsubscription_and_removal_are_told_with_reasons_that_the_client_knows() {
    let sim = sim();
    let mut bob = old(&sim);
    bob.send::<Subscribe>(select("?.*//"));
    let (a, _) = (expect_notice(&mut bob, "a").topic, bob.take_message());
    let b = expect_notice(&mut bob, "b").topic;
    bob.skip_all();
    bob.ask::<UserPing>(());
    bob.send::<Unsubscribe>(select("a"));
    bob.expect_unsubscription(a, UnsubscriptionReason::Requested);
    bob.expect::<Unsubscribe>();
    sim.connect_as("admin").ask::<RemoveTopics>(remove("b"));
    bob.expect_unsubscription(b, UnsubscriptionReason::Removed);
}

#[test]
fn back_pressure_is_told_as_control() {
    let sim = Sim::with_settings(|settings| settings.queue_messages_max = 10);
    let sim = sim.with_topic("a", specification("json CONFLATION=unsubscribe"), json("0"));
    let mut bob = old(&sim);
    bob.ask::<Subscribe>(select("a"));
    bob.stop_reading();
    for number in 1..10 {
        sim.set("a", json(&number.to_string()));
    }
    bob.read_all();
    let (_, notice) = bob.expect_request::<UnsubscriptionNotification>();
    assert_eq!(notice.reason, UnsubscriptionReason::Control);
}

#[test]
fn a_fetch_is_answered_then_come_the_values_then_the_end() {
    let sim = sim();
    sim.add("empty", specification("json"));
    let mut bob = old(&sim);
    let conversation = ConversationId(77);
    bob.send::<FetchOld>(v9::FetchRequest {
        selector: "?.*//".to_owned(),
        conversation,
    });
    bob.expect::<FetchOld>();
    let end = (String::new(), Bytes::from_static(&[1]));
    for expected in [
        ("a".to_owned(), json("1")),
        ("b".to_owned(), binary(b"two")),
        end,
    ] {
        match bob.take_message() {
            Some(Message::FetchReply {
                path,
                conversation: of,
                payload,
            }) => {
                assert_eq!((path, of, payload), (expected.0, conversation, expected.1));
            }
            other => panic!("{other:?} arrived, expected a fetched value"),
        }
    }
    bob.expect_nothing();

    bob.send::<FetchOld>(v9::FetchRequest {
        selector: "?[".to_owned(),
        conversation,
    });
    bob.expect_error::<FetchOld>(ErrorReason::COMMUNICATION_FAILURE);
    bob.expect_nothing();
}

#[test]
fn more_topics_can_be_fetched_than_messages_may_wait() {
    let sim = Sim::with_settings(|settings| settings.queue_messages_max = 10);
    for number in 0..50 {
        sim.add(&format!("a/{number}"), specification("json"));
        sim.set(&format!("a/{number}"), json("1"));
    }
    let mut bob = old(&sim);
    let (selector, conversation) = ("?a//".to_owned(), ConversationId(5));
    bob.send::<FetchOld>(v9::FetchRequest {
        selector,
        conversation,
    });
    bob.expect::<FetchOld>();
    assert_eq!(std::iter::from_fn(|| bob.take_message()).count(), 51);
    assert_eq!(bob.closed(), None);
}

#[test]
fn adding_has_results_of_its_own() {
    let (json_type, binary_type) = (TopicType::JSON, TopicType::BINARY);
    let cases = [
        ("control", "new", json_type, None, R::Added),
        ("control", "new", binary_type, Some(binary(b"")), R::Added),
        ("control", "a", json_type, None, R::Failed(F::Exists)),
        (
            "control",
            "a",
            json_type,
            Some(json("9")),
            R::Failed(F::Exists),
        ),
        (
            "control",
            "a",
            binary_type,
            None,
            R::Failed(F::ExistsMismatch),
        ),
        (
            "control",
            "a",
            binary_type,
            Some(json("9")),
            R::Failed(F::ExistsMismatch),
        ),
        (
            "control",
            "a//b",
            json_type,
            None,
            R::Failed(F::InvalidPath),
        ),
        (
            "control",
            "Diffusion/x",
            json_type,
            None,
            R::Failed(F::InvalidPath),
        ),
        (
            "control",
            "new",
            TopicType(3),
            None,
            R::Failed(F::InvalidDetails),
        ),
        (
            "control",
            "new",
            TopicType::STRING,
            None,
            R::Failed(F::InvalidDetails),
        ),
        (
            "client",
            "new",
            json_type,
            None,
            R::Failed(F::PermissionDenied),
        ),
        (
            "client",
            "new",
            json_type,
            Some(json("9")),
            R::Failed(F::PermissionDenied),
        ),
    ];
    for (principal, path, topic_type, value, expected) in cases {
        let sim = sim();
        let mut bob = sim.connecting().version(9).principal(principal).connect();
        let result = bob.ask::<AddTopicOld>(add(path, topic_type, value.clone()));
        assert_eq!(
            result, expected,
            "{principal} {path} {topic_type} {value:?}"
        );
        assert_eq!(sim.value("a"), Some(json("1")));
        if expected == R::Added {
            assert_eq!(sim.values()[path], value);
        }
    }
}

#[test]
fn updates_have_results_of_their_own() {
    let sim = sim();
    sim.add("empty", specification("json"));
    sim.add("checked", specification("json VALIDATE_VALUES=true"));
    let mut bob = old_control(&sim);
    let bad = Bytes::from_static(&[0xff]);
    assert_eq!(bob.ask::<UpdateTopicSet>(set("a", json("2"))), U::Applied);
    assert_eq!(sim.value("a"), Some(json("2")));
    assert_eq!(
        bob.ask::<UpdateTopicSet>(set("none", json("2"))),
        U::MissingTopic
    );
    assert_eq!(bob.ask::<UpdateTopicSet>(set("checked", bad)), U::Failed);

    let update = |path: &str, update_type, value| v9::UpdateTopicRequest {
        path: path.to_owned(),
        update_type,
        action: 0,
        content: v9::Content { encoding: 0, value },
    };
    assert_eq!(
        bob.ask::<UpdateTopicOld>(update("a", 0, json("3"))),
        U::Applied
    );
    assert_eq!(sim.value("a"), Some(json("3")));
    assert_eq!(
        bob.ask::<UpdateTopicOld>(update("a", 1, json("4"))),
        U::Incompatible
    );
    assert_eq!(
        bob.ask::<UpdateTopicOld>(update("none", 0, json("4"))),
        U::MissingTopic
    );

    let change = |path: &str, delta: &[u8]| v9::ApplyDeltaRequest {
        path: path.to_owned(),
        delta_type: 0,
        delta: Bytes::copy_from_slice(delta),
    };
    let long = "suffuse ".repeat(20);
    let (from, to) = (
        binary(long.as_bytes()),
        binary(format!("{long}!").as_bytes()),
    );
    bob.ask::<UpdateTopicSet>(set("b", from.clone()));
    let delta = delta::diff(&from, &to).expect("a delta is shorter");
    assert_eq!(bob.ask::<UpdateTopicDelta>(change("b", &delta)), U::Applied);
    assert_eq!(sim.value("b"), Some(to.clone()));
    assert_eq!(
        bob.ask::<UpdateTopicDelta>(change("b", &[0x00, 0x19, 0xff, 0xff])),
        U::Failed
    );
    assert_eq!(
        bob.ask::<UpdateTopicDelta>(change("none", &delta)),
        U::MissingTopic
    );
    assert_eq!(
        bob.ask::<UpdateTopicDelta>(change("empty", &delta)),
        U::DeltaWithoutValue
    );
    assert_eq!(sim.value("b"), Some(to));
}

#[test]
fn what_is_not_allowed_is_denied_and_changes_nothing() {
    let sim = sim();
    let mut bob = old(&sim);
    bob.ask_refused::<UpdateTopicSet>(set("a", json("2")), ErrorReason::ACCESS_DENIED);
    let change = v9::ApplyDeltaRequest {
        path: "b".to_owned(),
        delta_type: 0,
        delta: Bytes::from_static(&[0x41, b'x']),
    };
    bob.ask_refused::<UpdateTopicDelta>(change, ErrorReason::ACCESS_DENIED);
    bob.ask::<RemoveTopicsOld>(v9::RemoveTopicsRequest {
        selector: "?.*//".to_owned(),
    });
    assert_eq!(sim.value("a"), Some(json("1")));
    assert_eq!(sim.stats().topics, 3);
}

#[test]
fn removal_has_two_services_and_no_count() {
    let sim = sim();
    let mut bob = old_control(&sim);
    bob.ask::<RemoveTopicsOld>(v9::RemoveTopicsRequest {
        selector: "a".to_owned(),
    });
    assert_eq!(sim.stats().topics, 2);
    bob.ask::<RemoveTopics>(remove("b"));
    assert_eq!(sim.stats().topics, 1);
}

#[test]
fn all_that_fails_is_told_in_codes_that_the_client_knows() {
    let sim = sim();
    let mut bob = old_control(&sim);
    for (service, body) in [
        (Subscribe::ID, &[9_u8][..]),
        (AddTopicOld::ID, &[]),
        (ServiceId(5), &[]),
        (ServiceId(112), &[1, b'x', 15, 0]),
        (ServiceId(118), &[1, b'a', 15, 1, 1, 0]),
        (ServiceId(9999), &[]),
    ] {
        bob.send_raw_request(service, Bytes::copy_from_slice(body));
        bob.expect_error_of(service, ErrorReason::COMMUNICATION_FAILURE);
    }
    bob.ask::<UserPing>(());
}

#[test]
fn answers_name_their_service() {
    let sim = Sim::new();
    let mut bob = old(&sim);
    bob.send::<UserPing>(());
    let answer = bob.take_message();
    assert!(
        matches!(
            answer,
            Some(Message::Response {
                service: UserPing::ID,
                ..
            })
        ),
        "{answer:?}"
    );
    sim.advance(suffuse_broker::Settings::default().ping_interval);
    let (conversation, ()) = bob.expect_request::<SystemPing>();
    bob.respond::<SystemPing>(conversation, &());
    // The client answers one-way requests too.
    bob.respond::<SystemPing>(ConversationId::ONE_WAY, &());
    sim.advance(suffuse_broker::Settings::default().ping_interval);
    bob.expect_request::<SystemPing>();
    assert_eq!(bob.closed(), None);
}

#[test]
fn messages_of_the_other_dialect_are_faults() {
    let faults: [&[u8]; 10] = [
        &[],
        &[6, 1],
        &[7, 1, 0, 100],
        &[4, 0, 0, 0, 1, 1],
        &[20, b'a', 1, 1],
        &[21, b'a', 1, 1],
        &[34, b'a', 2, b'1', 1, 1],
        &[22, b'a', 1],
        &[0x80, 56, 1],
        &[28],
    ];
    for bytes in faults {
        let sim = Sim::new();
        let mut bob = old(&sim);
        bob.send_bytes(Bytes::copy_from_slice(bytes));
        bob.expect_end(Closing::ProtocolError);
        assert_eq!(sim.stats().sessions, 0, "{bytes:?}");
    }
}

#[test]
fn old_and_modern_sessions_see_the_same_values() {
    let sim = sim();
    let (mut bob, mut eve) = (old_control(&sim), sim.connect());
    bob.ask::<Subscribe>(select("?.*//"));
    eve.ask::<Subscribe>(select("?.*//"));
    for number in 0..20 {
        bob.ask::<UpdateTopicSet>(set(
            "a",
            json(&format!("[{:?},{number}]", "suffuse ".repeat(number))),
        ));
        let mut modern = eve.view();
        modern.remove("hidden");
        assert_eq!(bob.view(), modern);
    }
}
