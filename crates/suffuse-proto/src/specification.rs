//! Topic types and topic specifications: what a topic is made with (spec: topics §2, §3, §13).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::codec::{Codec, DecodeError, Reader, Writer, codec};
use crate::path::shortened;

mod options;
mod property;
mod removal;

pub use options::{Compression, Conflation, Options, Priority, RangeExpression};
pub use property::keys;
pub use removal::{RemovalCondition, RemovalPolicy};

/// The type of a topic, as its number on the wire. Numbers without a name are possible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicType(pub u8);

macro_rules! topic_types {
    ($($id:literal $name:ident $text:literal $doc:literal;)*) => {
        impl TopicType {
            $(#[doc = $doc] pub const $name: Self = Self($id);)*

            /// The types that a topic can have.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the name of the type, for example `TIME_SERIES`.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($id => Some(stringify!($name)),)* _ => None }
            }

            /// Returns the name of the values' data type, for example `record_v2`.
            #[must_use]
            pub fn data_type_name(self) -> Option<&'static str> {
                match self.0 { $($id => Some($text),)* _ => None }
            }
        }
    };
}

topic_types! {
    14 BINARY      "binary"     "Any bytes.";
    15 JSON        "json"       "JSON, as one CBOR item.";
    16 TIME_SERIES "timeseries" "A series of events, whose values have a type of their own.";
    17 STRING      "string"     "A text, or none.";
    18 INT64       "int64"      "A signed 64-bit integer, or none.";
    19 DOUBLE      "double"     "A 64-bit floating-point number, or none.";
    20 RECORD_V2   "record_v2"  "Records of text fields.";
}

impl TopicType {
    /// Returns the type of a name such as `JSON` or `json`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|topic_type| {
            topic_type
                .name()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// Returns the type that a time series of this data type has events of, for example `string`.
    #[must_use]
    pub fn from_data_type_name(name: &str) -> Option<Self> {
        match name {
            "recordv2" => Some(Self::RECORD_V2),
            name => Self::from_name(name).filter(|topic_type| *topic_type != Self::TIME_SERIES),
        }
    }

    /// Returns whether updates can be sent as deltas.
    #[must_use]
    pub fn supports_deltas(self) -> bool {
        self != Self::INT64 && self != Self::DOUBLE
    }
}

impl fmt::Display for TopicType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "topic type {}", self.0),
        }
    }
}

impl fmt::Debug for TopicType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

codec!(TopicType,
    encode: |value, out| out.u8(value.0),
    decode: |input| input.u8().map(TopicType),
    sample: |random| TopicType::ALL[random.below(TopicType::ALL.len())]);

/// What a topic is made with: its type, and properties by the names of [`keys`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpecification {
    /// The type of the topic.
    pub topic_type: TopicType,
    /// The properties as they were given.
    pub properties: BTreeMap<String, String>,
}

codec!(TopicSpecification,
encode: |value, out| { value.topic_type.encode(out); value.properties.encode(out) },
decode: |input| Ok(TopicSpecification {
    topic_type: TopicType::decode(input)?,
    properties: BTreeMap::decode(input)?,
}),
sample: |random| TopicSpecification {
    topic_type: TopicType::sample(random),
    properties: BTreeMap::sample(random),
});

/// Why a specification cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecificationError {
    /// No topic can have the type.
    #[error("{0} is not a type that a topic can have: use {types}", types = type_names())]
    Type(TopicType),
    /// A property has an unknown key.
    #[error("`{0}` is not a topic property")]
    UnknownKey(String),
    /// A property has a value that it cannot have.
    #[error("the topic property {key} cannot be `{found}`: expected {expected}")]
    Value {
        /// The key of the property.
        key: &'static str,
        /// The value, shortened.
        found: String,
        /// What it should be.
        expected: Cow<'static, str>,
    },
    /// A property that the type needs is not there.
    #[error("a topic of type {topic_type} needs the property {key}")]
    Missing {
        /// The type of the topic.
        topic_type: TopicType,
        /// The key of the property.
        key: &'static str,
    },
}

