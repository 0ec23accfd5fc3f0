//! What a client makes of the messages that it gets: its topics and their values.
//!
//! It is as strict as the strictest published client (spec: topics §0): what any of them would stumble
//! over is an error here.

use std::{collections::BTreeMap, io::Read as _};

use bytes::Bytes;
use suffuse_proto::{
    Codec as _, Message, Path, Service as _, TopicSpecification, TopicType, Version,
    message::{Encoding, ServiceId, TopicId},
    service::{SubscriptionNotification, SubscriptionNotificationOld, UnsubscriptionNotification},
    services::{
        topics::{SubscriptionNotice, UnsubscriptionNotice, UnsubscriptionReason},
        v9,
    },
    specification::{Compression, Options},
    value::delta,
    version::Dialect,
};

/// The largest value that a test has, in bytes.
const VALUE_BYTES_MAX: usize = 64 << 20;

/// A topic that the client is subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its path.
    pub path: Path,
    /// Its specification as it was announced.
    pub specification: TopicSpecification,
    /// The last value that arrived, whole.
    pub value: Option<Bytes>,
}

/// A client's picture of the server's topics.
#[derive(Clone, Debug)]
pub struct Replica {
    version: Version,
    takes_zlib: bool,
    topics: BTreeMap<TopicId, Subscription>,
    /// Every id that was ever announced. Published clients keep the first path of an id for ever.
    announced: BTreeMap<TopicId, Path>,
    is_aborted: bool,
}

impl Replica {
    /// Returns the picture of a client that has just connected.
    #[must_use]
    pub fn new(version: Version, takes_zlib: bool) -> Self {
        Self {
            version,
            takes_zlib,
            topics: BTreeMap::new(),
            announced: BTreeMap::new(),
            is_aborted: false,
        }
    }

    /// Returns the subscribed topics by id.
    #[must_use]
    pub fn topics(&self) -> &BTreeMap<TopicId, Subscription> {
        &self.topics
    }

