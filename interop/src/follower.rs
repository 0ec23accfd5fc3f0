//! What a subscriber saw of numbered values while its connections broke, and whether that is right.
//!
//! A publisher sets a topic to 1, 2, 3, … With the notice of a subscription an *epoch* begins: what was
//! before may be lost, and the subscriber knows it. Within an epoch every number comes, once and in order.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::place;

/// What a subscriber says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has selected its topics.
    Ready,
    /// It was told of a subscription.
    Subscribed(String),
    /// It got a value.
    Value(String, u64),
    /// The server answered that it has set this number.
    Acknowledged(u64),
    /// The session told that it ended.
    Closed(String),
    /// The subscriber itself ended.
    Gone,
}

/// What is left of a topic.
#[derive(Clone, Debug, Default)]
struct Followed {
    last: u64,
    is_new: bool,
    epochs: usize,
    values: usize,
    left_out: u64,
}

/// What a subscriber saw.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    topics: BTreeMap<String, Followed>,
    acknowledged: u64,
    closed: usize,
}

/// The sum of what a subscriber saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many values came.
    pub values: usize,
    /// How often a topic was announced anew.
    pub announced_again: usize,
    /// How many values fell between two epochs: losses that the subscriber was told of.
    pub told_losses: u64,
    /// How many sessions ended, with a reason.
    pub closed: usize,
}

impl Follower {
    /// Takes note of an event.
    ///
    /// # Errors
    /// Fails if a value was left out, came twice or came out of order.
    pub fn on_event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Subscribed(path) => {
                let topic = self.topics.entry(path.clone()).or_default();
                topic.is_new = true;
                topic.epochs += 1;
            }
            Event::Value(path, number) => match self.topics.get_mut(path) {
                Some(topic) => topic.on_value(path, *number)?,
                None => bail!("a value of `{path}` before its subscription"),
            },
            Event::Acknowledged(number) => self.acknowledged = *number,
            Event::Closed(_) => self.closed += 1,
            Event::Ready => {}
            Event::Gone => bail!("the subscriber ended"),
        }
        Ok(())
    }

    /// Returns whether each topic has come to the number.
    pub fn has_seen(&self, paths: &[&str], number: u64) -> bool {
        let last = |path: &&str| {
            self.topics
                .get(*path)
                .is_some_and(|topic| topic.last == number)
        };
        paths.iter().all(last)
    }

    /// Returns the last number that the server acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Returns the sums.
    pub fn figures(&self) -> Figures {
        let topics = || self.topics.values();
        Figures {
            values: topics().map(|topic| topic.values).sum(),
            announced_again: topics().map(|topic| topic.epochs - 1).sum(),
            told_losses: topics().map(|topic| topic.left_out).sum(),
            closed: self.closed,
        }
    }
}

impl Followed {
    fn on_value(&mut self, path: &str, number: u64) -> Result<()> {
        let last = self.last;
        // With a new epoch comes the value of the moment, which may be known.
        let is_right = if self.is_new {
            number >= last
        } else {
            number == last + 1
        };
        if !is_right {
            let what = match number <= last {
                true => "again, or out of order",
                false => "and nobody told what was between",
            };
            bail!("`{path}` was {number} after {last}: {what}");
        }
        if self.epochs > 1 {
            self.left_out += (number - last).saturating_sub(1);
        }
        self.last = number;
        self.is_new = false;
        self.values += 1;
        Ok(())
    }
}

/// A published client that says what it sees. It ends with this value.
#[derive(Debug)]
pub struct Script {
    process: Child,
}

impl Script {
    /// Starts `faults.mjs` or `faults.py` with a client's name, and passes on what it says.
    ///
    /// # Errors
    /// Fails if the interpreter cannot be started.
    pub fn start(client: &str, url: &str, password: &str, events: Sender<Event>) -> Result<Self> {
        let mut command = match client {
            "python" => {
                let mut python = Command::new(place::python_environment().join("bin/python"));
                python.args(["-B", "faults.py"]);
                python
            }
            _ => {
                let mut node = Command::new("node");
                node.args(["faults.mjs", client]);
                node
            }
        };
        let mut process = command
            .arg(url)
            .env("SUFFUSE_PASSWORD", password)
            .current_dir(place::interop())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Libraries tell of every connection that breaks.
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {client}; `cargo xtask test` sets it up"))?;
        let output = process.stdout.take().context("the script has no output")?;
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let said = lines.filter_map(|line| event_in(&line));
            // Nobody listens any more at the end of a test.
            let _ = said
                .chain([Event::Gone])
                .try_for_each(|event| events.send(event));
        });
        Ok(Self { process })
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads a line such as `["value", "load/a", 7]`. What a client's library prints is none.
fn event_in(line: &str) -> Option<Event> {
    let said: Value = serde_json::from_str(line).ok()?;
    let text = |at: usize| said.get(at).and_then(Value::as_str).map(str::to_owned);
    let number = |at: usize| said.get(at).and_then(Value::as_u64);
    Some(match said.get(0)?.as_str()? {
        "ready" => Event::Ready,
        "subscribed" => Event::Subscribed(text(1)?),
        "value" => Event::Value(text(1)?, number(2)?),
        "acknowledged" => Event::Acknowledged(number(1)?),
        "closed" => Event::Closed(text(1)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a story is right; 0 is a subscription.
    fn is_right(numbers: &[u64]) -> bool {
        let mut follower = Follower::default();
        let path = || "a".to_owned();
        let mut events = numbers.iter().map(|number| match number {
            0 => Event::Subscribed(path()),
            number => Event::Value(path(), *number),
        });
        events.all(|event| follower.on_event(&event).is_ok())
    }

    #[test]
    fn only_a_subscription_may_hide_numbers() {
        for (numbers, expected) in [
            (&[0, 1, 2, 3][..], true),
            (&[0, 5, 6], true),
            (&[0, 1, 3], false),
            (&[0, 1, 1], false),
            (&[0, 1, 2, 1], false),
            (&[0, 1, 0, 4, 5], true),
            (&[0, 1, 2, 0, 2, 3], true),
            (&[0, 1, 2, 0, 1], false),
            (&[1], false),
        ] {
            assert_eq!(is_right(numbers), expected, "{numbers:?}");
        }
    }

    #[test]
    fn a_line_of_a_script_is_an_event() {
        let value = Event::Value("a".to_owned(), 7);
        assert_eq!(event_in("[\"value\", \"a\", 7]"), Some(value));
        assert_eq!(event_in("[\"ready\"]"), Some(Event::Ready));
        assert_eq!(event_in("a warning"), None);
        assert_eq!(event_in("[\"value\", \"a\"]"), None);
    }
}
