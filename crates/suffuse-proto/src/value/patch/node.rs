//! A value that is taken apart as far as pointers lead into it.

use std::ops::Range;

use bytes::Bytes;

use super::{Cursor, Item};
use crate::value::cbor::{major, put_head, put_text};

const BREAK: u8 = 0xff;
const INDEFINITE: u8 = 31;

/// A value, or a part of one. It nests as deep as CBOR may, so recursion over it is bounded.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// The bytes of a whole item.
    Raw(Bytes),
    Array {
        items: Vec<Self>,
        is_definite: bool,
    },
    Map {
        entries: Vec<Entry>,
        is_definite: bool,
    },
}

/// An entry of a map.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key as it is written.
    written: Bytes,
    /// The key, if it is a text.
    key: Option<String>,
    value: Node,
}

impl Entry {
    fn is_at(&self, token: &str) -> bool {
        self.key.as_deref() == Some(token)
    }
}

impl Node {
    /// Makes an array or a map of the bytes of one.
    pub(super) fn take_apart(&mut self) {
        let Self::Raw(bytes) = self else {
            return;
        };
        let mut cursor = Cursor::new(bytes);
        let apart = match cursor.item() {
            Ok(Item::Array(length)) => {
                let items = spans(&mut cursor, length).map(|span| Self::Raw(bytes.slice(span)));
                Self::Array {
                    items: items.collect(),
                    is_definite: length.is_some(),
                }
            }
            Ok(Item::Map(length)) => {
                let spans: Vec<_> = spans(&mut cursor, length.map(|pairs| pairs * 2)).collect();
                let entry = |pair: &[Range<usize>; 2]| Entry {
                    written: bytes.slice(pair[0].clone()),
                    key: text(&bytes[pair[0].clone()]),
                    value: Self::Raw(bytes.slice(pair[1].clone())),
                };
                Self::Map {
                    entries: spans.as_chunks::<2>().0.iter().map(entry).collect(),
                    is_definite: length.is_some(),
                }
            }
            _ => return,
        };
        *self = apart;
    }

    /// Returns how many parts there are to look through, or to shift.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Raw(_) => 1,
            Self::Array { items, .. } => items.len(),
            Self::Map { entries, .. } => entries.len(),
        }
    }

    /// Returns the part that a token names. Of several entries with the same key the last one counts.
    pub(super) fn child(&mut self, token: &str) -> Option<&mut Self> {
        match self {
            Self::Raw(_) => None,
            Self::Array { items, .. } => items.get_mut(index(token)?),
            Self::Map { entries, .. } => {
                let entry = entries.iter_mut().rev().find(|entry| entry.is_at(token))?;
                Some(&mut entry.value)
            }
        }
    }

    /// Puts a value into an array, or into a map in the place of what is there. Returns whether it can be.
    pub(super) fn insert(&mut self, token: &str, value: Bytes) -> bool {
        let value = Self::Raw(value);
        if let Self::Map { .. } = self
            && let Some(child) = self.child(token)
        {
            *child = value;
            return true;
        }
        match self {
            Self::Raw(_) => false,
            Self::Array { items, .. } => {
                let at = match token {
                    "-" => Some(items.len()),
                    token => index(token).filter(|at| *at <= items.len()),
                };
                at.map(|at| items.insert(at, value)).is_some()
            }
            Self::Map { entries, .. } => {
                let mut written = Vec::new();
                put_text(&mut written, token);
                entries.push(Entry {
                    written: written.into(),
                    key: Some(token.to_owned()),
                    value,
                });
                true
            }
        }
    }

    /// Takes out the part that a token names.
    pub(super) fn remove(&mut self, token: &str) -> Option<Self> {
        match self {
            Self::Raw(_) => None,
            Self::Array { items, .. } => {
                let at = index(token).filter(|at| *at < items.len())?;
                Some(items.remove(at))
            }
            Self::Map { entries, .. } => {
                let at = entries.iter().rposition(|entry| entry.is_at(token))?;
                let removed = entries.remove(at).value;
                // Others with the same key were hidden, and would appear.
                entries.retain(|entry| !entry.is_at(token));
                Some(removed)
            }
        }
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        if let Self::Raw(bytes) = self {
            return bytes.clone();
        }
        let mut out = Vec::new();
        self.put(&mut out);
        out.into()
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => out.extend_from_slice(bytes),
            Self::Array { items, is_definite } => {
                put_container(out, major::ARRAY, items.len(), *is_definite, |out| {
                    items.iter().for_each(|item| item.put(out));
                });
            }
            Self::Map {
                entries,
                is_definite,
            } => put_container(out, major::MAP, entries.len(), *is_definite, |out| {
                for entry in entries {
                    out.extend_from_slice(&entry.written);
                    entry.value.put(out);
                }
            }),
        }
    }
}

/// Writes an array or a map with or without its length, as it was.
fn put_container(
    out: &mut Vec<u8>,
    kind: u8,
    length: usize,
    is_definite: bool,
    put_content: impl FnOnce(&mut Vec<u8>),
) {
    match is_definite {
        true => put_head(out, kind, length as u64),
        false => out.push(kind << 5 | INDEFINITE),
    }
    put_content(out);
    if !is_definite {
        out.push(BREAK);
    }
}

/// Returns where the items are that follow, up to a count or to the end of their array or map.
fn spans(cursor: &mut Cursor<'_>, count: Option<u64>) -> impl Iterator<Item = Range<usize>> {
    let mut left = count;
    std::iter::from_fn(move || {
        if let Some(left) = &mut left {
            *left = left.checked_sub(1)?;
        }
        // The end of an array or map is no item: nothing of it can be skipped.
        cursor.skip().ok()
    })
}

fn text(item: &[u8]) -> Option<String> {
    match Cursor::only_item(item) {
        Ok(Item::Text(text)) => Some(text.into_owned()),
        _ => None,
    }
}

/// Reads an index as RFC 6901 has it: without a sign and leading zeros.
fn index(token: &str) -> Option<usize> {
    let is_index =
        token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
    is_index.then(|| token.parse().ok()).flatten()
}
