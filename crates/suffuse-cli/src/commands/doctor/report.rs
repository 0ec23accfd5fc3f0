//! The report: a line for each check as it comes, or one JSON document at the end.

use std::time::Instant;

use serde_json::{Value, json};
use suffuse_client::{Transport, probe::Probe};

use super::outcome::{Line, Verdict, shown};
use crate::{
    args::Check,
    failure::{Failure, Status},
    output::{self, printable},
};

/// What was found so far.
#[derive(Debug)]
pub(super) struct Report {
    url: String,
    is_json: bool,
    start: Instant,
    lines: Vec<Line>,
    /// Whether a session could be opened.
    pub(super) connects: bool,
    /// Whether the server refused the credentials.
    pub(super) is_refused: bool,
}

impl Report {
    pub(super) fn new(probe: &Probe, is_json: bool) -> Result<Self, Failure> {
        let url = probe.url(Transport::HttpPolling);
        if !is_json {
            let through = probe
                .proxy()
                .map(|proxy| format!("  through the proxy {proxy}"));
            output::result(format_args!("{url}{}", through.unwrap_or_default()))?;
        }
        Ok(Self {
            url,
            is_json,
            start: Instant::now(),
            lines: Vec::new(),
            connects: false,
            is_refused: false,
        })
    }

    pub(super) fn verdict(&self, check: Check) -> Option<Verdict> {
        let line = self.lines.iter().find(|line| line.check == check)?;
        Some(line.outcome.verdict)
    }

    pub(super) fn add(&mut self, line: Line) -> Result<(), Failure> {
        if !self.is_json {
            output::result(text(&line))?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// Prints what stands at the end.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        if self.is_json {
            return output::result(self.document());
        }
        let count = |verdict| {
            let lines = self.lines.iter();
            lines.filter(|line| line.outcome.verdict == verdict).count()
        };
        output::result(format_args!(
            "ok {}, warning {}, fails {}, skipped {}, in {}",
            count(Verdict::Ok),
            count(Verdict::Warning),
            count(Verdict::Fails),
            count(Verdict::Skipped),
            shown(self.start.elapsed())
        ))
    }

    /// Returns the exit code.
    pub(super) fn status(&self) -> Status {
        let has = |verdict| {
            self.lines
                .iter()
                .any(|line| line.outcome.verdict == verdict)
        };
        let tried = |check| matches!(self.verdict(check), Some(Verdict::Fails | Verdict::Skipped));
        let has_tried = tried(Check::Websocket) || tried(Check::Polling);
        match (has(Verdict::Fails), has(Verdict::Warning)) {
            (true, _) if self.is_refused => Status::Refused,
            (true, _) if !self.connects && has_tried => Status::CannotConnect,
            (true, _) => Status::Error,
            (false, true) => Status::ConditionFailed,
            (false, false) => Status::Ok,
        }
    }

    fn document(&self) -> Value {
        let checks: Vec<Value> = self.lines.iter().map(document).collect();
        let verdict = match self.status() {
            Status::Ok => Verdict::Ok,
            Status::ConditionFailed => Verdict::Warning,
            Status::Error
            | Status::Usage
            | Status::CannotConnect
            | Status::Refused
            | Status::TimeOut => Verdict::Fails,
        };
        json!({
            "url": self.url,
            "verdict": verdict.name(),
            "exit_code": self.status() as u8,
            "elapsed_ms": self.start.elapsed().as_millis() as u64,
            "checks": checks,
        })
    }
}

/// How wide a report is, in characters, and where its third column begins.
const WIDTH: usize = 110;
const INDENT: usize = 30;

fn text(line: &Line) -> String {
    let outcome = &line.outcome;
    let mut text = format!("  {:8} {:18}", outcome.verdict.name(), line.check.name());
    let next = outcome.next.as_ref().map(|next| format!("-> {next}"));
    for (number, part) in [Some(&outcome.found), next.as_ref()]
        .into_iter()
        .flatten()
        .enumerate()
    {
        for (row, words) in wrapped(&printable(part)).iter().enumerate() {
            if number + row > 0 {
                text.push('\n');
                text.push_str(&" ".repeat(INDENT - 1));
            }
            text.push(' ');
            text.push_str(words);
        }
    }
    text
}

/// Breaks a text into rows that fit into the third column.
fn wrapped(text: &str) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let row = rows.last_mut().expect("there is always a row");
        let length = row.chars().count() + 1 + word.chars().count();
        if row.is_empty() {
            row.push_str(word);
        } else if length + INDENT > WIDTH {
            rows.push(word.to_owned());
        } else {
            row.push(' ');
            row.push_str(word);
        }
    }
    rows
}

fn document(line: &Line) -> Value {
    let outcome = &line.outcome;
    json!({
        "check": line.check.name(),
        "verdict": outcome.verdict.name(),
        "found": outcome.found,
        "next": outcome.next,
        "measured": outcome.measured,
        "elapsed_ms": line.elapsed.as_millis() as u64,
    })
}
