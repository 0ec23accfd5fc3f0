//! Random runs against the server and the model in step.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use suffuse_broker::{Opening, Transport};
use suffuse_proto::{
    ErrorReason, Message, ResponseCode, TopicSpecification, TopicType, Version,
    codec::Codec as _,
    sample::Random,
    service::{
        AddAndSetTopic, AddTopic, RemoveTopics, Service, SetTopic, Subscribe, Unsubscribe,
        UnsubscribeAll,
    },
    services::{
        topic_control::{AddTopicRequest, AddTopicResult, RemoveTopicsRequest, RemovedTopics},
        topic_update::{
            AddAndSetTopicRequest, Comparison, OperandType, Operator, SetTopicRequest,
            UpdateConstraint,
        },
        topics::{SelectionRequest, UnsubscribeAllRequest},
    },
};
use suffuse_test::{Client, Sim, specification};

use crate::model::{Action, ClientKey, Model, Outcome};

const PATHS: [&str; 9] = ["a", "a/b", "a/b/c", "a/c", "b", "b/c", "b/c/d", "c", "ab"];
const SELECTORS: [&str; 14] = [
    "a",
    ">a/b",
    "?a/",
    "?a//",
    "?.*//",
    "?.*",
    "?b/.*",
    "*a.*",
    "*.*c//",
    "#>a////>b",
    "?a/.*//",
    "b/c",
    "#?b//////>c",
    "?nothing//",
];
const SCOPES: [&str; 3] = ["", "one", "two"];
const SPECIFICATIONS: [&str; 12] = [
    "string",
    "string",
    "string",
    "string CONFLATION=always",
    "string CONFLATION=off",
    "string CONFLATION=unsubscribe",
    "string TIDY_ON_UNSUBSCRIBE=true COMPRESSION=off",
    "string DONT_RETAIN_VALUE=true",
    "string PUBLISH_VALUES_ONLY=true",
    "binary",
    "int64 VALIDATE_VALUES=true",
    "json",
];

/// How many messages may wait for a client.
const MESSAGES_MAX: usize = 30;
/// How many clients there are at most.
const CLIENTS_MAX: usize = 6;

/// Where a run takes its decisions from.
pub(crate) trait Choices {
    /// Returns a number below `bound`.
    fn below(&mut self, bound: usize) -> usize;
}

impl Choices for Random {
    fn below(&mut self, bound: usize) -> usize {
        Self::below(self, bound)
    }
}

fn pick<T: Copy>(choices: &mut impl Choices, from: &[T]) -> T {
    from[choices.below(from.len())]
}

/// A client of a run.
struct Peer {
    client: Client,
    is_slow: bool,
    /// Whether it ever was slow, and so may be closed or unsubscribed.
    was_slow: bool,
    /// Whether its connection is lost.
    is_away: bool,
    /// What it asked for meanwhile.
    asked_away: Vec<Action>,
}

/// The kinds of clients, as the server tells them apart when they come back.
const CLIENT_TYPES: [&str; 3] = ["WJ", "WB", "PY"];

/// A server, its model, and clients of both.
pub(crate) struct Run {
    sim: Sim,
    model: Model,
    /// Who adds, sets and removes.
    actor: Client,
    expected: VecDeque<(Action, Outcome)>,
    peers: BTreeMap<ClientKey, Peer>,
    last_client: ClientKey,
}

impl Run {
    pub(crate) fn new() -> Self {
        let sim = Sim::with_settings(|settings| settings.queue_messages_max = MESSAGES_MAX);
        let actor = sim.connect_as("control");
        let (model, expected, peers) = Default::default();
        let mut run = Self {
            sim,
            model,
            actor,
            expected,
            peers,
            last_client: 0,
        };
        run.connect(29, true, Transport::WebSocket, CLIENT_TYPES[0]);
        run
    }

    /// Does one random thing, and compares.
    pub(crate) fn step(&mut self, choices: &mut impl Choices) {
        match choices.below(24) {
            0 if self.peers.len() < CLIENTS_MAX => {
                let version = pick(choices, &[9, 22, 25, 28, 29]);
                let transport = pick(choices, &[Transport::WebSocket, Transport::HttpPolling]);
                let takes_zlib = choices.below(2) == 0;
                self.connect(version, takes_zlib, transport, pick(choices, &CLIENT_TYPES));
            }
            1 => self.disconnect(choices),
            2 | 3 => self.slow_down(choices),
            4 | 5 => self.read(choices),
            6 | 7 => self.lose(choices),
            8 | 9 => self.resume(choices),
            _ => {
                let mut actions: Vec<_> = (0..=choices.below(5))
                    .map(|_| self.action(choices))
                    .collect();
                actions.extend(self.burst(choices));
                let sim = self.sim.clone();
                sim.batch(|| actions.into_iter().for_each(|action| self.perform(action)));
            }
        }
        self.check();
    }

