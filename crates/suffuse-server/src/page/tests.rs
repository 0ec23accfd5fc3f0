use suffuse_broker::PublicTopic;
use suffuse_proto::{Path, TopicType, value};

use super::*;

fn info() -> PageInfo {
    PageInfo {
        version: "0.1.0",
        node: "n00".to_owned(),
        mode: "development mode".to_owned(),
        security: "Anonymous sessions may read.".to_owned(),
        selector: "?demo//".to_owned(),
    }
}

fn request(method: Method, uri: &str, host: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::HOST,
        HeaderValue::from_bytes(host.as_bytes()).unwrap(),
    );
    answer(
        &info(),
        &method,
        &uri.parse().unwrap(),
        &headers,
        SocketAddr::from(([127, 0, 0, 1], 8080)),
    )
}

fn ready(answer: Answer) -> Response<Bytes> {
    match answer {
        Answer::Ready(response) => response,
        Answer::Values(request) => request.respond(Some(&[])),
    }
}

fn body(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

#[test]
fn paths_and_methods_are_answered() {
    let cases = [
        (Method::GET, "/", 200, "text/html; charset=utf-8"),
        (Method::HEAD, "/", 200, "text/html; charset=utf-8"),
        (Method::GET, "/page.css", 200, "text/css; charset=utf-8"),
        (
            Method::GET,
            "/page.js?v=1",
            200,
            "text/javascript; charset=utf-8",
        ),
        (
            Method::GET,
            "/api/values?selector=demo",
            200,
            "application/json",
        ),
        (Method::GET, "/api/values", 400, "application/json"),
        (Method::GET, "/../secret", 404, "text/plain; charset=utf-8"),
        (Method::POST, "/", 405, "text/plain; charset=utf-8"),
        (
            Method::DELETE,
            "/api/values?selector=demo",
            405,
            "text/plain; charset=utf-8",
        ),
    ];
    for (method, uri, status, content_type) in cases {
        let response = ready(request(method.clone(), uri, "localhost"));
        assert_eq!(response.status(), status, "{method} {uri}");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            content_type,
            "{method} {uri}"
        );
        assert_eq!(
            response.headers()[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff",
            "{method} {uri}"
        );
        assert!(
            response
                .headers()
                .contains_key(header::CONTENT_SECURITY_POLICY),
            "{method} {uri}"
        );
    }
}

#[test]
fn the_page_has_the_address_that_the_client_used() {
    let cases = [
        (
            "push.example.com",
            "ws://push.example.com/diffusion",
            "host: &#39;push.example.com&#39;, port: 80",
        ),
        (
            "127.0.0.1:9000",
            "ws://127.0.0.1:9000/diffusion",
            "port: 9000",
        ),
        (
            "[::1]:9000",
            "ws://[::1]:9000/diffusion",
            "host: &#39;[::1]&#39;, port: 9000",
        ),
        (
            "<script>alert(1)</script>",
            "ws://127.0.0.1:8080/diffusion",
            "port: 8080",
        ),
        ("a\"onload=x", "ws://127.0.0.1:8080/diffusion", "port: 8080"),
        ("", "ws://127.0.0.1:8080/diffusion", "port: 8080"),
    ];
    for (host, address, options) in cases {
        let response = ready(request(Method::GET, "/", host));
        let page = body(&response).replace("'", "&#39;");
        assert!(page.contains(address) && page.contains(options), "{host}");
        assert!(!page.contains("{{") && !page.contains("alert(1)"), "{host}");
    }
}

#[test]
fn names_from_the_configuration_are_text_in_the_page() {
    let info = PageInfo {
        mode: "<b>\"bold\"</b> {{host}}".to_owned(),
        selector: "*a'&\"<".to_owned(),
        ..info()
    };
    let local = SocketAddr::from(([127, 0, 0, 1], 8080));
    let response = ready(answer(
        &info,
        &Method::GET,
        &Uri::from_static("/"),
        &HeaderMap::new(),
        local,
    ));
    let page = body(&response);
    assert!(
        page.contains("&lt;b&gt;&quot;bold&quot;&lt;/b&gt; &#123;&#123;host}}"),
        "{page}"
    );
    assert!(page.contains("value=\"*a&#39;&amp;&quot;&lt;\""), "{page}");
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    for asset in [INDEX, STYLE, SCRIPT] {
        for reference in [
            "src=\"http",
            "href=\"http",
            "url(http",
            "@import",
            "<script>",
            " style=",
            "onclick=",
        ] {
            assert!(!asset.contains(reference), "{reference}");
        }
    }
}

#[test]
fn values_are_json() {
    let Answer::Values(request) =
        request(Method::GET, "/api/values?selector=%3Fa%2F%2F&limit=6", "x")
    else {
        panic!("refused");
    };
    let topic = |path: &str, topic_type, value| PublicTopic {
        path: Path::parse(path).unwrap(),
        topic_type,
        value_type: topic_type,
        value,
    };
    let found = [
        topic(
            "a/json",
            TopicType::JSON,
            Some(value::json::from_text("{\"bid\":1.5}").unwrap()),
        ),
        topic(
            "a/text",
            TopicType::STRING,
            Some(value::primitive::encode_string(Some("hi"))),
        ),
        topic(
            "a/none",
            TopicType::INT64,
            Some(value::primitive::encode_int64(None)),
        ),
        topic("a/new", TopicType::DOUBLE, None),
        topic(
            "a/bin",
            TopicType::BINARY,
            Some(Bytes::from_static(&[0, 255])),
        ),
        topic(
            "a/large",
            TopicType::BINARY,
            Some(Bytes::from(vec![b'x'; 20_000])),
        ),
        topic("a/more", TopicType::JSON, None),
    ];
    let response = request.respond(Some(&found));
    assert_eq!(
        body(&response),
        r#"{"selector":"?a//","values":[{"path":"a/json","type":"json","value":{"bid":1.5}},{"path":"a/text","type":"string","value":"hi"},{"path":"a/none","type":"int64","value":null},{"path":"a/new","type":"double","value":null},{"path":"a/bin","type":"binary","value":"0x00ff"},{"path":"a/large","type":"binary","bytes":20000}],"more":true}"#
    );
}

#[test]
fn bad_requests_for_values_are_told_what_is_wrong() {
    let cases = [
        ("/api/values", "expected a selector"),
        ("/api/values?selector=", "selector"),
        ("/api/values?selector=%3F(", "selector"),
        ("/api/values?selector=a&limit=0", "from 1 to 1000"),
        ("/api/values?selector=a&limit=many", "from 1 to 1000"),
        ("/api/values?selector=%ff", "not UTF-8"),
        ("/api/values?select=a", "unknown parameter"),
    ];
    for (uri, expected) in cases {
        let response = ready(request(Method::GET, uri, "x"));
        assert_eq!(response.status(), 400, "{uri}");
        let answer: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert!(
            answer["error"].as_str().unwrap().contains(expected),
            "{uri}: {answer}"
        );
    }
}

#[test]
fn what_anonymous_sessions_may_not_read_is_refused() {
    let Answer::Values(request) = request(Method::GET, "/api/values?selector=a", "x") else {
        panic!("refused too early");
    };
    assert_eq!(request.respond(None).status(), 403);
}
