//! Where things are: folders of the repository, the binary under test, interpreters.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Returns the folder of the repository.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Returns the folder of the scripts.
pub fn interop() -> PathBuf {
    root().join("interop")
}

/// Returns the document that says how each case went.
pub fn report() -> PathBuf {
    root().join("docs").join("interop.md")
}

/// Returns cargo's target folder: the one that this program was built into.
///
/// # Errors
/// Fails if the program runs from somewhere else.
pub fn target() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot tell where this program is")?;
    let marked = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let folder =
        marked.with_context(|| format!("{} is in no target folder of cargo", program.display()))?;
    Ok(folder.to_owned())
}

/// Returns the binary under test: `SUFFUSE_BINARY`, or the release build.
///
/// # Errors
/// Fails if it is not there.
pub fn binary() -> Result<PathBuf> {
    let chosen = env::var_os("SUFFUSE_BINARY").map(PathBuf::from);
    let path = chosen.map_or_else(
        || target().map(|folder| folder.join("release").join("suffuse")),
        Ok,
    )?;
    let advice = "build it with `cargo build --release`, or run `cargo xtask test`";
    ensure!(
        path.is_file(),
        "there is no binary {}: {advice}",
        path.display()
    );
    Ok(path)
}

/// Returns the folder of the Python environment that holds the published client.
pub fn python_environment() -> PathBuf {
    interop().join(".cache").join("venv")
}

/// Returns the folder of the Python environment that holds load balancers.
pub fn balancers() -> PathBuf {
    interop().join(".cache").join("balancers")
}

/// Returns how a program is started: by a path, if `cargo xtask test` put it into the repository's
/// cache, else by its name.
pub fn program(name: &str) -> PathBuf {
    let cached = balancers().join("bin").join(name);
    if cached.is_file() {
        cached
    } else {
        name.into()
    }
}
