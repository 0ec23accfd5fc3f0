//! The server from outside: over sockets of the loopback, with peers that write bytes.

mod cors;
mod handshake;
mod http;
mod limits;
mod peer;
mod polling;
mod server;
mod tls;
mod websocket;
