use std::time::Duration;

use suffuse_proto::{
    TopicSpecification, TopicType,
    services::time_series::{
        Anchor, EventMetadata, QueryType, Range, RangeQueryRequest,
        Span::{self, BeforeEnd, Next, NextMillis, Previous, PreviousMillis},
    },
    specification::keys,
};

use super::*;

const UNLIMITED: Limits = Limits {
    events_max: usize::MAX,
    bytes_max: usize::MAX,
};
const EVERYTHING: RangeExpression = RangeExpression {
    limit: None,
    last: None,
};

/// Returns the next event of a series: at a time, an original one or an edit of another.
fn event(series: &TimeSeries, timestamp: i64, edited: Option<i64>) -> Event {
    let metadata = EventMetadata {
        sequence: series.next_sequence(),
        timestamp,
        author: "anne".to_owned(),
    };
    let value = Bytes::from_static(b"value");
    match edited {
        None => Event::Original { metadata, value },
        Some(sequence) => Event::Edit {
            original: series.get(sequence).unwrap().metadata().clone(),
            metadata,
            value,
        },
    }
}

fn series(events: &[(i64, Option<i64>)]) -> TimeSeries {
    let mut series = TimeSeries::default();
    for (timestamp, edited) in events {
        let event = event(&series, *timestamp, *edited);
        series.push(&event, EVERYTHING, UNLIMITED);
    }
    series
}

fn sequences(series: &TimeSeries) -> Vec<i64> {
    let metadata = series.events().map(Event::metadata);
    metadata.map(|metadata| metadata.sequence).collect()
}

fn range(anchor: Anchor, span: Span) -> Range {
    Range { anchor, span }
}

fn query(
    series: &TimeSeries,
    query_type: QueryType,
    view: Range,
    edits: Range,
) -> Option<Vec<i64>> {
    let request = RangeQueryRequest {
        path: String::new(),
        query_type,
        view,
        edits,
        limit: i64::MAX,
    };
    let events = query::select(series, &request).ok()?;
    let metadata = events.into_iter().map(Event::metadata);
    Some(metadata.map(|metadata| metadata.sequence).collect())
}

