//! The client against scripted peers and against a server in the same process.

mod attempts;
mod peer;
mod polling;
mod tls;
mod websocket;
