use clap::CommandFactory as _;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    let words = line.split_whitespace().map(|word| word.trim_matches('\''));
    Cli::try_parse_from(["suffuse"].into_iter().chain(words))
}

fn commands() -> Vec<clap::Command> {
    let mut root = Cli::command();
    root.build();
    let mut all = vec![root.clone()];
    let mut open = vec![root];
    while let Some(command) = open.pop() {
        for child in command.get_subcommands() {
            all.push(child.clone());
            open.push(child.clone());
        }
    }
    all.sort_by_key(|command| command.get_bin_name().map(str::to_owned));
    all
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn help_fits_a_screen_and_has_examples() {
    for command in &mut commands() {
        let help = command.render_help().to_string();
        let name = command.get_bin_name().unwrap_or("suffuse").to_owned();
        assert!(
            help.lines().count() <= 40,
            "{name} has {} lines",
            help.lines().count()
        );
        assert!(
            help.lines().all(|line| line.chars().count() <= 110),
            "{name}:\n{help}"
        );
        let is_group = command.get_subcommands().next().is_some() && name != "suffuse";
        assert!(is_group || help.contains("Example"), "{name}");
    }
}

#[test]
fn help_texts() {
    let texts: Vec<String> = commands()
        .iter_mut()
        .map(|command| {
            let name = command.get_bin_name().unwrap_or("suffuse").to_owned();
            format!("$ {name} --help\n{}", command.render_help())
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn good_command_lines_are_accepted() {
    for line in [
        "dev",
        "dev --listen 127.0.0.1:0 --node n07 --no-demo",
        "dev --listen localhost:9000",
        "serve -c suffuse.toml --set node.id=n01 --set transport.ping_interval=10s --data store",
        "connect ws://localhost:8080 --explain --trace --transports ws,polling,WS",
        "connect --url ws://localhost:8080 --output json",
        "connect ws://h --principal admin --credentials password",
        "watch ?demo// --values",
        "watch #>a////?b// --output json --timeout 500ms",
        "watch a --reconnect-timeout 0",
        "watch a --reconnect-timeout 5min",
        "fetch demo",
        "get /a/b/",
        "add a --type recordv2 --property owner=x --property A=b=c",
        "add a --type TIME_SERIES",
        "set a -1 --create int64",
        "set a - --create json",
        "set a @file",
        "remove ?a//",
        "ping --timeout 5min",
        "doctor ws://h --only idle,sticky-polls --skip tls --rounds 200 --idle-limit 70s --json",
        "doctor --url https://h --size-limit 1500KiB --origin https://www.example.com:8443",
        "config new",
        "config check",
        "config show --set node.id=n02",
        "services --output json",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn bad_command_lines_are_told_what_was_expected() {
    let cases = [
        "dev --listen 8080",
        "dev --node node1",
        "dev --port 80",
        "watch",
        "watch ?a(",
        "watch $a",
        "watch a --values --stats",
        "fetch a --timeout 10",
        "fetch a --timeout 0s",
        "fetch a --reconnect-timeout 10",
        "fetch a --output xml",
        "fetch a --credentials x",
        "get a//b",
        "add a",
        "add a --type number",
        "add a --type json --property x",
        "set a",
        "doctor ws://h --rounds 0",
        "doctor ws://h --only idel",
        "doctor ws://h --size-limit 1GB",
        "doctor ws://h --origin www.example.com/page",
        "config chek",
        "wach a",
    ];
    let shown = cases.map(|line| match parse(line) {
        Ok(_) => format!("$ suffuse {line}\naccepted\n"),
        Err(error) => {
            assert_eq!(error.exit_code(), 2, "{line}");
            format!("$ suffuse {line}\n{error}")
        }
    });
    insta::assert_snapshot!(shown.join("\n"));
}
