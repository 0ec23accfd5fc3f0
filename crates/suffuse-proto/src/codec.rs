//! The codec: how records become bytes and back (spec: connection §1.2).
//!
//! A record implements [`Codec`], nearly always by `#[derive(Codec)]`: its fields in wire order.
//! Encoding cannot fail. Decoding never panics, allocates no more than the message is long (plus the
//! size of what it really decoded), and nests no deeper than [`DEPTH_MAX`].

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};

use crate::Version;

pub use suffuse_derive::Codec;

/// How deep records may nest inside records, for example constraints inside constraints.
pub const DEPTH_MAX: usize = 64;

/// A value with a wire form.
pub trait Codec: Sized {
    /// Appends the wire form.
    fn encode(&self, out: &mut Writer);

    /// Takes the wire form off the front of `input`.
    ///
    /// # Errors
    /// When the bytes are not a wire form of this type.
    fn decode(input: &mut Reader) -> Result<Self, DecodeError>;

    /// Returns a random value, for round-trip tests.
    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self;

    /// Returns the wire form at a protocol version.
    fn to_bytes(&self, version: Version) -> Bytes {
        let mut out = Writer::new(version);
        self.encode(&mut out);
        out.finish()
    }

    /// Decodes a whole body at a protocol version.
    ///
    /// # Errors
    /// When the bytes are not a wire form of this type, or when some are left over.
    fn from_bytes(bytes: Bytes, version: Version) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes, version);
        let value = Self::decode(&mut input)?;
        input.finish()?;
        Ok(value)
    }
}

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message ends before the value does.
    #[error("the message ends before the value does")]
    UnexpectedEnd,
    /// Bytes are left over after the value.
    #[error("{0} bytes are left over after the value")]
    LeftOver(usize),
    /// A variable-length integer is longer than its type.
    #[error("a variable-length integer is longer than {0} bits")]
    IntegerTooLong(u32),
    /// A length or count is negative.
    #[error("a length or count is negative: {0}")]
    NegativeLength(i32),
    /// A length or count is larger than the rest of the message.
    #[error("a length or count of {length} is larger than the remaining {remaining} bytes")]
    LengthBeyondEnd {
        /// What the message announces.
        length: usize,
        /// What is left of it.
        remaining: usize,
    },
    /// A text is not UTF-8.
    #[error("a text is not valid UTF-8")]
    NotUtf8,
    /// A tag that chooses a layout is unknown.
    #[error("unknown tag {tag} of {of}")]
    UnknownTag {
        /// The type that the tag chooses a variant of.
        of: &'static str,
        /// The tag.
        tag: u8,
    },
    /// Records nest deeper than [`DEPTH_MAX`].
    #[error("records nest deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A value is well-formed but not allowed here.
    #[error("{0}")]
    Invalid(&'static str),
}

/// Reads records from one message, whose buffer the decoded [`Bytes`] share.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
    version: Version,
    depth: usize,
}

impl Reader {
    /// Returns a reader of a message at a protocol version.
    #[must_use]
    pub fn new(bytes: Bytes, version: Version) -> Self {
        Self {
            bytes,
            version,
            depth: 0,
        }
    }

    /// Returns the protocol version of the session.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns how many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Takes one raw byte.
    ///
    /// # Errors
    /// At the end of the message.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    /// Takes four raw bytes, big-endian.
    ///
    /// # Errors
    /// At the end of the message.
    pub fn i32_fixed(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Takes eight raw bytes, big-endian.
    ///
    /// # Errors
    /// At the end of the message.
    pub fn i64_fixed(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Takes `length` bytes without copying them.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.bytes.len() {
            return Err(DecodeError::UnexpectedEnd);
        }
        Ok(self.bytes.split_to(length))
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes)
    }

    /// Takes a length or count, which cannot be larger than the rest of the message.
    ///
    /// # Errors
    /// When it is negative or too large.
    pub fn length(&mut self) -> Result<usize, DecodeError> {
        let length = i32::decode(self)?;
        let Ok(length) = usize::try_from(length) else {
            return Err(DecodeError::NegativeLength(length));
        };
        let remaining = self.bytes.len();
        if length > remaining {
            return Err(DecodeError::LengthBeyondEnd { length, remaining });
        }
        Ok(length)
    }

