//! Values of topics: what the bytes of each topic type mean, and deltas between them
//! (spec: topics §11).
//!
//! The server keeps values as the bytes that it got, because clients compare them byte by byte: it
//! reads them here, but never writes them anew.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::specification::TopicType;

pub mod cbor;
pub mod delta;
pub mod json;
pub mod patch;
pub mod primitive;
pub mod record;

use cbor::{CborError, Cursor, Item};

/// Why bytes or a text are not a value of a topic type.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The bytes are not CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// The bytes are CBOR, but not of the type.
    #[error("found {found} at byte {at}, expected {expected}")]
    Unexpected {
        /// What is there.
        found: &'static str,
        /// What should be there.
        expected: &'static str,
        /// Where.
        at: usize,
    },
    /// The bytes should be a text and are not UTF-8.
    #[error("the value is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// A number does not fit into 64 bits.
    #[error("the integer at byte {0} does not fit into 64 bits")]
    IntegerTooLarge(usize),
    /// A text is not JSON.
    #[error("the text is not JSON: {0}")]
    NotJson(String),
    /// A text is not what people write for a value of the type.
    #[error("`{found}` is not a value of type {topic_type}: expected {expected}")]
    NotDisplayed {
        /// The type.
        topic_type: TopicType,
        /// The text, shortened.
        found: String,
        /// What could have been written.
        expected: &'static str,
    },
    /// A field of a record has a character that separates fields or records.
    #[error("a field of a record cannot have the control character U+{0:04X}")]
    ReservedInRecord(u32),
}

/// Checks that bytes are a value of a topic type, for topics that ask for it.
///
/// # Errors
/// Where and why they are none. Bytes of a binary topic are always valid, and so are those of a time
/// series, whose values are checked with the type of its events.
pub fn validate(topic_type: TopicType, bytes: &[u8]) -> Result<(), ValueError> {
    match topic_type {
        TopicType::JSON => json::validate(bytes),
        TopicType::STRING => primitive::decode_str(bytes).map(drop),
        TopicType::INT64 => primitive::decode_int64(bytes).map(drop),
        TopicType::DOUBLE => primitive::decode_double(bytes).map(drop),
        TopicType::RECORD_V2 => match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(error) => Err(ValueError::NotUtf8(error.valid_up_to())),
        },
        _ => Ok(()),
    }
}

/// Returns whether the bytes say that the topic has no value.
#[must_use]
pub fn is_null(topic_type: TopicType, bytes: &[u8]) -> bool {
    matches!(
        topic_type,
        TopicType::STRING | TopicType::INT64 | TopicType::DOUBLE
    ) && bytes == [cbor::NULL]
}

/// Returns a text for people: JSON, a plain text or number, the text of binary, or `0x…`. Bytes that
/// are not of the type are shown as `0x…`.
#[must_use]
pub fn to_display(topic_type: TopicType, bytes: &[u8]) -> String {
    let text = match topic_type {
        TopicType::JSON => json::to_json(bytes).ok().map(|value| value.to_string()),
        TopicType::STRING | TopicType::INT64 | TopicType::DOUBLE => scalar_to_display(bytes),
        TopicType::RECORD_V2 => record::decode(bytes)
            .ok()
            .map(|records| serde_json::json!(records).to_string()),
        _ => printable(bytes),
    };
    text.unwrap_or_else(|| to_hex(bytes))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most items of CBOR are no scalars"
)]
fn scalar_to_display(bytes: &[u8]) -> Option<String> {
    match Cursor::only_item(bytes).ok()? {
        Item::Text(text) => Some(text.into_owned()),
        // `1.0` is another value than `1`, so it is written with its point.
        Item::Float(number) => Some(format!("{number:?}")),
        Item::Unsigned(_) | Item::Negative(_) | Item::Null => {
            json::to_json(bytes).ok().map(|value| value.to_string())
        }
        _ => None,
    }
}

