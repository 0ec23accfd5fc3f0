//! What can go wrong in an attempt to connect, and what to do about it.

use std::{fmt, time::Duration};

use suffuse_proto::ResponseCode;

use super::tls::TlsProblem;
use crate::{text::seconds, transport::Transport};

/// How far an attempt got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The addresses of the host are looked up.
    #[default]
    Lookup,
    /// A TCP connection is made.
    Tcp,
    /// The proxy was asked for a tunnel, and its answer is awaited.
    Proxy,
    /// TLS is negotiated.
    Tls,
    /// The HTTP request was sent, and its answer is awaited.
    Http,
    /// The WebSocket is open, and the connection response is awaited.
    Response,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup => "looking up the host",
            Self::Tcp => "connecting",
            Self::Proxy => "waiting for the proxy to make a tunnel",
            Self::Tls => "negotiating TLS",
            Self::Http => "waiting for the HTTP answer",
            Self::Response => "waiting for the connection response",
        })
    }
}

/// What went wrong in an attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The host has no address.
    Lookup {
        /// What the resolver said.
        problem: String,
    },
    /// There is no TCP connection.
    Tcp {
        /// What the system said.
        problem: String,
    },
    /// The proxy cannot be reached, or makes no tunnel to the server.
    Proxy {
        /// Its host and port.
        proxy: String,
        /// The status with which it refused, if it did.
        status: Option<u16>,
        /// What it did.
        problem: String,
    },
    /// TLS could not be negotiated.
    Tls {
        /// What it failed at.
        cause: TlsProblem,
        /// What the TLS library said.
        problem: String,
    },
    /// The HTTP answer has not the status that was expected: 101 of a WebSocket, 200 of polling.
    Http {
        /// The status.
        status: u16,
        /// Its usual name.
        reason: String,
        /// Where the answer redirects to.
        location: Option<String>,
    },
    /// The answer is not a well-formed HTTP answer, or not one that opens a WebSocket.
    Upgrade {
        /// What is wrong with it.
        problem: String,
    },
    /// The connection ended too early.
    Ended {
        /// What was awaited.
        stage: Stage,
        /// How it ended.
        problem: String,
    },
    /// The server closed the WebSocket before the connection response.
    Closed {
        /// The close code, if it sent one.
        code: Option<u16>,
        /// The reason, if it gave one.
        reason: String,
    },
    /// What came is not a connection response.
    Response {
        /// What it is.
        problem: String,
    },
    /// The server refused the session.
    Rejected(ResponseCode),
    /// There was no connection response within the limit of an attempt.
    TimedOut {
        /// What was awaited.
        stage: Stage,
        /// The limit.
        limit: Duration,
    },
}

impl Failure {
    /// Returns the code of the connection response, if there was one.
    #[must_use]
    pub fn response_code(&self) -> Option<ResponseCode> {
        match self {
            Self::Rejected(code) => Some(*code),
            Self::Lookup { .. }
            | Self::Tcp { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Http { .. }
            | Self::Upgrade { .. }
            | Self::Ended { .. }
            | Self::Closed { .. }
            | Self::Response { .. }
            | Self::TimedOut { .. } => None,
        }
    }

    /// Returns the next thing to try, where there is one.
    #[must_use]
    pub fn hint(&self, transport: Transport) -> Option<String> {
        match self {
            Self::Http {
                location: Some(location),
                status: 300..=399,
                ..
            } => Some(format!(
                "redirects are not followed: connect to {location} if that is the server"
            )),
            Self::Http { status, .. } => status_hint(*status, transport).map(str::to_owned),
            Self::Proxy { status, .. } => Some(proxy_hint(*status).to_owned()),
            Self::Rejected(code) => rejection_hint(*code).map(str::to_owned),
            Self::Lookup { .. }
            | Self::Tcp { .. }
            | Self::Tls { .. }
            | Self::Upgrade { .. }
            | Self::Ended { .. }
            | Self::Closed { .. }
            | Self::Response { .. }
            | Self::TimedOut { .. } => Some(self.place_hint(transport).to_owned()),
        }
    }

    /// Returns what to do where the failure happened.
    fn place_hint(&self, transport: Transport) -> &'static str {
        let is_websocket = transport == Transport::WebSocket;
        match self {
            Self::Lookup { .. } => "check the spelling of the host, and the name server",
            Self::Tcp { .. } => {
                "check that the server runs, and that host, port and firewalls are as you think"
            }
            Self::Tls { cause, .. } => cause.hint(),
            Self::Upgrade { .. }
            | Self::Ended {
                stage: Stage::Http, ..
            } if is_websocket => {
                "something on the way may not pass WebSocket on: let it pass the headers Upgrade and \
                 Connection, or have HTTP_POLLING in the list of transports"
            }
            Self::Upgrade { .. }
            | Self::Ended {
                stage: Stage::Http, ..
            } => "check that the port speaks HTTP, and plain or TLS as you expect",
            Self::TimedOut {
                stage: Stage::Http | Stage::Response,
                ..
            } if is_websocket => {
                "something on the way may swallow WebSocket: have HTTP_POLLING in the list of transports"
            }
            Self::TimedOut {
                stage: Stage::Proxy,
                ..
            } => "the proxy may not reach the server: check host and port as the proxy sees them",
            Self::TimedOut { .. } => {
                "check firewalls on the way; a slow server needs a longer limit per attempt"
            }
            Self::Response { .. } => {
                "something else answers at this address: check host, port and request path"
            }
            Self::Http { .. }
            | Self::Proxy { .. }
            | Self::Rejected(_)
            | Self::Ended { .. }
            | Self::Closed { .. } => "look into the log of the server and of the proxies before it",
        }
    }
}

