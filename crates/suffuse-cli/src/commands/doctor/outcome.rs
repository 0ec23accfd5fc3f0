//! What a check came to.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::args::Check;

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Warning,
    Fails,
    Skipped,
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fails => "fails",
            Self::Skipped => "skipped",
        }
    }
}

/// What a check found, and what to do about it.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    /// What was found, in one sentence without full stop.
    pub(super) found: String,
    /// What to do, if there is something.
    pub(super) next: Option<String>,
    /// The figures, for programs.
    pub(super) measured: Map<String, Value>,
}

impl Outcome {
    pub(super) fn ok(found: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, found.into(), None)
    }

    pub(super) fn warning(found: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, found.into(), Some(next.into()))
    }

    pub(super) fn fails(found: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Verdict::Fails, found.into(), Some(next.into()))
    }

    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, reason.into(), None)
    }

    /// Adds a figure.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.measured.insert(name.to_owned(), value.into());
        self
    }

    fn new(verdict: Verdict, found: String, next: Option<String>) -> Self {
        Self {
            verdict,
            found,
            next,
            measured: Map::new(),
        }
    }
}

/// A line of the report.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) check: Check,
    pub(super) outcome: Outcome,
    pub(super) elapsed: Duration,
}

/// Returns a time as reports show it: `0.4 ms`, `31 ms`, `2.5 s`.
pub(super) fn shown(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        0.0..10.0 => format!("{millis:.1} ms"),
        10.0..1000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// Returns a size as reports show it.
pub(super) fn shown_size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Returns a time in milliseconds, for programs.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_in_the_unit_that_fits() {
        for (micros, expected) in [
            (40, "0.0 ms"),
            (400, "0.4 ms"),
            (31_400, "31 ms"),
            (2_500_000, "2.5 s"),
        ] {
            assert_eq!(shown(Duration::from_micros(micros)), expected);
        }
        for (bytes, expected) in [
            (12, "12 B"),
            (65_536, "64 KiB"),
            (1 << 20, "1 MiB"),
            (3 << 19, "1.5 MiB"),
        ] {
            assert_eq!(shown_size(bytes), expected);
        }
    }
}
