use std::fmt::Write as _;

use super::*;
use crate::{
    attempt::{AttemptOutcome, Failure},
    reconnect::{Backoff, FixedInterval},
    transport::Transport,
};

const SECOND: Duration = Duration::from_secs(1);

/// Every second, for 10 s.
fn logic() -> Reconnection {
    with(Reconnect::within(10 * SECOND).strategy(FixedInterval(SECOND)))
}

fn with(settings: Reconnect) -> Reconnection {
    Reconnection::new(settings, 7)
}

fn failed(failures: impl IntoIterator<Item = Failure>) -> FailedAttempt {
    let attempt = |failure| Attempt {
        number: 1,
        transport: Transport::WebSocket,
        url: String::new(),
        address: None,
        proxy: None,
        http_status: None,
        server: None,
        outcome: AttemptOutcome::TransportError(failure),
        elapsed: SECOND,
    };
    FailedAttempt {
        tried: failures.into_iter().map(attempt).collect(),
    }
}

fn http(status: u16) -> Failure {
    Failure::Http {
        status,
        reason: "x".to_owned(),
        location: None,
    }
}

fn code(code: u8) -> Failure {
    Failure::Rejected(ResponseCode(code))
}

/// In which states an event can find the logic.
fn states() -> Vec<(&'static str, Reconnection)> {
    let up = logic();
    let mut waiting = logic();
    waiting.on_lost("cut".to_owned(), SECOND);
    let mut trying = logic();
    trying.on_lost("cut".to_owned(), SECOND);
    trying.on_timeout(2 * SECOND);
    let mut over = logic();
    over.on_closed();
    vec![
        ("up", up),
        ("waiting", waiting),
        ("trying", trying),
        ("over", over),
    ]
}

