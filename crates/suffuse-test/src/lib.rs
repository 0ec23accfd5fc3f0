//! A simulated server for tests: a broker, scripted clients, and a clock that only the test moves.
//!
//! ```
//! use suffuse_proto::{ErrorReason, services::topics::SelectionRequest, service::Subscribe};
//! use suffuse_test::{Sim, json, specification};
//!
//! let sim = Sim::new().with_topic("a", specification("json"), json("1"));
//! let mut bob = sim.connect();
//!
//! bob.send::<Subscribe>(SelectionRequest { selector: ">a".into(), scope: "".into() });
//!
//! bob.expect_notice("a");
//! bob.expect_value("a", json("1"));
//! bob.expect::<Subscribe>();
//! bob.expect_nothing();
//! ```
//!
//! Whatever a test looks at, everything that a [`Client`] gets also goes through a [`Replica`], which
//! panics where a published client would go wrong: data of an unknown topic, a second announcement, a
//! delta that cannot be applied or says nothing, compression that the client did not offer.

mod client;
mod connection;
mod replica;
mod requests;
mod sim;

pub use client::Client;
pub use connection::Connection;
pub use replica::{Replica, Subscription};
pub use requests::{
    add, add_and_set, binary, create_stream, double, fetch, int64, json, patch, record, remove,
    select, select_in, set, set_if, specification, stream_add, stream_delta, stream_set, string,
};
pub use sim::{Connecting, PASSWORD, Sim, principals};
