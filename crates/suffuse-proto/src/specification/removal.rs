//! Removal policies: when a topic is removed by itself (spec: topics §13.1).

use std::time::{Duration, SystemTime};

use crate::{
    Selector,
    filter::SessionFilter,
    tokens::{SyntaxError, Token, Tokens},
};

/// A policy such as `when no updates for 10m after 1h remove "?scores//"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalPolicy {
    /// When topics are removed.
    pub condition: RemovalCondition,
    /// Which topics; `None`: the one that has the policy.
    pub remove: Option<Selector>,
}

/// When topics are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalCondition {
    /// All of these hold. Times that others have to last count from the last `time after` among them.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
    /// A time has come, as the time since 1970.
    TimeAfter(Duration),
    /// The topic has had fewer subscriptions than that.
    Subscriptions {
        /// Fewer than so many.
        below: u64,
        /// For how long without a break.
        lasting: Duration,
        /// Not earlier than so long after the topic was created.
        after: Duration,
    },
    /// The topic has had no updates.
    NoUpdates {
        /// For how long.
        lasting: Duration,
        /// Not earlier than so long after the topic was created.
        after: Duration,
    },
    /// No session is meant by a filter.
    NoSession {
        /// The filter.
        filter: SessionFilter,
        /// For how long: from the first look that found none to one that finds none either.
        lasting: Duration,
        /// Not earlier than so long after the topic was created.
        after: Duration,
    },
    /// The session that created the topic is closed.
    ThisSessionCloses,
}

/// Which of the conditions that may stand once were read.
#[derive(Debug, Default)]
struct Seen {
    time: bool,
    subscriptions: bool,
    updates: bool,
}

impl RemovalPolicy {
    /// Parses a policy.
    ///
    /// # Errors
    /// When the text is not a policy: what was found, what was expected, and where.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut tokens = Tokens::new(text, "()<,")?;
        tokens.expect_word("when")?;
        let condition = any(&mut tokens, &mut Seen::default())?;
        let mut remove = None;
        if tokens.take_word("remove") {
            let place = tokens.unexpected("a selector in quotes");
            let selector = Selector::parse(&tokens.expect_quoted("a selector in quotes")?);
            remove = Some(selector.map_err(|error| SyntaxError {
                message: error.to_string(),
                ..place
            })?);
        }
        tokens.expect_end()?;
        Ok(Self { condition, remove })
    }
}

fn any(tokens: &mut Tokens, seen: &mut Seen) -> Result<RemovalCondition, SyntaxError> {
    let mut conditions = vec![all(tokens, seen)?];
    while tokens.take_word("or") {
        conditions.push(all(tokens, seen)?);
    }
    Ok(one_or(conditions, RemovalCondition::Any))
}

fn all(tokens: &mut Tokens, seen: &mut Seen) -> Result<RemovalCondition, SyntaxError> {
    let mut conditions = vec![term(tokens, seen)?];
    while tokens.take_word("and") {
        conditions.push(term(tokens, seen)?);
    }
    Ok(one_or(conditions, RemovalCondition::All))
}

fn one_or(
    mut conditions: Vec<RemovalCondition>,
    join: impl FnOnce(Vec<RemovalCondition>) -> RemovalCondition,
) -> RemovalCondition {
    match conditions.len() {
        1 => conditions.remove(0),
        _ => join(conditions),
    }
}

