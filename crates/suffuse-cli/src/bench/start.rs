//! `suffuse bench start`: from the start of the process to the first session.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use super::{crowd::Crowd, measured::Report, process::Process, requests};
use crate::args::Output;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  suffuse bench start --rounds 20")]
pub(super) struct StartArgs {
    /// How often a server is started
    #[arg(long, value_name = "N", default_value_t = 11)]
    rounds: usize,
    /// text or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    output: Output,
}

pub(super) fn run(args: &StartArgs) -> Result<()> {
    if args.rounds == 0 {
        bail!("expected 1 round or more");
    }
    let rounds = (0..args.rounds)
        .map(|_| measure())
        .collect::<Result<Vec<_>>>()?;
    let mut report = Report::new("start: `suffuse dev` without any file", rounds.len());
    report.figure(
        "until it listens",
        "ms",
        rounds.iter().map(|round| round.listens),
    );
    report.figure(
        "until the first session",
        "ms",
        rounds.iter().map(|round| round.has_session),
    );
    report.figure(
        "memory then",
        "bytes",
        rounds.iter().map(|round| round.resident_bytes),
    );
    report
        .print(args.output)
        .map_err(|failure| anyhow::anyhow!(failure.report.unwrap_or_default()))
}

/// Times since the start of the process, in milliseconds.
struct Round {
    listens: f64,
    has_session: f64,
    resident_bytes: f64,
}

fn measure() -> Result<Round> {
    let begin = Instant::now();
    let process = Process::start(&["dev", "--listen", "127.0.0.1:0"], None)?;
    let listens = begin.elapsed();
    Crowd::new()?.connect(process.address, requests::SUBSCRIBER, 1)?;
    let has_session = begin.elapsed();
    let [listens, has_session] = [listens, has_session].map(|time| time.as_secs_f64() * 1000.0);
    Ok(Round {
        listens,
        has_session,
        resident_bytes: process.resident_bytes()? as f64,
    })
}
