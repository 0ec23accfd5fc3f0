//! One client: a socket, and what of a message has not arrived yet.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use mio::net::TcpStream;
use suffuse_proto::handshake::ConnectionResponse;

use super::{requests::VERSION, wire};

/// A client with a session, or on the way to one.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: TcpStream,
    phase: Phase,
    /// The begin of a frame, or of the head of the response.
    unread: Vec<u8>,
    /// What the socket has not taken.
    unsent: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Upgrading,
    Greeting,
    Open,
}

impl Client {
    /// Connects, and asks for a WebSocket with a session.
    ///
    /// # Errors
    /// When there is no TCP connection.
    pub(super) fn connect(address: SocketAddr, query: &str) -> Result<Self> {
        // Blocking: on one machine it takes no longer than the call itself.
        let socket = std::net::TcpStream::connect(address)
            .with_context(|| format!("cannot connect to {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut client = Self {
            socket: TcpStream::from_std(socket),
            phase: Phase::Upgrading,
            unread: Vec::new(),
            unsent: Vec::new(),
        };
        client.send(wire::upgrade(address, query).as_bytes())?;
        Ok(client)
    }

    /// Returns whether there is a session.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Writes bytes, or keeps what the socket does not take.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    /// Writes what the socket did not take before.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(super) fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the server ended a connection"),
            }
        }
        Ok(())
    }

    /// Reads all that is there, and passes the messages on, without that which greets.
    ///
    /// # Errors
    /// When the server refuses the session, breaks the protocol or ends the connection, or `on` fails.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        on: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        loop {
            let read = match self.socket.read(buffer) {
                Ok(0) => bail!("the server ended a connection"),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the server ended a connection"),
            };
            if self.unread.is_empty() {
                let taken = self.take(&buffer[..read], on)?;
                self.unread.extend_from_slice(&buffer[taken..read]);
            } else {
                let mut bytes = std::mem::take(&mut self.unread);
                bytes.extend_from_slice(&buffer[..read]);
                let taken = self.take(&bytes, on)?;
                bytes.drain(..taken);
                self.unread = bytes;
            }
            // Less than there was room for: nothing is left, and what comes later is a new event.
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Takes what is whole off the front of `bytes`; returns how much that is.
    fn take(&mut self, bytes: &[u8], on: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<usize> {
        let mut taken = 0;
        if self.phase == Phase::Upgrading {
            let Some(head) = wire::upgraded(bytes)? else {
                return Ok(0);
            };
            taken = head;
            self.phase = Phase::Greeting;
        }
        while let Some((message, length)) = wire::frame(&bytes[taken..])? {
            match self.phase {
                Phase::Open => on(message)?,
                Phase::Upgrading | Phase::Greeting => self.greet(message)?,
            }
            taken += length;
        }
        Ok(taken)
    }

    fn greet(&mut self, message: &[u8]) -> Result<()> {
        match ConnectionResponse::decode(Bytes::copy_from_slice(message), VERSION)? {
            ConnectionResponse::Accepted(_) => self.phase = Phase::Open,
            ConnectionResponse::Rejected { code, .. } => {
                bail!("the server refused a session with code {}", code.0)
            }
        }
        Ok(())
    }
}
