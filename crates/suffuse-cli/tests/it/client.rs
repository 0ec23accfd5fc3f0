use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::Stdio,
};

use crate::support::{CONTROL, Server, run};

#[test]
fn values_of_every_type_are_set_and_read_back() {
    let server = Server::dev();
    let cases = [
        ("t/json", "json", r#"{"bid":101.25,"tags":["a",null]}"#),
        ("t/string", "string", "hello wörld"),
        ("t/int64", "int64", "-42"),
        ("t/double", "double", "2.5"),
        ("t/binary", "binary", "some bytes"),
        ("t/record", "recordv2", r#"[["a","b"],["c"]]"#),
    ];
    for (path, topic_type, value) in cases {
        let set = server.control(&["set", path, value, "--create", topic_type]);
        assert_eq!(
            (set.code, set.stdout),
            (0, format!("set {path}\n")),
            "{}",
            set.stderr
        );
        let got = server.client(&["get", path]);
        assert_eq!(got.stdout.trim_end(), value, "{got:?}");
        let fetched = server.client(&["fetch", path]);
        assert_eq!(fetched.stdout, format!("{path}  {topic_type}  {value}\n"));
        // Without --create the type is that of the topic.
        assert_eq!(server.control(&["set", path, value]).code, 0);
    }
    let all = server.client(&["fetch", "?t//", "--output", "json"]);
    assert_eq!(all.stdout.lines().count(), cases.len(), "{all:?}");
    let first: serde_json::Value =
        serde_json::from_str(all.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        first,
        serde_json::json!({ "path": "t/binary", "type": "binary", "value": "some bytes" })
    );
}

#[test]
fn values_come_from_files_and_standard_input() {
    let server = Server::dev();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "{\"a\":\n [1, 2]}\n").unwrap();
    let at_file = format!("@{}", file.path().display());

    assert_eq!(
        server
            .control(&["set", "f", &at_file, "--create", "json"])
            .code,
        0
    );
    assert_eq!(server.client(&["get", "f"]).stdout, "{\"a\":[1,2]}\n");

    let set = server.control_with_input(&["set", "s", "-", "--create", "string"], b"from a pipe\n");
    assert_eq!(set.code, 0, "{set:?}");
    assert_eq!(server.client(&["get", "s"]).stdout, "from a pipe\n");

    let bytes = [0, 1, 0x80, 0xff, b'\n'];
    let set = server.control_with_input(&["set", "b", "-", "--create", "binary"], &bytes);
    assert_eq!(set.code, 0, "{set:?}");
    assert_eq!(
        server.command(&["get", "b"]).output().unwrap().stdout,
        bytes
    );
}

#[test]
fn topics_are_added_once_and_removed() {
    let server = Server::dev();
    let add = [
        "add",
        "a/b",
        "--type",
        "string",
        "--property",
        "DONT_RETAIN_VALUE=true",
    ];
    assert_eq!(server.control(&add).stdout, "added a/b\n");
    assert_eq!(server.control(&add).stdout, "exists a/b\n");
    assert_eq!(
        server.control(&["add", "a/c", "--type", "json"]).stdout,
        "added a/c\n"
    );
    assert_eq!(
        server.client(&["fetch", "a/c"]).stdout,
        "a/c  json  (no value)\n"
    );
    assert_eq!(
        server.control(&["remove", "?a//"]).stdout,
        "removed 2 topics\n"
    );
    assert_eq!(
        server
            .control(&["remove", "?a//", "--output", "json"])
            .stdout,
        "{\"removed\":0}\n"
    );
}

#[test]
fn failures_have_their_exit_codes_and_help() {
    let server = Server::dev();
    server.control(&["add", "there", "--type", "int64"]);
    let cases: [(&[&str], i32, &str); 9] = [
        (&["get", "nowhere"], 1, "there is no topic `nowhere`"),
        (&["get", "there"], 1, "has no value yet"),
        (&["set", "nowhere", "1"], 1, "--create TYPE"),
        (&["set", "there", "one"], 2, "not a value of type int64"),
        (
            &["set", "x", "{", "--create", "json"],
            2,
            "a text is JSON in quotes",
        ),
        (
            &["set", "x", "@/does/not/exist", "--create", "json"],
            2,
            "cannot read the value",
        ),
        (&["add", "there", "--type", "json"], 1, "error[SFX-R9004]"),
        (
            &["add", "x", "--type", "timeseries"],
            2,
            "TIME_SERIES_EVENT_VALUE_TYPE",
        ),
        (
            &["add", "x", "--type", "json", "--property", "colour=red"],
            2,
            "`COLOUR` is not a topic property",
        ),
    ];
    for (args, code, part) in cases {
        let ran = server.control(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(part), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    let anonymous = server.client(&["set", "there", "1"]);
    assert_eq!(anonymous.code, 4, "{anonymous:?}");
    assert!(anonymous.stderr.contains("--principal"), "{anonymous:?}");
}

#[test]
fn a_large_tree_is_fetched_in_parts() {
    let server = Server::dev();
    let big = "x".repeat(300_000);
    for index in 0..5 {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, &big).unwrap();
        let at_file = format!("@{}", file.path().display());
        assert_eq!(
            server
                .control(&[
                    "set",
                    &format!("big/{index}"),
                    &at_file,
                    "--create",
                    "string"
                ])
                .code,
            0
        );
    }
    let fetched = server.client(&["fetch", "?big//"]);
    let paths: Vec<&str> = fetched
        .stdout
        .lines()
        .filter_map(|line| line.split("  ").next())
        .collect();
    assert_eq!(paths, ["big/0", "big/1", "big/2", "big/3", "big/4"]);
}

#[test]
fn watch_prints_values_deltas_and_ends() {
    let server = Server::dev();
    let long = |word: &str| {
        format!(
            "\"{} {word}\"",
            "a long beginning that stays as it is,".repeat(4)
        )
    };
    server.control(&["set", "w", &long("one"), "--create", "json"]);
    let mut command = server.command(&["watch", "w"]);
    let mut watch = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);

    assert_eq!(lines.next().unwrap(), format!("w  json  {}", long("one")));
    server.control(&["set", "w", &long("two")]);
    let delta = lines.next().unwrap();
    assert!(
        delta.starts_with(&format!("w  json  {}  (delta of ", long("two"))),
        "{delta}"
    );
    server.control(&["remove", "w"]);
    assert_eq!(lines.next().unwrap(), "w  (removed)");

    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn watch_prints_values_only_or_documents() {
    let server = Server::dev();
    server.control(&["set", "w", "7", "--create", "int64"]);
    for (option, expected) in [
        (&["--values"][..], "7"),
        (
            &["--output", "json"],
            r#"{"path":"w","type":"int64","value":7}"#,
        ),
        (&["--stats"], "1 topics  1 updates  0 deltas"),
    ] {
        let mut command = server.command(&["watch", "w"]);
        let mut watch = command
            .args(option)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = BufReader::new(watch.stdout.take().unwrap())
            .lines()
            .next()
            .unwrap()
            .unwrap();
        assert!(line.starts_with(expected), "{option:?}: {line}");
        watch.kill().unwrap();
        watch.wait().unwrap();
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let server = Server::dev();
    server.control(&["set", "w", "0", "--create", "int64"]);
    let mut command = server.command(&["watch", "w"]);
    let mut watch = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(watch.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);

    server.control(&["set", "w", "1"]);

    let mut stderr = String::new();
    watch
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(0), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn watch_ends_with_ctrl_c() {
    let server = Server::dev();
    let mut command = server.command(&["watch", "w"]);
    let mut watch = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(watch.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid = watch.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn passwords_come_from_files() {
    let server = Server::dev();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "password\n").unwrap();
    let file_name = file.path().to_str().unwrap();
    let good = server.client(&[
        "ping",
        "--principal",
        "admin",
        "--credentials-file",
        file_name,
    ]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.stdout.starts_with("round trip "), "{good:?}");
    let missing = server.client(&[
        "ping",
        "--principal",
        "admin",
        "--credentials-file",
        "/does/not/exist",
    ]);
    assert_eq!(missing.code, 2, "{missing:?}");
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", silent.local_addr().unwrap());
    let ran = run(["ping", "--url", &url, "--timeout", "200ms"]);
    assert_eq!(ran.code, 6, "{ran:?}");
}

#[test]
fn services_are_listed_for_programs() {
    let ran = run(["services", "--output", "json"]);
    let services: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).unwrap();
    let ping = services.iter().find(|service| service["id"] == 55).unwrap();
    assert_eq!(ping["direction"], "both");
    assert!(
        ping["built"].is_boolean() && ping["name"].is_string(),
        "{ping}"
    );
    assert!(run(["services"]).stdout.lines().count() > 100);
}

#[test]
fn control_is_told_what_it_may_not() {
    let server = Server::dev();
    let mut command = server.command(&["add", "Diffusion/x", "--type", "json"]);
    let ran = crate::support::Ran::from(command.args(CONTROL).output().unwrap());
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.starts_with("error[SFX-R"), "{ran:?}");
}
