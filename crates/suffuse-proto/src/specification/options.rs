//! What the properties of a topic mean, parsed once (spec: topics §3, §10.6, §13).

use std::{sync::Arc, time::Duration};

use super::{RemovalPolicy, TopicSpecification, TopicType, keys};

/// The properties of a topic, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each flag is a property of its own"
)]
pub struct Options {
    /// Whether subscribers get values only, never deltas.
    pub publish_values_only: bool,
    /// Whether values are checked before they are taken.
    pub validate_values: bool,
    /// Whether queued updates are dropped when a session unsubscribes.
    pub tidy_on_unsubscribe: bool,
    /// Whether a value is forgotten once it is published. Never so for a time series.
    pub dont_retain_value: bool,
    /// Whether the topic may be written to a store.
    pub persistent: bool,
    /// How much work goes into the compression of updates.
    pub compression: Compression,
    /// What happens to the updates of a slow session.
    pub conflation: Conflation,
    /// The rank of the topic's messages in the queue of a session.
    pub priority: Priority,
    /// The principal that may read and change the topic whatever its roles are.
    pub owner: Option<String>,
    /// When the topic is removed by itself.
    pub removal: Option<Arc<RemovalPolicy>>,
    /// The type of the events, if it is a time series.
    pub event_type: Option<TopicType>,
    /// Which events a time series keeps.
    pub retained_range: RangeExpression,
    /// Which events a new subscriber gets; `None` for the default.
    pub subscription_range: Option<RangeExpression>,
}

impl Options {
    pub(super) fn of(specification: &TopicSpecification) -> Self {
        let text = |key| specification.properties.get(key).map(String::as_str);
        let flag = |key| text(key).map(|text| text.trim().eq_ignore_ascii_case("true"));
        let lower = |key| text(key).map(|text| text.trim().to_ascii_lowercase());
        let is_series = specification.topic_type == TopicType::TIME_SERIES;
        let default_conflation = if is_series {
            Conflation::Off
        } else {
            Conflation::Conflate
        };
        Self {
            publish_values_only: flag(keys::PUBLISH_VALUES_ONLY).unwrap_or(false),
            validate_values: flag(keys::VALIDATE_VALUES).unwrap_or(false),
            tidy_on_unsubscribe: flag(keys::TIDY_ON_UNSUBSCRIBE).unwrap_or(false),
            dont_retain_value: flag(keys::DONT_RETAIN_VALUE).unwrap_or(false) && !is_series,
            persistent: flag(keys::PERSISTENT).unwrap_or(true),
            compression: lower(keys::COMPRESSION)
                .and_then(|name| Compression::from_name(&name))
                .unwrap_or(Compression::Low),
            conflation: lower(keys::CONFLATION)
                .and_then(|name| Conflation::from_name(&name))
                .unwrap_or(default_conflation),
            priority: lower(keys::PRIORITY)
                .and_then(|name| Priority::from_name(&name))
                .unwrap_or(Priority::Default),
            owner: text(keys::OWNER).and_then(owner),
            removal: text(keys::REMOVAL)
                .and_then(|text| RemovalPolicy::parse(text).ok())
                .map(Arc::new),
            event_type: lower(keys::TIME_SERIES_EVENT_VALUE_TYPE)
                .and_then(|name| TopicType::from_data_type_name(&name))
                .filter(|_| is_series),
            retained_range: text(keys::TIME_SERIES_RETAINED_RANGE)
                .and_then(RangeExpression::parse)
                .unwrap_or(RangeExpression::RETAINED_DEFAULT),
            subscription_range: text(keys::TIME_SERIES_SUBSCRIPTION_RANGE)
                .and_then(RangeExpression::parse),
        }
    }
}

macro_rules! choice {
    ($(#[$meta:meta])* $type:ident { $($(#[$variant_meta:meta])* $variant:ident = $name:literal),* $(,)? }) => {
        $(#[$meta])*
        pub enum $type { $($(#[$variant_meta])* $variant),* }

        impl $type {
            /// Returns the name in a topic property.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

choice! {
    /// How much work goes into the compression of updates.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    Compression {
        /// No compression.
        Off = "off",
        /// Fast compression.
        Low = "low",
        /// A balance of both.
        Medium = "medium",
        /// The smallest messages.
        High = "high",
    }
}

choice! {
    /// What happens to the updates of a session that does not keep up.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    Conflation {
        /// All updates stay in the queue.
        Off = "off",
        /// Under pressure, older updates of a topic are replaced by the newest value.
        Conflate = "conflate",
        /// Under pressure, the session is unsubscribed from the topic.
        Unsubscribe = "unsubscribe",
        /// There is never more than one update of the topic in the queue.
        Always = "always",
    }
}

choice! {
    /// The rank of a topic's messages in the queue of a session.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    Priority {
        /// After all others.
        Low = "low",
        /// As all that is not a topic's.
        Default = "default",
        /// Before all others.
        High = "high",
    }
}

impl Compression {
    /// Returns the level of a lower-case name. `true` and `false` are names of older clients.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "off" | "false" => Some(Self::Off),
            "low" => Some(Self::Low),
            "medium" | "true" => Some(Self::Medium),
            "high" => Some(Self::High),
            _ => None,
        }
    }
}

impl Conflation {
    /// Returns the policy of a lower-case name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::Conflate, Self::Unsubscribe, Self::Always]
            .into_iter()
            .find(|it| it.name() == name)
    }
}

impl Priority {
    /// Returns the priority of a lower-case name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Low, Self::Default, Self::High]
            .into_iter()
            .find(|it| it.name() == name)
    }
}

/// Which of the latest events of a time series: all clauses hold, so the narrowest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeExpression {
    /// At most this many events.
    pub limit: Option<u64>,
    /// At most this long before the latest event.
    pub last: Option<Duration>,
}

