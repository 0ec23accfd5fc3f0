//! The client's protocol logic: messages and the time in, messages, answers and topic events out.
//!
//! The machine has no socket, no clock and no task. Its driver feeds it with what comes from the
//! link and from the application, and then takes everything from [`Machine::poll_output`]:
//!
//! ```text
//! application ─ request, listen, close ─►┌─────────┐─► Output::Answer, Topic ─► application
//!                                        │         │
//! link ── handle_message, handle_end ───►│ Machine │─► Output::Send, Disconnect ─► link
//! attempt ─ handle_connected, _failed ──►│         │─► Output::Connect ─► attempt
//! clock ─ handle_timeout ───────────────►└─────────┘
//! ```
//! When the connection is lost, the machine asks for attempts to make it anew; what it keeps so that
//! nothing is lost is in `recovery`.
//!
//! Times are durations since the session was connected. The order of outputs is the order of causes:
//! the first value of a topic comes before the answer to the subscription that brought it.

pub(crate) mod cascade;
mod conversations;
mod inflate;
pub(crate) mod reconnect;
mod recovery;
mod sent;
pub(crate) mod topics;

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use suffuse_proto::{
    Codec as _, DecodeError, ErrorReason, Message, Service as _, SessionId, SessionToken,
    TopicType, Version,
    handshake::{self, Accepted},
    message::{ConversationId, Encoding, ServiceId, TopicId},
    service::{SubscriptionNotification, SystemPing, UnsubscriptionNotification, UserPing},
    services::topics::{SubscriptionNotice, UnsubscriptionNotice},
};
use tracing::{debug, trace, warn};

use crate::{
    error::{CloseReason, RequestError},
    reconnect::Reconnect,
};
use conversations::Conversations;
use reconnect::{AttemptId, Reconnection};
use recovery::Waiting;
use sent::{Number, Sent};
use topics::{Delivery, ListenerId, Topics};

/// The version that the client speaks.
pub(crate) const VERSION: Version = Version::NEWEST;
/// How long a closing session waits for the server to end the connection.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What the machine wants done. `Ticket` is what the driver gave with a request.
#[derive(Debug)]
pub(crate) enum Output<Ticket> {
    /// Give a message to the link.
    Send(Bytes),
    /// Answer the application.
    Answer(Ticket, Result<Bytes, RequestError>),
    /// Tell a listener about a topic.
    Topic(Delivery),
    /// Drop the link: it is of no use any more. What it has not sent yet will be sent again.
    Disconnect,
    /// An attempt to reconnect follows after a pause.
    Recovering {
        /// Its number, from 1.
        attempt: u32,
        /// How long it is waited.
        pause: Duration,
        /// What happened.
        cause: String,
    },
    /// Make an attempt to reconnect, with these parameters.
    Connect(AttemptId, handshake::Reconnect),
    /// The session goes on.
    Recovered {
        /// Whether messages were lost.
        lost: bool,
    },
    /// Everything is over; this is the last output.
    Ended(CloseReason),
}

/// How far the life of the session is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The connection is lost; requests wait.
    Away,
    /// The server was told; it has until then to end the connection.
    Closing {
        deadline: Duration,
    },
    Ended(CloseReason),
}

/// The logic of one session.
#[derive(Debug)]
pub(crate) struct Machine<Ticket> {
    id: SessionId,
    token: SessionToken,
    /// How often the server pings; zero: never.
    ping_interval: Duration,
    /// The largest message that the server takes, in bytes.
    message_bytes_max: usize,
    reconnection: Reconnection,
    sent: Sent,
    /// How many messages came.
    received: Number,
    waiting: Waiting<Ticket>,
    conversations: Conversations<Ticket>,
    topics: Topics,
    outputs: VecDeque<Output<Ticket>>,
    phase: Phase,
    last_ping: Duration,
}

impl<Ticket> Machine<Ticket> {
    /// Returns the logic of a session that was accepted. The jitter of reconnection follows from
    /// `seed`.
    pub(crate) fn new(accepted: &Accepted, reconnect: Reconnect, seed: u64) -> Self {
        Self {
            id: accepted.session,
            token: accepted.token,
            ping_interval: accepted.ping_interval,
            message_bytes_max: message_bytes_max(accepted),
            reconnection: Reconnection::new(reconnect, seed),
            sent: Sent::default(),
            received: 0,
            waiting: Waiting::default(),
            conversations: Conversations::default(),
            topics: Topics::default(),
            outputs: VecDeque::new(),
            phase: Phase::Open,
            last_ping: Duration::ZERO,
        }
    }

