//! What a session can do, by feature: one file for each, with the names of the protocol's services.

pub(crate) mod session_properties;
mod topic_control;
mod topic_update;
pub(crate) mod topics;
pub(crate) mod update_stream;

pub use topic_control::AddResult;
