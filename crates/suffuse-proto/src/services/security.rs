//! Security (spec: services §B).

use std::collections::BTreeSet;

use crate::codec::Codec;

/// Asks for the caller's own permissions on a path.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct ListPathPermissionsRequest {
    /// The path.
    pub path: String,
}

/// The ids of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct PermissionIds(pub BTreeSet<u8>);
