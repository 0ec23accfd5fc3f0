//! `suffuse watch`: prints topics as they change.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use serde_json::json;
use suffuse_client::{
    UnsubscriptionReason,
    streams::{NoticeStream, Received, TopicNotice, Update},
    topic::Raw,
};
use suffuse_proto::{Path, value};
use tokio::time::MissedTickBehavior;

use crate::{
    args::{Output, WatchArgs},
    connection::{self, Connected, with_session},
    failure::Failure,
    output::{self, Results},
    shown,
    signals::StopSignals,
};

/// How often counts are printed.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: WatchArgs) -> Result<(), Failure> {
    let mut stop = StopSignals::new()?;
    let begin = Instant::now();
    with_session(&args.connection, async |connected| {
        let session = &connected.session;
        let stream = connected
            .answer(session.topics().notices::<Raw>(args.selector.as_str()))
            .await?;
        let millis = begin.elapsed().as_secs_f64() * 1000.0;
        output::note(format_args!(
            "connected  {}  session {}  {millis:.0} ms",
            session.transport(),
            session.id()
        ));
        match args.stats {
            true => print_stats(connected, stream, &args, &mut stop).await,
            false => print_notices(connected, stream, &args, &mut stop).await,
        }
    })
    .await
}

async fn print_notices(
    connected: &Connected,
    mut stream: NoticeStream<Raw>,
    args: &WatchArgs,
    stop: &mut StopSignals,
) -> Result<(), Failure> {
    let mut results = Results::new();
    loop {
        let notice = tokio::select! {
            biased;
            _ = stop.next() => return results.flush(),
            notice = next_or_flush(&mut stream, &mut results) => notice?,
        };
        let Some(notice) = notice else {
            results.flush()?;
            return Err(connection::ended(&connected.session.closed().await));
        };
        if let Some(line) = rendered(&notice, args) {
            results.line(line)?;
        }
    }
}

/// Returns the next notice; what was printed becomes visible before a wait.
async fn next_or_flush(
    stream: &mut NoticeStream<Raw>,
    results: &mut Results,
) -> Result<Option<TopicNotice<Raw>>, Failure> {
    if let Some(notice) = stream.next().now_or_never() {
        return Ok(notice);
    }
    results.flush()?;
    Ok(stream.next().await)
}

fn rendered(notice: &TopicNotice<Raw>, args: &WatchArgs) -> Option<String> {
    match (notice, args.connection.output) {
        (TopicNotice::Value(update), Output::Json) => {
            let topic_type = update.specification.topic_type;
            Some(shown::document(update.path.as_str(), topic_type, Some(&update.raw)).to_string())
        }
        (TopicNotice::Value(update), Output::Text) if args.values => {
            let text = value::to_display(update.specification.topic_type, &update.raw);
            Some(output::printable(&text))
        }
        (TopicNotice::Value(update), Output::Text) => Some(update_line(update)),
        (TopicNotice::Unsubscribed { path, reason, .. }, _) if !args.values => {
            Some(end_line(path, *reason, args.connection.output))
        }
        (TopicNotice::Unsubscribed { .. } | TopicNotice::Subscribed { .. }, _) => None,
        (_, _) => None,
    }
}

fn update_line(update: &Update<Raw>) -> String {
    let line = shown::line(
        update.path.as_str(),
        update.specification.topic_type,
        Some(&update.raw),
    );
    match update.received {
        Received::Delta { bytes } => {
            format!("{line}  (delta of {bytes} bytes for {})", update.raw.len())
        }
        Received::Value { .. } | Received::Cached => line,
    }
}

fn end_line(path: &Path, reason: UnsubscriptionReason, output: Output) -> String {
    let word = match reason {
        UnsubscriptionReason::Removed => "removed",
        UnsubscriptionReason::Requested => "unsubscribed",
        UnsubscriptionReason::Control => "unsubscribed by the server or another session",
        UnsubscriptionReason::Authorization => "may not be read any more",
        UnsubscriptionReason::BackPressure => "unsubscribed: this session was too slow",
        UnsubscriptionReason::BranchMappings => "unsubscribed: the branch mappings changed",
        UnsubscriptionReason::SubscriptionRefresh => "begins anew: messages were lost",
        UnsubscriptionReason::Unknown | _ => "unsubscribed for an unknown reason",
    };
    match output {
        Output::Text => format!("{}  ({word})", output::printable(path.as_str())),
        Output::Json => json!({ "path": path.as_str(), "end": word }).to_string(),
    }
}

/// What came since the last line.
#[derive(Debug, Default)]
struct Counts {
    values: u64,
    deltas: u64,
    received_bytes: usize,
    value_bytes: usize,
    missed: u64,
}

impl Counts {
    fn add(&mut self, update: &Update<Raw>) {
        self.value_bytes += update.raw.len();
        self.missed += update.missed;
        match update.received {
            Received::Delta { bytes } => {
                self.deltas += 1;
                self.received_bytes += bytes;
            }
            Received::Value { bytes } => {
                self.values += 1;
                self.received_bytes += bytes;
            }
            Received::Cached => self.values += 1,
        }
    }

    fn line(&self, topics: usize, output: Output) -> String {
        let updates = self.values + self.deltas;
        match output {
            Output::Text => format!(
                "{topics} topics  {updates} updates  {} deltas  {} bytes of topic data for {} bytes of values  {} missed",
                self.deltas, self.received_bytes, self.value_bytes, self.missed
            ),
            Output::Json => json!({
                "topics": topics, "updates": updates, "deltas": self.deltas,
                "received_bytes": self.received_bytes, "value_bytes": self.value_bytes, "missed": self.missed,
            })
            .to_string(),
        }
    }
}

async fn print_stats(
    connected: &Connected,
    mut stream: NoticeStream<Raw>,
    args: &WatchArgs,
    stop: &mut StopSignals,
) -> Result<(), Failure> {
    let mut topics = BTreeSet::new();
    let mut counts = Counts::default();
    let mut second =
        tokio::time::interval_at(tokio::time::Instant::now() + STATS_INTERVAL, STATS_INTERVAL);
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let notice = tokio::select! {
            biased;
            _ = stop.next() => return Ok(()),
            _ = second.tick() => {
                output::result(std::mem::take(&mut counts).line(topics.len(), args.connection.output))?;
                continue;
            }
            notice = stream.next() => notice,
        };
        match notice {
            Some(TopicNotice::Value(update)) => counts.add(&update),
            Some(TopicNotice::Subscribed { path, .. }) => drop(topics.insert(path)),
            Some(TopicNotice::Unsubscribed { path, .. }) => drop(topics.remove(&path)),
            Some(_) => {}
            None => return Err(connection::ended(&connected.session.closed().await)),
        }
    }
}
