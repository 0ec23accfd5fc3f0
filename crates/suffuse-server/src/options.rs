//! What a server needs to start, already resolved: the configuration file is one way to get there.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use suffuse_broker::{Principal, PrincipalStore, Settings};

use crate::{
    cluster::Cluster,
    drain::DrainPlan,
    http::{ForwardedHeader, Networks, Origins},
    page::PageInfo,
};

/// Everything that a [`Server`](crate::Server) needs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The addresses to listen on; at least one.
    pub listen: Vec<Listen>,
    /// The settings of the broker. Its `server_id` is chosen at each start.
    pub broker: Settings,
    /// Who may connect.
    pub principals: PrincipalStore,
    /// The limits of connections.
    pub limits: Limits,
    /// Which web pages may connect.
    pub allowed_origins: Origins,
    /// The other servers of a group.
    pub cluster: Cluster,
    /// How the server is drained if the operator does not say how.
    pub drain: DrainPlan,
    /// The name of the cookie that carries the session id for load balancers; `None`: no cookie.
    pub cookie: Option<String>,
    /// What the built-in page says, which answers all requests that are not connections of clients;
    /// `None`: there is no page.
    pub page: Option<PageInfo>,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; with port 0 the system chooses one.
    pub address: SocketAddr,
    /// The name by which sessions tell where they came in.
    pub name: String,
    /// The certificate, for TLS.
    pub tls: Option<TlsFiles>,
    /// The proxies in front, which are believed when they tell whom they serve. All others are clients.
    pub trusted_proxies: Networks,
    /// Where these proxies tell it.
    pub forwarded_header: ForwardedHeader,
    /// Whether the trusted proxies begin each connection with a PROXY header, version 1 or 2.
    pub proxy_protocol: bool,
    /// Whether `/metrics` is answered here, to everybody who can connect.
    pub metrics: bool,
    /// Whether `/admin/drain` is answered here, to principals that may control the server.
    pub admin: bool,
}

impl Listen {
    /// Returns a plain listener that trusts no proxies and keeps its metrics to itself.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            name: "default".to_owned(),
            tls: None,
            trusted_proxies: Networks::default(),
            forwarded_header: ForwardedHeader::default(),
            proxy_protocol: false,
            metrics: false,
            admin: false,
        }
    }
}

/// Where the certificate of a listener is, in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those between it and a root.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The limits of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many TCP connections there may be. More are answered with 503.
    pub connections_max: usize,
    /// How long a new connection may take for TLS, for its first request, and for the answer of the broker.
    pub handshake_timeout: Duration,
    /// How long a connection may be silent between two requests, and how long the head of one may take.
    pub keep_alive: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// The longest request target, in bytes. It carries the credentials of WebSocket clients.
    pub target_bytes_max: usize,
    /// How many bytes the headers of a request may have together.
    pub header_bytes_max: usize,
    /// How long a poll is held when there is nothing to tell.
    pub poll_hold: Duration,
    /// How long a client may be without a poll before its link is lost.
    pub poll_grace: Duration,
    /// How long the server waits for its connections to end when it stops.
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            handshake_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            target_bytes_max: 16 * 1024,
            header_bytes_max: 32 * 1024,
            poll_hold: Duration::from_secs(25),
            poll_grace: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// The hash of the password `password`, with parameters that make it cheap to check and easy to guess.
pub(crate) const DEVELOPMENT_PASSWORD_HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c3VmZnVzZS1kZXYtc2FsdA$80DF1mB//qviaoU0AQymsBA5e5TdzuGqWQm6ll2SFiw";

impl Options {
    /// Returns options for development: one listener, in-memory defaults, well-known principals.
    ///
    /// The principals `admin`, `control`, `operator` and `client` have the password `password`, and
    /// anonymous sessions the role `CLIENT`. The caller sees to it that nobody else can reach the address.
    #[must_use]
    pub fn dev(listen: SocketAddr) -> Self {
        let roles = |roles: &[&str]| {
            roles
                .iter()
                .map(|role| (*role).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let principal = |(name, names): (&str, &[&str])| {
            let password_hash = DEVELOPMENT_PASSWORD_HASH.to_owned();
            (
                name.to_owned(),
                Principal {
                    password_hash,
                    roles: roles(names),
                },
            )
        };
        let principals = [
            ("admin", &["ADMINISTRATOR"][..]),
            (
                "control",
                &["CLIENT_CONTROL", "TOPIC_CONTROL", "AUTHENTICATION_HANDLER"],
            ),
            ("operator", &["OPERATOR"]),
            ("client", &["CLIENT"]),
        ];
        Self {
            listen: vec![Listen {
                metrics: true,
                admin: true,
                ..Listen::new(listen)
            }],
            broker: Settings::default(),
            principals: PrincipalStore {
                principals: principals
                    .map(principal)
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
                anonymous: Some(roles(&["CLIENT"])),
                ..PrincipalStore::default()
            },
            limits: Limits::default(),
            allowed_origins: Origins::Any,
            cluster: Cluster::default(),
            drain: DrainPlan::default(),
            cookie: Some("session".to_owned()),
            page: None,
        }
    }
}
