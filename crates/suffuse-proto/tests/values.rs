//! Values and deltas against the vectors of the published clients (`vectors/README.md`).

use serde_json::Value;
use suffuse_proto::TopicType;
use suffuse_proto::value::{self, delta, json, primitive, record};

/// A delta of ours may be this much longer than the one of the published client.
const DELTA_BYTES_MORE: usize = 2;

#[test]
fn values_of_the_published_clients_are_valid_and_read_as_they_meant_them() {
    let vectors = vectors(include_str!("vectors/values.json"));
    assert!(vectors.len() > 90);
    for vector in &vectors {
        let (name, bytes) = (text(vector, "name"), hex(vector, "hex"));
        let topic_type = TopicType::from_data_type_name(text(vector, "data_type")).unwrap();
        let decoded = &vector["decoded"];
        assert_eq!(value::validate(topic_type, &bytes), Ok(()), "{name}");
        match topic_type {
            TopicType::JSON => check_json(name, &bytes, decoded),
            TopicType::STRING => {
                assert_eq!(
                    primitive::decode_string(&bytes).unwrap().as_deref(),
                    decoded.as_str()
                );
                assert_eq!(primitive::encode_string(decoded.as_str()), bytes, "{name}");
            }
            TopicType::INT64 => {
                assert_eq!(
                    primitive::decode_int64(&bytes).unwrap(),
                    integer(decoded),
                    "{name}"
                );
                assert_eq!(primitive::encode_int64(integer(decoded)), bytes, "{name}");
            }
            TopicType::DOUBLE => {
                let (ours, theirs) = (primitive::decode_double(&bytes).unwrap(), double(decoded));
                assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{name}");
                if bytes.len() == 9 {
                    assert_eq!(primitive::encode_double(ours), bytes, "{name}");
                }
            }
            TopicType::RECORD_V2 => {
                let records = record::decode(&bytes).unwrap();
                assert_eq!(serde_json::json!(records), *decoded, "{name}");
                assert_eq!(record::encode(&records).unwrap(), bytes, "{name}");
            }
            _ => assert_eq!(hex(decoded, "hex"), bytes, "{name}"),
        }
    }
}

fn check_json(name: &str, bytes: &[u8], decoded: &Value) {
    // Their client has no JSON for these, or writes another number than it was given.
    let not_json = [
        "bytes inside",
        "int64 inside",
        "1e21",
        "undefined in object",
    ];
    if not_json.iter().any(|part| name.ends_with(part)) {
        return;
    }
    assert_eq!(
        json::to_json(bytes).expect("the vector is valid"),
        *decoded,
        "{name}"
    );
    // NaN and such are written as zero in eight bytes, which we would write as one.
    if !["NaN", "Infinity", "1e300"]
        .iter()
        .any(|part| name.ends_with(part))
    {
        assert_eq!(json::from_json(decoded), bytes, "{name}");
    }
}

#[test]
fn deltas_of_the_published_clients_are_applied() {
    for vector in vectors(include_str!("vectors/deltas.json")) {
        let (old, new) = (hex(&vector, "old_hex"), hex(&vector, "new_hex"));
        for client in ["delta_hex", "py_diff_hex"] {
            let applied = delta::apply(&old, &hex(&vector, client), 10_000).unwrap();
            assert_eq!(applied, new, "{} of {client}", text(&vector, "name"));
        }
    }
}

#[test]
fn our_deltas_are_about_as_short_as_those_of_the_published_client() {
    let mut deltas = 0;
    for vector in vectors(include_str!("vectors/deltas.json")) {
        let (old, new) = (hex(&vector, "old_hex"), hex(&vector, "new_hex"));
        let theirs = hex(&vector, "delta_hex");
        let name = text(&vector, "name");
        match delta::diff(&old, &new) {
            Some(ours) => {
                assert_eq!(delta::apply(&old, &ours, new.len()).unwrap(), new, "{name}");
                let (length, most) = (ours.len(), theirs.len() + DELTA_BYTES_MORE);
                assert!(
                    length <= most,
                    "{name}: {length} bytes, theirs has {}",
                    theirs.len()
                );
                deltas += 1;
            }
            None => assert!(
                new.len() < 20 || theirs.len() >= new.len() || old == new,
                "{name}"
            ),
        }
    }
    assert!(deltas > 12);
}

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().expect("the field is a text")
}

fn hex(vector: &Value, field: &str) -> Vec<u8> {
    let digits = format!("0x{}", text(vector, field));
    value::from_display(TopicType::BINARY, &digits)
        .expect("the field has hexadecimal digits")
        .to_vec()
}

fn integer(decoded: &Value) -> Option<i64> {
    match decoded["int64"].as_str() {
        Some(digits) => digits.parse().ok(),
        None => decoded.as_i64(),
    }
}

fn double(decoded: &Value) -> Option<f64> {
    match decoded.as_str() {
        Some(text) => text.parse().ok(),
        None => decoded.as_f64(),
    }
}
