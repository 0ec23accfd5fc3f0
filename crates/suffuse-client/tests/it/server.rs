//! The client and a server in the same process, over both transports.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use suffuse_client::{
    AddResult, Builder, CloseReason, Comparison, OperandType, Operator, RequestError, Session,
    SizeInfo, TopicSpecification, TopicType, Transport, UnsubscriptionReason, UpdateConstraint,
    keys,
    streams::{Received, TopicNotice},
    topic::{Json, Raw, TopicWrite as _},
};
use suffuse_server::{Options, Server};

use crate::peer::within;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    bid: f64,
    name: String,
}

fn price(bid: f64) -> Json<Price> {
    Json(Price {
        bid,
        name: "a name that is long enough to make deltas worth their while".to_owned(),
    })
}

fn json() -> TopicSpecification {
    TopicSpecification::new(TopicType::JSON)
}

pub(crate) async fn start() -> Server {
    Server::start(Options::dev(([127, 0, 0, 1], 0).into()))
        .await
        .unwrap()
}

pub(crate) async fn connect(server: &Server, transport: Transport) -> Session {
    within(builder(server, transport).open()).await.unwrap()
}

pub(crate) fn builder(server: &Server, transport: Transport) -> Builder {
    Session::builder()
        .server_host("127.0.0.1")
        .server_port(server.addresses()[0].port())
        .transports([transport])
        .request_path("/path/diffusion")
        .principal("admin")
        .credentials("password")
}

/// Runs a test with a session over each transport.
macro_rules! over_each_transport {
    ($($name:ident => $test:ident;)*) => { $(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn over_websocket() {
                let server = start().await;
                within($test(&server, &connect(&server, Transport::WebSocket).await)).await;
                within(server.stop()).await;
            }

            #[tokio::test]
            async fn over_polling() {
                let server = start().await;
                within($test(&server, &connect(&server, Transport::HttpPolling).await)).await;
                within(server.stop()).await;
            }
        }
    )* };
}

over_each_transport! {
    a_value_that_is_set_comes_back => value_and_deltas;
    a_stream_of_everything_tells_beginning_and_end => notices;
    late_streams_get_the_cached_value => late_streams;
    topics_are_fetched_with_what_was_asked_for => fetch;
    what_the_server_refuses_has_a_code => refusals;
    constraints_guard_updates => constraints;
    an_update_stream_sends_deltas_until_something_else_updates => update_streams;
    a_patch_alters_a_value => patches;
    every_type_of_value_arrives => types;
    the_session_knows_its_properties => properties;
    closing_ends_everything => closing;
    a_slow_reader_gets_the_last_value => slow_reader;
    large_values_arrive_whole => large_values;
}

async fn value_and_deltas(_: &Server, session: &Session) {
    let topics = session.topics();
    let mut prices = topics.stream::<Json<Price>>("?prices/").await.unwrap();
    let added = topics
        .add_and_set("prices/VOD", json(), &price(101.25))
        .await
        .unwrap();
    assert_eq!(added, AddResult::Created);
    topics.set("prices/VOD", &price(101.5)).await.unwrap();
    topics.set("prices/VOD", &price(101.5)).await.unwrap();
    topics.set("prices/VOD", &price(101.75)).await.unwrap();

    let first = prices.next().await.unwrap();
    assert_eq!(
        (first.path.as_str(), first.value.clone()),
        ("prices/VOD", Ok(price(101.25)))
    );
    assert_eq!((first.previous_value(), first.missed), (Ok(None), 0));
    assert!(
        matches!(first.received, Received::Value { .. }),
        "{:?}",
        first.received
    );
    let second = prices.next().await.unwrap();
    assert_eq!(second.value, Ok(price(101.5)));
    assert_eq!(second.previous_value(), Ok(Some(price(101.25))));
    let third = prices.next().await.unwrap();
    assert_eq!(
        third.value,
        Ok(price(101.75)),
        "a value that is the same is not published"
    );
}

