//! CBOR (RFC 8949), as far as topic values need it: a reader over a slice, and writers of heads.
//!
//! Nothing here recurses over the input: items nest at most [`DEPTH_MAX`] deep.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an item of CBOR is one of those that are expected, or it is refused"
)]

use std::borrow::Cow;
use std::ops::Range;

/// How deep items may nest.
pub const DEPTH_MAX: usize = 64;

/// The byte of the item `null`.
pub const NULL: u8 = 0xf6;

/// The kinds of items, as in the upper three bits of their first byte.
pub(crate) mod major {
    pub(crate) const UNSIGNED: u8 = 0;
    pub(crate) const NEGATIVE: u8 = 1;
    pub(crate) const BYTES: u8 = 2;
    pub(crate) const TEXT: u8 = 3;
    pub(crate) const ARRAY: u8 = 4;
    pub(crate) const MAP: u8 = 5;
    pub(crate) const TAG: u8 = 6;
}

/// Why bytes are not CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at}")]
pub struct CborError {
    /// What is wrong.
    pub fault: CborFault,
    /// Where.
    pub at: usize,
}

/// What can be wrong with CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CborFault {
    /// The bytes end within an item.
    #[error("the value ends within an item")]
    UnexpectedEnd,
    /// Bytes follow the item.
    #[error("bytes are left over after the item")]
    LeftOver,
    /// A first byte has no meaning.
    #[error("the byte has no meaning as the start of an item")]
    Malformed,
    /// An array or map ends that has not begun, or within a pair.
    #[error("an array or map ends where it cannot")]
    MisplacedBreak,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// Items nest deeper than [`DEPTH_MAX`].
    #[error("items nest deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

impl CborFault {
    fn at(self, at: usize) -> CborError {
        CborError { fault: self, at }
    }
}

/// An item, or the start of one that has others in it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Item<'a> {
    /// An integer that is not negative.
    Unsigned(u64),
    /// The integer −1 − n.
    Negative(u64),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A text.
    Text(Cow<'a, str>),
    /// An array: so many items follow, or items up to a [`Item::Break`].
    Array(Option<u64>),
    /// A map: so many pairs of items follow, or pairs up to a [`Item::Break`].
    Map(Option<u64>),
    /// A tag: it says more about the item that follows.
    Tag(u64),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// `undefined`.
    Undefined,
    /// A floating-point number of 16, 32 or 64 bits.
    Float(f64),
    /// A simple value without a meaning.
    Simple(u8),
    /// The end of an array or map.
    Break,
}

impl Item<'_> {
    /// Returns what the item is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unsigned(_) | Self::Negative(_) => "an integer",
            Self::Bytes(_) => "bytes",
            Self::Text(_) => "a text",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Tag(_) => "a tag",
            Self::Bool(_) => "a boolean",
            Self::Null => "null",
            Self::Undefined => "undefined",
            Self::Float(_) => "a floating-point number",
            Self::Simple(_) => "a simple value",
            Self::Break => "the end of an array or map",
        }
    }
}

