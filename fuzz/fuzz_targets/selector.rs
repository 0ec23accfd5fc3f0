//! Selectors: parsing is total, and what is known of a selector agrees with what it matches.
//!
//! Input: lines; the first is the selector, the others are paths.

#![no_main]

use suffuse_proto::{Path, Selector};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let Ok(selector) = Selector::parse(lines.next().unwrap_or_default()) else {
        return;
    };
    let again = Selector::parse(selector.as_str()).expect("a selector is its own text");
    for path in lines.filter_map(|line| Path::parse(line).ok()) {
        let matches = selector.matches(&path);
        assert_eq!(again.matches(&path), matches, "{selector:?} {path}");
        assert_eq!(
            selector.matches_text(path.as_str()),
            matches,
            "{selector:?} {path}"
        );
        if matches {
            assert!(path.starts_with(selector.prefix()), "{selector:?} {path}");
            assert!(
                selector.depth_max().is_none_or(|max| path.depth() <= max),
                "{selector:?} {path}"
            );
            assert!(path.depth() >= selector.depth_min(), "{selector:?} {path}");
        }
        assert!(
            matches || !selector.matches_everything(),
            "{selector:?} {path}"
        );
        if let Some(only) = selector.is_path() {
            assert_eq!(matches, only == path.as_str(), "{selector:?} {path}");
        }
    }
});
