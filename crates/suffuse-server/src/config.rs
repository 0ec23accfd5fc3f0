//! The configuration of a server: one struct per section, read from TOML and from `--set` arguments.
//!
//! Every setting is declared once, in the tables of `keys`: its name, its place in [`Config`], its limits
//! and what it means. Reading, checking, the commented default file and the printed effective
//! configuration all come from there. Unknown keys and unfit values are refused with their place.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use suffuse_broker::{PrincipalStore, ReconnectPolicy, Settings};
use suffuse_proto::NodeId;

use crate::{Cluster, DrainPlan, ForwardedHeader, Limits, Networks, Options, Origins, TlsFiles};

mod diagnostic;
mod keys;
mod layers;
mod security;
mod setting;
mod template;

pub use diagnostic::{Diagnostic, Place};
pub use layers::{ConfigError, Loaded, Origin};
pub use security::{Opened, SecurityFile, SecurityFileError, StoredPrincipal};
pub use setting::ByteSize;
pub use template::{commented_default, effective};

/// All settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[node]`: this server among others.
    pub node: Node,
    /// `[[listen]]`: where clients connect.
    pub listen: Vec<Listen>,
    /// `[transport]`: connections.
    pub transport: Transport,
    /// `[session]`: sessions and what is kept for them.
    pub session: Session,
    /// `[cluster]`: the other servers of a group.
    pub cluster: Cluster,
    /// `[drain]`: how the server is emptied.
    pub drain: Drain,
    /// `[topic]`: topics.
    pub topic: Topic,
    /// `[security]`: who may connect.
    pub security: Security,
}

/// `[node]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The start of every session token.
    pub id: NodeId,
    /// The name of the server.
    pub name: String,
    /// The folder of the security store.
    pub data_dir: PathBuf,
    /// How long a stop waits for connections to end.
    pub stop_timeout: Duration,
}

/// `[[listen]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where to listen.
    pub address: SocketAddr,
    /// The name that sessions show as their connector.
    pub name: String,
    /// Whether `/metrics` is answered here.
    pub metrics: bool,
    /// Whether `/admin/drain` is answered here.
    pub admin: bool,
    /// The proxies that are believed when they tell whom they serve.
    pub trusted_proxies: Networks,
    /// Where they tell it.
    pub forwarded_header: ForwardedHeader,
    /// Whether they begin connections with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// `[listen.tls]`: certificate and key; both or none.
    pub tls: Tls,
}

/// `listen.proxy_protocol`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// No header.
    #[default]
    Off,
    /// A header of version 1 or 2 from trusted proxies, and none from others.
    V1V2,
}

/// `[listen.tls]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, a PEM file.
    pub cert: Option<PathBuf>,
    /// The private key, a PEM file.
    pub key: Option<PathBuf>,
}

/// `[transport]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// How often connections are pinged.
    pub ping_interval: Duration,
    /// How long a poll waits for something to tell.
    pub poll_hold: Duration,
    /// How long a client may be without a poll.
    pub poll_grace: Duration,
    /// The largest message from a client.
    pub message_max: ByteSize,
    /// How many connections there may be.
    pub connections_max: usize,
    /// How long a new connection may take until it is a session.
    pub handshake_timeout: Duration,
    /// How long a connection may be silent between two requests.
    pub keep_alive: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
}

/// `[session]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// How many sessions there may be.
    pub count_max: usize,
    /// How long a lost session is kept at most.
    pub reconnect_timeout_max: Duration,
    /// How many messages may wait for a session.
    pub queue_messages_max: usize,
    /// How many bytes may wait for a session.
    pub queue_bytes_max: ByteSize,
    /// How many sent messages are kept for a reconnection.
    pub recovery_messages_max: usize,
    /// How many bytes of sent messages are kept for a reconnection.
    pub recovery_bytes_max: ByteSize,
    /// When a session that reconnects goes on without loss.
    pub reconnect_policy: ReconnectPolicy,
    /// How many selections a session may have.
    pub selections_max: usize,
    /// How many update streams a session may have.
    pub update_streams_max: usize,
    /// The name of the cookie with the session id; empty: none.
    pub cookie: String,
}

/// `[drain]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Whether SIGTERM drains before it stops.
    pub on_stop: bool,
    /// How long load balancers have to notice.
    pub wait: Duration,
    /// How many sessions are moved in a second.
    pub rate: usize,
}

impl Drain {
    /// Returns the plan of these settings.
    #[must_use]
    pub fn plan(&self) -> DrainPlan {
        DrainPlan {
            wait: self.wait,
            rate: self.rate,
        }
    }
}

/// `[topic]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// How many topics there may be.
    pub count_max: usize,
}

