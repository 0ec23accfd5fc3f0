//! What two values have in common between their ends.
//!
//! From where they begin to differ, the nearest place is looked for where they go on alike: first by
//! a bounded search for the fewest edits (Myers' O(ND) algorithm), which finds the changed fields of
//! an object; then by a table of blocks of the old value, which finds what was moved, and what comes
//! after something long. Both have bounds, so that the whole is nearly linear.

use super::{Copy, common_prefix};
use crate::value::cbor::head_length;

/// The greatest number of inserted and deleted bytes between two places that are looked for.
const EDITS_MAX: usize = 96;
/// How many steps the search for edits may take, for each byte of both values and altogether.
const STEPS_PER_BYTE: usize = 2;
const STEPS_BASE: usize = 16 * 1024;

/// Appends the common parts of `old` and `new`, which begin and end differently and stand at
/// `offset` in the whole values.
pub(super) fn search(old: &[u8], new: &[u8], offset: usize, copies: &mut Vec<Copy>) {
    let mut search = Search {
        old,
        new,
        offset,
        steps_left: STEPS_BASE + STEPS_PER_BYTE * (old.len() + new.len()),
        blocks: None,
    };
    let mut done = Place { old: 0, new: 0 };
    while done.new < new.len() {
        let Some(next) = search.next_common(done) else {
            break;
        };
        let length = common_prefix(&old[next.old..], &new[next.new..]);
        copies.push(Copy {
            old_start: offset + next.old,
            new_start: offset + next.new,
            length,
        });
        done = Place {
            old: next.old + length,
            new: next.new + length,
        };
    }
}

/// A place in the old value and one in the new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    old: usize,
    new: usize,
}

struct Search<'a> {
    old: &'a [u8],
    new: &'a [u8],
    offset: usize,
    steps_left: usize,
    /// Made when it is needed first.
    blocks: Option<Blocks>,
}

impl Search<'_> {
    /// Returns the next place from where both values go on alike, far enough to copy that part.
    fn next_common(&mut self, from: Place) -> Option<Place> {
        let found = self.fewest_edits(from).or_else(|| self.same_block(from))?;
        Some(self.extended_back(found, from))
    }

    fn fewest_edits(&mut self, from: Place) -> Option<Place> {
        let (old, new) = (&self.old[from.old..], &self.new[from.new..]);
        let worthwhile = head_length(self.offset + from.old) + 4;
        // `reached[k]` is how far in the old value the diagonal `k` was followed.
        let mut reached = [0u32; 2 * EDITS_MAX + 3];
        for edits in 1..=EDITS_MAX.min(old.len() + new.len()) {
            self.steps_left = self.steps_left.checked_sub(edits)?;
            let (low, high) = (EDITS_MAX + 1 - edits, EDITS_MAX + 1 + edits);
            for k in (low..=high).step_by(2) {
                let is_insertion = k == low || k != high && reached[k - 1] < reached[k + 1];
                let at_old = if is_insertion {
                    reached[k + 1]
                } else {
                    reached[k - 1] + 1
                } as usize;
                let at_new = at_old + EDITS_MAX + 1 - k;
                if at_old > old.len() || at_new > new.len() {
                    reached[k] = at_old as u32;
                    continue;
                }
                let same = common_prefix(&old[at_old..], &new[at_new..]);
                if same >= worthwhile {
                    return Some(Place {
                        old: from.old + at_old,
                        new: from.new + at_new,
                    });
                }
                reached[k] = (at_old + same) as u32;
            }
        }
        None
    }

    fn same_block(&mut self, from: Place) -> Option<Place> {
        let blocks = self.blocks.get_or_insert_with(|| Blocks::of(self.old));
        let (mut at_new, mut misses) = (from.new, 0);
        while let Some(block) = self.new[at_new..].first_chunk() {
            if let Some(at_old) = blocks.longest_match(self.old, &self.new[at_new..], *block) {
                return Some(Place {
                    old: at_old,
                    new: at_new,
                });
            }
            // What has nothing in common with the old value is passed over faster and faster.
            misses += 1;
            at_new += 1 + misses / 64;
            if at_new >= self.new.len() {
                break;
            }
        }
        None
    }

    fn extended_back(&self, mut place: Place, from: Place) -> Place {
        while place.old > 0
            && place.new > from.new
            && self.old[place.old - 1] == self.new[place.new - 1]
        {
            place.old -= 1;
            place.new -= 1;
        }
        place
    }
}

/// Where in the old value each block of [`BLOCK`] bytes is.
struct Blocks {
    /// By hash: the number of the first block plus one, or zero.
    heads: Vec<u32>,
    /// By number of a block: the number of the next block with this hash plus one, or zero.
    next: Vec<u32>,
    shift: u32,
}

const BLOCK: usize = 8;
/// How many blocks with the same hash are compared.
const CANDIDATES_MAX: usize = 8;

impl Blocks {
    fn of(old: &[u8]) -> Self {
        let blocks = old.as_chunks::<BLOCK>().0;
        let bits = (blocks.len() * 2)
            .next_power_of_two()
            .trailing_zeros()
            .max(4);
        let mut table = Self {
            heads: vec![0; 1 << bits],
            next: vec![0; blocks.len()],
            shift: u64::BITS - bits,
        };
        // Backwards, so that the first block of several comes first.
        for (number, block) in blocks.iter().enumerate().rev() {
            let head = &mut table.heads[hash(*block, table.shift)];
            table.next[number] = std::mem::replace(head, number as u32 + 1);
        }
        table
    }

    /// Returns where in `old` the longest match with `new` begins, which starts with `block`.
    fn longest_match(&self, old: &[u8], new: &[u8], block: [u8; BLOCK]) -> Option<usize> {
        let mut candidate = self.heads[hash(block, self.shift)];
        let mut longest = (BLOCK - 1, None);
        for _ in 0..CANDIDATES_MAX {
            let number = candidate.checked_sub(1)? as usize;
            let length = common_prefix(&old[number * BLOCK..], new);
            if length > longest.0 {
                longest = (length, Some(number * BLOCK));
            }
            candidate = self.next[number];
            if candidate == 0 {
                break;
            }
        }
        longest.1
    }
}

fn hash(block: [u8; BLOCK], shift: u32) -> usize {
    (u64::from_le_bytes(block).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize
}
