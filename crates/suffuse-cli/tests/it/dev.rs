use std::{io::BufRead as _, process::Stdio};

use crate::support::{Server, run, suffuse};

#[test]
fn a_development_server_needs_no_file_and_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = suffuse(["dev", "--listen", "127.0.0.1:0"]);
    command.current_dir(&folder).env_clear();
    let server = Server::start(command);

    assert_eq!(server.client(&["ping"]).code, 0);

    let (code, _) = server.end_by("-TERM");
    assert_eq!(code, Some(0));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn the_banner_says_where_and_how_safe() {
    let server = Server::dev();
    let address = &server.address;
    for part in [
        &format!("http://{address}/diffusion"),
        &format!("http://{address}/\n"),
        "DEVELOPMENT MODE",
        "have the password `password`",
        "memory: values are lost at exit",
    ] {
        assert!(server.banner.contains(part), "{part}: {}", server.banner);
    }
}

#[cfg(unix)]
#[test]
fn signals_end_the_server_in_order() {
    for (signal, name) in [("-INT", "Ctrl-C"), ("-TERM", "SIGTERM")] {
        let server = Server::dev();
        let mut watch = server.command(&["watch", "a"]);
        let mut watch = watch
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = std::io::BufReader::new(watch.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.starts_with("connected"), "{line}");

        let (code, printed) = server.end_by(signal);

        assert_eq!(code, Some(0), "{printed}");
        assert!(
            printed.contains(&format!("{name}: stopping, 1 session is told")),
            "{printed}"
        );
        assert!(printed.ends_with("stopped\n"), "{printed}");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut rest).unwrap();
        assert_eq!(watch.wait().unwrap().code(), Some(1));
        assert!(rest.contains("the session has ended"), "{rest}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    let server = Server::dev();
    let pid = server.child.id().to_string();
    let twice = format!("kill -TERM {pid}; kill -TERM {pid}");
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &twice])
            .status()
            .unwrap()
            .success()
    );
    let (code, printed) = server.end();
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.ends_with("stopped\n"), "{printed}");
}

#[test]
fn addresses_that_others_can_reach_are_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let refused = run(["dev", "--listen", address]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert_eq!(refused.stdout, "");
        assert!(
            refused.stderr.contains(address) && refused.stderr.contains("suffuse serve"),
            "{refused:?}"
        );
    }
}

#[test]
fn a_busy_port_is_told_with_what_to_do() {
    let server = Server::dev();
    let second = run(["dev", "--listen", &server.address]);
    assert_eq!(second.code, 1, "{second:?}");
    assert_eq!(second.stdout, "");
    assert!(
        second.stderr.contains(&server.address) && second.stderr.contains("--listen"),
        "{second:?}"
    );
}

#[test]
fn the_demo_topics_have_values_and_change() {
    let server = Server::start(suffuse(["dev", "--listen", "127.0.0.1:0"]));
    let mut command = server.command(&["watch", "?demo//", "--output", "json"]);
    let mut watch = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut seen = std::collections::BTreeMap::<String, std::collections::BTreeSet<String>>::new();
    for line in lines {
        let entry: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let values = seen
            .entry(entry["path"].as_str().unwrap().to_owned())
            .or_default();
        values.insert(entry["value"].to_string());
        if seen.len() == 8 && seen["demo/clock"].len() > 1 && seen["demo/price/ACME"].len() > 1 {
            break;
        }
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn the_page_and_its_values_are_there() {
    let server = Server::dev();
    let page = server.http("GET", "/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(
        page.contains(&format!("ws://{}/diffusion", server.address)),
        "{page}"
    );
    assert!(
        page.contains("content-security-policy: default-src 'none'"),
        "{page}"
    );

    assert_eq!(
        server
            .control(&["set", "a/b", "[1]", "--create", "json"])
            .code,
        0
    );
    let values = server.http("GET", "/api/values?selector=%3Fa%2F%2F");
    let expected =
        r#"{"selector":"?a//","values":[{"path":"a/b","type":"json","value":[1]}],"more":false}"#;
    assert!(values.ends_with(expected), "{values}");

    let cases = [
        ("HEAD", "/", "200 OK"),
        ("GET", "/nothing", "404"),
        ("PUT", "/", "405"),
        ("GET", "/api/values?selector=%3F(", "400"),
    ];
    for (method, target, status) in cases {
        let answer = server.http(method, target);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{method} {target}: {answer}"
        );
        assert!(method != "HEAD" || answer.ends_with("\r\n\r\n"), "{answer}");
    }
}
