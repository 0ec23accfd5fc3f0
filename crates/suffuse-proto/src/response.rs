//! The table of connection response codes, each with its class (spec: connection §3.3, §8.1).

/// What a response code means for the attempt to connect that got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseClass {
    /// The session is connected.
    Connected,
    /// A transport error: the next transport of the list is tried.
    Cascade,
    /// A fatal error: no other transport is tried.
    Fatal,
}

/// The code of a connection response. Unknown codes survive, and are fatal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseCode(pub u8);

macro_rules! response_codes {
    ($($code:literal $class:ident $name:ident $sentence:literal;)*) => {
        impl ResponseCode {
            $(#[doc = concat!($sentence, ".")] pub const $name: Self = Self($code);)*

            /// Every code that has a name.
            pub const ALL: &[Self] = &[$(Self($code)),*];

            /// Returns the name, if the code has one.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($code => Some(stringify!($name)),)* _ => None }
            }

            /// Returns the sentence that says what happened.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self.0 { $($code => $sentence,)* _ => "the server answered with an unknown response code" }
            }

            /// Returns what the code means for the attempt.
            #[must_use]
            pub fn class(self) -> ResponseClass {
                match self.0 { $($code => ResponseClass::$class,)* _ => ResponseClass::Fatal }
            }
        }
    };
}

response_codes! {
    100 Connected OK "connected";
    102 Fatal     DOWNGRADE "the server does not speak this version of the protocol";
    105 Connected RECONNECTED "reconnected, and no message was lost";
    106 Connected RECONNECTED_WITH_MESSAGE_LOSS "reconnected, but messages may have been lost";
    111 Fatal     REJECTED "the server rejected the connection";
    112 Fatal     CONNECTION_UNSUPPORTED "the server does not accept this type of connection here";
    113 Cascade   LICENSE_EXCEEDED "the server has as many sessions as it may have";
    114 Fatal     RECONNECTION_UNSUPPORTED "the server does not support reconnection";
    115 Fatal     CONNECTION_PROTOCOL_ERROR "the server could not understand the connection request";
    116 Fatal     AUTHENTICATION_FAILED "authentication failed: the principal or the credentials are wrong";
    117 Cascade   UNKNOWN_SESSION "reconnection failed: the server does not know the session";
    118 Fatal     RECONNECTION_FAILED_MESSAGE_LOSS "reconnection failed: messages were lost";
    119 Fatal     REJECTED_SERVER_INITIALISING "the server is starting and does not accept sessions yet";
    127 Cascade   ERROR "the connection failed because of an error in the server";
}

impl std::fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0, self.name().unwrap_or("UNKNOWN"))
    }
}
