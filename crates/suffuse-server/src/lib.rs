//! A suffuse server: sockets, files and clock around the [`Broker`](suffuse_broker::Broker).
//!
//! A server runs in any program that has a tokio runtime, also in a test:
//!
//! ```
//! use suffuse_server::{Options, Server};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), suffuse_server::StartError> {
//! let server = Server::start(Options::dev(([127, 0, 0, 1], 0).into())).await?;
//! assert_ne!(server.addresses()[0].port(), 0);
//! assert_eq!(server.inspect(|broker| broker.stats().sessions).await, 0);
//! server.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! One thread owns the broker; connections are tasks. They meet in two places: the inbox, into which all
//! links put what arrives, and the ports, one for each link, into which the broker puts what is to be sent.
//!
//! ```text
//!  listener ─► http ─► link ─► inbox ─► broker thread ─► port ─► link ─► socket
//! ```

pub mod config;
pub mod page;

mod broker_thread;
mod cluster;
mod drain;
mod http;
mod inbox;
mod link;
mod listener;
mod metrics;
mod options;
mod password;
mod port;
mod server;
mod shared;
mod stream;

pub use crate::{
    cluster::{Cluster, Peers},
    drain::{DrainError, DrainPhase, DrainPlan, DrainProgress},
    http::{ForwardedHeader, Networks, NetworksError, Origins},
    options::{Limits, Listen, Options, TlsFiles},
    server::{Server, StartError},
};
