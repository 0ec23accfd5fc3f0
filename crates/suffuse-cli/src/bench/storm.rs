//! `suffuse bench reconnect-storm`: the connections of all sessions break at once, and all come back.
//!
//! The sessions are those of `suffuse-client`, with its default strategy. Between them and the server is a
//! relay in this process; when it drops its connections, neither end is told anything else.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use suffuse_client::{ConnectEvent, Session, TopicSpecification, TopicType, streams::ValueStream};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    measured::Report,
    process::{self, Process},
};
use crate::args::Output;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  suffuse bench reconnect-storm --sessions 2000")]
pub(super) struct StormArgs {
    /// How many sessions break at once
    #[arg(long, value_name = "N", default_value_t = 2000)]
    sessions: usize,
    /// How often they break
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Bind the server to these CPUs, as taskset names them
    #[arg(long, value_name = "LIST")]
    server_cpus: Option<String>,
    /// text or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    output: Output,
}

const TOPIC: &str = "bench/storm";
/// How many sessions are opened at the same time.
const OPENING_MAX: usize = 64;
/// How long sessions may take before they count as lost: as long as they try.
const PATIENCE: Duration = Duration::from_secs(60);
/// A session has a socket here, and the relay two.
const FILES_PER_SESSION: usize = 3;
/// How many connections may wait for the relay to accept them.
const BACKLOG: u32 = 4096;

pub(super) fn run(args: &StormArgs) -> Result<()> {
    if args.sessions == 0 || args.rounds == 0 {
        bail!("expected 1 or more of everything");
    }
    process::require_files(args.sessions * FILES_PER_SESSION)?;
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--no-demo"];
    let server = Process::start(&arguments, args.server_cpus.as_deref())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let rounds = runtime.block_on(async {
        let mut storm = Storm::prepare(&server, args.sessions).await?;
        let mut rounds = Vec::new();
        for number in 1..=args.rounds {
            rounds.push(storm.measure(number as i64).await?);
        }
        anyhow::Ok(rounds)
    })?;
    report(args, &rounds)
        .print(args.output)
        .map_err(|failure| anyhow::anyhow!(failure.report.unwrap_or_default()))
}

fn report(args: &StormArgs, rounds: &[Round]) -> Report {
    let title = format!(
        "reconnect-storm: {} WebSocket sessions, with the default strategy",
        args.sessions
    );
    let mut report = Report::new(title, rounds.len());
    let mut figure =
        |name: &str, unit, of: fn(&Round) -> f64| report.figure(name, unit, rounds.iter().map(of));
    figure("until half are back", "s", |round| round.back_after(50));
    figure("until 99 of 100 are back", "s", |round| {
        round.back_after(99)
    });
    figure("until all are back", "s", |round| round.back_after(100));
    figure("told that messages are lost", "sessions", |round| {
        round.told_losses as f64
    });
    figure("CPU of the server meanwhile", "s", |round| {
        round.server_cpu.as_secs_f64()
    });
    report.note("every session got the value that was set while all were away");
    report
}

/// One storm.
struct Round {
    /// When each session was back, in order.
    back: Vec<Duration>,
    told_losses: usize,
    server_cpu: Duration,
}

impl Round {
    /// Returns after how many seconds so many of 100 were back.
    fn back_after(&self, percent: usize) -> f64 {
        let count = (self.back.len() * percent).div_ceil(100);
        let last = count.checked_sub(1).and_then(|index| self.back.get(index));
        last.map_or(f64::NAN, Duration::as_secs_f64)
    }
}

/// A session is back: when, and whether messages are lost.
type Back = (Instant, bool);

struct Storm<'a> {
    server: &'a Process,
    publisher: Session,
    /// The streams keep their sessions.
    sessions: Vec<(Session, ValueStream<i64>)>,
    back: mpsc::UnboundedReceiver<Back>,
    cut: watch::Sender<()>,
}

impl<'a> Storm<'a> {
    async fn prepare(server: &'a Process, count: usize) -> Result<Self> {
        let (cut, relay) = start_relay(server.address)?;
        let (sender, back) = mpsc::unbounded_channel();
        let publisher = builder(server.address).open().await?;
        let specification = TopicSpecification::new(TopicType::INT64);
        publisher
            .topics()
            .add_and_set(TOPIC, specification, &0)
            .await?;
        let sessions = stream::iter(0..count)
            .map(|_| open(relay, sender.clone()))
            .buffer_unordered(OPENING_MAX)
            .try_collect()
            .await?;
        Ok(Self {
            server,
            publisher,
            sessions,
            back,
            cut,
        })
    }

    async fn measure(&mut self, number: i64) -> Result<Round> {
        let cpu = self.server.cpu_time()?;
        let begin = Instant::now();
        self.cut.send_replace(());
        self.publisher.topics().set(TOPIC, &number).await?;
        let (mut back, mut told_losses) = (Vec::new(), 0);
        while back.len() < self.sessions.len() {
            let Ok(Some((when, is_lost))) = timeout(PATIENCE, self.back.recv()).await else {
                bail!(
                    "only {} of {} sessions came back",
                    back.len(),
                    self.sessions.len()
                );
            };
            back.push(when.duration_since(begin));
            told_losses += usize::from(is_lost);
        }
        back.sort_unstable();
        let server_cpu = self.server.cpu_time()? - cpu;
        for (session, values) in &mut self.sessions {
            let seen = timeout(PATIENCE, see(values, number)).await;
            seen.with_context(|| format!("session {} did not get the last value", session.id()))??;
        }
        Ok(Round {
            back,
            told_losses,
            server_cpu,
        })
    }
}

/// Reads a stream until a value comes.
async fn see(values: &mut ValueStream<i64>, number: i64) -> Result<()> {
    while let Some(update) = values.next().await {
        if update.value? == number {
            return Ok(());
        }
    }
    bail!("a session ended")
}

async fn open(
    address: SocketAddr,
    back: mpsc::UnboundedSender<Back>,
) -> Result<(Session, ValueStream<i64>)> {
    let on_event = move |event| {
        if let ConnectEvent::Recovered { lost, .. } = event {
            // At the end nobody counts any more.
            let _ = back.send((Instant::now(), lost));
        }
    };
    let session = builder(address).on_event(on_event).open().await?;
    let values = session.topics().stream(TOPIC).await?;
    Ok((session, values))
}

fn builder(address: SocketAddr) -> suffuse_client::Builder {
    Session::builder()
        .url(format!("ws://{address}/diffusion"))
        .principal("admin")
        .credentials("password")
}

/// Starts a relay to the server. All its connections end with each message of the sender.
fn start_relay(server: SocketAddr) -> Result<(watch::Sender<()>, SocketAddr)> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let (sender, cut) = watch::channel(());
    tokio::spawn(relay(listener, server, cut));
    Ok((sender, address))
}

async fn relay(listener: TcpListener, server: SocketAddr, cut: watch::Receiver<()>) {
    while let Ok((client, _)) = listener.accept().await {
        let mut cut = cut.clone();
        cut.mark_unchanged();
        tokio::spawn(async move {
            tokio::select! {
                _ = pass_on(client, server) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
