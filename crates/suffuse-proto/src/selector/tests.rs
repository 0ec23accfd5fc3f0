//! Selectors against the tables of the specification (topics §15.1–§15.3).

use proptest::prelude::*;

use super::*;

#[test]
fn selectors_select_what_the_table_says() {
    let paths = ["a", "a/b", "a/b/c", "b", "b/c"];
    let cases = [
        ("a/b", "a/b"),
        (">a/b", "a/b"),
        (">/a/b/", "a/b"),
        ("/a/b/", "a/b"),
        ("?a/b", "a/b"),
        ("?/a/b", "a/b"),
        ("?a/b/", "a/b/c"),
        ("?a/b//", "a/b a/b/c"),
        ("*a/b//", "a/b a/b/c"),
        ("*a/b/", "a/b/c"),
        ("*/a/b", "a/b"),
        ("?a//", "a a/b a/b/c"),
        ("?a/", "a/b a/b/c"),
        ("?a/.*//", "a/b a/b/c"),
        ("?.*//", "a a/b a/b/c b b/c"),
        ("?.*/", "a/b a/b/c b/c"),
        ("?.*", "a b"),
        ("?.+", "a b"),
        ("?.*/.*", "a/b b/c"),
        ("?a/[^/]+", "a/b"),
        ("?[ab]/(b|c)", "a/b b/c"),
        ("?\\Qa\\E/b", "a/b"),
        ("?a//b", ""),
        ("?a///", ""),
        ("*a|b", "a b"),
        ("*.*", "a a/b a/b/c b b/c"),
        ("*.*/", "a/b a/b/c b/c"),
        ("*.*//", "a a/b a/b/c b b/c"),
        ("*.*c", "a/b/c b/c"),
        ("*a.*", "a a/b a/b/c"),
        ("*a.*c", "a/b/c"),
        ("*a/?b", "a/b"),
        ("*[ab]/", "a/b a/b/c b/c"),
        ("*(a|b)//", "a a/b a/b/c b b/c"),
        ("*c", ""),
        ("#", ""),
        ("#>a////?b//", "a b b/c"),
        ("#?a//////?b//", "a a/b a/b/c b b/c"),
        ("##a////#>b////#", "a b"),
        ("#a/b", "a/b"),
        (">.*/.*", ""),
    ];
    for (text, expected) in cases {
        let selector = Selector::parse(text).unwrap();
        let selected: Vec<&str> = paths
            .into_iter()
            .filter(|path| selector.matches_text(path))
            .collect();
        assert_eq!(selected.join(" "), expected, "{text}");
    }
}

#[test]
fn selectors_match_as_in_the_manual() {
    let cases = [
        (">.*/.*", "alpha/beta", false),
        ("?.*", "alpha/beta", false),
        ("?.*/.*", "alpha/beta", true),
        ("?alpha/beta/", "alpha/beta", false),
        ("?alpha/beta/", "alpha/beta/gamma", true),
        ("*alpha/beta", "alpha/beta", true),
        ("*beta", "alpha/beta", false),
        ("*.*beta", "alpha/beta", true),
        ("*alpha/beta/", "alpha/beta/gamma", true),
        ("*alpha/beta/", "alpha/beta", false),
        ("?\\d+", "12", true),
        ("?\\d+", "१२", false),
        ("?\\w", "é", false),
        ("?\\p{Alpha}+", "abc", true),
        ("?\\p{Alpha}+", "é", false),
        ("?\\p{L}+", "é", true),
        ("?\\x{61}+", "aa", true),
        ("?[\\w-]+", "a-b", true),
        ("?[a&&[^a]]", "a", false),
        ("?[]a]", "]", true),
        ("?[:a]", ":", true),
        ("?[a~~b]", "~", true),
        ("?(?i)AB", "ab", true),
        ("?a{2,3}", "aa", true),
        ("?a{2,3}", "aaaa", false),
        ("?a+?", "aaa", true),
        ("?a\\.b", "a.b", true),
        ("?a\\.b", "axb", false),
        ("?\\Qa.*b", "a.*b", true),
        ("?\\Qa.\\E.*", "a.x", true),
        ("?ab.*ba", "aba", false),
        ("?a.*b.*c", "axxbxxc", true),
        ("?a.*b.*c", "acb", false),
        ("?.*", "a\nb", false),
        ("?a.*", "a\nb", false),
        ("*.*//", "a\nb", false),
        ("?\\h", "\u{a0}", true),
        ("?^a$", "a", true),
    ];
    for (text, path, expected) in cases {
        let selector = Selector::parse(text).unwrap();
        assert_eq!(selector.matches_text(path), expected, "{text} and {path}");
    }
}

