//! Forward proxies: which one, if any, is between the client and a server.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use crate::{
    endpoint::{self, Endpoint, split_port},
    error::ConnectError,
    text::shortened,
};
use environment::Environment;

mod environment;

/// The port of a proxy whose URL has none.
const DEFAULT_PORT: u16 = 80;

/// A forward proxy, or the rules of the environment that choose one. Given to
/// [`Builder::proxy`](crate::Builder::proxy).
///
/// Connections to the proxy are plain. What is carried through it:
///
/// | transport | insecure | secure |
/// |---|---|---|
/// | WebSocket | a tunnel by `CONNECT` | a tunnel by `CONNECT`, with TLS to the server in it |
/// | HTTP polling | ordinary requests, with the whole URL in the request line | a tunnel, as above |
///
/// So a proxy that refuses `CONNECT` breaks WebSocket but not insecure HTTP polling, as with browsers.
#[derive(Clone)]
pub struct Proxy {
    source: Source,
    credentials: Option<(String, String)>,
}

#[derive(Clone)]
enum Source {
    Url(String),
    Environment(Environment),
}

impl Proxy {
    /// Makes a proxy from a URL such as `http://proxy.example.com:3128`. It may have a user and a
    /// password, percent-encoded: `http://user:password@proxy.example.com:3128`. Without a port, it
    /// is 80. A URL that is not possible is an error when the session is opened.
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            source: Source::Url(url.into()),
            credentials: None,
        }
    }

    /// Lets the environment choose, as it is now.
    ///
    /// | variable | what |
    /// |---|---|
    /// | `http_proxy` | the proxy for insecure connections |
    /// | `https_proxy` | the proxy for secure connections |
    /// | `all_proxy` | the proxy for those that have none of their own |
    /// | `no_proxy` | the hosts that are connected to without a proxy |
    ///
    /// The same names in capitals count if those in small letters are not set, but `HTTP_PROXY`
    /// not where there is a `REQUEST_METHOD`, because in CGI a client can set it.
    ///
    /// `no_proxy` has host names and IP addresses, with commas or blanks between them. A name
    /// matches itself and all names below it, with or without a dot or `*.` at its start; with a
    /// port, as in `example.com:8080`, only that port. `*` matches everything. Ranges of addresses
    /// (`10.0.0.0/8`) match nothing.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            source: Source::Environment(Environment::read(|name| std::env::var(name).ok())),
            credentials: None,
        }
    }

    /// Sets the user and the password for the proxy, instead of those in its URL. They are sent at
    /// once and in the clear, as HTTP Basic authentication has it.
    #[must_use]
    pub fn basic_credentials(
        mut self,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// Returns the proxy for an endpoint, if there is one.
    pub(crate) fn server_for(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<Arc<ProxyServer>>, ConnectError> {
        let url = match &self.source {
            Source::Url(url) => Some(url.as_str()),
            Source::Environment(environment) => environment.proxy_for(endpoint),
        };
        url.map(|url| ProxyServer::parse(url, self.credentials.as_ref()).map(Arc::new))
            .transpose()
    }
}

/// Shows nothing: the URL may have a password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

/// A proxy that is connected to. [`fmt::Display`] shows host and port.
#[derive(PartialEq, Eq)]
pub(crate) struct ProxyServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of the header `Proxy-Authorization`.
    pub(crate) authorization: Option<String>,
}

