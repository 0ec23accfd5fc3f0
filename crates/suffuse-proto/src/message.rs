//! Messages: their first byte and their envelope, in both dialects (spec: connection §6).
//!
//! ```text
//! first byte   bits 0-5 type, bits 6-7 encoding (0 none, 2 zlib)
//! request      service id, conversation id, body
//! answer       [service id, in the old dialect] conversation id, body or error
//! topic data   topic id as four fixed bytes, payload
//! old dialect  its topic data is headed by texts: fields separated by 02, ended by 01
//! ```

use bytes::Bytes;

use crate::{
    ErrorReason, Version,
    codec::{Codec, DecodeError, Reader, Writer, codec},
    version::Dialect,
};

/// What an answer refers to: unique among the requests of one direction of a session; 0 asks for no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConversationId(pub i64);

impl ConversationId {
    /// The id of a request that wants no answer.
    pub const ONE_WAY: Self = Self(0);
}

codec!(ConversationId,
    encode: |id, out| id.0.encode(out),
    decode: |input| match i64::decode(input)? {
        id if id < 0 => Err(DecodeError::Invalid("a conversation id is negative")),
        id => Ok(ConversationId(id)),
    },
    sample: |random| ConversationId(random.integer() & i64::MAX));

/// The id of a topic on the wire: unique on a server, and never used for another topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub i32);

codec!(TopicId,
    encode: |id, out| id.0.encode(out),
    decode: |input| i32::decode(input).map(TopicId),
    sample: |random| TopicId(random.integer() as i32));

/// The number of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(pub i32);

codec!(ServiceId,
    encode: |id, out| id.0.encode(out),
    decode: |input| i32::decode(input).map(ServiceId),
    sample: |random| ServiceId(random.integer() as i32));

/// How the payload of topic data is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// As one zlib stream (RFC 1950).
    Zlib,
}

/// One message, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Asks the peer for a service.
    Request {
        /// Which service.
        service: ServiceId,
        /// What the answer will refer to.
        conversation: ConversationId,
        /// The request record of the service.
        body: Bytes,
    },
    /// Answers a request.
    Response {
        /// Which service was asked for. Only the old dialect has it on the wire; 0 in the modern one.
        service: ServiceId,
        /// Which request is answered.
        conversation: ConversationId,
        /// The response record of the service.
        body: Bytes,
    },
    /// Answers a request that failed.
    Error {
        /// As in a response.
        service: ServiceId,
        /// Which request is answered.
        conversation: ConversationId,
        /// Why it failed.
        reason: ErrorReason,
    },
    /// A whole value of a topic.
    TopicValue {
        /// Which topic.
        topic: TopicId,
        /// How the payload is encoded.
        encoding: Encoding,
        /// The value.
        payload: Bytes,
    },
    /// What changed in the value of a topic.
    TopicDelta {
        /// Which topic.
        topic: TopicId,
        /// How the payload is encoded.
        encoding: Encoding,
        /// The delta.
        payload: Bytes,
    },
    /// A whole value of a topic, in the old dialect.
    PathValue {
        /// The path, without U+0001 and U+0002.
        path: String,
        /// The value.
        payload: Bytes,
    },
    /// What changed in the value of a topic, in the old dialect.
    PathDelta {
        /// The path, without U+0001 and U+0002.
        path: String,
        /// The delta.
        payload: Bytes,
    },
    /// A value that was fetched, in the old dialect.
    FetchReply {
        /// The path, without U+0001 and U+0002; empty at the end of the fetch.
        path: String,
        /// Which fetch is answered.
        conversation: ConversationId,
        /// The value.
        payload: Bytes,
    },
    /// The server ends the session.
    Abort,
    /// The client ends the session.
    Close,
}

const REQUEST: u8 = 0;
const TOPIC_VALUE: u8 = 4;
const TOPIC_DELTA: u8 = 5;
const PATH_VALUE: u8 = 20;
const PATH_DELTA: u8 = 21;
const ABORT: u8 = 28;
const CLOSE: u8 = 29;
const FETCH_REPLY: u8 = 34;
const ZLIB: u8 = 0x80;

/// What separates the text fields in front of topic data of the old dialect, and what ends them.
const FIELD_SEPARATOR: u8 = 2;
const FIELDS_END: u8 = 1;

/// The types of answers, which the dialects number differently.
const fn response(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::Old => 1,
        Dialect::Modern => 6,
    }
}

const fn error(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::Old => 2,
        Dialect::Modern => 7,
    }
}

