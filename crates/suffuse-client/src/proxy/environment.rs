//! The proxies that the variables of the environment name.

use std::net::IpAddr;

use crate::endpoint::{Endpoint, split_port};

/// What the variables say.
#[derive(Clone, Default)]
pub(super) struct Environment {
    insecure: Option<String>,
    secure: Option<String>,
    exceptions: Vec<Exception>,
}

impl Environment {
    /// Reads the variables; `variable` returns the value of one.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let either = |name: &str| set(name).or_else(|| set(&name.to_ascii_uppercase()));
        let is_cgi = set("REQUEST_METHOD").is_some();
        let http = if is_cgi {
            set("http_proxy")
        } else {
            either("http_proxy")
        };
        let exceptions = either("no_proxy").unwrap_or_default();
        Self {
            insecure: http.or_else(|| either("all_proxy")),
            secure: either("https_proxy").or_else(|| either("all_proxy")),
            exceptions: exceptions
                .split(|char: char| char == ',' || char.is_whitespace())
                .filter_map(Exception::parse)
                .collect(),
        }
    }

    /// Returns the URL of the proxy for an endpoint, if there is one.
    pub(super) fn proxy_for(&self, endpoint: &Endpoint) -> Option<&str> {
        if self.exceptions.iter().any(|it| it.matches(endpoint)) {
            return None;
        }
        let url = match endpoint.secure {
            true => &self.secure,
            false => &self.insecure,
        };
        url.as_deref()
    }
}

/// What is connected to without a proxy.
#[derive(Clone)]
enum Exception {
    Everything,
    Address(IpAddr, Option<u16>),
    /// A name in small letters, and all names below it.
    Name(String, Option<u16>),
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Ok(address) = entry.parse() {
            return Some(Self::Address(address, None));
        }
        let (name, port) = split_port(entry);
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().ok()?),
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Some(Self::Address(address, port));
        }
        let name = name.strip_prefix('*').unwrap_or(name);
        let name = name.trim_matches('.').to_ascii_lowercase();
        (!name.is_empty()).then_some(Self::Name(name, port))
    }

    fn matches(&self, endpoint: &Endpoint) -> bool {
        let has_port = |port: &Option<u16>| port.is_none_or(|port| port == endpoint.port);
        match self {
            Self::Everything => true,
            Self::Address(address, port) => has_port(port) && endpoint.host.parse() == Ok(*address),
            Self::Name(name, port) => {
                let host = endpoint.host.trim_end_matches('.').to_ascii_lowercase();
                let is_below = || {
                    // No address is below another.
                    host.parse::<IpAddr>().is_err()
                        && host
                            .strip_suffix(name.as_str())
                            .is_some_and(|rest| rest.ends_with('.'))
                };
                has_port(port) && (host == *name || is_below())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn endpoint(host: &str, port: u16, secure: bool) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            port,
            secure,
            path: "/diffusion".to_owned(),
        }
    }

    #[test]
    fn each_kind_of_connection_has_its_variable() {
        let cases = [
            ("", None, None),
            ("http_proxy=a", Some("a"), None),
            ("HTTP_PROXY=a", Some("a"), None),
            ("HTTP_PROXY=a REQUEST_METHOD=GET", None, None),
            ("https_proxy=b HTTPS_PROXY=c", None, Some("b")),
            ("HTTPS_PROXY=c", None, Some("c")),
            ("all_proxy=d", Some("d"), Some("d")),
            ("ALL_PROXY=d http_proxy=a", Some("a"), Some("d")),
            ("http_proxy= all_proxy=", None, None),
        ];
        for (variables, insecure, secure) in cases {
            let variables: Vec<_> = variables
                .split(' ')
                .filter_map(|it| it.split_once('='))
                .collect();
            let environment = environment(&variables);
            let proxy = |secure| environment.proxy_for(&endpoint("host", 80, secure));
            assert_eq!(
                (proxy(false), proxy(true)),
                (insecure, secure),
                "{variables:?}"
            );
        }
    }

    #[test]
    fn some_hosts_are_connected_to_directly() {
        let cases = [
            ("example.com", "example.com", 80, true),
            ("example.com", "EXAMPLE.com.", 80, true),
            ("example.com", "www.example.com", 80, true),
            ("example.com", "notexample.com", 80, false),
            ("example.com", "example.com.evil", 80, false),
            (".example.com", "example.com", 80, true),
            (".example.com", "a.b.example.com", 80, true),
            ("*.Example.com", "www.example.com", 80, true),
            ("a, example.com ,b", "example.com", 80, true),
            ("a example.com", "example.com", 80, true),
            ("example.com:8080", "example.com", 8080, true),
            ("example.com:8080", "example.com", 80, false),
            ("example.com:x", "example.com", 80, false),
            ("*", "anything", 1, true),
            ("10.0.0.1", "10.0.0.1", 80, true),
            ("10.0.0.1:81", "10.0.0.1", 80, false),
            ("0.0.1", "10.0.0.1", 80, false),
            ("::1", "::1", 80, true),
            ("[::1]", "::1", 80, true),
            ("[::1]:80", "0:0::1", 80, true),
            ("[::1]:81", "::1", 80, false),
            ("10.0.0.0/8", "10.0.0.1", 80, false),
            (",., ", "localhost", 80, false),
        ];
        for (no_proxy, host, port, is_direct) in cases {
            for name in ["no_proxy", "NO_PROXY"] {
                let environment = environment(&[("all_proxy", "p"), (name, no_proxy)]);
                let proxy = environment.proxy_for(&endpoint(host, port, false));
                assert_eq!(proxy.is_none(), is_direct, "{no_proxy}: {host}:{port}");
            }
        }
    }
}
