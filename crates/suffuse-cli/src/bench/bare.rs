//! The program to compare with: it waits for events with epoll, and writes ready frames to sockets. It is
//! what a fan-out costs at least, because the kernel's part of the work is the same.
//!
//! It speaks just enough of the protocol for the clients of the measurement: every handshake is accepted,
//! there is one topic, every subscription is to it, and every set is an update of it. All updates that
//! arrive together are written to each subscriber together, with one system call.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Args;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use suffuse_proto::{
    Codec as _, Message, NodeId, ResponseCode, Service as _, SessionId, SessionToken,
    handshake::{Accepted, ConnectionResponse},
    message::{ConversationId, Encoding, TopicId},
    service::{AddAndSetTopic, SetTopic, Subscribe},
    services::{
        topic_control::AddTopicResult,
        topic_update::{AddAndSetTopicRequest, SetTopicRequest},
    },
    value::delta,
};

use super::{requests::VERSION, wire};
use crate::output;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  suffuse bench fan-out --baseline    starts it")]
pub(super) struct BareArgs {
    /// Send whole values only
    #[arg(long)]
    values_only: bool,
}

const LISTENER: Token = Token(usize::MAX);
const TOPIC: TopicId = TopicId(1);
const READ_BYTES_MAX: usize = 256 * 1024;

pub(super) fn run(args: &BareArgs) -> Result<()> {
    Bare::new(args.values_only)?.serve()
}

/// The program.
struct Bare {
    poll: Poll,
    listener: TcpListener,
    connections: Vec<Connection>,
    subscribers: Vec<usize>,
    values_only: bool,
    value: Bytes,
    /// Ready frames of the updates that have just arrived.
    updates: Vec<u8>,
    buffer: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    unread: Vec<u8>,
    is_upgraded: bool,
}

impl Bare {
    fn new(values_only: bool) -> Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            connections: Vec::new(),
            subscribers: Vec::new(),
            values_only,
            value: Bytes::new(),
            updates: Vec::new(),
            buffer: vec![0; READ_BYTES_MAX],
        })
    }

    fn serve(mut self) -> Result<()> {
        let address = self.listener.local_addr()?;
        output::result(format_args!("a bare epoll program at http://{address}/"))
            .map_err(|failure| anyhow::anyhow!(failure.report.unwrap_or_default()))?;
        let mut events = Events::with_capacity(4096);
        loop {
            self.poll.poll(&mut events, None::<Duration>)?;
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(number) => self.read(number)?,
                }
            }
            self.publish()?;
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot accept a connection"),
            };
            socket.set_nodelay(true)?;
            let token = Token(self.connections.len());
            self.poll
                .registry()
                .register(&mut socket, token, Interest::READABLE)?;
            self.connections.push(Connection {
                socket,
                unread: Vec::new(),
                is_upgraded: false,
            });
        }
    }

    fn read(&mut self, number: usize) -> Result<()> {
        loop {
            let connection = &mut self.connections[number];
            let read = match connection.socket.read(&mut self.buffer) {
                Ok(0) => bail!("a client ended its connection"),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("a client ended its connection"),
            };
            connection.unread.extend_from_slice(&self.buffer[..read]);
            self.take(number)?;
            if read < self.buffer.len() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        if !connection.is_upgraded {
            if !connection.unread.ends_with(b"\r\n\r\n") {
                return Ok(());
            }
            connection.unread.clear();
            connection.is_upgraded = true;
            return write(&mut connection.socket, &greeting());
        }
        let unread = std::mem::take(&mut connection.unread);
        let (mut answers, mut taken) = (Vec::new(), 0);
        while let Some((message, length)) = wire::frame(&unread[taken..])? {
            self.handle(number, Bytes::copy_from_slice(message), &mut answers)?;
            taken += length;
        }
        let connection = &mut self.connections[number];
        connection.unread.extend_from_slice(&unread[taken..]);
        write(&mut connection.socket, &answers)
    }

    fn handle(&mut self, number: usize, message: Bytes, answers: &mut Vec<u8>) -> Result<()> {
        let Message::Request {
            service,
            conversation,
            body,
        } = Message::decode(message, VERSION)?
        else {
            return Ok(());
        };
        let response = if service == Subscribe::ID {
            self.subscribers.push(number);
            let value = self.value.clone();
            wire::push_server_frame(
                answers,
                &Message::TopicValue {
                    topic: TOPIC,
                    encoding: Encoding::Plain,
                    payload: value,
                }
                .to_bytes(VERSION),
            );
            Bytes::new()
        } else if service == AddAndSetTopic::ID {
            self.value = AddAndSetTopicRequest::from_bytes(body, VERSION)?.value;
            AddTopicResult::Created.to_bytes(VERSION)
        } else if service == SetTopic::ID {
            self.update(SetTopicRequest::from_bytes(body, VERSION)?.value);
            Bytes::new()
        } else {
            bail!("the bare program has no service {}", service.0);
        };
        push_answer(answers, conversation, response);
        Ok(())
    }

    fn update(&mut self, value: Bytes) {
        let (topic, encoding) = (TOPIC, Encoding::Plain);
        let delta = delta::diff(&self.value, &value).filter(|_| !self.values_only);
        let message = match delta {
            Some(delta) => Message::TopicDelta {
                topic,
                encoding,
                payload: delta.into(),
            },
            None => Message::TopicValue {
                topic,
                encoding,
                payload: value.clone(),
            },
        };
        wire::push_server_frame(&mut self.updates, &message.to_bytes(VERSION));
        self.value = value;
    }

    /// The hot path: one system call for each subscriber.
    fn publish(&mut self) -> Result<()> {
        if self.updates.is_empty() {
            return Ok(());
        }
        for number in &self.subscribers {
            write(&mut self.connections[*number].socket, &self.updates)?;
        }
        self.updates.clear();
        Ok(())
    }
}

/// Writes at once. The measurement waits for each batch, so sockets always have room.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    match socket.write(bytes) {
        Ok(written) if written == bytes.len() => Ok(()),
        Ok(written) => bail!(
            "a socket took {written} of {} bytes: the clients are too slow",
            bytes.len()
        ),
        Err(error) => Err(error).context("a socket takes nothing"),
    }
}

fn push_answer(answers: &mut Vec<u8>, conversation: ConversationId, body: Bytes) {
    let service = Subscribe::ID; // Not on the wire.
    let response = Message::Response {
        service,
        conversation,
        body,
    };
    wire::push_server_frame(answers, &response.to_bytes(VERSION));
}

/// Returns the response that opens the WebSocket, and the first message on it.
fn greeting() -> Vec<u8> {
    let accepted = ConnectionResponse::Accepted(Accepted {
        version: VERSION,
        code: ResponseCode::OK,
        session: SessionId {
            server: 1,
            value: 1,
        },
        token: SessionToken::new(NodeId::default(), [0; SessionToken::RANDOM_BYTES]),
        ping_interval: Duration::ZERO,
        sequence_or_message_bytes_max: i32::MAX,
    });
    let mut bytes =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            .to_vec();
    wire::push_server_frame(&mut bytes, &accepted.to_bytes());
    bytes
}
