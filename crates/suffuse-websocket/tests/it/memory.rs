use std::mem::size_of;

use allocation_counter::{AllocationInfo, measure};
use proptest::prelude::*;
use suffuse_websocket::{Decoder, Opcode, header};

use crate::client::frame;

/// More than the bookkeeping of a frame that is not complete.
const PARTIAL_BYTES_MAX: u64 = 128;

#[test]
fn an_idle_decoder_is_three_words_and_owns_nothing() {
    assert_eq!(size_of::<Decoder>(), 24);

    let bytes = [
        frame(0x02, &[1; 500]),
        frame(0x89, b"p"),
        frame(0x80, &[2; 500]),
    ]
    .concat();
    let mut decoder = Decoder::new(10_000);
    let info = measure(|| {
        for part in bytes.chunks(7) {
            decoder.feed(part, &mut |_| {}).unwrap();
        }
    });

    assert!(info.count_total > 0);
    assert_eq!(info.bytes_current, 0, "{info:?}");
}

#[test]
fn a_message_within_one_read_is_one_allocation_of_its_length() {
    for length in [1, 8, 125, 126, 4096, 70_000] {
        let read = [frame(0x82, &vec![3; length]), frame(0x82, &vec![4; length])].concat();

        let mut messages = Vec::with_capacity(2);
        let info = feed(&read, 100_000, &mut |incoming| messages.push(incoming));

        assert_eq!(messages.len(), 2);
        assert_eq!(
            (info.count_total, info.bytes_total),
            (2, 2 * length as u64),
            "{length}"
        );
    }
}

#[test]
fn a_header_beyond_the_limit_allocates_nothing() {
    let announced = [&b"\x82\xff\x00\x00\x00\x00\x01\x00\x00\x00"[..], &[0; 100]].concat();
    let info = feed(&announced, 0xff_ffff, &mut |_| {});
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn a_large_announced_length_allocates_only_what_arrives() {
    let whole = frame(0x82, &vec![0; 1_000_000]);
    let info = feed(&whole[..2014], 1_000_000, &mut |_| {});
    assert!(info.bytes_total <= 2000 + PARTIAL_BYTES_MAX, "{info:?}");
}

#[test]
fn a_message_in_many_parts_takes_few_allocations_and_no_more_than_thrice_its_length() {
    let parts: Vec<u8> = (0..9_999).flat_map(|_| frame(0x00, b"x")).collect();
    let bytes = [frame(0x02, b"x"), parts, frame(0x80, b"x")].concat();

    let info = feed(&bytes, 20_000, &mut |_| {});

    assert!(info.count_total < 40, "{info:?}");
    assert!(info.bytes_max <= 3 * 10_001, "{info:?}");
}

#[test]
fn a_message_that_is_kept_holds_no_more_than_its_length() {
    let bytes = [
        frame(0x02, &[1; 100]),
        frame(0x00, &[2; 50]),
        frame(0x80, &[3; 20]),
    ]
    .concat();

    let mut messages = Vec::with_capacity(1);
    let info = feed(&bytes, 1000, &mut |incoming| messages.push(incoming));

    assert_eq!(messages.len(), 1);
    assert_eq!(info.bytes_current, 170, "{info:?}");
}

#[test]
fn building_a_header_allocates_nothing() {
    let info = measure(|| {
        std::hint::black_box(header(Opcode::Binary, std::hint::black_box(70_000)));
    });
    assert_eq!(info.count_total, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic_and_never_take_more_than_thrice_their_length(
        reads in prop::collection::vec(read(), 1..6),
    ) {
        let mut decoder = Decoder::new(1 << 20);
        let info = measure(|| {
            for read in &reads {
                if decoder.feed(read, &mut |_| {}).is_err() {
                    break;
                }
            }
        });
        let arrived: usize = reads.iter().map(Vec::len).sum();
        // While a buffer grows there are, for a moment, the old one and one of twice its length.
        prop_assert!(info.bytes_max <= 3 * arrived as u64 + 2 * PARTIAL_BYTES_MAX, "{info:?}");
    }
}

/// Random bytes, of which most begin like a masked frame, so that many get past the first check.
fn read() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        Just(0x82),
        Just(0x02),
        Just(0x80),
        Just(0x89),
        Just(0x88),
        any::<u8>()
    ];
    let second = prop_oneof![0x80..0x90_u8, Just(0xfe), Just(0xff), any::<u8>()];
    let rest = prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..200);
    (first, second, rest).prop_map(|(first, second, rest)| [vec![first, second], rest].concat())
}

fn feed(
    read: &[u8],
    message_bytes_max: usize,
    on: &mut impl FnMut(suffuse_websocket::Incoming),
) -> AllocationInfo {
    let mut decoder = Decoder::new(message_bytes_max);
    measure(|| {
        let _ = decoder.feed(read, on);
    })
}
