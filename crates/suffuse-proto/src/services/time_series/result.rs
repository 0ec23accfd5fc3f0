//! The result of a range query, which names each author once (spec: topics §10.4).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Event, EventMetadata};
use crate::codec::{Codec, DecodeError, Reader, Writer};

/// The answer to a range query.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct RangeQueryResult {
    /// The data type of the events.
    pub data_type: String,
    /// How many events are selected; more than are here if the limit cut the result.
    pub selected: i64,
    /// The events, and what is needed to understand them.
    pub entries: Vec<RangeQueryEntry>,
}

/// A part of the result of a range query.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub enum RangeQueryEntry {
    /// An original event.
    #[tag(0)]
    Original {
        /// What identifies it.
        metadata: CodedMetadata,
        /// Its value.
        value: Bytes,
    },
    /// An edit.
    #[tag(1)]
    Edit {
        /// What identifies the event that is edited.
        original: CodedMetadata,
        /// What identifies the edit.
        metadata: CodedMetadata,
        /// The value.
        value: Bytes,
    },
    /// What is added to the numbers of all events that follow. There is one at most, before all events.
    #[tag(2)]
    Offsets {
        /// For sequence numbers.
        sequence: i64,
        /// For timestamps.
        timestamp: i64,
    },
    /// The code of an author, before the first event that has it.
    #[tag(3)]
    Author(Author),
}

/// What identifies an event, in short.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct CodedMetadata {
    /// Its place in the series, without the offset.
    pub sequence: i64,
    /// When it happened, without the offset.
    pub timestamp: i64,
    /// Who made it.
    pub author: AuthorCode,
}

/// A code and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct Author {
    /// The code.
    pub code: AuthorCode,
    /// The principal.
    pub author: String,
}

/// Stands for an author.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthorCode {
    /// The empty author, which cannot be declared: both published clients ignore that.
    Empty,
    /// An author that was declared.
    Declared(Bytes),
}

/// The first version whose published client reads a code that was not declared as text, and not as CBOR.
const READS_TEXT: u8 = 26;
/// The code of the empty author for clients that read CBOR: an empty text.
const EMPTY_TEXT: &[u8] = &[0x60];

impl Codec for AuthorCode {
    fn encode(&self, out: &mut Writer) {
        let empty = match out.version().number() < READS_TEXT {
            true => EMPTY_TEXT,
            false => &[],
        };
        let code = match self {
            Self::Empty => empty,
            Self::Declared(code) => code,
        };
        out.length(code.len());
        out.raw(code);
    }

    fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
        let code = Bytes::decode(input)?;
        match code.is_empty() || code == EMPTY_TEXT {
            true => Ok(Self::Empty),
            false => Ok(Self::Declared(code)),
        }
    }

    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self {
        match random.below(3) {
            0 => Self::Empty,
            _ => Self::nth(random.below(20_000)),
        }
    }
}

/// The characters of codes of more than one byte.
const CHARS: std::ops::RangeInclusive<u8> = b'!'..=b'~';
/// How many codes have one byte.
const SHORT_CODES: usize = 0x17;

impl AuthorCode {
    /// Returns a code for the author after `index` others. Each is one item of CBOR and a text of ASCII, because
    /// one client reads the one and another the other.
    fn nth(index: usize) -> Self {
        if index < SHORT_CODES {
            return Self::Declared(Bytes::from(vec![index as u8 + 1]));
        }
        let mut rest = index - SHORT_CODES;
        let mut digits = Vec::new();
        loop {
            digits.push(CHARS.start() + (rest % CHARS.len()) as u8);
            rest /= CHARS.len();
            if rest == 0 {
                break;
            }
            rest -= 1;
        }
        let head = 0x60 | u8::try_from(digits.len()).unwrap_or(u8::MAX);
        Self::Declared(std::iter::once(head).chain(digits).collect())
    }
}

impl RangeQueryResult {
    /// Returns the result that has some events, of `selected` ones.
    pub fn new<'a>(
        data_type: &str,
        selected: i64,
        events: impl Iterator<Item = &'a Event> + Clone,
    ) -> Self {
        let authors = codes(events.clone());
        let declared = authors.iter().filter(|(author, _)| !author.is_empty());
        let mut entries: Vec<_> = declared
            .map(|(author, code)| {
                RangeQueryEntry::Author(Author {
                    code: code.clone(),
                    author: (*author).to_owned(),
                })
            })
            .collect();
        let all = events
            .clone()
            .flat_map(|event| [event.metadata(), event.original()]);
        let offset = all.map(|metadata| metadata.timestamp).min();
        if let Some(timestamp) = offset {
            entries.push(RangeQueryEntry::Offsets {
                sequence: 0,
                timestamp,
            });
        }
        entries.extend(events.map(|event| coded(event, &authors, offset.unwrap_or(0))));
        Self {
            data_type: data_type.to_owned(),
            selected,
            entries,
        }
    }

    /// Returns the events.
    ///
    /// # Errors
    /// When an event has the code of an author that was not declared.
    pub fn events(&self) -> Result<Vec<Event>, DecodeError> {
        let mut authors = BTreeMap::from([(&AuthorCode::Empty, "")]);
        let mut offsets = (0, 0);
        let mut events = Vec::new();
        for entry in &self.entries {
            match entry {
                RangeQueryEntry::Author(Author { code, author }) => {
                    authors.insert(code, author);
                }
                RangeQueryEntry::Offsets {
                    sequence,
                    timestamp,
                } => offsets = (*sequence, *timestamp),
                RangeQueryEntry::Original { metadata, value } => events.push(Event::Original {
                    metadata: metadata.decoded(&authors, offsets)?,
                    value: value.clone(),
                }),
                RangeQueryEntry::Edit {
                    original,
                    metadata,
                    value,
                } => events.push(Event::Edit {
                    original: original.decoded(&authors, offsets)?,
                    metadata: metadata.decoded(&authors, offsets)?,
                    value: value.clone(),
                }),
            }
        }
        Ok(events)
    }
}

