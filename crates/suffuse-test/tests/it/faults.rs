//! Messages that break the protocol (spec: connection §9), and what they do to others.

use bytes::Bytes;
use suffuse_broker::{Closing, Fault};
use suffuse_proto::{
    ErrorReason, Message,
    message::{ConversationId, ServiceId},
    service::{SetTopic, Subscribe, UserPing},
};
use suffuse_test::{Sim, json, select, set, specification};

const OVERLONG: [u8; 11] = [0x80; 11];

/// Every row of the failure table that is about messages.
fn faults() -> Vec<(&'static str, Vec<u8>, Closing)> {
    let concat = |parts: &[&[u8]]| parts.concat();
    vec![
        ("an empty message", vec![], Closing::ProtocolError),
        ("an unknown type", vec![1, 56, 1], Closing::ProtocolError),
        ("an unknown type", vec![63], Closing::ProtocolError),
        (
            "a topic value",
            vec![4, 0, 0, 0, 1, 0xf6],
            Closing::ProtocolError,
        ),
        (
            "a topic delta",
            vec![5, 0, 0, 0, 1, 0, 0],
            Closing::ProtocolError,
        ),
        ("an abort", vec![28], Closing::ProtocolError),
        ("a fetch reply", vec![34, b'a', 1], Closing::ProtocolError),
        (
            "a compressed request",
            vec![0x80, 56, 1],
            Closing::ProtocolError,
        ),
        (
            "a compressed value",
            vec![0x84, 0, 0, 0, 1],
            Closing::ProtocolError,
        ),
        (
            "encoding bits that are not used",
            vec![0x40, 56, 1],
            Closing::ProtocolError,
        ),
        (
            "encoding bits that are not used",
            vec![0xc0, 56, 1],
            Closing::ProtocolError,
        ),
        (
            "a request without a service",
            vec![0],
            Closing::ProtocolError,
        ),
        (
            "a request without a conversation",
            vec![0, 56],
            Closing::ProtocolError,
        ),
        (
            "a cut service number",
            vec![0, 0x80],
            Closing::ProtocolError,
        ),
        (
            "a cut conversation",
            vec![0, 56, 0x80],
            Closing::ProtocolError,
        ),
        (
            "an overlong service number",
            concat(&[&[0], &OVERLONG]),
            Closing::ProtocolError,
        ),
        (
            "an overlong conversation",
            concat(&[&[0, 56], &OVERLONG]),
            Closing::ProtocolError,
        ),
        (
            "a negative conversation",
            concat(&[&[0, 56], &[0xff; 9], &[0x01]]),
            Closing::ProtocolError,
        ),
        (
            "a response without a conversation",
            vec![6],
            Closing::ProtocolError,
        ),
        (
            "an error without a reason",
            vec![7, 1],
            Closing::ProtocolError,
        ),
        (
            "an error whose text is cut",
            vec![7, 1, 5, b'a'],
            Closing::ProtocolError,
        ),
        (
            "an error whose text has a negative length",
            vec![7, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0],
            Closing::ProtocolError,
        ),
        (
            "an error whose text is no UTF-8",
            vec![7, 1, 1, 0xff, 0],
            Closing::ProtocolError,
        ),
        (
            "a message that is too large",
            vec![0; 1001],
            Closing::TooLarge,
        ),
        (
            "a large request",
            concat(&[&[0, 118, 1], &[1; 998]]),
            Closing::TooLarge,
        ),
    ]
}

#[test]
fn a_client_that_breaks_the_protocol_is_closed_and_nobody_else_is_disturbed() {
    let sim = Sim::with_settings(|settings| settings.message_bytes_max = 1000);
    let sim = sim.with_topic("a", specification("json"), json("0"));
    let mut eve = sim.connect();
    eve.ask::<Subscribe>(select("?.*//"));
    let mut control = sim.connect_as("control");
    for (number, (what, bytes, closing)) in faults().into_iter().enumerate() {
        let mut bob = sim.connect();
        bob.ask::<Subscribe>(select("?.*//"));
        let sessions = sim.stats().sessions;
        let value = json(&(number + 1).to_string());
        sim.batch(|| {
            bob.send_bytes(bytes);
            bob.send::<UserPing>(());
            control.send::<SetTopic>(set("a", "json", value.clone()));
        });
        bob.expect_end(closing);
        assert_eq!(sim.stats().sessions, sessions - 1, "{what}");
        eve.expect_value("a", &value);
        eve.expect_nothing();
    }
    assert_eq!(eve.closed(), None);
}

#[test]
fn faults_below_the_messages_close_the_session() {
    for (fault, closing) in [
        (Fault::Malformed, Closing::ProtocolError),
        (Fault::TooLarge, Closing::TooLarge),
    ] {
        let sim = Sim::new();
        let mut bob = sim.connect();
        bob.fault(fault);
        bob.expect_end(closing);
        bob.fault(fault);
        bob.send::<UserPing>(());
        bob.expect_nothing();
        assert_eq!(sim.stats().sessions, 0);
    }
}

