//! Where the server is: host, port, security and request path, as one value.
//!
//! All attempts of a list share it, so a fall back from a secure to an insecure connection, or to
//! another host, has no way to be written.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{error::ConnectError, text::shortened, transport::Transport};

mod url;

pub(crate) use url::{ParsedUrl, split_port};

/// What every request path ends with.
pub(crate) const SUFFIX: &str = "/diffusion";

/// What cannot stand in the path of a request line as it is.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The server's place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name, or an IP address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) secure: bool,
    /// Percent-encoded; begins with `/` and ends with [`SUFFIX`].
    pub(crate) path: String,
}

impl Endpoint {
    /// Returns the URL by which a report names an attempt; it has no secrets.
    pub(crate) fn url(&self, transport: Transport) -> String {
        let scheme = match (transport, self.secure) {
            (Transport::WebSocket, false) => "ws",
            (Transport::WebSocket, true) => "wss",
            (Transport::HttpPolling, false) => "http",
            (Transport::HttpPolling, true) => "https",
        };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }

    /// Returns host and port as a URL and the header `Host` have them.
    pub(crate) fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// Joins host and port; an IPv6 address gets brackets.
pub(crate) fn authority(host: &str, port: u16) -> String {
    let mut authority = bracketed(host);
    write!(authority, ":{port}").expect("a String takes everything");
    authority
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// Checks a host: a name in ASCII, or an IP address, which may have brackets.
pub(crate) fn host(text: &str) -> Result<String, ConnectError> {
    let invalid = |problem| ConnectError::InvalidHost {
        found: shortened(text),
        problem,
    };
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if bare.is_empty() {
        return Err(invalid("it is empty"));
    }
    if !bare.is_ascii() {
        return Err(invalid(
            "it has characters that are not ASCII; give its `xn--` form",
        ));
    }
    if bare.contains(':') && bare.parse::<std::net::Ipv6Addr>().is_err() {
        return Err(invalid(
            "it has a colon and is not an IPv6 address; the port has its own setting",
        ));
    }
    let possible = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if !bare.bytes().all(possible) {
        return Err(invalid("it has a character that no host name has"));
    }
    Ok(bare.to_owned())
}

/// Checks a request path, adds a missing `/` in front, and percent-encodes what needs it.
pub(crate) fn request_path(text: &str) -> Result<String, ConnectError> {
    let invalid = |problem| ConnectError::InvalidRequestPath {
        found: shortened(text),
        problem,
    };
    if text.contains(['?', '#']) {
        return Err(invalid("it has a `?` or `#`"));
    }
    let path = if text.starts_with('/') {
        text.to_owned()
    } else {
        format!("/{text}")
    };
    if !path.ends_with(SUFFIX) {
        return Err(invalid("it does not end with `/diffusion`"));
    }
    if path.starts_with("//") {
        return Err(invalid("it begins with two slashes"));
    }
    Ok(encode(&path))
}

/// Percent-encodes a path. What is encoded already stays as it is.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for (index, part) in path.split('%').enumerate() {
        if index > 0 {
            let is_escape =
                part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
            encoded.push_str(if is_escape { "%" } else { "%25" });
        }
        encoded.extend(utf8_percent_encode(part, PATH));
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_paths_end_with_diffusion() {
        let cases = [
            ("/diffusion", Ok("/diffusion")),
            ("diffusion", Ok("/diffusion")),
            ("/path/diffusion", Ok("/path/diffusion")),
            ("path/diffusion", Ok("/path/diffusion")),
            ("/a b/é/diffusion", Ok("/a%20b/%C3%A9/diffusion")),
            ("/a%20b/100%/diffusion", Ok("/a%20b/100%25/diffusion")),
            ("", Err("does not end with")),
            ("/", Err("does not end with")),
            ("/path", Err("does not end with")),
            ("/xdiffusion", Err("does not end with")),
            ("/path/diffusion/", Err("does not end with")),
            ("/path/DIFFUSION", Err("does not end with")),
            ("/diffusion?x=1", Err("`?` or `#`")),
            ("/diffusion#top", Err("`?` or `#`")),
            ("//evil.example/diffusion", Err("two slashes")),
        ];
        for (given, expected) in cases {
            match (request_path(given), expected) {
                (Ok(path), Ok(expected)) => assert_eq!(path, expected, "{given}"),
                (Err(error), Err(expected)) => {
                    let message = error.to_string();
                    assert!(
                        message.contains(expected) && message.contains(&format!("`{given}`")),
                        "{message}"
                    );
                }
                (found, expected) => panic!("{given}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for (given, expected) in [
            ("localhost", "localhost"),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(given).unwrap(), expected);
        }
        for bad in [
            "",
            "[]",
            "a b",
            "a/b",
            "user@host",
            "localhost:8080",
            "bücher.example",
            "a\r\nb",
        ] {
            assert!(
                matches!(host(bad), Err(ConnectError::InvalidHost { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_attempt_is_named_by_its_url() {
        let endpoint = Endpoint {
            host: "::1".to_owned(),
            port: 8080,
            secure: true,
            path: "/x/diffusion".to_owned(),
        };
        assert_eq!(
            endpoint.url(Transport::WebSocket),
            "wss://[::1]:8080/x/diffusion"
        );
        assert_eq!(
            endpoint.url(Transport::HttpPolling),
            "https://[::1]:8080/x/diffusion"
        );
    }
}