/// Reads items one after the other.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Returns a cursor in front of the first item.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns the only item of `bytes`, or how it starts.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn only_item(bytes: &'a [u8]) -> Result<Item<'a>, CborError> {
        let mut whole = Self::new(bytes);
        whole.skip()?;
        whole.finish()?;
        Self::new(bytes).item()
    }

    /// Returns how many bytes were read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When bytes are left over.
    pub fn finish(&self) -> Result<(), CborError> {
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => Err(CborFault::LeftOver.at(self.at)),
        }
    }

    /// Reads one item, of an array or a map only the start.
    ///
    /// # Errors
    /// When there is no well-formed item.
    pub fn item(&mut self) -> Result<Item<'a>, CborError> {
        let start = self.at;
        let first = self.take(1)?[0];
        let (kind, info) = (first >> 5, first & 0x1f);
        if kind == 7 {
            return self.simple(info, start);
        }
        let argument = self.argument(info, start)?;
        match (kind, argument) {
            (major::UNSIGNED, Some(value)) => Ok(Item::Unsigned(value)),
            (major::NEGATIVE, Some(value)) => Ok(Item::Negative(value)),
            (major::TAG, Some(tag)) => Ok(Item::Tag(tag)),
            (major::BYTES, Some(length)) => self
                .take_long(length)
                .map(|bytes| Item::Bytes(bytes.into())),
            (major::BYTES, None) => self
                .chunks(major::BYTES)
                .map(|bytes| Item::Bytes(bytes.into())),
            (major::TEXT, Some(length)) => {
                let bytes = self.take_long(length)?;
                let text = std::str::from_utf8(bytes).map_err(|_| CborFault::NotUtf8.at(start))?;
                Ok(Item::Text(text.into()))
            }
            (major::TEXT, None) => {
                let bytes = self.chunks(major::TEXT)?;
                let text = String::from_utf8(bytes).map_err(|_| CborFault::NotUtf8.at(start))?;
                Ok(Item::Text(text.into()))
            }
            (major::ARRAY, length) => self.bounded(length, 1).map(Item::Array),
            (major::MAP, length) => self.bounded(length, 2).map(Item::Map),
            _ => Err(CborFault::Malformed.at(start)),
        }
    }

    /// Reads one item with all that is in it, and returns where it is.
    ///
    /// # Errors
    /// When there is no well-formed item.
    pub fn skip(&mut self) -> Result<Range<usize>, CborError> {
        let start = self.at;
        self.walk(|_, _, _| Ok(()))?;
        Ok(start..self.at)
    }

    /// Reads one item with all that is in it. `visit` gets each item (without the ends of arrays and
    /// maps), whether it is the key of a map, and where it is.
    pub(crate) fn walk<E: From<CborError>>(
        &mut self,
        mut visit: impl FnMut(&Item<'a>, bool, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut open = Levels::default();
        loop {
            let start = self.at;
            let item = self.item()?;
            match item {
                Item::Break => open.close(start)?,
                Item::Array(Some(0)) | Item::Map(Some(0)) => visit(&item, open.is_at_key(), start)?,
                ref item => {
                    visit(item, open.is_at_key(), start)?;
                    if let Some(level) = Level::of(item) {
                        open.push(level, start)?;
                        continue;
                    }
                }
            }
            if open.item_is_complete() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CborError> {
        let Some(bytes) = self.bytes[self.at..].get(..length) else {
            return Err(CborFault::UnexpectedEnd.at(self.at));
        };
        self.at += length;
        Ok(bytes)
    }

    fn take_long(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => Err(CborFault::UnexpectedEnd.at(self.at)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let bytes = self.take(N)?;
        Ok(*bytes.first_chunk().expect("take returned N bytes"))
    }

    /// Reads what follows a first byte; `None` stands for an indefinite length.
    fn argument(&mut self, info: u8, start: usize) -> Result<Option<u64>, CborError> {
        Ok(Some(match info {
            0..=23 => u64::from(info),
            24 => u64::from(self.take(1)?[0]),
            25 => u64::from(u16::from_be_bytes(self.array()?)),
            26 => u64::from(u32::from_be_bytes(self.array()?)),
            27 => u64::from_be_bytes(self.array()?),
            31 => return Ok(None),
            _ => return Err(CborFault::Malformed.at(start)),
        }))
    }

    /// Refuses a count of items that cannot be there, because each needs a byte.
    fn bounded(&self, count: Option<u64>, items_each: u64) -> Result<Option<u64>, CborError> {
        let left = (self.bytes.len() - self.at) as u64;
        match count {
            Some(count) if count > left / items_each => {
                Err(CborFault::UnexpectedEnd.at(self.bytes.len()))
            }
            count => Ok(count),
        }
    }

    /// Reads the pieces of a text or bytes of indefinite length.
    fn chunks(&mut self, kind: u8) -> Result<Vec<u8>, CborError> {
        let mut content = Vec::new();
        loop {
            let start = self.at;
            match self.take(1)?[0] {
                0xff => return Ok(content),
                first if first >> 5 == kind => match self.argument(first & 0x1f, start)? {
                    Some(length) => content.extend_from_slice(self.take_long(length)?),
                    None => return Err(CborFault::Malformed.at(start)),
                },
                _ => return Err(CborFault::Malformed.at(start)),
            }
        }
    }

    fn simple(&mut self, info: u8, start: usize) -> Result<Item<'a>, CborError> {
        Ok(match info {
            20 => Item::Bool(false),
            21 => Item::Bool(true),
            22 => Item::Null,
            23 => Item::Undefined,
            0..=19 => Item::Simple(info),
            24 => match self.take(1)?[0] {
                // Smaller ones have a shorter form, which is the only one.
                0..32 => return Err(CborFault::Malformed.at(start)),
                value => Item::Simple(value),
            },
            25 => Item::Float(half_to_f64(u16::from_be_bytes(self.array()?))),
            26 => Item::Float(f64::from(f32::from_be_bytes(self.array()?))),
            27 => Item::Float(f64::from_be_bytes(self.array()?)),
            31 => Item::Break,
            _ => return Err(CborFault::Malformed.at(start)),
        })
    }
}

/// An array, map or tag whose content is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// How many items are left, unless an end follows them.
    left: Option<u64>,
    is_map: bool,
    /// Whether the next item is the value to a key.
    is_at_value: bool,
}

impl Level {
    fn of(item: &Item<'_>) -> Option<Self> {
        let array = Self::default();
        match item {
            Item::Array(left) => Some(Self {
                left: *left,
                ..array
            }),
            // `Cursor::bounded` keeps the number of pairs below the number of bytes.
            Item::Map(pairs) => Some(Self {
                left: pairs.map(|pairs| pairs * 2),
                is_map: true,
                ..array
            }),
            Item::Tag(_) => Some(Self {
                left: Some(1),
                ..array
            }),
            _ => None,
        }
    }
}

/// The arrays, maps and tags around the next item.
#[derive(Debug)]
struct Levels {
    levels: [Level; DEPTH_MAX],
    depth: usize,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            levels: [Level::default(); DEPTH_MAX],
            depth: 0,
        }
    }
}