#[test]
fn a_body_that_cannot_be_decoded_is_answered_and_the_session_goes_on() {
    let services: [(i32, &[u8]); 12] = [
        (3, &[]),
        (3, &[1]),
        (3, &[1, 0xff, 0]),
        (3, &[1, b'a', 0, 0]),
        (4, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        (83, &[5, b'a']),
        (112, &[1, b'a', 15, 1]),
        (117, &[1, b'a']),
        (118, &[1, b'a', 15, 1, 1]),
        (118, &[1, b'a', 15, 1, 1, 9]),
        (122, &[1, b'a', 15, 0, 1, 1, 99]),
        (202, &[0]),
    ];
    let sim = Sim::new().with_topic("a", specification("json"), json("1"));
    let mut bob = sim.connect_as("admin");
    for (service, body) in services {
        let service = ServiceId(service);
        bob.send_raw_request(service, Bytes::copy_from_slice(body));
        let sentence = bob.expect_error_of(service, ErrorReason::INVALID_DATA);
        assert!(sentence.contains("is not valid"), "{sentence}");
        bob.expect_nothing();
    }
    bob.ask::<UserPing>(());
    assert_eq!(sim.value("a"), Some(json("1")));
}

#[test]
fn constraints_that_nest_too_deep_are_not_decoded() {
    let sim = Sim::new().with_topic("a", specification("json"), json("1"));
    let mut bob = sim.connect_as("admin");
    let body = [&[1, b'a', 15, 1, 1][..], &[1; 10_000]].concat();
    bob.send_raw_request(ServiceId(118), body.into());
    let sentence = bob.expect_error_of(ServiceId(118), ErrorReason::INVALID_DATA);
    assert!(sentence.contains("nest deeper"), "{sentence}");
}

#[test]
fn a_repeated_request_is_not_done_again_and_not_answered() {
    let sim = Sim::new().with_topic("a", specification("json"), json("0"));
    let mut bob = sim.connect_as("control");
    let request = |conversation, text: &str| Message::Request {
        service: ServiceId(118),
        conversation: ConversationId(conversation),
        body: suffuse_proto::Codec::to_bytes(
            &set("a", "json", json(text)),
            suffuse_proto::Version::NEWEST,
        ),
    };
    bob.send_message(&request(5, "1"));
    bob.send_message(&request(5, "2"));
    assert_eq!(sim.value("a"), Some(json("1")));
    bob.send_message(&request(4, "3"));
    assert_eq!(
        sim.value("a"),
        Some(json("3")),
        "an older number that is new is done"
    );
    bob.send_message(&request(4, "4"));
    assert_eq!(sim.value("a"), Some(json("3")));
    bob.send_message(&request(0, "5"));
    bob.send_message(&request(0, "6"));
    assert_eq!(
        sim.value("a"),
        Some(json("6")),
        "requests that want no answer are never repetitions"
    );
    let answers: Vec<_> = std::iter::from_fn(|| bob.take_message())
        .map(|message| match message {
            Message::Response { conversation, .. } => conversation.0,
            other => panic!("{other:?} arrived, expected a response"),
        })
        .collect();
    assert_eq!(answers, [5, 4]);
}

#[test]
fn answers_to_nothing_are_ignored() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    let (service, conversation) = (ServiceId(0), ConversationId(99));
    bob.send_message(&Message::Response {
        service,
        conversation,
        body: Bytes::new(),
    });
    bob.send_message(&Message::Response {
        service,
        conversation: ConversationId(0),
        body: Bytes::from_static(b"x"),
    });
    bob.send_message(&Message::Error {
        service,
        conversation,
        reason: ErrorReason::UNSUPPORTED,
    });
    bob.expect_nothing();
    bob.ask::<UserPing>(());
}

#[test]
fn an_error_may_have_bytes_after_its_code() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    bob.send_bytes(&[7, 1, 1, b'a', 100, 1, 2, 3][..]);
    bob.ask::<UserPing>(());
}

#[test]
fn messages_of_links_that_nobody_knows_are_ignored() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    bob.lose();
    bob.send::<UserPing>(());
    bob.fault(Fault::Malformed);
    bob.lose();
    bob.read_all();
    bob.expect_nothing();
    assert_eq!(sim.stats().sessions, 1);
}

#[test]
fn a_set_in_the_same_batch_as_a_fault_counts_as_far_as_it_came() {
    let sim = Sim::new().with_topic("a", specification("json"), json("0"));
    let mut bob = sim.connect_as("control");
    sim.batch(|| {
        bob.send::<SetTopic>(set("a", "json", json("1")));
        bob.send_bytes(Bytes::new());
        bob.send::<SetTopic>(set("a", "json", json("2")));
    });
    assert_eq!(sim.value("a"), Some(json("1")));
    bob.expect::<SetTopic>();
    bob.expect_end(Closing::ProtocolError);
}
