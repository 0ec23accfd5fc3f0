//! `docs/interop.md`: which client was run with which result.
//!
//! The document holds nothing that changes from run to run. It is read back to know what each case
//! is expected to do, so reading and writing are each other's inverse.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::case::Outcome;
use crate::catalogue::{CATALOGUE, Case, Client, Group};

/// The result of each case, by the name of its test.
pub type Results = BTreeMap<String, Outcome>;

const NO_CASE: &str = "–";

const INTRODUCTION: &str = "\
# Interoperability

Written by `cargo xtask interop`, checked by `cargo xtask test`: do not edit.

Each line is a case: a script that uses only the public interface of a published client against the
real server, one server process per case. The clients are npm `diffusion` 6.12.1 in Node and in
Chromium (cross-origin, with the published browser bundle), PyPI `diffusion` 6.12.2, which has
WebSocket only, and npm `diffusion` 5.9.24 in Node.

- **works**: the client saw what it should see.
- **not built**: the server refused and said that it does not offer this: error 104 for a service, a
  sentence for a part of one.
- **–**: no such case for this client.

A case that fails fails the test run; it is never written down here.
";

/// A service of the protocol that the server does not offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingService {
    id: u64,
    name: String,
}

/// Reads the output of `suffuse services --output json` and keeps what is not built.
///
/// # Errors
/// Fails if it is no array of objects with `id`, `name` and `built`.
pub fn missing_services(json: &str) -> Result<Vec<MissingService>> {
    let list: Vec<Value> =
        serde_json::from_str(json).context("the list of services is no JSON array")?;
    let mut missing = Vec::new();
    for service in list {
        let (Some(id), Some(name), Some(built)) = (
            service["id"].as_u64(),
            service["name"].as_str(),
            service["built"].as_bool(),
        ) else {
            bail!("a service has no id, name or built: {service}");
        };
        if !built {
            missing.push(MissingService {
                id,
                name: name.to_owned(),
            });
        }
    }
    missing.sort_by_key(|service| service.id);
    Ok(missing)
}

/// Writes the document.
///
/// # Errors
/// Fails if a case of the catalogue has no result or has failed.
pub fn render(results: &Results, missing: &[MissingService]) -> Result<String> {
    let mut text = INTRODUCTION.to_owned();
    for group in CATALOGUE {
        write_group(&mut text, group, results)?;
    }
    write_services(&mut text, missing);
    Ok(text)
}

fn write_group(text: &mut String, group: &'static Group, results: &Results) -> Result<()> {
    let clients = clients_of(group);
    let titles: Vec<&str> = clients.iter().map(|client| client.title()).collect();
    let _ = writeln!(
        text,
        "\n## {}\n\n| case | {} |",
        group.title,
        titles.join(" | ")
    );
    let _ = writeln!(text, "|---|{}", "---|".repeat(clients.len()));
    for feature in group.features {
        let mut line = format!("| {} |", feature.name);
        for &client in &clients {
            let cell = match feature.clients.contains(&client) {
                true => cell(Case { client, feature }, results)?,
                false => NO_CASE.to_owned(),
            };
            let _ = write!(line, " {cell} |");
        }
        let _ = writeln!(text, "{line}");
    }
    Ok(())
}

fn clients_of(group: &Group) -> Vec<Client> {
    let runs = |client: &Client| {
        group
            .features
            .iter()
            .any(|feature| feature.clients.contains(client))
    };
    Client::ALL.into_iter().filter(runs).collect()
}

fn cell(case: Case, results: &Results) -> Result<String> {
    let name = case.to_string();
    match results.get(&name) {
        Some(outcome @ (Outcome::Works | Outcome::NotBuilt)) => Ok(outcome.to_string()),
        Some(Outcome::Failed(detail)) => bail!("{name} failed: {detail}"),
        None => bail!("{name} has no result"),
    }
}

fn write_services(text: &mut String, missing: &[MissingService]) {
    let _ = writeln!(text, "\n## Services of the protocol that are not built\n");
    if missing.is_empty() {
        let _ = writeln!(text, "None.");
        return;
    }
    let _ = writeln!(
        text,
        "Requests for these are answered with error 104.\n\n| id | service |\n|---|---|"
    );
    for MissingService { id, name } in missing {
        let _ = writeln!(text, "| {id} | {name} |");
    }
}

/// Reads the results out of the document. Cases that it does not have are not in the answer.
pub fn parse(document: &str) -> Results {
    let mut results = Results::new();
    for group in CATALOGUE {
        let heading = format!("## {}", group.title);
        let rows = document
            .lines()
            .skip_while(|line| **line != *heading)
            .skip(1)
            .take_while(|line| !line.starts_with("## "));
        let rows: Vec<Vec<&str>> = rows
            .filter(|line| line.starts_with('|'))
            .map(cells)
            .collect();
        let Some(titles) = rows.first() else { continue };
        for feature in group.features {
            let Some(row) = rows.iter().find(|row| row.first() == Some(&feature.name)) else {
                continue;
            };
            for &client in feature.clients {
                let column = titles.iter().position(|title| *title == client.title());
                let outcome = match column.and_then(|column| row.get(column)) {
                    Some(&"works") => Outcome::Works,
                    Some(&"not built") => Outcome::NotBuilt,
                    Some(_) | None => continue,
                };
                results.insert(Case { client, feature }.to_string(), outcome);
            }
        }
    }
    results
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::{Results, missing_services, parse, render};
    use crate::case::Outcome;
    use crate::catalogue::cases;

    fn alternating() -> Results {
        let outcomes = [Outcome::Works, Outcome::NotBuilt].into_iter().cycle();
        cases().map(|case| case.to_string()).zip(outcomes).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let document = render(&alternating(), &[]).unwrap();
        assert_eq!(parse(&document), alternating());
    }

    #[test]
    fn a_case_without_a_good_result_is_not_written() {
        let mut results = alternating();
        let first = cases().next().unwrap().to_string();
        results.insert(
            first.clone(),
            Outcome::Failed("the ping has no answer".to_owned()),
        );
        assert!(
            render(&results, &[])
                .unwrap_err()
                .to_string()
                .contains("the ping has no answer")
        );
        results.remove(&first);
        assert!(
            render(&results, &[])
                .unwrap_err()
                .to_string()
                .contains("has no result")
        );
    }

    #[test]
    fn services_that_are_not_built_are_listed_by_id() {
        let list = r#"[{"id":99,"name":"Append","direction":"up","built":false},
            {"id":55,"name":"Ping","direction":"both","built":true},
            {"id":4,"name":"Old","direction":"up","built":false}]"#;
        let document = render(&alternating(), &missing_services(list).unwrap()).unwrap();
        assert!(
            document.ends_with("|---|---|\n| 4 | Old |\n| 99 | Append |\n"),
            "{document}"
        );
        missing_services("{}").unwrap_err();
        missing_services("[{\"id\":1}]").unwrap_err();
    }
}
