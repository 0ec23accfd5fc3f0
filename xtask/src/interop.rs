//! The published clients against the server: runs each case and writes down how it went.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use suffuse_interop::case::Outcome;
use suffuse_interop::report::{self, MissingService, Results};
use suffuse_interop::{catalogue, place};

use crate::command::{self, cargo, search_path};
use crate::setup;

pub(crate) fn run() -> Result<()> {
    let missing = setup::run()?;
    ensure!(
        missing.is_empty(),
        "the document needs every client; missing: {missing}"
    );
    command::run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "suffuse-cli",
    ]))?;

    let folder = empty_folder()?;
    let only_clients = ["--filterset", "binary(published_clients)", "--no-fail-fast"];
    let mut nextest = cargo(&["nextest", "run", "--package", "suffuse-interop"]);
    nextest
        .args(only_clients)
        .env("SUFFUSE_INTEROP_RESULTS", &folder)
        .env("PATH", search_path());
    command::run(&mut nextest)?;

    let document = report::render(&results(&folder)?, &missing_services()?)?;
    let path = place::report();
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, &document).with_context(|| format!("cannot write {}", path.display()))?;
    println!(
        "docs/interop.md {}",
        if before == document {
            "is as it was"
        } else {
            "has changed"
        }
    );
    Ok(())
}

fn empty_folder() -> Result<PathBuf> {
    let folder = place::target()?.join("interop-results");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Reads what each case left in the folder.
fn results(folder: &Path) -> Result<Results> {
    let mut results = Results::new();
    for case in catalogue::cases() {
        let name = case.to_string();
        let text = fs::read_to_string(folder.join(&name))
            .with_context(|| format!("{name} left no result"))?;
        let outcome = match text.as_str() {
            "works" => Outcome::Works,
            "not built" => Outcome::NotBuilt,
            detail => Outcome::Failed(detail.to_owned()),
        };
        results.insert(name, outcome);
    }
    Ok(results)
}

fn missing_services() -> Result<Vec<MissingService>> {
    let mut services = Command::new(place::binary()?);
    report::missing_services(&command::output(
        services.args(["services", "--output", "json"]),
    )?)
}
