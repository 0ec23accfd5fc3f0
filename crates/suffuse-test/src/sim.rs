//! The simulated server.

use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use suffuse_broker::{Principal, PrincipalStore, Settings, Stats};
use suffuse_proto::{
    TopicSpecification,
    service::{AddAndSetTopic, AddTopic, FetchQuery, SetTopic},
    services::{
        topic_control::AddTopicRequest,
        topic_update::{AddAndSetTopicRequest, SetTopicRequest, UpdateConstraint},
    },
};

use crate::{Client, requests};

mod connecting;
mod link;
mod world;

pub use connecting::Connecting;
pub(crate) use link::{Arrival, Outcome, Reading};
pub(crate) use world::World;

/// The password of all principals of [`principals`].
pub const PASSWORD: &str = "password";

/// Returns the principals `admin`, `control`, `operator` and `client` with the roles that the manual
/// gives them. Anonymous sessions are clients, and may propose the session property `department`.
#[must_use]
pub fn principals() -> PrincipalStore {
    let principal = |roles: &[&str]| Principal {
        password_hash: world::hash_of(PASSWORD),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let principals = [
        ("admin", principal(&["ADMINISTRATOR"])),
        (
            "control",
            principal(&["CLIENT_CONTROL", "TOPIC_CONTROL", "AUTHENTICATION_HANDLER"]),
        ),
        ("operator", principal(&["OPERATOR"])),
        ("client", principal(&["CLIENT"])),
    ];
    PrincipalStore {
        principals: principals
            .into_iter()
            .map(|(name, principal)| (name.to_owned(), principal))
            .collect(),
        anonymous: Some(["CLIENT".to_owned()].into()),
        trusted_properties: ["department".to_owned()].into(),
    }
}

/// A broker with a driver that has no sockets, and no time but that of the test.
#[derive(Clone, Debug)]
pub struct Sim {
    world: Rc<RefCell<World>>,
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl Sim {
    /// Returns a server with default settings and [`principals`].
    #[must_use]
    pub fn new() -> Self {
        Self::with(Settings::default(), principals())
    }

    /// Returns a server with [`principals`] and settings that `alter` alters.
    #[must_use]
    pub fn with_settings(alter: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        alter(&mut settings);
        Self::with(settings, principals())
    }

    /// Returns a server with its settings and principals.
    #[must_use]
    pub fn with(settings: Settings, principals: PrincipalStore) -> Self {
        Self {
            world: Rc::new(RefCell::new(World::new(settings, principals))),
        }
    }

    /// Adds a topic with a value, as the administrator.
    #[must_use]
    #[track_caller]
    pub fn with_topic(self, path: &str, specification: TopicSpecification, value: Bytes) -> Self {
        let constraint = UpdateConstraint::Unconstrained;
        let path = path.to_owned();
        let request = AddAndSetTopicRequest {
            path,
            specification,
            value,
            constraint,
        };
        self.admin().ask::<AddAndSetTopic>(request);
        self
    }

    /// Adds a topic without a value, as the administrator.
    #[track_caller]
    pub fn add(&self, path: &str, specification: TopicSpecification) {
        self.admin().ask::<AddTopic>(AddTopicRequest {
            path: path.to_owned(),
            specification,
        });
    }

    /// Sets the value of a topic, as the administrator.
    #[track_caller]
    pub fn set(&self, path: &str, value: Bytes) {
        let mut admin = self.admin();
        let found = admin.ask::<FetchQuery>(requests::fetch(path));
        let [topic] = &found.topics[..] else {
            panic!("there is no topic `{path}`")
        };
        let (path, topic_type) = (path.to_owned(), topic.topic_type);
        let constraint = UpdateConstraint::Unconstrained;
        admin.ask::<SetTopic>(SetTopicRequest {
            path,
            topic_type,
            value,
            constraint,
        });
    }

    /// Returns the values of all topics by path, as the administrator sees them.
    #[must_use]
    #[track_caller]
    pub fn values(&self) -> BTreeMap<String, Option<Bytes>> {
        let found = self.admin().ask::<FetchQuery>(requests::fetch("?.*//"));
        found
            .topics
            .into_iter()
            .map(|topic| (topic.path, topic.value))
            .collect()
    }

    /// Returns the value of a topic.
    #[must_use]
    #[track_caller]
    pub fn value(&self, path: &str) -> Option<Bytes> {
        self.values().remove(path).flatten()
    }

    /// Connects an anonymous client of version 29 that takes compressed data.
    #[must_use]
    #[track_caller]
    pub fn connect(&self) -> Client {
        self.connecting().connect()
    }

    /// Connects one of the [`principals`].
    #[must_use]
    #[track_caller]
    pub fn connect_as(&self, principal: &str) -> Client {
        self.connecting().principal(principal).connect()
    }

    /// Returns the handshake of an anonymous client of version 29 that takes compressed data, to alter.
    #[must_use]
    pub fn connecting(&self) -> Connecting {
        Connecting::new(self.world.clone())
    }

    /// Handles all events of `act` before any frame is handed over, as a driver does with a batch. Nobody can
    /// connect in it: handshakes are answered after it.
    pub fn batch<T>(&self, act: impl FnOnce() -> T) -> T {
        self.world().is_batching = true;
        let result = act();
        self.world().is_batching = false;
        self.world().run();
        result
    }

    /// Lets time pass, and everything that is due happen when it is due.
    pub fn advance(&self, time: Duration) {
        self.world().advance(time);
    }

    /// From now on passwords are checked, but the broker does not hear of it.
    pub fn hold_passwords(&self) {
        self.world().passwords.are_held = true;
    }

    /// Tells the broker the outcome of all checks that were held.
    pub fn release_passwords(&self) {
        self.world().release_passwords();
    }

    /// Returns the hashes that passwords were checked against, in order.
    #[must_use]
    pub fn checked_hashes(&self) -> Vec<String> {
        self.world().passwords.checked.clone()
    }

    /// Stops the server.
    pub fn shut_down(&self) {
        let mut world = self.world();
        world.broker.shut_down();
        world.run();
    }

    /// Returns how many sessions and topics there are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.world().broker.stats()
    }

    /// A session of the administrator that lives for one request.
    #[track_caller]
    fn admin(&self) -> Client {
        self.connecting().principal("admin").hidden().connect()
    }

    fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }
}