fn proxy_hint(status: Option<u16>) -> &'static str {
    match status {
        None => "check host and port of the proxy, and whether this server needs one",
        Some(401 | 407) => "give the proxy's user and password, or check them",
        Some(502..=504) => {
            "the proxy does not reach the server: check host and port as the proxy sees them"
        }
        Some(_) => {
            "the proxy must allow CONNECT to this host and port, and many do to port 443 only; without \
             TLS, HTTP_POLLING in the list of transports needs no CONNECT"
        }
    }
}

fn status_hint(status: u16, transport: Transport) -> Option<&'static str> {
    match (status, transport) {
        (401 | 407, _) => Some("a proxy on the way wants its own user and password"),
        (404, _) => Some("check the request path, and that the balancer routes it to the server"),
        (400 | 403 | 405 | 426, Transport::WebSocket) => Some(
            "something on the way refuses WebSocket: let it pass the headers Upgrade and Connection, \
             or have HTTP_POLLING in the list of transports",
        ),
        (403, Transport::HttpPolling) => Some("a proxy or the server refuses this client"),
        (502..=504, _) => Some(
            "the balancer answers but has no live node behind it; ask for /health/ready on the nodes",
        ),
        (200, Transport::WebSocket) => {
            Some("an ordinary page is at this address: check the request path")
        }
        _ => None,
    }
}

fn rejection_hint(code: ResponseCode) -> Option<&'static str> {
    match code {
        ResponseCode::AUTHENTICATION_FAILED => Some("check the principal and its credentials"),
        ResponseCode::LICENSE_EXCEEDED => {
            Some("close sessions that are not needed, or raise the limit of the server")
        }
        ResponseCode::DOWNGRADE => {
            Some("this client speaks protocol version 29: the server needs a newer release")
        }
        ResponseCode::REJECTED_SERVER_INITIALISING => Some("try again in a few seconds"),
        ResponseCode::ERROR => Some("look into the log of the server"),
        _ => None,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lookup { problem } => write!(f, "the host has no address: {problem}"),
            Self::Tcp { problem } => write!(f, "no TCP connection: {problem}"),
            Self::Proxy { proxy, problem, .. } => write!(f, "the proxy {proxy} {problem}"),
            Self::Tls { cause, problem } => {
                f.write_str("no TLS: ")?;
                if let Some(sentence) = cause.sentence() {
                    write!(f, "{sentence}: ")?;
                }
                f.write_str(problem)
            }
            Self::Http {
                status,
                reason,
                location,
            } => {
                write!(f, "HTTP {status} {reason}")?;
                match location {
                    Some(location) => write!(f, ", to {location}"),
                    None => Ok(()),
                }
            }
            Self::Upgrade { problem } => write!(f, "the HTTP answer is not valid: {problem}"),
            Self::Ended { stage, problem } => {
                write!(f, "the connection ended while {stage}: {problem}")
            }
            Self::Closed { code, reason } => {
                f.write_str("the WebSocket was closed before the connection response")?;
                match code {
                    Some(code) => write!(f, ", with code {code}")?,
                    None => f.write_str(", without a code")?,
                }
                if reason.is_empty() {
                    Ok(())
                } else {
                    write!(f, " ({reason})")
                }
            }
            Self::Response { problem } => {
                write!(f, "the answer is not a connection response: {problem}")
            }
            Self::Rejected(code) => write!(f, "response {code}: {}", code.sentence()),
            Self::TimedOut { stage, limit } => {
                write!(f, "time-out after {} while {stage}", seconds(*limit))
            }
        }
    }
}
