//! The server against the reference model: the runs of the test of the same name, with decisions from the input.

#![no_main]

#[path = "../../crates/suffuse-test/tests/it/generator.rs"]
mod generator;
mod input;
#[path = "../../crates/suffuse-test/tests/it/model.rs"]
mod model;

use generator::{Choices, Run};
use input::Input;

const STEPS_MAX: usize = 100;

impl Choices for Input<'_> {
    fn below(&mut self, bound: usize) -> usize {
        Input::below(self, bound)
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (mut input, mut run) = (Input(bytes), Run::new());
    for _ in 0..STEPS_MAX {
        if input.0.is_empty() {
            break;
        }
        run.step(&mut input);
    }
    run.finish();
});
