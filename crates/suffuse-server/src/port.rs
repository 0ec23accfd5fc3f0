//! The hand-over point from the broker to one link: the broker adds frames, and whoever has time writes
//! them.
//!
//! That is the broker thread itself, as long as nobody waits for it: then a frame goes to the socket
//! without waking the link, which costs more than half of a write. Otherwise, and when the socket is
//! full, it is the link.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use suffuse_broker::{Closing, Frame, Outbox};
use tokio::{io::AsyncWrite as _, net::tcp::OwnedWriteHalf};

use crate::{
    link::write_batch::WriteBatch,
    stream::{self, Stream},
};

/// A port that the broker thread and a link share.
pub(crate) type SharedPort = Arc<Port>;

/// How many bytes of frames a port takes; a single larger frame is taken alone. What does not fit stays
/// in the session's outbox, where a newer value replaces an older one, until the link has caught up.
pub(crate) const PORT_BYTES_MAX: usize = 64 * 1024;
/// How often the broker thread fills a port and writes, before the link has to go on.
const FILLS_MAX: usize = 4;

/// What is to be sent on one link.
#[derive(Default)]
pub(crate) struct Port(Mutex<State>);

#[derive(Default)]
struct State {
    batch: WriteBatch,
    /// About how many bytes of `batch` are not written.
    bytes: usize,
    /// The socket, if the broker thread may write to it.
    socket: Option<OwnedWriteHalf>,
    /// The socket takes no more for now.
    is_blocked: bool,
    /// The outbox has more: `Event::Ready` is due when all is written.
    is_waiting: bool,
    /// The link ends after what is there.
    end: Option<Closing>,
    /// The last frames, while a control frame is before them.
    last: Vec<Frame>,
    /// A close frame was the last thing to send, or nothing more is sent.
    is_shut: bool,
    waker: Option<Waker>,
}

/// What a link learns when all is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The outbox has more: `Event::Ready` is due.
    pub(crate) is_waiting: bool,
    /// The broker has ended the link, and there is nothing more.
    pub(crate) end: Option<Closing>,
}

