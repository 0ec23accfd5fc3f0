//! Other servers of a group: where they are, and how they know each other.
//!
//! A request for a session of another server is forwarded with one more header, which says from which node to
//! which, when, and for which client, and proves it with the secret that all of them have:
//!
//! ```text
//! x-suffuse-forwarded: v1 n01 n02 1800000000000 192.0.2.7 <HMAC-SHA256 in hex>
//! ```
//! The proof covers these, the method, the target and the token, so it is of no use for another request, and
//! after a minute of none at all. It does not hide anything, nor cover the body: the network between
//! the servers has to be trusted, as behind a load balancer.

use std::{
    fmt,
    fmt::Write as _,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use http::{HeaderName, HeaderValue, request, uri::Authority};
use ring::hmac;
use suffuse_proto::NodeId;

pub(crate) const FORWARDED: HeaderName = HeaderName::from_static("x-suffuse-forwarded");
/// How far the clocks of two servers may differ.
const SKEW_MAX: Duration = Duration::from_secs(60);
const SECRET_BYTES_MIN: usize = 16;
const SECRET_BYTES_MAX: usize = 4096;

/// The other servers of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Where they are.
    pub peers: Peers,
    /// The file with the secret that all of them have, 16 to 4096 bytes without the last line break.
    pub secret_file: Option<PathBuf>,
    /// Whether requests for their sessions are forwarded to them, instead of refused.
    pub forward: bool,
    /// How many requests may be under way to them. More are answered with 503.
    pub forwards_max: usize,
}

/// The addresses of servers, by their node ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers(Vec<(NodeId, Authority)>);

impl Peers {
    /// Reads pairs of a node id and an address, such as `n02` and `http://10.0.0.2:8080`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let peer = |(node, url): (&str, &str)| {
            let node = node.parse::<NodeId>().map_err(|error| error.to_string())?;
            let rest = url.strip_prefix("http://");
            let authority = rest.and_then(|rest| {
                let authority: Authority = rest.trim_end_matches('/').parse().ok()?;
                (authority.port().is_some() && !rest.contains('@')).then_some(authority)
            });
            let authority = authority.ok_or_else(|| {
                format!("`{url}` is no address of a server: expected http://HOST:PORT")
            })?;
            Ok((node, authority))
        };
        pairs
            .into_iter()
            .map(peer)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the node ids and addresses.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Authority)> {
        self.0.iter().map(|(node, authority)| (*node, authority))
    }
}

/// What a request says of its forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) client: IpAddr,
}

/// Why a forwarded request is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PassageError {
    #[error(
        "this server forwards nothing, and takes nothing forwarded: it has no cluster.secret_file"
    )]
    NoSecret,
    #[error(
        "the proof of a forwarded request is malformed or wrong: do all servers have the same secret?"
    )]
    Proof,
    #[error("a forwarded request is {0} s old or early: set the clocks of the servers")]
    Time(u64),
    #[error(
        "a request for node {to} was forwarded to node {here}: look at cluster.peers of node {from}"
    )]
    Misdirected {
        from: NodeId,
        to: NodeId,
        here: NodeId,
    },
}

/// The secret of a group.
pub(crate) struct Link(hmac::Key);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(…)")
    }
}

impl Link {
    /// Reads the secret.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|error| error.to_string())?;
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        let secret = line.strip_suffix(b"\r").unwrap_or(line);
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) {
            return Err(format!(
                "it has {} bytes, expected {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}",
                secret.len()
            ));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Returns the header of a request that is forwarded.
    pub(crate) fn sign(
        &self,
        passage: &Passage,
        request: &request::Parts,
        token: &str,
    ) -> HeaderValue {
        let Passage { from, to, client } = passage;
        let mut text = format!("v1 {from} {to} {} {client}", now().as_millis());
        let proof = hmac::sign(&self.0, &signed(&text, request, token));
        text.push(' ');
        for byte in proof.as_ref() {
            _ = write!(text, "{byte:02x}");
        }
        HeaderValue::try_from(text).expect("digits, letters and addresses are a header value")
    }

    /// Checks the header of a request that was forwarded.
    pub(crate) fn check(
        &self,
        header: &HeaderValue,
        request: &request::Parts,
        token: &str,
        here: NodeId,
    ) -> Result<Passage, PassageError> {
        let (passage, time) = self
            .parse(header, request, token)
            .ok_or(PassageError::Proof)?;
        let age = now().abs_diff(time);
        if age > SKEW_MAX {
            return Err(PassageError::Time(age.as_secs()));
        }
        let Passage { from, to, .. } = passage;
        if to != here {
            return Err(PassageError::Misdirected { from, to, here });
        }
        Ok(passage)
    }

    fn parse(
        &self,
        header: &HeaderValue,
        request: &request::Parts,
        token: &str,
    ) -> Option<(Passage, Duration)> {
        let (text, proof) = header.to_str().ok()?.rsplit_once(' ')?;
        let proof = unhex(proof)?;
        hmac::verify(&self.0, &signed(text, request, token), &proof).ok()?;
        let mut words = text.strip_prefix("v1 ")?.split(' ');
        let (from, to) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let time = Duration::from_millis(words.next()?.parse().ok()?);
        let client = words.next()?.parse().ok()?;
        Some((Passage { from, to, client }, time))
    }
}