impl Message {
    /// Decodes one message.
    ///
    /// # Errors
    /// When the message is empty, its type is unknown, or its envelope is not well-formed. The body of
    /// a request or response is not looked at.
    pub fn decode(bytes: Bytes, version: Version) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes, version);
        let dialect = version.dialect();
        let first = input.u8()?;
        match first {
            REQUEST => Ok(Self::Request {
                service: ServiceId::decode(&mut input)?,
                conversation: ConversationId::decode(&mut input)?,
                body: input.rest(),
            }),
            _ if first == response(dialect) => {
                let (service, conversation) = Self::decode_answer(&mut input)?;
                Ok(Self::Response {
                    service,
                    conversation,
                    body: input.rest(),
                })
            }
            _ if first == error(dialect) => {
                let (service, conversation) = Self::decode_answer(&mut input)?;
                let reason = Self::decode_reason(&mut input)?;
                Ok(Self::Error {
                    service,
                    conversation,
                    reason,
                })
            }
            _ if first & !ZLIB == TOPIC_VALUE && dialect == Dialect::Modern => {
                let (topic, encoding) = (TopicId(input.i32_fixed()?), Self::encoding(first));
                Ok(Self::TopicValue {
                    topic,
                    encoding,
                    payload: input.rest(),
                })
            }
            _ if first & !ZLIB == TOPIC_DELTA && dialect == Dialect::Modern => {
                let (topic, encoding) = (TopicId(input.i32_fixed()?), Self::encoding(first));
                Ok(Self::TopicDelta {
                    topic,
                    encoding,
                    payload: input.rest(),
                })
            }
            PATH_VALUE if dialect == Dialect::Old => {
                let [path] = Self::decode_fields(&mut input)?;
                Ok(Self::PathValue {
                    path,
                    payload: input.rest(),
                })
            }
            PATH_DELTA if dialect == Dialect::Old => {
                let [path] = Self::decode_fields(&mut input)?;
                Ok(Self::PathDelta {
                    path,
                    payload: input.rest(),
                })
            }
            FETCH_REPLY if dialect == Dialect::Old => {
                let [path, id] = Self::decode_fields(&mut input)?;
                let id = id
                    .parse()
                    .map_err(|_| DecodeError::Invalid("a conversation id is not a number"))?;
                Ok(Self::FetchReply {
                    path,
                    conversation: ConversationId(id),
                    payload: input.rest(),
                })
            }
            ABORT => Ok(Self::Abort),
            CLOSE => Ok(Self::Close),
            tag => Err(DecodeError::UnknownTag { of: "Message", tag }),
        }
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Writer) {
        let dialect = out.version().dialect();
        match self {
            Self::Request {
                service,
                conversation,
                body,
            } => {
                out.u8(REQUEST);
                service.encode(out);
                conversation.encode(out);
                out.raw(body);
            }
            Self::Response {
                service,
                conversation,
                body,
            } => {
                out.u8(response(dialect));
                Self::encode_answer(*service, *conversation, out);
                out.raw(body);
            }
            Self::Error {
                service,
                conversation,
                reason,
            } => {
                out.u8(error(dialect));
                Self::encode_answer(*service, *conversation, out);
                Self::encode_reason(reason, out);
            }
            Self::TopicValue {
                topic,
                encoding,
                payload,
            } => {
                Self::encode_topic_data(TOPIC_VALUE, *topic, *encoding, payload, out);
            }
            Self::TopicDelta {
                topic,
                encoding,
                payload,
            } => {
                Self::encode_topic_data(TOPIC_DELTA, *topic, *encoding, payload, out);
            }
            Self::PathValue { path, payload } => {
                Self::encode_fields(PATH_VALUE, &[path], payload, out);
            }
            Self::PathDelta { path, payload } => {
                Self::encode_fields(PATH_DELTA, &[path], payload, out);
            }
            Self::FetchReply {
                path,
                conversation,
                payload,
            } => {
                Self::encode_fields(
                    FETCH_REPLY,
                    &[path, &conversation.0.to_string()],
                    payload,
                    out,
                );
            }
            Self::Abort => out.u8(ABORT),
            Self::Close => out.u8(CLOSE),
        }
    }

    /// Returns the bytes of the message.
    #[must_use]
    pub fn to_bytes(&self, version: Version) -> Bytes {
        let mut out = Writer::new(version);
        self.encode(&mut out);
        out.finish()
    }

    /// Appends the bytes of [`Message::TopicValue`] or [`Message::TopicDelta`] without making one.
    fn encode_topic_data(
        tag: u8,
        topic: TopicId,
        encoding: Encoding,
        payload: &[u8],
        out: &mut Writer,
    ) {
        out.u8(match encoding {
            Encoding::Plain => tag,
            Encoding::Zlib => tag | ZLIB,
        });
        out.i32_fixed(topic.0);
        out.raw(payload);
    }

    fn encode_fields(tag: u8, fields: &[&str], payload: &[u8], out: &mut Writer) {
        out.u8(tag);
        for (n, field) in fields.iter().enumerate() {
            if n > 0 {
                out.u8(FIELD_SEPARATOR);
            }
            out.raw(field.as_bytes());
        }
        out.u8(FIELDS_END);
        out.raw(payload);
    }

    fn decode_fields<const N: usize>(input: &mut Reader) -> Result<[String; N], DecodeError> {
        let rest = input.rest();
        let end = rest
            .iter()
            .position(|byte| *byte == FIELDS_END)
            .ok_or(DecodeError::UnexpectedEnd)?;
        *input = Reader::new(rest.slice(end + 1..), input.version());
        let fields = std::str::from_utf8(&rest[..end]).map_err(|_| DecodeError::NotUtf8)?;
        let fields: Vec<_> = fields
            .split(char::from(FIELD_SEPARATOR))
            .map(str::to_owned)
            .collect();
        fields.try_into().map_err(|_| {
            DecodeError::Invalid("the fields in front of topic data are too many or too few")
        })
    }

    fn encoding(first: u8) -> Encoding {
        if first & ZLIB == 0 {
            Encoding::Plain
        } else {
            Encoding::Zlib
        }
    }

    fn decode_answer(input: &mut Reader) -> Result<(ServiceId, ConversationId), DecodeError> {
        let service = match input.version().dialect() {
            Dialect::Old => ServiceId::decode(input)?,
            Dialect::Modern => ServiceId(0),
        };
        Ok((service, ConversationId::decode(input)?))
    }

    fn encode_answer(service: ServiceId, conversation: ConversationId, out: &mut Writer) {
        if out.version().dialect() == Dialect::Old {
            service.encode(out);
        }
        conversation.encode(out);
    }

    /// Trailing bytes are allowed: published peers send and ignore them (spec: connection §6.3).
    fn decode_reason(input: &mut Reader) -> Result<ErrorReason, DecodeError> {
        let message = String::decode(input)?;
        let code = match input.version().dialect() {
            Dialect::Old => i32::from(input.u8()?),
            Dialect::Modern => i32::decode(input)?,
        };
        Ok(ErrorReason {
            code,
            message: message.into(),
        })
    }

    fn encode_reason(reason: &ErrorReason, out: &mut Writer) {
        out.length(reason.message.len());
        out.raw(reason.message.as_bytes());
        match out.version().dialect() {
            // The old client ends its process on any other code (spec: connection §6.3).
            Dialect::Old => out.u8(match reason.code {
                103 => 103,
                200 | 201 => 200,
                _ => 100,
            }),
            Dialect::Modern => reason.code.encode(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hex: &str, message: &Message, version: Version) {
        let bytes = crate::hex::decode(hex);
        assert_eq!(
            Message::decode(bytes.clone(), version).as_ref(),
            Ok(message),
            "{hex}"
        );
        assert_eq!(message.to_bytes(version), bytes, "{hex}");
    }

    #[test]
    fn envelopes_have_the_bytes_of_the_specification() {
        let request = |service, conversation| Message::Request {
            service: ServiceId(service),
            conversation: ConversationId(conversation),
            body: Bytes::new(),
        };
        let response = |service, conversation| Message::Response {
            service: ServiceId(service),
            conversation: ConversationId(conversation),
            body: Bytes::new(),
        };
        check("003801", &request(56, 1), Version::NEWEST);
        check("0601", &response(0, 1), Version::NEWEST);
        check("013705", &response(55, 5), Version::OLD);
        check("1c", &Message::Abort, Version::NEWEST);
        check("1d", &Message::Close, Version::OLD);
        let denied = Message::Error {
            service: ServiceId(0),
            conversation: ConversationId(5),
            reason: ErrorReason::ACCESS_DENIED.with("Access denied"),
        };
        check(
            "07050d4163636573732064656e69656467",
            &denied,
            Version::NEWEST,
        );
        let hello = Message::TopicValue {
            topic: TopicId(521),
            encoding: Encoding::Plain,
            payload: Bytes::from_static(b"\x65Hello"),
        };
        check("04000002096548656c6c6f", &hello, Version::NEWEST);
        let (path, payload) = ("o/b".to_owned(), Bytes::from_static(&[1, 2, 3]));
        let value = Message::PathValue {
            path: path.clone(),
            payload: payload.clone(),
        };
        check("146f2f6201010203", &value, Version::OLD);
        let reply = Message::FetchReply {
            path,
            conversation: ConversationId(9),
            payload,
        };
        check("226f2f62023901010203", &reply, Version::OLD);
        let end = Message::FetchReply {
            path: String::new(),
            conversation: ConversationId(9),
            payload: Bytes::from_static(&[1]),
        };
        check("2202390101", &end, Version::OLD);
    }

    #[test]
    fn malformed_envelopes_are_refused() {
        let cases = [
            ("", DecodeError::UnexpectedEnd),
            ("00", DecodeError::UnexpectedEnd),
            ("0037", DecodeError::UnexpectedEnd),
            (
                "0037ffffffffffffffffff01",
                DecodeError::Invalid("a conversation id is negative"),
            ),
            ("0080808080808001", DecodeError::IntegerTooLong(32)),
            (
                "80",
                DecodeError::UnknownTag {
                    of: "Message",
                    tag: 0x80,
                },
            ),
            (
                "14",
                DecodeError::UnknownTag {
                    of: "Message",
                    tag: 0x14,
                },
            ),
            ("0400", DecodeError::UnexpectedEnd),
        ];
        for (hex, error) in cases {
            assert_eq!(
                Message::decode(crate::hex::decode(hex), Version::NEWEST),
                Err(error),
                "{hex}"
            );
        }
    }
}