async fn notices(_: &Server, session: &Session) {
    let topics = session.topics();
    let mut notices = topics.notices::<String>("?a//").await.unwrap();
    let specification =
        TopicSpecification::new(TopicType::STRING).with(keys::PUBLISH_VALUES_ONLY, "true");
    topics.add("a/b", specification.clone()).await.unwrap();
    topics.set("a/b", "x").await.unwrap();
    assert_eq!(topics.remove("?a//").await, Ok(1));

    let TopicNotice::Subscribed {
        path,
        specification: seen,
    } = notices.next().await.unwrap()
    else {
        panic!("the subscription comes first");
    };
    assert_eq!((path.as_str(), &*seen), ("a/b", &specification));
    let TopicNotice::Value(update) = notices.next().await.unwrap() else {
        panic!("then the value");
    };
    assert_eq!(update.value, Ok("x".to_owned()));
    let TopicNotice::Unsubscribed { reason, .. } = notices.next().await.unwrap() else {
        panic!("and then the end");
    };
    assert_eq!(reason, UnsubscriptionReason::Removed);

    topics.unsubscribe("?a//").await.unwrap();
    topics
        .add_and_set("a/c", TopicSpecification::new(TopicType::STRING), "y")
        .await
        .unwrap();
    topics.subscribe("a/c").await.unwrap();
    assert!(matches!(
        notices.next().await,
        Some(TopicNotice::Subscribed { .. })
    ));
    topics.unsubscribe_all("?.*//").await.unwrap();
    assert!(matches!(notices.next().await, Some(TopicNotice::Value(_))));
    let Some(TopicNotice::Unsubscribed { reason, .. }) = notices.next().await else {
        panic!("the session is unsubscribed");
    };
    assert_eq!(reason, UnsubscriptionReason::Requested);
}

async fn late_streams(_: &Server, session: &Session) {
    let topics = session.topics();
    topics
        .add_and_set("a", TopicSpecification::new(TopicType::INT64), &7i64)
        .await
        .unwrap();
    topics.subscribe("a").await.unwrap();
    let mut stream = topics.stream_of_subscribed::<i64>("?.*").await.unwrap();
    let update = stream.next().await.unwrap();
    assert_eq!((update.value, update.received), (Ok(7), Received::Cached));
    let mut texts = topics
        .stream_of_subscribed::<Json<serde_json::Value>>("a")
        .await
        .unwrap();
    assert_eq!(
        texts.next().await.unwrap().value,
        Ok(Json(serde_json::json!(7)))
    );
}

async fn fetch(_: &Server, session: &Session) {
    let topics = session.topics();
    for (path, value) in [("f/a", 1i64), ("f/b", 2), ("f/b/c", 3), ("f/d", 4)] {
        let specification = TopicSpecification::new(TopicType::INT64).with(keys::PRIORITY, "high");
        topics
            .add_and_set(path, specification, &value)
            .await
            .unwrap();
    }
    topics
        .add_and_set("f/e", TopicSpecification::new(TopicType::STRING), "x")
        .await
        .unwrap();

    let paths = |result: suffuse_client::FetchResult| {
        let paths = result
            .topics
            .iter()
            .map(|topic| topic.path.clone())
            .collect::<Vec<_>>()
            .join(" ");
        (paths, result.has_more)
    };
    let all = || topics.fetch("?f//");
    assert_eq!(
        paths(all().send().await.unwrap()),
        ("f/a f/b f/b/c f/d f/e".to_owned(), false)
    );
    assert_eq!(
        paths(all().first(2).send().await.unwrap()),
        ("f/a f/b".to_owned(), true)
    );
    assert_eq!(
        paths(all().last(2).send().await.unwrap()),
        ("f/d f/e".to_owned(), true)
    );
    assert_eq!(
        paths(all().from("f/b").to("f/d").send().await.unwrap()),
        ("f/b f/b/c f/d".to_owned(), false)
    );
    assert_eq!(
        paths(all().after("f/b").before("f/d").send().await.unwrap()),
        ("f/b/c".to_owned(), false)
    );
    let strings = all().topic_types(&[TopicType::STRING]);
    assert_eq!(
        paths(strings.send().await.unwrap()),
        ("f/e".to_owned(), false)
    );
    let shallow = all().limit_deep_branches(2, 1);
    assert_eq!(
        paths(shallow.send().await.unwrap()),
        ("f/a f/b f/d f/e".to_owned(), false)
    );

    let result = all()
        .with_values()
        .with_properties()
        .with_sizes()
        .last(2)
        .send()
        .await
        .unwrap();
    let topic = &result.topics[0];
    assert_eq!(
        (topic.topic_type, topic.value::<i64>()),
        (TopicType::INT64, Ok(Some(4)))
    );
    assert_eq!(topic.properties.as_ref().unwrap()[keys::PRIORITY], "high");
    assert_eq!(topic.size, SizeInfo::Value(1));
    let bare = &all().first(1).send().await.unwrap().topics[0];
    assert_eq!(
        (bare.raw.clone(), bare.properties.clone(), bare.size),
        (None, None, SizeInfo::Absent)
    );
}

