//! URLs of servers: `ws`, `wss`, `http` or `https`, host, port and request path.
//!
//! The scheme says whether the connection is secure, and nothing about transports: the list of
//! transports does, and without one it is WebSocket.

use crate::{
    endpoint::{SUFFIX, host, request_path},
    error::ConnectError,
    text::shortened,
};

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParsedUrl {
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
}

impl ParsedUrl {
    /// Parses a URL. Without a path it has the default one.
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectError> {
        let url = url.trim();
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(invalid(
                url,
                "it has no scheme: begin with ws://, wss://, http:// or https://",
            ));
        };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(invalid(url, "its scheme is not ws, wss, http or https")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(ConnectError::InvalidUrl {
                found: "…@…".to_owned(),
                problem: "it has a user or a password: set the principal and the credentials instead",
            });
        }
        let (name, port) = split_port(authority);
        let port = match port {
            None => None,
            Some(text) => match text.parse() {
                Ok(port) if port != 0 => Some(port),
                _ => return Err(invalid(url, "its port is not a number from 1 to 65535")),
            },
        };
        let path = if matches!(path, "" | "/") {
            SUFFIX
        } else {
            path
        };
        Ok(Self {
            secure,
            host: host(name)?,
            port,
            path: request_path(path)?,
        })
    }
}

/// Splits `host:port`; the colons of an IPv6 address are in brackets.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_brackets = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[after_brackets..].rfind(':') {
        None => (authority, None),
        Some(colon) => {
            let colon = after_brackets + colon;
            (&authority[..colon], Some(&authority[colon + 1..]))
        }
    }
}

fn invalid(url: &str, problem: &'static str) -> ConnectError {
    ConnectError::InvalidUrl {
        found: shortened(url),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_security_host_port_and_path() {
        let cases = [
            (
                "ws://localhost:8080",
                (false, "localhost", Some(8080), "/diffusion"),
            ),
            (
                "http://localhost/",
                (false, "localhost", None, "/diffusion"),
            ),
            (
                "WSS://push.example.com/path/diffusion",
                (true, "push.example.com", None, "/path/diffusion"),
            ),
            (
                "https://[::1]:443/diffusion",
                (true, "::1", Some(443), "/diffusion"),
            ),
            ("ws://[::1]", (false, "::1", None, "/diffusion")),
        ];
        for (url, (secure, host, port, path)) in cases {
            let expected = ParsedUrl {
                secure,
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            };
            assert_eq!(ParsedUrl::parse(url).ok(), Some(expected), "{url}");
        }
    }

    #[test]
    fn a_bad_url_is_answered_with_what_is_wrong() {
        let cases = [
            ("localhost:8080", "no scheme"),
            ("ftp://host", "not ws, wss, http or https"),
            ("ws://host:0", "port"),
            ("ws://host:65536", "port"),
            ("ws://host:", "port"),
            ("ws://", "empty"),
            ("ws://:80", "empty"),
            ("ws://host/path", "does not end with"),
            ("ws://host/diffusion?x", "`?`"),
            ("ws://host?x", "`?`"),
            ("ws://admin:secret@host/diffusion", "principal"),
        ];
        for (url, expected) in cases {
            let message = ParsedUrl::parse(url).unwrap_err().to_string();
            assert!(message.contains(expected), "{url}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
