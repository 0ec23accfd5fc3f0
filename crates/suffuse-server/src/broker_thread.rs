//! The thread that owns the broker: it takes what links have put into the inbox, lets the broker handle
//! it, and hands over what comes out.
//!
//! Per batch: handle all inputs, handle what is due, flush frames into the ports, perform the effects.
//! Frames go first, because the last frames of a link that ends come after those of its queue.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use hashbrown::HashMap;
use suffuse_broker::{Broker, Effect, Event, LinkId};
use tokio::sync::oneshot;

use crate::{
    drain::Step,
    inbox::{Inbox, Input},
    link::Answer,
    password::Check,
    port::{Port, SharedPort},
};

/// Runs the broker until it is told to stop.
pub(crate) fn run(broker: Broker, inbox: &Arc<Inbox>, checks: mpsc::Sender<Check>) {
    inbox.attach(thread::current());
    let _abort = AbortOnPanic;
    let mut driver = Driver {
        broker,
        links: HashMap::default(),
        openings: HashMap::new(),
        checks,
        is_stopping: false,
    };
    let mut batch = Vec::new();
    while !driver.is_stopping {
        inbox.take(&mut batch);
        let was_idle = batch.is_empty();
        driver.run_batch(&mut batch, inbox);
        inbox.finish();
        batch.shrink_to(KEPT_CAPACITY_MAX);
        if was_idle {
            driver.sleep();
        }
    }
    inbox.close();
}

/// How many ports are filled before they are written. A system call drives what others need out of the
/// cache, so that filling many at once waits less for memory.
const FILLED_MAX: usize = 32;

/// How much room for inputs is kept between batches.
const KEPT_CAPACITY_MAX: usize = 4096;

/// A hasher of links that keeps their order, because sessions that connected one after the other often get
/// the same updates: their ports are found in memory that is near. Nobody outside chooses these numbers.
#[derive(Default)]
struct InOrder(u64);

impl Hasher for InOrder {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the id of a link is one number")
    }

    fn write_u64(&mut self, number: u64) {
        // The map takes the place from the lower bits, and tells neighbours apart by the upper ones.
        self.0 = number | number << 57;
    }
}

/// The state of the broker cannot be trusted after a panic, and without it the process serves nobody.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the broker has failed: the process ends");
            std::process::abort();
        }
    }
}

struct Driver {
    broker: Broker,
    /// The links that the broker knows.
    links: HashMap<LinkId, SharedPort, BuildHasherDefault<InOrder>>,
    /// Those of them whose handshake is not answered.
    openings: HashMap<LinkId, oneshot::Sender<Answer>>,
    checks: mpsc::Sender<Check>,
    is_stopping: bool,
}

impl Driver {
    fn run_batch(&mut self, batch: &mut Vec<Input>, inbox: &Inbox) {
        let now = Instant::now();
        for input in batch.drain(..) {
            self.handle(input, now);
        }
        if self.broker.poll_timeout().is_some_and(|due| due <= now) {
            self.broker.handle_timeout(now);
        }
        self.flush(inbox);
        while let Some(effect) = self.broker.poll_effect() {
            self.perform(effect);
        }
    }

    /// Passes on what the sessions have to get. While nobody waits for this thread, it also writes.
    fn flush(&mut self, inbox: &Inbox) {
        let links = &self.links;
        let mut filled: Vec<&Port> = Vec::with_capacity(FILLED_MAX);
        self.broker.flush(|link, outbox| {
            let Some(port) = links.get(&link) else {
                return;
            };
            if !inbox.is_idle() {
                return port.give(outbox);
            }
            port.fill(outbox);
            filled.push(port);
            if filled.len() == FILLED_MAX {
                filled.drain(..).for_each(Port::write);
            }
        });
        filled.drain(..).for_each(Port::write);
    }

    fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Event(event) => {
                if let Event::Lost { link } = event {
                    self.forget(link);
                }
                self.broker.handle(event, now);
            }
            Input::Open(event, new) => {
                if let Event::Open { link, .. } = event {
                    self.links.insert(link, new.port);
                    self.openings.insert(link, new.answer);
                }
                self.broker.handle(event, now);
            }
            Input::Inspect(look) => look(&self.broker),
            Input::Move { count, answer } => {
                let moved = self.broker.move_sessions(count, now);
                let left = self.broker.connected();
                // The drain may have been aborted meanwhile.
                let _ = answer.send(Step { moved, left });
            }
            Input::Stop => {
                self.broker.shut_down();
                self.is_stopping = true;
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Accept { link, response } => self.answer(link, Answer::Accepted(response)),
            Effect::Reject {
                link,
                version,
                code,
            } => {
                self.links.remove(&link);
                self.answer(link, Answer::Rejected { version, code });
            }
            Effect::Verify {
                ticket,
                hash,
                password,
            } => {
                // The threads live as long as this sender.
                let _ = self.checks.send(Check {
                    ticket,
                    hash,
                    password,
                });
            }
            Effect::Close {
                link,
                cause,
                frames,
            } => {
                self.openings.remove(&link);
                if let Some(port) = self.links.remove(&link) {
                    port.close(cause, frames);
                }
            }
        }
    }

    fn answer(&mut self, link: LinkId, answer: Answer) {
        if let Some(opening) = self.openings.remove(&link) {
            // A client that has gone meanwhile is reported by `Event::Lost`.
            let _ = opening.send(answer);
        }
    }

    fn forget(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.openings.remove(&link);
    }

    /// Sleeps until something is due or comes into the inbox.
    fn sleep(&self) {
        match self.broker.poll_timeout() {
            None => thread::park(),
            Some(due) => thread::park_timeout(due.saturating_duration_since(Instant::now())),
        }
    }
}
