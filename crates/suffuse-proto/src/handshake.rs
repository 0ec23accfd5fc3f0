//! The handshake: the parameters of a connection request, and the response (spec: connection §2, §3).
//!
//! The same parameters travel in a query string (WebSocket), in upgrade headers (Python), or in the
//! headers of a polling POST, and each place has its own encoding of values: [`Parameters`] knows them.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    NodeId, ResponseClass, ResponseCode, SessionId, SessionToken, Version,
    codec::{Codec as _, DecodeError, Reader, Writer},
};

mod credentials;
mod parameters;
mod properties;

pub use credentials::Credentials;
pub use parameters::Parameters;
pub use properties::{format_proposed_properties, parse_proposed_properties};

/// The longest principal, in bytes.
pub const PRINCIPAL_BYTES_MAX: usize = 4096;

/// The capabilities that a client announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// A client of the unified API.
    pub const UNIFIED: Self = Self(8);
    /// The client takes topic data compressed with zlib.
    pub const ZLIB: Self = Self(2);

    /// Returns whether the client takes topic data compressed with zlib.
    #[must_use]
    pub fn has_zlib(self) -> bool {
        self.0 & Self::ZLIB.0 != 0
    }
}

/// A request to resume a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// The session's token; `None` when the text is not a token at all.
    pub token: Option<SessionToken>,
    /// The oldest message that the client can send again. Counts go on at the lowest number after the highest.
    pub client_sequence: i32,
    /// How many messages of the server the client has received, in the same way.
    pub server_sequence: i32,
}

/// A well-formed request to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRequest {
    /// The protocol version, which the response repeats.
    pub version: Version,
    /// What kind of client: `WB`, `B`, `PY`, `WJ`, … Unknown ones are allowed.
    pub client_type: String,
    /// What the client can do.
    pub capabilities: Capabilities,
    /// How long the client wants its session kept after it lost the connection; zero: not at all.
    pub reconnect_timeout: Duration,
    /// Set if the client wants to resume a session.
    pub reconnect: Option<Reconnect>,
    /// The session properties that the client proposes.
    pub proposed_properties: BTreeMap<String, String>,
    /// Who the client says it is; empty: anonymous.
    pub principal: String,
    /// How the client proves it.
    pub credentials: Credentials,
}

/// Why a connection request is refused before anyone looks at who it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The request does not say which version it speaks, so no response can be made: HTTP 400.
    #[error("the connection request has no valid protocol version: {0}")]
    NoVersion(&'static str),
    /// The server does not speak the version: answered with a response.
    #[error("protocol version {0} is not supported: expected 9, or 22 to 29")]
    UnsupportedVersion(u8, ResponseCode),
    /// A parameter is not well-formed: answered with code 115.
    #[error("the connection parameter `{name}` is not valid: {problem}")]
    BadParameter {
        /// The protocol version to answer with.
        version: u8,
        /// The name of the parameter.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl HandshakeError {
    /// Returns the response that refuses the request, if one can be made.
    #[must_use]
    pub fn response(&self) -> Option<ConnectionResponse> {
        match self {
            Self::NoVersion(_) => None,
            Self::UnsupportedVersion(version, code) => Some(ConnectionResponse::Rejected {
                version: *version,
                code: *code,
            }),
            Self::BadParameter { version, .. } => Some(ConnectionResponse::Rejected {
                version: *version,
                code: ResponseCode::CONNECTION_PROTOCOL_ERROR,
            }),
        }
    }
}

impl ConnectionRequest {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// When the version is missing or not supported, or another parameter is malformed. Proposed
    /// properties that cannot be read are ignored.
    pub fn parse(parameters: &Parameters) -> Result<Self, HandshakeError> {
        let number = version_number(parameters)?;
        let client_type = parameters.get("ty").unwrap_or("unknown").to_owned();
        let bad = |name, problem| HandshakeError::BadParameter {
            version: number,
            name,
            problem,
        };
        let Some(version) = Version::new(number) else {
            // Python takes code 102 for success and fails on the short body.
            let code = match client_type.as_str() {
                "PY" => ResponseCode::CONNECTION_PROTOCOL_ERROR,
                _ => ResponseCode::DOWNGRADE,
            };
            return Err(HandshakeError::UnsupportedVersion(number, code));
        };
        let principal = parameters.get("username").unwrap_or_default();
        if principal.len() > PRINCIPAL_BYTES_MAX || principal.contains('\0') {
            return Err(bad("username", "expected at most 4096 bytes without NUL"));
        }
        let number_of = |name: &'static str, default: i64| match parameters.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse::<i64>()
                .map_err(|_| bad(name, "expected a decimal number")),
        };
        Ok(Self {
            version,
            capabilities: Capabilities(number_of("ca", 8)?.try_into().unwrap_or_default()),
            reconnect_timeout: Duration::from_millis(number_of("r", 60_000)?.max(0).unsigned_abs()),
            reconnect: Self::parse_reconnect(parameters, &bad)?,
            proposed_properties: parameters
                .get("sp")
                .and_then(parse_proposed_properties)
                .unwrap_or_default(),
            principal: principal.to_owned(),
            credentials: Credentials::parse(parameters.get("password").unwrap_or_default())
                .map_err(|problem| bad("password", problem))?,
            client_type,
        })
    }

    fn parse_reconnect(
        parameters: &Parameters,
        bad: &impl Fn(&'static str, &'static str) -> HandshakeError,
    ) -> Result<Option<Reconnect>, HandshakeError> {
        let Some(token) = parameters.get("c") else {
            return Ok(None);
        };
        let sequence = |name| {
            let text = parameters
                .get(name)
                .ok_or_else(|| bad(name, "a reconnection needs it"))?;
            let number = text.parse::<i64>();
            // Both ends count on after 2^31 messages: the lower 32 bits say it all.
            number
                .map(|number| number as i32)
                .map_err(|_| bad(name, "expected a decimal number"))
        };
        Ok(Some(Reconnect {
            token: SessionToken::from_ascii(token.as_bytes()),
            client_sequence: sequence("cs")?,
            server_sequence: sequence("ss")?,
        }))
    }

    /// Returns the parameters of the request, for a client to send.
    #[must_use]
    pub fn to_parameters(&self) -> Parameters {
        let mut parameters = Parameters::default();
        parameters.set("ty", self.client_type.clone());
        parameters.set("v", self.version.number().to_string());
        parameters.set("ca", self.capabilities.0.to_string());
        parameters.set("r", self.reconnect_timeout.as_millis().to_string());
        if let Some(Reconnect {
            token: Some(token),
            client_sequence,
            server_sequence,
        }) = &self.reconnect
        {
            parameters.set("c", token.as_str().to_owned());
            parameters.set("cs", client_sequence.to_string());
            parameters.set("ss", server_sequence.to_string());
        }
        if !self.proposed_properties.is_empty() {
            parameters.set("sp", format_proposed_properties(&self.proposed_properties));
        }
        if !self.principal.is_empty() {
            parameters.set("username", self.principal.clone());
            parameters.set("password", self.credentials.to_text());
        }
        parameters
    }
}

