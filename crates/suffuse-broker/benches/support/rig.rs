//! A broker that is driven as a server drives it, for measurements: batches of requests go in, ports take
//! what comes out.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use suffuse_broker::{
    Broker, Effect, Event, Frame, LinkId, Opening, PrincipalStore, Settings, Transport,
};
use suffuse_proto::{
    Codec as _, Message, Service, TopicSpecification, TopicType, Version,
    handshake::{ConnectionRequest, Parameters},
    message::ConversationId,
    service::{AddAndSetTopic, AddTopic, SetTopic, Subscribe},
    services::{
        topic_control::AddTopicRequest,
        topic_update::{AddAndSetTopicRequest, SetTopicRequest, UpdateConstraint},
        topics::{FetchRequest, SelectionRequest},
    },
    value::json::from_json,
};

/// How much a port takes, as in the server.
const PORT_BYTES_MAX: usize = 64 << 10;

/// A broker and its links, which are always ready.
#[derive(Debug)]
pub struct Rig {
    broker: Broker,
    now: Instant,
    links: u64,
    conversation: i64,
    port: Vec<Frame>,
}

impl Rig {
    /// Returns a rig whose anonymous sessions may do everything with topics.
    pub fn new() -> Self {
        let roles = ["CLIENT", "TOPIC_CONTROL"].map(str::to_owned);
        let principals = PrincipalStore {
            anonymous: Some(roles.into()),
            ..PrincipalStore::default()
        };
        let mut seed = 0_u64;
        let random = move |bytes: &mut [u8]| {
            seed += 1;
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
        };
        Self {
            broker: Broker::new(Settings::default(), principals, Box::new(random)),
            now: start(),
            links: 0,
            conversation: 0,
            port: Vec::new(),
        }
    }

    /// Connects a session.
    pub fn connect(&mut self) -> LinkId {
        self.links += 1;
        let link = LinkId(self.links);
        let request = ConnectionRequest::parse(&Parameters::from_query("v=29&ty=WB&ca=8"));
        let opening = Box::new(Opening {
            transport: Transport::WebSocket,
            request: request.expect("the request is well-formed"),
            address: Ipv4Addr::LOCALHOST.into(),
            connector: "main".to_owned(),
            wall_clock: Duration::from_secs(1_800_000_000),
        });
        self.broker.handle(Event::Open { link, opening }, self.now);
        let effect = self.broker.poll_effect();
        assert!(
            matches!(effect, Some(Effect::Accept { .. })),
            "the session is accepted"
        );
        link
    }

    /// Ends a session.
    pub fn disconnect(&mut self, link: LinkId) {
        let bytes = Message::Close.to_bytes(Version::NEWEST);
        self.broker.handle(Event::Message { link, bytes }, self.now);
        while self.broker.poll_effect().is_some() {}
    }

    /// Connects sessions that watch one topic, until they have its value.
    pub fn connect_watchers(&mut self, count: usize, path: &str) {
        for _ in 0..count {
            let link = self.connect();
            self.request::<Subscribe>(link, selection(path));
        }
        self.flush();
    }

    /// Lets the broker handle a request; its answer waits in the outbox.
    pub fn request<S: Service>(&mut self, link: LinkId, request: S::Request) {
        self.conversation += 1;
        let message = Message::Request {
            service: S::ID,
            conversation: ConversationId(self.conversation),
            body: request.to_bytes(Version::NEWEST),
        };
        let bytes = message.to_bytes(Version::NEWEST);
        self.broker.handle(Event::Message { link, bytes }, self.now);
    }

    /// Lets all ports take what waits; returns how many messages that were.
    pub fn flush(&mut self) -> usize {
        let (mut messages, port) = (0, &mut self.port);
        self.broker.flush(|_, outbox| {
            while !outbox.is_empty() {
                outbox.take(port, PORT_BYTES_MAX);
                messages += port
                    .iter()
                    .map(|frame| frame.message_count() as usize)
                    .sum::<usize>();
                port.clear();
            }
        });
        messages
    }

    /// Returns how many topics there are.
    pub fn topics(&self) -> usize {
        self.broker.stats().topics
    }
}

/// The machine needs a time; which one does not matter.
#[expect(
    clippy::disallowed_methods,
    reason = "a driver has the clock, and here this is the driver"
)]
fn start() -> Instant {
    Instant::now()
}

/// Returns a JSON value of exactly `bytes` bytes that has a number in it.
///
/// # Panics
/// If `bytes` is too small for that.
pub fn value(number: u64, bytes: usize) -> bytes::Bytes {
    let encode = |padding: usize| {
        // Above 2^32 every number has the same length.
        from_json(
            &serde_json::json!({ "sequence": (1 << 32) + number, "note": "x".repeat(padding) }),
        )
    };
    // The length of the text takes a second byte from 24 on, and a third from 256 on.
    let padding = bytes - encode(0).len();
    let value = (padding.saturating_sub(3)..=padding)
        .map(encode)
        .find(|value| value.len() == bytes);
    value.expect("some padding gives this length")
}

/// Returns the request to select topics.
pub fn selection(selector: &str) -> SelectionRequest {
    SelectionRequest {
        selector: selector.to_owned(),
        scope: String::new(),
    }
}

/// Returns the request to add a JSON topic.
pub fn addition(path: &str) -> <AddTopic as Service>::Request {
    AddTopicRequest {
        path: path.to_owned(),
        specification: json(),
    }
}

/// Returns the request to add a JSON topic with a value.
pub fn addition_with(path: &str, value: bytes::Bytes) -> <AddAndSetTopic as Service>::Request {
    let constraint = UpdateConstraint::Unconstrained;
    AddAndSetTopicRequest {
        path: path.to_owned(),
        specification: json(),
        value,
        constraint,
    }
}

/// Returns the request to set a JSON value.
pub fn setting(path: &str, value: bytes::Bytes) -> <SetTopic as Service>::Request {
    let constraint = UpdateConstraint::Unconstrained;
    SetTopicRequest {
        path: path.to_owned(),
        topic_type: TopicType::JSON,
        value,
        constraint,
    }
}

/// Returns the request to fetch all that a selector selects, with values.
pub fn fetching(selector: &str) -> FetchRequest {
    FetchRequest {
        selector: selector.to_owned(),
        from: None,
        to: None,
        topic_types: TopicType::ALL
            .iter()
            .map(|topic_type| topic_type.0)
            .collect(),
        with_values: true,
        with_properties: false,
        limit: i32::MAX,
        result_bytes_max: i32::MAX,
        deep_branch_depth: i32::MAX,
        deep_branch_limit: i32::MAX,
        with_unpublished_delayed_topics: false,
        with_sizes: false,
    }
}

fn json() -> TopicSpecification {
    TopicSpecification {
        topic_type: TopicType::JSON,
        properties: Default::default(),
    }
}
