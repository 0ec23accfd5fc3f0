//! A configuration as text: the commented default file, and the effective settings with their origins.

use std::fmt::Write as _;

use super::{
    Config, Listen, Loaded, Origin,
    keys::{CONFIG_KEYS, Key, LISTEN_KEYS},
};

/// What stands above the sections.
fn section_doc(section: &str) -> &'static str {
    match section {
        "node" => "This server among others.",
        "listen" => {
            "Where clients connect: any path that ends in /diffusion. Repeat the section for more listeners."
        }
        "listen.tls" => {
            "Without it the listener speaks plain HTTP: put it behind a proxy that speaks TLS."
        }
        "transport" => "Connections.",
        "session" => "Sessions, and what is kept for them.",
        "cluster" => {
            "Other servers, to which requests for their sessions are forwarded if a balancer is not sticky."
        }
        "drain" => {
            "How the server is emptied before it stops, so that clients move to others bit by bit."
        }
        "topic" => "Topics.",
        "security" => {
            "Who may connect. Principals and their roles are in the security store, not here."
        }
        _ => "",
    }
}

/// Returns a configuration file in which every setting is explained and has its default.
#[must_use]
pub fn commented_default() -> String {
    let mut out = String::from(
        "# Configuration of a suffuse server. Every setting is optional and stands here with its default.\n\
         # Durations have a unit (\"500ms\", \"25s\", \"5min\"), and so have sizes (\"64 KiB\", \"32 MiB\").\n\
         # `suffuse config check FILE` checks a file, `suffuse serve -c FILE` uses it.\n",
    );
    let config = Config::default();
    let (node, rest): (Vec<_>, Vec<_>) =
        CONFIG_KEYS.iter().partition(|key| key.split().0 == "node");
    write_sections(&mut out, &node, &config, "");
    write_sections(
        &mut out,
        &LISTEN_KEYS.iter().collect::<Vec<_>>(),
        &Listen::default(),
        "listen",
    );
    write_sections(&mut out, &rest, &config, "");
    out
}

fn write_sections<T>(out: &mut String, keys: &[&Key<T>], owner: &T, parent: &str) {
    let mut current = None;
    for key in keys {
        let (section, name) = key.split();
        if current != Some(section) {
            current = Some(section);
            out.push_str(&section_head(parent, section));
        }
        for line in key.doc {
            _ = writeln!(out, "#{line}");
        }
        _ = match (key.write)(owner) {
            Some(value) => writeln!(out, "{name} = {value}"),
            None => writeln!(out, "# {name} = {}", key.example),
        };
    }
}

fn section_head(parent: &str, section: &str) -> String {
    match (parent, section) {
        ("", section) => format!("\n# {}\n[{section}]\n", section_doc(section)),
        (parent, "") => format!("\n# {}\n[[{parent}]]\n", section_doc(parent)),
        (parent, section) => {
            let full = format!("{parent}.{section}");
            format!("\n# {}\n[{full}]\n", section_doc(&full))
        }
    }
}

/// Returns every setting with its value and, on the right, where the value is from.
#[must_use]
pub fn effective(loaded: &Loaded) -> String {
    let mut lines = Vec::new();
    let mut add = |name: String, value: Option<String>| {
        let origin = loaded.origin(&name);
        lines.push((
            format!("{name} = {}", value.unwrap_or_else(|| "(none)".to_owned())),
            origin,
        ));
    };
    for key in CONFIG_KEYS.iter().filter(|key| key.split().0 == "node") {
        add(key.name.to_owned(), (key.write)(&loaded.config));
    }
    for (index, listen) in loaded.config.listen.iter().enumerate() {
        for key in LISTEN_KEYS {
            add(format!("listen.{index}.{}", key.name), (key.write)(listen));
        }
    }
    for key in CONFIG_KEYS.iter().filter(|key| key.split().0 != "node") {
        add(key.name.to_owned(), (key.write)(&loaded.config));
    }
    aligned(&lines)
}

fn aligned(lines: &[(String, Origin)]) -> String {
    let width = lines
        .iter()
        .map(|(setting, _)| setting.chars().count())
        .max()
        .unwrap_or_default();
    let mut out = String::new();
    for (setting, origin) in lines {
        _ = writeln!(out, "{setting:width$}  # {origin}");
    }
    out
}
