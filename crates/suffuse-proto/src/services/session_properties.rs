//! Session properties (spec: services §C.1, §C.2).

use std::collections::BTreeMap;

use crate::codec::Codec;

/// The caller's own properties; absent if the session is gone.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct OwnProperties(pub Option<BTreeMap<String, String>>);