    /// Reads something that may contain itself.
    ///
    /// # Errors
    /// What `read` says, and [`DecodeError::TooDeep`].
    pub fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When bytes are left over.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(DecodeError::LeftOver(left)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N)?;
        Ok(*bytes.first_chunk().expect("take returned N bytes"))
    }

    fn varint(&mut self, bits: u32) -> Result<u64, DecodeError> {
        let (mut value, mut shift) = (0u64, 0);
        while shift < bits {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
        Err(DecodeError::IntegerTooLong(bits))
    }
}

/// Writes records of one message.
#[derive(Debug)]
pub struct Writer {
    bytes: BytesMut,
    version: Version,
}

impl Writer {
    /// Returns an empty writer for a protocol version.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self {
            bytes: BytesMut::new(),
            version,
        }
    }

    /// Returns a writer that appends to `bytes`.
    #[must_use]
    pub fn append_to(bytes: BytesMut, version: Version) -> Self {
        Self { bytes, version }
    }

    /// Returns the protocol version of the session.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Appends one raw byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.put_u8(value);
    }

    /// Appends four raw bytes, big-endian.
    pub fn i32_fixed(&mut self, value: i32) {
        self.bytes.put_i32(value);
    }

    /// Appends eight raw bytes, big-endian.
    pub fn i64_fixed(&mut self, value: i64) {
        self.bytes.put_i64(value);
    }

    /// Appends bytes without their length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.put_slice(bytes);
    }

    /// Appends a length or count.
    pub fn length(&mut self, length: usize) {
        // Nothing that we encode reaches 2 GiB: values are limited by the message size long before.
        i32::try_from(length)
            .expect("lengths on the wire are below 2 GiB")
            .encode(self);
    }

    /// Returns the bytes that were written.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    /// Returns the buffer that was written to.
    #[must_use]
    pub fn into_inner(self) -> BytesMut {
        self.bytes
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }
}

/// The coding of a type that is written in a line or two.
macro_rules! codec {
    ($type:ty, encode: |$value:ident, $out:ident| $encode:expr, decode: |$input:ident| $decode:expr, sample: |$random:ident| $sample:expr) => {
        impl Codec for $type {
            fn encode(&self, $out: &mut Writer) {
                let $value = self;
                let () = $encode;
            }
            fn decode($input: &mut Reader) -> Result<Self, DecodeError> {
                $decode
            }
            #[cfg(any(test, feature = "sample"))]
            fn sample($random: &mut crate::sample::Random) -> Self {
                $sample
            }
        }
    };
}
pub(crate) use codec;

codec!((), encode: |_value, _out| (), decode: |_input| Ok(()), sample: |_random| ());
codec!(u8, encode: |value, out| out.u8(*value), decode: |input| input.u8(), sample: |random| random.byte());
codec!(bool,
    encode: |value, out| out.u8(u8::from(*value)),
    decode: |input| Ok(input.u8()? != 0),
    sample: |random| random.below(2) == 1);
codec!(i32,
    encode: |value, out| out.varint(u64::from(*value as u32)),
    // Bits above bit 31 in the fifth byte are discarded, as the published clients do.
    decode: |input| Ok(input.varint(32)? as u32 as i32),
    sample: |random| random.integer() as i32);
codec!(i64,
    encode: |value, out| out.varint(*value as u64),
    decode: |input| Ok(input.varint(64)? as i64),
    sample: |random| random.integer());
codec!(Bytes,
    encode: |value, out| { out.length(value.len()); out.raw(value) },
    decode: |input| { let length = input.length()?; input.take(length) },
    sample: |random| random.bytes().into());
codec!(String,
    encode: |value, out| { out.length(value.len()); out.raw(value.as_bytes()) },
    decode: |input| {
        let bytes = Bytes::decode(input)?;
        std::str::from_utf8(&bytes).map(str::to_owned).map_err(|_| DecodeError::NotUtf8)
    },
    sample: |random| random.text());

impl<T: Codec> Codec for Box<T> {
    fn encode(&self, out: &mut Writer) {
        (**self).encode(out);
    }
    fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
        T::decode(input).map(Self::new)
    }
    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self {
        Self::new(T::sample(random))
    }
}

impl<T: Codec> Codec for Option<T> {
    fn encode(&self, out: &mut Writer) {
        out.u8(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode(out);
        }
    }
    fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
        bool::decode(input)?.then(|| T::decode(input)).transpose()
    }
    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self {
        bool::sample(random).then(|| T::sample(random))
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
        self.1.encode(out);
    }
    fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
        Ok((A::decode(input)?, B::decode(input)?))
    }
    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self {
        (A::sample(random), B::sample(random))
    }
}

