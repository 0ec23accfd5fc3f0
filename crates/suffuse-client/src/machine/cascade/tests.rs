use std::fmt::Write as _;

use super::*;

fn cascade(list: &[Transport]) -> Cascade {
    Cascade::new(
        &Transports::List(list.to_vec()),
        CascadingCodes::Table,
        Retry::default(),
    )
}

fn short(list: &[Transport]) -> String {
    let name = |transport: &Transport| match transport {
        Transport::WebSocket => "WS",
        Transport::HttpPolling => "XHR",
    };
    list.iter().map(name).collect::<Vec<_>>().join(",")
}

fn show(step: Step) -> String {
    match step {
        Step::Try {
            position,
            transport,
            pause,
        } => {
            let pause = pause
                .map(|pause| format!("{pause:?}, "))
                .unwrap_or_default();
            format!("{pause}{}:{}", position + 1, short(&[transport]))
        }
        Step::Use => "use".to_owned(),
        Step::GiveUp(GiveUp::NoTransport) => "no transport".to_owned(),
        Step::GiveUp(GiveUp::Exhausted) => "exhausted".to_owned(),
        Step::GiveUp(GiveUp::Fatal) => "fatal".to_owned(),
    }
}

/// Which transports are tried if every attempt has this outcome.
fn walk(cascade: &Cascade, outcome: Outcome) -> String {
    let mut steps = vec![show(cascade.start())];
    let mut step = cascade.start();
    while let Step::Try { position, .. } = step {
        step = cascade.on_outcome(position, outcome);
        steps.push(show(step));
    }
    steps.join(" → ")
}

#[test]
fn the_whole_transition_table() {
    use Transport::{HttpPolling as Xhr, WebSocket as Ws};
    let lists: [&[Transport]; 6] = [
        &[],
        &[Ws],
        &[Xhr],
        &[Ws, Xhr],
        &[Ws, Xhr, Ws],
        &[Ws, Ws, Ws, Ws],
    ];
    let mut table = String::new();
    for list in lists {
        let cascade = cascade(list);
        writeln!(table, "[{}]", short(list)).unwrap();
        writeln!(
            table,
            "  {:42} {}",
            "transport error",
            walk(&cascade, Outcome::TransportError)
        )
        .unwrap();
        for (codes, walk) in responses(&cascade) {
            writeln!(table, "  {codes:42} {walk}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

fn outcome(code: ResponseCode) -> Outcome {
    match code.class() {
        ResponseClass::Connected => Outcome::Connected,
        ResponseClass::Cascade | ResponseClass::Fatal => Outcome::Rejected(code),
    }
}

/// All 256 response codes, with neighbours that lead to the same walk in one row.
fn responses(cascade: &Cascade) -> Vec<(String, String)> {
    let mut rows: Vec<(u8, u8, String)> = Vec::new();
    for code in 0..=u8::MAX {
        let walk = walk(cascade, outcome(ResponseCode(code)));
        let named = |code: u8| ResponseCode(code).name().is_some();
        match rows.last_mut() {
            Some((_, last, same)) if *same == walk && !named(*last) && !named(code) => *last = code,
            _ => rows.push((code, code, walk)),
        }
    }
    let label = |first: u8, last: u8| match (first == last, ResponseCode(first).name()) {
        (true, Some(name)) => format!("{first} {name}"),
        (true, None) => format!("{first}"),
        (false, _) => format!("{first}-{last}"),
    };
    rows.into_iter()
        .map(|(first, last, walk)| (label(first, last), walk))
        .collect()
}

#[test]
fn no_list_is_websocket_and_an_empty_list_is_nothing() {
    let start =
        |transports| Cascade::new(&transports, CascadingCodes::Table, Retry::default()).start();
    let first = Step::Try {
        position: 0,
        transport: Transport::WebSocket,
        pause: None,
    };
    assert_eq!(start(Transports::NotGiven), first);
    assert_eq!(
        start(Transports::List(vec![])),
        Step::GiveUp(GiveUp::NoTransport)
    );
}

#[test]
fn an_application_can_choose_the_codes_that_cascade() {
    let only_116 = CascadingCodes::Only([ResponseCode::AUTHENTICATION_FAILED].into());
    let list = Transports::List(vec![Transport::WebSocket, Transport::HttpPolling]);
    let cascade = Cascade::new(&list, only_116, Retry::default());
    let next = Step::Try {
        position: 1,
        transport: Transport::HttpPolling,
        pause: None,
    };
    let fatal = Step::GiveUp(GiveUp::Fatal);
    assert_eq!(
        cascade.on_outcome(0, Outcome::Rejected(ResponseCode::AUTHENTICATION_FAILED)),
        next
    );
    assert_eq!(
        cascade.on_outcome(0, Outcome::Rejected(ResponseCode::ERROR)),
        fatal
    );
    assert_eq!(cascade.on_outcome(0, Outcome::TransportError), next);
}

#[test]
fn the_whole_list_comes_again_after_a_pause_but_never_after_a_fatal_error() {
    use Transport::{HttpPolling as Xhr, WebSocket as Ws};
    let error = Outcome::TransportError;
    let cascades = Outcome::Rejected(ResponseCode::ERROR);
    let fatal = Outcome::Rejected(ResponseCode::AUTHENTICATION_FAILED);
    let cases: [(&[Transport], u16, Outcome, &str); 7] = [
        (&[], 2, error, "no transport"),
        (&[Ws], 0, error, "1:WS → exhausted"),
        (&[Ws], 2, error, "1:WS → 5s, 2:WS → 5s, 3:WS → exhausted"),
        (
            &[Ws, Xhr],
            1,
            error,
            "1:WS → 2:XHR → 5s, 3:WS → 4:XHR → exhausted",
        ),
        (&[Ws], 1, cascades, "1:WS → 5s, 2:WS → exhausted"),
        (&[Ws, Xhr], 2, fatal, "1:WS → fatal"),
        (&[Ws], 2, Outcome::Connected, "1:WS → use"),
    ];
    for (list, attempts, outcome, expected) in cases {
        let interval = Duration::from_secs(5);
        let retry = Retry { attempts, interval };
        let list = Transports::List(list.to_vec());
        let cascade = Cascade::new(&list, CascadingCodes::Table, retry);
        assert_eq!(walk(&cascade, outcome), expected);
    }
}

#[test]
fn a_pass_is_as_long_as_the_list() {
    let retry = Retry {
        attempts: u16::MAX,
        interval: Duration::ZERO,
    };
    let list = Transports::List(vec![Transport::WebSocket, Transport::HttpPolling]);
    let cascade = Cascade::new(&list, CascadingCodes::Table, retry);
    assert_eq!(
        [0, 1, 2, 5].map(|position| cascade.pass(position)),
        [0, 0, 1, 2]
    );
    assert_eq!(cascade.after(2), [Transport::HttpPolling]);
    assert_eq!(cascade.after(3), []);
    assert_eq!(cascade.attempts_max(), 2 << 16);
}
