use super::*;

fn problems(text: &str) -> String {
    match Loaded::parse(Some(("suffuse.toml", text)), &[]) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn with_sets(sets: &[&str]) -> Result<Loaded, ConfigError> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Loaded::parse(Some(("suffuse.toml", "[node]\nid = \"n01\"")), &sets)
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(
        Loaded::parse(Some(("f", "")), &[]).unwrap().config,
        Config::default()
    );
    assert_eq!(Loaded::parse(None, &[]).unwrap().config, Config::default());
}

#[test]
fn the_commented_default_file_is_the_default() {
    let text = commented_default();
    let loaded = Loaded::parse(Some(("new", &text)), &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    insta::assert_snapshot!(text);
}

#[test]
fn every_setting_of_the_default_file_can_be_given_by_argument() {
    for line in effective(&Loaded::default()).lines() {
        let (setting, origin) = line.rsplit_once("  # ").unwrap();
        assert_eq!(origin, "default");
        let (name, value) = setting.split_once(" = ").unwrap();
        let value = value.trim();
        if value == "(none)" {
            continue;
        }
        let loaded = Loaded::parse(None, &[format!("{name}={value}")]).unwrap();
        assert_eq!(loaded.config, Config::default(), "{name}");
        assert_eq!(loaded.origin(name), Origin::CommandLine, "{name}");
    }
}

#[test]
fn a_file_sets_what_it_names() {
    let text = r#"
        [node]
        id = "n07"
        [[listen]]
        address = "127.0.0.1:9000"
        [[listen]]
        address = "[::1]:9443"
        tls = { cert = "a.pem", key = "b.pem" }
        [transport]
        ping_interval = "10s"
        message_max = "1 MiB"
        [session]
        queue_messages_max = 1_000
        [security]
        allowed_origins = ["https://app.example.com"]
    "#;
    let loaded = Loaded::parse(Some(("f", text)), &[]).unwrap();
    assert_eq!(loaded.config.node.id.as_str(), "n07");
    assert_eq!(loaded.config.listen.len(), 2);
    assert_eq!(
        loaded.config.listen[1].tls.key.as_deref(),
        Some("b.pem".as_ref())
    );
    assert_eq!(
        loaded.config.transport.ping_interval,
        Duration::from_secs(10)
    );
    assert_eq!(loaded.config.transport.message_max, ByteSize(1 << 20));
    assert_eq!(loaded.config.session.queue_messages_max, 1000);
    assert_eq!(
        loaded.config.security.allowed_origins,
        ["https://app.example.com"]
    );
    assert_eq!(loaded.origin("listen.1.tls.cert"), Origin::File);
    assert_eq!(loaded.origin("node.name"), Origin::Default);
    insta::assert_snapshot!(effective(&loaded));
}

#[test]
fn what_is_wrong_is_shown_with_its_place() {
    let cases = [
        "[session]\nreconect_timeout_max = \"60s\"",
        "[sesion]\nqueue_messages_max = 10",
        "[node]\nping_interval = \"10s\"",
        "[node]\ncolour = \"red\"",
        "flavour = 1",
        "[transport]\nping_interval = 25",
        "[transport]\nping_interval = \"0s\"",
        "[transport]\nmessage_max = \"32 MB\" # metric",
        "[session]\nqueue_messages_max = \"many\"",
        "[node]\nid = \"node-1\"",
        "node = \"n01\"",
        "[listen]\naddress = \"0.0.0.0:8080\"",
        "listen = []",
        "[[listen]]\naddress = \"localhost:8080\"",
        "[[listen]]\nadress = \"0.0.0.0:8080\"",
        "[[listen]]\ntls.cert = \"a.pem\"",
        "[[listen]]\n[[listen]]",
        "[[listen]]\ntrusted_proxies = \"10.0.0.0/8\"",
        "[[listen]]\ntrusted_proxies = [\"10.0.0.0/33\"]",
        "[[listen]]\nforwarded_header = \"x-real-ip\"",
        "[session]\ncookie = \"a b\"",
        "[node\nid = 1",
        "[node]\nid = \"n01\"\nid = \"n02\"",
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|text| format!("{text}\n---\n{}\n", problems(text)))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn settings_reach_the_server() {
    let sets = [
        "node.id=n07",
        "node.stop_timeout=1s",
        "transport.poll_hold=2s",
        "transport.message_max=1 MiB",
        "session.cookie=",
        "session.count_max=5",
        "topic.count_max=6",
        "security.allowed_origins=[\"https://a.example\"]",
        "listen.0.tls.cert=a.pem",
        "listen.0.tls.key=b.pem",
    ];
    let options = with_sets(&sets)
        .unwrap()
        .config
        .to_options(PrincipalStore::default());
    assert_eq!(options.broker.node.as_str(), "n07");
    assert_eq!(options.limits.stop_timeout, Duration::from_secs(1));
    assert_eq!(options.limits.poll_hold, Duration::from_secs(2));
    assert_eq!(options.broker.message_bytes_max, 1 << 20);
    assert_eq!(options.cookie, None);
    assert_eq!(
        (options.broker.sessions_max, options.broker.topics_max),
        (5, 6)
    );
    assert_eq!(
        options.allowed_origins,
        Origins::List(["https://a.example".to_owned()].into())
    );
    assert_eq!(
        options.listen[0]
            .tls
            .as_ref()
            .map(|files| files.key.as_path()),
        Some("b.pem".as_ref())
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let Err(error) = Loaded::parse(Some(("f", "[node]\nidd = 1\nnam = 2")), &["x=1".to_owned()])
    else {
        panic!("accepted");
    };
    assert_eq!(error.0.len(), 3);
}

#[test]
fn arguments_lie_over_the_file() {
    let loaded = with_sets(&[
        "node.id=n02",
        "node.name=123",
        "transport.ping_interval=10s",
        "listen.0.address=127.0.0.1:1",
        "listen.1.address=\"127.0.0.1:2\"",
        "security.allowed_origins=[\"a\", \"b\"]",
    ])
    .unwrap();
    assert_eq!(loaded.config.node.id.as_str(), "n02");
    assert_eq!(loaded.config.node.name, "123");
    assert_eq!(
        loaded.config.transport.ping_interval,
        Duration::from_secs(10)
    );
    assert_eq!(
        loaded
            .config
            .listen
            .iter()
            .map(|it| it.address.port())
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(loaded.config.security.allowed_origins, ["a", "b"]);
    assert_eq!(loaded.origin("node.id"), Origin::CommandLine);
}

#[test]
fn wrong_arguments_are_shown_with_their_place() {
    let cases = [
        "node.idd=n02",
        "node.id",
        "node=1",
        "transport.ping_interval=soon",
        "session.queue_messages_max=1.5",
        "listen.address=127.0.0.1:1",
        "listen.7.address=127.0.0.1:1",
        "listen.0.port=8080",
        "=1",
        "",
    ];
    let shown = cases.map(|set| match with_sets(&[set]) {
        Ok(_) => format!("{set}\n---\naccepted\n"),
        Err(error) => format!("{set}\n---\n{error}\n"),
    });
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let message = Loaded::load(Some("does/not/exist.toml".as_ref()), &[])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("does/not/exist.toml") && message.contains("suffuse config new"),
        "{message}"
    );
}
