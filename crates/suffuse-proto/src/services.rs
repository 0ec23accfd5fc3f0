//! The records of requests and responses, by feature. A record is its fields in wire order.

pub mod security;
pub mod session_properties;
pub mod time_series;
pub mod topic_control;
pub mod topic_update;
pub mod topics;
pub mod update_stream;
pub mod v9;
