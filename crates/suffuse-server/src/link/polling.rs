//! Clients that poll by HTTP: what a session's requests share, whichever TCP connections carry them.
//!
//! A client has at most one poll and one send on the way, each numbered from 0 (spec: connection §5.5).
//! A poll is held until there are frames. Its reply is kept until the next poll, so that a repeated
//! request, as a proxy makes it when a connection breaks, gets the same bytes. When no poll is there for
//! the grace time, the link is lost.

use std::{
    cmp::Ordering,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hashbrown::HashMap;
use suffuse_broker::{Closing, Fault, Frame};
use suffuse_proto::{
    SessionToken,
    polling::{self, Direction},
    version::Dialect,
};
use tokio::sync::Notify;

use super::Link;

/// A reply to a poll has at most so many messages, and no further one when it has so many bytes.
const REPLY_MESSAGES_MAX: usize = 100;
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// How long a send that came before its predecessor waits for it, and by how many it may be early.
const GAP_TIME_MAX: Duration = Duration::from_secs(1);
const GAP_MAX: u32 = 4;

/// What a request of a polling client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// 200.
    Body(Bytes),
    /// 404: the link has ended.
    Gone,
    /// 200 without messages: the client is to connect again, by another request.
    Moved,
    /// 400: the client broke a rule, which has ended the link.
    Broken(String),
    /// 413: a message is too large, which has ended the session.
    TooLarge,
}

/// The polling clients of a server, by token.
#[derive(Default)]
pub(crate) struct PollingLinks(Mutex<HashMap<SessionToken, Arc<PollingLink>>>);

impl PollingLinks {
    /// Adds a link. One that had the token before gets no more requests. Of two handshakes of a session that
    /// were answered at once, the broker has ended the link of the first.
    pub(crate) fn insert(&self, token: SessionToken, link: Link, dialect: Dialect) {
        let mut links = self.lock();
        if link.port.is_closed() {
            return;
        }
        let replaced = links.insert(token, Arc::new(PollingLink::new(link, dialect)));
        drop(links);
        if let Some(replaced) = replaced {
            replaced.wake();
        }
    }

    /// Returns the link of a token.
    pub(crate) fn find(&self, token: &SessionToken) -> Option<Arc<PollingLink>> {
        self.lock().get(token).cloned()
    }

    /// Drops the links that have ended or have had no poll for the grace time.
    pub(crate) fn sweep(&self, now: Instant, grace: Duration) {
        self.lock().retain(|_, link| !link.has_ended(now, grace));
    }

    /// No code under the lock can leave the map half changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionToken, Arc<PollingLink>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connected polling client.
pub(crate) struct PollingLink {
    dialect: Dialect,
    state: Mutex<State>,
    /// A send was processed.
    sent: Notify,
}

struct State {
    link: Link,
    is_over: bool,
    poll_expected: u32,
    send_expected: u32,
    /// Counts polls; only the latest one may take frames.
    turn: u64,
    waker: Option<Waker>,
    /// Since when no poll has been there.
    idle_since: Option<Instant>,
    /// The reply to the poll before the expected one.
    answered: Option<Bytes>,
}

impl PollingLink {
    fn new(link: Link, dialect: Dialect) -> Self {
        let state = State {
            link,
            is_over: false,
            poll_expected: 0,
            send_expected: 0,
            turn: 0,
            waker: None,
            idle_since: Some(Instant::now()),
            answered: None,
        };
        Self {
            dialect,
            state: Mutex::new(state),
            sent: Notify::new(),
        }
    }

    /// Waits for frames, at most for `hold`.
    pub(crate) async fn poll(&self, sequence: Option<u32>, hold: Duration) -> Reply {
        let turn = match self.lock().begin_poll(sequence) {
            Ok(turn) => turn,
            Err(reply) => return reply,
        };
        let _turn = Turn { link: self, turn };
        let held = poll_fn(|cx| self.lock().poll_frames(turn, self.dialect, cx));
        match tokio::time::timeout(hold, held).await {
            Ok(reply) => reply,
            Err(_) => self.lock().answer(turn, Bytes::new()),
        }
    }

