//! `suffuse bench fan-out`: updates of one topic to many subscribers, beside a bare program that writes the
//! same bytes, or beside the same through a load balancer.
//!
//! Every subscriber applies every delta, and checks that the number in the value is the one after that
//! before it: an update that is lost, repeated or out of order ends the measurement with an error.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Args;
use suffuse_proto::value::delta;

use super::{
    crowd::{Audience, Crowd},
    measured::Report,
    process::{self, Process},
    requests::{self, Sending, Values},
};
use crate::args::Output;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  suffuse bench fan-out --baseline                    one update at a time, beside a bare epoll program
  suffuse bench fan-out --baseline --in-flight 16     16 updates at a time
  suffuse bench fan-out --server 127.0.0.1:8080 --pid 4711   a server that runs already
  suffuse bench fan-out --server 127.0.0.1:8101 --pid 4711 --through 127.0.0.1:8080
                                                      what it costs that server to be behind a balancer")]
pub(super) struct FanOutArgs {
    /// How many sessions watch the topic
    #[arg(long, value_name = "N", default_value_t = 1000)]
    subscribers: usize,
    /// How many updates each round has
    #[arg(long, value_name = "N", default_value_t = 1600)]
    updates: u64,
    /// How many updates are on the way before all subscribers have them
    #[arg(long, value_name = "N", default_value_t = 1)]
    in_flight: u64,
    /// The size of the JSON value on the wire, in bytes
    #[arg(long, value_name = "N", default_value_t = 125)]
    payload_bytes: usize,
    /// Send whole values, not deltas
    #[arg(long)]
    values_only: bool,
    /// Measure a bare epoll program as well, in turns
    #[arg(long)]
    baseline: bool,
    /// How many rounds are measured
    #[arg(long, value_name = "N", default_value_t = 7)]
    rounds: usize,
    /// Bind the servers to these CPUs, as taskset names them
    #[arg(long, value_name = "LIST")]
    server_cpus: Option<String>,
    /// A server that runs already, instead of an own one
    #[arg(long, value_name = "ADDR:PORT", requires = "pid")]
    server: Option<SocketAddr>,
    /// The process of that server
    #[arg(long, value_name = "PID", requires = "server")]
    pid: Option<u32>,
    /// A load balancer before that server: measure it as well, in turns
    #[arg(
        long,
        value_name = "ADDR:PORT",
        requires = "server",
        conflicts_with = "baseline"
    )]
    through: Option<SocketAddr>,
    /// text or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    output: Output,
}

const TOPIC: &str = "bench/fan-out";
/// The topic of the subscribers behind a balancer, who have the same server.
const TOPIC_THROUGH: &str = "bench/fan-out/through";
/// The updates before the first round: all recovery rings are full then.
const WARM_UP: u64 = 320;

pub(super) fn run(args: &FanOutArgs) -> Result<()> {
    if args.subscribers == 0 || args.updates == 0 || args.in_flight == 0 || args.rounds == 0 {
        bail!("expected 1 or more of everything");
    }
    let cpus = args.server_cpus.as_deref();
    let server = match args.server.zip(args.pid) {
        Some((address, pid)) => Process::running(pid, address),
        None => Process::start(&["dev", "--listen", "127.0.0.1:0", "--no-demo"], cpus)?,
    };
    let mut server = Subject::new(server, TOPIC, args)?;
    let mut other = other(args)?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let server = server.measure(args)?;
        let other = other
            .as_mut()
            .map(|other| other.measure(args))
            .transpose()?;
        rounds.push((server, other));
    }
    let report = report(args, &rounds);
    report
        .print(args.output)
        .map_err(|failure| anyhow::anyhow!(failure.report.unwrap_or_default()))
}

/// Returns what the server is compared with, if anything.
fn other(args: &FanOutArgs) -> Result<Option<Subject>> {
    if let Some((address, pid)) = args.through.zip(args.pid) {
        let server = Process::running(pid, address);
        return Subject::new(server, TOPIC_THROUGH, args).map(Some);
    }
    let bare = args.baseline.then(|| start_bare(args)).transpose()?;
    bare.map(|bare| Subject::new(bare, TOPIC, args)).transpose()
}

