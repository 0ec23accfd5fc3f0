//! The messages that a server sends about a topic, in each dialect (spec: topics §5, §14).
//!
//! The modern dialect names a topic by its id, the old one by its path, and the old one has fewer types of topics
//! and fewer reasons. Whoever sends does not have to know.

use bytes::Bytes;

use crate::{
    Codec as _, Message, Path, Service as _, TopicSpecification, TopicType, Version,
    message::{ConversationId, Encoding, TopicId},
    service::{SubscriptionNotification, SubscriptionNotificationOld, UnsubscriptionNotification},
    services::{
        topics::{SubscriptionNotice, UnsubscriptionNotice, UnsubscriptionReason},
        v9,
    },
    version::Dialect,
};

/// How a session gets topic data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// By topic id, as it is.
    Plain,
    /// By topic id, and compressed where that makes it smaller.
    Zlib,
    /// By path, as it is.
    ByPath,
}

impl Reception {
    /// Returns how a session of a version gets topic data, if it can (or cannot) inflate.
    #[must_use]
    pub fn new(version: Version, has_zlib: bool) -> Self {
        match version.dialect() {
            Dialect::Old => Self::ByPath,
            Dialect::Modern if has_zlib => Self::Zlib,
            Dialect::Modern => Self::Plain,
        }
    }
}

/// Returns whether sessions of a version can be told of a topic. The old dialect ends its process on a type
/// that it does not know, and its paths cannot contain the bytes that separate its fields.
#[must_use]
pub fn is_visible(topic_type: TopicType, path: &Path, version: Version) -> bool {
    match version.dialect() {
        Dialect::Old => {
            topic_type.0 <= TopicType::JSON.0 && !path.as_str().contains(['\u{1}', '\u{2}'])
        }
        Dialect::Modern => true,
    }
}

/// Returns the message that tells a session that it is subscribed to a topic.
#[must_use]
pub fn subscription(
    topic: TopicId,
    path: &Path,
    specification: &TopicSpecification,
    version: Version,
) -> Message {
    let path = path.clone();
    let (service, body) = match version.dialect() {
        Dialect::Old => {
            let details = v9::TopicDetails::new(specification.topic_type);
            let notice = v9::SubscriptionNotice {
                topic,
                path,
                details,
            };
            (SubscriptionNotificationOld::ID, notice.to_bytes(version))
        }
        Dialect::Modern => {
            let notice = SubscriptionNotice {
                topic,
                path,
                specification: specification.clone(),
            };
            (SubscriptionNotification::ID, notice.to_bytes(version))
        }
    };
    // One-way, as real servers send it (P§6.3).
    Message::Request {
        service,
        conversation: ConversationId::ONE_WAY,
        body,
    }
}

/// Returns the message that tells a session that it is not subscribed to a topic any more.
#[must_use]
pub fn unsubscription(topic: TopicId, reason: UnsubscriptionReason, version: Version) -> Message {
    use UnsubscriptionReason::{
        Authorization, BackPressure, BranchMappings, Control, Removed, Requested, Unknown,
    };
    let reason = match (version.dialect(), reason) {
        (Dialect::Old, Unknown | BackPressure | BranchMappings) => Control,
        (Dialect::Old | Dialect::Modern, Requested | Control | Removed | Authorization) => reason,
        (Dialect::Modern, Unknown | BackPressure | BranchMappings) => reason,
    };
    let body = UnsubscriptionNotice { topic, reason }.to_bytes(version);
    Message::Request {
        service: UnsubscriptionNotification::ID,
        conversation: ConversationId::ONE_WAY,
        body,
    }
}

/// Returns the message with a value, or with a delta to the value before it.
#[must_use]
pub fn data(
    topic: TopicId,
    path: &Path,
    payload: Bytes,
    is_delta: bool,
    reception: Reception,
) -> Message {
    let encoding = match reception {
        Reception::Plain | Reception::ByPath => Encoding::Plain,
        Reception::Zlib => Encoding::Zlib,
    };
    match (reception, is_delta) {
        (Reception::ByPath, false) => Message::PathValue {
            path: path.as_str().to_owned(),
            payload,
        },
        (Reception::ByPath, true) => Message::PathDelta {
            path: path.as_str().to_owned(),
            payload,
        },
        (Reception::Plain | Reception::Zlib, false) => Message::TopicValue {
            topic,
            encoding,
            payload,
        },
        (Reception::Plain | Reception::Zlib, true) => Message::TopicDelta {
            topic,
            encoding,
            payload,
        },
    }
}

/// Returns the version at which a frame of a reception is encoded: the bytes are the same for all versions of
/// its dialect.
#[must_use]
pub fn frame_version(reception: Reception) -> Version {
    match reception {
        Reception::Plain | Reception::Zlib => Version::NEWEST,
        Reception::ByPath => Version::OLD,
    }
}