impl RangeExpression {
    /// What a time series keeps when nothing else is said.
    pub const RETAINED_DEFAULT: Self = Self {
        limit: Some(10),
        last: None,
    };

    /// Parses clauses such as `limit 15 last 10s`, in any order and case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let mut words = lower.split_ascii_whitespace();
        let mut range = Self {
            limit: None,
            last: None,
        };
        while let Some(keyword) = words.next() {
            let argument = words.next()?;
            match keyword {
                "limit" => range.limit = narrowest(range.limit, argument.parse().ok()?),
                "last" => range.last = narrowest(range.last, duration(argument)?),
                _ => return None,
            }
        }
        (range.limit.is_some() || range.last.is_some()).then_some(range)
    }
}

fn narrowest<T: Ord>(known: Option<T>, new: T) -> Option<T> {
    match known {
        Some(known) => Some(known.min(new)),
        None => Some(new),
    }
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Returns the principal of an owner expression, `$Principal is "name"`.
pub(super) fn owner(expression: &str) -> Option<String> {
    let rest = expression.trim().strip_prefix("$Principal")?;
    let name = rest.trim_start().strip_prefix("is")?.trim_start();
    // Without a blank, `$Principalis"a"` would be accepted.
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    unquoted(name)
}

fn unquoted(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let quote = chars.next().filter(|quote| matches!(quote, '"' | '\''))?;
    let mut content = String::new();
    loop {
        match chars.next()? {
            '\\' => content.push(chars.next()?),
            end if end == quote => break,
            other => content.push(other),
        }
    }
    chars.next().is_none().then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_what_the_properties_say() {
        let specification = TopicSpecification::new(TopicType::JSON)
            .with(keys::PUBLISH_VALUES_ONLY, "True")
            .with(keys::PERSISTENT, "false")
            .with(keys::COMPRESSION, "high")
            .with(keys::CONFLATION, "always")
            .with(keys::PRIORITY, "LOW")
            .with(keys::OWNER, r#"$Principal is "a\"b""#);
        let options = specification.options();
        assert!(options.publish_values_only && !options.persistent && !options.validate_values);
        assert_eq!(options.compression, Compression::High);
        assert_eq!(options.conflation, Conflation::Always);
        assert_eq!(options.priority, Priority::Low);
        assert_eq!(options.owner.as_deref(), Some("a\"b"));
    }

    #[test]
    fn a_time_series_retains_its_values_and_is_not_conflated() {
        let series = TopicSpecification::new(TopicType::TIME_SERIES)
            .with(keys::TIME_SERIES_EVENT_VALUE_TYPE, "string")
            .with(keys::DONT_RETAIN_VALUE, "true");
        let options = series.options();
        assert!(!options.dont_retain_value);
        assert_eq!(options.conflation, Conflation::Off);
        assert_eq!(options.event_type, Some(TopicType::STRING));
        assert_eq!(options.retained_range, RangeExpression::RETAINED_DEFAULT);
    }

    #[test]
    fn range_expressions_take_clauses_in_any_order_and_the_narrowest_wins() {
        let range = |limit, millis: Option<u64>| {
            Some(RangeExpression {
                limit,
                last: millis.map(Duration::from_millis),
            })
        };
        let cases = [
            ("limit 10", range(Some(10), None)),
            ("LAST 5S Limit 3", range(Some(3), Some(5_000))),
            ("last 2h last 1m", range(None, Some(60_000))),
            ("limit 5 limit 7", range(Some(5), None)),
            ("last 250ms", range(None, Some(250))),
            ("", None),
            ("limit", None),
            ("limit -1", None),
            ("last 5", None),
            ("last 99999999999999999999h", None),
            ("first 5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(RangeExpression::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn owners_are_quoted_names() {
        let cases = [
            (r#"$Principal is "alice""#, Some("alice")),
            ("  $Principal   is 'al\\'ice' ", Some("al'ice")),
            (r#"$Principal is """#, Some("")),
            ("$Principal is alice", None),
            ("$Principal is \"alice", None),
            ("$Principal is \"alice\" or more", None),
            ("$Principalis \"alice\"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(owner(text).as_deref(), expected, "{text}");
        }
    }
}