#[test]
fn ranges_are_from_one_point_to_the_other_in_either_direction() {
    // Sequence numbers 0 to 5, at 10, 20, 20, 30, 40 and 50.
    let times = [10, 20, 20, 30, 40, 50];
    let six = series(&times.map(|time| (time, None)));
    let cases: &[(Anchor, Span, Option<&[i64]>)] = &[
        (Anchor::Start(0), BeforeEnd(0), Some(&[0, 1, 2, 3, 4, 5])),
        (Anchor::Start(0), Span::Start(0), Some(&[])),
        (Anchor::Sequence(0), Span::Start(0), Some(&[0])),
        (Anchor::Sequence(3), Span::Start(0), Some(&[0, 1, 2, 3])),
        (Anchor::Sequence(2), Span::Sequence(4), Some(&[2, 3, 4])),
        (Anchor::Sequence(4), Span::Sequence(2), Some(&[2, 3, 4])),
        (Anchor::Sequence(4), Span::Sequence(4), Some(&[4])),
        (Anchor::Sequence(4), Span::Sequence(99), Some(&[4, 5])),
        (Anchor::Sequence(98), Span::Sequence(99), Some(&[])),
        (Anchor::Sequence(-7), Span::Sequence(0), Some(&[0])),
        (Anchor::Time(20), Span::Time(30), Some(&[1, 2, 3])),
        (Anchor::Time(30), Span::Time(20), Some(&[1, 2, 3])),
        (Anchor::Time(21), Span::Time(29), Some(&[])),
        (Anchor::Time(29), Span::Time(21), Some(&[])),
        (Anchor::Time(0), Span::Time(9), Some(&[])),
        (Anchor::Time(20), Span::Time(20), Some(&[1, 2])),
        (Anchor::Time(21), Span::Sequence(1), Some(&[1, 2])),
        (Anchor::BeforeEnd(2), BeforeEnd(0), Some(&[4, 5])),
        (Anchor::BeforeEnd(4), BeforeEnd(2), Some(&[2, 3])),
        (Anchor::BeforeEnd(2), BeforeEnd(4), Some(&[2, 3])),
        (Anchor::BeforeEnd(99), BeforeEnd(5), Some(&[0])),
        (Anchor::BeforeEnd(0), Previous(2), Some(&[4, 5])),
        (Anchor::MillisBeforeEnd(10), BeforeEnd(0), Some(&[4, 5])),
        (Anchor::MillisBeforeEnd(0), BeforeEnd(0), Some(&[5])),
        (
            Anchor::MillisBeforeEnd(30),
            Span::MillisBeforeEnd(20),
            Some(&[1, 2, 3]),
        ),
        (Anchor::MillisBeforeEnd(20), NextMillis(10), Some(&[3, 4])),
        (Anchor::Start(0), Next(2), Some(&[0, 1])),
        (Anchor::Start(0), Next(99), Some(&[0, 1, 2, 3, 4, 5])),
        (Anchor::Start(0), NextMillis(10), Some(&[0, 1, 2])),
        (Anchor::Start(0), PreviousMillis(10), Some(&[])),
        (Anchor::Sequence(2), Next(2), Some(&[2, 3])),
        (Anchor::Sequence(2), Next(0), Some(&[])),
        (Anchor::Sequence(2), Previous(2), Some(&[1, 2])),
        (Anchor::Sequence(2), Previous(99), Some(&[0, 1, 2])),
        (Anchor::Sequence(99), Previous(2), Some(&[4, 5])),
        (Anchor::Sequence(3), NextMillis(10), Some(&[3, 4])),
        (Anchor::Sequence(3), PreviousMillis(10), Some(&[1, 2, 3])),
        (Anchor::Time(45), NextMillis(5), Some(&[5])),
        (Anchor::Time(45), PreviousMillis(15), Some(&[3, 4])),
        (Anchor::BeforeEnd(3), NextMillis(10), Some(&[3, 4])),
        (Anchor::BeforeEnd(0), PreviousMillis(10), Some(&[4, 5])),
        (Anchor::Time(i64::MAX), NextMillis(i64::MAX), Some(&[])),
        (Anchor::Time(i64::MIN), PreviousMillis(i64::MAX), Some(&[])),
        (
            Anchor::Sequence(i64::MAX),
            Previous(i64::MAX),
            Some(&[0, 1, 2, 3, 4, 5]),
        ),
        // A time from an event that does not exist, and numbers below zero.
        (Anchor::Sequence(6), NextMillis(10), None),
        (Anchor::Sequence(6), PreviousMillis(10), None),
        (Anchor::BeforeEnd(-1), BeforeEnd(0), None),
        (Anchor::MillisBeforeEnd(-1), BeforeEnd(0), None),
        (Anchor::Start(0), BeforeEnd(-1), None),
        (Anchor::Start(0), Span::MillisBeforeEnd(-1), None),
        (Anchor::Start(0), Next(-1), None),
        (Anchor::Start(0), Previous(-1), None),
        (Anchor::Start(0), NextMillis(-1), None),
        (Anchor::Start(0), PreviousMillis(-1), None),
    ];
    for (anchor, span, expected) in cases {
        let (anchor, span) = (*anchor, *span);
        let found = query(&six, QueryType::Values, range(anchor, span), Range::ALL);
        assert_eq!(found.as_deref(), *expected, "{anchor:?} {span:?}");
        // The edit range counts all events, and so do these.
        let edits = Timeline::edits(&six, range(anchor, span));
        assert_eq!(edits.as_deref(), *expected, "{anchor:?} {span:?}");
        if expected.is_some() {
            let found = query(
                &series(&[]),
                QueryType::Values,
                range(anchor, span),
                Range::ALL,
            );
            assert_eq!(found, Some(vec![]), "{anchor:?} {span:?}");
        }
    }
}

