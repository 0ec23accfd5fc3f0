//! Who gets a session (behaviour: security §2; spec: connection §2.5, §3.3).

use std::time::Duration;

use bytes::Bytes;
use suffuse_broker::Settings;
use suffuse_proto::{ResponseCode, handshake::Credentials};
use suffuse_test::{Sim, principals};

fn password(text: &str) -> Credentials {
    Credentials::Password(text.to_owned())
}

#[test]
fn a_principal_needs_its_password() {
    let sim = Sim::new();
    let cases = [
        ("admin", password("password"), None),
        (
            "admin",
            password("Password"),
            Some(ResponseCode::AUTHENTICATION_FAILED),
        ),
        (
            "admin",
            password(""),
            Some(ResponseCode::AUTHENTICATION_FAILED),
        ),
        (
            "admin",
            Credentials::None,
            Some(ResponseCode::AUTHENTICATION_FAILED),
        ),
        (
            "admin",
            Credentials::Custom(Bytes::from_static(b"password")),
            Some(ResponseCode::AUTHENTICATION_FAILED),
        ),
        (
            "Admin",
            password("password"),
            Some(ResponseCode::AUTHENTICATION_FAILED),
        ),
        (
            "nobody",
            password("password"),
            Some(ResponseCode::AUTHENTICATION_FAILED),
        ),
        ("", Credentials::None, None),
        ("", password("whatever"), None),
    ];
    for (principal, credentials, refusal) in cases {
        let connecting = sim
            .connecting()
            .principal(principal)
            .credentials(credentials);
        match refusal {
            Some(code) => assert_eq!(connecting.refused(), code, "{principal}"),
            None => drop(connecting.connect()),
        }
    }
    assert_eq!(sim.stats().sessions, 3);
}

#[test]
fn an_unknown_principal_takes_as_long_as_a_known_one() {
    let sim = Sim::new();
    sim.connecting().principal("nobody").refused();
    sim.connecting()
        .principal("admin")
        .credentials(password("wrong"))
        .refused();
    let hashes = sim.checked_hashes();
    assert_eq!(hashes.len(), 2, "a hash is checked for both");
    assert!(hashes[0].starts_with("$argon2id$"), "{}", hashes[0]);
}

#[test]
fn an_unknown_principal_is_refused_even_if_its_dummy_hash_were_right() {
    // The outcome of the check is not what decides about a principal that does not exist.
    let mut store = principals();
    store.principals.clear();
    let sim = Sim::with(Settings::default(), store);
    assert_eq!(
        sim.connecting().principal("admin").refused(),
        ResponseCode::AUTHENTICATION_FAILED
    );
}

#[test]
fn anonymous_sessions_can_be_denied() {
    let mut store = principals();
    store.anonymous = None;
    let sim = Sim::with(Settings::default(), store);
    assert_eq!(
        sim.connecting().refused(),
        ResponseCode::AUTHENTICATION_FAILED
    );
    drop(sim.connect_as("client"));
}

#[test]
fn there_are_no_more_sessions_than_allowed() {
    let sim = Sim::with_settings(|settings| settings.sessions_max = 3);
    let mut bob = sim.connect();
    drop(sim.connect_as("client"));
    sim.hold_passwords();
    let waiting = sim.connecting().principal("client").start();
    assert_eq!(
        sim.connecting().refused(),
        ResponseCode::LICENSE_EXCEEDED,
        "one that waits counts"
    );
    sim.release_passwords();
    waiting.expect_accepted();
    assert_eq!(sim.connecting().refused(), ResponseCode::LICENSE_EXCEEDED);
    assert_eq!(
        sim.connecting().principal("client").refused(),
        ResponseCode::LICENSE_EXCEEDED
    );

    bob.send_message(&suffuse_proto::Message::Close);
    drop(sim.connect());
}

#[test]
fn no_more_passwords_are_checked_at_once_than_allowed() {
    let sim = Sim::with_settings(|settings| settings.verifications_max = 2);
    sim.hold_passwords();
    let waiting = [0, 1].map(|_| sim.connecting().principal("client").start());
    assert_eq!(
        sim.connecting().principal("client").refused(),
        ResponseCode::ERROR
    );
    drop(sim.connect());
    sim.release_passwords();
    for client in &waiting {
        client.expect_accepted();
    }
    drop(sim.connect_as("client"));
}

#[test]
fn a_connection_that_ends_while_its_password_is_checked_leaves_nothing() {
    let sim = Sim::with_settings(|settings| settings.sessions_max = 1);
    sim.hold_passwords();
    let mut bob = sim.connecting().principal("admin").start();
    bob.send_bytes(&[0, 56, 1][..]);
    bob.lose();
    sim.release_passwords();
    assert!(!bob.is_answered());
    assert_eq!(sim.stats().sessions, 0);
    sim.advance(Duration::from_secs(1000));
    drop(sim.connect());
}

#[test]
fn the_answer_has_what_a_client_needs() {
    let sim = Sim::with_settings(|settings| {
        settings.ping_interval = Duration::from_secs(7);
        settings.message_bytes_max = 12345;
    });
    for version in 22..=29 {
        let accepted = sim
            .connecting()
            .version(version)
            .connect()
            .expect_accepted();
        assert_eq!(accepted.version.number(), version);
        assert_eq!(accepted.code, ResponseCode::OK);
        assert_eq!(accepted.ping_interval, Duration::from_secs(7));
        assert_eq!(accepted.sequence_or_message_bytes_max, 12345);
    }
}
