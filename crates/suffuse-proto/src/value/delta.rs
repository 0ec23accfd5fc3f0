//! Binary deltas: what turns the bytes of one value into those of the next (spec: topics §11.6).
//!
//! A delta is a sequence of CBOR items: bytes to append, or two integers, `start` and `length`, that
//! copy a part of the old value.
//!
//! ```
//! use suffuse_proto::value::delta;
//!
//! let (old, new) = (b"the price is 101.25 EUR", b"the price is 99 EUR, 3 left");
//! let delta = delta::diff(old, new).expect("much is the same");
//! assert_eq!(delta::apply(old, &delta, 1000).unwrap(), new.as_slice());
//! ```

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an item of CBOR is one of those that are expected, or it is refused"
)]

use bytes::Bytes;

use super::cbor::{self, CborError, Cursor, Item, major};

mod search;

/// Values shorter than this are sent whole: a delta would save nothing that matters.
const VALUE_BYTES_MIN: usize = 20;
/// Below this length, what differs is sent as it is.
const SEARCH_BYTES_MIN: usize = 8;

/// The delta that says that the value is the same. Only clients may send it.
pub const UNCHANGED: u8 = 0xf6;

/// A part of the new value that is also in the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copy {
    old_start: usize,
    new_start: usize,
    length: usize,
}

/// Returns the delta from one value to the next, or nothing if the value should be sent itself:
/// when it is empty or small, when it is the same, or when the delta would not be shorter.
///
/// The time it takes is nearly linear in the length of the values.
#[must_use]
pub fn diff(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    if new.len() < VALUE_BYTES_MIN || old.is_empty() {
        return None;
    }
    let copies = copies(old, new);
    if matches!(copies.as_slice(), [all] if all.length == new.len() && new.len() == old.len()) {
        return None;
    }
    let delta = encode(&copies, new)?;
    // One client takes any delta of one byte for "unchanged".
    (delta.len() >= 2).then_some(delta)
}

/// Finds what both values have in common, in the order of the new one.
fn copies(old: &[u8], new: &[u8]) -> Vec<Copy> {
    let prefix = common_prefix(old, new);
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let suffix = common_suffix(old_rest, new_rest);
    let old_middle = &old_rest[..old_rest.len() - suffix];
    let new_middle = &new_rest[..new_rest.len() - suffix];

    let mut copies = vec![Copy {
        old_start: 0,
        new_start: 0,
        length: prefix,
    }];
    if old_middle.len() >= SEARCH_BYTES_MIN && new_middle.len() >= SEARCH_BYTES_MIN {
        search::search(old_middle, new_middle, prefix, &mut copies);
    }
    copies.push(Copy {
        old_start: old.len() - suffix,
        new_start: new.len() - suffix,
        length: suffix,
    });
    copies.retain(|copy| copy.length > 0);
    copies
}

/// Writes the delta, unless it gets as long as the new value.
fn encode(copies: &[Copy], new: &[u8]) -> Option<Vec<u8>> {
    let mut delta = Vec::with_capacity(64);
    let mut done = 0;
    for (i, copy) in copies.iter().enumerate() {
        let next_start = copies.get(i + 1).map_or(new.len(), |next| next.new_start);
        let is_between_inserts = copy.new_start > done && next_start > copy.new_start + copy.length;
        let cost = cbor::head_length(copy.old_start)
            + cbor::head_length(copy.length)
            + usize::from(is_between_inserts);
        if cost >= copy.length {
            continue; // It costs less to insert these bytes with those around them.
        }
        put_insert(&mut delta, &new[done..copy.new_start]);
        cbor::put_head(&mut delta, major::UNSIGNED, copy.old_start as u64);
        cbor::put_head(&mut delta, major::UNSIGNED, copy.length as u64);
        done = copy.new_start + copy.length;
        if delta.len() >= new.len() {
            return None;
        }
    }
    put_insert(&mut delta, &new[done..]);
    (delta.len() < new.len()).then_some(delta)
}

