//! Where a client is, when proxies are between it and the server.
//!
//! A proxy that is trusted tells whom it serves, in `X-Forwarded-For` or `Forwarded` (RFC 7239). Each proxy
//! appends the address that it sees, so the list is read from its end, and the first address that is no
//! trusted proxy is the client: whatever stands before it is what the client says of itself.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// How many proxies may be between a client and the server. What is before them is not looked at.
const HOPS_MAX: usize = 32;

/// Networks of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: expected an address or a prefix, such as 127.0.0.1 or 10.0.0.0/8")]
pub struct NetworksError(String);

impl Networks {
    /// Reads networks, each an address or a prefix: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
    ///
    /// # Errors
    /// If a text is neither.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, NetworksError> {
        let network = |text: T| {
            let text = text.as_ref();
            let address = text.parse::<IpAddr>().map(IpNet::from);
            address
                .or_else(|_| text.parse::<IpNet>())
                .map_err(|_| NetworksError(text.to_owned()))
        };
        texts
            .into_iter()
            .map(network)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns whether an address is in one of the networks. An IPv4 address of an IPv6 socket is IPv4.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the networks as text.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|network| {
            if network.prefix_len() == network.max_prefix_len() {
                network.addr().to_string()
            } else {
                network.to_string()
            }
        })
    }
}

/// The header in which the proxies in front tell the address of the client. Only one of the two is read:
/// most proxies append to one and pass the other on, in which then stands whatever the client likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which all proxies can write.
    #[default]
    XForwardedFor,
    /// `Forwarded`, the standard (RFC 7239).
    Forwarded,
}

/// What the headers of a request say of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// There is a forwarding header, but who sent it is not trusted.
    pub(super) ignored: bool,
}

/// Returns the client of a request that came from `sender`.
pub(super) fn find(
    sender: IpAddr,
    headers: &HeaderMap,
    trusted: &Networks,
    which: ForwardedHeader,
) -> Client {
    let address = sender.to_canonical();
    if !trusted.contain(address) {
        let ignored =
            headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
        return Client { address, ignored };
    }
    let address = match which {
        ForwardedHeader::XForwardedFor => nearest(
            address,
            trusted,
            rightmost(headers, &X_FORWARDED_FOR, |line| line.rsplit(',').collect())
                .map(|text| address_of(text.trim())),
        ),
        ForwardedHeader::Forwarded => nearest(
            address,
            trusted,
            rightmost(headers, &header::FORWARDED, |line| {
                let mut elements = split_unquoted(line, ',');
                elements.reverse();
                elements
            })
            .map(forwarded_for),
        ),
    };
    Client {
        address,
        ignored: false,
    }
}

/// Returns the items of all lines of a header, from the last one of the last line.
fn rightmost<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    split: impl Fn(&'a str) -> Vec<&'a str>,
) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).into_iter().collect();
    let items = lines
        .into_iter()
        .rev()
        .flat_map(move |line| line.to_str().map_or_else(|_| vec![""], &split));
    items.take(HOPS_MAX)
}

/// Follows the hops back while they are trusted. A hop that hides itself hides all that is before it.
fn nearest(
    sender: IpAddr,
    trusted: &Networks,
    hops: impl Iterator<Item = Option<IpAddr>>,
) -> IpAddr {
    let mut nearest = sender;
    for hop in hops {
        let Some(hop) = hop else {
            return nearest;
        };
        nearest = hop.to_canonical();
        if !trusted.contain(nearest) {
            return nearest;
        }
    }
    nearest
}

/// Reads an address with or without port and brackets. `unknown` and names like `_proxy` are none.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    // An obfuscated port (RFC 7239 §6.3) does not make the address less of one.
    let (address, port) = text.rsplit_once(':')?;
    if !port.starts_with('_') {
        return None;
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(address).parse().ok()
}

/// Returns the address of the parameter `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = split_unquoted(element, ';');
    let value = pairs.into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then_some(value.trim())
    })?;
    address_of(&unquote(value)?)
}

fn unquote(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        return Some(value.into());
    };
    let inner = rest.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(inner.into());
    }
    let mut chars = inner.chars();
    let mut text = String::with_capacity(inner.len());
    while let Some(char) = chars.next() {
        text.push(if char == '\\' { chars.next()? } else { char });
    }
    Some(text.into())
}

