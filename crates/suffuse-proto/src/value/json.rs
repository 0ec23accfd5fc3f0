//! JSON values: one CBOR item each (spec: topics §11.1).
//!
//! They are written as the published JavaScript client writes them, so that a value which is the same
//! is the same bytes: arrays and maps of indefinite length, the shortest integers, doubles of 64 bits.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an item of CBOR is one of those that are expected, or it is refused"
)]

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Number, Value};

use super::ValueError;
use super::cbor::{self, Cursor, DEPTH_MAX, Item};

const ARRAY_START: u8 = 0x9f;
const MAP_START: u8 = 0xbf;
const BREAK: u8 = 0xff;
/// The first float above all integers of 64 bits, without a sign.
const TWO_TO_THE_64: f64 = 18_446_744_073_709_551_616.0;

/// Returns the bytes of a JSON value.
#[must_use]
pub fn from_json(value: &Value) -> Bytes {
    let mut out = Vec::new();
    put(&mut out, value);
    out.into()
}

fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(cbor::NULL),
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Number(number) => put_number(out, number),
        Value::String(text) => cbor::put_text(out, text),
        Value::Array(items) => {
            out.push(ARRAY_START);
            items.iter().for_each(|item| put(out, item));
            out.push(BREAK);
        }
        Value::Object(entries) => {
            out.push(MAP_START);
            for (key, value) in entries {
                cbor::put_text(out, key);
                put(out, value);
            }
            out.push(BREAK);
        }
    }
}

fn put_number(out: &mut Vec<u8>, number: &Number) {
    if let Some(integer) = number.as_i64() {
        return cbor::put_integer(out, integer);
    }
    if let Some(integer) = number.as_u64() {
        return cbor::put_head(out, cbor::major::UNSIGNED, integer);
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    // JavaScript does not tell 2.0 from 2.
    let is_integer = float.fract() == 0.0 && float.abs() < TWO_TO_THE_64;
    match is_integer {
        true if float >= 0.0 => cbor::put_head(out, cbor::major::UNSIGNED, float as u64),
        true => cbor::put_head(out, cbor::major::NEGATIVE, (-float) as u64 - 1),
        false => cbor::put_double(out, float),
    }
}

/// Returns the bytes of a JSON text.
///
/// # Errors
/// When the text is not JSON, with line and column.
pub fn from_text(text: &str) -> Result<Bytes, ValueError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| ValueError::NotJson(error.to_string()))?;
    Ok(from_json(&value))
}

/// Returns the JSON value of bytes. Numbers that JSON does not have, such as infinity, and
/// `undefined` become `null`; bytes become Base64; tags are left out.
///
/// # Errors
/// When the bytes are not one CBOR item, or have a map key that is neither text nor integer.
pub fn to_json(bytes: &[u8]) -> Result<Value, ValueError> {
    let mut cursor = Cursor::new(bytes);
    let value = read(&mut cursor, 0)?;
    cursor.finish()?;
    Ok(value)
}

fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, ValueError> {
    let at = cursor.position();
    let item = cursor.item()?;
    if depth > DEPTH_MAX {
        return Err(cbor::CborError {
            fault: cbor::CborFault::TooDeep,
            at,
        }
        .into());
    }
    Ok(match item {
        Item::Array(length) => read_array(cursor, length, depth + 1)?,
        Item::Map(length) => read_map(cursor, length, depth + 1)?,
        Item::Tag(_) => read(cursor, depth + 1)?,
        item => scalar(item, at)?,
    })
}

fn scalar(item: Item<'_>, at: usize) -> Result<Value, ValueError> {
    Ok(match item {
        Item::Unsigned(integer) => integer.into(),
        Item::Negative(complement) => match i64::try_from(complement) {
            Ok(complement) => (!complement).into(),
            Err(_) => (-1.0 - complement as f64).into(),
        },
        // `null` for those that JSON does not have.
        Item::Float(float) => float.into(),
        Item::Text(text) => text.into_owned().into(),
        Item::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Item::Bool(value) => value.into(),
        Item::Null | Item::Undefined => Value::Null,
        item => return Err(unexpected(&item, "JSON", at)),
    })
}

fn unexpected(item: &Item<'_>, expected: &'static str, at: usize) -> ValueError {
    ValueError::Unexpected {
        found: item.kind(),
        expected,
        at,
    }
}

