//! `GET /api/values?selector=…&limit=…`: values that an anonymous session may read, as JSON.

use bytes::Bytes;
use http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use suffuse_broker::PublicTopic;
use suffuse_proto::{Selector, TopicType, value};

/// How many values are given when the request does not say.
const LIMIT_DEFAULT: usize = 100;
/// How many values are given at most.
const LIMIT_MAX: usize = 1000;
/// The longest selector, in bytes.
const SELECTOR_BYTES_MAX: usize = 4096;
/// A larger value is left out of the answer.
const VALUE_BYTES_MAX: usize = 16 << 10;

/// A well-formed request for values.
#[derive(Debug)]
pub struct ValuesRequest {
    text: String,
    pub(super) selector: Selector,
    pub(super) limit: usize,
}

impl ValuesRequest {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut text = None;
        let mut limit = LIMIT_DEFAULT;
        for field in query.split('&').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            match name {
                "selector" => text = Some(decoded(value)?),
                "limit" => limit = parse_limit(value)?,
                _ => return Err("unknown parameter: expected `selector` and `limit`".to_owned()),
            }
        }
        let text = text.ok_or("expected a selector, such as ?selector=%3Fdemo%2F%2F")?;
        if text.len() > SELECTOR_BYTES_MAX {
            return Err(format!(
                "the selector has more than {SELECTOR_BYTES_MAX} bytes"
            ));
        }
        let selector = Selector::parse(&text).map_err(|error| error.to_string())?;
        Ok(Self {
            text,
            selector,
            limit,
        })
    }

    /// Makes the answer from the topics that were found; one more than the limit says that there are more,
    /// and `None` that anonymous sessions may not ask.
    pub(super) fn respond(&self, found: Option<&[PublicTopic]>) -> Response<Bytes> {
        let Some(found) = found else {
            return refusal(
                StatusCode::FORBIDDEN,
                "anonymous sessions may not read these topics",
            );
        };
        let values: Vec<Value> = found.iter().take(self.limit).map(entry).collect();
        let more = found.len() > self.limit;
        json_response(
            StatusCode::OK,
            &json!({ "selector": self.text, "values": values, "more": more }),
        )
    }
}

fn decoded(value: &str) -> Result<String, String> {
    let spaced = value.replace('+', " ");
    let text = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| "the selector is not UTF-8")?;
    Ok(text.into_owned())
}

fn parse_limit(value: &str) -> Result<usize, String> {
    let limit = value
        .parse()
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("the limit is not a number from 1 to {LIMIT_MAX}"))
}

fn entry(topic: &PublicTopic) -> Value {
    let name = topic.topic_type.data_type_name().unwrap_or("unknown");
    let mut entry = json!({ "path": topic.path.as_str(), "type": name });
    let Some(bytes) = &topic.value else {
        entry["value"] = Value::Null;
        return entry;
    };
    match (bytes.len() <= VALUE_BYTES_MAX)
        .then(|| shown(topic.value_type, bytes))
        .flatten()
    {
        Some(value) => entry["value"] = value,
        None => entry["bytes"] = bytes.len().into(),
    }
    entry
}

/// Returns a value as JSON: what it is if JSON has it, else its text for people.
fn shown(topic_type: TopicType, bytes: &[u8]) -> Option<Value> {
    match topic_type {
        TopicType::JSON | TopicType::STRING | TopicType::INT64 | TopicType::DOUBLE => {
            value::json::to_json(bytes).ok()
        }
        _ => Some(Value::String(value::to_display(topic_type, bytes))),
    }
}

pub(super) fn refusal(status: StatusCode, sentence: &str) -> Response<Bytes> {
    json_response(status, &json!({ "error": sentence }))
}

fn json_response(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = super::text(status, "application/json", body.to_string());
    let no_store = http::HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(http::header::CACHE_CONTROL, no_store);
    response
}
