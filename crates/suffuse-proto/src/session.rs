//! Session ids and session tokens (spec: connection §3.2; decision W2).

use std::{fmt, str::FromStr};

use crate::codec::{Codec, DecodeError, Reader, Writer, codec};

/// The public id of a session: which start of a server, and which session of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    /// Chosen at random once per start of a server.
    pub server: i64,
    /// Unique among the sessions of that start.
    pub value: i64,
}

codec!(SessionId,
    encode: |id, out| { id.server.encode(out); id.value.encode(out) },
    decode: |input| Ok(SessionId { server: i64::decode(input)?, value: i64::decode(input)? }),
    sample: |random| SessionId { server: random.integer(), value: random.integer() });

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.server, self.value)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not a session id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session id is two 16-digit hexadecimal numbers joined by `-`")]
pub struct SessionIdError;

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let (server, value) = text.split_once('-').ok_or(SessionIdError)?;
        let half = |digits: &str| {
            (digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| u64::from_str_radix(digits, 16).ok())
                .flatten()
                .map(u64::cast_signed)
                .ok_or(SessionIdError)
        };
        Ok(Self {
            server: half(server)?,
            value: half(value)?,
        })
    }
}

/// The secret by which a client names its session: 24 ASCII characters, the first three of which are
/// the id of the node. Never logged: its `Debug` form shows the node only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionToken([u8; Self::LENGTH]);

impl SessionToken {
    /// The length in bytes.
    pub const LENGTH: usize = 24;
    /// How many random bytes a token is made of: 20 characters of base64url.
    pub const RANDOM_BYTES: usize = 15;

    /// Makes a token from the id of a node (3 characters of `[0-9a-z]`) and random bytes.
    #[must_use]
    pub fn new(node: NodeId, random: [u8; Self::RANDOM_BYTES]) -> Self {
        use base64::Engine as _;
        let mut token = [b'.'; Self::LENGTH];
        token[..3].copy_from_slice(&node.0);
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode_slice(random, &mut token[4..])
            .expect("15 bytes are 20 characters of base64url");
        Self(token)
    }

    /// Returns the token with these bytes, if they are 24 ASCII characters.
    #[must_use]
    pub fn from_ascii(bytes: &[u8]) -> Option<Self> {
        let token = Self(bytes.try_into().ok()?);
        token.0.iter().all(u8::is_ascii_graphic).then_some(token)
    }

    /// Returns the node that a token names. Anybody can write a token, so the node need not exist.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        let (node, rest) = self.as_str().split_at_checked(3)?;
        node.parse().ok().filter(|_| rest.starts_with('.'))
    }

    /// Returns the token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a token is ASCII")
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.…", String::from_utf8_lossy(&self.0[..3]))
    }
}

/// The id of a node, by which balancers route: three characters of `[0-9a-z]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId([u8; 3]);

impl NodeId {
    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a node id is ASCII")
    }
}

impl Default for NodeId {
    fn default() -> Self {
        Self(*b"n00")
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not a node id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a node id: expected three characters of a-z and 0-9, for example `n00`")]
pub struct NodeIdError(String);

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        match text.as_bytes().try_into() {
            Ok(id)
                if text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()) =>
            {
                Ok(Self(id))
            }
            _ => Err(NodeIdError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text_form() {
        let id = SessionId {
            server: 1,
            value: 0x0123_4567_89ab_cdef,
        };
        assert_eq!(id.to_string(), "0000000000000001-0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "1-2",
            "0000000000000001",
            "000000000000000g-0123456789abcdef",
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(SessionIdError), "{bad}");
        }
    }

    #[test]
    fn a_token_starts_with_its_node_and_hides_the_rest() {
        let token = SessionToken::new("n07".parse().unwrap(), [0xff; 15]);
        assert_eq!(token.as_str(), "n07.____________________");
        assert_eq!(format!("{token:?}"), "n07.…");
        assert_eq!(
            SessionToken::from_ascii(token.as_str().as_bytes()),
            Some(token)
        );
        assert_eq!(SessionToken::from_ascii(b"short"), None);
        assert!("N07".parse::<NodeId>().is_err());
    }
}
