//! The driver of a session: one task, between the application, the machine, the link and the clock.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::mpsc::error::TrySendError,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tracing::{Instrument as _, Span, info};

use super::{Connected, LinkTasks, Reconnector};
use crate::{
    builder::ConnectEvent,
    error::CloseReason,
    io::link::{Incoming, Link},
    machine::{
        Machine, Output,
        reconnect::{AttemptId, FailedAttempt},
        topics::{Delivery, ListenerId},
    },
    session::{Command, DriverEnds, SessionState, Ticket},
    streams::Queue,
};

/// How many messages of the server are handled in one go.
const BATCH_MAX: usize = 64;
/// How many messages may wait for the link before no more are taken from the server.
const UNSENT_MAX: usize = 1024;
/// How long a link may take to send what is left.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// The task of one session.
pub(super) struct Driver {
    machine: Machine<Ticket>,
    /// None while the connection is lost.
    line: Option<Line>,
    /// The attempt to reconnect, if one is made.
    attempt: JoinSet<Reconnected>,
    reconnector: Reconnector,
    ends: DriverEnds,
    queues: HashMap<ListenerId, Arc<Queue>>,
    batch: Vec<Incoming>,
    has_handles: bool,
    start: Instant,
}

/// A link and what belongs to it. When this is dropped, the connection ends.
#[derive(Debug)]
struct Line {
    link: Link,
    tasks: LinkTasks,
    /// What the link has no room for yet.
    unsent: VecDeque<Bytes>,
}

/// How an attempt to reconnect ended.
type Reconnected = (AttemptId, Result<Connected, FailedAttempt>);

/// What the driver was woken by.
enum Wake {
    Room,
    Messages,
    Attempt(Box<Reconnected>),
    Command(Option<Command>),
    Time,
}

impl Driver {
    pub(super) fn new(connected: Connected, ends: DriverEnds, reconnector: Reconnector) -> Self {
        let Connected {
            accepted,
            link,
            tasks,
            ..
        } = connected;
        // Each `RandomState` has random keys.
        let seed = RandomState::new().hash_one(accepted.session);
        Self {
            machine: Machine::new(&accepted, reconnector.plan.reconnect.clone(), seed),
            line: Some(Line::new(link, tasks)),
            attempt: JoinSet::new(),
            reconnector,
            ends,
            queues: HashMap::new(),
            batch: Vec::new(),
            has_handles: true,
            start: Instant::now(),
        }
    }

    /// Runs until the session has ended.
    pub(super) async fn run(mut self) {
        let reason = loop {
            if let Some(reason) = self.perform() {
                break reason;
            }
            let wake = self.wait().await;
            self.handle(wake);
        };
        info!(%reason, "closed");
        // The reason is there before the tickets of waiting requests are dropped.
        let closed = SessionState::Closed(reason.clone());
        self.ends.state.send_replace(closed);
        self.queues.values().for_each(|queue| queue.end());
        self.reconnector
            .plan
            .emit(|| ConnectEvent::Closed { reason });
        let Self { line, ends, .. } = self;
        drop(ends);
        if let Some(Line {
            link, mut tasks, ..
        }) = line
        {
            drop(link);
            let _ = timeout(LAST_WRITE, tasks.writers.join_next()).await;
        }
    }

    /// Waits for something to do.
    async fn wait(&mut self) -> Wake {
        let deadline = self
            .machine
            .poll_timeout()
            .map(|deadline| self.start + deadline);
        let (line, batch) = (&mut self.line, &mut self.batch);
        tokio::select! {
            wake = wait_for_line(line.as_mut(), batch) => wake,
            Some(Ok(reconnected)) = self.attempt.join_next() => Wake::Attempt(Box::new(reconnected)),
            // Always taken, so that a session can be closed while its link is stuck.
            command = self.ends.commands.recv(), if self.has_handles => Wake::Command(command),
            () = sleep_until(deadline.unwrap_or(self.start)), if deadline.is_some() => Wake::Time,
        }
    }

    fn handle(&mut self, wake: Wake) {
        let now = self.start.elapsed();
        match wake {
            Wake::Room => {}
            Wake::Messages => self.handle_messages(now),
            Wake::Attempt(reconnected) => self.handle_attempt(*reconnected, now),
            Wake::Command(Some(command)) => self.handle_command(command, now),
            Wake::Command(None) => {
                self.has_handles = false;
                self.machine.close(now);
            }
            Wake::Time => self.machine.handle_timeout(now),
        }
    }

    fn handle_messages(&mut self, now: Duration) {
        if self.batch.is_empty() {
            return self.machine.handle_end("its task stopped".to_owned(), now);
        }
        for incoming in std::mem::take(&mut self.batch) {
            match incoming {
                Ok(message) => self.machine.handle_message(message, now),
                Err(what) => self.machine.handle_end(what, now),
            }
        }
    }

