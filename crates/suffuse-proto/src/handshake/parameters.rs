//! Connection parameters, and how each place encodes their values (spec: connection §2.3).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// What JavaScript's `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The names that are parameters, in the order in which clients send them.
const NAMES: [&str; 12] = [
    "ty", "v", "ca", "r", "c", "cs", "ss", "sp", "username", "password", "m", "s",
];

/// The decoded parameters of one request. Unknown names are dropped, so the number is bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// The names of all parameters.
    pub const NAMES: &'static [&'static str] = &NAMES;

    /// Reads a query string. `+` is `+`: clients send raw base64.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let pairs = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self::collect(pairs.map(|(name, value)| (name, decode_percent(value.as_bytes()))))
    }

    /// Reads the headers of a polling request, whose values may be percent-encoded.
    #[must_use]
    pub fn from_polling_headers<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        Self::collect(
            headers
                .into_iter()
                .map(|(name, value)| (name, decode_percent(value))),
        )
    }

    /// Reads the headers of an upgrade request, whose values are raw UTF-8 (or Latin-1).
    #[must_use]
    pub fn from_upgrade_headers<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        Self::collect(
            headers
                .into_iter()
                .map(|(name, value)| (name, decode_text(value))),
        )
    }

    /// Adds the parameters of `other` that this one does not have.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (name, value) in other.0 {
            if self.get(name).is_none() {
                self.0.push((name, value));
            }
        }
        self
    }

    /// Returns a value by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Sets a value. `name` is one of [`Parameters::NAMES`].
    pub fn set(&mut self, name: &'static str, value: String) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    /// Returns the query string.
    #[must_use]
    pub fn to_query(&self) -> String {
        let pairs = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, COMPONENT)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Returns the headers of a polling request: names, and values that are ASCII.
    pub fn to_polling_headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.0
            .iter()
            .map(|(name, value)| (*name, utf8_percent_encode(value, COMPONENT).to_string()))
    }

    fn collect<'a>(pairs: impl Iterator<Item = (&'a str, String)>) -> Self {
        let mut parameters = Self::default();
        for (name, value) in pairs {
            let known = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name));
            if let Some(known) = known.filter(|known| parameters.get(known).is_none()) {
                parameters.0.push((known, value));
            }
        }
        parameters
    }
}

fn decode_percent(value: &[u8]) -> String {
    decode_text(&percent_decode(value).collect::<Vec<u8>>())
}

fn decode_text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}
