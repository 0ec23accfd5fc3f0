use super::*;

fn url(builder: Builder) -> Result<String, ConnectError> {
    builder
        .plan()
        .map(|plan| plan.endpoint.url(Transport::WebSocket))
}

#[test]
fn what_is_not_given_has_its_default() {
    let builder = Builder::default;
    let cases = [
        (builder(), "wss://localhost:443/diffusion"),
        (builder().server_port(8080), "ws://localhost:8080/diffusion"),
        (builder().server_port(443), "wss://localhost:443/diffusion"),
        (
            builder().secure_transport(false),
            "ws://localhost:80/diffusion",
        ),
        (
            builder().secure_transport(true),
            "wss://localhost:443/diffusion",
        ),
        (
            builder().server_port(8080).secure_transport(true),
            "wss://localhost:8080/diffusion",
        ),
        (
            builder().server_port(443).secure_transport(false),
            "ws://localhost:443/diffusion",
        ),
        (
            builder().server_port(1).request_path("path/diffusion"),
            "ws://localhost:1/path/diffusion",
        ),
        (builder().url("ws://h"), "ws://h:80/diffusion"),
        (builder().url("https://h"), "wss://h:443/diffusion"),
        (
            builder()
                .url("ws://h:1/a/diffusion")
                .request_path("/b/diffusion"),
            "ws://h:1/b/diffusion",
        ),
        (
            builder().server_host("::1").url("wss://h:1/a/diffusion"),
            "wss://[::1]:1/a/diffusion",
        ),
    ];
    for (builder, expected) in cases {
        assert_eq!(url(builder.clone()).unwrap(), expected, "{builder:?}");
    }
}

#[test]
fn impossible_settings_are_refused_with_their_code() {
    let builder = Builder::default;
    let cases = [
        (builder().transports([]), "SFX-C101"),
        (builder().request_path("/path"), "SFX-C102"),
        (builder().url("localhost"), "SFX-C103"),
        (builder().server_host("a b"), "SFX-C106"),
        (builder().server_port(0), "SFX-C107"),
        (builder().principal("a\nb"), "SFX-C108"),
        (builder().principal("a".repeat(5000)), "SFX-C108"),
        (builder().property("a b", "c"), "SFX-C108"),
    ];
    for (builder, code) in cases {
        let error = url(builder).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.attempts().is_empty());
    }
}

#[test]
fn an_empty_list_and_no_list_are_not_the_same() {
    assert!(Builder::default().plan().is_ok());
    assert!(matches!(
        Builder::default().transports([]).plan(),
        Err(ConnectError::NoTransport)
    ));
}

#[test]
fn a_builder_does_not_show_its_credentials() {
    let builder = Builder::default()
        .principal("admin")
        .credentials("secret")
        .property("p", "secret");
    let shown = format!("{builder:?}");
    assert!(
        shown.contains("admin") && !shown.contains("secret"),
        "{shown}"
    );
}
