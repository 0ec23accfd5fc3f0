//! The predefined roles (behaviour: security §5).

use super::{
    GlobalPermission::{self, *},
    PathPermission::{self, *},
};

/// A role as it is declared.
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) includes: &'static [&'static str],
    pub(super) global: &'static [GlobalPermission],
    pub(super) default: &'static [PathPermission],
    pub(super) paths: &'static [(&'static str, &'static [PathPermission])],
}

/// Administrators may do everything: what the other predefined roles allow, and this.
const ADMINISTRATOR: Role = Role {
    name: "ADMINISTRATOR",
    includes: &["CLIENT_CONTROL", "TOPIC_CONTROL", "AUTHENTICATION_HANDLER"],
    global: &[ControlServer, ViewServer, ViewSecurity, ModifySecurity],
    default: &[
        ExposeBranch,
        QueryObsoleteTimeSeriesEvents,
        EditTimeSeriesEvents,
    ],
    paths: &[(
        "Diffusion",
        &[ReadTopic, SelectTopic, ModifyTopic, UpdateTopic],
    )],
};

pub(super) const PREDEFINED: &[Role] = &[
    Role {
        name: "CLIENT",
        includes: &[],
        global: &[],
        default: &[SelectTopic, ReadTopic, SendToMessageHandler],
        // Assigned, but nothing: the branch of the server's own topics.
        paths: &[("Diffusion", &[])],
    },
    Role {
        name: "TOPIC_CONTROL",
        includes: &["CLIENT"],
        global: &[ReadTopicViews, ModifyTopicViews],
        default: &[
            ModifyTopic,
            UpdateTopic,
            AcquireLock,
            EditOwnTimeSeriesEvents,
        ],
        paths: &[],
    },
    Role {
        name: "CLIENT_CONTROL",
        includes: &["CLIENT"],
        global: &[ViewSession, ModifySession, RegisterHandler],
        default: &[SendToSession],
        paths: &[],
    },
    Role {
        name: "AUTHENTICATION_HANDLER",
        includes: &[],
        global: &[Authenticate, RegisterHandler],
        default: &[],
        paths: &[],
    },
    Role {
        name: "OPERATOR",
        includes: &["CLIENT"],
        global: &[ViewServer, ViewSession],
        default: &[],
        paths: &[("Diffusion", &[ReadTopic, SelectTopic])],
    },
    ADMINISTRATOR,
    Role {
        name: "JMX_ADMINISTRATOR",
        ..ADMINISTRATOR
    },
];
