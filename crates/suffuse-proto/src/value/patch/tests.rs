use super::*;

const NO_LIMIT: usize = 1 << 20;

fn patched(text: &str, patch: &str) -> Result<String, PatchError> {
    let patched = parse(patch).apply(&value(text), NO_LIMIT);
    patched.map(|patched| shown(&patched))
}

fn parse(patch: &str) -> Patch {
    Patch::parse(patch).unwrap()
}

fn value(text: &str) -> Bytes {
    json::from_text(text).unwrap()
}

fn shown(value: &[u8]) -> String {
    json::to_json(value).unwrap().to_string()
}

#[test]
fn operations_do_what_the_standard_says() {
    let cases = [
        (
            r#"{"a":1}"#,
            r#"{"op":"add","path":"/b","value":2}"#,
            Some(r#"{"a":1,"b":2}"#),
        ),
        (
            r#"{"a":1,"b":2}"#,
            r#"{"op":"add","path":"/a","value":[3]}"#,
            Some(r#"{"a":[3],"b":2}"#),
        ),
        (
            "[1,2]",
            r#"{"op":"add","path":"/1","value":9}"#,
            Some("[1,9,2]"),
        ),
        (
            "[1,2]",
            r#"{"op":"add","path":"/2","value":9}"#,
            Some("[1,2,9]"),
        ),
        (
            "[1,2]",
            r#"{"op":"add","path":"/-","value":9}"#,
            Some("[1,2,9]"),
        ),
        ("[1,2]", r#"{"op":"add","path":"/3","value":9}"#, None),
        ("[1,2]", r#"{"op":"add","path":"/01","value":9}"#, None),
        ("[1,2]", r#"{"op":"add","path":"/a","value":9}"#, None),
        ("[1,2]", r#"{"op":"add","path":"/+1","value":9}"#, None),
        ("{}", r#"{"op":"add","path":"/a/b","value":9}"#, None),
        ("1", r#"{"op":"add","path":"/a","value":9}"#, None),
        (
            "1",
            r#"{"op":"add","path":"","value":{"x":null}}"#,
            Some(r#"{"x":null}"#),
        ),
        (
            "{}",
            r#"{"op":"add","path":"/","value":9}"#,
            Some(r#"{"":9}"#),
        ),
        (
            "{}",
            r#"{"op":"add","path":"/~01~1","value":9}"#,
            Some(r#"{"~1/":9}"#),
        ),
        (
            r#"{"a":1,"b":2}"#,
            r#"{"op":"remove","path":"/a"}"#,
            Some(r#"{"b":2}"#),
        ),
        (
            "[1,[2,3]]",
            r#"{"op":"remove","path":"/1/0"}"#,
            Some("[1,[3]]"),
        ),
        ("[1]", r#"{"op":"remove","path":"/1"}"#, None),
        ("[1]", r#"{"op":"remove","path":"/-"}"#, None),
        ("{}", r#"{"op":"remove","path":"/a"}"#, None),
        ("{}", r#"{"op":"remove","path":""}"#, None),
        (
            r#"{"a":{"b":1}}"#,
            r#"{"op":"replace","path":"/a/b","value":"x"}"#,
            Some(r#"{"a":{"b":"x"}}"#),
        ),
        ("{}", r#"{"op":"replace","path":"/a","value":1}"#, None),
        ("[1]", r#"{"op":"replace","path":"/-","value":1}"#, None),
        ("[1]", r#"{"op":"replace","path":"","value":1}"#, Some("1")),
        (
            r#"{"a":{"b":1},"c":2}"#,
            r#"{"op":"move","from":"/a/b","path":"/d"}"#,
            Some(r#"{"a":{},"c":2,"d":1}"#),
        ),
        (
            "[1,2,3]",
            r#"{"op":"move","from":"/0","path":"/2"}"#,
            Some("[2,3,1]"),
        ),
        (
            "[1,2,3]",
            r#"{"op":"move","from":"/2","path":"/0"}"#,
            Some("[3,1,2]"),
        ),
        (
            r#"{"a":{"b":1}}"#,
            r#"{"op":"move","from":"/a","path":"/a/c"}"#,
            None,
        ),
        (
            r#"{"a":1}"#,
            r#"{"op":"move","from":"/a","path":"/a"}"#,
            Some(r#"{"a":1}"#),
        ),
        ("{}", r#"{"op":"move","from":"/a","path":"/a"}"#, None),
        ("{}", r#"{"op":"move","from":"/a","path":"/b"}"#, None),
        (
            r#"{"a":[1]}"#,
            r#"{"op":"copy","from":"/a","path":"/a/-"}"#,
            Some(r#"{"a":[1,[1]]}"#),
        ),
        (
            r#"{"a":[1]}"#,
            r#"{"op":"copy","from":"","path":"/b"}"#,
            Some(r#"{"a":[1],"b":{"a":[1]}}"#),
        ),
        ("{}", r#"{"op":"copy","from":"/a","path":"/b"}"#, None),
        (
            r#"{"a":[1,{"b":null}]}"#,
            r#"{"op":"test","path":"/a","value":[1,{"b":null}]}"#,
            Some(r#"{"a":[1,{"b":null}]}"#),
        ),
        (
            r#"{"a":1,"b":2}"#,
            r#"{"op":"test","path":"","value":{"b":2,"a":1}}"#,
            None,
        ),
        (
            r#"{"a":1}"#,
            r#"{"op":"test","path":"/a","value":"1"}"#,
            None,
        ),
        (
            r#"{"a":1}"#,
            r#"{"op":"test","path":"/b","value":null}"#,
            None,
        ),
        (
            r#"{"a":2}"#,
            r#"{"op":"test","path":"/a","value":2.0,"extra":[]}"#,
            Some(r#"{"a":2}"#),
        ),
    ];
    for (value, operation, expected) in cases {
        let expected = expected.map(str::to_owned).ok_or(PatchError::Operation(0));
        assert_eq!(
            patched(value, &format!("[{operation}]")),
            expected,
            "{value} {operation}"
        );
    }
}

#[test]
fn the_first_operation_that_fails_is_named() {
    let patch = r#"[{"op":"test","path":"/a","value":1},{"op":"remove","path":"/a"},
        {"op":"test","path":"/a","value":1},{"op":"remove","path":"/x"}]"#;
    assert_eq!(patched(r#"{"a":1}"#, patch), Err(PatchError::Operation(2)));
    assert_eq!(patched(r#"{"a":1}"#, "[]"), Ok(r#"{"a":1}"#.to_owned()));
}

#[test]
fn texts_that_are_no_patch_are_refused_with_what_is_wrong() {
    for (text, expected) in [
        ("", "EOF"),
        ("{}", "map"),
        ("[1]", "integer"),
        (r#"[{"op":"add","path":"/a"}]"#, "missing field `value`"),
        (r#"[{"op":"move","path":"/a"}]"#, "missing field `from`"),
        (r#"[{"op":"add","value":1}]"#, "missing field `path`"),
        (r#"[{"path":"/a"}]"#, "missing field `op`"),
        (r#"[{"op":"jump","path":"/a"}]"#, "unknown variant `jump`"),
        (r#"[{"op":"remove","path":"a"}]"#, "`a` is no JSON pointer"),
        (r#"[{"op":"remove","path":"/~2"}]"#, "is written `~0`"),
        (r#"[{"op":"remove","path":"/~"}]"#, "is written `~0`"),
        (r#"[{"op":"remove","path":"/a"}] x"#, "trailing"),
    ] {
        let error = Patch::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn what_is_not_touched_stays_as_it_was_written() {
    // {"a": 1.5 as a half, "b": bytes, 1: [1, 2]} of definite length, and the value of b in two pieces.
    let value = b"\xa3\x61a\xf9\x3e\x00\x61b\x5f\x41\x01\x41\x02\xff\x01\x82\x01\x18\x02";
    let patch = Patch::parse(r#"[{"op":"add","path":"/c","value":1.5}]"#).unwrap();
    let patched = patch.apply(&Bytes::from_static(value), NO_LIMIT).unwrap();
    let mut expected = value.to_vec();
    expected[0] = 0xa4;
    expected.extend(b"\x61c\xfb\x3f\xf8\0\0\0\0\0\0");
    assert_eq!(patched, expected);
    let remove = Patch::parse(r#"[{"op":"remove","path":"/c"}]"#).unwrap();
    assert_eq!(remove.apply(&patched, NO_LIMIT).unwrap(), value.as_slice());
}

#[test]
fn of_entries_with_the_same_key_the_last_one_counts() {
    let value = Bytes::from_static(b"\xa2\x61a\x01\x61a\x02");
    let test = Patch::parse(r#"[{"op":"test","path":"/a","value":2}]"#).unwrap();
    assert!(test.apply(&value, NO_LIMIT).is_ok());
    let remove = Patch::parse(r#"[{"op":"remove","path":"/a"}]"#).unwrap();
    assert_eq!(remove.apply(&value, NO_LIMIT).unwrap(), [0xa0].as_slice());
}

#[test]
fn values_that_are_not_cbor_cannot_be_patched() {
    for value in [&b""[..], b"\xff", b"\x01\x01", b"\x82\x01"] {
        let error = Patch::parse("[]")
            .unwrap()
            .apply(&Bytes::from_static(value), NO_LIMIT);
        assert!(matches!(error, Err(PatchError::Value(_))), "{value:?}");
    }
}

#[test]
fn patches_that_grow_without_bound_are_refused() {
    let double = r#"{"op":"copy","from":"","path":"/-"}"#;
    let bomb = format!("[{}]", [double; 60].join(","));
    let error = patched("[1]", &bomb);
    assert!(
        matches!(error, Err(PatchError::TooLarge { .. })),
        "{error:?}"
    );

    let deeper = r#"{"op":"copy","from":"","path":"/0"},{"op":"remove","path":"/1"}"#;
    let deep = format!("[{}]", [deeper; 100].join(","));
    let error = patched("[1]", &deep);
    assert!(
        matches!(error, Err(PatchError::TooLarge { .. })),
        "{error:?}"
    );

    let long = Patch::parse(r#"[{"op":"add","path":"/-","value":"0123456789"}]"#).unwrap();
    let value = json::from_text("[1]").unwrap();
    assert_eq!(
        long.apply(&value, 11),
        Err(PatchError::TooLarge { operation: 0 })
    );
    assert!(long.apply(&value, 20).is_ok());
}
