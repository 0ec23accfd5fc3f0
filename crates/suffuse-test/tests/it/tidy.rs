//! The tree itself: what every file has to hold.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A source file may have so many lines above its tests. Longer ones are split by feature.
const CODE_LINES_MAX: usize = 500;

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| !is_test(path) && !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(
        silent.is_empty(),
        "files without `//!` at their top: {silent:?}"
    );
}

#[test]
fn no_source_file_has_grown_too_long() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, code_lines(&text)))
        .filter(|(path, lines)| *lines > CODE_LINES_MAX && !is_test(path))
        .collect();
    assert!(
        long.is_empty(),
        "files with more than {CODE_LINES_MAX} lines of code: {long:?}"
    );
}

#[test]
fn every_cited_section_exists() {
    let mut missing = Vec::new();
    for (path, text) in sources() {
        for citation in citations(&text) {
            if !sections(&citation.document).contains(&citation.section) {
                missing.push(format!(
                    "{}: {} §{}",
                    path.display(),
                    citation.document,
                    citation.section
                ));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "sections that docs/protocol does not have: {missing:#?}"
    );
}

#[test]
fn handlers_and_features_are_named_like_the_records_they_handle() {
    let records = names("crates/suffuse-proto/src/services");
    let own = BTreeSet::from(["system".to_owned()]);
    for folder in [
        "crates/suffuse-broker/src/handlers",
        "crates/suffuse-client/src/features",
    ] {
        let strange: Vec<_> = names(folder)
            .into_iter()
            .filter(|name| !records.contains(name) && !own.contains(name))
            .collect();
        assert!(
            strange.is_empty(),
            "files of {folder} without records of that name: {strange:?}"
        );
    }
}

/// A place in `docs/protocol` that a comment names.
struct Citation {
    document: String,
    section: String,
}

/// Finds `(spec: topics §6.4, §13)`, `(behaviour: security §5)` and `P§6.3` (of the document `connection`).
fn citations(text: &str) -> Vec<Citation> {
    let mut found = Vec::new();
    let mut document = "connection".to_owned();
    for (n, part) in text.split('§').enumerate() {
        if n > 0 {
            let section: String = part
                .chars()
                .take_while(|char| char.is_ascii_alphanumeric() || *char == '.')
                .collect();
            let section = section.trim_end_matches('.').to_owned();
            if !document.is_empty() && !section.is_empty() {
                found.push(Citation {
                    document: document.clone(),
                    section,
                });
            }
        }
        document = next_document(part, &document);
    }
    found
}

/// Returns which document the section after a text belongs to; none if it is not one of ours.
fn next_document(before: &str, current: &str) -> String {
    let before = before.trim_end();
    let words: Vec<_> = before.rsplitn(3, char::is_whitespace).collect();
    match words[..] {
        [document, "spec:" | "(spec:", ..] => document.to_owned(),
        [subject, "behaviour:" | "(behaviour:", ..] => format!("behaviour/{subject}"),
        [word, ..] if word.ends_with('P') => "connection".to_owned(),
        // `§2, §4`: the same document again.
        _ if before.ends_with(',') && before.len() < 8 => current.to_owned(),
        _ => String::new(),
    }
}

/// Returns the numbers of the sections of a document.
fn sections(document: &str) -> BTreeSet<String> {
    let (file, subject) = document
        .split_once('/')
        .map_or((document, None), |(file, subject)| (file, Some(subject)));
    let path = root().join(format!("docs/protocol/{file}.md"));
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut is_within = subject.is_none();
    let mut numbers = BTreeSet::new();
    for heading in text.lines().filter_map(|line| line.strip_prefix("##")) {
        let heading = heading.trim_start_matches('#').trim();
        if let Some(subject) = subject
            && !heading.starts_with(|char: char| char.is_ascii_digit())
        {
            is_within = heading == subject;
        }
        if is_within && let Some(number) = heading.split_whitespace().next() {
            numbers.insert(number.trim_end_matches('.').to_owned());
        }
    }
    numbers
}

fn is_test(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

/// Counts the lines above the tests.
fn code_lines(text: &str) -> usize {
    let code = text
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    code.lines().count()
}

/// Returns the names of the modules in a folder.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder of a layer exists");
    let paths = entries.map(|entry| entry.expect("the files of the project can be read").path());
    paths
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
}

/// Returns the source files of all crates with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "xtask", "interop"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(
        found.len() > 100,
        "the sources are where they are looked for"
    );
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("the files of the project can be read") {
        let path = entry.expect("the files of the project can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if !["target", "node_modules", ".cache"].contains(&name.as_str()) {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((
                path.clone(),
                fs::read_to_string(&path).expect("the files of the project can be read"),
            ));
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
