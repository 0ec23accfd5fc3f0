//! What is on its way to a socket.
//!
//! Small frames are copied together into a buffer of the thread and written at once; large ones are
//! written from where they are. The batch owns no buffer of its own.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll},
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

/// What goes to a socket: a response, frames, and a control frame, in this order. Each may be missing.
#[derive(Debug, Default)]
pub(crate) struct WriteBatch {
    pub(crate) frames: Vec<Frame>,
    /// How many pieces are written: the head, each frame, the tail.
    next: usize,
    /// How many bytes of the piece after those are written.
    offset: usize,
    /// Most batches have none of these, and a batch is small without.
    ends: Option<Box<Ends>>,
}

/// What goes before the frames, and after them.
#[derive(Debug, Default)]
struct Ends {
    head: Bytes,
    tail: Bytes,
}

impl WriteBatch {
    /// Returns whether everything is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.ends.is_none()
    }

    /// Returns whether there is a control frame, after which no frame can be added.
    pub(crate) fn has_tail(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| !ends.tail.is_empty())
    }

    /// Puts `bytes` before the frames, of which nothing may be written.
    pub(crate) fn set_head(&mut self, bytes: Bytes) {
        debug_assert!(self.next == 0 && self.offset == 0, "nothing is written");
        self.ends.get_or_insert_default().head = bytes;
    }

    /// Puts `bytes` after the frames.
    pub(crate) fn set_tail(&mut self, bytes: Bytes) {
        debug_assert!(!self.has_tail(), "the tail before is written");
        self.ends.get_or_insert_default().tail = bytes;
    }

    /// Writes everything, or as much as the socket takes.
    pub(crate) fn poll_write(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let result = self.try_write(|bytes| match Pin::new(&mut *socket).poll_write(cx, bytes) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        });
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    /// Writes everything by `write`, or until that fails.
    pub(crate) fn try_write(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while !self.is_empty() {
            match CHUNK.with_borrow_mut(|chunk| write(self.chunk(chunk)))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => self.advance(written),
            }
        }
        Ok(())
    }

    /// Returns the next bytes to write; `buffer` is used if they have to be collected.
    fn chunk<'a>(&'a self, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        let mut rest = (self.next..self.pieces()).map(|index| self.piece(index));
        let mut rest = rest.by_ref().filter(|piece| !piece.is_empty());
        let front = rest.next().map_or(&[][..], |piece| &piece[self.offset..]);
        let Some(second) = rest.next() else {
            return front;
        };
        let fits = |piece: &[u8], so_far: usize| {
            piece.len() < COPIED_BYTES_MAX && so_far + piece.len() <= CHUNK_BYTES_MAX
        };
        if front.len() >= COPIED_BYTES_MAX || !fits(second, front.len()) {
            return front;
        }
        buffer.clear();
        buffer.extend_from_slice(front);
        buffer.extend_from_slice(second);
        for piece in rest {
            if !fits(piece, buffer.len()) {
                break;
            }
            buffer.extend_from_slice(piece);
        }
        buffer
    }

    fn pieces(&self) -> usize {
        self.frames.len() + 2
    }

    fn piece(&self, index: usize) -> &[u8] {
        let frame = index
            .checked_sub(1)
            .and_then(|index| self.frames.get(index));
        match (frame, &self.ends) {
            (Some(frame), _) => frame.websocket(),
            (None, Some(ends)) if index == 0 => &ends.head,
            (None, Some(ends)) => &ends.tail,
            (None, None) => &[],
        }
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

    /// Drops everything, also what is half written.
    pub(crate) fn clear(&mut self) {
        self.ends = None;
        self.frames.clear();
        self.frames.shrink_to(KEPT_CAPACITY_MAX);
        (self.next, self.offset) = (0, 0);
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
        expected.splice(0..0, *b"head");
        expected.extend_from_slice(b"tail");
        for width in [1, 2, 3, 7, 1000, 20_000, 1 << 20] {
            let mut batch = WriteBatch {
                frames: frames.clone(),
                ..WriteBatch::default()
            };
            batch.set_head(Bytes::from_static(b"head"));
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
