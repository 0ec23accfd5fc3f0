//! Services that the server does not offer (spec: services §F).

use bytes::Bytes;
use suffuse_broker::routes;
use suffuse_proto::{
    ErrorReason, Version,
    message::ServiceId,
    service::{Direction, SERVICES, Service, UserPing},
};
use suffuse_test::Sim;

#[test]
fn every_service_that_is_not_built_is_refused_by_name_and_the_session_goes_on() {
    let sim = Sim::new();
    for version in 22..=29 {
        let mut bob = sim
            .connecting()
            .version(version)
            .principal("admin")
            .connect();
        for entry in SERVICES.iter().filter(|entry| !routes::is_built(entry.id)) {
            for body in [Bytes::new(), Bytes::from_static(&[1, 2, 3])] {
                bob.send_raw_request(entry.id, body);
                let sentence = bob.expect_error_of(entry.id, ErrorReason::UNSUPPORTED);
                assert!(sentence.contains(entry.name), "{sentence}");
                bob.expect_nothing();
            }
        }
        bob.ask::<UserPing>(());
    }
}

#[test]
fn numbers_that_are_no_service_are_refused() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    let known = |id: i32| SERVICES.iter().any(|entry| entry.id.0 == id);
    let gaps = (0..300)
        .filter(|id| !known(*id))
        .chain([i32::MAX, i32::MIN, -1]);
    for id in gaps {
        bob.send_raw_request(ServiceId(id), Bytes::new());
        let sentence = bob.expect_error_of(ServiceId(id), ErrorReason::UNSUPPORTED);
        assert!(sentence.contains(&id.to_string()), "{sentence}");
    }
    bob.ask::<UserPing>(());
}

#[test]
fn what_the_server_asks_clients_for_cannot_be_asked_of_it() {
    let sim = Sim::new();
    let mut bob = sim.connect();
    for entry in SERVICES
        .iter()
        .filter(|entry| entry.direction == Direction::Down)
    {
        bob.send_raw_request(entry.id, Bytes::new());
        bob.expect_error_of(entry.id, ErrorReason::UNSUPPORTED);
    }
}

#[test]
fn a_service_is_offered_to_the_versions_that_have_it() {
    fn check<S: Service>(sim: &Sim) {
        if S::DIRECTION == Direction::Down || !routes::is_built(S::ID) {
            return;
        }
        for version in 22..=29 {
            let mut bob = sim.connecting().version(version).connect();
            // No record is this long: built services say so.
            bob.send_raw_request(S::ID, vec![0xff; 40].into());
            let is_in = S::is_in(Version::new(version).expect("it is a version"));
            let expected = if is_in {
                ErrorReason::INVALID_DATA
            } else {
                ErrorReason::UNSUPPORTED
            };
            bob.expect_error_of(S::ID, expected);
        }
    }
    let sim = Sim::new();
    macro_rules! visit {
        ($service:ident) => {
            check::<suffuse_proto::service::$service>(&sim);
        };
    }
    suffuse_proto::for_each_service!(visit);
}
