use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use suffuse_interop::catalogue::{Client, cases};
use suffuse_interop::{case, place, report};

#[test]
fn the_catalogue_has_exactly_the_cases_of_the_scripts() {
    let groups: [&[Client]; 3] = [
        &[
            Client::NodeWs,
            Client::NodePolling,
            Client::ChromiumWs,
            Client::ChromiumPolling,
        ],
        &[Client::Node5Ws, Client::Node5Polling],
        &[Client::Python],
    ];
    for clients in groups {
        let scripts = case::listed(clients[0].runtime(), clients[0].name()).unwrap();
        let catalogued = cases()
            .filter(|case| clients.contains(&case.client))
            .map(|case| case.feature.name.to_owned());
        assert_eq!(
            catalogued.collect::<BTreeSet<_>>(),
            scripts.into_iter().collect(),
            "{clients:?}"
        );
    }
}

#[test]
fn the_document_is_what_the_suite_would_write() {
    let output = Command::new(place::binary().unwrap())
        .args(["services", "--output", "json"])
        .output()
        .unwrap();
    let missing = report::missing_services(&String::from_utf8_lossy(&output.stdout)).unwrap();
    let document = fs::read_to_string(place::report()).unwrap();
    let expected = report::render(&report::parse(&document), &missing).unwrap();
    assert!(
        document == expected,
        "docs/interop.md is not up to date: run `cargo xtask interop`"
    );
}
