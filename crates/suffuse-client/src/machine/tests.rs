use suffuse_proto::{
    Path, ResponseCode, Selector, TopicSpecification,
    services::topics::UnsubscriptionReason as WireReason,
    value::{delta, primitive::encode_string},
};

use super::{
    topics::{Received, TopicEvent},
    *,
};

mod recovery;

const PING_INTERVAL: Duration = Duration::from_secs(10);
const ZERO: Duration = Duration::ZERO;

fn accepted(code: ResponseCode, sequence_or_message_bytes_max: i32) -> Accepted {
    Accepted {
        version: VERSION,
        code,
        session: SessionId {
            server: 1,
            value: 2,
        },
        token: SessionToken::from_ascii(b"n00.abcdefghijklmnopqrst").unwrap(),
        ping_interval: PING_INTERVAL,
        sequence_or_message_bytes_max,
    }
}

/// A machine with ticket numbers, whose outputs are shown as texts.
struct Bench {
    machine: Machine<u32>,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self::with(Reconnect::never())
    }

    fn with(reconnect: Reconnect) -> Self {
        Self {
            machine: Machine::new(&accepted(ResponseCode::OK, 1024), reconnect, 1),
            now: ZERO,
        }
    }

    fn listening(selector: &str) -> Self {
        let mut bench = Self::new();
        bench.listen(selector);
        bench
    }

    fn listen(&mut self, selector: &str) -> ListenerId {
        self.machine
            .listen(Selector::parse(selector).unwrap(), |topic_type| {
                topic_type == TopicType::STRING
            })
    }

    fn receive(&mut self, message: &Message) -> &mut Self {
        self.receive_bytes(message.to_bytes(VERSION))
    }

    fn receive_bytes(&mut self, bytes: impl Into<Bytes>) -> &mut Self {
        self.machine.handle_message(bytes.into(), self.now);
        self
    }

    fn request(&mut self, ticket: u32) -> &mut Self {
        self.machine.request(UserPing::ID, Bytes::new(), ticket);
        self
    }

    fn at(&mut self, now: Duration) -> &mut Self {
        self.now = now;
        self.machine.handle_timeout(now);
        self
    }

    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.machine.poll_output())
            .map(|output| show(&output))
            .collect()
    }

    fn expect(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(self.outputs(), expected);
        self
    }
}

fn show(output: &Output<u32>) -> String {
    let text = |bytes: &Bytes| format!("{:?}", primitives(bytes));
    match output {
        Output::Send(bytes) => {
            format!(
                "send {}",
                bytes
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            )
        }
        Output::Answer(ticket, Ok(body)) => format!("answer {ticket} with {} bytes", body.len()),
        Output::Answer(ticket, Err(error)) => format!("answer {ticket}: {error}"),
        Output::Ended(reason) => format!("ended: {reason}"),
        Output::Disconnect => "disconnect".to_owned(),
        Output::Recovering {
            attempt,
            pause,
            cause,
        } => format!("attempt {attempt} after {pause:?}: {cause}"),
        Output::Connect(_, parameters) => format!(
            "connect cs={} ss={}",
            parameters.client_sequence, parameters.server_sequence
        ),
        Output::Recovered { lost } => format!("recovered, lost: {lost}"),
        Output::Topic(delivery) => {
            let path = &delivery.path;
            match &delivery.event {
                TopicEvent::Subscribed => format!("+{path}"),
                TopicEvent::Unsubscribed(reason) => format!("-{path} {reason:?}"),
                TopicEvent::Value {
                    payload,
                    previous,
                    received,
                    lost,
                } => {
                    let previous = previous.as_ref().map_or_else(|| "nothing".to_owned(), text);
                    let how = match received {
                        Received::Cached => "cached".to_owned(),
                        Received::Value { bytes } => format!("value {bytes}"),
                        Received::Delta { bytes } => format!("delta {bytes}"),
                    };
                    let lost = if *lost { ", after a loss" } else { "" };
                    format!("{path} {} after {previous}, {how}{lost}", text(payload))
                }
            }
        }
    }
}

fn primitives(bytes: &Bytes) -> Option<String> {
    suffuse_proto::value::primitive::decode_string(bytes).unwrap()
}

fn notice(conversation: i64, service: ServiceId, body: Bytes) -> Message {
    Message::Request {
        service,
        conversation: ConversationId(conversation),
        body,
    }
}

fn subscribed(id: i32, path: &str, specification: TopicSpecification) -> Message {
    let notice_body = SubscriptionNotice {
        topic: TopicId(id),
        path: Path::parse(path).unwrap(),
        specification,
    };
    notice(
        0,
        SubscriptionNotification::ID,
        notice_body.to_bytes(VERSION),
    )
}

