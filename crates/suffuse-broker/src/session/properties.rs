//! Session properties (spec: services §C.2; behaviour: sessions §2).

use std::collections::BTreeMap;

use super::Session;
use crate::event::Transport;

impl Session {
    /// Returns the properties that clients cannot set.
    fn fixed_properties(&self) -> BTreeMap<String, String> {
        let origin = &self.origin;
        let transport = match origin.transport {
            Transport::WebSocket => "WEBSOCKET",
            Transport::HttpPolling => "HTTP_LONG_POLL",
        };
        let properties = [
            ("$SessionId", self.id.to_string()),
            ("$Principal", self.principal.clone()),
            ("$Transport", transport.to_owned()),
            ("$ClientType", client_type(&origin.client_type).to_owned()),
            ("$Connector", origin.connector.to_string()),
            ("$ServerName", origin.server_name.to_string()),
            ("$ClientIP", origin.address.to_string()),
            ("$StartTime", origin.start.as_millis().to_string()),
            ("$Environment", origin.environment.clone()),
            ("$Roles", self.roles.to_property()),
            // There is no database of places: unknown, as the manual has it.
            ("$Country", String::new()),
            ("$Language", String::new()),
            ("$Latitude", "NaN".to_owned()),
            ("$Longitude", "NaN".to_owned()),
        ];
        properties
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    /// Returns all properties.
    pub(crate) fn properties(&self) -> BTreeMap<String, String> {
        let mut properties = self.fixed_properties();
        properties.extend(self.user_properties.clone());
        properties
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
