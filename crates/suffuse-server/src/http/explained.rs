//! Sentences for the answers that hyper gives on its own.
//!
//! A head that hyper cannot read never comes to us, and hyper answers it with a bare status. All answers
//! of ours that refuse something have a body, so a bare one is hyper's and gets a body here.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{shared::Shared, stream::Stream};

macro_rules! answer {
    ($status:literal, $length:literal, $text:literal) => {{
        const { assert!($text.len() == $length) };
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ",
            $length,
            "\r\nconnection: close\r\n\r\n",
            $text
        )
        .as_bytes()
    }};
}

/// The answer to a connection on which no request came.
pub(super) const TIMEOUT: &[u8] = answer!(
    "408 Request Timeout",
    51,
    "no request came in time: connect and send it again\n"
);

const NO_HTTP: &[u8] = answer!(
    "400 Bad Request",
    98,
    "this is not a request of HTTP/1: perhaps TLS or a PROXY header, which this listener does not have\n"
);
const LONG_TARGET: &[u8] = answer!(
    "414 URI Too Long",
    47,
    "the request target is longer than is read here\n"
);
const LARGE_HEAD: &[u8] = answer!(
    "431 Request Header Fields Too Large",
    62,
    "the request head has more bytes or headers than are read here\n"
);

/// A socket on which hyper's own answers get a body.
pub(super) struct Explained {
    stream: Stream,
    shared: Arc<Shared>,
    /// What is left of an answer that replaces hyper's.
    rest: &'static [u8],
}

impl Explained {
    pub(super) fn new(stream: Stream, shared: Arc<Shared>) -> Self {
        Self {
            stream,
            shared,
            rest: &[],
        }
    }

    pub(super) fn into_inner(self) -> Stream {
        self.stream
    }
}

/// Returns what to send instead of a head that is all there is of an answer.
fn explanation(head: &[u8]) -> Option<(StatusCode, &'static [u8])> {
    let status = head.strip_prefix(b"HTTP/1.")?.get(1..5)?;
    let answer = match status {
        b" 400" => (StatusCode::BAD_REQUEST, NO_HTTP),
        b" 414" => (StatusCode::URI_TOO_LONG, LONG_TARGET),
        b" 431" => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, LARGE_HEAD),
        _ => return None,
    };
    let is_bare = head
        .windows(19)
        .any(|line| line == b"content-length: 0\r\n");
    is_bare.then_some(answer)
}

impl AsyncRead for Explained {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

// Without vectored writes hyper writes a head at once.
impl AsyncWrite for Explained {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.rest.is_empty() {
            match explanation(bytes) {
                Some((status, answer)) => {
                    self.shared.metrics.on_refusal(status);
                    self.rest = answer;
                }
                None => return Pin::new(&mut self.stream).poll_write(cx, bytes),
            }
        }
        while !self.rest.is_empty() {
            let rest = self.rest;
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.rest = &rest[written..],
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_refusals_are_explained() {
        let cases: [(&[u8], Option<&[u8]>); 6] = [
            (
                b"HTTP/1.1 431 x\r\ncontent-length: 0\r\n\r\n",
                Some(LARGE_HEAD),
            ),
            (
                b"HTTP/1.1 400 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                Some(NO_HTTP),
            ),
            (b"HTTP/1.1 400 x\r\ncontent-length: 10\r\n\r\n", None),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            (b"HTTP/1.1 ", None),
            (b"", None),
        ];
        for (head, expected) in cases {
            let found = explanation(head).map(|(_, answer)| answer);
            assert_eq!(found, expected, "{}", head.escape_ascii());
        }
    }
}
