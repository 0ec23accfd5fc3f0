//! What allocates: for one more subscriber, publishing pays a reference count and a push. It asks the
//! allocator for nothing.

use suffuse_proto::service::{AddTopic, SetTopic};

use crate::rig::{Rig, addition, setting, value};

#[path = "../benches/support/rig.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with benchmarks")]
mod rig;

const PATH: &str = "markets/equities/SYM0042";

/// Updates until all queues, ports and recovery rings have the size that they keep.
const WARM_UP: u64 = 1000;
const MEASURED: u64 = 500;

#[test]
fn publishing_to_one_more_subscriber_allocates_nothing() {
    for in_flight in [1, 16] {
        let allocations = [10, 60].map(|subscribers| allocations(subscribers, in_flight));
        assert_eq!(
            allocations[0], allocations[1],
            "10 and 60 subscribers, {in_flight} updates on the way"
        );
    }
}

/// Counts the allocations of updates that come in batches, to a number of subscribers.
fn allocations(subscribers: usize, in_flight: u64) -> u64 {
    let mut rig = Rig::new();
    let publisher = rig.connect();
    rig.request::<AddTopic>(publisher, addition(PATH));
    rig.connect_watchers(subscribers, PATH);
    let mut number = 0;
    let mut publish = |updates: u64| {
        for _ in 0..updates / in_flight {
            for _ in 0..in_flight {
                number += 1;
                rig.request::<SetTopic>(publisher, setting(PATH, value(number, 125)));
            }
            // Each update to each subscriber, and its answer to the publisher.
            assert_eq!(rig.flush() as u64, in_flight * (subscribers as u64 + 1));
        }
    };
    publish(WARM_UP);
    allocation_counter::measure(|| publish(MEASURED)).count_total
}