    fn handle_attempt(&mut self, (attempt, result): Reconnected, now: Duration) {
        match result {
            Ok(connected) => {
                let Connected {
                    transport,
                    accepted,
                    link,
                    tasks,
                } = connected;
                if self.machine.handle_connected(attempt, &accepted, now) {
                    self.line = Some(Line::new(link, tasks));
                    self.ends.transport.send_replace(transport);
                }
            }
            Err(failed) => self.machine.handle_failed(attempt, &failed, now),
        }
    }

    fn handle_command(&mut self, command: Command, now: Duration) {
        match command {
            Command::Request {
                service,
                body,
                ticket,
            } => self.machine.request(service, body, ticket),
            Command::Listen {
                selector,
                accepts,
                queue,
            } => {
                self.remove_abandoned();
                let listener = self.machine.listen(selector, accepts);
                self.queues.insert(listener, queue);
            }
            Command::Close => self.machine.close(now),
        }
    }

    /// Streams whose topics never change are found here only.
    fn remove_abandoned(&mut self) {
        let machine = &mut self.machine;
        self.queues.retain(|listener, queue| {
            let is_abandoned = queue.is_abandoned();
            if is_abandoned {
                machine.unlisten(*listener);
            }
            !is_abandoned
        });
    }

    /// Does what the machine wants. Returns why the session has ended, if it has.
    fn perform(&mut self) -> Option<CloseReason> {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(message) => {
                    if let Some(line) = &mut self.line {
                        line.unsent.push_back(message);
                    }
                }
                Output::Answer(ticket, result) => ticket.answer(result),
                Output::Topic(delivery) => self.deliver(delivery),
                Output::Disconnect => self.line = None,
                Output::Recovering {
                    attempt,
                    pause,
                    cause,
                } => self.tell_recovering(attempt, pause, cause),
                Output::Connect(attempt, parameters) => {
                    let connected = self.reconnector.attempt(parameters);
                    let named = async move { (attempt, connected.await) };
                    // One that was given up is aborted.
                    self.attempt = JoinSet::new();
                    self.attempt.spawn(named.instrument(Span::current()));
                }
                Output::Recovered { lost } => self.tell_recovered(lost),
                Output::Ended(reason) => return Some(reason),
            }
        }
        if let Some(line) = &mut self.line {
            line.flush();
        }
        None
    }

    fn tell_recovering(&self, attempt: u32, pause: Duration, cause: String) {
        info!(attempt, ?pause, cause, "the connection is lost");
        self.ends.state.send_replace(SessionState::Recovering {
            attempt,
            pause,
            cause: cause.clone(),
        });
        self.reconnector.plan.emit(|| ConnectEvent::Recovering {
            attempt,
            pause,
            cause,
        });
    }

    fn tell_recovered(&self, lost: bool) {
        let transport = *self.ends.transport.borrow();
        info!(%transport, lost, "connected again");
        let connected = SessionState::Connected { transport };
        self.ends.state.send_replace(connected);
        self.reconnector
            .plan
            .emit(|| ConnectEvent::Recovered { transport, lost });
    }

    fn deliver(&mut self, delivery: Delivery) {
        let listener = delivery.listener;
        let Some(queue) = self.queues.get(&listener) else {
            return;
        };
        if !queue.push(delivery) {
            self.queues.remove(&listener);
            self.machine.unlisten(listener);
        }
    }
}

async fn wait_for_line(line: Option<&mut Line>, batch: &mut Vec<Incoming>) -> Wake {
    match line {
        Some(line) => line.wait(batch).await,
        None => pending().await,
    }
}

impl Line {
    fn new(link: Link, tasks: LinkTasks) -> Self {
        Self {
            link,
            tasks,
            unsent: VecDeque::new(),
        }
    }

    /// Waits for room, or for messages, which are put into the batch. Cancel-safe.
    async fn wait(&mut self, batch: &mut Vec<Incoming>) -> Wake {
        let has_unsent = !self.unsent.is_empty();
        let takes_more = self.unsent.len() < UNSENT_MAX;
        tokio::select! {
            room = self.link.outgoing.reserve(), if has_unsent => {
                if room.is_err() {
                    // The link is gone; it says why where it brings messages.
                    self.unsent.clear();
                }
                Wake::Room
            }
            // What was taken is in the batch.
            _ = self.link.incoming.recv_many(batch, BATCH_MAX), if takes_more => Wake::Messages,
        }
    }

    /// Gives the link as much as it has room for.
    fn flush(&mut self) {
        while let Some(message) = self.unsent.pop_front() {
            match self.link.outgoing.try_send(message) {
                Ok(()) => {}
                Err(TrySendError::Full(message)) => return self.unsent.push_front(message),
                Err(TrySendError::Closed(_)) => return self.unsent.clear(),
            }
        }
    }
}
