//! The client against scripted peers and against a server in the same process.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod attempts;
mod bad_proxy;
mod cascade;
mod cutter;
mod logs;
mod peer;
mod polling;
mod proxies;
mod reconnect;
mod resume;
mod retries;
mod server;
mod sessions;
mod tls;
mod tls_failures;
mod websocket;
