//! `suffuse bench connect`: what connecting costs, and what sessions keep while they are idle.

use std::{net::SocketAddr, time::Instant};

use anyhow::{Result, bail};
use clap::Args;

use super::{crowd::Crowd, measured::Report, process::Process, requests};
use crate::args::Output;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  suffuse bench connect
  suffuse bench connect --sessions 1000 --rounds 9 --output json")]
pub(super) struct ConnectArgs {
    /// How many sessions there are at the same time
    #[arg(long, value_name = "N", default_value_t = 5000)]
    sessions: usize,
    /// How many rounds are measured, each with a new server
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Bind the servers to these CPUs, as taskset names them
    #[arg(long, value_name = "LIST")]
    server_cpus: Option<String>,
    /// A server that runs already, instead of own ones; one round
    #[arg(long, value_name = "ADDR:PORT", requires = "pid")]
    server: Option<SocketAddr>,
    /// The process of that server
    #[arg(long, value_name = "PID", requires = "server")]
    pid: Option<u32>,
    /// text or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    output: Output,
}

struct Round {
    connects_per_cpu_second: f64,
    connects_per_second: f64,
    bytes_per_session: f64,
    bytes_before: f64,
}

pub(super) fn run(args: &ConnectArgs) -> Result<()> {
    if args.sessions == 0 || args.rounds == 0 {
        bail!("expected 1 or more of everything");
    }
    let rounds = match args.server.zip(args.pid) {
        Some((address, pid)) => vec![measure(&Process::running(pid, address), args.sessions)?],
        None => (0..args.rounds)
            .map(|_| measure_new(args))
            .collect::<Result<Vec<_>>>()?,
    };
    let title = format!(
        "connect: {} WebSocket sessions, which then are idle",
        args.sessions
    );
    let mut report = Report::new(title, rounds.len());
    let mut figure =
        |name: &str, unit, of: fn(&Round) -> f64| report.figure(name, unit, rounds.iter().map(of));
    figure("connects", "per s of server CPU", |round| {
        round.connects_per_cpu_second
    });
    figure("connects", "per s of time", |round| {
        round.connects_per_second
    });
    figure("memory of one session", "bytes", |round| {
        round.bytes_per_session
    });
    figure("memory of the server before", "bytes", |round| {
        round.bytes_before
    });
    report.note("memory is what is resident of the process (VmRSS)");
    report
        .print(args.output)
        .map_err(|failure| anyhow::anyhow!(failure.report.unwrap_or_default()))
}

fn measure_new(args: &ConnectArgs) -> Result<Round> {
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--no-demo"];
    measure(
        &Process::start(&arguments, args.server_cpus.as_deref())?,
        args.sessions,
    )
}

fn measure(process: &Process, sessions: usize) -> Result<Round> {
    let (bytes, cpu, begin) = (
        process.resident_bytes()?,
        process.cpu_time()?,
        Instant::now(),
    );
    let mut crowd = Crowd::new()?;
    crowd.connect(process.address, requests::SUBSCRIBER, sessions)?;
    let (time, cpu, count) = (begin.elapsed(), process.cpu_time()? - cpu, sessions as f64);
    Ok(Round {
        connects_per_cpu_second: count / cpu.as_secs_f64(),
        connects_per_second: count / time.as_secs_f64(),
        bytes_per_session: process.resident_bytes()?.saturating_sub(bytes) as f64 / count,
        bytes_before: bytes as f64,
    })
}
