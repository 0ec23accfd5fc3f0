//! Clients that read slower than others write.

use bytes::Bytes;
use suffuse_proto::{
    Codec as _, Message, Service, TopicSpecification, TopicType, Version,
    codec::Writer,
    message::ConversationId,
    service::{AddAndSetTopic, Subscribe},
    services::topic_update::{AddAndSetTopicRequest, UpdateConstraint},
};

use crate::peer::{BINARY, Peer, TestServer, USER_PING, USER_PONG, frame};

const CONTROL: &str = "/diffusion?v=29&ty=WB&ca=8&username=control&password=AQhwYXNzd29yZA==";
const VALUE_BYTES: usize = 100_000;

/// A client that sets a topic.
struct Publisher {
    peer: Peer,
    conversation: i64,
    specification: TopicSpecification,
}

impl Publisher {
    fn connect(server: &TestServer, conflation: &str) -> Self {
        let mut peer = server.connect();
        assert_eq!(peer.upgrade(CONTROL).1[2], 100);
        let specification = TopicSpecification::new(TopicType::BINARY)
            .with("CONFLATION", conflation)
            .with("PUBLISH_VALUES_ONLY", "true");
        Self {
            peer,
            conversation: 0,
            specification,
        }
    }

    /// Sets the value, whose last byte is `mark`, and waits until it is set.
    fn set(&mut self, mark: u8) {
        self.conversation += 1;
        let request = AddAndSetTopicRequest {
            path: "a".to_owned(),
            specification: self.specification.clone(),
            value: Bytes::from(vec![mark; VALUE_BYTES]),
            constraint: UpdateConstraint::Unconstrained,
        };
        let body = request.to_bytes(Version::NEWEST);
        let answer = self
            .peer
            .ask(&message::<AddAndSetTopic>(self.conversation, body));
        assert_eq!(answer[0], 6, "{answer:02x?}");
    }
}

fn message<S: Service>(conversation: i64, body: Bytes) -> Vec<u8> {
    let mut out = Writer::new(Version::NEWEST);
    Message::Request {
        service: S::ID,
        conversation: ConversationId(conversation),
        body,
    }
    .encode(&mut out);
    out.finish().to_vec()
}

/// Returns a client that watches the topic and has read its first value.
fn subscriber(server: &TestServer) -> Peer {
    let mut peer = server.websocket();
    peer.send_frame(
        BINARY,
        &message::<Subscribe>(1, Bytes::from_static(b"\x02>a\x00")),
    );
    // The notification, the value and the answer.
    let messages = [(); 3].map(|()| peer.expect_message());
    assert!(messages.iter().any(|message| message.len() > VALUE_BYTES));
    peer
}

#[test]
fn a_slow_reader_gets_the_last_value_and_holds_nobody_up() {
    let server = TestServer::start();
    let mut publisher = Publisher::connect(&server, "conflate");
    publisher.set(0);
    let mut slow = subscriber(&server);
    let mut quick = subscriber(&server);

    for mark in 1..=200 {
        publisher.set(mark);
        let value = quick.expect_message();
        assert_eq!(value.last(), Some(&mark));
    }
    let mut values = 0;
    while slow.expect_message().last() != Some(&200) {
        values += 1;
    }
    assert!(
        values < 190,
        "{values} of 200 values were sent to a client that did not read"
    );
    slow.send(frame(BINARY, &[0, 0x38, 2]));
    assert_eq!(slow.expect_message(), [6, 2]);
}

#[test]
fn a_reader_that_is_too_slow_is_closed() {
    let server = TestServer::start_with(|options| options.broker.queue_bytes_max = 1 << 20);
    let mut publisher = Publisher::connect(&server, "off");
    publisher.set(0);
    let slow = subscriber(&server);
    assert_eq!(server.sessions(), 2);
    let mut mark = 0_u8;
    while server.sessions() == 2 {
        mark = mark.wrapping_add(1);
        publisher.set(mark);
    }
    drop(slow);
    publisher.set(0);
}

#[test]
fn a_client_that_never_reads_its_answers_does_not_grow() {
    let server = TestServer::start_with(|options| options.broker.queue_messages_max = 100_000);
    let mut deaf = server.websocket();
    // Each ping has an answer, so the client is closed at the limit of its queue.
    for round in 0_u32.. {
        let pings: Vec<u8> = (0..1000)
            .flat_map(|number| frame(BINARY, &user_ping(round * 1000 + number + 1)))
            .collect();
        if deaf.try_send(&pings).is_err() || server.sessions() == 0 {
            break;
        }
    }
    server.await_sessions(0);
    let mut other = server.websocket();
    assert_eq!(other.ask(USER_PING), USER_PONG);
}

fn user_ping(conversation: u32) -> Vec<u8> {
    let mut out = Writer::new(Version::NEWEST);
    out.raw(&[0, 0x38]);
    ConversationId(conversation.into()).encode(&mut out);
    out.finish().to_vec()
}
