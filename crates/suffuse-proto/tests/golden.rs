//! Bytes of the published clients and of real servers: they decode, say what they say, and encode to themselves
//! (`vectors/README.md`).

use bytes::Bytes;
use serde_json::{Map, Value, json};
use suffuse_proto::{
    Codec, ErrorReason, Message, ResponseClass, ResponseCode, TopicSpecification, TopicType,
    Version,
    codec::BitSet,
    handshake::{Accepted, ConnectionRequest, ConnectionResponse, Credentials, Parameters},
    message::{ServiceId, TopicId},
    polling,
    service::{self, Service},
    services::{
        security::{ListPathPermissionsRequest, PermissionIds},
        session_properties::OwnProperties,
        time_series::{
            AppendRequest, EditRequest, EventMetadata, QueryType, Range, RangeQueryRequest,
            RangeQueryResult, TimestampAppendRequest,
        },
        topic_control::{AddTopicRequest, AddTopicResult, RemoveTopicsRequest, RemovedTopics},
        topic_update::{
            AddAndSetTopicRequest, ApplyJsonPatchRequest, PatchResult, SetTopicRequest,
            UpdateConstraint,
        },
        topics::{
            FetchRequest, FetchResult, FetchedTopic, PathBound, SelectionRequest, SizeInfo,
            SubscriptionNotice, UnsubscribeAllRequest, UnsubscriptionNotice,
        },
        update_stream::{
            CreateUpdateStreamRequest, StreamAddTopicRequest, StreamDeltaRequest, StreamSetRequest,
            UpdateStreamAdded, UpdateStreamCreated, UpdateStreamId,
        },
        v9,
    },
};

const MESSAGES: &str = include_str!("vectors/services-messages.json");
const HANDSHAKES: &str = include_str!("vectors/services-handshakes.json");

#[test]
fn captured_messages_say_what_they_say_and_encode_to_themselves() {
    let vectors = vectors(MESSAGES);
    assert!(vectors.len() > 300);
    for vector in &vectors {
        let (version, bytes) = (version(vector), hex(&vector["hex"]));
        let body = match text(vector, "form") {
            "body" => bytes,
            _ => check_message(vector, bytes, version),
        };
        check_body(vector, &body, version);
    }
}

/// Checks the envelope, and returns the body.
fn check_message(vector: &Value, bytes: Bytes, version: Version) -> Bytes {
    let name = text(vector, "name");
    let message = Message::decode(bytes.clone(), version);
    let message = message.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(message.to_bytes(version), bytes, "{name}");
    let (kind, fields, body) = match message {
        Message::Request { service, body, .. } => {
            assert_eq!(json!(service.0), vector["service"], "{name}");
            ("request", json!({}), body)
        }
        Message::Response { body, .. } => ("response", json!({}), body),
        Message::Error {
            reason: ErrorReason { code, message },
            ..
        } => (
            "error",
            json!({ "code": code, "message": message }),
            Bytes::new(),
        ),
        Message::TopicValue { topic, .. } => ("TOPIC_VALUE", topic_field(topic), Bytes::new()),
        Message::TopicDelta { topic, .. } => ("TOPIC_DELTA", topic_field(topic), Bytes::new()),
        Message::PathValue { path, .. } => ("TOPIC_LOAD", json!({ "path": path }), Bytes::new()),
        Message::PathDelta { path, .. } => ("DELTA", json!({ "path": path }), Bytes::new()),
        Message::FetchReply { path, .. } => ("FETCH_REPLY", json!({ "path": path }), Bytes::new()),
        Message::Abort | Message::Close => panic!("{name}: no vector has this"),
    };
    assert_eq!(kind, text(vector, "kind"), "{name}");
    if !matches!(kind, "request" | "response") {
        compare(vector, &fields);
    }
    body
}

fn topic_field(topic: TopicId) -> Value {
    json!({ "topic": topic.0 })
}

/// Decodes the body with the record of its service.
fn check_body(vector: &Value, body: &Bytes, version: Version) {
    let id = vector["service"].as_i64();
    let mut is_known = id.is_none();
    macro_rules! visit {
        ($service:ident) => {
            if id == Some(service::$service::ID.0.into()) {
                is_known = true;
                check_service::<service::$service>(vector, body, version);
            }
        };
    }
    suffuse_proto::for_each_service!(visit);
    assert!(is_known, "{}: an unknown service", text(vector, "name"));
}