#[test]
fn the_whole_transition_table() {
    type Event = fn(&mut Reconnection) -> String;
    let events: [(&str, Event); 12] = [
        ("the connection is lost", |it| {
            format!("{:?}", it.on_lost("reset".to_owned(), 3 * SECOND))
        }),
        ("too early", |it| format!("{:?}", it.on_timeout(SECOND))),
        ("the pause is over", |it| {
            format!("{:?}", it.on_timeout(2 * SECOND))
        }),
        ("the time is up", |it| {
            format!("{:?}", it.on_timeout(11 * SECOND))
        }),
        ("the attempt failed by 503", |it| {
            format!(
                "{:?}",
                it.on_failed(AttemptId(1), &failed([http(503)]), 3 * SECOND)
            )
        }),
        ("the attempt was refused with 127", |it| {
            format!(
                "{:?}",
                it.on_failed(AttemptId(1), &failed([code(127)]), 3 * SECOND)
            )
        }),
        ("the attempt was refused with 117", |it| {
            format!(
                "{:?}",
                it.on_failed(AttemptId(1), &failed([code(117)]), 3 * SECOND)
            )
        }),
        ("the attempt was refused with 117, then 502", |it| {
            let failed = failed([code(117), http(502)]);
            format!("{:?}", it.on_failed(AttemptId(1), &failed, 3 * SECOND))
        }),
        ("the attempt connected", |it| {
            format!("used: {}", it.on_connected(AttemptId(1), 3 * SECOND))
        }),
        ("an older attempt failed", |it| {
            format!(
                "{:?}",
                it.on_failed(AttemptId(0), &failed([code(117)]), 3 * SECOND)
            )
        }),
        ("an older attempt connected", |it| {
            format!("used: {}", it.on_connected(AttemptId(0), 3 * SECOND))
        }),
        ("the session is closed", |it| {
            it.on_closed();
            "closed".to_owned()
        }),
    ];
    let mut table = String::new();
    for (name, event) in events {
        for (before, mut logic) in states() {
            let step = event(&mut logic);
            writeln!(table, "{name}, {before}: {step} -> {:?}", logic.state).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn codes_after_which_the_server_may_know_better_are_tried_again() {
    let refused = |code: u8| Step::GiveUp(GiveUp::Refused(ResponseCode(code)));
    let again = Step::Wait {
        attempt: 2,
        pause: SECOND,
    };
    let cases = [
        (vec![http(502)], again.clone()),
        (vec![http(503), http(404)], again.clone()),
        (vec![code(127), http(503)], again.clone()),
        (vec![], again),
        (vec![code(102)], refused(102)),
        (vec![code(113), code(113)], refused(113)),
        (vec![code(114)], refused(114)),
        (vec![code(115)], refused(115)),
        (vec![code(116)], refused(116)),
        (vec![http(503), code(117)], refused(117)),
        (vec![code(117), code(127)], refused(117)),
        (vec![code(118)], refused(118)),
        (vec![code(119)], refused(119)),
        (vec![code(200)], refused(200)),
    ];
    for (failures, expected) in cases {
        let mut logic = logic();
        logic.on_lost("cut".to_owned(), SECOND);
        assert_eq!(logic.on_timeout(2 * SECOND), Step::Try(AttemptId(1)));
        let step = logic.on_failed(AttemptId(1), &failed(failures.clone()), 3 * SECOND);
        assert_eq!(step, expected, "{failures:?}");
    }
}

#[test]
fn the_time_runs_from_the_loss_and_not_from_the_attempt() {
    let mut logic = logic();
    logic.on_lost("cut".to_owned(), 20 * SECOND);
    for second in 21..30 {
        assert_eq!(logic.poll_timeout(), Some(second * SECOND));
        let Step::Try(id) = logic.on_timeout(second * SECOND) else {
            panic!("an attempt at {second} s");
        };
        assert_eq!(logic.poll_timeout(), Some(30 * SECOND));
        logic.on_failed(id, &failed([http(503)]), second * SECOND);
    }
    let gave_up = Step::GiveUp(GiveUp::TimedOut {
        within: 10 * SECOND,
        cause: "WEBSOCKET: HTTP 503 x".to_owned(),
    });
    assert_eq!(logic.on_timeout(30 * SECOND), gave_up);
    assert_eq!(logic.poll_timeout(), None);
}

#[test]
fn a_connection_has_to_hold_before_attempts_count_anew() {
    let cases = [(4, 2), (5, 1), (60, 1)];
    for (held, expected) in cases {
        let mut logic = logic();
        logic.on_lost("cut".to_owned(), 10 * SECOND);
        logic.on_timeout(11 * SECOND);
        assert!(logic.on_connected(AttemptId(1), 12 * SECOND));
        let step = logic.on_lost("cut".to_owned(), (12 + held) * SECOND);
        let expected = Step::Wait {
            attempt: expected,
            pause: SECOND,
        };
        assert_eq!(step, expected, "held for {held} s");
    }
}

#[test]
fn strategies_see_what_happened_and_may_give_up() {
    let strategy = |next: &NextAttempt<'_>| {
        let status = next.tried.last().and_then(|tried| match tried.failure() {
            Some(Failure::Http { status, .. }) => Some(*status),
            _ => None,
        });
        match (next.number, status) {
            (1, None) => Some(Duration::ZERO),
            (_, Some(503)) => Some(next.lost_for),
            _ => None,
        }
    };
    let mut logic = with(Reconnect::default().strategy(strategy));
    logic.on_lost("cut".to_owned(), SECOND);
    assert_eq!(logic.on_timeout(SECOND), Step::Try(AttemptId(1)));
    let step = logic.on_failed(AttemptId(1), &failed([http(503)]), 4 * SECOND);
    let expected = Step::Wait {
        attempt: 2,
        pause: 3 * SECOND,
    };
    assert_eq!(step, expected);
    assert_eq!(logic.on_timeout(7 * SECOND), Step::Try(AttemptId(2)));
    let step = logic.on_failed(AttemptId(2), &failed([http(404)]), 8 * SECOND);
    let cause = "WEBSOCKET: HTTP 404 x".to_owned();
    assert_eq!(step, Step::GiveUp(GiveUp::Strategy { cause }));
}

#[test]
fn without_reconnection_nothing_is_tried() {
    let mut logic = with(Reconnect::never());
    assert!(!logic.is_on());
    let step = logic.on_lost("cut".to_owned(), SECOND);
    assert_eq!(step, Step::GiveUp(GiveUp::Off));
}

#[test]
fn jitter_follows_from_the_seed_and_spreads_the_clients() {
    let first_pause = |seed| {
        let reconnect =
            Reconnect::default().strategy(Backoff::full_jitter(SECOND * 100, SECOND * 100));
        let step = Reconnection::new(reconnect, seed).on_lost("cut".to_owned(), SECOND);
        let Step::Wait { pause, .. } = step else {
            panic!("{step:?}");
        };
        pause
    };
    assert_eq!(first_pause(1), first_pause(1));
    // A hundred clients, and ten parts of the longest pause: no part is empty or crowded.
    let mut parts = [0; 10];
    for seed in 0..100 {
        parts[usize::try_from(first_pause(seed).as_secs() / 10).unwrap()] += 1;
    }
    assert!(
        parts.iter().all(|part| (3..=20).contains(part)),
        "{parts:?}"
    );
}
