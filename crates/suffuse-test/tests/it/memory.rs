//! Decoding allocates no more than the message is long: a short message that announces much costs little.

use bytes::Bytes;
use proptest::prelude::*;
use suffuse_proto::{
    Codec, Message, Version,
    handshake::{ConnectionRequest, ConnectionResponse, Parameters},
    polling,
    sample::Random,
    service::Service,
    version::Dialect,
};

/// What a message of a few bytes may cost.
const CONSTANT: u64 = 2048;
/// The largest field of a record is this many times as large in memory as its one byte on the wire: a list
/// grows by doubling, and while it grows both halves are there. Maps have nodes of eleven entries.
const PER_BYTE: u64 = 1200;

fn check(what: &str, length: usize, decode: impl FnOnce()) {
    let info = allocation_counter::measure(decode);
    let allowed = CONSTANT + PER_BYTE * length as u64;
    assert!(
        info.bytes_max <= allowed,
        "{what}: {} bytes for {length}, allowed {allowed}",
        info.bytes_max
    );
}

fn check_service<S: Service>(bytes: &Bytes, version: Version) {
    check(S::NAME, bytes.len(), || {
        drop(S::Request::from_bytes(bytes.clone(), version));
    });
    check(S::NAME, bytes.len(), || {
        drop(S::Response::from_bytes(bytes.clone(), version));
    });
}

fn check_all(bytes: &Bytes) {
    for version in [22, 25, 29].into_iter().filter_map(Version::new) {
        macro_rules! visit {
            ($service:ident) => {
                check_service::<suffuse_proto::service::$service>(bytes, version);
            };
        }
        suffuse_proto::for_each_service!(visit);
        check("a message", bytes.len(), || {
            drop(Message::decode(bytes.clone(), version));
        });
        check("a response", bytes.len(), || {
            drop(ConnectionResponse::decode(bytes.clone(), version));
        });
    }
    check("a polling body", bytes.len(), || {
        drop(polling::decode(
            bytes,
            Dialect::Modern,
            polling::Direction::Up,
        ));
    });
    let query = String::from_utf8_lossy(bytes);
    check("a query", bytes.len(), || {
        drop(ConnectionRequest::parse(&Parameters::from_query(&query)));
    });
}

#[test]
fn a_short_message_that_announces_much_costs_little() {
    let two_gigabytes = [0xff, 0xff, 0xff, 0xff, 0x07];
    for at in 0..24 {
        for count in [
            &two_gigabytes[..],
            &[0x7f],
            &[0xff, 0x7f],
            &[0xff, 0xff, 0x7f],
        ] {
            check_all(&[&vec![1; at], count, &[0; 40]].concat().into());
            check_all(&[&vec![0; at], count, &[1; 40]].concat().into());
        }
    }
}

#[test]
fn encodings_that_were_cut_or_changed_cost_little() {
    let mut random = Random::new(3);
    macro_rules! visit {
        ($service:ident) => {
            for _ in 0..20 {
                let request =
                    <suffuse_proto::service::$service as Service>::Request::sample(&mut random);
                let mut bytes = Vec::from(request.to_bytes(Version::NEWEST));
                if !bytes.is_empty() {
                    let at = random.below(bytes.len());
                    bytes[at] = random.byte();
                }
                check_service::<suffuse_proto::service::$service>(&bytes.into(), Version::NEWEST);
            }
        };
    }
    suffuse_proto::for_each_service!(visit);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_bytes_cost_no_more_than_they_are_many(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_all(&bytes.into());
    }
}