    /// Returns the next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output<Ticket>> {
        self.outputs.pop_front()
    }

    /// Returns when [`Self::handle_timeout`] has to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        match self.phase {
            Phase::Open => self.idle_limit().map(|limit| self.last_ping + limit),
            Phase::Away => self.reconnection.poll_timeout(),
            Phase::Closing { deadline } => Some(deadline),
            Phase::Ended(_) => None,
        }
    }

    /// Asks the server for a service; when the connection is there again, if it is lost.
    pub(crate) fn request(&mut self, service: ServiceId, body: Bytes, ticket: Ticket) {
        match self.phase.clone() {
            Phase::Open => self.send_request(service, body, ticket),
            Phase::Away => self.keep_waiting(service, body, ticket),
            Phase::Closing { .. } => self.refuse(ticket, CloseReason::ClosedByClient),
            Phase::Ended(reason) => self.refuse(ticket, reason),
        }
    }

    fn send_request(&mut self, service: ServiceId, body: Bytes, ticket: Ticket) {
        let conversation = self.conversations.next_id();
        let message = Message::Request {
            service,
            conversation,
            body,
        }
        .to_bytes(VERSION);
        let (bytes, bytes_max) = (message.len(), self.message_bytes_max);
        if bytes > bytes_max {
            return self.answer(ticket, Err(RequestError::TooLarge { bytes, bytes_max }));
        }
        let number = self.send(message);
        self.conversations.open(conversation, number, ticket);
    }

    fn refuse(&mut self, ticket: Ticket, reason: CloseReason) {
        self.answer(ticket, Err(RequestError::SessionClosed(reason)));
    }

    /// Sends a message, and returns its number.
    fn send(&mut self, message: Bytes) -> Number {
        self.outputs.push_back(Output::Send(message.clone()));
        match self.reconnection.is_on() {
            true => self.sent.push(message),
            false => 0,
        }
    }

    /// Adds a listener, and tells it about the topics that it is late for.
    pub(crate) fn listen(
        &mut self,
        selector: suffuse_proto::Selector,
        accepts: fn(TopicType) -> bool,
    ) -> ListenerId {
        let (listener, deliveries) = self.topics.listen(selector, accepts);
        self.outputs
            .extend(deliveries.into_iter().map(Output::Topic));
        listener
    }

    /// Removes a listener.
    pub(crate) fn unlisten(&mut self, listener: ListenerId) {
        self.topics.unlisten(listener);
    }

    /// Closes the session: at once, if the server cannot be told.
    pub(crate) fn close(&mut self, now: Duration) {
        match self.phase {
            Phase::Open => {
                self.phase = Phase::Closing {
                    deadline: now + CLOSE_WAIT,
                };
                self.send(Message::Close.to_bytes(VERSION));
            }
            Phase::Away => self.end(CloseReason::ClosedByClient),
            Phase::Closing { .. } | Phase::Ended(_) => {}
        }
    }

    /// Takes note that the link ended.
    pub(crate) fn handle_end(&mut self, what: String, now: Duration) {
        self.lose(CloseReason::ConnectionLost { what }, now);
    }

    /// Takes note of the time.
    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        if self.poll_timeout().is_none_or(|deadline| deadline > now) {
            return;
        }
        match self.phase {
            Phase::Open | Phase::Closing { .. } => {
                let limit = self.idle_limit().unwrap_or_default();
                self.lose(CloseReason::Idle { limit }, now);
            }
            Phase::Away => self.go_on_recovering(now),
            Phase::Ended(_) => {}
        }
    }

    /// Takes a message of the server.
    pub(crate) fn handle_message(&mut self, bytes: Bytes, now: Duration) {
        match self.phase {
            Phase::Open | Phase::Closing { .. } => {}
            Phase::Away | Phase::Ended(_) => return,
        }
        self.received += 1;
        trace!(bytes = bytes.len(), "message");
        let handled = Message::decode(bytes, VERSION)
            .map_err(|error| error.to_string())
            .and_then(|message| self.dispatch(message, now));
        if let Err(what) = handled {
            self.end(CloseReason::ProtocolError { what });
        }
    }

    fn dispatch(&mut self, message: Message, now: Duration) -> Result<(), String> {
        match message {
            Message::Request {
                service,
                conversation,
                body,
            } => {
                self.serve(service, conversation, body, now);
                Ok(())
            }
            Message::Response {
                conversation, body, ..
            } => {
                self.conclude(conversation, Ok(body));
                Ok(())
            }
            Message::Error {
                conversation,
                reason,
                ..
            } => {
                self.conclude(conversation, Err(RequestError::Refused(reason)));
                Ok(())
            }
            Message::TopicValue {
                topic,
                encoding,
                payload,
            } => self.on_value(topic, encoding, payload),
            Message::TopicDelta {
                topic,
                encoding,
                payload,
            } => self.on_delta(topic, encoding, payload),
            Message::Abort => {
                self.end(CloseReason::ClosedByServer);
                Ok(())
            }
            Message::Close => Err("a close request, which only a client sends".to_owned()),
            Message::PathValue { .. } | Message::PathDelta { .. } | Message::FetchReply { .. } => {
                Err("topic data of a protocol version that was not agreed on".to_owned())
            }
        }
    }

    /// Answers a request of the server.
    fn serve(
        &mut self,
        service: ServiceId,
        conversation: ConversationId,
        body: Bytes,
        now: Duration,
    ) {
        let result = match service {
            SystemPing::ID => {
                self.last_ping = now;
                Ok(())
            }
            UserPing::ID => Ok(()),
            SubscriptionNotification::ID => SubscriptionNotice::from_bytes(body, VERSION)
                .map(|notice| self.on_subscription(notice))
                .map_err(undecodable),
            UnsubscriptionNotification::ID => UnsubscriptionNotice::from_bytes(body, VERSION)
                .map(|notice| self.on_unsubscription(notice))
                .map_err(undecodable),
            ServiceId(number) => {
                warn!(
                    service = number,
                    "the server asked for a service that this client does not have"
                );
                let text = format!("unknown client service: {number}");
                Err(ErrorReason::COMMUNICATION_FAILURE.with(text))
            }
        };
        self.respond(conversation, result);
    }

    fn respond(&mut self, conversation: ConversationId, result: Result<(), ErrorReason>) {
        if conversation == ConversationId::ONE_WAY {
            return;
        }
        let service = ServiceId(0);
        let message = match result {
            Ok(()) => Message::Response {
                service,
                conversation,
                body: Bytes::new(),
            },
            Err(reason) => Message::Error {
                service,
                conversation,
                reason,
            },
        };
        self.send(message.to_bytes(VERSION));
    }

    fn conclude(&mut self, conversation: ConversationId, result: Result<Bytes, RequestError>) {
        match self.conversations.close(conversation) {
            Some((number, ticket)) => {
                self.sent.arrived(number);
                self.answer(ticket, result);
            }
            None => debug!(
                conversation = conversation.0,
                "an answer that nobody waits for"
            ),
        }
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Bytes, RequestError>) {
        self.outputs.push_back(Output::Answer(ticket, result));
    }

    fn on_subscription(&mut self, notice: SubscriptionNotice) {
        let deliveries = self.topics.subscribed(notice);
        self.outputs
            .extend(deliveries.into_iter().map(Output::Topic));
    }

    fn on_unsubscription(&mut self, notice: UnsubscriptionNotice) {
        let deliveries = self.topics.unsubscribed(&notice);
        self.outputs
            .extend(deliveries.into_iter().map(Output::Topic));
    }

    fn on_value(
        &mut self,
        topic: TopicId,
        encoding: Encoding,
        payload: Bytes,
    ) -> Result<(), String> {
        let received = payload.len();
        let payload = inflate::payload(encoding, payload)?;
        let deliveries = self.topics.value(topic, payload, received);
        self.outputs
            .extend(deliveries.into_iter().map(Output::Topic));
        Ok(())
    }

    fn on_delta(
        &mut self,
        topic: TopicId,
        encoding: Encoding,
        payload: Bytes,
    ) -> Result<(), String> {
        let received = payload.len();
        let payload = inflate::payload(encoding, payload)?;
        let deliveries = self.topics.delta(topic, &payload, received)?;
        self.outputs
            .extend(deliveries.into_iter().map(Output::Topic));
        Ok(())
    }

    /// Twice the interval in which the server promised to ping.
    fn idle_limit(&self) -> Option<Duration> {
        let interval = self.ping_interval;
        (interval > Duration::ZERO).then(|| interval.saturating_mul(2))
    }

    /// Ends the session. When the application has asked for it, nothing else is the reason.
    fn end(&mut self, reason: CloseReason) {
        let reason = match &self.phase {
            Phase::Ended(_) => return,
            Phase::Closing { .. } => CloseReason::ClosedByClient,
            Phase::Open | Phase::Away => reason,
        };
        self.phase = Phase::Ended(reason.clone());
        self.reconnection.on_closed();
        let waiting = self.waiting.take_all().map(|request| request.ticket);
        for ticket in self.conversations.take_all().chain(waiting) {
            self.refuse(ticket, reason.clone());
        }
        self.outputs.push_back(Output::Ended(reason));
    }
}

/// The largest message that the server takes; 0 in a response means that it says none.
fn message_bytes_max(accepted: &Accepted) -> usize {
    usize::try_from(accepted.sequence_or_message_bytes_max)
        .ok()
        .filter(|bytes| *bytes > 0)
        .unwrap_or(usize::MAX)
}

fn undecodable(error: DecodeError) -> ErrorReason {
    warn!(%error, "a notification of the server could not be understood");
    ErrorReason::INVALID_DATA.with(error.to_string())
}

#[cfg(test)]
mod tests;
