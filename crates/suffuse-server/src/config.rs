//! The configuration of a server: one struct per section, read from TOML and from `--set` arguments.
//!
//! Every setting is declared once, in the tables of `keys`: its name, its place in [`Config`], its limits
//! and what it means. Reading, checking, the commented default file and the printed effective
//! configuration all come from there. Unknown keys and unfit values are refused with their place.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use suffuse_proto::NodeId;

mod diagnostic;
mod keys;
mod layers;
mod security;
mod setting;
mod template;

pub use diagnostic::{Diagnostic, Place};
pub use layers::{ConfigError, Loaded, Origin};
pub use security::{SecurityFile, SecurityFileError, StoredPrincipal};
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
}

/// `[[listen]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where to listen.
    pub address: SocketAddr,
    /// The name that sessions show as their connector.
    pub name: String,
    /// `[listen.tls]`: certificate and key; both or none.
    pub tls: Tls,
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
    /// The largest message from a client.
    pub message_max: ByteSize,
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
    /// How many selections a session may have.
    pub selections_max: usize,
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
        let broker = suffuse_broker::Settings::default();
        Self {
            node: Node { id: broker.node, name: broker.server_name, data_dir: "suffuse-data".into() },
            listen: vec![Listen::default()],
            transport: Transport {
                ping_interval: broker.ping_interval,
                message_max: ByteSize(broker.message_bytes_max),
            },
            session: Session {
                count_max: broker.sessions_max,
                reconnect_timeout_max: broker.reconnect_timeout_max,
                queue_messages_max: broker.queue_messages_max,
                queue_bytes_max: ByteSize(broker.queue_bytes_max),
                recovery_messages_max: broker.recovery_messages_max,
                recovery_bytes_max: ByteSize(broker.recovery_bytes_max),
                selections_max: broker.selections_max,
            },
            topic: Topic { count_max: broker.topics_max },
            security: Security::default(),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        let address = SocketAddr::from(([0, 0, 0, 0], 8080));
        Self { address, name: "clients".to_owned(), tls: Tls::default() }
    }
}

#[cfg(test)]
mod tests;
