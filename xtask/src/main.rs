//! The tasks of this repository: `cargo xtask TASK`.

#![allow(
    clippy::print_stdout,
    reason = "a task talks to the person who runs it"
)]

mod bench;
mod command;
mod faults;
mod fuzz;
mod interop;
mod lint;
mod setup;
mod test;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask TASK

  setup                   set up what the tests need, and no more
  test                    set up what the tests need, then run everything
  lint                    check format, lints and documentation
  ci                      lint, then test
  interop                 run the published clients and write docs/interop.md
  faults [--cuts N [--seed N]]
                          break N connections (1000) of each client at random moments
  fuzz [--seconds N]      replay the corpus of each fuzz target, then fuzz each for N seconds (5)
  bench [NAME]            list the benchmarks, or run one
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["setup"] => setup::run().map(|_missing| ()),
        ["test"] => test::run(),
        ["lint"] => lint::run(),
        ["ci"] => lint::run().and_then(|()| test::run()),
        ["interop"] => interop::run(),
        ["faults"] => faults::run(faults::CUTS_DEFAULT, None),
        ["faults", "--cuts", cuts] => faults::run(faults::number(cuts)?, None),
        ["faults", "--cuts", cuts, "--seed", seed] => {
            faults::run(faults::number(cuts)?, Some(faults::number(seed)?))
        }
        ["fuzz"] => fuzz::run(fuzz::SECONDS_DEFAULT),
        ["fuzz", "--seconds", seconds] => fuzz::run(fuzz::seconds(seconds)?),
        ["bench"] => bench::list(),
        ["bench", name] => bench::run(name),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown task `{}`\n\n{USAGE}", words.join(" ")),
    }
}