impl Port {
    /// Moves frames from the outbox while there is room, and wakes the link.
    pub(crate) fn give(&self, outbox: &mut Outbox<'_>) {
        let mut state = self.lock();
        let was_empty = state.batch.is_empty();
        if state.has_room() {
            state.fill(outbox);
        }
        state.is_waiting |= !outbox.is_empty();
        // A link whose frames wait already is awake, or will be when its socket takes more.
        let waker = state.waker.take_if(|_| was_empty);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Moves frames from the outbox while there is room. [`Port::write`] is due, and soon.
    pub(crate) fn fill(&self, outbox: &mut Outbox<'_>) {
        let mut state = self.lock();
        for fill in 0..FILLS_MAX {
            if outbox.is_empty() || !state.has_room() {
                break;
            }
            if fill > 0 {
                state.try_write();
            }
            state.fill(outbox);
        }
        state.is_waiting |= !outbox.is_empty();
    }

    /// Writes what the socket takes at once, and wakes the link if something is left for it to do.
    pub(crate) fn write(&self) {
        let mut state = self.lock();
        if !state.is_blocked {
            state.try_write();
        }
        // Also a link whose socket is full is woken: perhaps it was this thread that found it so, and the
        // link has still to ask for room.
        let has_work = !state.batch.is_empty() || state.is_waiting;
        let waker = state.waker.take_if(|_| has_work);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Adds the last frames, which always fit, and lets the link end after them.
    pub(crate) fn close(&self, cause: Closing, mut frames: Vec<Frame>) {
        let mut state = self.lock();
        if is_cut(cause) {
            // The client gets it over its next connection.
            state.is_shut = true;
            state.batch.clear();
        }
        if state.is_shut {
            frames.clear();
        }
        match state.batch.has_tail() {
            false => state.batch.frames.append(&mut frames),
            true => state.last = frames,
        }
        state.end.get_or_insert(cause);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Begins to send: `first` goes before everything. Without a socket the link writes to its own.
    pub(crate) fn begin(&self, first: Bytes, socket: Option<OwnedWriteHalf>) {
        let mut state = self.lock();
        state.batch.set_head(first);
        state.socket = socket;
    }

    /// Adds a control frame. The one before must be sent.
    pub(crate) fn add_control(&self, frame: Bytes) {
        self.lock().batch.set_tail(frame);
    }

    /// Adds the close frame, after which nothing is sent.
    pub(crate) fn shut(&self, close_frame: Bytes) {
        let mut state = self.lock();
        state.is_shut = true;
        state.batch.set_tail(close_frame);
    }

    /// Writes everything; the task is woken when there is something new. `own` is the socket of the link,
    /// for a port that has none.
    pub(crate) fn poll_write(
        &self,
        own: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Sent>> {
        let mut state = self.lock();
        state.wake_later(cx);
        let state = &mut *state;
        if state.end.is_some_and(is_cut) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        loop {
            let written = match &mut state.socket {
                Some(socket) => state.batch.poll_write(socket, cx),
                None => state.batch.poll_write(own, cx),
            };
            state.is_blocked = written.is_pending();
            ready!(written)?;
            state.bytes = 0;
            if state.last.is_empty() {
                break;
            }
            std::mem::swap(&mut state.batch.frames, &mut state.last);
        }
        Poll::Ready(Ok(Sent {
            is_waiting: std::mem::take(&mut state.is_waiting),
            end: state.end,
        }))
    }

    /// Ends our direction of the socket.
    pub(crate) fn poll_shutdown(
        &self,
        own: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.lock().socket {
            Some(socket) => Pin::new(socket).poll_shutdown(cx),
            None => Pin::new(own).poll_shutdown(cx),
        }
    }

    /// Lets go of the socket.
    pub(crate) fn detach(&self) {
        let mut state = self.lock();
        state.is_shut = true;
        state.waker = None;
        if let Some(socket) = state.socket.take() {
            socket.forget(); // The other half closes it.
        }
    }

    /// Moves the oldest frames to `frames`: at most `count_max`, and no further when they have
    /// `bytes_max` bytes. The end is told when nothing is left.
    pub(crate) fn take_some(
        &self,
        frames: &mut Vec<Frame>,
        count_max: usize,
        bytes_max: usize,
        cx: &Context<'_>,
    ) -> Sent {
        let mut state = self.lock();
        state.wake_later(cx);
        let waiting = &mut state.batch.frames;
        let mut bytes = 0;
        let count = waiting.iter().take(count_max).take_while(|frame| {
            let fits = bytes == 0 || bytes + frame.websocket().len() <= bytes_max;
            bytes += frame.websocket().len();
            fits
        });
        let count = count.count();
        frames.extend(waiting.drain(..count));
        state.bytes = bytes_of(&state.batch.frames);
        let is_empty = state.batch.is_empty();
        Sent {
            is_waiting: is_empty && std::mem::take(&mut state.is_waiting),
            end: state.end.filter(|_| is_empty),
        }
    }

    /// Returns whether the broker has ended the link.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().end.is_some()
    }

    /// No code under the lock can leave the state half changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self) -> bool {
        !self.is_blocked && !self.is_shut && !self.batch.has_tail() && self.bytes < PORT_BYTES_MAX
    }

    fn fill(&mut self, outbox: &mut Outbox<'_>) {
        let first = self.batch.frames.len();
        outbox.take(&mut self.batch.frames, PORT_BYTES_MAX - self.bytes);
        self.bytes += bytes_of(&self.batch.frames[first..]);
    }

    /// Writes what the socket takes at once. Its errors are found by the link.
    fn try_write(&mut self) {
        if let Some(socket) = &mut self.socket {
            self.is_blocked = self
                .batch
                .try_write(|bytes| stream::write_now(socket, bytes))
                .is_err();
            if !self.is_blocked {
                self.bytes = 0;
            }
        }
    }

    fn wake_later(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }
}

/// Returns whether a link ends at once, without another byte, because its session goes on without it. A
/// socket whose client is gone would take nothing more anyway.
fn is_cut(cause: Closing) -> bool {
    match cause {
        Closing::Unresponsive | Closing::Replaced => true,
        Closing::Normal
        | Closing::ProtocolError
        | Closing::TooLarge
        | Closing::Moved
        | Closing::Shutdown => false,
    }
}

fn bytes_of(frames: &[Frame]) -> usize {
    frames.iter().map(|frame| frame.websocket().len()).sum()
}

#[cfg(test)]
mod tests {
    use suffuse_proto::{Message, Version};

    use super::*;

    fn frames(count: usize) -> Vec<Frame> {
        vec![Frame::new(&Message::Abort, Version::NEWEST); count]
    }

    #[test]
    fn a_reply_takes_the_oldest_frames_and_the_end_comes_last() {
        let port = Port::default();
        let context = Context::from_waker(Waker::noop());
        port.close(Closing::Normal, frames(5));
        let mut taken = Vec::new();

        // An abort with its header has 3 bytes.
        let cases = [
            ((2, 100), 2, None),
            ((9, 5), 1, None),
            ((9, 1), 1, None),
            ((9, 9), 1, Some(Closing::Normal)),
        ];
        for ((count_max, bytes_max), count, end) in cases {
            taken.clear();
            let told = port.take_some(&mut taken, count_max, bytes_max, &context);
            assert_eq!(
                (taken.len(), told.end),
                (count, end),
                "{count_max} {bytes_max}"
            );
        }
    }
}
