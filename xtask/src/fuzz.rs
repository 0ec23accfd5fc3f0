//! Fuzzing on the stable toolchain: the package `fuzz/`, one binary per target.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use suffuse_interop::place;

use crate::command::{self, cargo};

/// How long each target is fuzzed when nothing else is said.
pub(crate) const SECONDS_DEFAULT: u32 = 5;

/// What libFuzzer needs of the compiler: counters at each edge. These flags work without nightly.
const FLAGS: [&str; 7] = [
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1 -Cdebug-assertions",
];

/// Reads the value of `--seconds`.
///
/// # Errors
/// Fails if it is no whole number.
pub(crate) fn seconds(text: &str) -> Result<u32> {
    text.parse()
        .with_context(|| format!("--seconds `{text}` is no whole number"))
}

/// Replays the corpus of each target, then fuzzes each for some seconds.
///
/// # Errors
/// Fails if a target cannot be built or finds something.
pub(crate) fn run(seconds: u32) -> Result<()> {
    let package = place::root().join("fuzz");
    if !package.join("Cargo.toml").is_file() {
        println!("== there are no fuzz targets: fuzz/ has no Cargo.toml");
        return Ok(());
    }
    let triple = host()?;
    let built = package.join("target");
    let mut build = cargo(&[
        "build",
        "--release",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target",
        &triple,
    ]);
    // A target folder of its own: the flags would make cargo build everything else anew.
    build
        .arg("--target-dir")
        .arg(&built)
        .env("RUSTFLAGS", FLAGS.join(" "));
    command::run(&mut build)?;
    for (_, target) in command::targets("fuzz/Cargo.toml", "bin")? {
        let program = built.join(&triple).join("release").join(&target);
        run_target(&package, &program, &target, seconds)?;
    }
    Ok(())
}

fn run_target(package: &Path, program: &Path, target: &str, seconds: u32) -> Result<()> {
    let corpus = package.join("corpus").join(target);
    let artifacts = package.join("artifacts").join(target);
    // libFuzzer writes what it discovers into the first folder: never into the corpus of the repository.
    let discovered = package.join("target").join("corpus").join(target);
    for folder in [&artifacts, &discovered] {
        fs::create_dir_all(folder)?;
    }
    let limits = [
        format!("-artifact_prefix={}/", artifacts.display()),
        "-timeout=10".into(),
        "-rss_limit_mb=2048".into(),
    ];
    if corpus.is_dir() {
        let mut replay = Command::new(program);
        replay
            .args(["-runs=0", "-verbosity=0"])
            .args(&limits)
            .arg(&corpus);
        command::run(&mut replay)?;
    }
    if seconds == 0 {
        return Ok(());
    }
    let mut fuzz = Command::new(program);
    fuzz.args([
        format!("-max_total_time={seconds}"),
        "-verbosity=0".into(),
        "-print_final_stats=1".into(),
    ]);
    fuzz.args(&limits).arg(&discovered);
    if corpus.is_dir() {
        fuzz.arg(&corpus);
    }
    command::run(&mut fuzz)
}

fn host() -> Result<String> {
    let version = command::output(Command::new("rustc").arg("-vV"))?;
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not tell its host")?.to_owned())
}
