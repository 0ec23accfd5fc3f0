//! The table of error reasons: what a request that fails is answered with (spec: services §E).

use std::borrow::Cow;

/// Why a request failed: a code, and a sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (error {code})")]
pub struct ErrorReason {
    /// The number on the wire.
    pub code: i32,
    /// What the caller reads.
    pub message: Cow<'static, str>,
}

impl ErrorReason {
    /// Returns the same reason with a message that says more.
    #[must_use]
    pub fn with(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            ..self
        }
    }
}

macro_rules! error_reasons {
    ($($code:literal $name:ident $message:literal;)*) => {
        impl ErrorReason {
            $(#[doc = concat!($message, ".")] pub const $name: Self = Self { code: $code, message: Cow::Borrowed($message) };)*

            /// Returns the name of a code, if it has one.
            #[must_use]
            pub fn name_of(code: i32) -> Option<&'static str> {
                match code { $($code => Some(stringify!($name)),)* _ => None }
            }
        }
    };
}

error_reasons! {
    100  COMMUNICATION_FAILURE "the message could not be understood";
    101  SESSION_CLOSED "the session is closed";
    102  REQUEST_TIME_OUT "the request was not answered in time";
    103  ACCESS_DENIED "the session lacks a permission that the request needs";
    104  UNSUPPORTED "the server does not offer this service";
    105  CALLBACK_EXCEPTION "the application that handled the request failed";
    106  INVALID_DATA "the request has invalid data";
    107  NO_SUCH_SESSION "no session has the id that the request names";
    108  INCOMPATIBLE_DATATYPE "the data type is not the one that was expected";
    109  UNHANDLED_MESSAGE "nobody handles messages to this path";
    110  CLUSTER_REPARTITION "the cluster is being repartitioned";
    111  INCOMPATIBLE_STATE "the topic is managed by another component";
    112  CLUSTER_ROUTING "the cluster could not route the request";
    200  TOPIC_TREE_REGISTRATION_CONFLICT "another session has a registration on this branch";
    201  HANDLER_CONFLICT "another handler is registered for this path";
    202  INVALID_PATH "the path is not valid";
    500  INCOMPATIBLE_TOPIC "the update does not fit the type of the topic";
    501  UPDATE_FAILED "the value is not valid for the topic";
    503  MISSING_TOPIC "the topic to update does not exist";
    505  DELTA_WITHOUT_VALUE "a delta cannot be applied to a topic without a value";
    9000 NO_SUCH_TOPIC "there is no topic at this path";
    9001 NOT_A_TIME_SERIES "the topic is not a time series";
    9002 NO_SUCH_EVENT "the time series has no such event";
    9003 REJECTED_REQUEST "the recipient rejected the request";
    9004 EXISTS_MISMATCH "a topic with another specification exists at this path";
    9005 INVALID_TOPIC_PATH "the topic path is not valid";
    9006 INVALID_TOPIC_SPECIFICATION "the topic specification is not valid";
    9007 EXCEEDED_TOPIC_LIMIT "the server has as many topics as it may have";
    9010 INCOMPATIBLE_EXISTING_TOPIC "a topic that another component manages exists at this path";
    9011 ADD_TOPIC_FAILED "the topic could not be added";
    9012 UNSATISFIED_CONSTRAINT "the constraint of the update is not satisfied";
    9013 INVALID_UPDATE_STREAM "the update stream is not valid any more";
    9014 INVALID_JSON_PATCH "the JSON patch could not be parsed";
    9015 PATCH_NOT_APPLICABLE "the JSON patch could not be applied";
    9016 REMOTE_SERVER_EXISTS "a remote server of this name exists";
    9017 INVALID_BRANCH_MAPPING "the branch mapping is not valid";
}
