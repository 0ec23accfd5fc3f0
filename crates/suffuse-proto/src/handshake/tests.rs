use super::*;

fn parse(query: &str) -> Result<ConnectionRequest, HandshakeError> {
    ConnectionRequest::parse(&Parameters::from_query(query))
}

#[test]
fn the_request_of_the_javascript_client_is_read() {
    let request = parse(
        "ty=WB&v=29&ca=10&r=60000&sp=%7B%22%24Environment%22%3A%22NODE_linux_20.20.2%22%7D\
         &username=control&password=AQhwYXNzd29yZA%3D%3D",
    )
    .unwrap();
    assert_eq!(request.version, Version::NEWEST);
    assert!(request.capabilities.has_zlib());
    assert_eq!(request.reconnect_timeout, Duration::from_secs(60));
    assert_eq!(request.principal, "control");
    assert_eq!(
        request.credentials,
        Credentials::Password("password".to_owned())
    );
    assert_eq!(
        request.proposed_properties["$Environment"],
        "NODE_linux_20.20.2"
    );
    assert_eq!(
        ConnectionRequest::parse(&request.to_parameters()),
        Ok(request)
    );
}

#[test]
fn the_request_of_the_python_client_is_read_from_raw_headers() {
    let headers = [
        ("V", &b"25"[..]),
        ("ca", b"10"),
        ("username", "contrôl%41".as_bytes()),
        ("password", b""),
        ("ty", b"PY"),
        (
            "sp",
            br#""a","b\"c\\d","$Environment","PYTHON_cpython_3.11.7""#,
        ),
    ];
    let request = ConnectionRequest::parse(&Parameters::from_upgrade_headers(headers)).unwrap();
    assert_eq!(request.principal, "contrôl%41");
    assert_eq!(request.credentials, Credentials::None);
    assert_eq!(request.proposed_properties["a"], r#"b"c\d"#);
}

#[test]
fn base64_survives_the_query() {
    let request =
        parse("v=29&username=u&password=AQhwYXNzd29yZA==&c=n00.abcdefghij+/klmnopqr&cs=1&ss=4")
            .unwrap();
    assert_eq!(
        request.credentials,
        Credentials::Password("password".to_owned())
    );
    let reconnect = request.reconnect.unwrap();
    assert_eq!(
        reconnect.token.unwrap().as_str(),
        "n00.abcdefghij+/klmnopqr"
    );
    assert_eq!(
        (reconnect.client_sequence, reconnect.server_sequence),
        (1, 4)
    );
}

#[test]
fn malformed_requests_get_the_response_of_the_specification() {
    let cases = [
        ("", None),
        ("v=x", None),
        ("v=4", None),
        ("v=300", None),
        ("v=10&ty=WB", Some((10, 102))),
        ("v=15&ty=WB", Some((15, 102))),
        ("v=30&ty=WB", Some((30, 102))),
        ("v=30&ty=PY", Some((30, 115))),
        ("v=29&r=x", Some((29, 115))),
        ("v=29&password=%%%", Some((29, 115))),
        ("v=29&password=AwA=", Some((29, 115))),
        ("v=29&username=a%00", Some((29, 115))),
        ("v=29&c=token", Some((29, 115))),
        ("v=29&c=token&cs=1&ss=x", Some((29, 115))),
    ];
    for (query, expected) in cases {
        let response = parse(query).unwrap_err().response();
        let expected = expected.map(|(version, code)| ConnectionResponse::Rejected {
            version,
            code: ResponseCode(code),
        });
        assert_eq!(response, expected, "{query}");
    }
    let long = format!("v=29&username={}", "x".repeat(PRINCIPAL_BYTES_MAX + 1));
    assert!(parse(&long).is_err());
}

#[test]
fn what_is_optional_has_its_default() {
    let request = parse("v=29&r=-5&sp=nonsense%22").unwrap();
    assert_eq!(request.client_type, "unknown");
    assert_eq!(request.capabilities, Capabilities::UNIFIED);
    assert_eq!(request.reconnect_timeout, Duration::ZERO);
    assert!(request.proposed_properties.is_empty());
}

#[test]
fn proposed_properties_have_two_syntaxes() {
    let read =
        |text: &str| parse_proposed_properties(text).map(|map| map.into_iter().collect::<Vec<_>>());
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(read(r#"{"k":"v"}"#), Some(vec![pair("k", "v")]));
    assert_eq!(read(r#""k",'v'"#), Some(vec![pair("k", "v")]));
    assert_eq!(read(r#""k","v","odd""#), None);
    assert_eq!(read(r#""unterminated"#), None);
}

#[test]
fn responses_have_the_bytes_of_the_specification() {
    let hex = "231d64c11fef06a3817d2a00000000000000015a545a4c336b43776a5061716b6b4345536e6e5a4b55524c\
               0000000000015f9004000000";
    let accepted = ConnectionResponse::Accepted(Accepted {
        version: Version::NEWEST,
        code: ResponseCode::OK,
        session: "c11fef06a3817d2a-0000000000000001".parse().unwrap(),
        token: SessionToken::from_ascii(b"ZTZL3kCwjPaqkkCESnnZKURL").unwrap(),
        ping_interval: Duration::from_secs(90),
        sequence_or_message_bytes_max: 64 << 20,
    });
    assert_eq!(accepted.to_bytes(), crate::hex::decode(hex));
    assert_eq!(
        ConnectionResponse::decode(crate::hex::decode(hex), Version::NEWEST),
        Ok(accepted)
    );

    let rejected = ConnectionResponse::Rejected {
        version: 29,
        code: ResponseCode::AUTHENTICATION_FAILED,
    };
    assert_eq!(rejected.to_bytes(), crate::hex::decode("231d74"));
    assert_eq!(
        ConnectionResponse::decode(crate::hex::decode("231d74"), Version::NEWEST),
        Ok(rejected)
    );
}

#[test]
fn responses_that_are_cut_or_wrong_are_refused() {
    for hex in ["", "23", "241d64", "231964", "231d64", "231d6400"] {
        assert!(
            ConnectionResponse::decode(crate::hex::decode(hex), Version::NEWEST).is_err(),
            "{hex}"
        );
    }
}