/// `[security]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// The origins of pages that may connect; empty: all.
    pub allowed_origins: Vec<String>,
    /// The session properties that clients may propose.
    pub trusted_properties: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let broker = Settings::default();
        let limits = Limits::default();
        Self {
            node: Node {
                id: broker.node,
                name: broker.server_name,
                data_dir: "suffuse-data".into(),
                stop_timeout: limits.stop_timeout,
            },
            listen: vec![Listen::default()],
            transport: Transport {
                ping_interval: broker.ping_interval,
                poll_hold: limits.poll_hold,
                poll_grace: limits.poll_grace,
                message_max: ByteSize(broker.message_bytes_max),
                connections_max: limits.connections_max,
                handshake_timeout: limits.handshake_timeout,
                keep_alive: limits.keep_alive,
                body_timeout: limits.body_timeout,
            },
            session: Session {
                count_max: broker.sessions_max,
                reconnect_timeout_max: broker.reconnect_timeout_max,
                queue_messages_max: broker.queue_messages_max,
                queue_bytes_max: ByteSize(broker.queue_bytes_max),
                recovery_messages_max: broker.recovery_messages_max,
                recovery_bytes_max: ByteSize(broker.recovery_bytes_max),
                reconnect_policy: broker.reconnect_policy,
                selections_max: broker.selections_max,
                update_streams_max: broker.update_streams_max,
                cookie: "session".to_owned(),
            },
            cluster: Cluster {
                forward: true,
                forwards_max: 10_000,
                ..Cluster::default()
            },
            drain: Drain {
                on_stop: false,
                wait: DrainPlan::default().wait,
                rate: DrainPlan::default().rate,
            },
            topic: Topic {
                count_max: broker.topics_max,
            },
            security: Security::default(),
        }
    }
}

impl Config {
    /// Returns the options of a server that has these settings. It has no page yet.
    #[must_use]
    pub fn to_options(&self, principals: PrincipalStore) -> Options {
        Options {
            listen: self.listen.iter().map(Listen::to_options).collect(),
            broker: self.broker_settings(),
            principals,
            limits: self.limits(),
            allowed_origins: match self.security.allowed_origins.as_slice() {
                [] => Origins::Any,
                origins => Origins::List(origins.iter().cloned().collect()),
            },
            cluster: self.cluster.clone(),
            drain: self.drain.plan(),
            cookie: Some(self.session.cookie.clone()).filter(|name| !name.is_empty()),
            page: None,
        }
    }

    fn broker_settings(&self) -> Settings {
        Settings {
            node: self.node.id,
            server_name: self.node.name.clone(),
            ping_interval: self.transport.ping_interval,
            reconnect_timeout_max: self.session.reconnect_timeout_max,
            message_bytes_max: self.transport.message_max.0,
            sessions_max: self.session.count_max,
            topics_max: self.topic.count_max,
            selections_max: self.session.selections_max,
            update_streams_max: self.session.update_streams_max,
            queue_messages_max: self.session.queue_messages_max,
            queue_bytes_max: self.session.queue_bytes_max.0,
            recovery_messages_max: self.session.recovery_messages_max,
            recovery_bytes_max: self.session.recovery_bytes_max.0,
            reconnect_policy: self.session.reconnect_policy,
            ..Settings::default()
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            connections_max: self.transport.connections_max,
            handshake_timeout: self.transport.handshake_timeout,
            keep_alive: self.transport.keep_alive,
            body_timeout: self.transport.body_timeout,
            poll_hold: self.transport.poll_hold,
            poll_grace: self.transport.poll_grace,
            stop_timeout: self.node.stop_timeout,
            ..Limits::default()
        }
    }
}

impl Listen {
    fn to_options(&self) -> crate::Listen {
        let files = self.tls.cert.clone().zip(self.tls.key.clone());
        let tls = files.map(|(certificates, key)| TlsFiles { certificates, key });
        crate::Listen {
            address: self.address,
            name: self.name.clone(),
            tls,
            trusted_proxies: self.trusted_proxies.clone(),
            forwarded_header: self.forwarded_header,
            proxy_protocol: self.proxy_protocol == ProxyProtocol::V1V2,
            metrics: self.metrics,
            admin: self.admin,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        let address = SocketAddr::from(([0, 0, 0, 0], 8080));
        Self {
            address,
            name: "clients".to_owned(),
            metrics: false,
            admin: false,
            trusted_proxies: Networks::default(),
            forwarded_header: ForwardedHeader::default(),
            proxy_protocol: ProxyProtocol::default(),
            tls: Tls::default(),
        }
    }
}

#[cfg(test)]
mod tests;
