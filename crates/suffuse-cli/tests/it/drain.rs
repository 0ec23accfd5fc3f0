//! Emptying a server before it stops.

use crate::support::{Server, run, suffuse};

fn drain(server: &Server, args: &[&str]) -> crate::support::Ran {
    let url = server.url().replace("ws://", "http://");
    let url = url.trim_end_matches("/diffusion");
    let common = ["drain", "--url", url, "--credentials", "password"];
    run(common.iter().chain(args))
}

#[test]
fn a_server_is_drained_and_serves_again_when_that_is_aborted() {
    let server = Server::dev();
    let drained = drain(&server, &["--wait", "0", "--rate", "100/s"]);
    assert_eq!(drained.code, 0, "{}", drained.stderr);
    assert!(drained.stdout.contains("\ndrained: "), "{}", drained.stdout);
    assert_ne!(server.client(&["ping"]).code, 0);

    let again = drain(&server, &[]);
    assert_eq!(again.code, 5);
    assert!(again.stderr.contains("--abort"), "{}", again.stderr);

    let aborted = drain(&server, &["--abort"]);
    assert_eq!(aborted.code, 0, "{}", aborted.stderr);
    assert_eq!(server.client(&["ping"]).code, 0);
}

#[test]
fn what_goes_wrong_says_what_to_do() {
    let server = Server::dev();
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--principal", "client"], 4, "CONTROL_SERVER"),
        (&["--principal", "nobody"], 4, "--credentials-file"),
        (&["--rate", "0/s"], 2, "500/s"),
        (&["--abort", "--wait", "1s"], 2, "--wait"),
    ];
    for (args, code, word) in cases {
        let ran = drain(&server, args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
    }
    let nobody = run(["drain", "--url", "http://127.0.0.1:1"]);
    assert_eq!(nobody.code, 3, "{}", nobody.stderr);
    let secure = run(["drain", "--url", "https://127.0.0.1:1"]);
    assert_eq!(secure.code, 2, "{}", secure.stderr);
}

#[cfg(unix)]
#[test]
fn sigterm_drains_where_the_configuration_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "listen.0.address=127.0.0.1:0",
        "drain.on_stop=true",
        "drain.wait=0s",
    ];
    let mut command = suffuse(["serve"]);
    for set in sets {
        command.args(["--set", set]);
    }
    command.arg("--data").arg(folder.path());
    let (code, output) = Server::start(command).end_by("-TERM");
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("SIGTERM: draining, 0 s"), "{output}");
    assert!(output.contains("drained: 0 moved"), "{output}");
    assert!(output.contains("stopped"), "{output}");
}
