//! A client on a WebSocket.
//!
//! An idle link is this one future: it owns no buffer. It reads into a buffer of its thread when the
//! socket is readable, and writes only what the broker thread leaves to it.
//!
//! ```text
//!          close frame or broken frame; the broker ends the link
//!   Open ────────────────────────────────────────────────────────► Ending(code)
//!    │                                                                │ all is written, close frame too
//!    │ end of the socket, error                                       ▼
//!    └──────────────────────────────► gone ◄────────────────────── Draining
//!                                          end of the socket, time
//! ```
//! Draining reads until the client ends the socket: closing it with unread bytes would reset the
//! connection and could destroy the last frames on their way.

use std::{
    cell::RefCell,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use suffuse_broker::{Closing, Fault};
use suffuse_proto::handshake::ConnectionResponse;
use suffuse_websocket::{
    CloseCode, Decoder, Incoming, Opcode, ProtocolError, close_frame, header, pong_frame,
};
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    time::Sleep,
};

use super::Link;
use crate::{inbox::Input, stream::Stream};

/// How long a link that ends may take to write the rest and see the client's end.
const ENDING_TIME_MAX: Duration = Duration::from_secs(3);
/// The size of the read buffer, one per thread.
const READ_BYTES_MAX: usize = 64 * 1024;
/// How often a link reads before others get their turn.
const READS_MAX: usize = 4;

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
    static RECEIVED: RefCell<Vec<Input>> = const { RefCell::new(Vec::new()) };
}

/// A connected WebSocket; the future is done when it has ended.
pub(crate) struct WebSocketLink {
    stream: Stream,
    link: Link,
    decoder: Decoder,
    /// The payload of the latest ping that is not answered.
    ping: Option<Bytes>,
    phase: Phase,
    /// Ends a message that is never finished, or an end that takes too long.
    timer: Option<Pin<Box<Sleep>>>,
    /// How long a message may take to arrive.
    message_time_max: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Ending(CloseCode),
    Draining,
}

/// The link has come to its end.
struct Gone;

impl WebSocketLink {
    /// Returns a link that begins with the response of an accepted handshake.
    pub(crate) fn new(
        stream: Stream,
        link: Link,
        response: &ConnectionResponse,
        message_bytes_max: usize,
        message_time_max: Duration,
    ) -> Self {
        let (stream, socket) = stream.split();
        link.port.begin(binary_frame(&response.to_bytes()), socket);
        Self {
            stream,
            link,
            decoder: Decoder::new(message_bytes_max),
            ping: None,
            phase: Phase::Open,
            timer: None,
            message_time_max,
        }
    }

    /// Returns a link that sends the response of a refused handshake and ends.
    pub(crate) fn refused(stream: Stream, link: Link, response: &ConnectionResponse) -> Self {
        let mut refused = Self::new(stream, link, response, 0, ENDING_TIME_MAX);
        refused.end(CloseCode::NORMAL);
        refused
    }

    /// Takes what the client sent together with its handshake.
    pub(crate) fn receive_early(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.receive(bytes);
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        for _ in 0..READS_MAX {
            ready!(self.link.poll_may_read(cx));
            let read = READ.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
                self.receive(buffer.filled());
                Poll::Ready(Ok::<_, io::Error>(buffer.filled().len()))
            });
            match ready!(read) {
                Ok(0) | Err(_) => return Poll::Ready(Gone),
                Ok(_) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.phase != Phase::Open {
            return;
        }
        let (link, ping) = (&mut self.link, &mut self.ping);
        let (mut close, mut has_message) = (None, false);
        let result = RECEIVED.with_borrow_mut(|received| {
            let result = self.decoder.feed(bytes, &mut |incoming| match incoming {
                Incoming::Message(message) => {
                    has_message = true;
                    received.push(link.message(message));
                }
                Incoming::Ping(payload) => *ping = Some(payload),
                Incoming::Pong(_) => {}
                Incoming::Close { code, .. } => close = Some(code.unwrap_or(CloseCode::NORMAL)),
            });
            link.receive(received);
            result
        });
        match (result, close) {
            (Err(error), _) => self.refuse(&error),
            (Ok(()), Some(code)) => {
                self.link.lost();
                self.end(code);
            }
            (Ok(()), None) => self.limit_message_time(has_message),
        }
    }

    /// The client broke a rule: of messages, which ends the session, or of frames, which ends the link.
    fn refuse(&mut self, error: &ProtocolError) {
        tracing::debug!(%error, "a client broke the WebSocket protocol");
        if matches!(error, ProtocolError::TextFrame) {
            self.link.fault(Fault::Malformed);
        } else if matches!(error, ProtocolError::TooBig { .. }) {
            self.link.fault(Fault::TooLarge);
        } else {
            self.link.lost();
            self.end(error.close_code());
        }
    }

    fn limit_message_time(&mut self, has_message: bool) {
        if !self.decoder.is_mid_message() {
            self.timer = None;
        } else if has_message || self.timer.is_none() {
            self.timer = Some(Box::pin(tokio::time::sleep(self.message_time_max)));
        }
    }

    fn end(&mut self, code: CloseCode) {
        self.phase = Phase::Ending(code);
        self.timer = Some(Box::pin(tokio::time::sleep(ENDING_TIME_MAX)));
    }

    /// Writes what is there. Whatever comes to the port later is written by the broker thread, or wakes
    /// this task.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        loop {
            let Ok(sent) = ready!(self.link.port.poll_write(&mut self.stream, cx)) else {
                return Poll::Ready(Gone);
            };
            if sent.is_waiting {
                self.link.ready();
            }
            match (self.phase, sent.end) {
                (Phase::Open, Some(cause)) => {
                    self.link.ended();
                    self.end(close_code(cause));
                }
                (Phase::Open, None) => match self.ping.take() {
                    Some(payload) => self.link.port.add_control(pong_frame(&payload)),
                    None => return Poll::Pending,
                },
                (Phase::Ending(code), _) => {
                    self.phase = Phase::Draining;
                    self.link.port.shut(close_frame(code, ""));
                }
                // Our direction is ended; the link waits for the client's end.
                (Phase::Draining, _) => {
                    match ready!(self.link.port.poll_shutdown(&mut self.stream, cx)) {
                        Ok(()) => return Poll::Pending,
                        Err(_) => return Poll::Ready(Gone),
                    }
                }
            }
        }
    }

    fn has_timed_out(&mut self, cx: &mut Context<'_>) -> bool {
        self.timer
            .as_mut()
            .is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
    }
}

impl Future for WebSocketLink {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let is_gone = this.poll_read(cx).is_ready()
            || this.poll_write(cx).is_ready()
            || this.has_timed_out(cx);
        if is_gone {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

fn binary_frame(payload: &[u8]) -> Bytes {
    let header = header(Opcode::Binary, payload.len());
    let mut frame = BytesMut::with_capacity(header.len() + payload.len());
    frame.extend_from_slice(header.as_slice());
    frame.extend_from_slice(payload);
    frame.freeze()
}

fn close_code(cause: Closing) -> CloseCode {
    match cause {
        // The last two end without a close frame.
        Closing::Normal | Closing::Unresponsive | Closing::Replaced => CloseCode::NORMAL,
        Closing::ProtocolError => CloseCode::PROTOCOL_ERROR,
        Closing::TooLarge => CloseCode::TOO_BIG,
        Closing::Moved | Closing::Shutdown => CloseCode::GOING_AWAY,
    }
}
