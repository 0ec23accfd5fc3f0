//! What reading and writing messages costs: the envelope, and the records of the requests that servers get most.

use std::{collections::BTreeMap, hint::black_box};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use suffuse_proto::{
    Codec, Message, Path, Service, TopicSpecification, TopicType, Version,
    message::{ConversationId, Encoding, TopicId},
    service::{AddAndSetTopic, FetchQuery, SetTopic, Subscribe},
    services::{
        topic_update::{AddAndSetTopicRequest, SetTopicRequest, UpdateConstraint},
        topics::{FetchResult, FetchedTopic, SelectionRequest, SizeInfo, SubscriptionNotice},
    },
};

const PATH: &str = "markets/equities/XETRA/SYM0042/quote";

/// The whole of a message and its record, as the broker decodes it.
fn requests(criterion: &mut Criterion) {
    let selection = SelectionRequest {
        selector: format!("?{PATH}//"),
        scope: String::new(),
    };
    request::<Subscribe>(criterion, &selection);
    let constraint = UpdateConstraint::Unconstrained;
    let set = SetTopicRequest {
        path: PATH.to_owned(),
        topic_type: TopicType::JSON,
        value: value(),
        constraint: constraint.clone(),
    };
    request::<SetTopic>(criterion, &set);
    let add = AddAndSetTopicRequest {
        path: PATH.to_owned(),
        specification: specification(),
        value: value(),
        constraint,
    };
    request::<AddAndSetTopic>(criterion, &add);
}

fn request<S: Service>(criterion: &mut Criterion, request: &S::Request) {
    let message = Message::Request {
        service: S::ID,
        conversation: ConversationId(1_000_000),
        body: request.to_bytes(Version::NEWEST),
    };
    let bytes = message.to_bytes(Version::NEWEST);
    criterion.bench_function(&format!("decode request {}", S::NAME), |bencher| {
        bencher.iter(
            || match Message::decode(black_box(&bytes).clone(), Version::NEWEST) {
                Ok(Message::Request { body, .. }) => S::Request::from_bytes(body, Version::NEWEST),
                other => panic!("expected a request, found {other:?}"),
            },
        );
    });
}

/// What servers write most.
fn answers(criterion: &mut Criterion) {
    let data = Message::TopicValue {
        topic: TopicId(42),
        encoding: Encoding::Plain,
        payload: value(),
    };
    criterion.bench_function("encode topic value", |bencher| {
        bencher.iter(|| black_box(&data).to_bytes(Version::NEWEST));
    });
    let path = Path::parse(PATH).expect("the path is valid");
    let notice = SubscriptionNotice {
        topic: TopicId(42),
        path,
        specification: specification(),
    };
    criterion.bench_function("encode subscription notice", |bencher| {
        bencher.iter(|| black_box(&notice).to_bytes(Version::NEWEST));
    });
    let result = fetched(1000);
    criterion.bench_function("encode fetch result of 1,000", |bencher| {
        bencher.iter(|| black_box(&result).to_bytes(Version::NEWEST));
    });
    let bytes = result.to_bytes(Version::NEWEST);
    criterion.bench_function("decode fetch result of 1,000", |bencher| {
        bencher.iter(|| {
            <FetchQuery as Service>::Response::from_bytes(
                black_box(&bytes).clone(),
                Version::NEWEST,
            )
        });
    });
}

fn fetched(count: usize) -> FetchResult {
    let topic = |number| FetchedTopic {
        path: format!("{PATH}/{number}"),
        topic_type: TopicType::JSON,
        value: Some(value()),
        properties_index: 0,
        size: SizeInfo::Absent,
    };
    FetchResult {
        properties: vec![specification().properties],
        topics: (0..count).map(topic).collect(),
        has_more: false,
    }
}

fn specification() -> TopicSpecification {
    let properties = BTreeMap::from([("REMOVAL".to_owned(), "when no updates for 10m".to_owned())]);
    TopicSpecification {
        topic_type: TopicType::JSON,
        properties,
    }
}

fn value() -> Bytes {
    Bytes::from(vec![0x20; 125])
}

criterion_group!(benches, requests, answers);
criterion_main!(benches);
