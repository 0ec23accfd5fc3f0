//! What every record has to hold, at no cost per record.

use bytes::Bytes;

use super::*;
use crate::sample::Random;

fn versions() -> impl Iterator<Item = Version> {
    (0..=u8::MAX).filter_map(Version::new)
}

/// A random value survives encoding and decoding at the newest version.
fn round_trips<T: Codec + PartialEq + std::fmt::Debug>(name: &str) {
    let mut random = Random::new(7);
    for _ in 0..200 {
        let value = T::sample(&mut random);
        let decoded = T::from_bytes(value.to_bytes(Version::NEWEST), Version::NEWEST);
        assert_eq!(decoded, Ok(value), "{name}");
    }
}

/// Random bytes, and cut and changed encodings, decode to something that encodes stably, or not at all.
fn is_stable<T: Codec>(name: &str) {
    let mut random = Random::new(11);
    for round in 0..300 {
        for version in versions() {
            let mut bytes = random.bytes();
            if round % 2 == 0 {
                bytes = T::sample(&mut random).to_bytes(version).into();
                if !bytes.is_empty() {
                    let at = random.below(bytes.len());
                    bytes[at] = random.byte();
                    bytes.truncate(random.below(bytes.len() + 1));
                }
            }
            let Ok(first) = T::from_bytes(bytes.into(), version) else {
                continue;
            };
            let once = first.to_bytes(version);
            let again = T::from_bytes(once.clone(), version).map(|second| second.to_bytes(version));
            assert_eq!(again, Ok(once), "{name} at {version:?}");
        }
    }
}

#[test]
fn every_record_survives_a_round_trip() {
    macro_rules! visit {
        ($service:ident) => {
            round_trips::<<$service as Service>::Request>($service::NAME);
            round_trips::<<$service as Service>::Response>($service::NAME);
        };
    }
    for_each_service!(visit);
}

#[test]
fn every_record_has_a_stable_second_encoding() {
    macro_rules! visit {
        ($service:ident) => {
            is_stable::<<$service as Service>::Request>($service::NAME);
            is_stable::<<$service as Service>::Response>($service::NAME);
        };
    }
    for_each_service!(visit);
}

#[test]
fn the_table_is_in_the_order_of_the_numbers() {
    assert!(SERVICES.is_sorted_by_key(|entry| entry.id));
    assert!(SERVICES.windows(2).all(|pair| pair[0].id != pair[1].id));
}

#[test]
fn nesting_that_is_too_deep_is_refused() {
    use crate::services::topic_update::UpdateConstraint;
    let deep = Bytes::from(vec![1u8; 100_000]);
    let error = UpdateConstraint::from_bytes(deep, Version::NEWEST);
    assert_eq!(error, Err(crate::DecodeError::TooDeep));
}
