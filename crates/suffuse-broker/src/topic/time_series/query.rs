//! Range queries (spec: topics §10.3, §10.4).
//!
//! A range is evaluated on a *timeline*: the view range on that of the original events, the edit range on
//! that of all events. Points of a range are gaps between events; one that names an event or a time has two,
//! before and after what it names, and the range goes from the outer to the outer gap.

use std::collections::BTreeMap;

use suffuse_proto::{
    ErrorReason,
    services::time_series::{Anchor, Event, QueryType, Range, RangeQueryRequest, Span},
};

use super::TimeSeries;
use crate::broker::Answer;

/// The sequence numbers and timestamps of events, which grow with each other.
#[derive(Debug)]
struct Timeline(Vec<(i64, i64)>);

/// The gaps before and after a point.
#[derive(Clone, Copy, Debug)]
struct Gaps {
    before: usize,
    after: usize,
}

impl Gaps {
    fn only(gap: usize) -> Self {
        Self {
            before: gap,
            after: gap,
        }
    }
}

/// Returns the events that a query selects, before its limit.
pub(crate) fn select<'a>(
    series: &'a TimeSeries,
    request: &RangeQueryRequest,
) -> Answer<Vec<&'a Event>> {
    let view = Timeline::of_originals(series).sequences(request.view)?;
    let edits = select_edits(series, request.edits)?;
    let selected = series.events().filter(|event| {
        view.contains(&event.original().sequence)
            && (!event.is_edit() || edits.contains(&event.metadata().sequence))
    });
    let latest: BTreeMap<_, _> = match request.query_type {
        QueryType::AllEdits => return Ok(selected.collect()),
        // Later events take the place of earlier ones.
        QueryType::Values | QueryType::LatestEdits => selected
            .clone()
            .map(|event| (event.original().sequence, event))
            .collect(),
    };
    if request.query_type == QueryType::Values {
        return Ok(latest.into_values().collect());
    }
    let is_latest = |event: &Event| latest[&event.original().sequence] == event;
    Ok(selected
        .filter(|event| !event.is_edit() || is_latest(event))
        .collect())
}

/// Returns the sequence numbers of an edit range.
pub(super) fn select_edits(series: &TimeSeries, range: Range) -> Answer<std::ops::Range<i64>> {
    match range {
        Range::ALL => Ok(0..i64::MAX),
        range => Timeline::of_all(series).sequences(range),
    }
}

impl Timeline {
    fn of_all(series: &TimeSeries) -> Self {
        let metadata = series.events().map(Event::metadata);
        Self(metadata.map(|it| (it.sequence, it.timestamp)).collect())
    }

    /// Events that were dropped, but have edits that were not, count.
    fn of_originals(series: &TimeSeries) -> Self {
        let originals = series.events().map(Event::original);
        let unique: BTreeMap<_, _> = originals.map(|it| (it.sequence, it.timestamp)).collect();
        Self(unique.into_iter().collect())
    }

    /// Returns the sequence numbers of a range.
    fn sequences(&self, range: Range) -> Answer<std::ops::Range<i64>> {
        let events = self.resolve(range)?;
        Ok(match (self.0.get(events.start), events.end) {
            (Some(first), end) if events.start < end => first.0..self.0[end - 1].0 + 1,
            _ => 0..0,
        })
    }

    /// Returns the places of the events of a range.
    fn resolve(&self, range: Range) -> Answer<std::ops::Range<usize>> {
        let (from, to) = (self.anchor(range.anchor)?, self.end(range)?);
        let (forward, backward) = (from.before..to.after, to.before..from.after);
        Ok(match range.span {
            Span::Next(_) | Span::NextMillis(_) => forward,
            Span::Previous(_) | Span::PreviousMillis(_) => backward,
            Span::Start(_)
            | Span::Sequence(_)
            | Span::Time(_)
            | Span::BeforeEnd(_)
            | Span::MillisBeforeEnd(_) => match forward.is_empty() {
                true => backward,
                false => forward,
            },
        })
    }

    fn anchor(&self, anchor: Anchor) -> Answer<Gaps> {
        match anchor {
            Anchor::Start(_) => Ok(Gaps::only(0)),
            Anchor::Sequence(sequence) => Ok(self.at_sequence(sequence)),
            Anchor::Time(time) => Ok(self.at_time(time)),
            Anchor::BeforeEnd(count) => self.before_end(count),
            Anchor::MillisBeforeEnd(millis) => self.millis_before_end(millis),
        }
    }

    fn end(&self, Range { anchor, span }: Range) -> Answer<Gaps> {
        match span {
            Span::Start(_) => Ok(Gaps::only(0)),
            Span::Sequence(sequence) => Ok(self.at_sequence(sequence)),
            Span::Time(time) => Ok(self.at_time(time)),
            Span::BeforeEnd(count) => self.before_end(count),
            Span::MillisBeforeEnd(millis) => self.millis_before_end(millis),
            Span::Next(count) => {
                let gap = self.anchor(anchor)?.before.saturating_add(checked(count)?);
                Ok(Gaps::only(gap.min(self.0.len())))
            }
            Span::Previous(count) => {
                let gap = self.anchor(anchor)?.after.saturating_sub(checked(count)?);
                Ok(Gaps::only(gap))
            }
            Span::NextMillis(millis) => self.millis_from(anchor, millis, i64::saturating_add),
            Span::PreviousMillis(millis) => self.millis_from(anchor, millis, i64::saturating_sub),
        }
    }

    fn at_sequence(&self, sequence: i64) -> Gaps {
        Gaps {
            before: self.0.partition_point(|event| event.0 < sequence),
            after: self.0.partition_point(|event| event.0 <= sequence),
        }
    }

    fn at_time(&self, time: i64) -> Gaps {
        Gaps {
            before: self.0.partition_point(|event| event.1 < time),
            after: self.0.partition_point(|event| event.1 <= time),
        }
    }

    fn before_end(&self, count: i64) -> Answer<Gaps> {
        let gap = self.0.len().saturating_sub(checked(count)?);
        Ok(Gaps::only(gap))
    }

    fn millis_before_end(&self, millis: i64) -> Answer<Gaps> {
        checked(millis)?;
        let last = self.0.last().map_or(0, |last| last.1);
        Ok(self.at_time(last.saturating_sub(millis)))
    }

    fn millis_from(
        &self,
        anchor: Anchor,
        millis: i64,
        step: impl Fn(i64, i64) -> i64,
    ) -> Answer<Gaps> {
        checked(millis)?;
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else {
            return Ok(Gaps::only(0));
        };
        let time = match anchor {
            Anchor::Time(time) => time,
            Anchor::Start(_) => first.1,
            Anchor::MillisBeforeEnd(millis) => last.1.saturating_sub(millis),
            Anchor::BeforeEnd(count) => {
                let event = self.0.get(self.before_end(count)?.before);
                event.unwrap_or(last).1
            }
            Anchor::Sequence(sequence) => match self.0.get(self.at_sequence(sequence).before) {
                Some(event) => event.1,
                None => {
                    return Err(ErrorReason::INVALID_DATA.with(format!(
                        "the range is a time from the event with sequence number {sequence}, and the last one has {}",
                        last.0
                    )));
                }
            },
        };
        Ok(self.at_time(step(time, millis)))
    }
}

/// Returns a count or a number of milliseconds, which cannot be negative.
fn checked(number: i64) -> Answer<usize> {
    if number < 0 {
        return Err(ErrorReason::INVALID_DATA.with(format!(
            "a range of a time series has the number {number}, and it cannot be negative"
        )));
    }
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}