fn string() -> TopicSpecification {
    TopicSpecification::new(TopicType::STRING)
}

fn unsubscribed(id: i32) -> Message {
    let body = UnsubscriptionNotice {
        topic: TopicId(id),
        reason: WireReason::Removed,
    };
    notice(0, UnsubscriptionNotification::ID, body.to_bytes(VERSION))
}

fn value(id: i32, text: &str) -> Message {
    Message::TopicValue {
        topic: TopicId(id),
        encoding: Encoding::Plain,
        payload: encode_string(Some(text)),
    }
}

fn delta(id: i32, old: &str, new: &str) -> Message {
    let payload = delta::diff(&encode_string(Some(old)), &encode_string(Some(new)))
        .unwrap()
        .into();
    Message::TopicDelta {
        topic: TopicId(id),
        encoding: Encoding::Plain,
        payload,
    }
}

#[test]
fn pings_are_answered_and_one_way_requests_are_not() {
    let cases = [
        ("003705", vec!["send 0605"]),
        ("003805", vec!["send 0605"]),
        ("003700", vec![]),
        (
            "007f06",
            vec!["send 07061b756e6b6e6f776e20636c69656e7420736572766963653a2031323764"],
        ),
        ("007f00", vec![]),
    ];
    for (hex, expected) in cases {
        Bench::new().receive_bytes(bytes(hex)).expect(&expected);
    }
}