fn check_service<S: Service>(vector: &Value, body: &Bytes, version: Version) {
    match text(vector, "kind") {
        "request" => {
            check_record::<S::Request>(vector, body, version);
            compare(vector, &request_fields(S::ID, body, version));
        }
        "response" => {
            check_record::<S::Response>(vector, body, version);
            compare(vector, &response_fields(S::ID, body, version));
        }
        _ => {}
    }
}

fn check_record<T: Codec + PartialEq + std::fmt::Debug>(
    vector: &Value,
    body: &Bytes,
    version: Version,
) {
    let name = text(vector, "name");
    let record = T::from_bytes(body.clone(), version);
    let record = record.unwrap_or_else(|error| panic!("{name} at {version:?}: {error}"));
    let again = record.to_bytes(version);
    if again != body {
        // The order of a map is free, and ours is that of its keys.
        assert_eq!(sorted(&again), sorted(body), "{name}: {record:?}");
        assert_eq!(T::from_bytes(again, version), Ok(record), "{name}");
    }
}

fn sorted(bytes: &[u8]) -> Vec<u8> {
    let mut sorted = bytes.to_vec();
    sorted.sort_unstable();
    sorted
}

/// Every field that the vector knows has to be as it says.
fn compare(vector: &Value, fields: &Value) {
    let known = vector["decoded"].as_object().expect("it is an object");
    for (key, expected) in known {
        assert_eq!(&fields[key], expected, "{key} of {}", text(vector, "name"));
    }
}

fn request_fields(service: ServiceId, body: &Bytes, version: Version) -> Value {
    fn read<T: Codec>(body: &Bytes, version: Version) -> T {
        T::from_bytes(body.clone(), version).expect("it was decoded before")
    }
    match service.0 {
        2 => json!({ "selector": read::<v9::FetchRequest>(body, version).selector }),
        3 | 4 => {
            let SelectionRequest { selector, scope } = read(body, version);
            json!({ "selector": selector, "scope": scope })
        }
        40 => {
            let v9::SubscriptionNotice {
                topic,
                path,
                details,
            } = read(body, version);
            json!({ "topic": topic.0, "path": path.as_str(), "type": details.topic_type.0 })
        }
        42 => {
            let UnsubscriptionNotice { topic, reason } = read(body, version);
            json!({ "topic": topic.0, "reason": reason as u8 })
        }
        46 => {
            let request: v9::AddTopicRequest = read(body, version);
            let value = request.content.map(|content| to_hex(&content.value));
            json!({ "path": request.path, "type": request.details.topic_type.0, "value": value })
        }
        61 => {
            let request: v9::UpdateTopicRequest = read(body, version);
            json!({ "path": request.path, "value": to_hex(&request.content.value) })
        }
        79 => json!({ "path": read::<v9::SetTopicRequest>(body, version).path }),
        83 => json!({ "selector": read::<RemoveTopicsRequest>(body, version).selector }),
        84 => range_query_fields(&read(body, version), version),
        87 => {
            let SubscriptionNotice {
                topic,
                path,
                specification,
            } = read(body, version);
            let fields = json!({ "topic": topic.0, "path": path.as_str() });
            joined(fields, specification_fields(&specification))
        }
        99 => {
            let AppendRequest {
                path, data_type, ..
            } = read(body, version);
            json!({ "path": path, "data_type": data_type })
        }
        100 => {
            let EditRequest {
                path, data_type, ..
            } = read(body, version);
            json!({ "path": path, "data_type": data_type })
        }
        112 => {
            let AddTopicRequest {
                path,
                specification,
            } = read(body, version);
            joined(
                json!({ "path": path }),
                specification_fields(&specification),
            )
        }
        117 => fetch_fields(&read(body, version)),
        118 | 126 => {
            let SetTopicRequest {
                path,
                topic_type,
                value,
                constraint,
            } = read(body, version);
            let fields = json!({ "path": path, "type": topic_type.0, "value": to_hex(&value) });
            joined(fields, constraint_fields(&constraint, version))
        }
        122 | 131 => {
            let AddAndSetTopicRequest {
                path,
                specification,
                value,
                constraint,
            } = read(body, version);
            let fields = json!({ "path": path, "value": to_hex(&value) });
            let fields = joined(fields, specification_fields(&specification));
            joined(fields, constraint_fields(&constraint, version))
        }
        125 => {
            let CreateUpdateStreamRequest {
                path,
                topic_type,
                constraint,
            } = read(body, version);
            let fields = json!({ "path": path, "type": topic_type.0 });
            joined(fields, constraint_fields(&constraint, version))
        }
        127 => json!({ "stream": stream_fields(&read(body, version)) }),
        128 => {
            let StreamSetRequest { stream, value } = read(body, version);
            json!({ "stream": stream_fields(&stream), "value": to_hex(&value) })
        }
        129 => {
            let StreamDeltaRequest { stream, delta } = read(body, version);
            json!({ "stream": stream_fields(&stream), "delta": to_hex(&delta) })
        }
        130 => {
            let StreamAddTopicRequest {
                path,
                specification,
                constraint,
            } = read(body, version);
            let fields = joined(
                json!({ "path": path }),
                specification_fields(&specification),
            );
            joined(fields, constraint_fields(&constraint, version))
        }
        144 => json!({ "path": read::<ListPathPermissionsRequest>(body, version).path }),
        151 => {
            let ApplyJsonPatchRequest {
                path,
                patch,
                constraint,
            } = read(body, version);
            let fields = json!({ "path": path, "patch": patch });
            joined(fields, constraint_fields(&constraint, version))
        }
        166 => {
            let TimestampAppendRequest {
                path, data_type, ..
            } = read(body, version);
            json!({ "path": path, "data_type": data_type })
        }
        199 => json!({ "selector": read::<UnsubscribeAllRequest>(body, version).selector }),
        _ => json!({}),
    }
}

