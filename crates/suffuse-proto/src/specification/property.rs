//! The table of topic properties: their keys, what they can be, and their defaults (spec: topics §3).

use std::borrow::Cow;

use super::options::{Compression, Conflation, Priority, RangeExpression, owner};
use super::{RemovalPolicy, TopicType};

/// A topic property.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
}

/// What a property can be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Flag,
    Compression,
    Conflation,
    Priority,
    Owner,
    Removal,
    DataType,
    Range,
    Text,
}

macro_rules! properties {
    ($($key:ident $kind:ident $default:expr, $doc:literal;)*) => {
        /// The keys of topic properties.
        pub mod keys {
            $(#[doc = $doc] pub const $key: &str = stringify!($key);)*
        }

        const PROPERTIES: &[Property] =
            &[$(Property { key: keys::$key, kind: Kind::$kind, default: $default }),*];
    };
}

properties! {
    PUBLISH_VALUES_ONLY Flag Some("false"), "`true`: subscribers get values, never deltas.";
    VALIDATE_VALUES Flag Some("false"), "`true`: the server refuses values that are not valid for the type.";
    TIDY_ON_UNSUBSCRIBE Flag Some("false"), "`true`: queued updates are dropped when a session unsubscribes.";
    DONT_RETAIN_VALUE Flag Some("false"), "`true`: the value is published and forgotten.";
    PERSISTENT Flag Some("true"), "`false`: the topic is never written to a store.";
    REMOVAL Removal None, "When the topic is removed by itself, for example `when this session closes`.";
    OWNER Owner None, "Who may read and change the topic, for example `$Principal is \"alice\"`.";
    COMPRESSION Compression Some("low"), "How much work goes into compression: `off`, `low`, `medium`, `high`.";
    CONFLATION Conflation Some("conflate"), "What happens to slow sessions: `off`, `conflate`, `unsubscribe`, `always`.";
    PRIORITY Priority Some("default"), "The rank in the queue of a session: `low`, `default`, `high`.";
    SCHEMA Text None, "The schema of a record topic.";
    TIME_SERIES_EVENT_VALUE_TYPE DataType None, "The data type of events, for example `string`.";
    TIME_SERIES_RETAINED_RANGE Range Some("limit 10"), "Which events are kept, for example `limit 15 last 10s`.";
    TIME_SERIES_SUBSCRIPTION_RANGE Range None, "Which events a new subscriber gets.";
}

pub(super) fn find(key: &str) -> Option<&'static Property> {
    PROPERTIES.iter().find(|property| property.key == key)
}

impl Property {
    /// Returns the value in its one spelling, or what was expected instead.
    pub(super) fn normalised(
        &self,
        value: &str,
        topic_type: TopicType,
    ) -> Result<String, Cow<'static, str>> {
        let lower = || value.trim().to_ascii_lowercase();
        match self.kind {
            Kind::Flag => match lower() {
                flag if flag == "true" || flag == "false" => Ok(flag),
                _ => Err("true or false".into()),
            },
            Kind::Compression => match Compression::from_name(&lower()) {
                Some(compression) => Ok(compression.name().to_owned()),
                None => Err("off, low, medium or high".into()),
            },
            Kind::Conflation => normalised_conflation(&lower(), topic_type).map_err(Cow::from),
            Kind::Priority => match Priority::from_name(&lower()) {
                Some(priority) => Ok(priority.name().to_owned()),
                None => Err("low, default or high".into()),
            },
            Kind::Owner => match owner(value) {
                Some(_) => Ok(value.to_owned()),
                None => Err("$Principal is \"name\"".into()),
            },
            Kind::Removal => match RemovalPolicy::parse(value) {
                Ok(_) => Ok(value.to_owned()),
                Err(error) => Err(format!("a removal policy ({error})").into()),
            },
            Kind::DataType => match TopicType::from_data_type_name(&lower()) {
                Some(data_type) => Ok(data_type.data_type_name().unwrap_or_default().to_owned()),
                None => Err(
                    "the name of a data type: string, json, binary, int64, double or record_v2"
                        .into(),
                ),
            },
            Kind::Range => match RangeExpression::parse(value) {
                Some(_) => Ok(lower()),
                None => Err("`limit <count>`, `last <number>MS|S|M|H`, or both".into()),
            },
            Kind::Text => Ok(value.to_owned()),
        }
    }

    /// Returns the value that has the same meaning as no value.
    pub(super) fn default_of(&self, topic_type: TopicType) -> Option<&'static str> {
        match self.kind {
            Kind::Conflation if topic_type == TopicType::TIME_SERIES => {
                Some(Conflation::Off.name())
            }
            Kind::Flag
            | Kind::Compression
            | Kind::Conflation
            | Kind::Priority
            | Kind::Owner
            | Kind::Removal
            | Kind::DataType
            | Kind::Range
            | Kind::Text => self.default,
        }
    }
}

fn normalised_conflation(name: &str, topic_type: TopicType) -> Result<String, &'static str> {
    let is_series = topic_type == TopicType::TIME_SERIES;
    match Conflation::from_name(name) {
        // Events must not be lost, so a series cannot be conflated.
        Some(Conflation::Conflate | Conflation::Always) if is_series => Err("off or unsubscribe"),
        Some(conflation) => Ok(conflation.name().to_owned()),
        None if is_series => Err("off or unsubscribe"),
        None => Err("off, conflate, unsubscribe or always"),
    }
}