fn term(tokens: &mut Tokens, seen: &mut Seen) -> Result<RemovalCondition, SyntaxError> {
    if tokens.take_symbol('(') {
        let condition = tokens.nested(|tokens| any(tokens, seen))?;
        tokens.expect_symbol(')')?;
        return Ok(condition);
    }
    if tokens.take_word("time") {
        once(tokens, &mut seen.time, "time after")?;
        tokens.expect_word("after")?;
        return Ok(RemovalCondition::TimeAfter(date(tokens)?));
    }
    if tokens.take_word("this") {
        tokens.expect_word("session")?;
        tokens.expect_word("closes")?;
        return Ok(RemovalCondition::ThisSessionCloses);
    }
    if tokens.take_word("no") {
        return nothing(tokens, seen);
    }
    // There are no servers behind this one, so local subscriptions are all.
    let is_local = tokens.take_word("local");
    if !tokens.take_word("subscriptions") {
        return Err(tokens.unexpected(if is_local {
            "subscriptions"
        } else {
            "`time after`, `subscriptions`, `no updates`, `no session has`, `this session closes` or `(`"
        }));
    }
    once(tokens, &mut seen.subscriptions, "subscriptions")?;
    tokens.expect_symbol('<')?;
    let below = number(tokens, "a number of subscriptions")?;
    tokens.expect_word("for")?;
    Ok(RemovalCondition::Subscriptions {
        below,
        lasting: period(tokens)?,
        after: after(tokens)?,
    })
}

fn nothing(tokens: &mut Tokens, seen: &mut Seen) -> Result<RemovalCondition, SyntaxError> {
    if tokens.take_word("updates") {
        once(tokens, &mut seen.updates, "no updates")?;
        tokens.expect_word("for")?;
        return Ok(RemovalCondition::NoUpdates {
            lasting: period(tokens)?,
            after: after(tokens)?,
        });
    }
    let is_local = tokens.take_word("local");
    if !tokens.take_word("session") {
        return Err(tokens.unexpected(if is_local {
            "session"
        } else {
            "`updates`, `session` or `local session`"
        }));
    }
    tokens.expect_word("has")?;
    let place = tokens.unexpected("a session filter in quotes");
    let filter = SessionFilter::parse(&tokens.expect_quoted("a session filter in quotes")?);
    let filter = filter.map_err(|error| SyntaxError {
        message: format!("a filter that cannot be used: {error}"),
        ..place
    })?;
    let lasting = match tokens.take_word("for") {
        true => period(tokens)?,
        false => Duration::ZERO,
    };
    Ok(RemovalCondition::NoSession {
        filter,
        lasting,
        after: after(tokens)?,
    })
}

fn once(tokens: &Tokens, was_seen: &mut bool, name: &str) -> Result<(), SyntaxError> {
    match std::mem::replace(was_seen, true) {
        false => Ok(()),
        true => Err(tokens.error(format!("`{name}` stands a second time"))),
    }
}

fn after(tokens: &mut Tokens) -> Result<Duration, SyntaxError> {
    match tokens.take_word("after") {
        true => period(tokens),
        false => Ok(Duration::ZERO),
    }
}

fn number(tokens: &mut Tokens, expected: &str) -> Result<u64, SyntaxError> {
    let number = match tokens.peek() {
        Some(Token::Word(word)) => word.parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| tokens.unexpected(expected))?;
    tokens.next();
    Ok(number)
}

fn date(tokens: &mut Tokens) -> Result<Duration, SyntaxError> {
    const EXPECTED: &str =
        "milliseconds since 1970, or a date such as 'Sun, 06 Nov 2033 08:49:37 GMT'";
    if let Some(Token::Quoted(text)) = tokens.peek() {
        let date = httpdate::parse_http_date(text).ok();
        let since = date.and_then(|date| date.duration_since(SystemTime::UNIX_EPOCH).ok());
        let since = since.ok_or_else(|| tokens.unexpected(EXPECTED))?;
        tokens.next();
        return Ok(since);
    }
    number(tokens, EXPECTED).map(Duration::from_millis)
}

