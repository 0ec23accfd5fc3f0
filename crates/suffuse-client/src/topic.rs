//! The types of topic values.
//!
//! | Rust type | written to topics of type | read from topics of type |
//! |---|---|---|
//! | [`Json<T>`] | `JSON` | `JSON`, `STRING`, `INT64`, `DOUBLE` |
//! | `String`, `str` | `STRING` | `STRING` |
//! | `i64` | `INT64` | `INT64` |
//! | `f64` | `DOUBLE` | `DOUBLE` |
//! | `Option` of the three | the same; `None` takes the value away | the same |
//! | [`Bytes`] | `BINARY` | `BINARY` |
//! | [`Raw`] | – | any type, as the bytes of the value |

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use suffuse_proto::{
    TopicType,
    value::{self, cbor, json, primitive},
};

/// Why a value could not be read or written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The topic has no value now; read it as an `Option` to allow this.
    #[error("the topic has no value")]
    NoValue,
    /// The bytes are not a value of the topic's type.
    #[error("the value is not well-formed: {0}")]
    Malformed(value::ValueError),
    /// The value has not the form that the application expects.
    #[error("the value has another form than expected: {0}")]
    Unexpected(String),
    /// The application's value has no JSON form.
    #[error("the value cannot be written as JSON: {0}")]
    NotJson(String),
}

impl From<value::ValueError> for ValueError {
    fn from(error: value::ValueError) -> Self {
        Self::Malformed(error)
    }
}

/// A type as which topic values can be read.
pub trait TopicRead: Sized + Send + 'static {
    /// Returns whether values of topics of this type can be read.
    fn accepts(topic_type: TopicType) -> bool;

    /// Reads a value of a topic.
    ///
    /// # Errors
    /// When the bytes are not a value of this type.
    fn read(topic_type: TopicType, bytes: &Bytes) -> Result<Self, ValueError>;
}

/// A type that can be written as topic values.
pub trait TopicWrite {
    /// The type of the topics that have such values.
    const TOPIC_TYPE: TopicType;

    /// Returns the bytes of the value.
    ///
    /// # Errors
    /// When the value has no such form.
    fn write(&self) -> Result<Bytes, ValueError>;
}

/// A value of a JSON topic, as any type that serde knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send + 'static> TopicRead for Json<T> {
    fn accepts(topic_type: TopicType) -> bool {
        [
            TopicType::JSON,
            TopicType::STRING,
            TopicType::INT64,
            TopicType::DOUBLE,
        ]
        .contains(&topic_type)
    }

    fn read(_: TopicType, bytes: &Bytes) -> Result<Self, ValueError> {
        let value = json::to_json(bytes)?;
        serde_json::from_value(value)
            .map(Self)
            .map_err(|error| ValueError::Unexpected(error.to_string()))
    }
}

impl<T: Serialize> TopicWrite for Json<T> {
    const TOPIC_TYPE: TopicType = TopicType::JSON;

    fn write(&self) -> Result<Bytes, ValueError> {
        let value = serde_json::to_value(&self.0)
            .map_err(|error| ValueError::NotJson(error.to_string()))?;
        Ok(json::from_json(&value))
    }
}

/// A value of a topic of any type, as its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raw {
    /// The type of the topic.
    pub topic_type: TopicType,
    /// The bytes of the value.
    pub bytes: Bytes,
}

impl TopicRead for Raw {
    fn accepts(_: TopicType) -> bool {
        true
    }

    fn read(topic_type: TopicType, bytes: &Bytes) -> Result<Self, ValueError> {
        Ok(Self {
            topic_type,
            bytes: bytes.clone(),
        })
    }
}

impl TopicRead for Bytes {
    fn accepts(topic_type: TopicType) -> bool {
        topic_type == TopicType::BINARY
    }

    fn read(_: TopicType, bytes: &Bytes) -> Result<Self, ValueError> {
        Ok(bytes.clone())
    }
}

