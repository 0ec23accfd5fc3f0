//! The opening handshake of WebSockets (RFC 6455 §4.2). No extension and no subprotocol is ever agreed on.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request};

use super::answer::{self, Answer};

/// Returns whether a request asks for a WebSocket, well or badly.
pub(super) fn is_asked(headers: &HeaderMap) -> bool {
    has_token(headers, header::UPGRADE, "websocket")
}

/// Checks the handshake and returns the value of `Sec-WebSocket-Accept`.
pub(super) fn check(request: &request::Parts) -> Result<HeaderValue, Box<Answer>> {
    let headers = &request.headers;
    let bad = |sentence: &str| {
        Err(Box::new(answer::sentence(
            StatusCode::BAD_REQUEST,
            sentence,
        )))
    };
    if request.method != Method::GET || request.version != Version::HTTP_11 {
        return bad("a WebSocket begins with a GET request of HTTP/1.1");
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return bad(
            "the request has `Upgrade: websocket`, but `Connection` does not contain `upgrade`: \
             a proxy on the way may not pass WebSockets on",
        );
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let refusal = answer::sentence(
            StatusCode::UPGRADE_REQUIRED,
            "expected `Sec-WebSocket-Version: 13`",
        );
        return Err(Box::new(answer::with(
            refusal,
            header::SEC_WEBSOCKET_VERSION,
            "13",
        )));
    }
    match headers.get(header::SEC_WEBSOCKET_KEY) {
        Some(key) if STANDARD.decode(key).is_ok_and(|key| key.len() == 16) => {
            Ok(accept(key.as_bytes()))
        }
        Some(_) | None => bad("expected a `Sec-WebSocket-Key` that is base64 of 16 bytes"),
    }
}

/// Returns the response that switches to the WebSocket.
pub(super) fn switch(accept: HeaderValue) -> Answer {
    let mut answer = Response::new(bytes::Bytes::new());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

fn accept(key: &[u8]) -> HeaderValue {
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let text = STANDARD.encode(hash.digest().bytes());
    HeaderValue::try_from(text).expect("base64 is a header value")
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, expected: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_has_the_answer_of_the_rfc() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn tokens_are_found_in_lists_and_whatever_their_case() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, HeaderValue::from_static("keep-alive"));
        headers.append(header::CONNECTION, HeaderValue::from_static("foo, UPGRADE"));
        assert!(has_token(&headers, header::CONNECTION, "upgrade"));
        assert!(!has_token(&headers, header::CONNECTION, "grade"));
    }
}
