//! The two syntaxes of proposed session properties (spec: connection §2.4).

use std::collections::BTreeMap;

/// The most properties that a client may propose.
const PROPERTIES_MAX: usize = 1000;

/// Reads proposed properties: a JSON object of texts, or quoted texts that alternate between keys and values.
/// `None`: neither.
#[must_use]
pub fn parse_proposed_properties(text: &str) -> Option<BTreeMap<String, String>> {
    if let Ok(properties) = serde_json::from_str(text) {
        return Some(properties);
    }
    let texts = quoted_texts(text)?;
    let pairs = texts.chunks_exact(2);
    let complete = pairs.remainder().is_empty() && texts.len() <= 2 * PROPERTIES_MAX;
    complete.then(|| {
        pairs
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    })
}

/// Writes proposed properties as a JSON object.
#[must_use]
pub fn format_proposed_properties(properties: &BTreeMap<String, String>) -> String {
    serde_json::to_string(properties).expect("a map of texts is JSON")
}

fn quoted_texts(text: &str) -> Option<Vec<String>> {
    let mut chars = text.chars();
    let mut texts = Vec::new();
    while let Some(quote) = chars.find(|char| matches!(char, '"' | '\'')) {
        let mut quoted = String::new();
        loop {
            match chars.next()? {
                '\\' => quoted.push(chars.next()?),
                char if char == quote => break,
                char => quoted.push(char),
            }
        }
        texts.push(quoted);
    }
    Some(texts)
}