fn response_fields(service: ServiceId, body: &Bytes, version: Version) -> Value {
    fn read<T: Codec>(body: &Bytes, version: Version) -> T {
        T::from_bytes(body.clone(), version).expect("it was decoded before")
    }
    match service.0 {
        46 => json!({ "result": first_byte(&read::<v9::AddTopicResult>(body, version), version) }),
        61 | 79 => {
            json!({ "result": first_byte(&read::<v9::UpdateResult>(body, version), version) })
        }
        83 => json!({ "count": read::<RemovedTopics>(body, version).count }),
        84 => {
            let result: RangeQueryResult = read(body, version);
            assert!(result.events().is_ok(), "every author is declared");
            json!({ "data_type": result.data_type, "selected": result.selected })
        }
        99 | 100 | 166 => {
            let EventMetadata {
                sequence,
                timestamp,
                author,
            } = read(body, version);
            json!({ "sequence": sequence, "timestamp": timestamp, "author": author })
        }
        112 | 122 => json!({ "result": read::<AddTopicResult>(body, version) as u8 }),
        117 => {
            let FetchResult {
                properties,
                topics,
                has_more,
            } = read(body, version);
            let topics = topics.iter().map(|topic| {
                let value = topic.value.as_ref().map(|value| to_hex(value));
                json!([
                    topic.path,
                    topic.topic_type.0,
                    value,
                    topic.properties_index
                ])
            });
            json!({ "maps": properties, "topics": topics.collect::<Vec<_>>(), "has_more": has_more })
        }
        125 | 126 => created_fields(&read(body, version)),
        130 | 131 => {
            let UpdateStreamAdded { topic, created } = read(body, version);
            joined(json!({ "result": topic as u8 }), created_fields(&created))
        }
        143 | 144 => json!({ "permissions": read::<PermissionIds>(body, version).0 }),
        151 => {
            json!({ "failed_operation": read::<PatchResult>(body, version).failed_operation })
        }
        202 => json!({ "properties": read::<OwnProperties>(body, version).0 }),
        _ => json!({}),
    }
}

fn created_fields(created: &UpdateStreamCreated) -> Value {
    json!({ "stream": stream_fields(&created.stream), "flags": created.flags.0 })
}

fn stream_fields(stream: &UpdateStreamId) -> Value {
    json!([
        stream.topic.0,
        stream.instance,
        stream.partition,
        stream.generation
    ])
}

fn range_query_fields(request: &RangeQueryRequest, version: Version) -> Value {
    let points = [request.view, request.edits].map(|Range { anchor, span }| {
        let types =
            [anchor.to_bytes(version), span.to_bytes(version)].map(|bytes| bytes.last().copied());
        [
            json!([anchor.value(), types[0]]),
            json!([span.value(), types[1]]),
        ]
    });
    let query_type = match request.query_type {
        QueryType::Values => 0,
        QueryType::AllEdits => 1,
        QueryType::LatestEdits => 2,
    };
    json!({
        "path": request.path,
        "query_type": query_type,
        "points": points.concat(),
        "limit": request.limit,
    })
}

fn first_byte(result: &impl Codec, version: Version) -> u8 {
    result.to_bytes(version)[0]
}

fn specification_fields(specification: &TopicSpecification) -> Value {
    json!({ "type": specification.topic_type.0, "properties": specification.properties })
}

