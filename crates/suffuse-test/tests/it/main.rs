//! Conversations of scripted clients with a simulated server.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a message that is not the expected one is shown as it is"
)]

mod adding;
mod authentication;
mod bursts;
mod constraints;
mod faults;
mod fetching;
mod generator;
mod lifecycle;
mod memory;
mod model;
mod model_test;
mod old_dialect;
mod patching;
mod permissions;
mod publishing;
mod reconnecting;
mod removal;
mod session_properties;
mod slow_readers;
mod subscribing;
mod tidy;
mod time_series;
mod unsupported;
mod update_streams;
mod updating;
