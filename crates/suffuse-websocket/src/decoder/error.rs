//! What a client can do wrong, and the code to close with.

use crate::CloseCode;

/// A client broke RFC 6455, or a rule of ours for what it sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame without a mask.
    #[error("found a frame without a mask, but a client must mask its frames")]
    Unmasked,
    /// A frame with a reserved bit, which would need an extension.
    #[error("found reserved bits {0:#05b} in a frame, expected none: no extension was agreed on")]
    ReservedBits(u8),
    /// An opcode that RFC 6455 does not define.
    #[error("found a frame with the unknown opcode {0:#x}, expected 0, 2, 8, 9 or 10")]
    BadOpcode(u8),
    /// A text frame.
    #[error("found a text frame, expected a binary one")]
    TextFrame,
    /// A close, ping or pong with more than 125 bytes of payload.
    #[error("found a control frame with a payload of more than 125 bytes")]
    ControlTooLong,
    /// A close, ping or pong that is not final.
    #[error("found a fragmented control frame, expected it whole")]
    FragmentedControl,
    /// A continuation frame outside of a message.
    #[error("found a continuation frame, but no message has begun")]
    UnexpectedContinuation,
    /// A new message before the last frame of the one before.
    #[error("found the first frame of a message, expected a continuation of the one before")]
    ExpectedContinuation,
    /// A length in more bytes than it needs.
    #[error("found the payload length {0} written in more bytes than it needs")]
    LengthNotMinimal(u64),
    /// A message that is longer than the limit.
    #[error("found a message of at least {announced} bytes, expected at most {max}")]
    TooBig {
        /// The length of the message so far, with the frame that goes beyond the limit, in bytes.
        announced: u64,
        /// The limit in bytes.
        max: usize,
    },
    /// A close frame with one byte of payload, where a code has two.
    #[error("found a close frame with a payload of 1 byte, expected none or at least 2")]
    BadClosePayload,
    /// A close frame with a code that must not be sent.
    #[error("found a close frame with code {0}, expected one that may be sent")]
    BadCloseCode(CloseCode),
    /// A close frame with a reason that is not text.
    #[error("found a close frame whose reason is not UTF-8")]
    BadCloseReason,
}

impl ProtocolError {
    /// Returns the code to close the connection with.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::TooBig { .. } => CloseCode::TOO_BIG,
            Self::BadCloseReason => CloseCode::INVALID_DATA,
            Self::Unmasked
            | Self::ReservedBits(_)
            | Self::BadOpcode(_)
            | Self::TextFrame
            | Self::ControlTooLong
            | Self::FragmentedControl
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::LengthNotMinimal(_)
            | Self::BadClosePayload
            | Self::BadCloseCode(_) => CloseCode::PROTOCOL_ERROR,
        }
    }
}
