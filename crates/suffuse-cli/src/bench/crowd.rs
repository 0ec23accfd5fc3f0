//! Many clients on one thread.

use std::{
    net::SocketAddr,
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use mio::{Events, Interest, Poll, Token};

use super::{client::Client, process, requests, wire};

/// How many clients are on the way to their session at the same time.
const OPENING_MAX: usize = 64;
/// How long nothing may happen, before a measurement has failed.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// How long is waited between two looks at what has arrived.
const NAP: Duration = Duration::from_micros(200);
/// The size of the read buffer, which all clients share.
const READ_BYTES_MAX: usize = 256 * 1024;

/// What a measurement does with the messages that arrive.
pub(super) trait Audience {
    /// Takes a message of a client.
    ///
    /// # Errors
    /// When the message is not what was expected.
    fn on_message(&mut self, client: usize, message: &[u8]) -> Result<()>;

    /// Returns whether everything has arrived.
    fn is_done(&self) -> bool;
}

/// The clients, by number.
#[derive(Debug)]
pub(super) struct Crowd {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

impl Crowd {
    /// Returns an empty crowd.
    ///
    /// # Errors
    /// When the system has no readiness events to give.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            clients: Vec::new(),
            buffer: vec![0; READ_BYTES_MAX],
        })
    }

    /// Connects clients, until all have their session; returns their numbers.
    ///
    /// # Errors
    /// When one cannot have a session.
    pub(super) fn connect(
        &mut self,
        address: SocketAddr,
        query: &str,
        count: usize,
    ) -> Result<Range<usize>> {
        process::require_files(self.clients.len() + count)?;
        let all = self.clients.len()..self.clients.len() + count;
        for number in all.clone() {
            let mut client = Client::connect(address, query)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut client.socket, Token(number), interest)?;
            self.clients.push(client);
            if (number + 1 - all.start).is_multiple_of(OPENING_MAX) || number + 1 == all.end {
                self.open(number + 1 - (number - all.start) % OPENING_MAX - 1..number + 1)?;
            }
        }
        Ok(all)
    }

    fn open(&mut self, clients: Range<usize>) -> Result<()> {
        while !self.clients[clients.clone()].iter().all(Client::is_open) {
            if !self.serve(SILENCE_MAX, &mut |_, _| Ok(()))? {
                return silence();
            }
        }
        Ok(())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(super) fn send(&mut self, client: usize, message: &[u8]) -> Result<()> {
        self.send_all(client, std::iter::once(message))
    }

    /// Sends messages, in one piece.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(super) fn send_all(
        &mut self,
        client: usize,
        messages: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        messages
            .into_iter()
            .for_each(|message| wire::push_client_frame(&mut bytes, message.as_ref()));
        self.clients[client].send(&bytes)
    }

    /// Passes messages on until everything has arrived.
    ///
    /// It looks from time to time and does not wait for events: over a network a server would not spend
    /// its time on waking the clients, and here it would.
    ///
    /// # Errors
    /// When nothing arrives for long, or a message is not what was expected.
    pub(super) fn wait(&mut self, audience: &mut impl Audience) -> Result<()> {
        let mut last = Instant::now();
        while !audience.is_done() {
            if self.serve(Duration::ZERO, &mut |client, message| {
                audience.on_message(client, message)
            })? {
                last = Instant::now();
            } else if last.elapsed() > SILENCE_MAX {
                return silence();
            }
            std::thread::sleep(NAP);
        }
        Ok(())
    }

    /// Answers the pings of the server, and ignores everything else that is there.
    ///
    /// # Errors
    /// When a connection has ended.
    pub(super) fn stay_alive(&mut self) -> Result<()> {
        while self.serve(Duration::ZERO, &mut |_, _| Ok(()))? {}
        Ok(())
    }

    /// Waits for events and handles them; returns whether there were any.
    fn serve(
        &mut self,
        wait: Duration,
        on: &mut impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<bool> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let Token(number) = event.token();
            let client = &mut self.clients[number];
            if event.is_writable() {
                client.flush()?;
            }
            if !event.is_readable() {
                continue;
            }
            let mut answer = None;
            client.read(&mut self.buffer, &mut |message| {
                // The server's own requests are few: notices of subscriptions, and pings.
                if message.first() == Some(&0) {
                    answer = requests::answer(message).or_else(|| answer.take());
                }
                on(number, message)
            })?;
            if let Some(answer) = answer {
                let mut bytes = Vec::new();
                wire::push_client_frame(&mut bytes, &answer);
                client.send(&bytes)?;
            }
        }
        Ok(!self.events.is_empty())
    }
}

fn silence() -> Result<()> {
    bail!(
        "the server has sent nothing for {} s, and more was expected",
        SILENCE_MAX.as_secs()
    )
}
