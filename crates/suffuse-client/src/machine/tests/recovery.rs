//! The loss of the connection, and the resumption of the session (spec: connection §7.4).

use super::*;
use crate::{
    attempt::{Attempt, AttemptOutcome, Failure},
    machine::reconnect::FailedAttempt,
    reconnect::{FixedInterval, Reconnect},
    transport::Transport,
};

const SECOND: Duration = Duration::from_secs(1);

impl Bench {
    /// A machine that tries every second, for 5 s.
    fn recovering() -> Self {
        Self::with(Reconnect::within(5 * SECOND).strategy(FixedInterval(SECOND)))
    }

    fn lose(&mut self) -> &mut Self {
        self.machine.handle_end("cut".to_owned(), self.now);
        self
    }

    /// Loses the connection, and begins the attempt after it. Returns what is sent with it.
    fn lose_and_try(&mut self) -> (AttemptId, String) {
        self.outputs();
        self.lose();
        self.next_attempt()
    }

    fn next_attempt(&mut self) -> (AttemptId, String) {
        let now = self.machine.poll_timeout().unwrap();
        self.now = now;
        self.machine.handle_timeout(now);
        let mut attempt = None;
        while let Some(output) = self.machine.poll_output() {
            if let Output::Connect(id, _) = &output {
                attempt = Some((*id, show(&output)));
            }
        }
        attempt.expect("an attempt")
    }

    fn connected(&mut self, attempt: AttemptId, accepted: &Accepted) -> bool {
        self.machine.handle_connected(attempt, accepted, self.now)
    }
}

fn resumed(next: i32) -> Accepted {
    accepted(ResponseCode::RECONNECTED, next)
}

fn with_loss() -> Accepted {
    accepted(ResponseCode::RECONNECTED_WITH_MESSAGE_LOSS, 2048)
}

fn failed(failure: Failure) -> FailedAttempt {
    let attempt = Attempt {
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
        tried: vec![attempt],
    }
}

fn unavailable() -> FailedAttempt {
    failed(Failure::Http {
        status: 503,
        reason: "Service Unavailable".to_owned(),
        location: None,
    })
}

#[test]
fn a_lost_connection_is_made_anew_after_a_pause() {
    let mut bench = Bench::recovering();
    bench
        .lose()
        .expect(&["disconnect", "attempt 1 after 1s: cut"]);
    bench.lose().expect(&[]);
    bench.at(SECOND - Duration::from_millis(1)).expect(&[]);
    bench.at(SECOND).expect(&["connect cs=1 ss=0"]);
}

#[test]
fn silence_is_a_lost_connection() {
    let mut bench = Bench::recovering();
    bench.at(2 * PING_INTERVAL).expect(&[
        "disconnect",
        "attempt 1 after 1s: the connection was lost: no ping of the server for 20 s",
    ]);
    let (attempt, _) = bench.next_attempt();
    assert!(bench.connected(attempt, &resumed(1)));
    let limit = bench.now + 2 * PING_INTERVAL;
    assert_eq!(bench.machine.poll_timeout(), Some(limit), "counts anew");
}

#[test]
fn counts_tell_what_each_end_has() {
    // Requests, answers to the first so many of them, system pings: what is sent with the attempt.
    let cases = [
        (0, 0, 0, "connect cs=1 ss=0"),
        (3, 0, 0, "connect cs=1 ss=0"),
        (3, 1, 0, "connect cs=2 ss=1"),
        (3, 3, 0, "connect cs=4 ss=3"),
        // The answer to a ping is a message too, and nothing says that it arrived.
        (1, 1, 2, "connect cs=2 ss=3"),
    ];
    for (requests, answers, pings, expected) in cases {
        let mut bench = Bench::recovering();
        for ticket in 1..=requests {
            bench.request(ticket);
        }
        for conversation in 1..=answers {
            bench.receive(&answer(conversation));
        }
        for conversation in 1..=pings {
            bench.receive(&notice(conversation, SystemPing::ID, Bytes::new()));
        }
        assert_eq!(bench.lose_and_try().1, expected);
    }
}

fn answer(conversation: i64) -> Message {
    Message::Response {
        service: ServiceId(0),
        conversation: ConversationId(conversation),
        body: Bytes::new(),
    }
}

