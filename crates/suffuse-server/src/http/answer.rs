//! Responses of the server itself: a status and a sentence that says what to do.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// A response whose body is there.
pub(crate) type Answer = Response<Bytes>;

/// Returns a response that says a sentence.
pub(crate) fn sentence(status: StatusCode, sentence: impl Into<String>) -> Answer {
    let mut text = sentence.into();
    text.push('\n');
    let mut answer = with_body(status, "text/plain; charset=utf-8", text);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// Returns a response that nobody may keep.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Adds a header.
pub(crate) fn with(mut answer: Answer, name: header::HeaderName, value: &'static str) -> Answer {
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    answer
}
