//! The commands, one file each.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use crate::{
    args::Command,
    failure::{Failure, Status},
};

mod add;
mod config;
mod connect;
mod dev;
mod doctor;
mod drain;
mod fetch;
mod get;
mod ping;
mod remove;
mod serve;
mod services;
mod set;
mod watch;

/// Runs a command to its end.
///
/// # Errors
/// As the command says.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => dev::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Drain(args) => client(drain::run(args)),
        Command::Config(args) => config::run(&args),
        Command::Services(args) => services::run(&args),
        Command::Bench(args) => crate::bench::run(&args),
        Command::Connect(args) => client(connect::run(args)),
        Command::Doctor(args) => client(doctor::run(args)),
        Command::Ping(args) => client(ping::run(args)),
        Command::Watch(args) => client(watch::run(args)),
        Command::Fetch(args) => client(fetch::run(args)),
        Command::Get(args) => client(get::run(args)),
        Command::Add(args) => client(add::run(args)),
        Command::Set(args) => client(set::run(args)),
        Command::Remove(args) => client(remove::run(args)),
    }
}

/// Runs a client. One worker keeps the session alive while this thread waits for a slow standard output.
fn client(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime(1)?.block_on(command)
}

/// Makes a runtime for a number of threads besides this one.
fn runtime(worker_threads: usize) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(worker_threads)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                Status::Error,
                format!("error[SFX-X004]: cannot start threads: {error}"),
            )
        })
}
