//! Permissions and sets of them (spec: services §B.5).

use std::{collections::BTreeSet, marker::PhantomData};

/// A permission that is not about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "the names are those of the manual, which says what they allow"
)]
pub enum GlobalPermission {
    Authenticate = 0,
    ViewSession = 1,
    ModifySession = 2,
    RegisterHandler = 3,
    ViewServer = 4,
    ControlServer = 5,
    ViewSecurity = 6,
    ModifySecurity = 7,
    ReadTopicViews = 9,
    ModifyTopicViews = 10,
}

/// A permission at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "the names are those of the manual, which says what they allow"
)]
pub enum PathPermission {
    ReadTopic = 0,
    UpdateTopic = 1,
    ModifyTopic = 2,
    SendToMessageHandler = 3,
    SendToSession = 4,
    SelectTopic = 5,
    QueryObsoleteTimeSeriesEvents = 6,
    EditTimeSeriesEvents = 7,
    EditOwnTimeSeriesEvents = 8,
    AcquireLock = 9,
    ExposeBranch = 11,
}

/// A permission with its number.
pub(super) trait PermissionId: Copy {
    fn id(self) -> u8;
}

impl PermissionId for GlobalPermission {
    fn id(self) -> u8 {
        self as u8
    }
}

impl PermissionId for PathPermission {
    fn id(self) -> u8 {
        self as u8
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permissions<P> {
    bits: u16,
    of: PhantomData<P>,
}

impl<P> Default for Permissions<P> {
    fn default() -> Self {
        Self {
            bits: 0,
            of: PhantomData,
        }
    }
}

impl<P: PermissionId> Permissions<P> {
    pub(super) fn extend(&mut self, permissions: &[P]) {
        self.bits |= permissions
            .iter()
            .fold(0, |bits, permission| bits | 1 << permission.id());
    }

    pub(super) fn contains(self, permission: P) -> bool {
        self.bits >> permission.id() & 1 == 1
    }

    pub(super) fn ids(self) -> BTreeSet<u8> {
        (0..16).filter(|id| self.bits >> id & 1 == 1).collect()
    }
}
