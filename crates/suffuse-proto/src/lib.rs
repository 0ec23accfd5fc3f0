//! The wire protocol of suffuse, for both ends.
//!
//! | module | what |
//! |---|---|
//! | [`codec`] | how records become bytes and back |
//! | [`version`], [`response`], [`errors`] | the tables of versions, response codes and error reasons |
//! | [`handshake`] | connection request and response |
//! | [`message`], [`polling`] | the envelope of messages, and their framing in HTTP bodies |
//! | [`service`], [`services`] | the table of all services, and their records by feature |
//! | [`path`], [`selector`], [`specification`], [`value`] | topics: paths, selectors, types and properties, values and deltas |
//! | [`session`], [`recovery`], [`filter`] | ids and tokens of sessions, the messages kept for reconnection, and which sessions are meant |
//!
//! The crate has no IO and no clock. Section numbers refer to `docs/protocol.md`.

pub mod codec;
pub mod errors;
pub mod filter;
pub mod handshake;
#[cfg(test)]
mod hex;
pub mod message;
pub mod path;
pub mod polling;
pub mod recovery;
pub mod response;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod selector;
pub mod service;
pub mod services;
pub mod session;
pub mod specification;
mod tokens;
pub mod topic_message;
pub mod value;
pub mod version;

pub use codec::{Codec, DecodeError};
pub use errors::ErrorReason;
pub use message::Message;
pub use path::Path;
pub use response::{ResponseClass, ResponseCode};
pub use selector::Selector;
pub use service::Service;
pub use session::{NodeId, SessionId, SessionToken};
pub use specification::{TopicSpecification, TopicType};
pub use tokens::SyntaxError;
pub use version::{Dialect, Version};