    /// Returns the subscribed topic at a path, with its id.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<(TopicId, &Subscription)> {
        let mut topics = self.topics.iter();
        topics
            .find(|(_, topic)| topic.path.as_str() == path)
            .map(|(id, topic)| (*id, topic))
    }

    /// Forgets all subscriptions, as a client does that is told of lost messages.
    pub fn start_anew(&mut self) {
        self.topics.clear();
    }

    /// Takes a message that arrived.
    ///
    /// # Errors
    /// What a published client would stumble over.
    pub fn take(&mut self, message: &Message) -> Result<(), String> {
        if self.is_aborted {
            return Err(format!("{message:?} comes after the abort"));
        }
        match message {
            Message::Request { service, body, .. } => self.take_request(*service, body.clone()),
            Message::TopicValue {
                topic,
                encoding,
                payload,
            } => {
                let value = self.inflate(*topic, *encoding, payload)?;
                self.topic(*topic)?.value = Some(value);
                Ok(())
            }
            Message::TopicDelta {
                topic,
                encoding,
                payload,
            } => {
                let delta = self.inflate(*topic, *encoding, payload)?;
                self.topic(*topic)?.apply(&delta)
            }
            Message::PathValue { path, payload } => {
                let id = self.id(path)?;
                self.topic(id)?.value = Some(payload.clone());
                Ok(())
            }
            Message::PathDelta { path, payload } => {
                let id = self.id(path)?;
                self.topic(id)?.apply(payload)
            }
            Message::Error { reason, .. } => self.check_reason(reason.code),
            Message::Abort => {
                self.is_aborted = true;
                Ok(())
            }
            Message::Response { .. } | Message::FetchReply { .. } => Ok(()),
            Message::Close => Err("only clients send a close request".to_owned()),
        }
    }

    fn take_request(&mut self, service: ServiceId, body: Bytes) -> Result<(), String> {
        match service {
            SubscriptionNotification::ID => {
                let notice = SubscriptionNotice::from_bytes(body, self.version);
                self.subscribe(notice.map_err(|error| format!("a bad notice: {error}"))?)
            }
            SubscriptionNotificationOld::ID => {
                let notice = v9::SubscriptionNotice::from_bytes(body, self.version);
                let notice = notice.map_err(|error| format!("a bad notice: {error}"))?;
                if notice.details.topic_type > TopicType::JSON {
                    return Err(format!("{:?} for an old client", notice.details));
                }
                self.subscribe(SubscriptionNotice {
                    topic: notice.topic,
                    path: notice.path,
                    specification: TopicSpecification::new(notice.details.topic_type),
                })
            }
            UnsubscriptionNotification::ID => {
                let notice = UnsubscriptionNotice::from_bytes(body, self.version);
                let notice = notice.map_err(|error| format!("a bad notice: {error}"))?;
                if self.is_old() && notice.reason as u8 > UnsubscriptionReason::Authorization as u8
                {
                    return Err(format!("{:?} for an old client", notice.reason));
                }
                let removed = self.topics.remove(&notice.topic);
                removed
                    .map(drop)
                    .ok_or_else(|| format!("{:?} ends, and did not begin", notice.topic))
            }
            _ => Ok(()),
        }
    }

    fn subscribe(&mut self, notice: SubscriptionNotice) -> Result<(), String> {
        let SubscriptionNotice {
            topic,
            path,
            specification,
        } = notice;
        if self.topics.contains_key(&topic) || self.find(path.as_str()).is_some() {
            return Err(format!("{topic:?} at `{path}` is announced twice"));
        }
        match self.announced.insert(topic, path.clone()) {
            Some(other) if other != path => {
                return Err(format!(
                    "{topic:?} was `{other}` before, and is now `{path}`"
                ));
            }
            Some(_) | None => {}
        }
        self.topics.insert(
            topic,
            Subscription {
                path,
                specification,
                value: None,
            },
        );
        Ok(())
    }

    fn is_old(&self) -> bool {
        self.version.dialect() == Dialect::Old
    }

    /// The old client ends its process on any other code.
    fn check_reason(&self, code: i32) -> Result<(), String> {
        match self.is_old() && ![100, 103, 200].contains(&code) {
            true => Err(format!("error {code} for an old client")),
            false => Ok(()),
        }
    }

    fn id(&self, path: &str) -> Result<TopicId, String> {
        let found = self.find(path).map(|(id, _)| id);
        found.ok_or_else(|| format!("data of `{path}`, which was not announced"))
    }

    fn topic(&mut self, id: TopicId) -> Result<&mut Subscription, String> {
        self.topics
            .get_mut(&id)
            .ok_or_else(|| format!("data of {id:?}, which was not announced"))
    }

    fn inflate(
        &mut self,
        id: TopicId,
        encoding: Encoding,
        payload: &Bytes,
    ) -> Result<Bytes, String> {
        if encoding == Encoding::Plain {
            return Ok(payload.clone());
        }
        if !self.takes_zlib {
            return Err("compressed data for a client that cannot read it".to_owned());
        }
        if self.topic(id)?.options().compression == Compression::Off {
            return Err("compressed data of a topic with COMPRESSION=off".to_owned());
        }
        let mut inflated = Vec::new();
        let inflater = flate2::read::ZlibDecoder::new(&payload[..]);
        let read = inflater
            .take(VALUE_BYTES_MAX as u64)
            .read_to_end(&mut inflated);
        read.map_err(|error| format!("data that is not zlib: {error}"))?;
        if inflated.len() <= payload.len() {
            return Err("compression that does not make the data smaller".to_owned());
        }
        Ok(inflated.into())
    }
}

impl Subscription {
    fn options(&self) -> Options {
        self.specification.options()
    }

    fn apply(&mut self, delta: &[u8]) -> Result<(), String> {
        let (path, options) = (&self.path, self.options());
        let takes_deltas = self.specification.topic_type.supports_deltas();
        if !takes_deltas || options.publish_values_only || options.dont_retain_value {
            return Err(format!("`{path}` takes values only, and got a delta"));
        }
        // Published clients take every delta of one byte for «unchanged», or for «empty».
        if delta.len() < 2 {
            return Err(format!("a delta of {} bytes for `{path}`", delta.len()));
        }
        let Some(old) = &self.value else {
            return Err(format!("a delta for `{path}`, which has no value"));
        };
        let new = delta::apply(old, delta, VALUE_BYTES_MAX);
        let new =
            new.map_err(|error| format!("a delta for `{path}` that does not fit: {error}"))?;
        if new == *old {
            return Err(format!("a delta for `{path}` that changes nothing"));
        }
        self.value = Some(new);
        Ok(())
    }
}