impl ProxyServer {
    fn parse(url: &str, credentials: Option<&(String, String)>) -> Result<Self, ConnectError> {
        let url = url.trim();
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user_info, authority) = match rest.rsplit_once('@') {
            Some((user_info, authority)) => (Some(user_info), authority),
            None => (None, rest),
        };
        let invalid = |problem| ConnectError::InvalidProxy {
            found: shortened(authority),
            problem,
        };
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(invalid("its scheme is not http"));
        }
        let (name, port) = split_port(authority);
        let port = match port {
            None => DEFAULT_PORT,
            Some(text) => match text.parse() {
                Ok(port) if port != 0 => port,
                _ => {
                    // What stands here may be a password whose `@` was forgotten.
                    return Err(ConnectError::InvalidProxy {
                        found: shortened(name),
                        problem: "its port is not a number from 1 to 65535",
                    });
                }
            },
        };
        let host = match endpoint::host(name) {
            Ok(host) => host,
            Err(ConnectError::InvalidHost { problem, .. }) => return Err(invalid(problem)),
            Err(error) => return Err(error),
        };
        let in_url = user_info.map(decoded);
        let authorization = match credentials.or(in_url.as_ref()) {
            None => None,
            Some((user, _)) if user.contains(':') => {
                return Err(invalid("its user has a colon"));
            }
            Some((user, password)) => {
                let encoded = STANDARD.encode(format!("{user}:{password}"));
                Some(format!("Basic {encoded}"))
            }
        };
        Ok(Self {
            host,
            port,
            authorization,
        })
    }
}

/// Returns user and password of a URL.
fn decoded(user_info: &str) -> (String, String) {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (decoded(user), decoded(password))
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&endpoint::authority(&self.host, self.port))
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyServer({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_host_port_and_credentials() {
        // dXNlcjpwYXNz is `user:pass`, YTpiQDpj is `a:b@:c`.
        let cases = [
            ("http://proxy:3128", "proxy:3128", None),
            ("proxy:3128", "proxy:3128", None),
            ("HTTP://proxy.example.com/", "proxy.example.com:80", None),
            ("http://[::1]:3128", "[::1]:3128", None),
            ("http://user:pass@proxy:1", "proxy:1", Some("dXNlcjpwYXNz")),
            ("user:pass@proxy:1", "proxy:1", Some("dXNlcjpwYXNz")),
            ("http://a:b%40%3Ac@proxy", "proxy:80", Some("YTpiQDpj")),
            ("http://a:b@:c@proxy", "proxy:80", Some("YTpiQDpj")),
        ];
        for (url, shown, credentials) in cases {
            let proxy = ProxyServer::parse(url, None).unwrap();
            assert_eq!(proxy.to_string(), shown, "{url}");
            let authorization = credentials.map(|it| format!("Basic {it}"));
            assert_eq!(proxy.authorization, authorization, "{url}");
        }
        let given = ("user".to_owned(), "pass".to_owned());
        let proxy = ProxyServer::parse("http://a:b@proxy", Some(&given)).unwrap();
        assert_eq!(proxy.authorization.as_deref(), Some("Basic dXNlcjpwYXNz"));
    }

    #[test]
    fn a_proxy_that_cannot_be_is_named_without_its_password() {
        let cases = [
            ("socks5://me:secret@proxy:1", "not http"),
            ("https://me:secret@proxy:1", "not http"),
            ("http://me:secret@proxy:0", "port"),
            ("http://me:secret@proxy:x", "port"),
            ("http://me:secret@", "empty"),
            ("http://me:secret", "port"),
            ("", "empty"),
            ("http://me:secret@a b", "character"),
            ("http://m%3Ae:secret@proxy", "colon"),
            ("http://proxy/path", "character"),
        ];
        for (url, expected) in cases {
            let error = ProxyServer::parse(url, None).unwrap_err();
            assert_eq!(error.code(), "SFX-C110", "{url}");
            let message = error.to_string();
            assert!(message.contains(expected), "{url}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_proxy_does_not_show_its_credentials() {
        let proxy = Proxy::url("http://me:secret@proxy").basic_credentials("you", "secret");
        assert!(!format!("{proxy:?}").contains("secret"));
        let server = ProxyServer::parse("http://me:secret@proxy", None).unwrap();
        assert_eq!(format!("{server:?}"), "ProxyServer(proxy:80)");
    }
}