    /// Lets everybody read, and compares.
    pub(crate) fn finish(&mut self) {
        for peer in self.peers.values_mut() {
            if peer.is_away {
                come_back(peer, |_| {});
            }
            peer.is_slow = false;
            peer.client.read_all();
        }
        self.check();
        let values: Vec<_> = self
            .model
            .topics
            .iter()
            .map(|(path, topic)| (path.clone(), topic.value.clone()))
            .collect();
        assert_eq!(self.sim.values().into_iter().collect::<Vec<_>>(), values);
    }

    fn connect(&mut self, version: u8, takes_zlib: bool, transport: Transport, client_type: &str) {
        self.last_client += 1;
        self.model.connect(self.last_client);
        let connecting = self.sim.connecting().version(version).transport(transport);
        let connecting = connecting.client_type(client_type);
        let connecting = if takes_zlib {
            connecting
        } else {
            connecting.without_zlib()
        };
        let peer = Peer {
            client: connecting.connect(),
            is_slow: false,
            was_slow: false,
            is_away: false,
            asked_away: Vec::new(),
        };
        self.peers.insert(self.last_client, peer);
    }

    fn any_peer(&mut self, choices: &mut impl Choices) -> Option<ClientKey> {
        let keys: Vec<_> = self.peers.keys().copied().collect();
        (!keys.is_empty()).then(|| pick(choices, &keys))
    }

    fn disconnect(&mut self, choices: &mut impl Choices) {
        let Some(key) = self.any_peer(choices) else {
            return;
        };
        let Some(mut peer) = self.peers.remove(&key) else {
            return;
        };
        self.model.disconnect(key);
        match choices.below(2) {
            0 => peer.client.lose(),
            _ => peer.client.send_message(&Message::Close),
        }
    }

    fn slow_down(&mut self, choices: &mut impl Choices) {
        let Some(peer) = self
            .any_peer(choices)
            .and_then(|key| self.peers.get_mut(&key))
        else {
            return;
        };
        (peer.is_slow, peer.was_slow) = (true, true);
        peer.client.stop_reading();
    }

    fn read(&mut self, choices: &mut impl Choices) {
        let Some(peer) = self
            .any_peer(choices)
            .and_then(|key| self.peers.get_mut(&key))
        else {
            return;
        };
        if choices.below(2) == 0 {
            peer.is_slow = false;
            peer.client.read_all();
        } else if peer.is_slow {
            peer.client.read_up_to(1 + choices.below(200));
        }
    }

    /// A connection breaks, perhaps after the network has swallowed what went down for a while.
    fn lose(&mut self, choices: &mut impl Choices) {
        let Some(key) = self.any_peer(choices) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(&key)
            && !peer.is_away
            && !peer.is_slow
            && choices.below(2) == 0
        {
            peer.client.stop_hearing();
        }
        let actions: Vec<_> = (0..choices.below(4))
            .map(|_| self.action(choices))
            .collect();
        actions.into_iter().for_each(|action| self.perform(action));
        if let Some(peer) = self.peers.get_mut(&key) {
            // Its queue can fill up, and some topics are unsubscribed then.
            (peer.is_away, peer.was_slow) = (true, true);
            peer.client.lose();
        }
    }

    /// A client comes back, also one that still has a connection.
    fn resume(&mut self, choices: &mut impl Choices) {
        let transport = pick(choices, &[Transport::WebSocket, Transport::HttpPolling]);
        let key = self.any_peer(choices);
        if let Some(peer) = key.and_then(|key| self.peers.get_mut(&key)) {
            come_back(peer, |opening| opening.transport = transport);
        }
    }

