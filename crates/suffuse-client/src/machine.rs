//! The client's protocol logic: messages and the time in, messages, answers and topic events out.
//!
//! The machine has no socket, no clock and no task. Its driver feeds it with what comes from the
//! link and from the application, and then takes everything from [`Machine::poll_output`]:
//!
//! ```text
//! application ─ request, listen, close ─►┌─────────┐─► Output::Answer, Topic ─► application
//!                                        │ Machine │
//! link ── handle_message, handle_end ───►└─────────┘─► Output::Send ─► link
//! clock ─ handle_timeout ───────────────►
//! ```
//! Times are durations since the session was connected. The order of outputs is the order of causes:
//! the first value of a topic comes before the answer to the subscription that brought it.

pub(crate) mod cascade;
mod conversations;
mod inflate;
pub(crate) mod topics;

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use suffuse_proto::{
    Codec as _, DecodeError, ErrorReason, Message, Service as _, TopicType, Version,
    message::{ConversationId, Encoding, ServiceId, TopicId},
    service::{SubscriptionNotification, SystemPing, UnsubscriptionNotification, UserPing},
    services::topics::{SubscriptionNotice, UnsubscriptionNotice},
};
use tracing::{debug, trace, warn};

use crate::error::{CloseReason, RequestError};
use conversations::Conversations;
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
    /// Everything is over; this is the last output.
    Ended(CloseReason),
}

/// How far the life of the session is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The server was told; it has until then to end the connection.
    Closing {
        deadline: Duration,
    },
    Ended(CloseReason),
}

/// What the connection response says about the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How often the server pings; zero: never.
    pub(crate) ping_interval: Duration,
    /// The largest message that the server takes, in bytes.
    pub(crate) message_bytes_max: usize,
}

/// The logic of one session.
#[derive(Debug)]
pub(crate) struct Machine<Ticket> {
    limits: Limits,
    conversations: Conversations<Ticket>,
    topics: Topics,
    outputs: VecDeque<Output<Ticket>>,
    phase: Phase,
    last_ping: Duration,
}

impl<Ticket> Machine<Ticket> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
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
            Phase::Closing { deadline } => Some(deadline),
            Phase::Ended(_) => None,
        }
    }

    /// Asks the server for a service.
    pub(crate) fn request(&mut self, service: ServiceId, body: Bytes, ticket: Ticket) {
        let closed = match &self.phase {
            Phase::Open => None,
            Phase::Closing { .. } => Some(CloseReason::ClosedByClient),
            Phase::Ended(reason) => Some(reason.clone()),
        };
        if let Some(reason) = closed {
            return self.answer(ticket, Err(RequestError::SessionClosed(reason)));
        }
        let conversation = self.conversations.next_id();
        let message = Message::Request {
            service,
            conversation,
            body,
        }
        .to_bytes(VERSION);
        let (bytes, bytes_max) = (message.len(), self.limits.message_bytes_max);
        if bytes > bytes_max {
            return self.answer(ticket, Err(RequestError::TooLarge { bytes, bytes_max }));
        }
        self.conversations.open(conversation, ticket);
        self.outputs.push_back(Output::Send(message));
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

    /// Closes the session.
    pub(crate) fn close(&mut self, now: Duration) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing {
                deadline: now + CLOSE_WAIT,
            };
            self.outputs
                .push_back(Output::Send(Message::Close.to_bytes(VERSION)));
        }
    }

    /// Takes note that the link ended.
    pub(crate) fn handle_end(&mut self, what: String) {
        self.end(CloseReason::ConnectionLost { what });
    }

    /// Takes note of the time.
    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        let is_due = self.poll_timeout().is_some_and(|deadline| deadline <= now);
        if is_due {
            self.end(CloseReason::Idle {
                limit: self.idle_limit().unwrap_or_default(),
            });
        }
    }

    /// Takes a message of the server.
    pub(crate) fn handle_message(&mut self, bytes: Bytes, now: Duration) {
        if matches!(self.phase, Phase::Ended(_)) {
            return;
        }
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
        self.outputs
            .push_back(Output::Send(message.to_bytes(VERSION)));
    }

    fn conclude(&mut self, conversation: ConversationId, result: Result<Bytes, RequestError>) {
        match self.conversations.close(conversation) {
            Some(ticket) => self.answer(ticket, result),
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
        let interval = self.limits.ping_interval;
        (interval > Duration::ZERO).then(|| interval.saturating_mul(2))
    }

    /// Ends the session. When the application has asked for it, nothing else is the reason.
    fn end(&mut self, reason: CloseReason) {
        let reason = match &self.phase {
            Phase::Ended(_) => return,
            Phase::Closing { .. } => CloseReason::ClosedByClient,
            Phase::Open => reason,
        };
        self.phase = Phase::Ended(reason.clone());
        for ticket in self.conversations.take_all() {
            let closed = Err(RequestError::SessionClosed(reason.clone()));
            self.outputs.push_back(Output::Answer(ticket, closed));
        }
        self.outputs.push_back(Output::Ended(reason));
    }
}

fn undecodable(error: DecodeError) -> ErrorReason {
    warn!(%error, "a notification of the server could not be understood");
    ErrorReason::INVALID_DATA.with(error.to_string())
}

#[cfg(test)]
mod tests;
