//! Which web pages may connect: CORS for polling, and the check of `Origin` for WebSockets
//! (spec: connection §5.6).

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::answer::Answer;

/// The headers of polling requests, all of which a browser asks for before it sends them.
const REQUEST_HEADERS: &str =
    "c, ca, content-type, cs, m, password, r, s, sp, ss, svn, ty, username, v";
/// How long a browser may remember that, in seconds.
const MAX_AGE: &str = "7200";

/// The origins of web pages that may connect. Requests without `Origin`, as programs send them, always may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These, such as `https://www.example.com`.
    List(BTreeSet<String>),
}

impl Origins {
    /// Returns whether a request may connect.
    #[must_use]
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        match self {
            Self::Any => true,
            Self::List(allowed) => origin.to_str().is_ok_and(|origin| {
                let is_same =
                    |allowed: &String| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin);
                allowed.iter().any(is_same)
            }),
        }
    }
}

/// Returns the answer to the question of a browser whether a page may poll.
pub(super) fn preflight() -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(REQUEST_HEADERS),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static(MAX_AGE),
    );
    headers.insert(
        header::ALLOW,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    answer
}

/// Lets the page that asked read an answer.
pub(super) fn expose(answer: &mut Answer, origin: HeaderValue) {
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("diffusion-connection"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_must_be_in_the_list() {
        let list = ["https://a.example", "http://b.example:8080/"].map(str::to_owned);
        let list = Origins::List(BTreeSet::from(list));
        let cases = [
            (None, true),
            (Some("https://a.example"), true),
            (Some("HTTPS://A.example"), true),
            (Some("http://b.example:8080"), true),
            (Some("http://a.example"), false),
            (Some("https://a.example.evil"), false),
            (Some("https://a.example:444"), false),
            (Some("null"), false),
            (Some(""), false),
        ];
        for (origin, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(list.allow(&headers), expected, "{origin:?}");
            assert!(Origins::Any.allow(&headers), "{origin:?}");
        }
    }
}