/// Splits at a separator that is not in quotes.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(|char| {
        if is_escaped {
            is_escaped = false;
        } else if char == '"' {
            is_quoted = !is_quoted;
        } else if is_quoted {
            is_escaped = char == '\\';
        } else {
            return char == separator;
        }
        false
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(sender: &str, header: &HeaderName, lines: &[&str]) -> Client {
        let trusted = Networks::parse(["10.0.0.0/8", "127.0.0.1", "fd00::/8"]).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let which = if *header == X_FORWARDED_FOR {
            ForwardedHeader::XForwardedFor
        } else {
            ForwardedHeader::Forwarded
        };
        find(sender.parse().unwrap(), &headers, &trusted, which)
    }

    fn check(cases: &[(&str, &[&str], &str)], header: &HeaderName) {
        for (sender, lines, expected) in cases {
            let found = client(sender, header, lines);
            assert_eq!(found.address.to_string(), *expected, "{sender} {lines:?}");
        }
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        check(
            &[
                ("10.0.0.1", &[], "10.0.0.1"),
                ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
                ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
                ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
                ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
                ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
                ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
                ("10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
                // What the client wrote stands before what the proxies saw.
                ("10.0.0.1", &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
                ("10.0.0.1", &["127.0.0.1", "192.0.2.1"], "192.0.2.1"),
                ("10.0.0.1", &["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
                ("10.0.0.1", &["192.0.2.1", "10.0.0.3, fd00::2"], "192.0.2.1"),
                ("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
                // Who is hidden cannot be told from who is before it.
                ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
                ("10.0.0.1", &["192.0.2.1, _hidden, 10.0.0.2"], "10.0.0.2"),
                ("10.0.0.1", &["192.0.2.1,"], "10.0.0.1"),
                ("10.0.0.1", &["192.0.2.1", "\u{e9}"], "10.0.0.1"),
                ("10.0.0.1", &["192.0.2.1:port"], "10.0.0.1"),
                // Who is not trusted speaks for himself only.
                ("192.0.2.9", &["192.0.2.1"], "192.0.2.9"),
                ("127.0.0.2", &["192.0.2.1"], "127.0.0.2"),
            ],
            &X_FORWARDED_FOR,
        );
    }

    #[test]
    fn the_standard_header_is_read_as_the_standard_says() {
        check(
            &[
                ("10.0.0.1", &["for=192.0.2.1"], "192.0.2.1"),
                (
                    "10.0.0.1",
                    &["proto=https;For=\"[2001:db8::1]:4711\";by=10.0.0.1"],
                    "2001:db8::1",
                ),
                ("10.0.0.1", &["for=\"192.0.2.1:_port\""], "192.0.2.1"),
                ("10.0.0.1", &["for=\"[2001:db8::1]:_p\""], "2001:db8::1"),
                ("10.0.0.1", &["for=\"1\\92.0.2.1\""], "192.0.2.1"),
                (
                    "10.0.0.1",
                    &["for=127.0.0.1, for=192.0.2.1;host=\"a,b;c\", for=10.0.0.2"],
                    "192.0.2.1",
                ),
                ("10.0.0.1", &["for=192.0.2.1, for=_hidden"], "10.0.0.1"),
                ("10.0.0.1", &["for=192.0.2.1, for=unknown"], "10.0.0.1"),
                ("10.0.0.1", &["for=192.0.2.1, proto=https"], "10.0.0.1"),
                ("10.0.0.1", &["for=\"192.0.2.1"], "10.0.0.1"),
                ("10.0.0.1", &["for=\"192.0.2.1\\"], "10.0.0.1"),
                ("192.0.2.9", &["for=192.0.2.1"], "192.0.2.9"),
            ],
            &header::FORWARDED,
        );
    }

    #[test]
    fn only_headers_of_strangers_are_ignored() {
        assert!(client("192.0.2.9", &X_FORWARDED_FOR, &["127.0.0.1"]).ignored);
        assert!(client("192.0.2.9", &header::FORWARDED, &["for=127.0.0.1"]).ignored);
        assert!(!client("192.0.2.9", &X_FORWARDED_FOR, &[]).ignored);
        assert!(!client("10.0.0.1", &X_FORWARDED_FOR, &["127.0.0.1"]).ignored);
    }

    #[test]
    fn a_long_list_is_not_read_to_its_beginning() {
        let hops = format!("192.0.2.1{}", ", 10.0.0.2".repeat(HOPS_MAX));
        let found = client("10.0.0.1", &X_FORWARDED_FOR, &[&hops]);
        assert_eq!(found.address.to_string(), "10.0.0.2");
    }

    #[test]
    fn networks_are_addresses_and_prefixes() {
        let networks = Networks::parse(["10.0.0.0/8", "127.0.0.1", "::1"]).unwrap();
        let texts: Vec<_> = networks.texts().collect();
        assert_eq!(texts, ["10.0.0.0/8", "127.0.0.1", "::1"]);
        for text in ["localhost", "10.0.0.0/33", "", "10.0.0.1:80"] {
            let error = Networks::parse([text]).unwrap_err();
            assert_eq!(error, NetworksError(text.to_owned()));
        }
    }
}
