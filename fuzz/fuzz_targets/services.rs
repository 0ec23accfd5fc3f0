//! The records of all services: any body decodes to something that encodes stably, or not at all.
//!
//! Input: version, service, request (even) or response (odd), body.

#![no_main]

mod input;

use bytes::Bytes;
use input::Input;
use suffuse_proto::{
    Codec, Version,
    service::{self, Service},
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let (version, id, is_response) = (
        input.version(),
        i32::from(input.byte()),
        input.below(2) == 1,
    );
    let body = Bytes::copy_from_slice(input.0);
    macro_rules! visit {
        ($service:ident) => {
            if id == service::$service::ID.0 {
                match is_response {
                    false => {
                        check::<<service::$service as Service>::Request>(body.clone(), version)
                    }
                    true => {
                        check::<<service::$service as Service>::Response>(body.clone(), version)
                    }
                }
            }
        };
    }
    suffuse_proto::for_each_service!(visit);
});

fn check<T: Codec + PartialEq + std::fmt::Debug>(body: Bytes, version: Version) {
    let Ok(record) = T::from_bytes(body, version) else {
        return;
    };
    let once = record.to_bytes(version);
    let again = T::from_bytes(once.clone(), version);
    assert_eq!(
        again.map(|again| again.to_bytes(version)),
        Ok(once),
        "{record:?}"
    );
}
