use std::{fs, path::Path};

use crate::support::{Server, run, suffuse};

fn password(banner: &str) -> String {
    let line = banner
        .lines()
        .find_map(|line| line.trim().strip_prefix("password"));
    line.unwrap_or_else(|| panic!("no password: {banner}"))
        .trim()
        .to_owned()
}

fn start_refused(data: &Path) -> crate::support::Ran {
    let mut command = suffuse(["serve", "--set", "listen.0.address=127.0.0.1:0", "--data"]);
    command.arg(data).output().unwrap().into()
}

#[test]
fn the_first_start_makes_an_admin_whose_password_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Server::serve(&data);
    let password = password(&first.banner);

    let set = [
        "set",
        "a",
        "1",
        "--create",
        "int64",
        "--principal",
        "admin",
        "--credentials",
        &password,
    ];
    assert_eq!(first.client(&set).code, 0);
    first.end_by("-TERM");

    let second = Server::serve(&data);
    assert!(!second.banner.contains("\n  password"), "{}", second.banner);
    assert_eq!(second.client(&set).code, 0);
    assert!(
        !fs::read_to_string(data.join("security.toml"))
            .unwrap()
            .contains(&password)
    );
}

#[test]
fn nobody_connects_without_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path());
    assert!(
        server.banner.contains("Anonymous sessions are refused"),
        "{}",
        server.banner
    );
    assert_eq!(server.client(&["ping"]).code, 4);
    for principal in ["admin", "control", "client"] {
        let ran = server.client(&[
            "ping",
            "--principal",
            principal,
            "--credentials",
            "password",
        ]);
        assert_eq!(ran.code, 4, "{principal}: {ran:?}");
    }
    let values = server.http("GET", "/api/values?selector=a");
    assert!(values.starts_with("HTTP/1.1 403"), "{values}");
}

#[test]
fn anonymous_sessions_are_allowed_by_the_store() {
    let folder = tempfile::tempdir().unwrap();
    Server::serve(folder.path()).end_by("-TERM");
    let file = folder.path().join("security.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("anonymous_roles = [\"CLIENT\"]\n{text}")).unwrap();

    let server = Server::serve(folder.path());

    assert_eq!(server.client(&["ping"]).code, 0);
    assert_eq!(server.client(&["add", "a", "--type", "json"]).code, 4);
}

#[test]
fn a_store_that_cannot_be_used_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Server::serve(folder.path()).end_by("-TERM");
    let file = folder.path().join("security.toml");
    fs::write(&file, "[principals.admin]\npassword = \"secret\"\n").unwrap();

    let ran = start_refused(folder.path());

    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(
        ran.stderr.contains("error[SFX-S012]") && ran.stderr.contains("security.toml:2:1"),
        "{ran:?}"
    );
    assert!(!folder.path().join("security.toml.new").exists());
}

#[test]
fn a_data_folder_that_cannot_be_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let ran = start_refused(&file.join("data"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("error[SFX-S010]"), "{ran:?}");
}

#[test]
fn a_configuration_is_written_checked_shown_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("suffuse.toml");
    let file_name = file.to_str().unwrap();
    fs::write(&file, run(["config", "new"]).stdout).unwrap();
    let checked = run(["config", "check", file_name]);
    assert_eq!(
        (checked.code, checked.stdout),
        (0, format!("{file_name}: ok\n"))
    );

    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace("id = \"n00\"", "id = \"n42\"")
        .replace("0.0.0.0:8080", "127.0.0.1:0");
    fs::write(&file, text).unwrap();
    let shown = run([
        "config",
        "show",
        "-c",
        file_name,
        "--set",
        "session.count_max=3",
    ]);
    let has = |name: &str, origin: &str| {
        shown
            .stdout
            .lines()
            .any(|line| line.starts_with(name) && line.ends_with(origin))
    };
    assert!(
        has("node.id = \"n42\"", "# file") && has("session.count_max = 3", "# --set"),
        "{shown:?}"
    );

    let mut command = suffuse(["serve", "-c", file_name, "--data"]);
    command.arg(folder.path().join("data"));
    let server = Server::start(command);
    assert!(
        server.banner.contains("node n42") && server.banner.contains(file_name),
        "{}",
        server.banner
    );
}

#[test]
fn a_wrong_configuration_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("suffuse.toml");
    let file_name = file.to_str().unwrap();
    fs::write(&file, "[session]\nreconect_timeout_max = \"60s\"\n").unwrap();
    for args in [
        &["config", "check", file_name][..],
        &["config", "show", "-c", file_name],
        &["serve", "-c", file_name],
        &["serve", "--set", "session.reconect_timeout_max=60s"],
    ] {
        let ran = suffuse(args).current_dir(folder.path()).output().unwrap();
        let ran = crate::support::Ran::from(ran);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (1, ""),
            "{args:?}: {ran:?}"
        );
        assert!(
            ran.stderr.starts_with("error[SFX-K007]"),
            "{args:?}: {ran:?}"
        );
        assert!(
            ran.stderr.contains("did you mean `reconnect_timeout_max`?"),
            "{args:?}: {ran:?}"
        );
    }
    assert!(!folder.path().join("suffuse-data").exists());
    assert_eq!(run(["config", "check", "does-not-exist.toml"]).code, 1);
}