fn version_number(parameters: &Parameters) -> Result<u8, HandshakeError> {
    let Some(text) = parameters.get("v") else {
        return Err(HandshakeError::NoVersion("the parameter `v` is missing"));
    };
    match text.parse() {
        // Version 4 and older answer with a text, which we do not speak (spec: connection §3.4).
        Ok(number) if number > 4 => Ok(number),
        Ok(_) => Err(HandshakeError::NoVersion(
            "versions 4 and older are not supported",
        )),
        Err(_) => Err(HandshakeError::NoVersion(
            "the parameter `v` is not a number from 5 to 255",
        )),
    }
}

/// What the server answers to a connection request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionResponse {
    /// The session is connected.
    Accepted(Accepted),
    /// The request is refused.
    Rejected {
        /// The version that the client asked for.
        version: u8,
        /// Why.
        code: ResponseCode,
    },
}

/// The response to a request that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The version that the client asked for.
    pub version: Version,
    /// 100, 105 or 106.
    pub code: ResponseCode,
    /// The public id of the session.
    pub session: SessionId,
    /// The secret by which the client names the session.
    pub token: SessionToken,
    /// How often the server pings; zero: never.
    pub ping_interval: Duration,
    /// For code 105 the number of the next message that the server expects, else the size in bytes of the
    /// largest message that it accepts, which the old dialect does not have.
    pub sequence_or_message_bytes_max: i32,
}

const MAGIC: u8 = b'#';

impl ConnectionResponse {
    /// Returns the bytes of the response: 3 of a refusal, 55 of an acceptance.
    #[must_use]
    pub fn to_bytes(&self) -> bytes::Bytes {
        let mut out = Writer::new(Version::NEWEST);
        out.u8(MAGIC);
        match self {
            Self::Rejected { version, code } => {
                out.u8(*version);
                out.u8(code.0);
            }
            Self::Accepted(accepted) => {
                out.u8(accepted.version.number());
                out.u8(accepted.code.0);
                out.i64_fixed(accepted.session.server);
                out.i64_fixed(accepted.session.value);
                out.raw(accepted.token.as_str().as_bytes());
                out.i64_fixed(
                    i64::try_from(accepted.ping_interval.as_millis()).unwrap_or(i64::MAX),
                );
                if has_last_field(accepted.version, accepted.code) {
                    out.i32_fixed(accepted.sequence_or_message_bytes_max);
                }
            }
        }
        out.finish()
    }

    /// Decodes a response to a request that was made at `version`.
    ///
    /// # Errors
    /// When the bytes are not a response, or answer another version.
    pub fn decode(bytes: bytes::Bytes, version: Version) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes, version);
        if input.u8()? != MAGIC {
            return Err(DecodeError::Invalid(
                "a connection response starts with `#`",
            ));
        }
        if input.u8()? != version.number() {
            return Err(DecodeError::Invalid(
                "the response answers another protocol version",
            ));
        }
        let code = ResponseCode(u8::decode(&mut input)?);
        if code.class() != ResponseClass::Connected {
            return Ok(Self::Rejected {
                version: version.number(),
                code,
            });
        }
        let session = SessionId {
            server: input.i64_fixed()?,
            value: input.i64_fixed()?,
        };
        let token = SessionToken::from_ascii(&input.take(SessionToken::LENGTH)?)
            .ok_or(DecodeError::Invalid("a session token is printable ASCII"))?;
        let ping_interval = Duration::from_millis(input.i64_fixed()?.max(0).unsigned_abs());
        let sequence_or_message_bytes_max = match has_last_field(version, code) {
            true => input.i32_fixed()?,
            false => 0,
        };
        Ok(Self::Accepted(Accepted {
            version,
            code,
            session,
            token,
            ping_interval,
            sequence_or_message_bytes_max,
        }))
    }
}

/// The old dialect has the sequence in code 105, and no size of messages in other codes (P§3.1).
fn has_last_field(version: Version, code: ResponseCode) -> bool {
    version != Version::OLD || code == ResponseCode::RECONNECTED
}

/// Returns the node that a token names, if it has the form of ours.
#[must_use]
pub fn node_of(token: &SessionToken) -> Option<NodeId> {
    token.as_str().split_once('.')?.0.parse().ok()
}

#[cfg(test)]
mod tests;
