//! The binary `suffuse`: server, client and tools.
//!
//! `args` says what the command line can be, `commands` has one file per command, `output` is the only
//! place that prints, `failure` says how a failure is told and which exit code it has.

use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod bench;
mod commands;
mod connection;
mod failure;
mod output;
mod shown;
mod signals;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(report) = failure.report {
                output::note(report);
            }
            ExitCode::from(failure.status as u8)
        }
    }
}
