//! The clients whose connections break at random moments, for longer than the tests have time.

use anyhow::{Context, Result};

use crate::command::{self, cargo, search_path};
use crate::setup;

/// How many connections of each client are broken if nothing else is said.
pub(crate) const CUTS_DEFAULT: u64 = 1000;

pub(crate) fn run(cuts: u64, seed: Option<u64>) -> Result<()> {
    let missing = setup::run()?;
    command::run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "suffuse-cli",
    ]))?;
    let mut tests = "test(/^faults::/)".to_owned();
    if !missing.is_empty() {
        tests = format!("{tests} and {}", missing.filterset());
    }
    let mut nextest = cargo(&["nextest", "run", "--profile", "faults"]);
    nextest.args(["--package", "suffuse-interop", "--filterset", &tests]);
    nextest.env("SUFFUSE_FAULT_CUTS", cuts.to_string());
    if let Some(seed) = seed {
        nextest.env("SUFFUSE_FAULT_SEED", seed.to_string());
    }
    command::run(nextest.env("PATH", search_path()))
}

/// Reads a number of the command line.
pub(crate) fn number(text: &str) -> Result<u64> {
    text.parse()
        .with_context(|| format!("expected a number, not `{text}`"))
}
