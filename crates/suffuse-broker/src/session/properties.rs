//! Session properties (spec: services §C.2; behaviour: sessions §2).

use std::{borrow::Cow, collections::BTreeMap};

use suffuse_proto::filter::FilteredSession;

use super::Session;
use crate::event::Transport;

/// The properties that clients cannot set.
const FIXED: [&str; 14] = [
    "$SessionId",
    "$Principal",
    "$Transport",
    "$ClientType",
    "$Connector",
    "$ServerName",
    "$ClientIP",
    "$StartTime",
    "$Environment",
    "$Roles",
    "$Country",
    "$Language",
    "$Latitude",
    "$Longitude",
];

impl Session {
    fn fixed_property(&self, key: &str) -> Option<Cow<'_, str>> {
        let origin = &self.origin;
        Some(match key {
            "$SessionId" => self.id.to_string().into(),
            "$Principal" => self.principal.as_str().into(),
            "$Transport" => match origin.transport {
                Transport::WebSocket => "WEBSOCKET".into(),
                Transport::HttpPolling => "HTTP_LONG_POLL".into(),
            },
            "$ClientType" => client_type(&origin.client_type).into(),
            "$Connector" => (&*origin.connector).into(),
            "$ServerName" => (&*origin.server_name).into(),
            "$ClientIP" => origin.address.to_string().into(),
            "$StartTime" => origin.start.as_millis().to_string().into(),
            "$Environment" => origin.environment.as_str().into(),
            "$Roles" => self.roles.to_property().into(),
            // There is no database of places: unknown, as the manual has it.
            "$Country" | "$Language" => "".into(),
            "$Latitude" | "$Longitude" => "NaN".into(),
            _ => return None,
        })
    }

    /// Returns the properties that clients cannot set.
    fn fixed_properties(&self) -> BTreeMap<String, String> {
        let fixed = |key: &&str| {
            let value = self.fixed_property(key)?;
            Some(((*key).to_owned(), value.into_owned()))
        };
        FIXED.iter().filter_map(fixed).collect()
    }

    /// Returns all properties.
    pub(crate) fn properties(&self) -> BTreeMap<String, String> {
        let mut properties = self.fixed_properties();
        properties.extend(self.user_properties.clone());
        properties
    }
}

impl FilteredSession for Session {
    fn property(&self, key: &str) -> Option<Cow<'_, str>> {
        self.fixed_property(key).or_else(|| {
            self.user_properties
                .get(key)
                .map(|value| value.as_str().into())
        })
    }

    fn has_role(&self, role: &str) -> bool {
        self.roles.has(role)
    }
}

/// Returns the `$ClientType` of a connection parameter `ty`.
fn client_type(parameter: &str) -> &'static str {
    match parameter {
        "WB" | "B" => "JAVASCRIPT_BROWSER",
        "PY" => "PYTHON",
        "J" | "WJ" => "JAVA",
        "N" | "WN" => "DOTNET",
        "I" | "WI" => "IOS",
        _ => "OTHER",
    }
}