/// Returns whether another item follows, and takes the end of an array or map if there is one.
fn has_more(cursor: &mut Cursor<'_>, left: &mut Option<u64>) -> Result<bool, ValueError> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None => {
            let mut ahead = cursor.clone();
            let is_end = ahead.item()? == Item::Break;
            if is_end {
                *cursor = ahead;
            }
            Ok(!is_end)
        }
    }
}

fn read_array(
    cursor: &mut Cursor<'_>,
    mut left: Option<u64>,
    depth: usize,
) -> Result<Value, ValueError> {
    let mut items = Vec::new();
    while has_more(cursor, &mut left)? {
        items.push(read(cursor, depth)?);
    }
    Ok(Value::Array(items))
}

fn read_map(
    cursor: &mut Cursor<'_>,
    mut left: Option<u64>,
    depth: usize,
) -> Result<Value, ValueError> {
    let mut entries = Map::new();
    while has_more(cursor, &mut left)? {
        let key = read_key(cursor)?;
        entries.insert(key, read(cursor, depth)?);
    }
    Ok(Value::Object(entries))
}

fn read_key(cursor: &mut Cursor<'_>) -> Result<String, ValueError> {
    let at = cursor.position();
    match cursor.item()? {
        Item::Text(text) => Ok(text.into_owned()),
        item @ (Item::Unsigned(_) | Item::Negative(_)) => Ok(scalar(item, at)?.to_string()),
        item => Err(unexpected(&item, "a text as the key of a map", at)),
    }
}

/// Checks that bytes are a JSON value: one CBOR item, with texts as keys, without tags and without
/// simple values that have no meaning.
///
/// # Errors
/// Where and why they are none.
pub fn validate(bytes: &[u8]) -> Result<(), ValueError> {
    let mut cursor = Cursor::new(bytes);
    cursor.walk(|item, is_key, at| match item {
        Item::Text(_) => Ok(()),
        item if is_key => Err(unexpected(item, "a text as the key of a map", at)),
        Item::Tag(_) | Item::Simple(_) => Err(unexpected(item, "JSON", at)),
        _ => Ok(()),
    })?;
    cursor.finish()?;
    Ok(())
}

/// Returns where the value that a JSON pointer (RFC 6901) names is, if there is one.
///
/// # Errors
/// When the bytes are not CBOR. What is after the value is not looked at.
pub fn find(bytes: &[u8], pointer: &str) -> Result<Option<Range<usize>>, ValueError> {
    let mut cursor = Cursor::new(bytes);
    let tokens = match pointer.strip_prefix('/') {
        Some(tokens) => Some(tokens),
        None if pointer.is_empty() => None,
        None => return Ok(None),
    };
    for token in tokens.into_iter().flat_map(|tokens| tokens.split('/')) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let entered = match cursor.item()? {
            Item::Map(length) => enter_map(&mut cursor, length, &token)?,
            Item::Array(length) => enter_array(&mut cursor, length, &token)?,
            _ => false,
        };
        if !entered {
            return Ok(None);
        }
    }
    Ok(Some(cursor.skip()?))
}

/// Moves to the value of a key; of several the last one counts.
fn enter_map(
    cursor: &mut Cursor<'_>,
    mut left: Option<u64>,
    token: &str,
) -> Result<bool, ValueError> {
    let mut found = None;
    while has_more(cursor, &mut left)? {
        let mut ahead = cursor.clone();
        let is_key = matches!(ahead.item()?, Item::Text(key) if key == token);
        cursor.skip()?;
        if is_key {
            found = Some(cursor.clone());
        }
        cursor.skip()?;
    }
    Ok(found.map(|value| *cursor = value).is_some())
}

