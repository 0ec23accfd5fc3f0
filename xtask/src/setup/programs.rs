//! Programs that come as Debian packages.

use std::process::Command;
use std::{env, fmt};

use anyhow::{Result, ensure};

use crate::command::{self, succeeds};

/// A program that tests need.
#[derive(Clone, Copy, Debug)]
struct Program {
    /// How the program is started, and arguments with which it succeeds if all is well.
    name: &'static str,
    probe: &'static [&'static str],
    package: &'static str,
    /// A regular expression of the tests that cannot run without it.
    tests: &'static str,
}

const PROGRAMS: [Program; 6] = [
    Program {
        name: "node",
        probe: &["--version"],
        package: "nodejs",
        tests: "^(node|chromium)|^suite::",
    },
    Program {
        name: "npm",
        probe: &["--version"],
        package: "npm",
        tests: "^(node|chromium)|^suite::",
    },
    Program {
        name: "python3",
        probe: &["-c", "import ensurepip, venv"],
        package: "python3-venv",
        tests: "^python|^suite::",
    },
    Program {
        name: "chromium",
        probe: &["--version"],
        package: "chromium",
        tests: "^chromium",
    },
    Program {
        name: "nginx",
        probe: &["-v"],
        package: "nginx-light",
        tests: "nginx",
    },
    Program {
        name: "haproxy",
        probe: &["-v"],
        package: "haproxy",
        tests: "(?i)haproxy",
    },
];

/// Programs that are not here and may not be installed.
#[derive(Debug, Default)]
pub(crate) struct Missing(Vec<Program>);

impl Missing {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|program| program.name == name)
    }

    /// Returns the tests that can run, as an expression of nextest.
    pub(crate) fn filterset(&self) -> String {
        let without = self
            .0
            .iter()
            .map(|program| format!("test(/{}/)", program.tests));
        format!(
            "not (package(suffuse-interop) and ({}))",
            without.collect::<Vec<_>>().join(" or ")
        )
    }

    fn packages(&self) -> Vec<&'static str> {
        self.0.iter().map(|program| program.package).collect()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|program| program.name).collect();
        write!(
            f,
            "{} (Debian: {})",
            names.join(", "),
            self.packages().join(" ")
        )
    }
}

/// Installs what is missing if this is the superuser's process, and says what is missing otherwise.
///
/// # Errors
/// Fails if an installation fails, or if something is missing in CI.
pub(crate) fn install() -> Result<Missing> {
    let mut missing = look();
    if !missing.is_empty() && is_superuser() {
        apt_get(&["update", "--quiet=2"])?;
        let options = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
        apt_get(&[&options, missing.packages().as_slice()].concat())?;
        missing = look();
        ensure!(
            missing.is_empty(),
            "installed, but still missing: {missing}"
        );
    }
    ensure!(
        missing.is_empty() || env::var_os("CI").is_none(),
        "CI needs every program; missing: {missing}"
    );
    if !missing.is_empty() {
        println!("== missing, so their tests do not run: {missing}");
    }
    Ok(missing)
}

fn look() -> Missing {
    Missing(
        PROGRAMS
            .into_iter()
            .filter(|program| !succeeds(program.name, program.probe))
            .collect(),
    )
}

fn is_superuser() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    // Runlevel 1: a package that brings a daemon does not start it.
    command::run(command.env("RUNLEVEL", "1"))
}

#[cfg(test)]
mod tests {
    use super::{Missing, PROGRAMS};

    #[test]
    fn what_is_missing_is_named_and_its_tests_are_left_out() {
        let missing = Missing(PROGRAMS[3..5].to_vec());
        assert_eq!(
            missing.to_string(),
            "chromium, nginx (Debian: chromium nginx-light)"
        );
        let expected = "not (package(suffuse-interop) and (test(/^chromium/) or test(/nginx/)))";
        assert_eq!(missing.filterset(), expected);
        assert!(missing.has("nginx") && !missing.has("haproxy"));
    }
}