/// Asks for edits of an event 0 that is edited by all the others of a series.
struct Timeline;

impl Timeline {
    /// Returns which of the events of a series an edit range holds.
    fn edits(six: &TimeSeries, edits: Range) -> Option<Vec<i64>> {
        let mut edited = TimeSeries::default();
        for (n, event) in six.events().enumerate() {
            let edited_event = match n {
                0 => event.clone(),
                _ => Event::Edit {
                    original: edited.get(0)?.metadata().clone(),
                    metadata: event.metadata().clone(),
                    value: event.value().clone(),
                },
            };
            edited.push(&edited_event, EVERYTHING, UNLIMITED);
        }
        // The original event is returned whatever the edit range is.
        let includes_original = query::select_edits(&edited, edits).ok()?.contains(&0);
        let found = query(&edited, QueryType::AllEdits, Range::ALL, edits)?;
        Some(
            found
                .into_iter()
                .filter(|sequence| *sequence > 0 || includes_original)
                .collect(),
        )
    }
}

#[test]
fn queries_return_values_or_edits() {
    // A, B, an edit of A, an edit of B, another edit of A, C.
    let edited = series(&[
        (0, None),
        (1, None),
        (2, Some(0)),
        (3, Some(1)),
        (4, Some(0)),
        (5, None),
    ]);
    let all = Range::ALL;
    let until_3 = range(Anchor::Start(0), Span::Sequence(3));
    let only_b = range(Anchor::Sequence(1), Span::Sequence(1));
    let none = range(Anchor::Start(0), Span::Start(0));
    let last_original = range(Anchor::BeforeEnd(1), BeforeEnd(0));
    let cases: &[(QueryType, Range, Range, &[i64])] = &[
        (QueryType::Values, all, all, &[4, 3, 5]),
        (QueryType::Values, all, until_3, &[2, 3, 5]),
        (QueryType::Values, all, none, &[0, 1, 5]),
        (QueryType::Values, only_b, all, &[3]),
        (QueryType::Values, last_original, all, &[5]),
        (QueryType::Values, none, all, &[]),
        (QueryType::AllEdits, all, all, &[0, 1, 2, 3, 4, 5]),
        (QueryType::AllEdits, all, until_3, &[0, 1, 2, 3, 5]),
        (QueryType::AllEdits, only_b, all, &[1, 3]),
        (QueryType::AllEdits, all, none, &[0, 1, 5]),
        (QueryType::LatestEdits, all, all, &[0, 1, 3, 4, 5]),
        (QueryType::LatestEdits, all, until_3, &[0, 1, 2, 3, 5]),
        (QueryType::LatestEdits, only_b, all, &[1, 3]),
    ];
    for (query_type, view, edits, expected) in cases {
        let found = query(&edited, *query_type, *view, *edits);
        assert_eq!(
            found.as_deref(),
            Some(*expected),
            "{query_type:?} {view:?} {edits:?}"
        );
    }
}

#[test]
fn an_edit_stands_for_an_event_that_was_dropped() {
    let mut edited = series(&[(0, None), (1, None), (2, Some(0))]);
    edited.trim(
        RangeExpression {
            limit: Some(2),
            ..EVERYTHING
        },
        UNLIMITED,
    );
    assert_eq!(sequences(&edited), [1, 2]);
    let all = Range::ALL;
    let values = query(&edited, QueryType::Values, all, all);
    assert_eq!(values, Some(vec![2, 1]));
    let only_it = range(Anchor::Sequence(0), Next(1));
    assert_eq!(
        query(&edited, QueryType::Values, only_it, all),
        Some(vec![2])
    );
    assert_eq!(
        query(&edited, QueryType::AllEdits, all, all),
        Some(vec![1, 2])
    );
}

