//! CBOR items: read as the RFC says, and refused otherwise.

use super::*;

#[test]
fn items_are_what_the_rfc_says() {
    let cases: &[(&[u8], Item<'_>)] = &[
        (&[0x17], Item::Unsigned(23)),
        (&[0x18, 0x64], Item::Unsigned(100)),
        (
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            Item::Unsigned(u64::MAX),
        ),
        (&[0x39, 0x01, 0xf3], Item::Negative(499)),
        (&[0xf9, 0x3e, 0x00], Item::Float(1.5)),
        (&[0xf9, 0x7b, 0xff], Item::Float(65504.0)),
        (&[0xf9, 0x00, 0x01], Item::Float(5.960_464_477_539_063e-8)),
        (&[0xf9, 0x04, 0x00], Item::Float(0.000_061_035_156_25)),
        (&[0xf9, 0xc4, 0x00], Item::Float(-4.0)),
        (&[0xf9, 0xfc, 0x00], Item::Float(f64::NEG_INFINITY)),
        (&[0xfa, 0x47, 0xc3, 0x50, 0x00], Item::Float(100_000.0)),
        (&[0xf0], Item::Simple(16)),
        (&[0xf8, 0xff], Item::Simple(255)),
        (&[0xc1, 0x00], Item::Tag(1)),
        (
            &[0x5f, 0x42, 1, 2, 0x41, 3, 0xff],
            Item::Bytes(vec![1, 2, 3].into()),
        ),
        (&[0x7f, 0x61, b'a', 0x60, 0xff], Item::Text("a".into())),
        (&[0x82, 0x01, 0x80], Item::Array(Some(2))),
        (&[0xbf, 0x61, b'a', 0x9f, 0xff, 0xff], Item::Map(None)),
        (&[0xa0], Item::Map(Some(0))),
    ];
    for (bytes, expected) in cases {
        assert_eq!(
            Cursor::only_item(bytes).as_ref(),
            Ok(expected),
            "{bytes:02x?}"
        );
    }
    assert!(matches!(Cursor::only_item(&[0xf9, 0x7e, 0x00]), Ok(Item::Float(nan)) if nan.is_nan()));
}

#[test]
fn what_is_not_one_item_is_refused() {
    let deep = [vec![0x81; DEPTH_MAX + 1], vec![0]].concat();
    let cases: &[(&[u8], CborFault, usize)] = &[
        (&[], CborFault::UnexpectedEnd, 0),
        (&[0x18], CborFault::UnexpectedEnd, 1),
        (&[0x62, b'a'], CborFault::UnexpectedEnd, 1),
        (
            &[0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            CborFault::UnexpectedEnd,
            9,
        ),
        (
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            CborFault::UnexpectedEnd,
            9,
        ),
        (
            &[0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0],
            CborFault::UnexpectedEnd,
            9,
        ),
        (&[0x82, 0x01], CborFault::UnexpectedEnd, 2),
        (&[0x9f, 0x01], CborFault::UnexpectedEnd, 2),
        (&[0x01, 0x02], CborFault::LeftOver, 1),
        (&[0x1c], CborFault::Malformed, 0),
        (&[0x1f], CborFault::Malformed, 0),
        (&[0xf8, 0x14], CborFault::Malformed, 0),
        (&[0xfc], CborFault::Malformed, 0),
        (&[0x7f, 0x41, 1, 0xff], CborFault::Malformed, 1),
        (&[0x7f, 0x7f, 0xff, 0xff], CborFault::Malformed, 1),
        (&[0xff], CborFault::MisplacedBreak, 0),
        (&[0x81, 0xff], CborFault::MisplacedBreak, 1),
        (&[0xbf, 0x01, 0xff], CborFault::MisplacedBreak, 2),
        (&[0xc1, 0xff], CborFault::MisplacedBreak, 1),
        (&[0x61, 0xff], CborFault::NotUtf8, 0),
        (&deep, CborFault::TooDeep, DEPTH_MAX),
    ];
    for (bytes, fault, at) in cases {
        assert_eq!(Cursor::only_item(bytes), Err(fault.at(*at)), "{bytes:02x?}");
    }
    assert!(Cursor::only_item(&deep[1..]).is_ok());
}

#[test]
fn items_are_skipped_whole() {
    let bytes = [
        0xbf, 0x61, b'a', 0x82, 0x01, 0xa1, 0x02, 0xc1, 0x03, 0xff, 0x05,
    ];
    let mut cursor = Cursor::new(&bytes);
    assert_eq!(cursor.skip(), Ok(0..10));
    assert_eq!(cursor.item(), Ok(Item::Unsigned(5)));
    assert_eq!(cursor.finish(), Ok(()));
}

#[test]
fn heads_are_as_short_as_they_can_be() {
    for argument in [
        0,
        23,
        24,
        255,
        256,
        65535,
        65536,
        u64::from(u32::MAX),
        1 << 32,
        u64::MAX,
    ] {
        let mut out = Vec::new();
        put_head(&mut out, major::UNSIGNED, argument);
        assert_eq!(Cursor::only_item(&out), Ok(Item::Unsigned(argument)));
        assert_eq!(head_length(argument as usize), out.len());
    }
    let mut out = Vec::new();
    put_integer(&mut out, i64::MIN);
    assert_eq!(out, [0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
        let mut cursor = Cursor::new(&bytes);
        while cursor.skip().is_ok() {}
        assert!(cursor.position() <= bytes.len());
    }
}
