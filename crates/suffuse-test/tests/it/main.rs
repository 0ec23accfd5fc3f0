//! Conversations of scripted clients with a simulated server.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a message that is not the expected one is shown as it is"
)]

mod adding;
mod authentication;
mod constraints;
mod faults;
mod fetching;
mod lifecycle;
mod permissions;
mod publishing;
mod session_properties;
mod slow_readers;
mod subscribing;
mod unsupported;
mod updating;
