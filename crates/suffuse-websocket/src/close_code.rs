//! The number in a close frame (RFC 6455 §7.4).

use std::fmt;

/// Why a WebSocket connection is closed.
///
/// An open set: an application may use 3000 to 4999 as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server shuts down, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The other end broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The other end sent a kind of data that is not accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// The close frame had no code. Is never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// The connection ended without a close frame. Is never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// Data does not fit its type, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// The other end broke a rule of the application.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message is longer than the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL: Self = Self(1011);

    /// Returns whether a close frame may carry this code.
    ///
    /// Excluded are 1005, 1006 and 1015, which report how a connection ended without a code, and
    /// what neither the RFC, its registry (up to 1014) nor applications (from 3000) define.
    pub const fn is_on_wire(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
