//! A session's own properties (spec: services §C.2; behaviour: sessions §2).

use std::collections::BTreeMap;

use suffuse_broker::Transport;
use suffuse_proto::service::GetOwnSessionProperties;
use suffuse_test::{Client, Sim};

fn own(client: &mut Client) -> BTreeMap<String, String> {
    client
        .ask::<GetOwnSessionProperties>(())
        .0
        .expect("the session exists")
}

#[test]
fn a_session_knows_where_it_came_from() {
    let sim = Sim::new();
    let mut bob = sim.connect_as("operator");
    let properties = own(&mut bob);
    let id = bob.expect_accepted().session.to_string();
    let expected = [
        ("$SessionId", id.as_str()),
        ("$Principal", "operator"),
        ("$Transport", "WEBSOCKET"),
        ("$ClientType", "JAVASCRIPT_BROWSER"),
        ("$Connector", "test"),
        ("$ServerName", "suffuse"),
        ("$ClientIP", "127.0.0.1"),
        ("$StartTime", "1800000000000"),
        ("$Environment", "UNKNOWN"),
        ("$Country", ""),
        ("$Language", ""),
        ("$Latitude", "NaN"),
        ("$Longitude", "NaN"),
    ];
    for (key, value) in expected {
        assert_eq!(
            properties.get(key).map(String::as_str),
            Some(value),
            "{key}"
        );
    }
}

#[test]
fn client_types_and_transports_have_their_names() {
    let sim = Sim::new();
    let cases = [
        ("WB", "JAVASCRIPT_BROWSER"),
        ("B", "JAVASCRIPT_BROWSER"),
        ("PY", "PYTHON"),
        ("WJ", "JAVA"),
        ("WN", "DOTNET"),
        ("WI", "IOS"),
        ("something else", "OTHER"),
    ];
    for (parameter, name) in cases {
        let mut bob = sim.connecting().client_type(parameter).connect();
        assert_eq!(own(&mut bob)["$ClientType"], name);
    }
    let mut bob = sim.connecting().transport(Transport::HttpPolling).connect();
    assert_eq!(own(&mut bob)["$Transport"], "HTTP_LONG_POLL");
}

#[test]
fn only_trusted_properties_are_taken_from_the_client() {
    let sim = Sim::new();
    let mut bob = sim
        .connecting()
        .proposing("department", "sales")
        .proposing("salary", "high")
        .proposing("$Environment", "NODE")
        .proposing("$Principal", "admin")
        .proposing("$Roles", "\"ADMINISTRATOR\"")
        .connect();
    let properties = own(&mut bob);
    assert_eq!(properties["department"], "sales");
    assert_eq!(properties["$Environment"], "NODE");
    assert_eq!(properties["$Principal"], "");
    assert!(!properties.contains_key("salary"));
    assert!(
        properties
            .get("$Roles")
            .is_none_or(|roles| roles == "\"CLIENT\"")
    );
}

#[test]
fn the_properties_of_the_server_cannot_be_trusted_to_clients() {
    let mut principals = suffuse_test::principals();
    principals.trusted_properties = ["$Principal".to_owned(), "$Country".to_owned()].into();
    let sim = Sim::with(suffuse_broker::Settings::default(), principals);
    let mut bob = sim
        .connecting()
        .proposing("$Principal", "admin")
        .proposing("$Country", "XX")
        .connect();
    assert_eq!(own(&mut bob)["$Principal"], "");
    assert_eq!(own(&mut bob)["$Country"], "");
}

#[test]
fn every_session_has_its_own_id_and_token() {
    let sim = Sim::with_settings(|settings| settings.server_id = 77);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let accepted = sim.connect().expect_accepted();
        assert_eq!(accepted.session.server, 77);
        assert!(accepted.token.as_str().starts_with("n00."));
        assert!(seen.insert((accepted.session, accepted.token.as_str().to_owned())));
    }
}