fn bytes(hex: &str) -> Bytes {
    let digits = |index| u8::from_str_radix(&hex[index..index + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

#[test]
fn answers_find_their_requests() {
    let error = Message::Error {
        service: ServiceId(0),
        conversation: ConversationId(1),
        reason: ErrorReason::ACCESS_DENIED,
    };
    Bench::new()
        .request(10)
        .request(11)
        .expect(&["send 003801", "send 003802"])
        .receive_bytes(bytes("0602"))
        .expect(&["answer 11 with 0 bytes"])
        .receive(&error)
        .expect(&["answer 10: the server refused the request: the session lacks a permission that the request needs (error 103)"])
        .receive_bytes(bytes("0602"))
        .receive_bytes(bytes("0609"))
        .expect(&[]);
}

#[test]
fn a_request_that_is_too_large_is_not_sent() {
    let mut bench = Bench::new();
    bench.machine.request(UserPing::ID, vec![0; 1024].into(), 7);
    bench.expect(&["answer 7: the message has 1027 bytes, and the server accepts at most 1024"]);
}

#[test]
fn values_and_deltas_reach_those_who_listen() {
    Bench::listening("?a/")
        .receive(&subscribed(1, "a/b", string()))
        .receive(&subscribed(2, "c", string()))
        .receive(&value(1, "the first long value"))
        .receive(&delta(1, "the first long value", "the second long value"))
        .receive(&value(2, "unheard"))
        .receive(&unsubscribed(1))
        .receive(&value(1, "lost"))
        .expect(&[
            "+a/b",
            "a/b Some(\"the first long value\") after nothing, value 21",
            "a/b Some(\"the second long value\") after Some(\"the first long value\"), delta 14",
            "-a/b Removed",
        ]);
}

#[test]
fn a_late_listener_gets_the_cached_values() {
    let mut bench = Bench::new();
    bench
        .receive(&subscribed(1, "a", string()))
        .receive(&value(1, "x"))
        .receive(&subscribed(2, "b", string()))
        .receive(&subscribed(
            3,
            "c",
            TopicSpecification::new(TopicType::JSON),
        ))
        .expect(&[]);
    let listener = bench.listen("?.*//");
    bench.expect(&["+a", "a Some(\"x\") after nothing, cached", "+b"]);
    bench.receive(&value(1, "y"));
    bench.expect(&["a Some(\"y\") after Some(\"x\"), value 2"]);
    bench.machine.unlisten(listener);
    bench.receive(&value(1, "z")).expect(&[]);
}

#[test]
fn a_topic_that_retains_no_value_is_not_cached() {
    let fleeting = string().with("DONT_RETAIN_VALUE", "true");
    let mut bench = Bench::listening("a");
    bench
        .receive(&subscribed(1, "a", fleeting))
        .receive(&value(1, "x"))
        .receive(&value(1, "y"))
        .expect(&[
            "+a",
            "a Some(\"x\") after nothing, value 2",
            "a Some(\"y\") after nothing, value 2",
        ]);
    bench.listen("a");
    bench.expect(&["+a"]);
}

#[test]
fn a_topic_that_is_announced_again_is_a_new_topic() {
    Bench::listening("?.*//")
        .receive(&subscribed(1, "a", string()))
        .receive(&subscribed(2, "a", string()))
        .receive(&value(1, "lost"))
        .receive(&subscribed(2, "b", string()))
        .expect(&["+a", "-a Unknown", "+a", "-a Unknown", "+b"]);
}

#[test]
fn what_the_server_must_not_send_ends_the_session() {
    let broken = |problem: &str| format!("ended: the server broke the protocol: {problem}");
    let cases = [
        ("", broken("the message ends before the value does")),
        ("22", broken("unknown tag 34 of Message")),
        ("1d", broken("a close request, which only a client sends")),
        (
            "0500000001f6",
            broken("a delta to topic `a`, which has no value"),
        ),
        (
            "8400000001f6",
            broken("compressed topic data that is not zlib: incomplete deflate stream"),
        ),
    ];
    for (hex, expected) in cases {
        let mut bench = Bench::new();
        bench.receive(&subscribed(1, "a", string()));
        bench.receive_bytes(bytes(hex)).expect(&[&expected]);
        bench.receive_bytes(bytes("003705")).expect(&[]);
    }
}

#[test]
fn a_delta_that_does_not_fit_ends_the_session() {
    let mut bench = Bench::listening("a");
    bench
        .receive(&subscribed(1, "a", string()))
        .receive(&value(1, "x"))
        .outputs();
    bench.receive_bytes(bytes("05000000010018ff"));
    let outputs = bench.outputs();
    assert!(
        outputs[0].contains("a delta to topic `a` that does not fit"),
        "{outputs:?}"
    );
}

#[test]
fn a_notification_that_cannot_be_understood_is_answered_with_an_error() {
    let mut bench = Bench::new();
    bench.receive(&notice(
        3,
        SubscriptionNotification::ID,
        Bytes::from_static(&[1]),
    ));
    let outputs = bench.outputs();
    assert!(outputs[0].starts_with("send 0703"), "{outputs:?}");
    bench
        .receive(&notice(
            0,
            UnsubscriptionNotification::ID,
            Bytes::from_static(&[1]),
        ))
        .expect(&[]);
}

/// A way to end a session.
type End = fn(&mut Bench);

#[test]
fn the_end_of_the_session_answers_what_waits() {
    let reasons: [(End, &str); 3] = [
        (
            |bench| {
                bench.receive_bytes(bytes("1c"));
            },
            "closed by the server",
        ),
        (
            |bench| bench.machine.handle_end("reset".to_owned(), ZERO),
            "the connection was lost: reset",
        ),
        (
            |bench| {
                bench.at(2 * PING_INTERVAL);
            },
            "the connection was lost: no ping of the server for 20 s",
        ),
    ];
    for (end, reason) in reasons {
        let mut bench = Bench::new();
        bench.request(1).outputs();
        end(&mut bench);
        let closed = |ticket| format!("answer {ticket}: the session is closed: {reason}");
        bench.expect(&[&closed(1), &format!("ended: {reason}")]);
        bench.request(2).expect(&[&closed(2)]);
        assert_eq!(bench.machine.poll_timeout(), None);
    }
}

#[test]
fn only_pings_of_the_server_keep_the_session_alive() {
    let mut bench = Bench::new();
    assert_eq!(bench.machine.poll_timeout(), Some(2 * PING_INTERVAL));
    bench
        .at(PING_INTERVAL)
        .receive_bytes(bytes("003700"))
        .expect(&[]);
    bench
        .at(2 * PING_INTERVAL)
        .receive_bytes(bytes("003805"))
        .expect(&["send 0605"]);
    assert_eq!(bench.machine.poll_timeout(), Some(3 * PING_INTERVAL));
    bench
        .at(3 * PING_INTERVAL)
        .expect(&["ended: the connection was lost: no ping of the server for 20 s"]);

    let silent = Accepted {
        ping_interval: ZERO,
        ..accepted(ResponseCode::OK, 1024)
    };
    let machine = Machine::<u32>::new(&silent, Reconnect::never(), 1);
    assert_eq!(machine.poll_timeout(), None);
}

#[test]
fn closing_tells_the_server_and_waits_for_it() {
    let ends: [End; 3] = [
        |bench| {
            bench.receive_bytes(bytes("1c"));
        },
        |bench| bench.machine.handle_end("ended".to_owned(), ZERO),
        |bench| {
            bench.at(CLOSE_WAIT);
        },
    ];
    for end in ends {
        let mut bench = Bench::new();
        bench.request(1);
        bench.machine.close(ZERO);
        bench.machine.close(ZERO);
        bench.expect(&["send 003801", "send 1d"]);
        bench
            .request(2)
            .expect(&["answer 2: the session is closed: closed by this client"]);
        end(&mut bench);
        bench.expect(&[
            "answer 1: the session is closed: closed by this client",
            "ended: closed by this client",
        ]);
    }
}