impl CodedMetadata {
    fn decoded(
        &self,
        authors: &BTreeMap<&AuthorCode, &str>,
        offsets: (i64, i64),
    ) -> Result<EventMetadata, DecodeError> {
        let author = authors.get(&self.author);
        let author = author.ok_or(DecodeError::Invalid(
            "an event has the code of an author that was not declared",
        ))?;
        Ok(EventMetadata {
            sequence: self.sequence.wrapping_add(offsets.0),
            timestamp: self.timestamp.wrapping_add(offsets.1),
            author: (*author).to_owned(),
        })
    }
}

/// Gives every author a code.
fn codes<'a>(events: impl Iterator<Item = &'a Event>) -> BTreeMap<&'a str, AuthorCode> {
    let mut codes = BTreeMap::from([("", AuthorCode::Empty)]);
    for metadata in events.flat_map(|event| [event.original(), event.metadata()]) {
        let count = codes.len() - 1;
        codes
            .entry(metadata.author.as_str())
            .or_insert_with(|| AuthorCode::nth(count));
    }
    codes
}

fn coded(event: &Event, authors: &BTreeMap<&str, AuthorCode>, offset: i64) -> RangeQueryEntry {
    let coded = |metadata: &EventMetadata| CodedMetadata {
        sequence: metadata.sequence,
        timestamp: metadata.timestamp.wrapping_sub(offset),
        author: authors[metadata.author.as_str()].clone(),
    };
    match event {
        Event::Original { metadata, value } => RangeQueryEntry::Original {
            metadata: coded(metadata),
            value: value.clone(),
        },
        Event::Edit {
            original,
            metadata,
            value,
        } => RangeQueryEntry::Edit {
            original: coded(original),
            metadata: coded(metadata),
            value: value.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Version;

    fn original(sequence: i64, timestamp: i64, author: &str) -> Event {
        let metadata = metadata(sequence, timestamp, author);
        let value = Bytes::from_static(b"\x01");
        Event::Original { metadata, value }
    }

    fn metadata(sequence: i64, timestamp: i64, author: &str) -> EventMetadata {
        EventMetadata {
            sequence,
            timestamp,
            author: author.to_owned(),
        }
    }

    #[test]
    fn events_come_back_as_they_were_whoever_made_them() {
        let edit = Event::Edit {
            original: metadata(0, -5, "anne"),
            metadata: metadata(3, 9_000, ""),
            value: Bytes::new(),
        };
        let mut events = vec![original(0, -5, "anne"), original(1, 7, "")];
        events.extend((0..200).map(|n| original(4 + n, 10_000 + n, &format!("author {n}"))));
        events.push(edit);
        for version in [25, 29] {
            let version = Version::new(version).unwrap();
            let result = RangeQueryResult::new("int64", 900, events.iter());
            let bytes = result.to_bytes(version);
            let decoded = RangeQueryResult::from_bytes(bytes, version).unwrap();
            assert_eq!(decoded, result);
            assert_eq!(decoded.events().as_ref(), Ok(&events));
        }
    }

    #[test]
    fn the_empty_author_has_a_code_that_its_reader_takes_for_an_empty_text() {
        for (version, expected) in [(25, [1, 0x60].as_slice()), (29, &[0])] {
            let version = Version::new(version).unwrap();
            assert_eq!(AuthorCode::Empty.to_bytes(version), expected);
        }
    }

    #[test]
    fn codes_of_authors_differ_and_are_both_texts_and_items_of_cbor() {
        let codes: BTreeSet<_> = (0..20_000).map(AuthorCode::nth).collect();
        assert_eq!(codes.len(), 20_000);
        for code in codes {
            let AuthorCode::Declared(bytes) = code else {
                panic!("only the empty author is not declared")
            };
            assert!(bytes.is_ascii(), "{bytes:?}");
            assert!(crate::value::json::validate(&bytes).is_ok(), "{bytes:?}");
        }
    }

    #[test]
    fn an_event_of_nobody_that_was_declared_is_refused() {
        let mut result = RangeQueryResult::new("json", 1, [original(0, 0, "anne")].iter());
        result.entries.remove(0);
        assert!(result.events().is_err());
    }
}
