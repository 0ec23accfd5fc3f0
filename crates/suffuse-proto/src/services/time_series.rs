//! Time series: events, appending and editing them, and range queries (spec: topics §10).

use bytes::Bytes;

use crate::codec::{Codec, DecodeError, Reader, Writer};

mod result;

pub use result::{Author, AuthorCode, CodedMetadata, RangeQueryEntry, RangeQueryResult};

/// What identifies an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Codec)]
pub struct EventMetadata {
    /// Its place in the series: 0 for the first event, and one more for each event after it.
    pub sequence: i64,
    /// When it happened, in milliseconds since 1970.
    pub timestamp: i64,
    /// The principal of the session that made it; empty for an anonymous one.
    pub author: String,
}

/// An event of a time series: the value of the topic, as topic data and fetch results have it.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub enum Event {
    /// An event that was appended.
    #[tag(0)]
    Original {
        /// What identifies it.
        metadata: EventMetadata,
        /// Its value, of the type of the series' events.
        value: Bytes,
    },
    /// An event that gives an earlier one another value.
    #[tag(1)]
    Edit {
        /// What identifies the event that is edited, which is an original one.
        original: EventMetadata,
        /// What identifies the edit.
        metadata: EventMetadata,
        /// The value that takes the place of the original's.
        value: Bytes,
    },
}

impl Event {
    /// Returns what identifies the event.
    #[must_use]
    pub fn metadata(&self) -> &EventMetadata {
        match self {
            Self::Original { metadata, .. } | Self::Edit { metadata, .. } => metadata,
        }
    }

    /// Returns what identifies the event that this one edits; of an original event itself.
    #[must_use]
    pub fn original(&self) -> &EventMetadata {
        match self {
            Self::Original { metadata, .. } => metadata,
            Self::Edit { original, .. } => original,
        }
    }

    /// Returns whether the event edits another one.
    #[must_use]
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::Edit { .. })
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &Bytes {
        match self {
            Self::Original { value, .. } | Self::Edit { value, .. } => value,
        }
    }
}

/// Appends an event at the time of the server.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct AppendRequest {
    /// Which topic.
    pub path: String,
    /// The data type that the caller takes the events for, for example `string`.
    pub data_type: String,
    /// The value.
    pub value: Bytes,
}

/// Appends an event at a time of the caller's choice.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct TimestampAppendRequest {
    /// Which topic.
    pub path: String,
    /// The data type that the caller takes the events for.
    pub data_type: String,
    /// The value.
    pub value: Bytes,
    /// The time, in milliseconds since 1970.
    pub timestamp: i64,
}

/// Gives an event another value, by appending an edit of it.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct EditRequest {
    /// Which topic.
    pub path: String,
    /// The data type that the caller takes the events for.
    pub data_type: String,
    /// Which event: an original one.
    pub sequence: i64,
    /// The value.
    pub value: Bytes,
}

/// Asks for events.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct RangeQueryRequest {
    /// Which topic.
    pub path: String,
    /// What to return for the events that are selected.
    pub query_type: QueryType,
    /// Which of the original events.
    pub view: Range,
    /// Which of the edits of these.
    pub edits: Range,
    /// How many events at most: the latest ones.
    pub limit: i64,
}

/// What a query returns for the events that it selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub enum QueryType {
    /// Each original event with its value of the latest edit, in the order of the original events.
    #[tag(0)]
    Values,
    /// Original events and all of their edits, in the order in which they were made.
    #[tag(1)]
    AllEdits,
    /// Original events and the latest edit of each, in the order in which they were made.
    #[tag(2)]
    LatestEdits,
}

/// A range of a series: from an anchor to the end of a span, which can lie before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub struct Range {
    /// Where it starts.
    pub anchor: Anchor,
    /// Where it ends.
    pub span: Span,
}

impl Range {
    /// The whole series.
    pub const ALL: Self = Self {
        anchor: Anchor::Start(0),
        span: Span::BeforeEnd(0),
    };
}

/// A point of a range: its value, then its type.
macro_rules! points {
    ($(#[$meta:meta])* $type:ident { $($(#[$variant_meta:meta])* $tag:literal $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[$variant_meta])* $variant(i64),)* }

        impl $type {
            /// Returns the number of the point.
            #[must_use]
            pub fn value(self) -> i64 {
                match self { $(Self::$variant(value))|* => value }
            }
        }

        impl Codec for $type {
            fn encode(&self, out: &mut Writer) {
                let (value, tag): (i64, u8) = match *self { $(Self::$variant(value) => (value, $tag),)* };
                value.encode(out);
                out.u8(tag);
            }

            fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
                let value = i64::decode(input)?;
                match input.u8()? {
                    $($tag => Ok(Self::$variant(value)),)*
                    tag => Err(DecodeError::UnknownTag { of: stringify!($type), tag }),
                }
            }

            #[cfg(any(test, feature = "sample"))]
            fn sample(random: &mut crate::sample::Random) -> Self {
                let points = [$(Self::$variant),*];
                points[random.below(points.len())](random.integer())
            }
        }
    };
}

points! {
    /// Where a range starts.
    Anchor {
        /// Before the first event. The number has no meaning.
        0 Start,
        /// At the event with a sequence number.
        1 Sequence,
        /// At a time, in milliseconds since 1970.
        2 Time,
        /// So many events before the end.
        3 BeforeEnd,
        /// So many milliseconds before the last event.
        4 MillisBeforeEnd,
    }
}

points! {
    /// Where a range ends.
    Span {
        /// Before the first event. The number has no meaning.
        0 Start,
        /// At the event with a sequence number.
        1 Sequence,
        /// At a time, in milliseconds since 1970.
        2 Time,
        /// So many events before the end.
        3 BeforeEnd,
        /// So many milliseconds before the last event.
        4 MillisBeforeEnd,
        /// After so many events.
        5 Next,
        /// So many milliseconds after the anchor.
        6 NextMillis,
        /// So many events before the anchor.
        7 Previous,
        /// So many milliseconds before the anchor.
        8 PreviousMillis,
    }
}
