//! The hand-over point from the broker to one link: the broker appends frames, the link takes them all.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

use suffuse_broker::{Closing, Frame, Outbox};

/// A port that the broker thread and a link share.
pub(crate) type SharedPort = Arc<Port>;

/// How many bytes of frames a port takes; a single larger frame is taken alone. What does not fit stays
/// in the session's outbox, where a newer value replaces an older one, until the link has caught up.
pub(crate) const PORT_BYTES_MAX: usize = 64 * 1024;

/// The frames that a link has still to take.
#[derive(Default)]
pub(crate) struct Port(Mutex<State>);

#[derive(Default)]
struct State {
    frames: Vec<Frame>,
    /// The bytes of `frames`.
    bytes: usize,
    /// The outbox has more: the link owes an `Event::Ready`.
    is_waiting: bool,
    /// The link ends after `frames`.
    end: Option<Closing>,
    waker: Option<Waker>,
}

/// What a link learns when it takes frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The outbox has more: when all is written, `Event::Ready` is due.
    pub(crate) is_waiting: bool,
    /// The link ends after the frames that the port has given so far.
    pub(crate) end: Option<Closing>,
}

impl Port {
    /// Moves frames from the outbox while there is room, and wakes the link.
    pub(crate) fn give(&self, outbox: &mut Outbox<'_>) {
        let mut state = self.lock();
        let had = state.frames.len();
        let room = PORT_BYTES_MAX.saturating_sub(state.bytes);
        if room > 0 {
            outbox.take(&mut state.frames, room);
            state.bytes += state.frames[had..]
                .iter()
                .map(|frame| frame.websocket().len())
                .sum::<usize>();
        }
        state.is_waiting |= !outbox.is_empty();
        // A link that has not taken the frames before these is awake already.
        let waker = if had == 0 { state.waker.take() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Adds the last frames, which always fit, and lets the link end after them.
    pub(crate) fn close(&self, cause: Closing, mut frames: Vec<Frame>) {
        let mut state = self.lock();
        state.frames.append(&mut frames);
        state.end.get_or_insert(cause);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Moves all frames to `frames`, which is empty; the task is woken when there is something new.
    pub(crate) fn take(&self, frames: &mut Vec<Frame>, cx: &Context<'_>) -> Taken {
        let mut state = self.lock();
        state.wake_later(cx);
        std::mem::swap(&mut state.frames, frames);
        state.bytes = 0;
        Taken {
            is_waiting: std::mem::take(&mut state.is_waiting),
            end: state.end,
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
    ) -> Taken {
        let mut state = self.lock();
        state.wake_later(cx);
        let mut bytes = 0;
        let count = state.frames.iter().take(count_max).take_while(|frame| {
            let fits = bytes == 0 || bytes + frame.websocket().len() <= bytes_max;
            bytes += frame.websocket().len();
            fits
        });
        let count = count.count();
        frames.extend(state.frames.drain(..count));
        state.bytes = state
            .frames
            .iter()
            .map(|frame| frame.websocket().len())
            .sum();
        let is_empty = state.frames.is_empty();
        Taken {
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
    fn wake_later(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }
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

    #[test]
    fn all_frames_are_taken_at_once_with_the_end() {
        let port = Port::default();
        let context = Context::from_waker(Waker::noop());
        port.close(Closing::Shutdown, frames(3));
        port.close(Closing::Normal, Vec::new());
        let mut taken = Vec::new();
        let told = port.take(&mut taken, &context);
        assert_eq!(
            (taken.len(), told.end, told.is_waiting),
            (3, Some(Closing::Shutdown), false)
        );
    }
}
