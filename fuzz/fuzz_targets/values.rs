//! Values, deltas and specifications: reading is total, and what is written can be read.
//!
//! Input: what, then the bytes of it.

#![no_main]

mod input;

use bytes::Bytes;
use input::Input;
use suffuse_proto::{
    Codec, Path, TopicSpecification, TopicType, Version,
    value::{self, delta, json, record},
};

/// The longest value that a delta may make.
const VALUE_BYTES_MAX: usize = 100_000;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    match input.below(6) {
        0 => check_value(TopicType(14 + input.below(7) as u8), input.0),
        1 => check_text(
            TopicType(14 + input.below(7) as u8),
            &String::from_utf8_lossy(input.0),
        ),
        2 => check_diff(input.bytes(), input.0),
        3 => check_delta(input.bytes(), input.0),
        4 => check_specification(Bytes::copy_from_slice(input.0)),
        _ => check_pointer(&String::from_utf8_lossy(input.bytes()), input.0),
    }
});

fn check_value(topic_type: TopicType, bytes: &[u8]) {
    let is_valid = value::validate(topic_type, bytes).is_ok();
    let text = value::to_display(topic_type, bytes);
    assert!(!value::is_null(topic_type, bytes) || is_valid);
    // A null STRING is shown like the text "null", and a CBOR text of a topic of numbers like one.
    if topic_type == TopicType::JSON && is_valid {
        // Whole floating-point numbers are written as integers, so the second form is the one that stays.
        let written = json::from_json(&json::to_json(bytes).expect("a valid value is JSON"));
        assert_eq!(value::validate(topic_type, &written), Ok(()), "{text}");
        let again = json::to_json(&written).expect("what we write is JSON");
        assert_eq!(json::from_json(&again), written, "{text}");
    }
    // Separators inside of fields are read as they are, and never written.
    if let Ok(records) = record::decode(bytes)
        && let Ok(again) = record::encode(&records)
    {
        assert_eq!(record::decode(&again), Ok(records));
    }
}

fn check_text(topic_type: TopicType, text: &str) {
    let Ok(bytes) = value::from_display(topic_type, text) else {
        return;
    };
    assert_eq!(value::validate(topic_type, &bytes), Ok(()), "{text}");
    let shown = value::to_display(topic_type, &bytes);
    let again = value::from_display(topic_type, &shown);
    assert!(again.is_ok(), "{text:?} is shown as {shown:?}");
}

fn check_diff(old: &[u8], new: &[u8]) {
    let Some(delta) = delta::diff(old, new) else {
        return;
    };
    assert!(delta.len() >= 2 && delta.len() < new.len(), "{delta:?}");
    assert_eq!(delta::apply(old, &delta, new.len()).as_deref(), Ok(new));
}

fn check_delta(old: &[u8], delta: &[u8]) {
    if let Ok(new) = delta::apply(old, delta, VALUE_BYTES_MAX) {
        assert!(new.len() <= VALUE_BYTES_MAX.max(old.len()));
    }
}

fn check_specification(bytes: Bytes) {
    let Ok(specification) = TopicSpecification::from_bytes(bytes, Version::NEWEST) else {
        return;
    };
    let _ = specification.options();
    assert!(specification.is_same_as(&specification));
    if let Ok(normalised) = specification.normalised() {
        assert_eq!(normalised.normalised().as_ref(), Ok(&normalised));
        assert!(
            normalised.is_same_as(&specification),
            "{specification:?} {normalised:?}"
        );
        assert_eq!(
            normalised.options(),
            specification.options(),
            "{specification:?}"
        );
    }
}

fn check_pointer(pointer: &str, bytes: &[u8]) {
    if let Ok(Some(range)) = json::find(bytes, pointer) {
        assert!(range.end <= bytes.len());
    }
    if let Ok(path) = Path::parse(pointer) {
        assert_eq!(Path::parse(path.as_str()), Ok(path));
    }
}