impl TopicWrite for Bytes {
    const TOPIC_TYPE: TopicType = TopicType::BINARY;

    fn write(&self) -> Result<Bytes, ValueError> {
        Ok(self.clone())
    }
}

impl TopicWrite for str {
    const TOPIC_TYPE: TopicType = TopicType::STRING;

    fn write(&self) -> Result<Bytes, ValueError> {
        Ok(primitive::encode_string(Some(self)))
    }
}

/// The types whose topics can have no value, which is written as CBOR null.
macro_rules! primitives {
    ($($type:ty, $topic_type:ident, $decode:path, |$value:ident| $encode:expr;)*) => { $(
        impl TopicRead for $type {
            fn accepts(topic_type: TopicType) -> bool {
                topic_type == TopicType::$topic_type
            }

            fn read(topic_type: TopicType, bytes: &Bytes) -> Result<Self, ValueError> {
                Option::read(topic_type, bytes)?.ok_or(ValueError::NoValue)
            }
        }

        impl TopicRead for Option<$type> {
            fn accepts(topic_type: TopicType) -> bool {
                topic_type == TopicType::$topic_type
            }

            fn read(_: TopicType, bytes: &Bytes) -> Result<Self, ValueError> {
                Ok($decode(bytes)?)
            }
        }

        impl TopicWrite for $type {
            const TOPIC_TYPE: TopicType = TopicType::$topic_type;

            fn write(&self) -> Result<Bytes, ValueError> {
                let $value = self;
                Ok($encode)
            }
        }

        impl TopicWrite for Option<$type> {
            const TOPIC_TYPE: TopicType = TopicType::$topic_type;

            fn write(&self) -> Result<Bytes, ValueError> {
                match self {
                    Some(value) => value.write(),
                    None => Ok(Bytes::from_static(&[cbor::NULL])),
                }
            }
        }
    )* };
}

primitives! {
    String, STRING, primitive::decode_string, |value| primitive::encode_string(Some(value));
    i64, INT64, primitive::decode_int64, |value| primitive::encode_int64(Some(*value));
    f64, DOUBLE, primitive::decode_double, |value| primitive::encode_double(Some(*value));
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Debug};

    use super::*;

    fn round_trip<T: TopicRead + TopicWrite + PartialEq + Debug>(value: T) {
        let bytes = value.write().unwrap();
        assert!(T::accepts(T::TOPIC_TYPE));
        assert_eq!(T::read(T::TOPIC_TYPE, &bytes), Ok(value));
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        round_trip("Hello".to_owned());
        round_trip(i64::MIN);
        round_trip(0.5);
        round_trip(None::<f64>);
        round_trip(Some(7i64));
        round_trip(Bytes::from_static(&[0, 0xff]));
        round_trip(Json(BTreeMap::from([("bid".to_owned(), 101.25)])));
        round_trip(Json(serde_json::json!({"a": [1, null, "x"]})));
        assert_eq!("Hello".write().unwrap(), b"\x65Hello".as_slice());
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_says_why() {
        let null = Bytes::from_static(&[cbor::NULL]);
        assert_eq!(i64::read(TopicType::INT64, &null), Err(ValueError::NoValue));
        assert!(matches!(
            i64::read(TopicType::INT64, &Bytes::new()),
            Err(ValueError::Malformed(_))
        ));
        let text = "x".write().unwrap();
        assert!(matches!(
            Json::<i64>::read(TopicType::JSON, &text),
            Err(ValueError::Unexpected(_))
        ));
        assert_eq!(
            Json::<String>::read(TopicType::STRING, &text),
            Ok(Json("x".to_owned()))
        );
        let raw = Raw {
            topic_type: TopicType::STRING,
            bytes: text.clone(),
        };
        assert_eq!(Raw::read(TopicType::STRING, &text), Ok(raw));
        let keys = BTreeMap::from([(vec![1], 2)]);
        assert!(matches!(Json(keys).write(), Err(ValueError::NotJson(_))));
    }
}
