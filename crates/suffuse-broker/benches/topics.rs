//! What a million topics cost in the broker: memory, adding them, and finding a thousand of them.
//!
//! The memory and the time of adding are of one run: what is there cannot be added again.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use suffuse_broker::LinkId;
use suffuse_proto::service::{AddAndSetTopic, AddTopic, FetchQuery, Subscribe};

use crate::rig::{Rig, addition, addition_with, fetching, selection, value};

#[path = "support/rig.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with other measurements")]
mod rig;

const BRANCHES: usize = 1000;
const TOPICS_PER_BRANCH: usize = 1000;
const TOPIC_VALUE_BYTES: usize = 100;

fn million_topics(criterion: &mut Criterion) {
    let mut rig = Rig::new();
    let publisher = rig.connect();
    let before = resident_bytes();
    let start = now();
    add_topics(&mut rig, publisher);
    let (took, bytes) = (start.elapsed(), resident_bytes().saturating_sub(before));
    let topics = rig.topics();
    say(&format!(
        "{topics} topics of {TOPIC_VALUE_BYTES} bytes: {} B of memory for each, added at {:.0} topics/s",
        bytes / topics,
        topics as f64 / took.as_secs_f64()
    ));
    let mut group = criterion.benchmark_group("of 1,000,000 topics");
    group.sample_size(20);
    group.bench_function("subscribe to 1,000", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| subscribe(&mut rig)).sum());
    });
    group.bench_function("fetch 1,000 with values", |bencher| {
        bencher.iter(|| {
            rig.request::<FetchQuery>(publisher, fetching("?a/b/.*"));
            rig.flush()
        });
    });
    let mut number = 0;
    group.bench_function("add one more", |bencher| {
        bencher.iter(|| {
            number += 1;
            rig.request::<AddTopic>(publisher, addition(&format!("b/{number}")));
            rig.flush()
        });
    });
    group.finish();
}

fn add_topics(rig: &mut Rig, publisher: LinkId) {
    for branch in 0..BRANCHES {
        let branch = if branch == 0 {
            "b".to_owned()
        } else {
            format!("branch{branch:03}")
        };
        for leaf in 0..TOPICS_PER_BRANCH {
            let value = value(leaf as u64, TOPIC_VALUE_BYTES);
            rig.request::<AddAndSetTopic>(
                publisher,
                addition_with(&format!("a/{branch}/leaf{leaf:03}"), value),
            );
        }
        rig.flush();
    }
}

/// Measures from the request to the last value in the port.
fn subscribe(rig: &mut Rig) -> Duration {
    let link = rig.connect();
    let start = now();
    rig.request::<Subscribe>(link, selection("?a/b/.*"));
    let frames = rig.flush();
    let took = start.elapsed();
    assert_eq!(
        frames,
        1 + 2 * TOPICS_PER_BRANCH,
        "the answer, and a notice and a value of each topic"
    );
    rig.disconnect(link);
    took
}

/// Returns the resident memory of this process, or 0 where the system does not tell.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok())
        .map_or(0, |kib| kib << 10)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "what a benchmark found")]
fn say(line: &str) {
    println!("{line}");
}

criterion_group!(benches, million_topics);
criterion_main!(benches);
