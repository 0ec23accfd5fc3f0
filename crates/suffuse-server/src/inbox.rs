//! The hand-over point from all links to the broker: links append, the broker takes everything at once.
//!
//! The broker thread is woken only if the inbox was empty, so a busy server pays no wake-ups. What is
//! taken together is a *batch*; a link that has pushed much waits until its batch is handled, which
//! bounds what one link can have on the way.

use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    thread::Thread,
};

use suffuse_broker::{Broker, Event};
use tokio::sync::oneshot;

use crate::{drain::Step, link::Answer, port::SharedPort};

/// Something for the broker thread.
pub(crate) enum Input {
    /// An event of a link, or of the password check.
    Event(Event),
    /// A new link, with its `Event::Open`.
    Open(Event, Box<NewLink>),
    /// A look at the broker from outside.
    Inspect(Box<dyn FnOnce(&Broker) + Send>),
    /// Connections of some sessions are ended, because the server is drained.
    Move {
        /// How many at most.
        count: usize,
        answer: oneshot::Sender<Step>,
    },
    /// The server stops: all sessions are told.
    Stop,
}

/// What the broker thread has to know of a link before it can answer its handshake.
pub(crate) struct NewLink {
    pub(crate) port: SharedPort,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The number of a batch; they are handled in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Batch(u64);

/// The inbox of the broker thread.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Nothing waits for the broker. A hint, which is read without the lock.
    is_idle: AtomicBool,
    broker: OnceLock<Thread>,
}

#[derive(Default)]
struct State {
    inputs: Vec<Input>,
    /// How many batches the broker has taken; the next one has this number.
    taken: u64,
    /// How many batches the broker has handled.
    handled: u64,
    /// Who waits for a batch to be handled.
    waiting: Vec<Waker>,
    /// The broker thread has ended: inputs are dropped.
    is_closed: bool,
}

impl Inbox {
    /// Says which thread takes the inputs. Called once, by that thread.
    pub(crate) fn attach(&self, broker: Thread) {
        self.broker.get_or_init(|| broker);
    }

    /// Adds an input and returns its batch.
    pub(crate) fn push(&self, input: Input) -> Batch {
        self.change(|inputs| inputs.push(input))
    }

    /// Adds inputs in order and returns their batch; `inputs` is empty afterwards.
    pub(crate) fn append(&self, inputs: &mut Vec<Input>) -> Batch {
        self.change(|all| all.append(inputs))
    }

    fn change(&self, add: impl FnOnce(&mut Vec<Input>)) -> Batch {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            add(&mut Vec::new()); // dropped outside of the lock: an answer may wake someone
            return Batch::default();
        }
        let was_empty = state.inputs.is_empty();
        add(&mut state.inputs);
        self.is_idle.store(false, Ordering::Relaxed);
        let batch = Batch(state.taken);
        drop(state);
        if was_empty && let Some(broker) = self.broker.get() {
            broker.unpark();
        }
        batch
    }

    /// Waits until a batch is handled.
    pub(crate) fn poll_handled(&self, batch: Batch, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_closed || batch.0 < state.handled {
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    /// Moves all inputs to `batch`, which is empty.
    pub(crate) fn take(&self, batch: &mut Vec<Input>) {
        let mut state = self.lock();
        std::mem::swap(&mut state.inputs, batch);
        self.is_idle.store(true, Ordering::Relaxed);
        state.taken += 1;
    }

    /// Returns whether nothing has come since inputs were taken.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_idle.load(Ordering::Relaxed)
    }

    /// Tells that all batches that were taken are handled.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.handled = state.taken;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Drops what is there and all that comes later.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let inputs = std::mem::take(&mut state.inputs);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(inputs);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// No code under the lock can leave the state half changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_handled_when_the_broker_has_finished_it() {
        let inbox = Inbox::default();
        let context = Context::from_waker(Waker::noop());
        let first = inbox.push(Input::Stop);
        assert!(inbox.poll_handled(first, &context).is_pending());

        let mut batch = Vec::new();
        inbox.take(&mut batch);
        let second = inbox.append(&mut vec![Input::Stop, Input::Stop]);
        assert_eq!(batch.len(), 1);
        assert!(inbox.poll_handled(first, &context).is_pending());

        inbox.finish();
        assert!(inbox.poll_handled(first, &context).is_ready());
        assert!(inbox.poll_handled(second, &context).is_pending());

        inbox.close();
        assert!(inbox.poll_handled(second, &context).is_ready());
    }
}