    /// Passes the messages of a body on.
    pub(crate) async fn send(
        &self,
        sequence: Option<u32>,
        body: &Bytes,
        message_bytes_max: usize,
    ) -> Reply {
        let Some(sequence) = sequence else {
            return self
                .lock()
                .refuse("the header `s` of a send is missing or not a number".to_owned());
        };
        let waited = tokio::time::timeout(GAP_TIME_MAX, self.wait_for_turn(sequence)).await;
        let reply = match waited {
            Err(_) => self.lock().refuse(format!(
                "send {sequence} came, but the one before is missing"
            )),
            Ok(()) => self
                .lock()
                .receive(sequence, self.dialect, body, message_bytes_max),
        };
        self.sent.notify_waiters();
        let handled = poll_fn(|cx| self.lock().link.poll_handled(cx));
        handled.await; // so one client cannot fill the inbox
        reply
    }

    /// Ends the session, because a body is larger than any message may be.
    pub(crate) fn refuse_too_large(&self) -> Reply {
        self.lock().link.fault(Fault::TooLarge);
        Reply::TooLarge
    }

    async fn wait_for_turn(&self, sequence: u32) {
        loop {
            let mut sent = std::pin::pin!(self.sent.notified());
            sent.as_mut().enable();
            let expected = self.lock().send_expected;
            let is_early = sequence > expected && sequence - expected <= GAP_MAX;
            if !is_early || self.lock().is_ended() {
                return;
            }
            sent.await;
        }
    }

    fn has_ended(&self, now: Instant, grace: Duration) -> bool {
        let mut state = self.lock();
        let is_idle = state
            .idle_since
            .is_some_and(|since| now.saturating_duration_since(since) >= grace);
        if is_idle {
            state.end();
        }
        state.is_over
    }

    fn wake(&self) {
        if let Some(waker) = self.lock().waker.take() {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A poll that is there, until it is answered or its connection ends.
struct Turn<'a> {
    link: &'a PollingLink,
    turn: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.link.lock();
        if state.turn == self.turn {
            state.idle_since = Some(Instant::now());
        }
    }
}

impl State {
    /// Admits a poll, which supersedes the one before.
    fn begin_poll(&mut self, sequence: Option<u32>) -> Result<u64, Reply> {
        if self.is_over {
            return Err(Reply::Gone);
        }
        let Some(sequence) = sequence else {
            return Err(
                self.refuse("the header `s` of a poll is missing or not a number".to_owned())
            );
        };
        if sequence == self.poll_expected {
            self.poll_expected += 1;
            self.answered = None;
        } else if Some(sequence) == self.poll_expected.checked_sub(1) {
            if let Some(body) = &self.answered {
                self.idle_since = Some(Instant::now());
                return Err(Reply::Body(body.clone()));
            }
        } else {
            return Err(self.refuse(format!(
                "poll {sequence} came, expected {}",
                self.poll_expected
            )));
        }
        self.turn += 1;
        self.idle_since = None;
        if let Some(superseded) = self.waker.take() {
            superseded.wake();
        }
        Ok(self.turn)
    }

    fn poll_frames(&mut self, turn: u64, dialect: Dialect, cx: &Context<'_>) -> Poll<Reply> {
        if turn != self.turn {
            return Poll::Ready(Reply::Body(Bytes::new())); // Superseded.
        }
        if self.is_over {
            return Poll::Ready(Reply::Gone);
        }
        let mut frames = Vec::new();
        let taken = self
            .link
            .port
            .take_some(&mut frames, REPLY_MESSAGES_MAX, REPLY_BYTES_MAX, cx);
        if taken.is_waiting {
            self.link.ready();
        }
        if let Some(cause) = taken.end {
            tracing::trace!(?cause, "a polling link ends");
            return Poll::Ready(self.last_reply(cause, &frames, dialect));
        }
        if frames.is_empty() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.answer(turn, body_of(&frames, dialect)))
    }

    /// The old dialect does not know the message that ends a session, and goes on polling after it.
    fn last_reply(&mut self, cause: Closing, frames: &[Frame], dialect: Dialect) -> Reply {
        self.link.ended();
        self.is_over = true;
        if cause == Closing::Moved {
            // With messages the next poll is told: clients read none in the answer that sends them away.
            return match frames {
                [] => Reply::Moved,
                frames => Reply::Body(body_of(frames, dialect)),
            };
        }
        if frames.is_empty() || dialect == Dialect::Old {
            return Reply::Gone;
        }
        Reply::Body(body_of(frames, dialect))
    }

