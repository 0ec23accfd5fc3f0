//! Credentials: a type byte and bytes, as base64 (spec: connection §2.5).

use base64::{
    Engine as _,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::Bytes;

use crate::{
    Version,
    codec::{Codec, DecodeError, Reader, Writer},
};

/// How a client proves who it is. Its `Debug` form shows the kind only.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// By a password.
    Password(String),
    /// By bytes that an authenticator understands.
    Custom(Bytes),
}

/// Padding is optional (spec: connection §2.5).
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Credentials {
    /// Reads the text of the parameter `password`; an empty text is [`Credentials::None`].
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self::None);
        }
        let bytes = LENIENT.decode(text).map_err(|_| "expected base64")?;
        Self::from_bytes(bytes.into(), Version::NEWEST)
            .map_err(|_| "expected a type byte of 0, 1 or 2 and length-prefixed bytes")
    }

    /// Returns the text of the parameter `password`.
    #[must_use]
    pub fn to_text(&self) -> String {
        STANDARD.encode(self.to_bytes(Version::NEWEST))
    }
}

impl Codec for Credentials {
    fn encode(&self, out: &mut Writer) {
        let (tag, bytes) = match self {
            Self::None => (0, &[][..]),
            Self::Password(password) => (1, password.as_bytes()),
            Self::Custom(bytes) => (2, &bytes[..]),
        };
        out.u8(tag);
        out.length(bytes.len());
        out.raw(bytes);
    }

    fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
        let tag = input.u8()?;
        let bytes = Bytes::decode(input)?;
        match tag {
            0 => Ok(Self::None),
            1 => String::from_utf8(bytes.into())
                .map(Self::Password)
                .map_err(|_| DecodeError::NotUtf8),
            2 => Ok(Self::Custom(bytes)),
            tag => Err(DecodeError::UnknownTag {
                of: "Credentials",
                tag,
            }),
        }
    }

    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self {
        match random.below(3) {
            0 => Self::None,
            1 => Self::Password(random.text()),
            _ => Self::Custom(random.bytes().into()),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password(_) => "Password(…)",
            Self::Custom(_) => "Custom(…)",
        })
    }
}
