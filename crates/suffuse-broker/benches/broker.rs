//! What an update costs in the broker, without sockets: fan-out, and updates that nobody watches.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use suffuse_broker::LinkId;
use suffuse_proto::service::{AddTopic, SetTopic};

use crate::rig::{Rig, addition, setting, value};

#[path = "support/rig.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with other measurements")]
mod rig;

const PATH: &str = "markets/equities/SYM0042";
const SUBSCRIBERS: usize = 1000;
const VALUE_BYTES: usize = 125;

/// Updates to 1,000 sessions; the time is that of all deliveries of the batch.
fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out to 1,000");
    for in_flight in [1, 16] {
        let (mut rig, publisher) = rig_with_topic();
        rig.connect_watchers(SUBSCRIBERS, PATH);
        let mut number = 0;
        let mut publish = |rig: &mut Rig| {
            for _ in 0..in_flight {
                number += 1;
                rig.request::<SetTopic>(publisher, setting(PATH, value(number, VALUE_BYTES)));
            }
            rig.flush()
        };
        // The recovery rings have their full size before anything is measured.
        (0..500).for_each(|_| assert_eq!(publish(&mut rig), in_flight * (SUBSCRIBERS + 1)));
        group.throughput(Throughput::Elements((in_flight * SUBSCRIBERS) as u64));
        group.bench_function(format!("{in_flight} at a time"), |bencher| {
            bencher.iter(|| publish(&mut rig));
        });
    }
    group.finish();
}

fn set_without_subscribers(criterion: &mut Criterion) {
    let (mut rig, publisher) = rig_with_topic();
    let mut number = 0;
    criterion.bench_function("set without subscribers", |bencher| {
        bencher.iter(|| {
            number += 1;
            rig.request::<SetTopic>(publisher, setting(PATH, value(number, VALUE_BYTES)));
            rig.flush()
        });
    });
}

fn rig_with_topic() -> (Rig, LinkId) {
    let mut rig = Rig::new();
    let publisher = rig.connect();
    rig.request::<AddTopic>(publisher, addition(PATH));
    (rig, publisher)
}

criterion_group!(benches, fan_out, set_without_subscribers);
criterion_main!(benches);
