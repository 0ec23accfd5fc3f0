//! The server from outside: over sockets of the loopback, with peers that write bytes.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod balancers;
mod cors;
mod drain;
mod forwarding;
mod garbage;
mod handshake;
mod http;
mod limits;
mod peer;
mod polling;
mod reconnecting;
mod server;
mod slow_reader;
mod tls;
mod websocket;
