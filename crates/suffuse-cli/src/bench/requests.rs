//! The requests that measurements make, and the values that they set.

use bytes::Bytes;
use serde_json::json;
use suffuse_proto::{
    Codec as _, Message, Service, TopicSpecification, TopicType, Version,
    message::ConversationId,
    service::{AddAndSetTopic, SetTopic, Subscribe, SystemPing},
    services::{
        topic_update::{AddAndSetTopicRequest, SetTopicRequest, UpdateConstraint},
        topics::SelectionRequest,
    },
    value::json::from_json,
};

/// The version that the clients speak.
pub(super) const VERSION: Version = Version::NEWEST;

/// The connection parameters of a client that may change topics of a development server: the principal
/// `control` with the password `password`, which is sent as base64 of its type, length and text.
pub(super) const PUBLISHER: &str = "ty=WB&v=29&ca=8&username=control&password=AQhwYXNzd29yZA";
/// The connection parameters of a client that only watches.
pub(super) const SUBSCRIBER: &str = "ty=WB&v=29&ca=8";

/// Numbers in values are above this, so that all of them have eight bytes.
const NUMBER_BASE: u64 = 1 << 32;

/// Makes values of one size with a number in them, at a place that is always the same.
#[derive(Clone, Debug)]
pub(super) struct Values {
    template: Vec<u8>,
    number_at: usize,
}

impl Values {
    /// Returns the maker of JSON values that have `bytes` bytes on the wire.
    ///
    /// # Errors
    /// When `bytes` is too small for a value with a number.
    pub(super) fn new(bytes: usize) -> anyhow::Result<Self> {
        let encode = |padding: usize| {
            from_json(&json!({ "sequence": NUMBER_BASE, "note": "x".repeat(padding) }))
        };
        let least = encode(0).len();
        // The length of a text takes up to four bytes more than that of an empty one.
        let paddings = bytes.saturating_sub(least + 4)..=bytes.saturating_sub(least);
        let template = paddings.map(encode).find(|value| value.len() == bytes);
        let Some(template) = template else {
            anyhow::bail!(
                "a value with a number has {least} bytes or more: expected more than {bytes}"
            );
        };
        let number = NUMBER_BASE.to_be_bytes();
        let number_at = template.windows(8).position(|window| window == number);
        Ok(Self {
            template: template.to_vec(),
            number_at: number_at.expect("the number is in the value, in network byte order"),
        })
    }

    /// Returns the value that has a number.
    pub(super) fn make(&self, number: u64) -> Bytes {
        let mut value = self.template.clone();
        value[self.number_at..][..8].copy_from_slice(&(NUMBER_BASE + number).to_be_bytes());
        value.into()
    }

    /// Returns the number that a value has, if it is one of these.
    pub(super) fn number(&self, value: &[u8]) -> Option<u64> {
        let number = value
            .get(self.number_at..self.number_at + 8)
            .filter(|_| value.len() == self.template.len())?;
        u64::from_be_bytes(number.try_into().ok()?).checked_sub(NUMBER_BASE)
    }
}

/// How the measured topics send what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// As deltas where these are shorter, which is the default.
    Deltas,
    /// As whole values (`PUBLISH_VALUES_ONLY`).
    Values,
}

/// Returns the message that adds a JSON topic with a value.
pub(super) fn add(conversation: i64, path: &str, sending: Sending, value: Bytes) -> Bytes {
    let properties = match sending {
        Sending::Deltas => Default::default(),
        Sending::Values => [("PUBLISH_VALUES_ONLY".to_owned(), "true".to_owned())].into(),
    };
    let request = AddAndSetTopicRequest {
        path: path.to_owned(),
        specification: TopicSpecification {
            topic_type: TopicType::JSON,
            properties,
        },
        value,
        constraint: UpdateConstraint::Unconstrained,
    };
    message::<AddAndSetTopic>(conversation, &request)
}

/// Returns the message that sets the value of a topic.
pub(super) fn set(conversation: i64, path: &str, value: Bytes) -> Bytes {
    let request = SetTopicRequest {
        path: path.to_owned(),
        topic_type: TopicType::JSON,
        value,
        constraint: UpdateConstraint::Unconstrained,
    };
    message::<SetTopic>(conversation, &request)
}

/// Returns the message that subscribes to topics.
pub(super) fn subscribe(conversation: i64, selector: &str) -> Bytes {
    let request = SelectionRequest {
        selector: selector.to_owned(),
        scope: String::new(),
    };
    message::<Subscribe>(conversation, &request)
}

/// Returns the answer to a request of the server, if it wants one: a ping does.
pub(super) fn answer(message: &[u8]) -> Option<Bytes> {
    match Message::decode(Bytes::copy_from_slice(message), VERSION) {
        Ok(Message::Request {
            service,
            conversation,
            ..
        }) if service == SystemPing::ID && conversation != ConversationId::ONE_WAY => Some(
            Message::Response {
                service,
                conversation,
                body: Bytes::new(),
            }
            .to_bytes(VERSION),
        ),
        Ok(_) | Err(_) => None,
    }
}

fn message<S: Service>(conversation: i64, request: &S::Request) -> Bytes {
    let (conversation, body) = (ConversationId(conversation), request.to_bytes(VERSION));
    Message::Request {
        service: S::ID,
        conversation,
        body,
    }
    .to_bytes(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_size_and_give_their_number_back() {
        for bytes in [40, 100, 125, 300, 70_000] {
            let values = Values::new(bytes).unwrap();
            let value = values.make(17);
            assert_eq!(value.len(), bytes);
            assert_eq!(values.number(&value), Some(17));
            assert_eq!(values.number(&value[1..]), None);
        }
        assert!(Values::new(3).unwrap_err().to_string().contains("or more"));
    }
}
