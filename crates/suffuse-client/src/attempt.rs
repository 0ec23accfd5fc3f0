//! One attempt to connect, and how it ended.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::ser::{Serialize, SerializeStruct, Serializer};
use suffuse_proto::ResponseCode;

use crate::transport::Transport;

mod failure;
mod tls;

pub use failure::{Failure, Stage};
pub use tls::TlsProblem;

/// One attempt to connect. [`fmt::Display`] shows it as a line of a report, and its serialised form
/// has `transport`, `url`, `outcome`, `http_status`, `response_code`, `reason`, `elapsed_ms`,
/// `address`, `proxy`, `server` and `hint`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, from 1.
    pub number: usize,
    /// How it was made.
    pub transport: Transport,
    /// Where to, without parameters.
    pub url: String,
    /// The address that was connected to, or tried last.
    pub address: Option<SocketAddr>,
    /// The proxy between, as host and port; then the address is that of the proxy.
    pub proxy: Option<String>,
    /// The status of the HTTP answer, if there was one.
    pub http_status: Option<u16>,
    /// What the HTTP answer says about who answered: its header `Server`.
    pub server: Option<String>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The session is connected.
    Connected,
    /// It failed in a way after which the next transport of the list is tried.
    TransportError(Failure),
    /// It failed in a way after which no other transport is tried.
    Fatal(Failure),
}

impl AttemptOutcome {
    /// Returns the name in reports: `connected`, `transport_error` or `fatal`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::TransportError(_) => "transport_error",
            Self::Fatal(_) => "fatal",
        }
    }
}

impl Attempt {
    /// Returns what went wrong, if something did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            AttemptOutcome::Connected => None,
            AttemptOutcome::TransportError(failure) | AttemptOutcome::Fatal(failure) => {
                Some(failure)
            }
        }
    }

    /// Returns the code of the connection response, if there was one.
    #[must_use]
    pub fn response_code(&self) -> Option<ResponseCode> {
        match &self.outcome {
            AttemptOutcome::Connected => Some(ResponseCode::OK),
            AttemptOutcome::TransportError(failure) | AttemptOutcome::Fatal(failure) => {
                failure.response_code()
            }
        }
    }

    /// Returns what happened, in one sentence without full stop.
    #[must_use]
    pub fn reason(&self) -> String {
        match self.failure() {
            None => ResponseCode::OK.sentence().to_owned(),
            Some(failure) => failure.to_string(),
        }
    }

    /// Returns the next thing to try, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.failure()?.hint(self.transport)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:12}  {}  {}",
            self.number,
            self.transport,
            self.url,
            self.reason()
        )?;
        if let Some(server) = &self.server {
            write!(f, " (server: {server})")?;
        }
        write!(f, ", after {}", crate::text::seconds(self.elapsed))?;
        if let Some(address) = self.address {
            write!(f, ", at {address}")?;
        }
        match &self.proxy {
            // A failure of the proxy has named it already.
            Some(proxy) if !matches!(self.failure(), Some(Failure::Proxy { .. })) => {
                write!(f, ", through the proxy {proxy}")
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Attempt", 11)?;
        fields.serialize_field("transport", self.transport.name())?;
        fields.serialize_field("url", &self.url)?;
        fields.serialize_field("outcome", self.outcome.name())?;
        fields.serialize_field("http_status", &self.http_status)?;
        fields.serialize_field("response_code", &self.response_code().map(|code| code.0))?;
        fields.serialize_field("reason", &self.reason())?;
        fields.serialize_field(
            "elapsed_ms",
            &u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
        )?;
        fields.serialize_field("address", &self.address)?;
        fields.serialize_field("proxy", &self.proxy)?;
        fields.serialize_field("server", &self.server)?;
        fields.serialize_field("hint", &self.hint())?;
        fields.end()
    }
}
