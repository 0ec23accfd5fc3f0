//! Who may do what: permissions, roles, principals (behaviour: security §2, §4, §5).
//!
//! Every operation asks here, with [`Roles::require_path`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use suffuse_proto::ErrorReason;

mod permission;
mod principals;
mod roles;

use permission::Permissions;
pub use permission::{GlobalPermission, PathPermission};
pub(crate) use principals::UNKNOWN_PRINCIPAL_HASH;
pub use principals::{Principal, PrincipalStore};
use roles::PREDEFINED;

/// What the roles of a session allow together, with included roles resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    names: BTreeSet<String>,
    global: Permissions<GlobalPermission>,
    default: Permissions<PathPermission>,
    /// At each path that any of the roles is assigned permissions at: the union of these.
    paths: BTreeMap<&'static str, Permissions<PathPermission>>,
}

impl Roles {
    /// Resolves the names of roles. An unknown name is a role that allows nothing.
    #[must_use]
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Arc<Self> {
        let mut roles = Self {
            names: names.into_iter().collect(),
            ..Self::default()
        };
        let mut open: Vec<String> = roles.names.iter().cloned().collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            let Some(role) = PREDEFINED.iter().find(|role| role.name == name) else {
                continue;
            };
            if seen.insert(role.name) {
                roles.global.extend(role.global);
                roles.default.extend(role.default);
                for (path, permissions) in role.paths {
                    roles.paths.entry(path).or_default().extend(permissions);
                }
                open.extend(role.includes.iter().map(|name| (*name).to_owned()));
            }
        }
        Arc::new(roles)
    }

    /// Returns whether a role is among them, included in another or not.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns the names of the roles, as the session property `$Roles` has them.
    #[must_use]
    pub(crate) fn to_property(&self) -> String {
        let quoted = self.names.iter().map(|name| format!("\"{name}\""));
        quoted.collect::<Vec<_>>().join(",")
    }

    /// Returns the permissions at a path: of the nearest path at or above it that any role is assigned
    /// permissions at, else the default ones.
    fn at(&self, path: &str) -> Permissions<PathPermission> {
        let mut at = (!self.paths.is_empty()).then_some(path);
        while let Some(path) = at {
            if let Some(permissions) = self.paths.get(path) {
                return *permissions;
            }
            at = path.rsplit_once('/').map(|(parent, _)| parent);
        }
        self.default
    }

    /// Returns whether the roles have a permission at a path.
    #[must_use]
    pub(crate) fn allow_path(&self, permission: PathPermission, path: &str) -> bool {
        self.at(path).contains(permission)
    }

    /// Checks a permission at a path.
    ///
    /// # Errors
    /// [`ErrorReason::ACCESS_DENIED`] without it.
    pub(crate) fn require_path(
        &self,
        permission: PathPermission,
        path: &str,
    ) -> Result<(), ErrorReason> {
        if self.allow_path(permission, path) {
            return Ok(());
        }
        Err(ErrorReason::ACCESS_DENIED.with(format!(
            "Access denied: {permission:?} is missing for `{path}`"
        )))
    }

    /// Returns the ids of all permissions that are not about a path.
    #[must_use]
    pub(crate) fn global_ids(&self) -> BTreeSet<u8> {
        self.global.ids()
    }

    /// Returns the ids of all permissions at a path.
    #[must_use]
    pub(crate) fn path_ids(&self, path: &str) -> BTreeSet<u8> {
        self.at(path).ids()
    }
}

#[cfg(test)]
mod tests {
    use super::{PathPermission::*, *};

    fn roles(names: &[&str]) -> Arc<Roles> {
        Roles::new(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn predefined_roles_allow_what_the_manual_says() {
        let cases: &[(&[&str], PathPermission, &str, bool)] = &[
            (&["CLIENT"], ReadTopic, "a", true),
            (&["CLIENT"], SelectTopic, "", true),
            (&["CLIENT"], UpdateTopic, "a", false),
            (&["CLIENT"], ModifyTopic, "a", false),
            (&["CLIENT"], ReadTopic, "Diffusion/metrics", false),
            (&["TOPIC_CONTROL"], ModifyTopic, "a/b", true),
            (&["TOPIC_CONTROL"], ReadTopic, "a", true),
            (&["TOPIC_CONTROL"], ModifyTopic, "Diffusion", false),
            (&["OPERATOR"], ReadTopic, "Diffusion/x", true),
            (&["ADMINISTRATOR"], UpdateTopic, "Diffusion/x", true),
            (&["ADMINISTRATOR"], UpdateTopic, "x", true),
            (&["NOBODY_KNOWS_IT"], ReadTopic, "a", false),
            (&[], ReadTopic, "a", false),
        ];
        for (names, permission, path, expected) in cases {
            assert_eq!(
                roles(names).allow_path(*permission, path),
                *expected,
                "{names:?} {permission:?} {path}"
            );
        }
    }

    #[test]
    fn global_permissions_come_with_roles() {
        let ids = |name| roles(&[name]).global_ids().into_iter().collect::<Vec<_>>();
        assert_eq!(ids("CLIENT"), Vec::<u8>::new());
        assert_eq!(ids("CLIENT_CONTROL"), [1, 2, 3]);
        assert_eq!(ids("ADMINISTRATOR"), [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]);
    }
}
