//! How targets take their decisions from the bytes of an input.

use suffuse_proto::Version;

/// An input, of which targets take from the front. At its end everything is zero.
pub struct Input<'a>(pub &'a [u8]);

#[allow(dead_code, reason = "every target takes what it needs")]
impl<'a> Input<'a> {
    /// Takes a byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// Takes a number below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// Takes up to 255 bytes: a length and so many bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    /// Takes a protocol version.
    pub fn version(&mut self) -> Version {
        let number = [9, 22, 23, 24, 25, 26, 27, 28, 29][self.below(9)];
        Version::new(number).expect("it is a version that we speak")
    }
}