fn enter_array(
    cursor: &mut Cursor<'_>,
    mut left: Option<u64>,
    token: &str,
) -> Result<bool, ValueError> {
    let is_index =
        token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
    let Some(index) = token.parse::<usize>().ok().filter(|_| is_index) else {
        return Ok(false);
    };
    for _ in 0..index {
        if !has_more(cursor, &mut left)? {
            return Ok(false);
        }
        cursor.skip()?;
    }
    has_more(cursor, &mut left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_javascript_does() {
        let cases: &[(&str, &[u8])] = &[
            ("2.0", &[0x02]),
            ("-1", &[0x20]),
            ("-5.0", &[0x24]),
            ("1.5", &[0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]),
            (
                "18446744073709551615",
                &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ),
            ("1e3", &[0x19, 0x03, 0xe8]),
            (
                "1e21",
                &[0xfb, 0x44, 0x4b, 0x1a, 0xe4, 0xd6, 0xe2, 0xef, 0x50],
            ),
            (
                r#"{"a":[true,null,""]}"#,
                &[0xbf, 0x61, b'a', 0x9f, 0xf5, 0xf6, 0x60, 0xff, 0xff],
            ),
        ];
        for (text, bytes) in cases {
            assert_eq!(from_text(text).unwrap(), *bytes, "{text}");
        }
        let error = from_text("{\n  \"a\": x}").unwrap_err().to_string();
        assert!(error.contains("line 2 column 8"), "{error}");
    }

    #[test]
    fn what_json_lacks_is_replaced_or_refused() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (&[0xf7], Some("null")),
            (&[0xf9, 0x7e, 0], Some("null")),
            (&[0x43, 1, 2, 3], Some(r#""AQID""#)),
            (&[0xc1, 0x18, 0x64], Some("100")),
            (&[0xa2, 0x01, 0x02, 0x20, 0x03], Some(r#"{"1":2,"-1":3}"#)),
            (&[0xa2, 0x61, b'a', 1, 0x61, b'a', 2], Some(r#"{"a":2}"#)),
            (
                &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                Some("-1.8446744073709552e+19"),
            ),
            (&[0xa1, 0x80, 0x01], None),
            (&[0xe0], None),
            (&[0xff], None),
            (&[0x9f, 0x01], None),
            (&[0x01, 0x01], None),
        ];
        for (bytes, expected) in cases {
            let text = to_json(bytes).ok().map(|value| value.to_string());
            assert_eq!(text.as_deref(), *expected, "{bytes:02x?}");
        }
        let deep = |depth| [vec![0x81; depth], vec![0]].concat();
        assert!(to_json(&deep(DEPTH_MAX)).is_ok() && to_json(&deep(DEPTH_MAX + 1)).is_err());
        assert!(to_json(&deep(1_000_000)).is_err());
    }

    #[test]
    fn validation_refuses_what_other_clients_cannot_read() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (&[0xbf, 0x61, b'a', 0xf7, 0xff], None),
            (&[0x41, 0x00], None),
            (
                &[0xa1, 0x01, 0x02],
                Some("found an integer at byte 1, expected a text as the key of a map"),
            ),
            (
                &[0x81, 0xc1, 0x00],
                Some("found a tag at byte 1, expected JSON"),
            ),
            (&[0xe0], Some("found a simple value at byte 0")),
            (
                &[0x01, 0x02],
                Some("bytes are left over after the item at byte 1"),
            ),
            (
                &[0xbf, 0x61, b'a'],
                Some("the value ends within an item at byte 3"),
            ),
            (&[], Some("ends within an item at byte 0")),
        ];
        for (bytes, expected) in cases {
            match (validate(bytes), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                (result, _) => panic!("{bytes:02x?}: {result:?}"),
            }
        }
    }

    #[test]
    fn pointers_find_the_bytes_of_a_value() {
        let bytes =
            from_text(r#"{"a":{"b":[1,"two",{"c":3}]},"":4,"x/y":5,"m~n":6,"a2":7}"#).unwrap();
        let cases = [
            ("/a/b/0", Some("1")),
            ("/a/b/1", Some(r#""two""#)),
            ("/a/b/2/c", Some("3")),
            ("/a/b/2", Some(r#"{"c":3}"#)),
            ("/", Some("4")),
            ("/x~1y", Some("5")),
            ("/m~0n", Some("6")),
            ("/a/b/3", None),
            ("/a/b/-", None),
            ("/a/b/01", None),
            ("/a/b/+1", None),
            ("/a/b/c", None),
            ("/a/b/1/c", None),
            ("/zz", None),
            ("a", None),
        ];
        for (pointer, expected) in cases {
            let span = find(&bytes, pointer).unwrap();
            let text = span.map(|span| to_json(&bytes[span]).unwrap().to_string());
            assert_eq!(text.as_deref(), expected, "{pointer}");
        }
        assert_eq!(find(&bytes, "").unwrap(), Some(0..bytes.len()));
    }
}
