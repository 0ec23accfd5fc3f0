//! Running other programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::{env, fmt};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use suffuse_interop::place;

/// Returns a cargo command in the folder of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place::root());
    command
}

/// Runs a command to its end, after a line that says so.
///
/// # Errors
/// Fails if it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = Shown(command).to_string();
    println!("== {shown}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    ensure!(status.success(), "{shown} ended with {status}");
    Ok(())
}

/// Runs a command and returns its output.
///
/// # Errors
/// Fails if it cannot be started or does not succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = Shown(command).to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    ensure!(
        status.success(),
        "{shown} ended with {status}: {}",
        String::from_utf8_lossy(&stderr)
    );
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Tells whether a command can be started and succeeds. Its output is not shown.
pub(crate) fn succeeds(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", search_path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Returns where programs are looked for: also where Debian keeps its daemons.
pub(crate) fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default())
}

/// Returns package and name of each target of a kind (`bench`, `bin`), as cargo knows them.
///
/// # Errors
/// Fails if cargo cannot read the manifest.
pub(crate) fn targets(manifest: &str, kind: &str) -> Result<Vec<(String, String)>> {
    let metadata = [
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--manifest-path",
        manifest,
    ];
    let metadata: Value = serde_json::from_str(&output(&mut cargo(&metadata))?)?;
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let kinds = target["kind"].as_array().into_iter().flatten();
            if let (true, Some(package), Some(target)) = (
                kinds.into_iter().any(|one| one == kind),
                package["name"].as_str(),
                target["name"].as_str(),
            ) {
                found.push((package.to_owned(), target.to_owned()));
            }
        }
    }
    Ok(found)
}

/// A command line, with paths below the repository made short.
struct Shown<'a>(&'a Command);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = Path::new(self.0.get_program());
        write!(f, "{}", program.file_name().unwrap_or_default().display())?;
        for argument in self.0.get_args() {
            let path = Path::new(argument);
            write!(
                f,
                " {}",
                path.strip_prefix(place::root()).unwrap_or(path).display()
            )?;
        }
        Ok(())
    }
}
