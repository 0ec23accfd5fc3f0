//! What may happen to a connection, and when.

use std::time::Duration;

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How a connection breaks. All but the first two take a while, and end with a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Both ends get a reset.
    Reset,
    /// Both ends get the end of the stream.
    End,
    /// The direction stands still.
    Stall,
    /// The direction goes on a few bytes at a time.
    Slow,
    /// The direction ends, and the other one goes on.
    HalfClose,
    /// The client sees the end of the stream, and the server notices nothing.
    ServerLeft,
    /// The server sees the end of the stream, and the client notices nothing.
    ClientLeft,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Reset,
        Self::End,
        Self::Stall,
        Self::Slow,
        Self::HalfClose,
        Self::ServerLeft,
        Self::ClientLeft,
    ];
}

/// A fault of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How it breaks.
    pub kind: Kind,
    /// In which direction the bytes are counted.
    pub direction: Direction,
    /// After how many bytes, from when the connection got its fault.
    pub after: usize,
    /// How long it takes until both ends know.
    pub lasts: Duration,
}

/// Positions up to here are mostly within handshakes.
const EARLY_BYTES: u64 = 400;
/// The last positions; less goes up than down.
const BYTES_MAX_UP: u64 = 1 << 10;
const BYTES_MAX_DOWN: u64 = 6 << 10;
/// The longest time until both ends know.
const LASTS_MAX_MILLIS: u64 = 400;

impl Fault {
    /// Returns the fault that a seed has for the connection of a number.
    pub fn draw(seed: u64, number: u64) -> Self {
        let mut random = Random(seed ^ number.wrapping_mul(0xa076_1d64_78bd_642f));
        let kind = Kind::ALL[random.below(Kind::ALL.len() as u64) as usize];
        let (direction, bytes_max) = match random.below(2) {
            0 => (Direction::Up, BYTES_MAX_UP),
            _ => (Direction::Down, BYTES_MAX_DOWN),
        };
        let after = match random.below(4) {
            0 => random.below(EARLY_BYTES),
            _ => EARLY_BYTES + random.below(bytes_max - EARLY_BYTES),
        };
        Self {
            kind,
            direction,
            after: after as usize,
            lasts: Duration::from_millis(random.below(LASTS_MAX_MILLIS)),
        }
    }
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_repeats_its_faults_and_has_all_kinds() {
        let faults = |seed| (0..200).map(move |number| Fault::draw(seed, number));
        assert!(faults(7).eq(faults(7)));
        assert!(!faults(7).eq(faults(8)));
        let kinds: BTreeSet<Kind> = faults(7).map(|fault| fault.kind).collect();
        assert_eq!(kinds.len(), Kind::ALL.len());
        assert!(faults(7).all(|fault| fault.after < BYTES_MAX_DOWN as usize));
    }
}