fn put_insert(delta: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_empty() {
        cbor::put_head(delta, major::BYTES, bytes.len() as u64);
        delta.extend_from_slice(bytes);
    }
}

/// Why a delta cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The bytes are not CBOR.
    #[error("the delta is not CBOR: {0}")]
    Cbor(#[from] CborError),
    /// An item is neither bytes nor the start and length of a copy.
    #[error("the delta has {found} at byte {at}, expected bytes, or two integers")]
    Unexpected {
        /// What is there.
        found: &'static str,
        /// Where.
        at: usize,
    },
    /// A copy is not within the old value.
    #[error(
        "the delta copies {length} bytes from byte {start}, and the old value has {old_length}"
    )]
    BeyondEnd {
        /// Where the copy starts.
        start: u64,
        /// How many bytes it has.
        length: u64,
        /// How many bytes the old value has.
        old_length: usize,
    },
    /// The new value would be longer than allowed.
    #[error("the new value would be longer than {0} bytes")]
    TooLong(usize),
}

/// Returns the new value that a delta makes of an old one, if it has at most `length_max` bytes.
///
/// # Errors
/// When the delta is not one, does not fit the old value, or makes the new value too long.
pub fn apply(old: &[u8], delta: &[u8], length_max: usize) -> Result<Bytes, DeltaError> {
    if delta == [UNCHANGED] {
        return Ok(Bytes::copy_from_slice(old));
    }
    let mut length = 0usize;
    for_each_piece(old, delta, |piece| {
        length = length.saturating_add(piece.len());
        if length > length_max {
            Err(DeltaError::TooLong(length_max))
        } else {
            Ok(())
        }
    })?;
    let mut new = Vec::with_capacity(length);
    for_each_piece(old, delta, |piece| {
        new.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(new.into())
}

fn for_each_piece(
    old: &[u8],
    delta: &[u8],
    mut visit: impl FnMut(&[u8]) -> Result<(), DeltaError>,
) -> Result<(), DeltaError> {
    let mut cursor = Cursor::new(delta);
    while cursor.position() < delta.len() {
        let at = cursor.position();
        match cursor.item()? {
            Item::Bytes(bytes) => visit(&bytes)?,
            Item::Unsigned(start) => visit(copied(old, start, &mut cursor)?)?,
            item => {
                return Err(DeltaError::Unexpected {
                    found: item.kind(),
                    at,
                });
            }
        }
    }
    Ok(())
}

fn copied<'a>(old: &'a [u8], start: u64, cursor: &mut Cursor<'_>) -> Result<&'a [u8], DeltaError> {
    let at = cursor.position();
    let length = match cursor.item()? {
        Item::Unsigned(length) => length,
        item => {
            return Err(DeltaError::Unexpected {
                found: item.kind(),
                at,
            });
        }
    };
    let from = usize::try_from(start)
        .ok()
        .and_then(|start| old.get(start..));
    let piece = usize::try_from(length)
        .ok()
        .and_then(|length| from?.get(..length));
    piece.ok_or(DeltaError::BeyondEnd {
        start,
        length,
        old_length: old.len(),
    })
}

/// Returns how many bytes two slices have in common at their starts.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let mut same = 0;
    for (a, b) in words {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return same + differing.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    same + a[same..]
        .iter()
        .zip(&b[same..])
        .take_while(|(a, b)| a == b)
        .count()
}

/// Returns how many bytes two slices have in common at their ends.
fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let words = a
        .as_rchunks::<8>()
        .1
        .iter()
        .rev()
        .zip(b.as_rchunks::<8>().1.iter().rev());
    let mut same = 0;
    for (a, b) in words {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return same + differing.leading_zeros() as usize / 8;
        }
        same += 8;
    }
    let (a, b) = (&a[..a.len() - same], &b[..b.len() - same]);
    same + a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count()
}

#[cfg(test)]
mod tests;
