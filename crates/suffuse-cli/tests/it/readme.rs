//! What can be copied from the README and from `docs/cascading.md` works: its fenced blocks are run against a development server.
//!
//! Blocks of `sh` are run line by line, those of `js` and `python` with the published clients where these are
//! installed (`cargo xtask test` installs them), `toml` is checked. `console` and `text` are to be looked at.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{Ran, Server, run, suffuse};

/// The address that the README has in its examples.
const README_ADDRESS: &str = "127.0.0.1:8080";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).unwrap()
}

/// Returns the fenced blocks of a language in the README.
fn blocks(language: &str) -> Vec<String> {
    blocks_of(&readme(), language)
}

fn blocks_of(text: &str, language: &str) -> Vec<String> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    let found: Vec<String> = blocks
        .filter_map(|block| {
            block
                .strip_prefix(language)?
                .strip_prefix('\n')
                .map(str::to_owned)
        })
        .collect();
    assert!(!found.is_empty(), "no {language} in {text}");
    found
}

fn demo_server() -> Server {
    Server::start(suffuse(["dev", "--listen", "127.0.0.1:0"]))
}

/// Returns a line for the shell that connects to a server.
fn line_for(line: &str, server: &Server) -> String {
    let line = line.replace(README_ADDRESS, &server.address);
    let has_address = line.contains(&server.address) || line.contains("suffuse services");
    if has_address {
        line
    } else {
        format!("{line} --url {}", server.url())
    }
}

fn shell(line: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_suffuse"));
    let folders = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let path: OsString = env::join_paths(
        program
            .parent()
            .map(Path::to_owned)
            .into_iter()
            .chain(folders),
    )
    .unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env("PATH", path)
        .stdin(Stdio::null());
    command
}

/// Runs a command that goes on, until it has printed a line that holds `part`.
fn first_line_with(mut command: Command, part: &str) -> bool {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let is_found = lines.take(20).any(|line| line.contains(part));
    child.kill().unwrap();
    child.wait().unwrap();
    is_found
}

#[test]
fn the_commands_of_the_readme_work() {
    check_commands(&blocks("sh"));
}

#[test]
fn the_commands_of_the_page_on_cascading_work() {
    let page = fs::read_to_string(repository().join("docs/cascading.md")).unwrap();
    check_commands(&blocks_of(&page, "sh"));
}

fn check_commands(blocks: &[String]) {
    let server = demo_server();
    for line in blocks.iter().flat_map(|block| block.lines()) {
        let command = line_for(line, &server);
        if line.starts_with("suffuse watch") {
            assert!(
                first_line_with(shell(&format!("exec {command}")), "demo/"),
                "{command}"
            );
            continue;
        }
        let ran = Ran::from(shell(&command).output().unwrap());
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
        assert!(!ran.stdout.is_empty(), "{command}");
    }
}

#[test]
fn the_javascript_of_the_readme_works() {
    let packages = repository().join("interop/node_modules");
    if !packages.join("diffusion/package.json").exists() {
        eprintln!("not run: `cargo xtask test` installs the npm package diffusion");
        return;
    }
    let server = demo_server();
    for block in blocks("js") {
        let mut node = Command::new("node");
        node.args(["-e", &at_port(&block, &server)])
            .env("NODE_PATH", &packages);
        assert!(first_line_with(node, "demo/price/"), "{block}");
    }
}

#[test]
fn the_python_of_the_readme_works() {
    let python = repository().join("interop/.cache/venv/bin/python");
    if !python.exists() {
        eprintln!("not run: `cargo xtask test` installs the PyPI package diffusion");
        return;
    }
    let server = demo_server();
    for block in blocks("python") {
        let mut command = Command::new(&python);
        command.args(["-B", "-u", "-c", &at_port(&block, &server)]);
        assert!(first_line_with(command, "demo/price/"), "{block}");
    }
}

fn at_port(block: &str, server: &Server) -> String {
    let (_, port) = server.address.rsplit_once(':').unwrap();
    assert!(block.contains("8080"), "{block}");
    block.replace("8080", port)
}

#[test]
fn the_rust_of_the_readme_and_the_page_is_the_example_that_is_built() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    let example = read("crates/suffuse-cli/examples/prices.rs");
    let (_, shown) = example.split_once("begin here.\n").unwrap();
    assert_eq!(blocks("rust"), [shown.trim_end()]);
    let page = read("crates/suffuse-server/src/page/example.rs.txt");
    assert_eq!(page.replace("HOST", README_ADDRESS), shown);
}

#[test]
fn the_page_shows_the_examples_of_the_readme() {
    let page =
        fs::read_to_string(repository().join("crates/suffuse-server/src/page/index.html")).unwrap();
    let page = page
        .replace("{{host}}", README_ADDRESS)
        .replace("{{hostname}}", "127.0.0.1")
        .replace("{{port}}", "8080")
        .replace("{{selector}}", "?demo//")
        .replace("&gt;", ">");
    for block in [blocks("js"), blocks("python")].concat() {
        assert!(page.contains(&block), "{block}");
    }
}

#[test]
fn the_configuration_of_the_readme_is_accepted() {
    for block in blocks("toml") {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, &block).unwrap();
        let ran = run(["config".as_ref(), "check".as_ref(), file.path().as_os_str()]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn the_readme_is_short() {
    assert!(readme().lines().count() <= 250);
}