fn constraint_fields(constraint: &UpdateConstraint, version: Version) -> Value {
    let bytes = constraint.to_bytes(version);
    json!({ "constraint": to_hex(&bytes), "constraint_kind": bytes[0] })
}

fn fetch_fields(request: &FetchRequest) -> Value {
    json!({
        "selector": request.selector,
        "types": request.topic_types.0,
        "values": request.with_values,
        "properties": request.with_properties,
        "limit": request.limit,
        "bytes": request.result_bytes_max,
        "depth": request.deep_branch_depth,
        "branch": request.deep_branch_limit,
        "unpublished": request.with_unpublished_delayed_topics,
        "sizes": request.with_sizes,
    })
}

/// What no capture tells apart, by the tables of the specification (topics §4, §7).
#[test]
fn fields_of_the_same_form_are_in_the_order_of_the_specification() {
    let bound = |path: &str, inclusive| {
        let path = path.to_owned();
        Some(PathBound { path, inclusive })
    };
    let fetch = FetchRequest {
        selector: "?py//".to_owned(),
        from: bound("py", true),
        to: bound("pz", false),
        topic_types: BitSet(0x8000),
        with_values: true,
        with_properties: false,
        limit: -2,
        result_bytes_max: 500,
        deep_branch_depth: 2,
        deep_branch_limit: 1,
        with_unpublished_delayed_topics: true,
        with_sizes: false,
    };
    let digits = "053f70792f2f 010270790101 02707a00 808002 0100 feffffff0f f403 02 01 01 00";
    check_example(digits, &fetch);
    let with_properties = FetchRequest {
        with_values: false,
        with_properties: true,
        ..fetch
    };
    check_example(&digits.replace(" 0100 ", " 0001 "), &with_properties);

    let (path, scope) = ("?a".to_owned(), "s".to_owned());
    check_example(
        "023f61 0173",
        &SelectionRequest {
            selector: path,
            scope,
        },
    );
    let topic = FetchedTopic {
        path: "a".to_owned(),
        topic_type: TopicType::INT64,
        value: Some(Bytes::from_static(&[5])),
        properties_index: 3,
        size: SizeInfo::TimeSeries {
            last_event: 1,
            events: 2,
            total: 300,
        },
    };
    check_example("0161 12 010105 03 02 01 02 ac02", &topic);
}

fn check_example<T: Codec + PartialEq + std::fmt::Debug>(digits: &str, expected: &T) {
    let bytes = hex(&json!(digits.replace(' ', "")));
    assert_eq!(
        T::from_bytes(bytes.clone(), Version::NEWEST).as_ref(),
        Ok(expected)
    );
    assert_eq!(expected.to_bytes(Version::NEWEST), bytes);
}

#[test]
fn captured_connection_responses_encode_to_themselves() {
    let mut count = 0;
    for vector in vectors(HANDSHAKES)
        .iter()
        .filter(|vector| text(vector, "kind") == "response")
    {
        let (name, bytes, decoded) = (
            text(vector, "name"),
            hex(&vector["hex"]),
            &vector["decoded"],
        );
        let number = decoded["version"].as_u64().expect("it has a version") as u8;
        let version = Version::new(number).expect("it is a version that we speak");
        let response = ConnectionResponse::decode(bytes.clone(), version);
        let response = response.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(response.to_bytes(), bytes, "{name}");
        match response {
            ConnectionResponse::Rejected { code, .. } => {
                assert_ne!(code.class(), ResponseClass::Connected, "{name}");
                assert_eq!(json!(code.0), decoded["code"], "{name}");
            }
            ConnectionResponse::Accepted(accepted) => check_accepted(name, &accepted, decoded),
        }
        count += 1;
    }
    assert!(count > 30, "{count}");
}

fn check_accepted(name: &str, accepted: &Accepted, decoded: &Value) {
    assert_eq!(json!(accepted.code.0), decoded["code"], "{name}");
    assert_eq!(accepted.token.as_str(), text(decoded, "token"), "{name}");
    let id = format!(
        "{}-{}",
        text(decoded, "serverId"),
        text(decoded, "sessionValue")
    );
    assert_eq!(accepted.session.to_string(), id, "{name}");
    assert_eq!(
        json!(accepted.ping_interval.as_millis() as u64),
        decoded["pingPeriodMs"],
        "{name}"
    );
    if accepted.code == ResponseCode::OK && accepted.version != Version::OLD {
        assert_eq!(
            json!(accepted.sequence_or_message_bytes_max),
            decoded["maximumMessageSize"],
            "{name}"
        );
    }
}