    fn action(&mut self, choices: &mut impl Choices) -> Action {
        let client = self.any_peer(choices).unwrap_or_default();
        let version = self
            .peers
            .get(&client)
            .map_or(0, |peer| peer.client.version().number());
        let scope = pick(choices, if version >= 29 { &SCOPES } else { &SCOPES[..1] }).to_owned();
        let selector = pick(choices, &SELECTORS).to_owned();
        let path = pick(choices, &PATHS).to_owned();
        let specification = self.specification(choices, &path);
        let topic_type = specification.topic_type;
        let value = value(choices, topic_type);
        let constraint = self.constraint(choices, &path);
        match choices.below(16) {
            0..=2 if version > 0 => Action::Subscribe {
                client,
                scope,
                selector,
            },
            3 if version > 0 => Action::Unsubscribe {
                client,
                scope,
                selector,
            },
            4 if version >= 29 => Action::UnsubscribeAll { client, selector },
            5 if choices.below(3) == 0 => Action::Remove { selector },
            6 => Action::Add {
                path,
                specification,
            },
            7 | 8 => Action::AddAndSet {
                path,
                specification,
                value,
                constraint,
            },
            _ => Action::Set {
                path,
                topic_type,
                value,
                constraint,
            },
        }
    }

    /// Updates of one topic that follow each other.
    fn burst(&self, choices: &mut impl Choices) -> Vec<Action> {
        let path = pick(choices, &PATHS);
        let topic_type = match self.model.topics.get(path) {
            Some(topic) if choices.below(3) == 0 => topic.specification.topic_type,
            Some(_) | None => return Vec::new(),
        };
        let update = |value| Action::Set {
            path: path.to_owned(),
            topic_type,
            value,
            constraint: UpdateConstraint::Unconstrained,
        };
        (0..choices.below(9))
            .map(|_| update(value(choices, topic_type)))
            .collect()
    }

    /// Mostly that of the topic that exists.
    fn specification(&self, choices: &mut impl Choices, path: &str) -> TopicSpecification {
        match self.model.topics.get(path) {
            Some(topic) if choices.below(10) > 0 => topic.specification.clone(),
            Some(_) | None => specification(pick(choices, &SPECIFICATIONS)),
        }
    }

    fn constraint(&self, choices: &mut impl Choices, path: &str) -> UpdateConstraint {
        let operand = self
            .model
            .topics
            .get(path)
            .and_then(|topic| topic.value.clone());
        match choices.below(12) {
            0 => UpdateConstraint::NoTopic,
            1 => UpdateConstraint::NoValue,
            2 | 3 => UpdateConstraint::Value(Comparison {
                operator: Operator::Is,
                operand_type: OperandType::Binary,
                operand: operand.unwrap_or_default(),
            }),
            _ => UpdateConstraint::Unconstrained,
        }
    }

    fn perform(&mut self, action: Action) {
        let outcome = self.model.apply(&action);
        match action.clone() {
            Action::Subscribe { client, .. }
            | Action::Unsubscribe { client, .. }
            | Action::UnsubscribeAll { client, .. } => {
                if let Some(peer) = self.peers.get_mut(&client) {
                    ask(peer, action);
                }
            }
            Action::Add {
                path,
                specification,
            } => {
                self.act::<AddTopic>(
                    AddTopicRequest {
                        path,
                        specification,
                    },
                    action,
                    outcome,
                );
            }
            Action::AddAndSet {
                path,
                specification,
                value,
                constraint,
            } => {
                let request = AddAndSetTopicRequest {
                    path,
                    specification,
                    value,
                    constraint,
                };
                self.act::<AddAndSetTopic>(request, action, outcome);
            }
            Action::Set {
                path,
                topic_type,
                value,
                constraint,
            } => {
                let request = SetTopicRequest {
                    path,
                    topic_type,
                    value,
                    constraint,
                };
                self.act::<SetTopic>(request, action, outcome);
            }
            Action::Remove { selector } => {
                self.act::<RemoveTopics>(RemoveTopicsRequest { selector }, action, outcome);
            }
        }
    }

    fn act<S: Service>(&mut self, request: S::Request, action: Action, outcome: Outcome) {
        self.actor.send::<S>(request);
        self.expected.push_back((action, outcome));
    }

    fn check(&mut self) {
        while let Some((action, expected)) = self.expected.pop_front() {
            let answer = self.actor.take_message();
            assert_eq!(outcome(&action, answer), expected, "{action:?}");
        }
        self.actor.expect_nothing();
        self.peers.retain(|key, peer| {
            let is_there = peer.client.closed().is_none();
            assert!(
                is_there || peer.was_slow,
                "a client that keeps up was closed"
            );
            if !is_there {
                self.model.disconnect(*key);
            }
            is_there
        });
        for (key, peer) in self
            .peers
            .iter_mut()
            .filter(|(_, peer)| !peer.is_slow && !peer.is_away)
        {
            check_messages(&mut peer.client);
            check_view(&self.model, *key, peer);
        }
    }
}

