//! Protocol versions, and what depends on them beyond the bodies of services (spec: connection §0, §3.4).

/// A protocol version that both ends of a session speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8);

/// The two families of framing and envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Version 9: topic data headed by paths, service ids in answers, raw polling bodies.
    Old,
    /// Versions 22 to 29: topic data headed by ids, base64 polling bodies.
    Modern,
}

impl Version {
    /// The oldest version of the modern dialect.
    pub const MODERN_OLDEST: Self = Self(22);
    /// The newest version, which our client offers.
    pub const NEWEST: Self = Self(29);
    /// The one version of the old dialect.
    pub const OLD: Self = Self(9);

    /// Returns the version with a number, if we speak it.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        matches!(number, 9 | 22..=29).then_some(Self(number))
    }

    /// Returns the number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Returns the family of framing and envelope.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        if self >= Self::MODERN_OLDEST {
            Dialect::Modern
        } else {
            Dialect::Old
        }
    }
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{}", self.0)
    }
}