#[test]
fn captured_connection_requests_are_understood() {
    let mut count = 0;
    for vector in &vectors(HANDSHAKES) {
        let parameters = match text(vector, "kind") {
            "query" => Parameters::from_query(text(vector, "query")),
            "upgrade" => Parameters::from_upgrade_headers(headers(vector)),
            "polling" => Parameters::from_polling_headers(headers(vector)),
            _ => continue,
        };
        check_request(vector, &parameters);
        count += 1;
    }
    assert!(count > 15, "{count}");
}

fn headers(vector: &Value) -> impl Iterator<Item = (&str, &[u8])> {
    let headers = vector["headers"].as_object().expect("they are an object");
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default().as_bytes()))
}

fn check_request(vector: &Value, parameters: &Parameters) {
    let name = text(vector, "name");
    let expected: Map<_, _> = vector["decoded"].as_object().cloned().unwrap_or_default();
    for (key, value) in &expected {
        assert_eq!(parameters.get(key), value.as_str(), "{key} of {name}");
    }
    let request = ConnectionRequest::parse(parameters);
    let request = request.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(request.reconnect_timeout.as_millis(), 60_000, "{name}");
    if !request.principal.is_empty() {
        assert_eq!(request.principal, "control", "{name}");
        assert_eq!(
            request.credentials,
            Credentials::Password("password".to_owned()),
            "{name}"
        );
    }
    if let Some(reconnect) = &request.reconnect {
        assert_eq!(
            reconnect
                .token
                .map(|token| token.as_str().to_owned())
                .as_deref(),
            parameters.get("c")
        );
    }
    if request.version == Version::NEWEST || request.client_type == "PY" {
        let environment = &request.proposed_properties["$Environment"];
        assert!(environment.contains('_'), "{name}: {environment}");
    }
    assert_eq!(
        ConnectionRequest::parse(&request.to_parameters()),
        Ok(request),
        "{name}"
    );
}

#[test]
fn captured_messages_around_handshakes_encode_to_themselves() {
    for vector in vectors(HANDSHAKES)
        .iter()
        .filter(|vector| text(vector, "kind") == "message")
    {
        let (name, bytes, decoded) = (
            text(vector, "name"),
            hex(&vector["hex"]),
            &vector["decoded"],
        );
        let message = Message::decode(bytes.clone(), version(vector));
        let message = message.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(message.to_bytes(version(vector)), bytes, "{name}");
        if let Message::Request {
            service,
            conversation,
            ..
        } = message
        {
            assert_eq!(json!(service.0), decoded["service"], "{name}");
            assert_eq!(json!(conversation.0), decoded["cid"], "{name}");
        }
    }
}

#[test]
fn captured_polling_bodies_are_cut_into_their_messages_and_put_together_again() {
    let mut count = 0;
    for vector in vectors(HANDSHAKES)
        .iter()
        .filter(|vector| text(vector, "kind") == "polling_body")
    {
        let (name, body) = (text(vector, "name"), hex(&vector["hex"]));
        let dialect = version(vector).dialect();
        let direction = match vector["up"].as_bool() {
            Some(true) => polling::Direction::Up,
            _ => polling::Direction::Down,
        };
        let messages: Vec<_> = vector["messages"]
            .as_array()
            .expect("they are a list")
            .iter()
            .map(hex)
            .collect();
        assert_eq!(
            polling::decode(&body, dialect, direction).as_deref(),
            Ok(&messages[..]),
            "{name}"
        );
        let mut again = Vec::new();
        messages
            .iter()
            .for_each(|message| polling::append(&mut again, message, dialect, direction));
        assert_eq!(polling::finish(again, dialect, direction), body, "{name}");
        count += 1;
    }
    assert!(count > 10, "{count}");
}

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().expect("the field is a text")
}

fn version(vector: &Value) -> Version {
    let number = vector["version"].as_u64().expect("it has a version");
    Version::new(number as u8).expect("it is a version that we speak")
}

fn joined(mut fields: Value, more: Value) -> Value {
    let (Some(fields_map), Value::Object(more)) = (fields.as_object_mut(), more) else {
        unreachable!("both are objects");
    };
    fields_map.extend(more);
    fields
}

fn hex(digits: &Value) -> Bytes {
    let digits = digits.as_str().expect("the digits are a text").as_bytes();
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .expect("the digits are hexadecimal") as u8
    };
    digits
        .chunks(2)
        .map(|pair| nibble(pair[0]) << 4 | nibble(pair[1]))
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
