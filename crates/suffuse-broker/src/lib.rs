//! The logic of a suffuse server: one machine that owns all sessions and all topics, without sockets, clock
//! or threads of its own.
//!
//! A driver tells the [`Broker`] what happens, in batches, and then takes what comes out:
//!
//! ```
//! use std::{net::Ipv4Addr, time::{Duration, Instant}};
//! use bytes::Bytes;
//! use suffuse_broker::{Broker, Effect, Event, LinkId, Opening, PrincipalStore, Settings, Transport};
//! use suffuse_proto::handshake::{ConnectionRequest, Parameters};
//!
//! let everybody = PrincipalStore { anonymous: Some(["CLIENT".to_owned()].into()), ..Default::default() };
//! let mut broker = Broker::new(Settings::default(), everybody, Box::new(|bytes| bytes.fill(7)));
//! let (link, now) = (LinkId(1), Instant::now());
//!
//! // A handshake goes in, and its response comes out.
//! let opening = Box::new(Opening {
//!     transport: Transport::WebSocket,
//!     request: ConnectionRequest::parse(&Parameters::from_query("v=29&ty=WB"))?,
//!     address: Ipv4Addr::LOCALHOST.into(),
//!     connector: "main".to_owned(),
//!     wall_clock: Duration::from_secs(1_800_000_000),
//! });
//! broker.handle(Event::Open { link, opening }, now);
//! assert!(matches!(broker.poll_effect(), Some(Effect::Accept { .. })));
//!
//! // A message goes in (a ping of service 56), and its answer waits in the outbox.
//! broker.handle(Event::Message { link, bytes: Bytes::from_static(&[0, 56, 1]) }, now);
//! let mut port = Vec::new();
//! broker.flush(|_link, outbox| outbox.take(&mut port, 64 << 10));
//! assert_eq!(port[0].message(), [6, 1]);
//! # Ok::<(), suffuse_proto::handshake::HandshakeError>(())
//! ```

mod broker;
mod call;
mod event;
mod fanout;
mod frame;
mod handlers;
mod handshakes;
mod outbox;
mod removal;
pub mod routes;
mod security;
mod session;
mod sessions;
mod settings;
mod state;
mod subscription;
mod timers;
mod topic;
mod update;
mod update_stream;

pub use broker::{Broker, Outbox, PublicTopic, Random, Stats};
pub use event::{
    Change, Closing, Effect, Event, Fault, LinkId, Opening, Secret, Ticket, Transport,
};
pub use frame::Frame;
pub use security::{GlobalPermission, PathPermission, Principal, PrincipalStore};
pub use session::CloseReason;
pub use settings::{ReconnectPolicy, Settings};
pub use update_stream::StreamInstance;
