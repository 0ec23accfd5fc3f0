//! The principals that the server knows itself (behaviour: security §2, «System handler decisions»).

use std::collections::{BTreeMap, BTreeSet};

/// Who may connect, and with which roles.
#[derive(Clone, Debug, Default)]
pub struct PrincipalStore {
    /// The principals by name.
    pub principals: BTreeMap<String, Principal>,
    /// The roles of anonymous sessions; `None`: there are none.
    pub anonymous: Option<BTreeSet<String>>,
    /// The keys of session properties that clients may propose. `$Environment` is always taken, all
    /// others are dropped.
    pub trusted_properties: BTreeSet<String>,
}

/// One principal.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The argon2 hash of the password, in PHC form.
    pub password_hash: String,
    /// The roles of its sessions.
    pub roles: BTreeSet<String>,
}

/// A hash that no password is known for. It is verified for unknown principals, so that the time of
/// the refusal does not tell whether a principal exists.
pub(crate) const UNKNOWN_PRINCIPAL_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3VmZnVzZS1uby1zdWNo$\
     dmVyaWZpZXMtbm8tcGFzc3dvcmQtYXQtYWxsLXh4eHg";