/// A collection: a count and then its items. The count is bounded by the bytes left, because each
/// item takes at least one; nothing is reserved ahead of what is really there.
macro_rules! collection {
    ($type:ident<$($item:ident: $bound:ident),+>, $one:ty) => {
        impl<$($item: Codec + $bound),+> Codec for $type<$($item),+> {
            fn encode(&self, out: &mut Writer) {
                out.length(self.len());
                self.iter().for_each(|item| collection!(@encode item, out, $($item),+));
            }
            fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
                let count = input.length()?;
                (0..count).map(|_| <$one>::decode(input)).collect()
            }
            #[cfg(any(test, feature = "sample"))]
            fn sample(random: &mut crate::sample::Random) -> Self {
                (0..random.count()).map(|_| <$one>::sample(random)).collect()
            }
        }
    };
    (@encode $item:ident, $out:ident, $one:ident) => { $item.encode($out) };
    (@encode $item:ident, $out:ident, $key:ident, $value:ident) => {{ $item.0.encode($out); $item.1.encode($out) }};
}

/// Any type, where a collection asks nothing of its items.
pub(crate) trait Any {}
impl<T> Any for T {}

collection!(Vec<T: Any>, T);
collection!(BTreeSet<T: Ord>, T);
collection!(BTreeMap<K: Ord, V: Any>, (K, V));

/// A set of small numbers, as a bitmap in one 64-bit integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitSet(pub i64);

impl BitSet {
    /// Returns whether the set has `member`. Members above 62 are in no set.
    #[must_use]
    pub fn contains(self, member: u8) -> bool {
        member < 63 && self.0 >> member & 1 == 1
    }
}

impl FromIterator<u8> for BitSet {
    fn from_iter<I: IntoIterator<Item = u8>>(members: I) -> Self {
        let bits = members.into_iter().filter(|member| *member < 63);
        Self(bits.fold(0, |set, member| set | 1 << member))
    }
}

codec!(BitSet,
    encode: |value, out| value.0.encode(out),
    decode: |input| i64::decode(input).map(BitSet),
    sample: |random| BitSet(random.integer()));

/// The rest of a message as it is: the body of a service that is not decoded here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opaque(pub Bytes);

codec!(Opaque,
    encode: |value, out| out.raw(&value.0),
    decode: |input| Ok(Opaque(input.rest())),
    sample: |random| Opaque(random.bytes().into()));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_bytes_of_the_specification() {
        let cases: &[(i64, &[u8])] = &[
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (300, &[0xac, 0x02]),
            (9006, &[0xae, 0x46]),
            (
                -1,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            ),
        ];
        for (value, bytes) in cases {
            assert_eq!(value.to_bytes(Version::NEWEST), bytes);
            assert_eq!(
                i64::from_bytes(Bytes::from_static(bytes), Version::NEWEST),
                Ok(*value)
            );
        }
        assert_eq!(
            (-1i32).to_bytes(Version::NEWEST),
            [0xff, 0xff, 0xff, 0xff, 0x0f].as_slice()
        );
    }

    #[test]
    fn bad_bytes_are_refused_with_the_reason() {
        let string =
            |bytes: &'static [u8]| String::from_bytes(Bytes::from_static(bytes), Version::NEWEST);
        let int =
            |bytes: &'static [u8]| i32::from_bytes(Bytes::from_static(bytes), Version::NEWEST);
        assert_eq!(
            string(&[5, b'a']),
            Err(DecodeError::LengthBeyondEnd {
                length: 5,
                remaining: 1
            })
        );
        assert_eq!(
            string(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            Err(DecodeError::NegativeLength(-1))
        );
        assert_eq!(string(&[1, 0xff]), Err(DecodeError::NotUtf8));
        assert_eq!(string(&[0, 0]), Err(DecodeError::LeftOver(1)));
        assert_eq!(int(&[0x80; 5]), Err(DecodeError::IntegerTooLong(32)));
        assert_eq!(int(&[0x80]), Err(DecodeError::UnexpectedEnd));
        assert_eq!(int(&[0x80, 0x00]), Ok(0), "over-long forms are accepted");
        let list = Vec::<String>::from_bytes(
            Bytes::from_static(&[0xff, 0xff, 0xff, 0x07, 0]),
            Version::NEWEST,
        );
        assert!(matches!(list, Err(DecodeError::LengthBeyondEnd { .. })));
    }
}