#[test]
fn what_the_server_lacks_is_sent_again_once_and_answered() {
    let mut bench = Bench::recovering();
    bench.request(11).request(12).request(13);
    let (attempt, _) = bench.lose_and_try();
    bench.request(14).expect(&[]);
    assert!(bench.connected(attempt, &resumed(2)));
    bench.expect(&[
        "recovered, lost: false",
        "send 003802",
        "send 003803",
        "send 003804",
    ]);
    bench
        .receive(&answer(1))
        .receive(&answer(4))
        .expect(&["answer 11 with 0 bytes", "answer 14 with 0 bytes"]);
    // The next loss counts on: four were sent, all arrived, two came.
    let (attempt, parameters) = bench.lose_and_try();
    assert_eq!(parameters, "connect cs=5 ss=2");
    assert!(bench.connected(attempt, &resumed(5)));
    bench.expect(&["recovered, lost: false"]);
    bench
        .receive(&answer(2))
        .receive(&answer(3))
        .expect(&["answer 12 with 0 bytes", "answer 13 with 0 bytes"]);
}

#[test]
fn a_server_that_lacks_what_is_gone_ends_the_session() {
    for (expected, arrived) in [(4, 0), (1, 1), (0, 0), (-1, 0), (i32::MAX, 0)] {
        let mut bench = Bench::recovering();
        bench.request(1).request(2);
        if arrived > 0 {
            bench.receive(&answer(1));
        }
        let (attempt, _) = bench.lose_and_try();
        assert!(!bench.connected(attempt, &resumed(expected)));
        let outputs = bench.outputs();
        let end = format!(
            "ended: messages were lost in a reconnection: the server expects number {expected}, and {} is \
             the oldest that is kept",
            arrived + 1
        );
        assert_eq!(outputs.last(), Some(&end));
        assert!(outputs[0].starts_with("answer "), "{outputs:?}");
    }
}

#[test]
fn after_a_loss_everything_begins_anew() {
    let mut bench = Bench::recovering();
    bench.listen("?.*//");
    let value = |id, text| Message::TopicValue {
        topic: TopicId(id),
        encoding: Encoding::Plain,
        payload: encode_string(Some(text)),
    };
    bench
        .receive(&subscribed(7, "a", string()))
        .receive(&value(7, "x"))
        .receive(&subscribed(8, "gone", string()))
        .request(1);
    let (attempt, _) = bench.lose_and_try();
    bench.request(2);
    assert!(bench.connected(attempt, &with_loss()));
    bench.expect(&[
        "recovered, lost: true",
        "answer 1: the request or its answer was lost in a reconnection; it may have been done",
        "-a SubscriptionRefresh",
        "-gone SubscriptionRefresh",
        "send 003802",
    ]);
    bench
        .receive(&subscribed(9, "a", string()))
        .receive(&value(9, "y"))
        .receive(&value(9, "z"))
        .receive(&subscribed(10, "new", string()))
        .receive(&value(10, "n"))
        .expect(&[
            "+a",
            r#"a Some("y") after nothing, value 2, after a loss"#,
            r#"a Some("z") after Some("y"), value 2"#,
            "+new",
            r#"new Some("n") after nothing, value 2"#,
        ]);
    // Both ends count from 1 again: one request was sent, five messages came.
    assert_eq!(bench.lose_and_try().1, "connect cs=1 ss=5");
}

#[test]
fn an_answer_from_before_a_loss_is_ignored() {
    let mut bench = Bench::recovering();
    bench.request(1);
    let (attempt, _) = bench.lose_and_try();
    assert!(bench.connected(attempt, &with_loss()));
    bench.outputs();
    bench.receive(&answer(1)).expect(&[]);
}

#[test]
fn what_comes_while_the_connection_is_lost_is_not_counted() {
    let mut bench = Bench::recovering();
    bench.lose();
    bench.receive(&subscribed(7, "a", string()));
    assert_eq!(bench.next_attempt().1, "connect cs=1 ss=0");
}

