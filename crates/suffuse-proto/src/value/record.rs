//! Records of text fields, as delimited text (spec: topics §11.4).
//!
//! Two forms would be nothing at all and have a character of their own: a record whose only field is
//! empty, and a value whose only record has no fields.

use bytes::Bytes;

use super::ValueError;

const RECORD_SEPARATOR: char = '\u{1}';
const FIELD_SEPARATOR: char = '\u{2}';
/// A field that became empty, in old deltas.
const EMPTIED_FIELD: char = '\u{3}';
const ONE_EMPTY_RECORD: &str = "\u{4}";
const ONE_EMPTY_FIELD: &str = "\u{5}";

/// Returns the bytes of records.
///
/// # Errors
/// When a field has one of the characters U+0001 to U+0005.
pub fn encode(records: &[Vec<String>]) -> Result<Bytes, ValueError> {
    let fields = records.iter().flatten();
    let reserved = fields
        .flat_map(|field| field.chars())
        .find(|c| matches!(c, '\u{1}'..='\u{5}'));
    if let Some(reserved) = reserved {
        return Err(ValueError::ReservedInRecord(reserved.into()));
    }
    if let [record] = records
        && record.is_empty()
    {
        return Ok(Bytes::from_static(ONE_EMPTY_RECORD.as_bytes()));
    }
    let records: Vec<String> = records.iter().map(|record| encode_record(record)).collect();
    Ok(records.join(&RECORD_SEPARATOR.to_string()).into())
}

fn encode_record(fields: &[String]) -> String {
    match fields {
        [field] if field.is_empty() => ONE_EMPTY_FIELD.to_owned(),
        fields => fields.join(&FIELD_SEPARATOR.to_string()),
    }
}

/// Returns the records of bytes.
///
/// # Errors
/// When the bytes are not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<Vec<Vec<String>>, ValueError> {
    match std::str::from_utf8(bytes) {
        Err(error) => Err(ValueError::NotUtf8(error.valid_up_to())),
        Ok("") => Ok(Vec::new()),
        Ok(ONE_EMPTY_RECORD) => Ok(vec![Vec::new()]),
        Ok(text) => Ok(text.split(RECORD_SEPARATOR).map(decode_record).collect()),
    }
}

fn decode_record(text: &str) -> Vec<String> {
    match text {
        "" => Vec::new(),
        ONE_EMPTY_FIELD => vec![String::new()],
        text => text.split(FIELD_SEPARATOR).map(decode_field).collect(),
    }
}

fn decode_field(text: &str) -> String {
    text.trim_matches(EMPTIED_FIELD).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_bytes_of_the_table() {
        let cases: &[(&[&[&str]], &[u8])] = &[
            (&[], b""),
            (&[&[]], b"\x04"),
            (&[&[""]], b"\x05"),
            (&[&["a"]], b"a"),
            (&[&["a", "b"]], b"a\x02b"),
            (&[&["a", "b"], &["c"]], b"a\x02b\x01c"),
            (&[&["a", ""]], b"a\x02"),
            (&[&["", ""]], b"\x02"),
            (&[&["a"], &[""]], b"a\x01\x05"),
            (&[&["a"], &[]], b"a\x01"),
            (&[&[], &["a"]], b"\x01a"),
            (&[&[], &[]], b"\x01"),
        ];
        for (records, bytes) in cases {
            let records: Vec<Vec<String>> = records
                .iter()
                .map(|record| record.iter().map(|field| (*field).to_owned()).collect())
                .collect();
            assert_eq!(encode(&records).unwrap(), *bytes);
            assert_eq!(decode(bytes).unwrap(), records);
        }
        assert_eq!(decode(b"\x03\x02a").unwrap(), [["", "a"]]);
    }

    #[test]
    fn what_cannot_be_written_or_read_is_refused() {
        let error = encode(&[vec!["a\u{2}".to_owned()]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a field of a record cannot have the control character U+0002"
        );
        assert_eq!(decode(b"a\xff"), Err(ValueError::NotUtf8(1)));
    }
}
