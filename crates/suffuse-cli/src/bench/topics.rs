//! `suffuse bench topics`: many topics over the wire.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use super::{
    crowd::{Audience, Crowd},
    measured::Report,
    process::Process,
    requests::{self, Sending, Values},
};
use crate::args::Output;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  suffuse bench topics --topics 1000000 --payload-bytes 100")]
pub(super) struct TopicsArgs {
    /// How many topics are added, in branches of 1,000
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    topics: usize,
    /// The size of each JSON value on the wire, in bytes
    #[arg(long, value_name = "N", default_value_t = 100)]
    payload_bytes: usize,
    /// How many times 1,000 of them are subscribed to
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

/// The topics of one branch, and how many additions are on the way together.
const BRANCH: usize = 1000;

pub(super) fn run(args: &TopicsArgs) -> Result<()> {
    if args.topics < BRANCH || args.rounds == 0 {
        bail!("expected {BRANCH} topics or more, and 1 round or more");
    }
    let values = Values::new(args.payload_bytes)?;
    let process = Process::start(&["dev", "--listen", "127.0.0.1:0", "--no-demo"], None)?;
    let mut crowd = Crowd::new()?;
    let publisher = crowd
        .connect(process.address, requests::PUBLISHER, 1)?
        .start;
    let (bytes, cpu, begin) = (
        process.resident_bytes()?,
        process.cpu_time()?,
        Instant::now(),
    );
    let branches = args.topics / BRANCH;
    for branch in 0..branches {
        add_branch(&mut crowd, publisher, branch, &values)?;
    }
    let (time, cpu, topics) = (
        begin.elapsed(),
        process.cpu_time()? - cpu,
        (branches * BRANCH) as f64,
    );
    let bytes = process.resident_bytes()?.saturating_sub(bytes) as f64;
    let title = format!(
        "topics: {topics} JSON topics of {} bytes, over the wire",
        args.payload_bytes
    );
    let mut report = Report::new(title, args.rounds);
    report.figure("added", "topics/s", [topics / time.as_secs_f64()]);
    report.figure(
        "added",
        "topics/s of server CPU",
        [topics / cpu.as_secs_f64()],
    );
    report.figure("memory of one topic", "bytes", [bytes / topics]);
    let times = (0..args.rounds).map(|_| subscribe(&mut crowd, &process));
    report.figure(
        "subscribe to 1,000 by ?a/b/.*",
        "ms until the last value",
        times.collect::<Result<Vec<_>>>()?,
    );
    report.note("the topics were added in one round");
    report
        .print(args.output)
        .map_err(|failure| anyhow::anyhow!(failure.report.unwrap_or_default()))
}

fn add_branch(crowd: &mut Crowd, publisher: usize, branch: usize, values: &Values) -> Result<()> {
    let first = branch * BRANCH;
    let name = if branch == 0 {
        "b".to_owned()
    } else {
        format!("branch{branch}")
    };
    let messages = (0..BRANCH).map(|leaf| {
        let path = format!("a/{name}/leaf{leaf}");
        requests::add(
            (first + leaf) as i64 + 1,
            &path,
            Sending::Deltas,
            values.make(leaf as u64),
        )
    });
    crowd.send_all(publisher, messages)?;
    crowd.wait(&mut Due {
        answers: BRANCH,
        values: 0,
    })
}

/// Returns the time in milliseconds from the request of a new session to the last of its values.
fn subscribe(crowd: &mut Crowd, process: &Process) -> Result<f64> {
    let client = crowd
        .connect(process.address, requests::SUBSCRIBER, 1)?
        .start;
    let begin = Instant::now();
    crowd.send(client, &requests::subscribe(1, "?a/b/.*"))?;
    crowd.wait(&mut Due {
        answers: 1,
        values: BRANCH,
    })?;
    Ok(begin.elapsed().as_secs_f64() * 1000.0)
}

/// What has still to arrive.
struct Due {
    answers: usize,
    values: usize,
}

impl Audience for Due {
    fn on_message(&mut self, _: usize, message: &[u8]) -> Result<()> {
        match message.first() {
            Some(4) => self.values = self.values.saturating_sub(1),
            Some(6) => self.answers = self.answers.saturating_sub(1),
            Some(0) => {}
            _ => bail!(
                "unexpected message {:02x?}",
                &message[..message.len().min(64)]
            ),
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.answers == 0 && self.values == 0
    }
}
