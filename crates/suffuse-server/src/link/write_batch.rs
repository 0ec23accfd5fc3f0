//! What a WebSocket link has taken from its port and not yet written.
//!
//! Small frames are copied together into a buffer of the thread and written at once; large ones are
//! written from where they are. The batch owns no buffer of its own.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use suffuse_broker::Frame;
use tokio::io::AsyncWrite;

/// Frames below this size are copied together; above it a copy costs more than a system call saves.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// The size of the buffer in which small frames are collected, one per thread.
const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// An empty batch keeps room for so many frames, 40 bytes each, so that a busy link allocates nothing.
const KEPT_CAPACITY_MAX: usize = 32;

thread_local! {
    static CHUNK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Frames, and after them a control frame, on their way to a socket.
#[derive(Debug, Default)]
pub(crate) struct WriteBatch {
    /// Filled by the port while the batch is empty.
    pub(crate) frames: Vec<Frame>,
    /// How many of `frames` are written.
    next: usize,
    /// How many bytes of the piece after those are written.
    offset: usize,
    tail: Bytes,
}

impl WriteBatch {
    /// Returns whether everything is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.tail.is_empty()
    }

    /// Writes `bytes` after the frames. Nothing else may be there.
    pub(crate) fn set_tail(&mut self, bytes: Bytes) {
        debug_assert!(self.tail.is_empty(), "the tail before is written");
        self.tail = bytes;
    }

    /// Writes everything, or as much as the socket takes.
    pub(crate) fn poll_write(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = CHUNK
                .with_borrow_mut(|chunk| Pin::new(&mut *socket).poll_write(cx, self.chunk(chunk)));
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Returns the next bytes to write; `buffer` is used if they have to be collected.
    fn chunk<'a>(&'a self, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        let front = &self.piece(self.next)[self.offset..];
        if front.len() >= COPIED_BYTES_MAX || self.next + 1 >= self.pieces() {
            return front;
        }
        buffer.clear();
        buffer.extend_from_slice(front);
        for index in self.next + 1..self.pieces() {
            let piece = self.piece(index);
            if piece.len() >= COPIED_BYTES_MAX || buffer.len() + piece.len() > CHUNK_BYTES_MAX {
                break;
            }
            buffer.extend_from_slice(piece);
        }
        buffer
    }

    fn pieces(&self) -> usize {
        self.frames.len() + usize::from(!self.tail.is_empty())
    }

    fn piece(&self, index: usize) -> &Bytes {
        self.frames.get(index).map_or(&self.tail, Frame::websocket)
    }

    fn advance(&mut self, mut written: usize) {
        while self.next < self.pieces() {
            let left = self.piece(self.next).len() - self.offset;
            if written < left {
                self.offset += written;
                return;
            }
            written -= left;
            self.offset = 0;
            self.next += 1;
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.frames.shrink_to(KEPT_CAPACITY_MAX);
        self.next = 0;
        self.tail = Bytes::new();
    }
}

#[cfg(test)]
mod tests {
    use suffuse_proto::{
        Message, Version,
        message::{Encoding, TopicId},
    };

    use super::*;

    /// A socket that takes a few bytes at a time.
    struct Narrow {
        width: usize,
        written: Vec<u8>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = &bytes[..bytes.len().min(self.width)];
            self.written.extend_from_slice(taken);
            Poll::Ready(Ok(taken.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn all_bytes_are_written_in_order_however_few_the_socket_takes() {
        let abort = || Frame::new(&Message::Abort, Version::NEWEST);
        let large = || {
            let message = Bytes::from(vec![7; 3 * COPIED_BYTES_MAX]);
            Frame::new(
                &Message::TopicValue {
                    topic: TopicId(1),
                    encoding: Encoding::Plain,
                    payload: message,
                },
                Version::NEWEST,
            )
        };
        let frames = vec![abort(), abort(), large(), abort(), large()];
        let mut expected: Vec<u8> = frames
            .iter()
            .flat_map(|frame| frame.websocket().to_vec())
            .collect();
        expected.extend_from_slice(b"tail");
        for width in [1, 2, 3, 7, 1000, 20_000, 1 << 20] {
            let mut batch = WriteBatch {
                frames: frames.clone(),
                ..WriteBatch::default()
            };
            batch.set_tail(Bytes::from_static(b"tail"));
            let mut socket = Narrow {
                width,
                written: Vec::new(),
            };
            let context = &mut Context::from_waker(std::task::Waker::noop());
            assert!(matches!(
                batch.poll_write(&mut socket, context),
                Poll::Ready(Ok(()))
            ));
            assert!(batch.is_empty());
            assert!(socket.written == expected, "width {width}");
        }
    }

    #[test]
    fn an_empty_batch_keeps_little() {
        let frames = vec![Frame::new(&Message::Abort, Version::NEWEST); 100];
        let mut batch = WriteBatch {
            frames,
            ..WriteBatch::default()
        };
        let mut socket = Narrow {
            width: 1000,
            written: Vec::new(),
        };
        let context = &mut Context::from_waker(std::task::Waker::noop());
        assert!(batch.poll_write(&mut socket, context).is_ready());
        assert!(batch.frames.capacity() <= KEPT_CAPACITY_MAX);
    }
}
