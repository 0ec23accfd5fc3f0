//! A scripted client: what it sends, and what it expects.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a message that is not the expected one is shown as it is"
)]

use std::{
    cell::{RefCell, RefMut},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use bytes::Bytes;
use suffuse_broker::{Closing, Event, Fault, LinkId, Opening};
use suffuse_proto::{
    Codec as _, ErrorReason, Message, ResponseCode, Service, Version,
    handshake::Accepted,
    message::{ConversationId, ServiceId, TopicId},
    service::{SubscriptionNotification, UnsubscriptionNotification},
    services::topics::{SubscriptionNotice, UnsubscriptionNotice, UnsubscriptionReason},
};

use crate::{
    Replica,
    sim::{Arrival, Outcome, Reading, World},
};

mod resuming;

/// A client, from its handshake on.
///
/// The `expect` functions look at messages in the order in which they arrived, each exactly once.
#[derive(Debug)]
pub struct Client {
    world: Rc<RefCell<World>>,
    link: LinkId,
    opening: Opening,
    is_hidden: bool,
    /// What was sent since the session began, or started anew.
    sent: Vec<Bytes>,
    last_conversation: i64,
    /// The requests that are not answered.
    asked: VecDeque<(ServiceId, ConversationId)>,
}

impl Client {
    pub(crate) fn new(
        world: Rc<RefCell<World>>,
        link: LinkId,
        opening: Opening,
        is_hidden: bool,
    ) -> Self {
        Self {
            world,
            link,
            opening,
            is_hidden,
            sent: Vec::new(),
            last_conversation: 0,
            asked: VecDeque::new(),
        }
    }

    /// Returns the answer to the handshake.
    ///
    /// # Panics
    /// When it was refused, or not answered.
    #[track_caller]
    pub fn expect_accepted(&self) -> Accepted {
        match self.outcome() {
            Outcome::Accepted(accepted) => accepted,
            Outcome::Refused(code) => panic!("the handshake was refused with code {code}"),
            Outcome::Open => panic!("the handshake is not answered"),
        }
    }

    /// Returns why the handshake was refused.
    ///
    /// # Panics
    /// When it was accepted, or not answered.
    #[track_caller]
    pub fn expect_refused(&self) -> ResponseCode {
        match self.outcome() {
            Outcome::Refused(code) => code,
            Outcome::Accepted(_) => panic!("the handshake was accepted"),
            Outcome::Open => panic!("the handshake is not answered"),
        }
    }

    /// Returns whether the handshake was answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        !matches!(self.outcome(), Outcome::Open)
    }

    fn outcome(&self) -> Outcome {
        self.world().link(self.link).outcome.clone()
    }

    /// Returns the protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.world().link(self.link).version
    }

    /// Sends a request.
    pub fn send<S: Service>(&mut self, request: S::Request) -> ConversationId {
        let body = request.to_bytes(self.version());
        self.send_raw_request(S::ID, body)
    }

    /// Sends a request with any body.
    pub fn send_raw_request(&mut self, service: ServiceId, body: Bytes) -> ConversationId {
        self.last_conversation += 1;
        let conversation = ConversationId(self.last_conversation);
        self.asked.push_back((service, conversation));
        self.send_message(&Message::Request {
            service,
            conversation,
            body,
        });
        conversation
    }

    /// Sends a request that wants no answer.
    pub fn send_one_way<S: Service>(&mut self, request: S::Request) {
        let (service, conversation) = (S::ID, ConversationId::ONE_WAY);
        let body = request.to_bytes(self.version());
        self.send_message(&Message::Request {
            service,
            conversation,
            body,
        });
    }

    /// Sends a message.
    pub fn send_message(&mut self, message: &Message) {
        let bytes = message.to_bytes(self.version());
        self.send_bytes(bytes);
    }

    /// Sends a message of any bytes.
    pub fn send_bytes(&mut self, bytes: impl Into<Bytes>) {
        let (link, bytes) = (self.link, bytes.into());
        self.sent.push(bytes.clone());
        self.world().handle(Event::Message { link, bytes });
    }

    /// Sends a request, and returns the answer. Messages that come before the answer are dropped.
    ///
    /// # Panics
    /// When the answer is an error, or none.
    #[track_caller]
    pub fn ask<S: Service>(&mut self, request: S::Request) -> S::Response {
        let conversation = self.send::<S>(request);
        match self.skip_to_answer(conversation) {
            Ok(body) => self.decode::<S>(body),
            Err(reason) => panic!("{} is refused: {reason}", S::NAME),
        }
    }

    /// Sends a request that is refused, and returns the sentence that says why. Messages that come before
    /// the answer are dropped.
    ///
    /// # Panics
    /// When it is not refused for the reason.
    #[track_caller]
    pub fn ask_refused<S: Service>(
        &mut self,
        request: S::Request,
        expected: ErrorReason,
    ) -> String {
        let conversation = self.send::<S>(request);
        match self.skip_to_answer(conversation) {
            Err(reason) if reason.code == expected.code => reason.message.into_owned(),
            other => panic!("{} is answered {other:?}, expected {expected:?}", S::NAME),
        }
    }

    #[track_caller]
    fn skip_to_answer(&mut self, expected: ConversationId) -> Result<Bytes, ErrorReason> {
        self.asked.retain(|(_, asked)| *asked != expected);
        loop {
            match self.take_message() {
                Some(Message::Response {
                    conversation, body, ..
                }) if conversation == expected => return Ok(body),
                Some(Message::Error {
                    conversation,
                    reason,
                    ..
                }) if conversation == expected => return Err(reason),
                Some(_) => {}
                None => panic!("{expected:?} is not answered"),
            }
        }
    }

    #[track_caller]
    fn decode<S: Service>(&self, body: Bytes) -> S::Response {
        match S::Response::from_bytes(body, self.version()) {
            Ok(response) => response,
            Err(error) => panic!("the response to {} is malformed: {error}", S::NAME),
        }
    }

    /// Takes the next message.
    pub fn take_message(&mut self) -> Option<Message> {
        self.take_arrival().map(|arrival| arrival.message)
    }

    /// Forgets all messages that have arrived.
    pub fn skip_all(&mut self) {
        self.world().link(self.link).arrived.clear();
    }

    fn take_arrival(&mut self) -> Option<Arrival> {
        self.world().link(self.link).arrived.pop_front()
    }

    #[track_caller]
    fn next_arrival(&mut self, expected: &str) -> Arrival {
        self.take_arrival()
            .unwrap_or_else(|| panic!("nothing arrived, expected {expected}"))
    }

    #[track_caller]
    fn next_message(&mut self, expected: &str) -> Message {
        self.next_arrival(expected).message
    }

    /// Expects the answer to the oldest open request of a service.
    ///
    /// # Panics
    /// When the next message is another one.
    #[track_caller]
    pub fn expect<S: Service>(&mut self) -> S::Response {
        let asked = self.take_asked(S::ID);
        match self.next_message(&format!("the response to {}", S::NAME)) {
            Message::Response {
                conversation, body, ..
            } if conversation == asked => self.decode::<S>(body),
            other => panic!(
                "{other:?} arrived, expected the response to {} {asked:?}",
                S::NAME
            ),
        }
    }

    /// Expects an error as the answer to the oldest open request of a service, and returns its sentence.
    ///
    /// # Panics
    /// When the next message is another one.
    #[track_caller]
    pub fn expect_error<S: Service>(&mut self, expected: ErrorReason) -> String {
        self.expect_error_of(S::ID, expected)
    }

    /// Expects an error as the answer to the oldest open request of a service by its number.
    ///
    /// # Panics
    /// When the next message is another one.
    #[track_caller]
    pub fn expect_error_of(&mut self, service: ServiceId, expected: ErrorReason) -> String {
        let asked = self.take_asked(service);
        match self.next_message(&format!("error {} of {service:?}", expected.code)) {
            Message::Error {
                conversation,
                reason,
                ..
            } if conversation == asked && reason.code == expected.code => {
                reason.message.into_owned()
            }
            other => panic!(
                "{other:?} arrived, expected error {} of {service:?}",
                expected.code
            ),
        }
    }

    #[track_caller]
    fn take_asked(&mut self, service: ServiceId) -> ConversationId {
        let at = self.asked.iter().position(|(asked, _)| *asked == service);
        let Some((_, conversation)) = at.and_then(|at| self.asked.remove(at)) else {
            panic!("no request of {service:?} is open");
        };
        conversation
    }

    /// Expects the announcement of a topic, and returns it.
    ///
    /// # Panics
    /// When the next message is another one.
    #[track_caller]
    pub fn expect_notice(&mut self, path: &str) -> SubscriptionNotice {
        let (conversation, notice) = self.expect_request::<SubscriptionNotification>();
        assert_eq!(notice.path.as_str(), path, "another topic is announced");
        assert_eq!(
            conversation,
            ConversationId::ONE_WAY,
            "a notice wants no answer"
        );
        notice
    }

    /// Expects that the subscription to a topic ends.
    ///
    /// # Panics
    /// When the next message is another one.
    #[track_caller]
    pub fn expect_unsubscription(&mut self, topic: TopicId, reason: UnsubscriptionReason) {
        let (conversation, notice) = self.expect_request::<UnsubscriptionNotification>();
        assert_eq!(notice, UnsubscriptionNotice { topic, reason });
        assert_eq!(
            conversation,
            ConversationId::ONE_WAY,
            "a notice wants no answer"
        );
    }

    /// Expects a request of the server.
    ///
    /// # Panics
    /// When the next message is another one.
    #[track_caller]
    pub fn expect_request<S: Service>(&mut self) -> (ConversationId, S::Request) {
        match self.next_message(&format!("a request of {}", S::NAME)) {
            Message::Request {
                service,
                conversation,
                body,
            } if service == S::ID => {
                let request = S::Request::from_bytes(body, self.version());
                (
                    conversation,
                    request.expect("the broker sends well-formed requests"),
                )
            }
            other => panic!("{other:?} arrived, expected a request of {}", S::NAME),
        }
    }

    /// Answers a request of the server.
    pub fn respond<S: Service>(&mut self, conversation: ConversationId, response: &S::Response) {
        let body = response.to_bytes(self.version());
        self.send_message(&Message::Response {
            service: S::ID,
            conversation,
            body,
        });
    }

    /// Expects the value of a topic, in whole.
    ///
    /// # Panics
    /// When the next message is another one.
    #[track_caller]
    pub fn expect_value(&mut self, path: &str, value: impl AsRef<[u8]>) {
        let arrival = self.next_arrival(&format!("a value of `{path}`"));
        match &arrival.message {
            Message::TopicValue { .. } | Message::PathValue { .. } => {
                arrival.check_update(path, value.as_ref());
            }
            other => panic!("{other:?} arrived, expected a value of `{path}`"),
        }
    }

    /// Expects a delta that makes the value of a topic from the one before, and returns its payload.
    ///
    /// # Panics
    /// When the next message is another one.
    #[track_caller]
    pub fn expect_delta(&mut self, path: &str, value: impl AsRef<[u8]>) -> Bytes {
        let arrival = self.next_arrival(&format!("a delta of `{path}`"));
        match &arrival.message {
            Message::TopicDelta { payload, .. } | Message::PathDelta { payload, .. } => {
                arrival.check_update(path, value.as_ref());
                payload.clone()
            }
            other => panic!("{other:?} arrived, expected a delta of `{path}`"),
        }
    }

    /// Expects that nothing (more) has arrived.
    ///
    /// # Panics
    /// When something has.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        if let Some(message) = self.take_message() {
            panic!("{message:?} arrived, expected nothing");
        }
    }

    /// Expects that the server ended the session: the abort message is the next and last one.
    ///
    /// # Panics
    /// When it did not, or for another reason.
    #[track_caller]
    pub fn expect_end(&mut self, cause: Closing) {
        assert_eq!(self.next_message("the abort message"), Message::Abort);
        self.expect_nothing();
        assert_eq!(self.closed(), Some(cause));
    }

    /// Returns why the broker ended the connection, if it did.
    #[must_use]
    pub fn closed(&self) -> Option<Closing> {
        self.world().link(self.link).closed
    }

    /// Returns what the client has made of all that arrived.
    #[must_use]
    pub fn replica(&self) -> Replica {
        self.world().link(self.link).replica.clone()
    }

    /// Returns the values of the subscribed topics by path.
    #[must_use]
    pub fn view(&self) -> BTreeMap<String, Option<Bytes>> {
        let mut world = self.world();
        let topics = world.link(self.link).replica.topics();
        topics
            .values()
            .map(|topic| (topic.path.as_str().to_owned(), topic.value.clone()))
            .collect()
    }

    /// From now on nothing is read: the port is full.
    pub fn stop_reading(&mut self) {
        self.world().link(self.link).reading = Reading::Stopped;
    }

    /// Makes room in the port for so many bytes (and at least one frame), once.
    pub fn read_up_to(&mut self, bytes: usize) {
        self.world().link(self.link).reading = Reading::UpTo(bytes);
        self.ready();
        self.stop_reading();
    }

    /// From now on everything is read at once.
    pub fn read_all(&mut self) {
        self.world().link(self.link).reading = Reading::Fast;
        self.ready();
    }

    fn ready(&self) {
        let link = self.link;
        self.world().handle(Event::Ready { link });
    }

    /// The connection breaks.
    pub fn lose(&mut self) {
        let link = self.link;
        self.world().handle(Event::Lost { link });
    }

    /// The link found a fault below the messages.
    pub fn fault(&mut self, fault: Fault) {
        let link = self.link;
        self.world().handle(Event::Fault { link, fault });
    }

    fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.is_hidden && !std::thread::panicking() {
            self.send_message(&Message::Close);
        }
    }
}