async fn refusals(_: &Server, session: &Session) {
    let topics = session.topics();
    topics
        .add("s", TopicSpecification::new(TopicType::STRING))
        .await
        .unwrap();
    assert_eq!(
        topics
            .add("s", TopicSpecification::new(TopicType::STRING))
            .await,
        Ok(AddResult::Exists)
    );
    let failures = [
        (topics.set("missing", "x").await, "SFX-R9000"),
        (topics.set("s", &1i64).await, "SFX-R500"),
        (topics.add("s", json()).await.map(drop), "SFX-R9004"),
        (topics.subscribe("$x").await, "SFX-R003"),
        (topics.subscribe("?a(").await, "SFX-R003"),
        (topics.set("a//b", "x").await, "SFX-R004"),
        (topics.fetch("").send().await.map(drop), "SFX-R003"),
    ];
    for (result, code) in failures {
        let error = result.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    session.ping().await.unwrap();
}

async fn update_streams(_: &Server, session: &Session) {
    let topics = session.topics();
    topics.subscribe("a").await.unwrap();
    let mut prices = topics.stream::<Json<Price>>("a").await.unwrap();
    let always = || UpdateConstraint::Unconstrained;
    let missing = topics.update_stream::<Json<Price>>("a", always()).await;
    assert_eq!(missing.unwrap_err().code(), "SFX-R9000");
    let specification = json().with("CONFLATION", "off");
    let added = topics.add_and_update_stream::<Json<Price>>("a", specification, always());
    let (mut stream, result) = added.await.unwrap();
    assert_eq!(result, AddResult::Created);
    for number in 0..200 {
        let value = price(f64::from(number) + 0.5);
        stream.set(&value).await.unwrap();
        assert_eq!(prices.next().await.unwrap().value, Ok(value));
    }
    stream.check().await.unwrap();

    topics.set("a", &price(1.5)).await.unwrap();
    assert_eq!(stream.check().await.unwrap_err().code(), "SFX-R9013");
    assert_eq!(
        stream.set(&price(2.5)).await.unwrap_err().code(),
        "SFX-R9013"
    );
    let mut stream = topics
        .update_stream::<Json<Price>>("a", always())
        .await
        .unwrap();
    stream.set(&price(3.5)).await.unwrap();
    assert_eq!(prices.next().await.unwrap().value, Ok(price(1.5)));
    assert_eq!(prices.next().await.unwrap().value, Ok(price(3.5)));
}

async fn patches(_: &Server, session: &Session) {
    let topics = session.topics();
    topics.add_and_set("a", json(), &price(1.5)).await.unwrap();
    topics.subscribe("a").await.unwrap();
    let mut prices = topics
        .stream_of_subscribed::<Json<Price>>("a")
        .await
        .unwrap();
    assert_eq!(prices.next().await.unwrap().value, Ok(price(1.5)));
    let patch = |text: &'static str| topics.patch("a", text, UpdateConstraint::Unconstrained);
    let applied = patch(r#"[{"op":"replace","path":"/bid","value":2.5}]"#);
    assert_eq!(applied.await, Ok(None));
    assert_eq!(prices.next().await.unwrap().value, Ok(price(2.5)));
    let failing = patch(r#"[{"op":"test","path":"/bid","value":2.5},{"op":"remove","path":"/x"}]"#);
    assert_eq!(failing.await, Ok(Some(1)));
    assert_eq!(patch("[1]").await.unwrap_err().code(), "SFX-R9014");
}

async fn constraints(_: &Server, session: &Session) {
    let topics = session.topics();
    let specification = TopicSpecification::new(TopicType::INT64);
    let if_absent = |value: i64| {
        let value = value.write().unwrap();
        topics.add_and_set_raw_if(
            "counter",
            specification.clone(),
            value,
            UpdateConstraint::NoTopic,
        )
    };
    assert_eq!(if_absent(1).await, Ok(AddResult::Created));
    assert_eq!(if_absent(1).await.unwrap_err().code(), "SFX-R9012");
    let if_value = |expected: i64, value: i64| {
        let operand = expected.write().unwrap();
        let comparison = Comparison {
            operator: Operator::Is,
            operand_type: OperandType::Binary,
            operand,
        };
        let constraint = UpdateConstraint::Value(comparison);
        topics.set_raw_if(
            "counter",
            TopicType::INT64,
            value.write().unwrap(),
            constraint,
        )
    };
    assert_eq!(if_value(1, 2).await, Ok(()));
    assert_eq!(if_value(1, 3).await.unwrap_err().code(), "SFX-R9012");
}

async fn types(_: &Server, session: &Session) {
    let topics = session.topics();
    let specification = TopicSpecification::new;
    let mut all = topics.stream::<Raw>("?types/").await.unwrap();
    topics
        .add_and_set("types/string", specification(TopicType::STRING), "größe")
        .await
        .unwrap();
    topics
        .add_and_set("types/int64", specification(TopicType::INT64), &i64::MIN)
        .await
        .unwrap();
    topics
        .add_and_set("types/double", specification(TopicType::DOUBLE), &0.5)
        .await
        .unwrap();
    let bytes = Bytes::from_static(&[0, 1, 0xff]);
    topics
        .add_and_set("types/binary", specification(TopicType::BINARY), &bytes)
        .await
        .unwrap();
    topics.set("types/int64", &None::<i64>).await.unwrap();
    let expected = [
        (TopicType::STRING, "größe".write()),
        (TopicType::INT64, i64::MIN.write()),
        (TopicType::DOUBLE, 0.5.write()),
        (TopicType::BINARY, Ok(bytes)),
        (TopicType::INT64, None::<i64>.write()),
    ];
    for (topic_type, bytes) in expected {
        let update = all.next().await.unwrap();
        assert_eq!(
            update.value,
            Ok(Raw {
                topic_type,
                bytes: bytes.unwrap()
            }),
            "{}",
            update.path
        );
    }
}

async fn properties(_: &Server, session: &Session) {
    let properties = session.properties().own().await.unwrap();
    assert_eq!(properties["$Principal"], "admin");
    assert_eq!(properties["$SessionId"], session.id().to_string());
}

async fn closing(server: &Server, session: &Session) {
    let mut stream = session.topics().stream::<i64>("a").await.unwrap();
    session.close().await;
    assert_eq!(session.closed().await, CloseReason::ClosedByClient);
    assert_eq!(stream.next().await, None);
    let closed = RequestError::SessionClosed(CloseReason::ClosedByClient);
    assert_eq!(session.topics().subscribe("a").await, Err(closed));
    assert_eq!(server.inspect(|broker| broker.stats().sessions).await, 0);
}

async fn slow_reader(_: &Server, session: &Session) {
    let topics = session.topics();
    topics
        .add("n", TopicSpecification::new(TopicType::INT64))
        .await
        .unwrap();
    let mut numbers = topics.stream::<i64>("n").await.unwrap();
    const LAST: i64 = 3000;
    for number in 0..=LAST {
        topics.set("n", &number).await.unwrap();
    }
    let (mut seen, mut missed) = (0, 0);
    loop {
        let update = numbers.next().await.unwrap();
        (seen, missed) = (seen + 1, missed + update.missed);
        if update.value == Ok(LAST) {
            break;
        }
    }
    assert!(missed > 0 && seen < LAST, "{seen} seen, {missed} missed");
}

/// Large enough for compression, and for more than one read.
async fn large_values(_: &Server, session: &Session) {
    let topics = session.topics();
    let mut texts = topics.stream::<String>("?large/").await.unwrap();
    for (compression, count) in [("high", 50_000), ("off", 50_000), ("low", 500)] {
        let specification =
            TopicSpecification::new(TopicType::STRING).with(keys::COMPRESSION, compression);
        let text = (0..count)
            .map(|number: u64| format!("{number} "))
            .collect::<String>();
        let path = format!("large/{compression}");
        topics
            .add_and_set(&path, specification, &text)
            .await
            .unwrap();
        let update = texts.next().await.unwrap();
        assert_eq!(
            (update.path.as_str(), update.raw.len() > count as usize),
            (path.as_str(), true)
        );
        let Received::Value { bytes } = update.received else {
            panic!("{:?} is not a whole value", update.received);
        };
        assert_eq!(
            bytes < update.raw.len(),
            compression != "off",
            "{bytes} bytes received"
        );
        assert_eq!(update.value, Ok(text));
    }
}