#[test]
fn requests_wait_up_to_a_limit() {
    let mut bench = Bench::recovering();
    bench.lose();
    bench.outputs();
    for ticket in 0..1024 {
        bench.request(ticket);
    }
    bench.expect(&[]);
    bench.request(1024).expect(&[
        "answer 1024: nothing was sent: the connection is lost, and 1024 requests of 0 bytes wait for it already",
    ]);
    let (attempt, _) = bench.next_attempt();
    assert!(bench.connected(attempt, &resumed(1)));
    let sent = bench
        .outputs()
        .iter()
        .filter(|output| output.starts_with("send"))
        .count();
    assert_eq!(sent, 1024);

    let mut bench = Bench::recovering();
    bench.lose();
    bench.outputs();
    let half = Bytes::from(vec![0; 4 << 20]);
    for ticket in 1..=3 {
        bench.machine.request(UserPing::ID, half.clone(), ticket);
    }
    bench.expect(&[
        "answer 3: nothing was sent: the connection is lost, and 2 requests of 8388608 bytes wait for it already",
    ]);
}

#[test]
fn the_end_answers_what_waits() {
    let mut bench = Bench::recovering();
    bench.request(1);
    bench.outputs();
    bench.lose().request(2);
    let (attempt, _) = bench.next_attempt();
    let now = bench.now;
    bench.machine.handle_failed(attempt, &unavailable(), now);
    bench.expect(&["attempt 2 after 1s: WEBSOCKET: HTTP 503 Service Unavailable"]);
    bench.next_attempt();
    bench.at(5 * SECOND).expect(&[
        "answer 1: the session is closed: reconnect timed out after 5 s: WEBSOCKET: HTTP 503 Service Unavailable",
        "answer 2: the session is closed: reconnect timed out after 5 s: WEBSOCKET: HTTP 503 Service Unavailable",
        "ended: reconnect timed out after 5 s: WEBSOCKET: HTTP 503 Service Unavailable",
    ]);
}

#[test]
fn a_refusal_ends_the_session_at_once() {
    let mut bench = Bench::recovering();
    let (attempt, _) = bench.lose_and_try();
    let unknown = failed(Failure::Rejected(ResponseCode::UNKNOWN_SESSION));
    let now = bench.now;
    bench.machine.handle_failed(attempt, &unknown, now);
    bench.expect(&[
        "ended: the server does not resume the session: response 117 UNKNOWN_SESSION: reconnection failed: \
         the server does not know the session",
    ]);
}

#[test]
fn an_answer_that_does_not_resume_the_session_ends_it() {
    let other = Accepted {
        session: SessionId {
            server: 1,
            value: 3,
        },
        ..resumed(1)
    };
    let cases = [
        (
            accepted(ResponseCode::OK, 1024),
            "it answered a reconnection with 100 OK",
        ),
        (other, "it answered a reconnection with another session"),
    ];
    for (accepted, what) in cases {
        let mut bench = Bench::recovering();
        let (attempt, _) = bench.lose_and_try();
        assert!(!bench.connected(attempt, &accepted));
        bench.expect(&[&format!("ended: the server broke the protocol: {what}")]);
    }
}

#[test]
fn closing_while_the_connection_is_lost_is_done_at_once() {
    let mut bench = Bench::recovering();
    let (attempt, _) = bench.lose_and_try();
    let now = bench.now;
    bench.machine.close(now);
    bench.expect(&["ended: closed by this client"]);
    assert!(!bench.connected(attempt, &resumed(1)), "it comes too late");
    bench.machine.handle_failed(attempt, &unavailable(), now);
    bench.expect(&[]);
}

#[test]
fn attempts_that_were_given_up_are_ignored() {
    let mut bench = Bench::recovering();
    let (first, _) = bench.lose_and_try();
    let now = bench.now;
    bench.machine.handle_failed(first, &unavailable(), now);
    let (second, _) = bench.next_attempt();
    assert!(!bench.connected(first, &resumed(1)));
    bench.machine.handle_failed(first, &unavailable(), now);
    bench.expect(&[]);
    assert!(bench.connected(second, &resumed(1)));
    bench.expect(&["recovered, lost: false"]);
}

#[test]
fn a_server_that_aborts_or_breaks_the_protocol_is_not_asked_again() {
    for (bytes, end) in [
        (&[0x1c][..], "ended: closed by the server"),
        (
            &[0x22],
            "ended: the server broke the protocol: unknown tag 34 of Message",
        ),
    ] {
        let mut bench = Bench::recovering();
        bench
            .receive_bytes(Bytes::from_static(bytes))
            .lose()
            .expect(&[end]);
    }
}
