//! Everything that can fail, with the test runner's summary as the last line.

use anyhow::Result;

use crate::command::{self, cargo, search_path};
use crate::{fuzz, setup};

pub(crate) fn run() -> Result<()> {
    let missing = setup::run()?;
    command::run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "suffuse-cli",
    ]))?;
    command::run(&mut cargo(&["test", "--workspace", "--doc", "--quiet"]))?;
    fuzz::run(fuzz::SECONDS_DEFAULT)?;

    let mut nextest = cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]);
    if !missing.is_empty() {
        nextest.args(["--filterset", &missing.filterset()]);
    }
    command::run(nextest.env("PATH", search_path()))
}
