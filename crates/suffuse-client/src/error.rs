//! The errors of the client, each with a code that is the same in logs, reports and documentation.

mod connect;
mod request;

pub use connect::ConnectError;
pub use request::{CloseReason, RequestError};
