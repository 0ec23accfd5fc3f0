//! The demo topics: what they are and how their values change. Numbers only; `feed` sends them.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use suffuse_proto::TopicType;

/// How often the demo changes something.
pub(super) const TICK: Duration = Duration::from_millis(200);
/// How many ticks there are in a second.
const TICKS_PER_SECOND: u64 = 5;

const STOCKS: [(&str, f64); 5] = [
    ("ACME", 101.25),
    ("GLOBEX", 48.10),
    ("HOOLI", 312.00),
    ("INITECH", 7.95),
    ("UMBRELLA", 66.60),
];

/// The demo topics and their types.
pub(super) fn topics() -> Vec<(String, TopicType)> {
    let prices = STOCKS
        .iter()
        .map(|(name, _)| (format!("demo/price/{name}"), TopicType::JSON));
    let others = [
        ("demo/clock", TopicType::STRING),
        ("demo/score", TopicType::INT64),
        ("demo/temperature", TopicType::DOUBLE),
    ];
    prices
        .chain(others.map(|(path, topic_type)| (path.to_owned(), topic_type)))
        .collect()
}

/// One new value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) topic_type: TopicType,
    pub(super) value: Value,
}

/// The state of the demo.
#[derive(Debug)]
pub(super) struct Demo {
    tick: u64,
    random: u64,
    bids: [f64; STOCKS.len()],
    score: i64,
    temperature: f64,
}

impl Demo {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            tick: 0,
            random: seed | 1,
            bids: STOCKS.map(|(_, bid)| bid),
            score: 0,
            temperature: 21.5,
        }
    }

    /// Returns what changes at the next tick; at the first one that is everything.
    pub(super) fn next(&mut self, now: SystemTime) -> Vec<Change> {
        let is_first = self.tick == 0;
        let is_second = self.tick.is_multiple_of(TICKS_PER_SECOND);
        self.tick += 1;
        let mut changes = Vec::new();
        for stock in 0..STOCKS.len() {
            if is_first || self.below(3) == 0 {
                changes.push(self.price(stock));
            }
        }
        if is_second {
            changes.push(change("demo/clock", TopicType::STRING, utc(now).into()));
            changes.push(self.temperature());
        }
        if is_first || self.below(7) == 0 {
            self.score += 1 + i64::from(self.below(3) == 0);
            changes.push(change("demo/score", TopicType::INT64, self.score.into()));
        }
        changes
    }

    fn price(&mut self, stock: usize) -> Change {
        let (name, start) = STOCKS[stock];
        let step = f64::from(self.below(201)) / 100.0 - 1.0;
        // Drawn back to where it started, or it would get lost over the days.
        let pull = (start - self.bids[stock]) / start * 0.2;
        let bid = self.bids[stock] * (1.0 + (step * 0.4 + pull) / 100.0);
        self.bids[stock] = bid;
        let spread = 0.01 + f64::from(self.below(4)) / 100.0;
        let value = json!({ "bid": rounded(bid, 100.0), "ask": rounded(bid + spread, 100.0) });
        change(&format!("demo/price/{name}"), TopicType::JSON, value)
    }

    fn temperature(&mut self) -> Change {
        let step = f64::from(self.below(11)) / 50.0 - 0.1;
        self.temperature += step + (21.5 - self.temperature) * 0.02;
        change(
            "demo/temperature",
            TopicType::DOUBLE,
            rounded(self.temperature, 10.0).into(),
        )
    }

    /// Returns a number below `bound`, by xorshift: nothing depends on its quality.
    fn below(&mut self, bound: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        u32::try_from((self.random >> 33) % u64::from(bound)).unwrap_or_default()
    }
}

fn change(path: &str, topic_type: TopicType, value: Value) -> Change {
    Change {
        path: path.to_owned(),
        topic_type,
        value,
    }
}

fn rounded(number: f64, scale: f64) -> f64 {
    (number * scale).round() / scale
}

/// Returns the time as text, such as `2026-11-24T13:17:05Z`.
fn utc(now: SystemTime) -> String {
    let seconds = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let second = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Returns the date of a day, counted from 1970-01-01. Years are taken to begin in March, so that the leap
/// day is the last one, and are counted in eras of 400 years.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn times_are_written_as_people_write_them() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_526_225, "2026-11-24T13:17:05Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(
                utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
                expected
            );
        }
    }

    #[test]
    fn every_topic_gets_a_value_at_once_and_changes() {
        let mut demo = Demo::new(7);
        let paths = |changes: &[Change]| {
            changes
                .iter()
                .map(|it| it.path.clone())
                .collect::<BTreeSet<_>>()
        };
        let all: BTreeSet<String> = topics().into_iter().map(|(path, _)| path).collect();

        assert_eq!(paths(&demo.next(SystemTime::UNIX_EPOCH)), all);
        let later: Vec<Change> = (0..100)
            .flat_map(|_| demo.next(SystemTime::now()))
            .collect();
        assert_eq!(paths(&later), all);
    }

    #[test]
    fn prices_stay_where_prices_are() {
        let mut demo = Demo::new(99);
        for change in (0..100_000).flat_map(|_| demo.next(SystemTime::UNIX_EPOCH)) {
            let Some(name) = change.path.strip_prefix("demo/price/") else {
                continue;
            };
            let (_, start) = STOCKS.iter().find(|(stock, _)| *stock == name).unwrap();
            let (bid, ask) = (
                change.value["bid"].as_f64().unwrap(),
                change.value["ask"].as_f64().unwrap(),
            );
            assert!(
                bid < ask && bid > start * 0.5 && bid < start * 2.0,
                "{change:?}"
            );
        }
    }
}
