//! The handshakes of simulated clients.

use std::{cell::RefCell, net::Ipv4Addr, rc::Rc, time::Duration};

use suffuse_broker::{Opening, Transport};
use suffuse_proto::{
    ResponseCode, SessionToken, Version,
    handshake::{Capabilities, ConnectionRequest, Credentials, Reconnect},
};

use super::{PASSWORD, World};
use crate::Client;

/// A handshake that can still be altered.
#[derive(Debug)]
pub struct Connecting {
    world: Rc<RefCell<World>>,
    request: ConnectionRequest,
    transport: Transport,
    is_hidden: bool,
}

impl Connecting {
    pub(super) fn new(world: Rc<RefCell<World>>) -> Self {
        let request = ConnectionRequest {
            version: Version::NEWEST,
            client_type: "WB".to_owned(),
            capabilities: Capabilities(Capabilities::UNIFIED.0 | Capabilities::ZLIB.0),
            reconnect_timeout: Duration::from_secs(60),
            reconnect: None,
            proposed_properties: Default::default(),
            principal: String::new(),
            credentials: Credentials::None,
        };
        Self {
            world,
            request,
            transport: Transport::WebSocket,
            is_hidden: false,
        }
    }

    /// Uses another protocol version.
    ///
    /// # Panics
    /// When we do not speak it.
    #[must_use]
    pub fn version(mut self, number: u8) -> Self {
        self.request.version = Version::new(number).expect("it is a version that we speak");
        self
    }

    /// Takes no compressed data.
    #[must_use]
    pub fn without_zlib(mut self) -> Self {
        self.request.capabilities = Capabilities::UNIFIED;
        self
    }

    /// Connects as a principal, with the right password.
    #[must_use]
    pub fn principal(mut self, principal: &str) -> Self {
        self.request.principal = principal.to_owned();
        self.credentials(Credentials::Password(PASSWORD.to_owned()))
    }

    /// Uses other credentials.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.request.credentials = credentials;
        self
    }

    /// Comes from another type of client.
    #[must_use]
    pub fn client_type(mut self, client_type: &str) -> Self {
        self.request.client_type = client_type.to_owned();
        self
    }

    /// Uses another transport.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Says for how long the session is kept without a connection.
    #[must_use]
    pub fn reconnect_timeout(mut self, timeout: Duration) -> Self {
        self.request.reconnect_timeout = timeout;
        self
    }

    /// Proposes a session property.
    #[must_use]
    pub fn proposing(mut self, key: &str, value: &str) -> Self {
        self.request
            .proposed_properties
            .insert(key.to_owned(), value.to_owned());
        self
    }

    /// Asks for a session that was lost, by its token.
    #[must_use]
    pub fn resuming(mut self, token: Option<SessionToken>) -> Self {
        self.request.reconnect = Some(Reconnect {
            token,
            client_sequence: 1,
            server_sequence: 0,
        });
        self
    }

    /// Ends the session when its handle goes.
    pub(super) fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// Sends the handshake. It may not be answered yet.
    #[must_use]
    pub fn start(self) -> Client {
        let Self {
            world,
            request,
            transport,
            is_hidden,
        } = self;
        let wall_clock = world.borrow().wall_clock();
        let opening = Opening {
            transport,
            request,
            address: Ipv4Addr::LOCALHOST.into(),
            connector: "test".to_owned(),
            wall_clock,
        };
        let link = world.borrow_mut().open(opening.clone(), None);
        Client::new(world, link, opening, is_hidden)
    }

    /// Connects.
    ///
    /// # Panics
    /// When the server refuses.
    #[must_use]
    #[track_caller]
    pub fn connect(self) -> Client {
        let client = self.start();
        client.expect_accepted();
        client
    }

    /// Tries to connect, and returns why the server refuses.
    ///
    /// # Panics
    /// When it accepts.
    #[track_caller]
    pub fn refused(self) -> ResponseCode {
        self.start().expect_refused()
    }
}
