//! The framing of messages in HTTP bodies (spec: connection §5.3).
//!
//! ```text
//! modern, both directions   base64 of { length of the body, type byte, body }*
//! old, to the server        { length of type byte and body, type byte, body }*  as raw bytes
//! old, to the client        base64 of { type byte, length of the body, body }*
//! ```
//! Lengths are four fixed bytes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Buf, BufMut, Bytes};

use crate::version::Dialect;

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// Why a body could not be cut into messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PollingError {
    /// The text is not base64.
    #[error("the body is not base64")]
    NotBase64,
    /// A length is negative, zero where it cannot be, or larger than the rest of the body.
    #[error("a message announces {announced} bytes, but {remaining} remain in the body")]
    BadLength {
        /// What the frame announces.
        announced: i32,
        /// What is left.
        remaining: usize,
    },
    /// The body ends inside a frame header.
    #[error("the body ends inside a frame header")]
    Truncated,
}

/// Appends one message, which has at least its type byte, to a body that is not base64 yet.
pub fn append(body: &mut Vec<u8>, message: &[u8], dialect: Dialect, direction: Direction) {
    let Some((first, rest)) = message.split_first() else {
        return;
    };
    let length = |length: usize| i32::try_from(length).expect("messages are below 2 GiB");
    match (dialect, direction) {
        (Dialect::Modern, _) => {
            body.put_i32(length(rest.len()));
            body.put_slice(message);
        }
        (Dialect::Old, Direction::Up) => {
            body.put_i32(length(message.len()));
            body.put_slice(message);
        }
        (Dialect::Old, Direction::Down) => {
            body.put_u8(*first);
            body.put_i32(length(rest.len()));
            body.put_slice(rest);
        }
    }
}

/// Returns the text of a body in which messages were collected with [`append`].
#[must_use]
pub fn finish(body: Vec<u8>, dialect: Dialect, direction: Direction) -> Bytes {
    match (dialect, direction) {
        (Dialect::Old, Direction::Up) => body.into(),
        (Dialect::Modern, _) | (Dialect::Old, Direction::Down) => STANDARD.encode(body).into(),
    }
}

/// Cuts a body into messages, which share one buffer.
///
/// # Errors
/// When the body is not well-formed; no message of it may then be used.
pub fn decode(
    body: &Bytes,
    dialect: Dialect,
    direction: Direction,
) -> Result<Vec<Bytes>, PollingError> {
    let mut rest = match (dialect, direction) {
        (Dialect::Old, Direction::Up) => body.clone(),
        // A raw body begins with the zero of a length, which base64 cannot: take it as it is.
        (Dialect::Modern, Direction::Up) if body.first() == Some(&0) => body.clone(),
        _ => STANDARD
            .decode(body)
            .map_err(|_| PollingError::NotBase64)?
            .into(),
    };
    let mut messages = Vec::new();
    while !rest.is_empty() {
        messages.push(take(&mut rest, dialect, direction)?);
    }
    Ok(messages)
}

fn take(rest: &mut Bytes, dialect: Dialect, direction: Direction) -> Result<Bytes, PollingError> {
    if rest.len() < 5 {
        return Err(PollingError::Truncated);
    }
    let typed_first = dialect == Dialect::Old && direction == Direction::Down;
    let first = typed_first.then(|| rest.get_u8());
    let announced = rest.get_i32();
    let extra = i32::from(dialect == Dialect::Modern);
    let bad = PollingError::BadLength {
        announced,
        remaining: rest.len(),
    };
    let length = announced
        .checked_add(extra)
        .and_then(|length| usize::try_from(length).ok());
    let Some(length) =
        length.filter(|length| *length <= rest.len() && (first.is_some() || *length > 0))
    else {
        return Err(bad);
    };
    let body = rest.split_to(length);
    Ok(match first {
        Some(first) => [&[first], &*body].concat().into(),
        None => body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_bytes_of_the_specification() {
        use {Dialect::*, Direction::*};
        let cases: &[(&str, Dialect, Direction, &[&[u8]])] = &[
            ("AAAAAgA4AQ==", Modern, Up, &[&[0, 0x38, 1]]),
            ("AAAAAgA3BQ==", Modern, Down, &[&[0, 0x37, 5]]),
            ("AAAAABw=", Modern, Down, &[&[0x1c]]),
            ("AAAAAAI3BQ==", Old, Down, &[&[0, 0x37, 5]]),
            ("HAAAAAA=", Old, Down, &[&[0x1c]]),
            (
                "\0\0\0\x03\x01\x37\x05\0\0\0\x01\x1d",
                Old,
                Up,
                &[&[1, 0x37, 5], &[0x1d]],
            ),
            ("", Modern, Down, &[]),
        ];
        for (text, dialect, direction, messages) in cases {
            let mut body = Vec::new();
            messages
                .iter()
                .for_each(|message| append(&mut body, message, *dialect, *direction));
            let body = finish(body, *dialect, *direction);
            assert_eq!(body, text.as_bytes(), "{text:?}");
            let decoded = decode(&body, *dialect, *direction);
            assert_eq!(
                decoded.as_deref(),
                Ok(messages
                    .iter()
                    .map(|m| Bytes::from_static(m))
                    .collect::<Vec<_>>()
                    .as_slice())
            );
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let check = |text: &'static str, expected: PollingError| {
            let body = Bytes::from_static(text.as_bytes());
            assert_eq!(
                decode(&body, Dialect::Modern, Direction::Up),
                Err(expected),
                "{text:?}"
            );
        };
        check("AAAAAgA4AQ=", PollingError::NotBase64);
        check("not base64", PollingError::NotBase64);
        check("AAAAAg==", PollingError::Truncated);
        check(
            "AAAAAwA4AQ==",
            PollingError::BadLength {
                announced: 3,
                remaining: 3,
            },
        );
        check(
            "/////wA4AQ==",
            PollingError::BadLength {
                announced: -1,
                remaining: 3,
            },
        );
        check(
            "f////wA4AQ==",
            PollingError::BadLength {
                announced: i32::MAX,
                remaining: 3,
            },
        );
        check(
            "\0\0\0\x02\0\x38",
            PollingError::BadLength {
                announced: 2,
                remaining: 2,
            },
        );
    }

    #[test]
    fn a_raw_body_is_accepted_where_base64_is_expected() {
        let body = Bytes::from_static(&[0, 0, 0, 2, 0, 0x38, 1]);
        let messages = decode(&body, Dialect::Modern, Direction::Up);
        assert_eq!(messages, Ok(vec![Bytes::from_static(&[0, 0x38, 1])]));
    }
}