/// The server takes everybody back whose session it has not closed because of its queue.
fn come_back(peer: &mut Peer, alter: impl FnOnce(&mut Opening)) {
    let code = peer.client.resume_as(alter);
    let is_back = [
        ResponseCode::RECONNECTED,
        ResponseCode::RECONNECTED_WITH_MESSAGE_LOSS,
    ]
    .contains(&code);
    assert!(is_back, "a client is refused with {code:?}");
    peer.is_away = false;
    let asked = std::mem::take(&mut peer.asked_away);
    if code == ResponseCode::RECONNECTED_WITH_MESSAGE_LOSS {
        // The client was told that its requests are lost.
        asked.into_iter().for_each(|action| ask(peer, action));
    }
}

/// Sends a request that concerns nobody but the client.
fn ask(peer: &mut Peer, action: Action) {
    if peer.is_away {
        peer.asked_away.push(action.clone());
    }
    match action {
        Action::Subscribe {
            scope, selector, ..
        } => {
            let request = SelectionRequest { selector, scope };
            peer.client.send::<Subscribe>(request);
        }
        Action::Unsubscribe {
            scope, selector, ..
        } => {
            let request = SelectionRequest { selector, scope };
            peer.client.send::<Unsubscribe>(request);
        }
        Action::UnsubscribeAll { selector, .. } => {
            let request = UnsubscribeAllRequest { selector };
            peer.client.send::<UnsubscribeAll>(request);
        }
        Action::Add { .. }
        | Action::AddAndSet { .. }
        | Action::Set { .. }
        | Action::Remove { .. } => unreachable!("the actor does this"),
    }
}

/// Requests of subscribers are never refused.
fn check_messages(client: &mut Client) {
    while let Some(message) = client.take_message() {
        assert!(!matches!(message, Message::Error { .. }), "{message:?}");
    }
}

fn check_view(model: &Model, key: ClientKey, peer: &Peer) {
    let is_old = peer.client.version() == Version::OLD;
    let mut expected = model.view(key);
    if is_old {
        expected.retain(|_, topic| topic.specification.topic_type <= TopicType::JSON);
    }
    let replica = peer.client.replica();
    for topic in replica.topics().values() {
        let path = topic.path.as_str();
        let Some(model) = expected.remove(path) else {
            panic!("client {key} should not have `{path}`")
        };
        assert_eq!(
            topic.specification.topic_type, model.specification.topic_type,
            "`{path}` of client {key}"
        );
        if !is_old {
            assert_eq!(
                topic.specification, model.specification,
                "`{path}` of client {key}"
            );
        }
        let seen = topic.value.as_ref();
        assert!(
            model.may_be_seen_as(seen),
            "client {key} has {seen:?} of `{path}`, the model {model:?}"
        );
    }
    for (path, topic) in expected {
        let may_be_pressed = topic.specification == specification("string CONFLATION=unsubscribe");
        assert!(
            peer.was_slow && may_be_pressed,
            "client {key} should have `{path}`"
        );
    }
}

#[expect(
    clippy::unwrap_in_result,
    reason = "a malformed response is a failure of the test"
)]
fn outcome(action: &Action, answer: Option<Message>) -> Outcome {
    let version = Version::NEWEST;
    match answer {
        Some(Message::Error {
            reason: ErrorReason { code, .. },
            ..
        }) => Err(code),
        Some(Message::Response { body, .. }) => Ok(match action {
            Action::Add { .. } | Action::AddAndSet { .. } => {
                AddTopicResult::from_bytes(body, version).expect("it is a result") as i32
            }
            Action::Remove { .. } => {
                RemovedTopics::from_bytes(body, version)
                    .expect("it is a count")
                    .count
            }
            Action::Set { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. }
            | Action::UnsubscribeAll { .. } => 0,
        }),
        other => panic!("{other:?} arrived, expected the answer to {action:?}"),
    }
}

/// Values that are often the same, or share much with others.
fn value(choices: &mut impl Choices, topic_type: TopicType) -> Bytes {
    match topic_type {
        TopicType::INT64 => suffuse_test::int64([0, 1, 1_000_000][choices.below(3)]),
        TopicType::BINARY if choices.below(4) == 0 => Bytes::new(),
        _ if choices.below(10) == 0 => Bytes::from_static(&[0xf6]),
        _ => {
            let number = choices.below(6);
            let middle = "suffuse ".repeat(choices.below(5) * choices.below(20));
            suffuse_test::string(&format!("{number}{middle}{number}"))
        }
    }
}
