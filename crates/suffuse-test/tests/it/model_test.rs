//! The server against the model, by random runs.

use suffuse_proto::sample::Random;

use crate::generator::Run;

/// How many runs there are, and how many steps each has.
const RUNS: u64 = 150;
const STEPS: usize = 120;

#[test]
fn every_client_sees_what_the_model_says() {
    for seed in 0..RUNS {
        let mut random = Random::new(seed);
        let mut run = Run::new();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| run.step(&mut random));
            run.finish();
        }));
        assert!(
            outcome.is_ok(),
            "the run of seed {seed} failed, as said above"
        );
    }
}