#[test]
fn prefixes_are_whole_literal_parts() {
    let cases = [
        (">a/b", "a/b"),
        ("/alpha/beta/", "alpha/beta"),
        ("?foo/bar/b.z", "foo/bar"),
        ("?alpha/.*//", "alpha"),
        ("?a\\.b/\\Qc*\\E/d+", "a.b/c*"),
        ("?.*", ""),
        ("?a.*", ""),
        ("?a/b/", "a/b"),
        ("*beta", "beta"),
        ("*alpha/(beta|x)/gamma", "alpha"),
        ("*alpha/beta|gamma/delta", ""),
        ("*.*beta", ""),
        ("*alpha/?beta", ""),
        ("*x/alpha/?beta", "x"),
        ("*a/b/c.*", "a/b"),
        ("#>a/b/c////?a/b/.*", "a/b"),
        ("#>a/b////>a/bc", "a"),
        ("#>a////>b", ""),
        ("#", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(Selector::parse(text).unwrap().prefix(), expected, "{text}");
    }
}

#[test]
fn depths_are_bounded_where_the_selector_bounds_them() {
    let cases = [
        ("a/b", 2, Some(2)),
        ("?a/.*", 2, Some(2)),
        ("?a/.*/", 3, None),
        ("?a/.*//", 2, None),
        ("*a.*", 1, None),
        ("*.*/", 2, None),
        ("#a////?a/b/.*", 1, Some(3)),
        ("#a////?a/b//", 1, None),
        ("#", 0, Some(0)),
    ];
    for (text, min, max) in cases {
        let selector = Selector::parse(text).unwrap();
        assert_eq!(
            (selector.depth_min(), selector.depth_max()),
            (min, max),
            "{text}"
        );
    }
}

#[test]
fn texts_are_those_that_servers_print() {
    let cases = [
        ("a/b", ">a/b"),
        ("/a/b/", ">/a/b/"),
        (">a", ">a"),
        ("?a//", "?a//"),
        ("#a////##?b//////c", "#>a////?b//////>c"),
    ];
    for (text, expected) in cases {
        let selector = Selector::parse(text).unwrap();
        assert_eq!(selector.as_str(), expected);
        assert_eq!(Selector::parse(expected).unwrap(), selector, "{text}");
    }
}

#[test]
fn simple_selectors_are_known_as_such() {
    let everything = ["?.*//", "*.*", "*.+//", "#a////?.*//"];
    assert!(
        everything
            .iter()
            .all(|text| Selector::parse(text).unwrap().matches_everything())
    );
    let not = ["?.*", "*.*/", "a", "?.*/.*//", "#"];
    assert!(
        not.iter()
            .all(|text| !Selector::parse(text).unwrap().matches_everything())
    );

    let path = |text: &str| Selector::parse(text).unwrap().is_path().map(str::to_owned);
    assert_eq!(path("/a/b"), Some("a/b".to_owned()));
    assert_eq!(path("?a/b"), Some("a/b".to_owned()));
    assert_eq!(path("*a/b"), Some("a/b".to_owned()));
    for text in ["?a/b/", "?a/b//", "?.*", "#", "#a////b", "#a////?b/"] {
        assert_eq!(path(text), None, "{text}");
    }
    let set = Selector::parse("#b////a////b").unwrap();
    assert_eq!(set.exact_paths().unwrap().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn selectors_that_are_not_valid_say_where_and_why() {
    let cases = [
        ("", 0, "it is empty"),
        ("$a", 0, "`$` is reserved"),
        ("<a", 0, "`<` is reserved"),
        (">", 1, "the path is empty"),
        (">/", 1, "the path is empty"),
        (">a//b", 3, "empty part"),
        (">/a//b", 4, "empty part"),
        ("a//b", 2, "empty part"),
        ("?", 1, "no expression"),
        ("*", 1, "no expression"),
        ("?//", 1, "no expression"),
        ("*/", 1, "no expression"),
        ("?a/(?=b)", 4, "look-ahead is not supported"),
        ("?a/(?<!b)", 4, "look-behind is not supported"),
        ("?é/(?>b)", 4, "atomic groups are not supported"),
        ("?(a)\\1", 4, "back-references are not supported"),
        ("?a*+", 3, "possessive"),
        ("?a{2}+", 5, "possessive"),
        ("?a**", 3, "a quantifier follows"),
        ("?a/b)", 4, "unopened group"),
        ("?a)(?:b", 2, "unopened group"),
        ("?a/(b", 3, "unclosed group"),
        ("?\\Q+\\E/[b", 7, "unclosed character class"),
        ("?+", 1, "repetition operator missing"),
        ("?a\\", 2, "ends after a backslash"),
        ("?\\p{Nothing}", 1, "Unicode property not found"),
        ("?a\\y", 2, "unrecognized escape"),
        ("?(\\d{1000}){1000}", 1, "too large"),
        ("#a////", 6, "it is empty"),
        ("#a////?b/(", 9, "unclosed group"),
        ("#?(////a", 2, "unclosed group"),
    ];
    for (text, position, message) in cases {
        let error = Selector::parse(text).unwrap_err();
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!(error.position, position, "{text}: {error}");
    }
    let text = Selector::parse("?a/(?=b)").unwrap_err().to_string();
    let expected =
        "selector `?a/(?=b)` is not valid: look-ahead is not supported (position 4)\n  help: write";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn everything_that_can_grow_has_a_limit() {
    let too_long = format!("?{}", "a".repeat(Selector::BYTES_MAX));
    let too_many_members = format!("#{}", vec!["a"; Selector::MEMBERS_MAX + 1].join("////"));
    let too_many_expressions = format!("?{}", vec!["a+"; Selector::EXPRESSIONS_MAX + 1].join("/"));
    let too_long_expression = format!("?{}", "a?".repeat(Selector::EXPRESSION_BYTES_MAX));
    let too_deep = format!("?{}a{}", "(".repeat(100), ")".repeat(100));
    for text in [
        too_long,
        too_many_members,
        too_many_expressions,
        too_long_expression,
        too_deep,
    ] {
        let error = Selector::parse(&text).unwrap_err().to_string();
        assert!(error.len() < 500, "{error}");
    }
    let nested_sets = Selector::parse(&"#".repeat(Selector::BYTES_MAX)).unwrap();
    assert!(!nested_sets.matches_text("a"));
    let most = format!("#{}", vec!["a"; Selector::MEMBERS_MAX].join("////"));
    assert_eq!(Selector::parse(&most).unwrap().is_path(), Some("a"));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "[?*#>]?[a-b/.*+?()\\[\\]{}\\\\QEdp|^$#&~:-]{0,24}", path in "[ab/]{1,6}") {
        if let (Ok(selector), Ok(path)) = (Selector::parse(&text), Path::parse(&path)) {
            if selector.matches(&path) {
                prop_assert!(path.starts_with(selector.prefix()));
                prop_assert!(path.depth() >= selector.depth_min());
                prop_assert!(selector.depth_max().is_none_or(|max| path.depth() <= max));
            }
            prop_assert_eq!(Selector::parse(selector.as_str()).unwrap(), selector);
        }
    }

    #[test]
    fn the_quick_forms_match_like_regular_expressions(pieces in prop::collection::vec("[ab]{0,2}", 1..4), text in "[ab]{1,6}") {
        let pattern = pieces.join(".*");
        prop_assume!(!pattern.is_empty());
        let quick = Selector::parse(&format!("?{pattern}")).unwrap();
        let regex = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
        prop_assert_eq!(quick.matches_text(&text), regex.is_match(&text));
    }
}