/// Returns the text of binary that is one, unless it would be read as hexadecimal digits.
fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_printable = !text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    (is_printable && !text.starts_with("0x")).then(|| text.to_owned())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the bytes of what people write for a value, the reverse of [`to_display`].
///
/// # Errors
/// What was expected instead.
pub fn from_display(topic_type: TopicType, text: &str) -> Result<Bytes, ValueError> {
    let refused = |expected| ValueError::NotDisplayed {
        topic_type,
        found: crate::path::shortened(text),
        expected,
    };
    let trimmed = text.trim();
    match topic_type {
        TopicType::JSON => json::from_text(text),
        TopicType::STRING => Ok(primitive::encode_string(Some(text))),
        TopicType::INT64 if trimmed == "null" => Ok(primitive::encode_int64(None)),
        TopicType::INT64 => match trimmed.parse() {
            Ok(number) => Ok(primitive::encode_int64(Some(number))),
            Err(_) => Err(refused("an integer of 64 bits, or null")),
        },
        TopicType::DOUBLE if trimmed == "null" => Ok(primitive::encode_double(None)),
        TopicType::DOUBLE => match trimmed.parse() {
            Ok(number) => Ok(primitive::encode_double(Some(number))),
            Err(_) => Err(refused("a number, or null")),
        },
        TopicType::RECORD_V2 => match serde_json::from_str::<Vec<Vec<String>>>(text) {
            Ok(records) => record::encode(&records),
            Err(_) => Err(refused(r#"records as JSON, for example [["a","b"],["c"]]"#)),
        },
        _ => match text.strip_prefix("0x") {
            Some(digits) => {
                from_hex(digits).ok_or_else(|| refused("a text, or 0x and hexadecimal digits"))
            }
            None => Ok(Bytes::copy_from_slice(text.as_bytes())),
        },
    }
}

fn from_hex(digits: &str) -> Option<Bytes> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let byte = |[high, low]: &[u8; 2]| Some(nibble(*high)? << 4 | nibble(*low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_and_read_back() {
        let cases: &[(TopicType, &[u8], &str)] = &[
            (
                TopicType::JSON,
                &[0xbf, 0x61, b'a', 0x01, 0xff],
                r#"{"a":1}"#,
            ),
            (TopicType::STRING, &[0x62, b'h', b'i'], "hi"),
            (TopicType::INT64, &[0x20], "-1"),
            (TopicType::INT64, &[0xf6], "null"),
            (
                TopicType::DOUBLE,
                &[0xfb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0],
                "0.5",
            ),
            (
                TopicType::DOUBLE,
                &[0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
                "1.0",
            ),
            (
                TopicType::DOUBLE,
                &[0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
                "inf",
            ),
            (TopicType::BINARY, b"text\n", "text\n"),
            (TopicType::BINARY, b"", ""),
            (TopicType::BINARY, &[0, 0xff], "0x00ff"),
            (TopicType::BINARY, b"0x", "0x3078"),
            (TopicType::RECORD_V2, b"a\x02b\x01c", r#"[["a","b"],["c"]]"#),
        ];
        for (topic_type, bytes, text) in cases {
            assert_eq!(to_display(*topic_type, bytes), *text);
            assert_eq!(from_display(*topic_type, text).unwrap(), *bytes, "{text}");
        }
        assert_eq!(to_display(TopicType::INT64, &[0x1b, 1]), "0x1b01");
        assert_eq!(to_display(TopicType::DOUBLE, &[0x05]), "5");
    }

    #[test]
    fn a_text_that_is_no_value_is_refused_with_what_was_expected() {
        let cases = [
            (
                TopicType::INT64,
                "1.5",
                "`1.5` is not a value of type INT64: expected an integer of 64 bits",
            ),
            (
                TopicType::INT64,
                "9223372036854775808",
                "expected an integer of 64 bits, or null",
            ),
            (TopicType::DOUBLE, "", "expected a number, or null"),
            (TopicType::JSON, "{", "EOF while parsing"),
            (TopicType::BINARY, "0x0", "hexadecimal digits"),
            (TopicType::BINARY, "0xgg", "hexadecimal digits"),
            (TopicType::RECORD_V2, "a", "records as JSON"),
            (TopicType::RECORD_V2, r#"[["\u0001"]]"#, "U+0001"),
        ];
        for (topic_type, text, expected) in cases {
            let message = from_display(topic_type, text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn validation_knows_the_types() {
        let cases: &[(TopicType, &[u8], bool)] = &[
            (TopicType::BINARY, &[0xff], true),
            (TopicType::STRING, &[0x61, b'a'], true),
            (TopicType::STRING, &[0xf6], true),
            (TopicType::STRING, &[0x01], false),
            (TopicType::STRING, &[0x61, 0xff], false),
            (TopicType::STRING, &[0x61, b'a', 0], false),
            (TopicType::STRING, &[], false),
            (
                TopicType::INT64,
                &[0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                true,
            ),
            (TopicType::INT64, &[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0], false),
            (TopicType::INT64, &[0xf9, 0x3e, 0], false),
            (TopicType::DOUBLE, &[0xf9, 0x3e, 0], true),
            (TopicType::DOUBLE, &[0x01], false),
            (TopicType::RECORD_V2, &[0xff], false),
            (TopicType::RECORD_V2, &[1, 2], true),
        ];
        for (topic_type, bytes, expected) in cases {
            assert_eq!(
                validate(*topic_type, bytes).is_ok(),
                *expected,
                "{topic_type} {bytes:?}"
            );
        }
        assert!(is_null(TopicType::STRING, &[0xf6]) && !is_null(TopicType::JSON, &[0xf6]));
    }
}
