//! The suffuse client for applications.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use serde::{Deserialize, Serialize};
//! use suffuse_client::{Session, TopicSpecification, TopicType, Transport, topic::Json};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Price {
//!     bid: f64,
//! }
//!
//! let session = Session::builder()
//!     .server_host("localhost")
//!     .server_port(8080)
//!     .secure_transport(false)
//!     .transports([Transport::WebSocket, Transport::HttpPolling]) // in this order, in one pass
//!     .request_path("/path/diffusion")
//!     .principal("admin")
//!     .credentials("password")
//!     .on_event(|event| println!("{event:?}")) // the cascade made visible
//!     .open()
//!     .await?;
//!
//! let mut prices = session.topics().stream::<Json<Price>>("?prices/").await?;
//! let json = TopicSpecification::new(TopicType::JSON);
//! session.topics().add_and_set("prices/VOD", json, &Json(Price { bid: 101.25 })).await?;
//!
//! while let Some(update) = prices.next().await {
//!     println!("{} is {:?}", update.path, update.value?);
//! }
//! println!("{}", session.closed().await);
//! # Ok(())
//! # }
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`builder`](Builder) | where to connect, and how |
//! | [`Session`] | a session, its topics and its properties |
//! | [`streams`] | streams of values, and what happens to a slow reader |
//! | [`topic`] | the types of values |
//! | [`ConnectError`], [`Attempt`] | why there is no session, attempt by attempt |
//!
//! # Connecting
//! The transports of the list are tried in order. A transport error, or a rejection with one of the
//! codes 113, 117 and 127, leads to the next one; any other rejection ends the search, because it would
//! be the same on every transport. Host, port, path and security are the same for all.
//!
//! | what is in the way | what to set |
//! |---|---|
//! | a proxy or firewall that breaks WebSocket | [`Builder::transports`] with both transports |
//! | a server that is being started | [`Builder::retry`]: the whole list again, after a pause |
//! | a forward proxy | [`Builder::proxy`]: [`Proxy::url`] or [`Proxy::from_env`] |
//! | a certificate by an issuer of one's own | [`Builder::trusted_roots_pem`] |
//! | a server that wants to know the client by TLS | [`Builder::client_certificate`] |
//!
//! Whatever fails is told attempt by attempt, with the next thing to try: [`ConnectError`].
//!
//! # Losing the connection
//! A lost connection is made anew, by default for up to a minute with growing, random pauses; each
//! attempt runs through the whole list of transports again. The server keeps the session meanwhile.
//! Usually nothing is lost: requests that were under way are answered, requests that are made
//! meanwhile wait, and streams go on. When the server could not keep everything, requests that were
//! under way fail with [`RequestError::LostInReconnection`], and each topic begins anew with its
//! current value, whose [`streams::Update::lost`] is set.
//!
//! [`Builder::reconnect`] says for how long and how, [`Builder::on_event`] and [`Session::states`] tell
//! what happens, and [`Session::closed`] says why a session is over in the end.

mod attempt;
mod builder;
mod endpoint;
mod error;
mod features;
mod io;
mod machine;
#[cfg(not(target_arch = "wasm32"))]
mod proxy;
#[cfg(not(target_arch = "wasm32"))]
pub mod probe {
    //! Single exchanges with a server and with what is on the way to it, for tools that look for what
    //! is wrong there. Applications open a [`Session`](crate::Session).

    pub use crate::io::native::probe::{Answer, Ask, Handshake, Probe, Upgraded, WebSocket};
}
mod reconnect;
mod retry;
mod session;
pub mod streams;
mod text;
pub mod topic;
mod transport;

pub use attempt::{Attempt, AttemptOutcome, Failure, Stage, TlsProblem};
pub use builder::{Builder, ConnectEvent};
pub use error::{CloseReason, ConnectError, RequestError};
pub use features::{
    AddResult,
    session_properties::Properties,
    topics::{Fetch, FetchResult, FetchedTopic, Topics},
    update_stream::UpdateStream,
};
pub use machine::topics::UnsubscriptionReason;
#[cfg(not(target_arch = "wasm32"))]
pub use proxy::Proxy;
pub use reconnect::{Backoff, FixedInterval, NextAttempt, Reconnect, ReconnectStrategy};
pub use retry::Retry;
pub use session::{Session, SessionState};
pub use suffuse_proto::{
    DecodeError, ErrorReason, Path, ResponseClass, ResponseCode, SessionId, TopicSpecification,
    TopicType,
    services::{
        topic_update::{Comparison, OperandType, Operator, UpdateConstraint},
        topics::SizeInfo,
    },
    specification::keys,
};
pub use transport::{Transport, TransportNameError, Transports};

/// The examples of the page on cascading are built.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/cascading.md")]
struct Cascading;

/// The largest message that the client takes, in bytes, also after it was inflated.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 20;