impl Levels {
    fn is_at_key(&self) -> bool {
        self.levels[..self.depth]
            .last()
            .is_some_and(|level| level.is_map && !level.is_at_value)
    }

    fn push(&mut self, level: Level, at: usize) -> Result<(), CborError> {
        if self.depth == DEPTH_MAX {
            return Err(CborFault::TooDeep.at(at));
        }
        self.levels[self.depth] = level;
        self.depth += 1;
        Ok(())
    }

    /// Takes note of the end of an array or map, which is complete then.
    fn close(&mut self, at: usize) -> Result<(), CborError> {
        match self.levels[..self.depth].last() {
            Some(Level {
                left: None,
                is_at_value: false,
                ..
            }) => {
                self.depth -= 1;
                Ok(())
            }
            _ => Err(CborFault::MisplacedBreak.at(at)),
        }
    }

    /// Takes note that an item is complete, and with it perhaps those around it. Returns whether
    /// nothing is open any more.
    fn item_is_complete(&mut self) -> bool {
        while let Some(level) = self.levels[..self.depth].last_mut() {
            level.is_at_value = level.is_map && !level.is_at_value;
            match &mut level.left {
                Some(left) if *left > 1 => *left -= 1,
                None => {}
                Some(_) => {
                    self.depth -= 1;
                    continue;
                }
            }
            return false;
        }
        true
    }
}

fn half_to_f64(half: u16) -> f64 {
    let (exponent, mantissa) = (half >> 10 & 0x1f, f64::from(half & 0x3ff));
    let magnitude = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (mantissa + 1024.0) * 2f64.powi(i32::from(exponent) - 25),
    };
    if half & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Appends the head of an item: its kind and its argument, in the shortest form.
pub(crate) fn put_head(out: &mut Vec<u8>, kind: u8, argument: u64) {
    let kind = kind << 5;
    match argument {
        0..24 => out.push(kind | argument as u8),
        24..0x100 => out.extend_from_slice(&[kind | 24, argument as u8]),
        0x100..0x1_0000 => {
            out.push(kind | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(kind | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(kind | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// Returns how many bytes the head of an item has.
pub(crate) fn head_length(argument: usize) -> usize {
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

pub(crate) fn put_integer(out: &mut Vec<u8>, value: i64) {
    match u64::try_from(value) {
        Ok(value) => put_head(out, major::UNSIGNED, value),
        Err(_) => put_head(out, major::NEGATIVE, !value as u64),
    }
}

pub(crate) fn put_double(out: &mut Vec<u8>, value: f64) {
    out.push(0xfb);
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, major::TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
