//! The binary, as users run it.

mod client;
mod connect;
mod dev;
mod serve;
mod support;
