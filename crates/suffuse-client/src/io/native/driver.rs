//! The driver of a session: one task, between the application, the machine, the link and the clock.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::mpsc::error::TrySendError,
    time::{Instant, sleep_until, timeout},
};
use tracing::info;

use super::{Connected, LinkTasks};
use crate::{
    error::CloseReason,
    io::link::{Incoming, Link},
    machine::{
        Limits, Machine, Output,
        topics::{Delivery, ListenerId},
    },
    session::{Command, DriverEnds, Ticket},
    streams::Queue,
};

/// How many messages of the server are handled in one go.
const BATCH_MAX: usize = 64;
/// How many messages may wait for the link before no more are taken from the server.
const UNSENT_MAX: usize = 1024;
/// How long a link may take to send what is left.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// The task of one session.
#[derive(Debug)]
pub(super) struct Driver {
    machine: Machine<Ticket>,
    link: Link,
    tasks: LinkTasks,
    ends: DriverEnds,
    queues: HashMap<ListenerId, Arc<Queue>>,
    /// What the link has no room for yet.
    unsent: VecDeque<Bytes>,
    batch: Vec<Incoming>,
    has_handles: bool,
    start: Instant,
}

/// What the driver was woken by.
enum Wake {
    Room,
    Messages,
    Command(Option<Command>),
    Time,
}

impl Driver {
    pub(super) fn new(connected: Connected, ends: DriverEnds) -> Self {
        let Connected {
            accepted,
            link,
            tasks,
        } = connected;
        let limits = Limits {
            ping_interval: accepted.ping_interval,
            message_bytes_max: usize::try_from(accepted.sequence_or_message_bytes_max)
                .ok()
                .filter(|bytes| *bytes > 0)
                .unwrap_or(usize::MAX),
        };
        Self {
            machine: Machine::new(limits),
            link,
            tasks,
            ends,
            queues: HashMap::new(),
            unsent: VecDeque::new(),
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
        self.ends.ended.send_replace(Some(reason));
        self.queues.values().for_each(|queue| queue.end());
        let Self {
            link,
            mut tasks,
            ends,
            ..
        } = self;
        drop((link, ends));
        let _ = timeout(LAST_WRITE, tasks.writers.join_next()).await;
    }

    /// Waits for something to do.
    async fn wait(&mut self) -> Wake {
        let has_unsent = !self.unsent.is_empty();
        let takes_more = self.unsent.len() < UNSENT_MAX;
        let deadline = self
            .machine
            .poll_timeout()
            .map(|deadline| self.start + deadline);
        tokio::select! {
            room = self.link.outgoing.reserve(), if has_unsent => {
                if room.is_err() {
                    // The link is gone; it says why where it brings messages.
                    self.unsent.clear();
                }
                Wake::Room
            }
            // Cancel-safe: what was taken is in the batch.
            _ = self.link.incoming.recv_many(&mut self.batch, BATCH_MAX), if takes_more => {
                Wake::Messages
            }
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
            return self.machine.handle_end("its task stopped".to_owned());
        }
        for incoming in std::mem::take(&mut self.batch) {
            match incoming {
                Ok(message) => self.machine.handle_message(message, now),
                Err(what) => self.machine.handle_end(what),
            }
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
                Output::Send(message) => self.unsent.push_back(message),
                Output::Answer(ticket, result) => ticket.answer(result),
                Output::Topic(delivery) => self.deliver(delivery),
                Output::Ended(reason) => return Some(reason),
            }
        }
        self.flush();
        None
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
