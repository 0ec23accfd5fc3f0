//! Deltas: their form, their size, and that they lead from one value to the next.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn deltas_have_the_form_of_the_specification() {
    let cases: &[(&str, &str, &[u8])] = &[
        ("hello", "hello world", b"\x00\x05\x46 world"),
        ("world", "hello world", b"\x46hello \x00\x05"),
        ("hello world, this is long", "hello", b"\x00\x05"),
        ("aaaa", "bbbb", b"\x44bbbb"),
    ];
    for (old, new, expected) in cases {
        assert_eq!(
            unlimited(old.as_bytes(), new.as_bytes()),
            *expected,
            "{old} to {new}"
        );
    }
}

#[test]
fn the_value_is_sent_where_a_delta_is_of_no_use_or_harmful() {
    let long = "a long text that would be worth a delta";
    let cases = [
        ("the new value is empty", long, ""),
        ("the old value is empty", "", long),
        ("nothing changed", long, long),
        (
            "the value is small",
            "0123456789abcdefgh",
            "0123456789abcdefghi",
        ),
        (
            "everything changed",
            long,
            "EVERYTHING IS OF ANOTHER KIND, AND LONG",
        ),
        (
            "the delta is as long",
            "0123456789abcdefghij",
            "0x2y4z6X8YaZcXeYgXiY",
        ),
    ];
    for (reason, old, new) in cases {
        assert_eq!(diff(old.as_bytes(), new.as_bytes()), None, "{reason}");
    }
}

#[test]
fn changed_fields_cost_little_more_than_their_new_values() {
    let object = |bid: &str, ask: &str, at: &str| {
        let filler = "x".repeat(300);
        format!(
            r#"{{"symbol":"VOD","bid":{bid},"note":"{filler}","ask":{ask},"at":"{at}","end":true}}"#
        )
    };
    let old = object("101.25", "101.50", "2026-11-24T13:17:00Z");
    let new = object("99.75", "100.125", "2026-11-24T13:17:01Z");

    let delta = diff(old.as_bytes(), new.as_bytes()).unwrap();

    assert!(delta.len() < 40, "{} bytes", delta.len());
    assert_eq!(apply(old.as_bytes(), &delta, 1000).unwrap(), new);
}

#[test]
fn what_is_too_short_to_copy_is_inserted_with_its_neighbours() {
    let tail = "the end, which is the same in both";
    let (old, new) = (
        format!("a{}{tail}", "b".repeat(40)),
        format!("a{}{tail}", "c".repeat(10)),
    );

    let delta = diff(old.as_bytes(), new.as_bytes()).unwrap();

    assert_eq!(delta, b"\x4bacccccccccc\x18\x29\x18\x22");
}

#[test]
fn what_was_moved_is_copied_from_its_old_place() {
    let block = |name: &str| (0..40).map(|i| format!("{name}{i:03}")).collect::<String>();
    let (a, b) = (block("alpha"), block("beta"));
    let (old, new) = (format!("[{a}{b}]"), format!("[{b}{a}]"));

    let delta = diff(old.as_bytes(), new.as_bytes()).unwrap();

    assert!(delta.len() < 24, "{} bytes", delta.len());
    assert_eq!(apply(old.as_bytes(), &delta, 1000).unwrap(), new);
}

#[test]
fn bad_deltas_are_refused_with_the_reason() {
    let cases: &[(&[u8], &str)] = &[
        (
            &[0x00],
            "the delta is not CBOR: the value ends within an item at byte 1",
        ),
        (&[0x41], "the value ends within an item"),
        (
            &[0x00, 0x06],
            "copies 6 bytes from byte 0, and the old value has 5",
        ),
        (&[0x06, 0x00], "copies 0 bytes from byte 6"),
        (
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            "copies 1 bytes from byte 18446744073709551615",
        ),
        (&[0x00, 0x41, 0x00], "the delta has bytes at byte 1"),
        (
            &[0x61, b'a'],
            "the delta has a text at byte 0, expected bytes, or two integers",
        ),
        (&[0xf6, 0xf6], "the delta has null at byte 0"),
        (
            &[0x00, 0x05, 0x00, 0x05, 0x41, 0x00],
            "longer than 10 bytes",
        ),
    ];
    for (delta, expected) in cases {
        let message = apply(b"hello", delta, 10).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(apply(b"hello", &[], 10).unwrap(), "");
    assert_eq!(apply(b"hello", &[UNCHANGED], 10).unwrap(), "hello");
    assert_eq!(
        apply(b"hello", &[0x01, 0x04, 0x00, 0x01], 10).unwrap(),
        "elloh"
    );
}

proptest! {
    #[test]
    fn a_delta_leads_to_the_new_value(old in text(), new in text()) {
        check(&old, &new)?;
    }

    #[test]
    fn a_delta_leads_to_an_edited_value(old in vec(any::<u8>(), 0..2000), edits in vec(edit(), 0..12)) {
        let new = edits.iter().fold(old.clone(), edited);
        check(&old, &new)?;
    }

    #[test]
    fn any_delta_is_applied_or_refused(old in vec(any::<u8>(), 0..40), delta in vec(any::<u8>(), 0..40)) {
        if let Ok(new) = apply(&old, &delta, 100) {
            prop_assert!(new.len() <= 100);
        }
    }

    #[test]
    fn common_ends_are_found(a in "[ab]{0,40}", b in "[ab]{0,40}") {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        prop_assert_eq!(common_prefix(a, b), a.iter().zip(b).take_while(|(a, b)| a == b).count());
        let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
        prop_assert_eq!(common_suffix(a, b), suffix);
    }
}

/// Few different bytes, so that much is the same by chance.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(0u8..2, 0..300),
        vec(0u8..8, 0..300),
        vec(any::<u8>(), 0..300)
    ]
}

/// Where, how many bytes are replaced, and by what.
fn edit() -> impl Strategy<Value = (usize, usize, Vec<u8>)> {
    (any::<usize>(), 0usize..200, vec(any::<u8>(), 0..40))
}

fn edited(mut value: Vec<u8>, (at, length, bytes): &(usize, usize, Vec<u8>)) -> Vec<u8> {
    let at = at % (value.len() + 1);
    let end = value.len().min(at + length);
    value.splice(at..end, bytes.iter().copied());
    value
}

fn check(old: &[u8], new: &[u8]) -> Result<(), TestCaseError> {
    if let Some(delta) = diff(old, new) {
        prop_assert!(delta.len() >= 2 && delta.len() < new.len() && delta[0] != UNCHANGED);
        prop_assert_eq!(
            apply(old, &delta, new.len()),
            Ok(Bytes::copy_from_slice(new))
        );
        prop_assert!(new.is_empty() || apply(old, &delta, new.len() - 1).is_err());
    }
    let delta = unlimited(old, new);
    prop_assert_eq!(
        apply(old, &delta, new.len()),
        Ok(Bytes::copy_from_slice(new))
    );
    Ok(())
}

/// The delta, also where the value would be sent.
fn unlimited(old: &[u8], new: &[u8]) -> Vec<u8> {
    let copies = copies(old, new);
    encode(&copies, new).unwrap_or_else(|| {
        let mut delta = Vec::new();
        put_insert(&mut delta, new);
        delta
    })
}
