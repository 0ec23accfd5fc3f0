//! The transports, and lists of them.

use std::{fmt, str::FromStr};

/// A way to carry a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// One WebSocket for both directions.
    WebSocket,
    /// HTTP requests: a poll that the server answers when it has messages, and sends.
    HttpPolling,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 2] = [Self::WebSocket, Self::HttpPolling];

    /// Returns the name in lists and reports: `WEBSOCKET` or `HTTP_POLLING`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "WEBSOCKET",
            Self::HttpPolling => "HTTP_POLLING",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text is not the name of a transport.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a transport: expected WS, WEBSOCKET, XHR, HTTP_POLLING or POLLING")]
pub struct TransportNameError {
    found: String,
}

impl FromStr for Transport {
    type Err = TransportNameError;

    /// Parses a name in any case: `WS` or `WEBSOCKET`, and `XHR`, `HTTP_POLLING` or `POLLING`.
    fn from_str(name: &str) -> Result<Self, TransportNameError> {
        match name.to_ascii_uppercase().as_str() {
            "WS" | "WEBSOCKET" => Ok(Self::WebSocket),
            "XHR" | "HTTP_POLLING" | "POLLING" => Ok(Self::HttpPolling),
            _ => Err(TransportNameError {
                found: crate::text::shortened(name),
            }),
        }
    }
}

/// What an application says about transports.
///
/// That it says nothing is not the same as that it says «none»: the first means WebSocket, with the
/// second there is no way to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// No list was given: WebSocket only.
    #[default]
    NotGiven,
    /// The transports to try in this order, in one pass. A transport may stand more than once.
    List(Vec<Transport>),
}

impl Transports {
    /// Returns the transports to try.
    #[must_use]
    pub fn as_slice(&self) -> &[Transport] {
        match self {
            Self::NotGiven => &[Transport::WebSocket],
            Self::List(list) => list,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_have_several_names_in_any_case() {
        let cases = [
            ("WS", Some(Transport::WebSocket)),
            ("ws", Some(Transport::WebSocket)),
            ("WebSocket", Some(Transport::WebSocket)),
            ("XHR", Some(Transport::HttpPolling)),
            ("http_polling", Some(Transport::HttpPolling)),
            ("Polling", Some(Transport::HttpPolling)),
            ("", None),
            ("WSS", None),
        ];
        for (name, expected) in cases {
            assert_eq!(name.parse::<Transport>().ok(), expected, "{name}");
        }
        for transport in Transport::ALL {
            assert_eq!(transport.to_string().parse(), Ok(transport));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let message = "carrier pigeon"
            .parse::<Transport>()
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("`carrier pigeon`") && message.contains("HTTP_POLLING"),
            "{message}"
        );
    }
}
