//! What a header costs, and how fast a client's bytes are unmasked and decoded.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use suffuse_websocket::{Decoder, Opcode, apply_mask, header};

const PAYLOAD_LENGTHS: [usize; 3] = [120, 4096, 65_536];
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn headers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header");
    for length in PAYLOAD_LENGTHS {
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| header(Opcode::Binary, black_box(length)));
        });
    }
}

fn unmask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unmask");
    for length in PAYLOAD_LENGTHS {
        let mut payload = vec![0x5a; length];
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| apply_mask(black_box(&mut payload), black_box(MASK)));
        });
    }
}

/// One read with one whole message.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for length in PAYLOAD_LENGTHS {
        let read = client_frame(length);
        let mut decoder = Decoder::new(1 << 20);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| {
                decoder.feed(black_box(&read), &mut |incoming| {
                    black_box(incoming);
                })
            });
        });
    }
}

fn client_frame(length: usize) -> Vec<u8> {
    let mut frame = header(Opcode::Binary, length).as_slice().to_vec();
    frame[1] |= 0x80; // the mask bit, which only a client sets
    frame.extend(MASK);
    frame.extend(vec![0x5a; length]);
    frame
}

criterion_group!(benches, headers, unmask, decode);
criterion_main!(benches);
