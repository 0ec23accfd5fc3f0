//! The benchmarks.

use anyhow::{Result, bail};

use crate::command::{self, cargo};

pub(crate) fn list() -> Result<()> {
    for (package, bench) in benches()? {
        println!("{bench:20} in {package}");
    }
    Ok(())
}

pub(crate) fn run(name: &str) -> Result<()> {
    let benches = benches()?;
    let Some((package, bench)) = benches.iter().find(|(_, bench)| bench == name) else {
        let known: Vec<&str> = benches.iter().map(|(_, bench)| bench.as_str()).collect();
        bail!(
            "there is no benchmark `{name}`; there are: {}",
            known.join(", ")
        );
    };
    command::run(&mut cargo(&[
        "bench",
        "--package",
        package,
        "--bench",
        bench,
    ]))
}

fn benches() -> Result<Vec<(String, String)>> {
    command::targets("Cargo.toml", "bench")
}