#[test]
fn what_is_out_of_the_retained_range_is_dropped_when_an_event_comes() {
    let times = [0, 100, 200, 250, 300];
    let limits = |events_max, bytes_max| Limits {
        events_max,
        bytes_max,
    };
    let unlimited = usize::MAX;
    let cases: &[(&str, Limits, &[i64])] = &[
        ("limit 3", UNLIMITED, &[2, 3, 4]),
        ("limit 1", UNLIMITED, &[4]),
        ("limit 0", UNLIMITED, &[4]),
        ("limit 99", UNLIMITED, &[0, 1, 2, 3, 4]),
        ("limit 18446744073709551615", UNLIMITED, &[0, 1, 2, 3, 4]),
        ("last 100ms", UNLIMITED, &[2, 3, 4]),
        ("last 99ms", UNLIMITED, &[3, 4]),
        ("last 0ms", UNLIMITED, &[4]),
        ("last 1h", UNLIMITED, &[0, 1, 2, 3, 4]),
        ("limit 4 last 100ms", UNLIMITED, &[2, 3, 4]),
        ("limit 2 last 100ms", UNLIMITED, &[3, 4]),
        ("limit 99", limits(2, unlimited), &[3, 4]),
        ("limit 99", limits(unlimited, 2 * 250), &[3, 4]),
        ("limit 99", limits(unlimited, 0), &[4]),
    ];
    for (retained, limits, expected) in cases {
        let mut series = TimeSeries::default();
        for time in times {
            let event = event(&series, time, None);
            series.push(&event, RangeExpression::parse(retained).unwrap(), *limits);
        }
        assert_eq!(sequences(&series), *expected, "{retained} {limits:?}");
        assert_eq!(series.next_sequence(), 5);
        let payloads = series.events.iter().map(|kept| kept.payload.len());
        assert_eq!(series.payload_bytes(), payloads.sum::<usize>());
    }
}

#[test]
fn a_new_subscriber_gets_the_subscription_range() {
    // A at 0, B at 100, A edited at 200, A edited at 300, C at 400.
    let edited = series(&[
        (0, None),
        (100, None),
        (200, Some(0)),
        (300, Some(0)),
        (400, None),
    ]);
    let cases: &[(&str, bool, &[i64])] = &[
        ("", false, &[4]),
        ("", true, &[]),
        ("limit 3", false, &[1, 3, 4]),
        ("limit 3", true, &[1, 3, 4]),
        ("limit 99", false, &[0, 1, 3, 4]),
        ("limit 0", false, &[4]),
        ("limit 0", true, &[]),
        ("last 100ms", false, &[3, 4]),
        ("last 100ms limit 1", false, &[4]),
        ("last 0ms", true, &[4]),
        ("last 1h", false, &[0, 1, 3, 4]),
    ];
    for (subscription_range, values_only, expected) in cases {
        let mut specification = TopicSpecification::new(TopicType::TIME_SERIES)
            .with(keys::TIME_SERIES_EVENT_VALUE_TYPE, "binary")
            .with(keys::PUBLISH_VALUES_ONLY, values_only.to_string());
        if !subscription_range.is_empty() {
            specification =
                specification.with(keys::TIME_SERIES_SUBSCRIPTION_RANGE, *subscription_range);
        }
        let payloads = edited.initial(&specification.options());
        let events = payloads
            .into_iter()
            .map(|payload| Event::from_bytes(payload, Version::NEWEST).unwrap());
        let found: Vec<_> = events.map(|event| event.metadata().sequence).collect();
        assert_eq!(found, *expected, "{subscription_range} {values_only}");
    }
    let last = RangeExpression {
        limit: None,
        last: Some(Duration::MAX),
    };
    assert_eq!(edited.oldest_of(last), 400_i64.saturating_sub(i64::MAX));
}
