//! `suffuse bench`: what a server costs, measured from outside.
//!
//! The server is a process of its own, as users run it; its CPU time and memory are what the system says of
//! that process. The clients are as light as they can be: one thread, readiness events, frames by hand; only
//! `storm` uses those of `suffuse-client`.
//!
//! ```text
//!  scenario (fan_out, connect, start, topics)
//!     │ starts             │ drives
//!     ▼                    ▼
//!  process ◄── sockets ── crowd of clients ── frames by `wire`
//! ```

use clap::{Args, Subcommand};

use crate::failure::{Failure, Status};

mod bare;
mod client;
mod connect;
mod crowd;
mod fan_out;
mod measured;
mod process;
mod requests;
mod start;
mod storm;
mod topics;
mod wire;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Measure the time from the start of a server to its first session
    Start(start::StartArgs),
    /// Measure connecting, and the memory of idle sessions
    Connect(connect::ConnectArgs),
    /// Measure updates of one topic to many subscribers
    FanOut(fan_out::FanOutArgs),
    /// Measure how soon sessions are back that all lose their connection at once
    ReconnectStorm(storm::StormArgs),
    /// Measure many topics: adding them, their memory, subscribing to some
    Topics(topics::TopicsArgs),
    /// The program that `fan-out --baseline` compares with
    #[command(hide = true)]
    Bare(bare::BareArgs),
}

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let done = match &args.scenario {
        Scenario::Start(args) => start::run(args),
        Scenario::Connect(args) => connect::run(args),
        Scenario::FanOut(args) => fan_out::run(args),
        Scenario::ReconnectStorm(args) => storm::run(args),
        Scenario::Topics(args) => topics::run(args),
        Scenario::Bare(args) => bare::run(args),
    };
    done.map_err(|error| Failure::new(Status::Error, format!("error[SFX-X020]: {error:#}")))
}
