//! Random values, for the round-trip test that every record gets (`Codec::sample`).

/// A small deterministic generator: the same seed gives the same values on every machine.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Returns the generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns 64 random bits (xorshift64*).
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.bits() >> 33) as usize % bound
    }

    /// Returns a byte.
    pub fn byte(&mut self) -> u8 {
        self.bits() as u8
    }

    /// Returns an integer: small, large, negative and extreme ones are equally likely.
    pub fn integer(&mut self) -> i64 {
        match self.below(6) {
            0 => 0,
            1 => i64::MAX,
            2 => i64::MIN,
            3 => -1,
            4 => self.below(1000) as i64,
            _ => self.bits().cast_signed(),
        }
    }

    /// Returns a length of a collection.
    pub fn count(&mut self) -> usize {
        self.below(4)
    }

    /// Returns some bytes.
    pub fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(20)).map(|_| self.byte()).collect()
    }

    /// Returns a text.
    pub fn text(&mut self) -> String {
        const CHARS: [char; 8] = ['a', 'b', '/', '?', '\0', '"', 'é', '😀'];
        (0..self.below(12))
            .map(|_| CHARS[self.below(CHARS.len())])
            .collect()
    }
}