    fn answer(&mut self, turn: u64, body: Bytes) -> Reply {
        if turn == self.turn {
            self.answered = Some(body.clone());
        }
        Reply::Body(body)
    }

    fn receive(
        &mut self,
        sequence: u32,
        dialect: Dialect,
        body: &Bytes,
        message_bytes_max: usize,
    ) -> Reply {
        if self.is_ended() {
            return Reply::Gone;
        }
        match sequence.cmp(&self.send_expected) {
            Ordering::Equal => {}
            // A proxy has repeated the request: its messages are not processed twice.
            Ordering::Less if sequence + 1 == self.send_expected => {
                return Reply::Body(Bytes::new());
            }
            Ordering::Less | Ordering::Greater => {
                return self.refuse(format!(
                    "send {sequence} came, expected {}",
                    self.send_expected
                ));
            }
        }
        let messages = match polling::decode(body, dialect, Direction::Up) {
            Ok(messages) => messages,
            Err(error) => return self.refuse(error.to_string()),
        };
        if messages
            .iter()
            .any(|message| message.len() > message_bytes_max)
        {
            self.link.fault(Fault::TooLarge);
            return Reply::TooLarge;
        }
        let mut inputs = messages
            .into_iter()
            .map(|message| self.link.message(message))
            .collect();
        self.link.receive(&mut inputs);
        self.send_expected += 1;
        Reply::Body(Bytes::new())
    }

    /// Ends the link, not the session: the client connects again, and the sequences tell what was lost.
    fn refuse(&mut self, problem: String) -> Reply {
        tracing::debug!(problem, "a polling client broke the protocol");
        self.end();
        Reply::Broken(problem)
    }

    fn end(&mut self) {
        self.link.lost();
        self.is_over = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn is_ended(&self) -> bool {
        self.is_over || self.link.port.is_closed()
    }
}

fn body_of(frames: &[Frame], dialect: Dialect) -> Bytes {
    let mut body = Vec::with_capacity(frames.iter().map(|frame| frame.message().len() + 4).sum());
    for frame in frames {
        polling::append(&mut body, frame.message(), dialect, Direction::Down);
    }
    polling::finish(body, dialect, Direction::Down)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use suffuse_proto::{Message, Version};

    use super::*;
    use crate::inbox::Inbox;

    const HOLD: Duration = Duration::from_secs(10);

    fn link() -> PollingLink {
        PollingLink::new(Link::unknown(&Arc::new(Inbox::default())), Dialect::Modern)
    }

    fn close(link: &PollingLink) {
        let abort = Frame::new(&Message::Abort, Version::NEWEST);
        link.lock().link.port.close(Closing::Normal, vec![abort]);
    }

    #[tokio::test]
    async fn a_newer_poll_supersedes_the_held_one() {
        for newer in [0, 1] {
            let link = link();
            let mut held = pin!(link.poll(Some(0), HOLD));
            assert!(poll_once(held.as_mut()).is_pending());
            let mut newer = pin!(link.poll(Some(newer), HOLD));
            assert!(poll_once(newer.as_mut()).is_pending());

            assert_eq!(held.await, Reply::Body(Bytes::new()));
            assert!(poll_once(newer.as_mut()).is_pending());
            close(&link);
            assert_eq!(newer.await, Reply::Body("AAAAABw=".into()));
        }
    }

    #[tokio::test]
    async fn a_poll_that_is_cut_counts_as_gone_from_then_on() {
        let (link, grace) = (link(), Duration::from_secs(1));
        let later = || Instant::now() + grace;
        {
            let mut held = pin!(link.poll(Some(0), HOLD));
            assert!(poll_once(held.as_mut()).is_pending());
            assert!(!link.has_ended(later(), grace), "held");
        }
        assert!(!link.has_ended(Instant::now(), grace), "cut just now");
        assert!(link.has_ended(later(), grace));
        assert_eq!(link.poll(Some(0), HOLD).await, Reply::Gone);
    }

    fn poll_once(future: std::pin::Pin<&mut impl Future<Output = Reply>>) -> Poll<Reply> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }
}