/// A number and a unit without a blank between them.
fn period(tokens: &mut Tokens) -> Result<Duration, SyntaxError> {
    let parse = |word: &str| {
        let unit = word.chars().last()?;
        let seconds = match unit.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        let count = word[..word.len() - unit.len_utf8()].parse::<u64>().ok()?;
        // A century is for ever, and can be added to any time.
        let century = 100 * 365 * 86_400;
        Some(Duration::from_secs(
            count.saturating_mul(seconds).min(century),
        ))
    };
    let period = match tokens.peek() {
        Some(Token::Word(word)) => parse(word),
        _ => None,
    };
    let period = period.ok_or_else(|| tokens.unexpected("a period such as 30s, 10m, 1h or 7d"))?;
    tokens.next();
    Ok(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn conditions_are_read_with_and_before_or() {
        use RemovalCondition as Is;
        let no_updates = |lasting, after| Is::NoUpdates {
            lasting: seconds(lasting),
            after: seconds(after),
        };
        let few = |below, lasting, after| Is::Subscriptions {
            below,
            lasting: seconds(lasting),
            after: seconds(after),
        };
        let nobody = |filter, lasting, after| Is::NoSession {
            filter: SessionFilter::parse(filter).unwrap(),
            lasting: seconds(lasting),
            after: seconds(after),
        };
        let time = |millis| Is::TimeAfter(Duration::from_millis(millis));
        let cases = [
            ("when time after 1500", time(1500)),
            (
                "WHEN TIME AFTER 'Thu, 01 Jan 1970 00:00:02 GMT'",
                time(2000),
            ),
            ("when this session closes", Is::ThisSessionCloses),
            ("when no updates for 10s", no_updates(10, 0)),
            ("when no updates for 2m after 1h", no_updates(120, 3600)),
            ("when subscriptions < 1 for 7d", few(1, 7 * 86_400, 0)),
            ("when local subscriptions<3 for 1s after 2s", few(3, 1, 2)),
            ("when no session has 'all'", nobody("all", 0, 0)),
            (
                r#"when no local session has "a is 'b'" for 3s after 4s"#,
                nobody("a is 'b'", 3, 4),
            ),
            (
                "when time after 1 and this session closes or no updates for 1s",
                Is::Any(vec![
                    Is::All(vec![time(1), Is::ThisSessionCloses]),
                    no_updates(1, 0),
                ]),
            ),
            (
                "when time after 1 and (this session closes or no updates for 1s)",
                Is::All(vec![
                    time(1),
                    Is::Any(vec![Is::ThisSessionCloses, no_updates(1, 0)]),
                ]),
            ),
        ];
        for (text, expected) in cases {
            let policy =
                RemovalPolicy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                policy,
                RemovalPolicy {
                    condition: expected,
                    remove: None
                },
                "{text}"
            );
        }
        let selective = RemovalPolicy::parse("when this session closes remove '?a//'").unwrap();
        assert_eq!(selective.remove, Some(Selector::parse("?a//").unwrap()));
    }

    #[test]
    fn what_is_no_policy_is_told_with_its_place() {
        let cases = [
            ("", "found the end, expected when at character 1"),
            (
                "when",
                "found the end, expected `time after`, `subscriptions`, `no updates`, `no session has`, `this session closes` or `(` at character 5",
            ),
            (
                "when no updates",
                "found the end, expected for at character 16",
            ),
            (
                "when no updates for 10",
                "found `10`, expected a period such as 30s, 10m, 1h or 7d at character 21",
            ),
            (
                "when no updates for 10 s",
                "found `10`, expected a period such as 30s, 10m, 1h or 7d at character 21",
            ),
            (
                "when no updates for 1s and no updates for 2s",
                "`no updates` stands a second time at character 39",
            ),
            (
                "when subscriptions < x for 1s",
                "found `x`, expected a number of subscriptions at character 22",
            ),
            (
                "when time after 'tomorrow'",
                "found the text 'tomorrow', expected milliseconds since 1970, or a date such as 'Sun, 06 Nov 2033 08:49:37 GMT' at character 17",
            ),
            (
                "when no session has 'x'",
                "a filter that cannot be used: found the end, expected `is`, `eq`, `ne`, `in` or `matches` at character 2 at character 21",
            ),
            (
                "when this session closes remove a",
                "found `a`, expected a selector in quotes at character 33",
            ),
            (
                "when this session closes now",
                "found `now`, expected the end at character 26",
            ),
            (
                "when (this session closes",
                "found the end, expected ) at character 26",
            ),
        ];
        for (text, expected) in cases {
            let error = RemovalPolicy::parse(text).expect_err(text);
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }
}