fn start_bare(args: &FanOutArgs) -> Result<Process> {
    let mut arguments = vec!["bench", "bare"];
    arguments.extend(args.values_only.then_some("--values-only"));
    Process::start(&arguments, args.server_cpus.as_deref())
}

fn report(args: &FanOutArgs, rounds: &[(Round, Option<Round>)]) -> Report {
    let FanOutArgs {
        subscribers,
        payload_bytes,
        in_flight,
        ..
    } = args;
    let title = format!(
        "fan-out: {subscribers} WebSocket subscribers, {payload_bytes}-byte JSON, {in_flight} on the way together"
    );
    let mut report = Report::new(title, rounds.len());
    let servers = || rounds.iter().map(|(server, _)| server);
    let others = || rounds.iter().filter_map(|(_, other)| other.as_ref());
    let unit = "deliveries/s of server CPU";
    report.figure("suffuse", unit, servers().map(Round::per_cpu_second));
    let beside = match (args.through, args.baseline) {
        (Some(_), _) => Some("suffuse behind the balancer"),
        (None, true) => Some("bare epoll program"),
        (None, false) => None,
    };
    if let Some(name) = beside {
        report.figure(name, unit, others().map(Round::per_cpu_second));
        let ratio = |(server, other): (&Round, &Round)| match args.through {
            Some(_) => other.per_cpu_second() / server.per_cpu_second(),
            None => server.per_cpu_second() / other.per_cpu_second(),
        };
        report.figure("ratio", "", servers().zip(others()).map(ratio));
    }
    report.figure(
        "suffuse",
        "ns of server CPU per delivery",
        servers().map(|round| 1e9 / round.per_cpu_second()),
    );
    report.figure(
        "suffuse",
        "deliveries/s of time",
        servers().map(Round::per_second),
    );
    if let Some(name) = beside {
        let time = others().map(Round::per_second);
        report.figure(name, "deliveries/s of time", time);
    }
    report.figure(
        "the clients",
        "s of CPU per s",
        servers().map(Round::client_load),
    );
    report.figure(
        "sent",
        "bytes per delivery",
        servers().map(Round::bytes_per_delivery),
    );
    report.note(match args.values_only {
        true => "every update as a whole value",
        false => "every update as a delta where that is shorter (the default)",
    });
    report.note(match &args.server_cpus {
        Some(cpus) => format!("the servers were bound to CPU {cpus} by taskset"),
        None => "nothing was bound to a CPU".to_owned(),
    });
    report.note("no update was lost or out of order");
    report
}

/// What is measured: a server, its publisher and its subscribers.
struct Subject {
    process: Process,
    topic: &'static str,
    crowd: Crowd,
    publisher: usize,
    subscribers: Subscribers,
    values: Values,
}

/// One measurement.
struct Round {
    deliveries: f64,
    bytes: f64,
    time: Duration,
    server_cpu: Duration,
    client_cpu: Duration,
}

impl Round {
    fn per_cpu_second(&self) -> f64 {
        self.deliveries / self.server_cpu.as_secs_f64()
    }

    fn per_second(&self) -> f64 {
        self.deliveries / self.time.as_secs_f64()
    }

    fn client_load(&self) -> f64 {
        self.client_cpu.as_secs_f64() / self.time.as_secs_f64()
    }

    fn bytes_per_delivery(&self) -> f64 {
        self.bytes / self.deliveries
    }
}

impl Subject {
    fn new(process: Process, topic: &'static str, args: &FanOutArgs) -> Result<Self> {
        let values = Values::new(args.payload_bytes)?;
        let sending = if args.values_only {
            Sending::Values
        } else {
            Sending::Deltas
        };
        let mut crowd = Crowd::new()?;
        let publisher = crowd
            .connect(process.address, requests::PUBLISHER, 1)?
            .start;
        let watching = crowd.connect(process.address, requests::SUBSCRIBER, args.subscribers)?;
        let mut subscribers = Subscribers::new(publisher, args.subscribers, values.clone());
        crowd.send(publisher, &requests::add(1, topic, sending, values.make(0)))?;
        subscribers.answers_due = 1;
        crowd.wait(&mut subscribers)?;
        subscribers.behind = args.subscribers;
        for client in watching {
            crowd.send(client, &requests::subscribe(1, topic))?;
        }
        crowd.wait(&mut subscribers)?;
        let mut subject = Self {
            process,
            topic,
            crowd,
            publisher,
            subscribers,
            values,
        };
        subject.publish(WARM_UP.max(args.in_flight), args.in_flight)?;
        Ok(subject)
    }

