//! How a topic and its value are printed.

use bytes::Bytes;
use serde_json::{Value, json};
use suffuse_proto::{TopicType, value};

use crate::output::printable;

/// Returns a line for people: path, type and value.
pub(crate) fn line(path: &str, topic_type: TopicType, bytes: Option<&Bytes>) -> String {
    let value = match bytes {
        Some(bytes) => printable(&value::to_display(topic_type, bytes)),
        None => "(no value)".to_owned(),
    };
    format!("{}  {}  {value}", printable(path), type_name(topic_type))
}

/// Returns a document for programs, with `path`, `type` and `value`.
pub(crate) fn document(path: &str, topic_type: TopicType, bytes: Option<&Bytes>) -> Value {
    json!({ "path": path, "type": type_name(topic_type), "value": bytes.map(|bytes| json_value(topic_type, bytes)) })
}

/// Returns a value as JSON: what it is if JSON has it, else its text for people.
pub(crate) fn json_value(topic_type: TopicType, bytes: &Bytes) -> Value {
    let has_json = [
        TopicType::JSON,
        TopicType::STRING,
        TopicType::INT64,
        TopicType::DOUBLE,
    ]
    .contains(&topic_type);
    let exact = if has_json {
        value::json::to_json(bytes).ok()
    } else {
        None
    };
    exact.unwrap_or_else(|| Value::String(value::to_display(topic_type, bytes)))
}

/// Returns the name of a type as the options of the commands take it.
pub(crate) fn type_name(topic_type: TopicType) -> &'static str {
    match topic_type {
        TopicType::RECORD_V2 => "recordv2",
        other => other.data_type_name().unwrap_or("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_for_people_and_for_programs() {
        let json = value::json::from_text(r#"{"bid":1.5,"name":"a\u001bb"}"#).unwrap();
        let cases = [
            (
                TopicType::JSON,
                Some(json),
                r#"{"bid":1.5,"name":"a\u001bb"}"#,
                r#"{"bid":1.5,"name":"a\u001bb"}"#,
            ),
            (
                TopicType::STRING,
                Some(value::primitive::encode_string(Some("a\nb"))),
                "a\\nb",
                r#""a\nb""#,
            ),
            (
                TopicType::DOUBLE,
                Some(value::primitive::encode_double(Some(2.0))),
                "2.0",
                "2.0",
            ),
            (
                TopicType::INT64,
                Some(value::primitive::encode_int64(None)),
                "null",
                "null",
            ),
            (
                TopicType::BINARY,
                Some(Bytes::from_static(&[0, 1])),
                "0x0001",
                r#""0x0001""#,
            ),
            (TopicType::JSON, None, "(no value)", "null"),
        ];
        for (topic_type, bytes, text, json) in cases {
            let name = type_name(topic_type);
            assert_eq!(
                line("p", topic_type, bytes.as_ref()),
                format!("p  {name}  {text}")
            );
            let document = document("p", topic_type, bytes.as_ref()).to_string();
            assert_eq!(
                document,
                format!(r#"{{"path":"p","type":"{name}","value":{json}}}"#)
            );
        }
    }
}