fn signed(text: &str, request: &request::Parts, token: &str) -> Vec<u8> {
    let target = request.uri.path_and_query().map_or("", |it| it.as_str());
    format!("{text}\n{}\n{target}\n{token}", request.method).into_bytes()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    digits.collect()
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of 16 bytes or more";

    fn link(secret: &[u8]) -> Link {
        Link(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn parts(method: &str, target: &str) -> request::Parts {
        let request = http::Request::builder().method(method).uri(target);
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_proof_is_good_for_its_request_only() {
        let (n01, n02): (NodeId, NodeId) = ("n01".parse().unwrap(), "n02".parse().unwrap());
        let passage = Passage {
            from: n01,
            to: n02,
            client: [192, 0, 2, 7].into(),
        };
        let request = parts("POST", "/a/diffusion");
        let header = link(SECRET).sign(&passage, &request, "token");
        let check = |secret, header: &HeaderValue, method, target, token, here| {
            link(secret).check(header, &parts(method, target), token, here)
        };
        let good = check(SECRET, &header, "POST", "/a/diffusion", "token", n02);
        assert_eq!(good, Ok(passage));
        let proof = Err(PassageError::Proof);
        let other = check(
            b"another secret entirely",
            &header,
            "POST",
            "/a/diffusion",
            "token",
            n02,
        );
        assert_eq!(other, proof);
        for (method, target, token) in [
            ("GET", "/a/diffusion", "token"),
            ("POST", "/b/diffusion", "token"),
            ("POST", "/a/diffusion?c=x", "token"),
            ("POST", "/a/diffusion", "other"),
        ] {
            assert_eq!(check(SECRET, &header, method, target, token, n02), proof);
        }
        let text = header.to_str().unwrap();
        for forged in [
            text.replace("192.0.2.7", "127.0.0.1"),
            text.replace("n01", "n03"),
            text[..text.len() - 1].to_owned(),
            text[..text.len() - 2].to_owned(),
            format!("{text}\u{7e}\u{7e}"),
            "v1".to_owned(),
            String::new(),
        ] {
            let forged = HeaderValue::try_from(forged).unwrap();
            assert_eq!(
                check(SECRET, &forged, "POST", "/a/diffusion", "token", n02),
                proof
            );
        }
        let elsewhere = check(SECRET, &header, "POST", "/a/diffusion", "token", n01);
        assert!(matches!(elsewhere, Err(PassageError::Misdirected { .. })));
    }

    #[test]
    fn an_old_proof_is_none() {
        let request = parts("POST", "/diffusion");
        let text = "v1 n01 n02 1000000000000 192.0.2.7";
        let proof = hmac::sign(&link(SECRET).0, &signed(text, &request, "token"));
        let hex: String = proof
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let header = HeaderValue::try_from(format!("{text} {hex}")).unwrap();
        let found = link(SECRET).check(&header, &request, "token", "n02".parse().unwrap());
        assert!(matches!(found, Err(PassageError::Time(_))), "{found:?}");
    }

    #[test]
    fn peers_have_an_id_and_an_address() {
        assert!(
            Peers::parse([("n02", "http://10.0.0.2:8080"), ("n03", "http://[::1]:80/")]).is_ok()
        );
        for (node, url) in [
            ("node2", "http://10.0.0.2:8080"),
            ("n02", "https://10.0.0.2:8080"),
            ("n02", "http://10.0.0.2"),
            ("n02", "http://a:b@10.0.0.2:80"),
            ("n02", "http://10.0.0.2:80/path"),
            ("n02", "10.0.0.2:80"),
        ] {
            let error = Peers::parse([(node, url)]).unwrap_err();
            assert!(error.contains("expected"), "{error}");
        }
    }
}
