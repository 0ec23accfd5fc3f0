//! What the hot path does with values and paths: deltas, selector matches, CBOR validation.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use suffuse_proto::value::{self, delta, json::from_json};
use suffuse_proto::{Path, Selector, TopicType};

fn quote(id: usize, price: f64, at: &str) -> Value {
    json!({
        "id": id, "symbol": format!("SYM{id:04}"), "bid": price, "ask": price + 0.25, "last": price + 0.1,
        "volume": 1000 + id * 17, "currency": "EUR", "venue": "XETRA", "time": at,
        "open": 100.5, "high": 103.25, "low": 99.75, "status": "open", "note": "no remarks today"
    })
}

/// Old and new values: the kinds of changes that topics see.
fn changes() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let bytes = |value: &Value| from_json(value).to_vec();
    let (noon, later) = ("2026-11-24T12:00:00.000Z", "2026-11-24T12:00:01.317Z");
    let one = (
        bytes(&quote(7, 101.3, noon)),
        bytes(&quote(7, 101.7, later)),
    );
    let list = |changed: &[usize]| {
        let quotes = (0..100).map(|id| match changed.contains(&id) {
            true => quote(id, 99.9 + id as f64, later),
            false => quote(id, 101.3, noon),
        });
        bytes(&Value::Array(quotes.collect()))
    };
    let many = (list(&[]), list(&[3, 20, 41, 42, 77, 98]));
    let (first, second) = (random(64 * 1024, 1), random(64 * 1024, 2));
    let mut shifted = first[5000..].to_vec();
    shifted.extend_from_slice(&first[..4000]);
    shifted.splice(30_000..30_000, *b"something new");
    vec![
        ("one quote", one.0, one.1),
        ("6 of 100 quotes", many.0, many.1),
        ("unrelated 64 kB", first.clone(), second),
        ("moved 64 kB", first, shifted),
        (
            "alternating 4 kB",
            vec![7; 4096],
            (0..4096).map(|i| if i % 9 == 8 { 1 } else { 7 }).collect(),
        ),
    ]
}

fn random(length: usize, mut state: u64) -> Vec<u8> {
    let mut next = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn deltas(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("delta");
    for (name, old, new) in changes() {
        let delta = delta::diff(&old, &new);
        let length = delta.as_ref().map_or(new.len(), Vec::len);
        let label = format!("{name}, {} to {length} bytes", new.len());
        group.throughput(Throughput::Bytes(new.len() as u64));
        group.bench_function(BenchmarkId::new("diff", &label), |bencher| {
            bencher.iter(|| delta::diff(black_box(&old), black_box(&new)));
        });
        if let Some(delta) = delta {
            group.bench_function(BenchmarkId::new("apply", &label), |bencher| {
                bencher.iter(|| delta::apply(black_box(&old), black_box(&delta), usize::MAX));
            });
        }
    }
    group.finish();
}

fn selectors(criterion: &mut Criterion) {
    let path = Path::parse("markets/equities/XETRA/SYM0042/quote").expect("the path is valid");
    let mut group = criterion.benchmark_group("selector");
    for text in [
        "?.*//",
        "markets/equities/XETRA/SYM0042/quote",
        "?markets//",
        "?markets/.*/XETRA/SYM.*/quote",
        "?markets/(equities|bonds)/[A-Z]+/SYM\\d+/quote",
        "*.*quote",
        "*markets/.*(bid|quote)",
        "?sports//",
    ] {
        let selector = Selector::parse(text).expect("the selector is valid");
        group.bench_function(BenchmarkId::new("matches", text), |bencher| {
            bencher.iter(|| black_box(&selector).matches(black_box(&path)));
        });
    }
    group.finish();
}

fn cbor(criterion: &mut Criterion) {
    let list: Vec<Value> = (0..100)
        .map(|id| quote(id, 101.3, "2026-11-24T12:00:00.000Z"))
        .collect();
    let bytes = from_json(&Value::Array(list));
    let mut group = criterion.benchmark_group("cbor");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("validate 100 quotes", |bencher| {
        bencher.iter(|| value::validate(TopicType::JSON, black_box(&bytes)));
    });
    group.bench_function("to_json 100 quotes", |bencher| {
        bencher.iter(|| value::json::to_json(black_box(&bytes)));
    });
    group.finish();
}

criterion_group!(benches, deltas, selectors, cbor);
criterion_main!(benches);