    fn measure(&mut self, args: &FanOutArgs) -> Result<Round> {
        // While others were measured, the server may have asked whether the clients are still there.
        self.crowd.stay_alive()?;
        let (begin, server_cpu, client_cpu) = (
            Instant::now(),
            self.process.cpu_time()?,
            process::own_cpu_time()?,
        );
        let before = self.subscribers.counts;
        self.publish(args.updates, args.in_flight)?;
        let counts = self.subscribers.counts;
        Ok(Round {
            deliveries: (counts.deliveries - before.deliveries) as f64,
            bytes: (counts.bytes - before.bytes) as f64,
            time: begin.elapsed(),
            server_cpu: self.process.cpu_time()? - server_cpu,
            client_cpu: process::own_cpu_time()? - client_cpu,
        })
    }

    /// Publishes updates in groups, each when all subscribers have the one before.
    fn publish(&mut self, updates: u64, in_flight: u64) -> Result<()> {
        let mut left = updates;
        while left > 0 {
            let group = left.min(in_flight);
            let first = self.subscribers.goal + 1;
            let messages = (first..first + group).map(|number| {
                // The conversation 1 was the topic's addition.
                requests::set(number as i64 + 1, self.topic, self.values.make(number))
            });
            self.subscribers.expect(group);
            self.crowd.send_all(self.publisher, messages)?;
            self.crowd.wait(&mut self.subscribers)?;
            left -= group;
        }
        Ok(())
    }
}

/// What the subscribers have got.
struct Subscribers {
    publisher: usize,
    watched: Vec<Watched>,
    values: Values,
    /// The number of the last update that was published.
    goal: u64,
    /// How many subscribers do not have it.
    behind: usize,
    /// How many answers the publisher waits for.
    answers_due: u64,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    deliveries: u64,
    bytes: u64,
}

#[derive(Clone, Debug, Default)]
struct Watched {
    value: Bytes,
    number: Option<u64>,
}

impl Subscribers {
    fn new(publisher: usize, count: usize, values: Values) -> Self {
        Self {
            publisher,
            watched: vec![Watched::default(); publisher + 1 + count],
            values,
            goal: 0,
            behind: 0,
            answers_due: 0,
            counts: Counts::default(),
        }
    }

    fn expect(&mut self, updates: u64) {
        self.goal += updates;
        self.behind = self.watched.len() - self.publisher - 1;
        self.answers_due = updates;
    }

    fn on_value(&mut self, client: usize, value: Bytes, bytes: usize) -> Result<()> {
        let watched = &mut self.watched[client];
        let number = self
            .values
            .number(&value)
            .context("a value is not one that was set")?;
        let expected = watched.number.map_or(self.goal, |last| last + 1);
        if number != expected {
            bail!(
                "subscriber {client} got update {number} instead of {expected}: lost, repeated or out of order"
            );
        }
        *watched = Watched {
            value,
            number: Some(number),
        };
        self.behind -= usize::from(number == self.goal);
        self.counts.deliveries += 1;
        self.counts.bytes += bytes as u64;
        Ok(())
    }
}

impl Audience for Subscribers {
    fn on_message(&mut self, client: usize, message: &[u8]) -> Result<()> {
        match message {
            [4, _, _, _, _, value @ ..] => {
                self.on_value(client, Bytes::copy_from_slice(value), message.len())
            }
            [5, _, _, _, _, delta @ ..] => {
                let value = delta::apply(&self.watched[client].value, delta, usize::MAX)?;
                self.on_value(client, value, message.len())
            }
            // Answers of the publisher, and of subscriptions.
            [6, ..] if client == self.publisher => {
                self.answers_due = self.answers_due.saturating_sub(1);
                Ok(())
            }
            // Answers to subscriptions, their notices, and pings.
            [6 | 0, ..] => Ok(()),
            other => bail!(
                "client {client} got the unexpected message {:02x?}",
                &other[..other.len().min(32)]
            ),
        }
    }

    fn is_done(&self) -> bool {
        self.behind == 0 && self.answers_due == 0
    }
}
