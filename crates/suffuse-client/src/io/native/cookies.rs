//! Cookies, by which a balancer sends all requests of a session to the same server.
//!
//! All requests go to one host and path, so only name and value matter, and whether a cookie is
//! taken back. They are shared by all connections of an attempt to connect and of its session.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::{HeaderMap, header};

/// The most cookies that are kept, and the longest, in bytes.
const COOKIES_MAX: usize = 32;
const COOKIE_BYTES_MAX: usize = 4096;

/// The cookies of one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Cookies(Arc<Mutex<BTreeMap<String, String>>>);

impl Cookies {
    /// Keeps the cookies that a response sets.
    pub(super) fn learn(&self, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE) {
            if let Ok(text) = value.to_str() {
                self.set(text);
            }
        }
    }

    /// Returns the value of the header `Cookie`, if there are cookies.
    pub(super) fn header(&self) -> Option<String> {
        let cookies = self.lock();
        let pairs: Vec<_> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn set(&self, text: &str) {
        let mut parts = text.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let is_taken_back = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
        let mut cookies = self.lock();
        if is_taken_back {
            cookies.remove(name);
        } else if text.len() <= COOKIE_BYTES_MAX
            && (cookies.len() < COOKIES_MAX || cookies.contains_key(name))
        {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_sent_back_until_they_are_taken_back() {
        let cookies = Cookies::default();
        assert_eq!(cookies.header(), None);
        let learn = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::SET_COOKIE, text.parse().unwrap());
            cookies.learn(&headers);
        };
        learn("session=1-2; Path=/; HttpOnly; SameSite=Lax");
        learn("SERVERID=n01");
        learn("nonsense");
        assert_eq!(
            cookies.header().as_deref(),
            Some("SERVERID=n01; session=1-2")
        );
        learn("SERVERID=n02; path=/");
        learn("session=; Max-Age=0");
        assert_eq!(cookies.header().as_deref(), Some("SERVERID=n02"));
        learn(&format!("big={}", "x".repeat(COOKIE_BYTES_MAX)));
        (0..100).for_each(|number| learn(&format!("c{number:03}=x")));
        assert_eq!(cookies.header().unwrap().split("; ").count(), COOKIES_MAX);
    }
}