fn type_names() -> String {
    TopicType::ALL
        .iter()
        .map(|topic_type| topic_type.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

impl TopicSpecification {
    /// Returns a specification without properties.
    #[must_use]
    pub fn new(topic_type: TopicType) -> Self {
        Self {
            topic_type,
            properties: BTreeMap::new(),
        }
    }

    /// Returns the specification with one property more, or with another value of it.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Checks the specification and returns the form to keep: flags and names of choices are written
    /// as in [`keys`], because one client sends `True`, and another loses topics that have it.
    ///
    /// # Errors
    /// When the type, a key or a value is not possible, or a property is missing.
    pub fn normalised(&self) -> Result<Self, SpecificationError> {
        if self.topic_type.name().is_none() {
            return Err(SpecificationError::Type(self.topic_type));
        }
        let properties = self
            .properties
            .iter()
            .map(|(key, value)| self.normalised_property(key, value));
        let normalised = Self {
            topic_type: self.topic_type,
            properties: properties.collect::<Result<_, _>>()?,
        };
        let key = keys::TIME_SERIES_EVENT_VALUE_TYPE;
        if self.topic_type == TopicType::TIME_SERIES && !self.properties.contains_key(key) {
            return Err(SpecificationError::Missing {
                topic_type: self.topic_type,
                key,
            });
        }
        Ok(normalised)
    }

    fn normalised_property(
        &self,
        key: &str,
        value: &str,
    ) -> Result<(String, String), SpecificationError> {
        let Some(property) = property::find(key) else {
            return Err(SpecificationError::UnknownKey(shortened(key)));
        };
        match property.normalised(value, self.topic_type) {
            Ok(value) => Ok((key.to_owned(), value)),
            Err(expected) => Err(SpecificationError::Value {
                key: property.key,
                found: shortened(value),
                expected,
            }),
        }
    }

    /// Returns whether both specify the same topic: properties with their default value do not count.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.topic_type == other.topic_type && self.significant() == other.significant()
    }

    fn significant(&self) -> BTreeMap<&str, String> {
        let normalise =
            |(key, value): (&'_ String, &'_ String)| match self.normalised_property(key, value) {
                Ok((_, value)) => value,
                Err(_) => value.clone(),
            };
        self.properties
            .iter()
            .map(|(key, value)| (key.as_str(), normalise((key, value))))
            .filter(|(key, value)| {
                let default =
                    property::find(key).and_then(|property| property.default_of(self.topic_type));
                default != Some(value.as_str())
            })
            .collect()
    }

    /// Returns what the properties mean. Values that cannot be understood count as absent.
    #[must_use]
    pub fn options(&self) -> Options {
        Options::of(self)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Version;

    #[test]
    fn specifications_have_the_bytes_of_the_specification() {
        let json = TopicSpecification::new(TopicType::JSON);
        assert_eq!(json.to_bytes(Version::NEWEST), [0x0f, 0].as_slice());
        let series = TopicSpecification::new(TopicType::TIME_SERIES)
            .with(keys::TIME_SERIES_EVENT_VALUE_TYPE, "string");
        let bytes: Bytes = b"\x10\x01\x1cTIME_SERIES_EVENT_VALUE_TYPE\x06string"
            .as_slice()
            .into();
        assert_eq!(series.to_bytes(Version::NEWEST), bytes);
        assert_eq!(
            TopicSpecification::from_bytes(bytes, Version::NEWEST),
            Ok(series)
        );
    }

    #[test]
    fn types_have_names_and_unknown_ones_a_number() {
        assert_eq!(TopicType::from_name("Json"), Some(TopicType::JSON));
        assert_eq!(TopicType::from_name("21"), None);
        assert_eq!(TopicType(21).to_string(), "topic type 21");
        assert_eq!(TopicType::RECORD_V2.to_string(), "RECORD_V2");
        assert_eq!(
            TopicType::from_data_type_name("recordv2"),
            Some(TopicType::RECORD_V2)
        );
        assert_eq!(TopicType::from_data_type_name("timeseries"), None);
        for topic_type in TopicType::ALL
            .iter()
            .filter(|it| **it != TopicType::TIME_SERIES)
        {
            let name = topic_type.data_type_name().unwrap();
            assert_eq!(TopicType::from_data_type_name(name), Some(*topic_type));
        }
    }

    #[test]
    fn values_are_normalised() {
        let cases = [
            (keys::PUBLISH_VALUES_ONLY, "True", "true"),
            (keys::DONT_RETAIN_VALUE, "FALSE", "false"),
            (keys::COMPRESSION, "true", "medium"),
            (keys::COMPRESSION, "Off", "off"),
            (keys::CONFLATION, "UNSUBSCRIBE", "unsubscribe"),
            (keys::PRIORITY, "High", "high"),
            (
                keys::OWNER,
                "$Principal is 'a\\'b'",
                "$Principal is 'a\\'b'",
            ),
            (
                keys::REMOVAL,
                "when this session closes",
                "when this session closes",
            ),
        ];
        for (key, value, expected) in cases {
            let normalised = TopicSpecification::new(TopicType::JSON)
                .with(key, value)
                .normalised();
            assert_eq!(normalised.unwrap().properties[key], expected);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_sentence() {
        let json = TopicSpecification::new(TopicType::JSON);
        let series = TopicSpecification::new(TopicType::TIME_SERIES);
        let typed = series
            .clone()
            .with(keys::TIME_SERIES_EVENT_VALUE_TYPE, "int64");
        let cases = [
            (
                json.clone().with("COLOUR", "red"),
                "`COLOUR` is not a topic property",
            ),
            (
                json.clone().with(keys::VALIDATE_VALUES, "yes"),
                "VALIDATE_VALUES cannot be `yes`: expected true",
            ),
            (
                json.clone().with(keys::PRIORITY, "urgent"),
                "expected low, default or high",
            ),
            (
                json.with(keys::OWNER, "bob"),
                "expected $Principal is \"name\"",
            ),
            (
                series,
                "a topic of type TIME_SERIES needs the property TIME_SERIES_EVENT_VALUE_TYPE",
            ),
            (
                typed.clone().with(keys::CONFLATION, "always"),
                "expected off or unsubscribe",
            ),
            (
                typed.clone().with(keys::TIME_SERIES_RETAINED_RANGE, "last"),
                "expected `limit <count>`",
            ),
            (
                typed.with(keys::TIME_SERIES_EVENT_VALUE_TYPE, "timeseries"),
                "expected the name of a data type",
            ),
            (
                TopicSpecification::new(TopicType(21)),
                "topic type 21 is not a type that a topic can have",
            ),
        ];
        for (specification, expected) in cases {
            let message = specification.normalised().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn defaults_and_spelling_do_not_make_a_difference() {
        let json = || TopicSpecification::new(TopicType::JSON);
        let series = || {
            TopicSpecification::new(TopicType::TIME_SERIES)
                .with(keys::TIME_SERIES_EVENT_VALUE_TYPE, "json")
        };
        let cases = [
            (json(), json().with(keys::PERSISTENT, "True"), true),
            (json(), json().with(keys::PERSISTENT, "false"), false),
            (json(), json().with(keys::CONFLATION, "conflate"), true),
            (json(), json().with(keys::COMPRESSION, "LOW"), true),
            (json(), json().with(keys::COMPRESSION, "off"), false),
            (json(), TopicSpecification::new(TopicType::STRING), false),
            (series(), series().with(keys::CONFLATION, "off"), true),
            (
                series(),
                series().with(keys::CONFLATION, "unsubscribe"),
                false,
            ),
            (
                series(),
                series().with(keys::TIME_SERIES_RETAINED_RANGE, "LIMIT 10"),
                true,
            ),
            (
                series(),
                series().with(keys::TIME_SERIES_RETAINED_RANGE, "limit 11"),
                false,
            ),
        ];
        for (a, b, expected) in cases {
            assert_eq!(a.is_same_as(&b), expected, "{a:?} and {b:?}");
            assert_eq!(b.is_same_as(&a), expected, "{b:?} and {a:?}");
        }
    }
}
