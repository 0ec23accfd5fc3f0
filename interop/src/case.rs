//! One case of one client: how it is run, and how it went.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::catalogue::{Case, Runtime};
use crate::place;
use crate::scene::Scene;

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client saw what it should see.
    Works,
    /// The server answered that it has no such service (error 104).
    NotBuilt,
    /// The client saw something else; says what.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Works => "works",
            Self::NotBuilt => "not built",
            Self::Failed(detail) => detail,
        })
    }
}

impl Case {
    /// Runs the case against a server of its own.
    ///
    /// # Errors
    /// Fails if the server or the script cannot be run, or if the server ends during the case.
    pub fn run(&self) -> Result<Outcome> {
        let mut scene = Scene::set(self.feature.stage)?;
        let output = self
            .command(&scene)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output();
        let output = output.with_context(|| {
            format!("cannot run the script of {self}; `cargo xtask test` sets it up")
        })?;
        let outcome = outcome_in(&String::from_utf8_lossy(&output.stdout))?;
        if !matches!(outcome, Outcome::Failed(_)) {
            scene.check()?;
        }
        Ok(outcome)
    }

    fn command(&self, scene: &Scene) -> Command {
        let mut command = match self.client.runtime() {
            Runtime::Node => {
                let mut node = Command::new("node");
                node.arg("run.mjs").arg(self.client.name());
                node
            }
            Runtime::Python => python(),
        };
        command
            .arg(self.feature.name)
            .arg(scene.url())
            .arg(scene.pid().to_string())
            .env("SUFFUSE_PASSWORD", scene.password());
        if let Some((url, root)) = scene.secure() {
            command
                .env("SUFFUSE_SECURE_URL", url)
                .env("NODE_EXTRA_CA_CERTS", root);
        }
        command.envs(scene.forward_proxy().map(|proxy| ("SUFFUSE_PROXY", proxy)));
        command.current_dir(place::interop());
        command
    }
}

/// Returns the names of the cases that the scripts of a client have.
///
/// # Errors
/// Fails if the script cannot be run.
pub fn listed(runtime: Runtime, client: &str) -> Result<Vec<String>> {
    let mut command = match runtime {
        Runtime::Node => {
            let mut node = Command::new("node");
            node.args(["run.mjs", "--list", client]);
            node
        }
        Runtime::Python => {
            let mut python = python();
            python.arg("--list");
            python
        }
    };
    let output = command
        .current_dir(place::interop())
        .output()
        .context("cannot run the script")?;
    if !output.status.success() {
        bail!(
            "the script ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}

fn python() -> Command {
    let mut python = Command::new(place::python_environment().join("bin").join("python"));
    // -B: the repository stays free of compiled scripts.
    python.args(["-B", "run.py"]);
    python
}

/// Reads the last line of a script's output. What a client's library prints may stand before it.
fn outcome_in(output: &str) -> Result<Outcome> {
    let last = output.lines().next_back().unwrap_or_default();
    let Ok(result) = serde_json::from_str::<Value>(last) else {
        bail!("the script said no result; its output was: {output:?}");
    };
    let detail = result["detail"].as_str().unwrap_or_default();
    Ok(match result["outcome"].as_str() {
        Some("works") => Outcome::Works,
        Some("not built") => Outcome::NotBuilt,
        Some(_) | None => Outcome::Failed(detail.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, outcome_in};

    #[test]
    fn the_last_line_of_a_script_says_how_it_went() {
        for (output, expected) in [
            ("{\"outcome\":\"works\"}\n", Outcome::Works),
            (
                "noise\n{\"outcome\":\"not built\",\"detail\":\"error 104\"}\n",
                Outcome::NotBuilt,
            ),
            (
                "{\"outcome\":\"failed\",\"detail\":\"why\"}\n",
                Outcome::Failed("why".to_owned()),
            ),
        ] {
            assert_eq!(outcome_in(output).unwrap(), expected, "{output}");
        }
        outcome_in("noise").unwrap_err();
        outcome_in("").unwrap_err();
    }
}
