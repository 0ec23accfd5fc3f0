//! One test for each case of the catalogue; nextest runs each in a process of its own.
//!
//! With `SUFFUSE_INTEROP_RESULTS` set, the results are written into that folder and not compared with
//! the document: so `cargo xtask interop` makes the document.

use std::env;
use std::fs;
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use suffuse_interop::case::Outcome;
use suffuse_interop::catalogue::{self, Case};
use suffuse_interop::{place, report};

fn main() {
    let trials = catalogue::cases().map(|case| Trial::test(case.to_string(), move || check(case)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn check(case: Case) -> Result<(), Failed> {
    let outcome = case.run().map_err(|error| format!("{error:#}"))?;
    match &outcome {
        Outcome::Failed(detail) => return Err(detail.into()),
        Outcome::Works | Outcome::NotBuilt => {}
    }
    match env::var_os("SUFFUSE_INTEROP_RESULTS") {
        Some(folder) => Ok(fs::write(
            Path::new(&folder).join(case.to_string()),
            outcome.to_string(),
        )?),
        None => compare(case, &outcome),
    }
}

fn compare(case: Case, outcome: &Outcome) -> Result<(), Failed> {
    let documented = report::parse(&fs::read_to_string(place::report()).unwrap_or_default());
    match documented.get(&case.to_string()) {
        Some(expected) if expected == outcome => Ok(()),
        Some(expected) => Err(format!(
            "docs/interop.md says «{expected}», found «{outcome}»: run `cargo xtask interop`"
        )
        .into()),
        None => Err(format!(
            "docs/interop.md does not have this case, found «{outcome}»: run `cargo xtask interop`"
        )
        .into()),
    }
}
