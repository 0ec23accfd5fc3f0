//! Texts and numbers, each of which may be absent: CBOR `null` (spec: topics §11.2).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an item of CBOR is one of those that are expected, or it is refused"
)]

use std::borrow::Cow;

use bytes::Bytes;

use super::ValueError;
use super::cbor::{self, Cursor, Item};

/// Returns the bytes of a value of a `STRING` topic.
#[must_use]
pub fn encode_string(value: Option<&str>) -> Bytes {
    encode(value, cbor::put_text)
}

/// Returns the bytes of a value of an `INT64` topic.
#[must_use]
pub fn encode_int64(value: Option<i64>) -> Bytes {
    encode(value, cbor::put_integer)
}

/// Returns the bytes of a value of a `DOUBLE` topic.
#[must_use]
pub fn encode_double(value: Option<f64>) -> Bytes {
    encode(value, cbor::put_double)
}

fn encode<T>(value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) -> Bytes {
    let mut out = Vec::new();
    match value {
        Some(value) => put(&mut out, value),
        None => out.push(cbor::NULL),
    }
    out.into()
}

/// Returns the text of a value of a `STRING` topic.
///
/// # Errors
/// When the bytes are not one text or `null`.
pub fn decode_string(bytes: &[u8]) -> Result<Option<String>, ValueError> {
    decode_str(bytes).map(|text| text.map(Cow::into_owned))
}

/// Returns the text of a value of a `STRING` topic, from its place in the bytes if possible.
///
/// # Errors
/// When the bytes are not one text or `null`.
pub fn decode_str(bytes: &[u8]) -> Result<Option<Cow<'_, str>>, ValueError> {
    match Cursor::only_item(bytes)? {
        Item::Text(text) => Ok(Some(text)),
        Item::Null => Ok(None),
        item => Err(unexpected(&item, "a text or null")),
    }
}

/// Returns the number of a value of an `INT64` topic.
///
/// # Errors
/// When the bytes are not one integer of 64 bits or `null`.
pub fn decode_int64(bytes: &[u8]) -> Result<Option<i64>, ValueError> {
    let integer = |value| i64::try_from(value).map_err(|_| ValueError::IntegerTooLarge(0));
    match Cursor::only_item(bytes)? {
        Item::Unsigned(value) => integer(value).map(Some),
        Item::Negative(complement) => Ok(Some(!integer(complement)?)),
        Item::Null => Ok(None),
        item => Err(unexpected(&item, "an integer or null")),
    }
}

/// Returns the number of a value of a `DOUBLE` topic, which may be written with 16, 32 or 64 bits.
///
/// # Errors
/// When the bytes are not one floating-point number or `null`.
pub fn decode_double(bytes: &[u8]) -> Result<Option<f64>, ValueError> {
    match Cursor::only_item(bytes)? {
        Item::Float(value) => Ok(Some(value)),
        Item::Null => Ok(None),
        item => Err(unexpected(&item, "a floating-point number or null")),
    }
}

fn unexpected(item: &Item<'_>, expected: &'static str) -> ValueError {
    ValueError::Unexpected {
        found: item.kind(),
        expected,
        at: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_bytes_of_the_specification() {
        assert_eq!(encode_string(Some("Hello")), b"\x65Hello".as_slice());
        assert_eq!(encode_string(None), [0xf6].as_slice());
        assert_eq!(
            encode_double(Some(0.5)),
            [0xfb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0].as_slice()
        );
        assert_eq!(
            decode_string(b"\x65Hello").unwrap().as_deref(),
            Some("Hello")
        );
        assert_eq!(decode_string(&[0xf6]), Ok(None));
        assert_eq!(decode_double(&[0xf9, 0x3e, 0]), Ok(Some(1.5)));
        assert_eq!(decode_double(&[0xf6]), Ok(None));
        for value in [0, -1, i64::MAX, i64::MIN] {
            assert_eq!(decode_int64(&encode_int64(Some(value))), Ok(Some(value)));
        }
        let message = decode_int64(&[0xf9, 0x3e, 0]).unwrap_err().to_string();
        assert_eq!(
            message,
            "found a floating-point number at byte 0, expected an integer or null"
        );
    }
}
