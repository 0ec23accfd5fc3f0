//! Topic paths, and the order in which they stand in the tree and in results of fetches
//! (spec: topics §15.4).
//!
//! Paths are compared part by part, parts by code point: `a/b` comes before `a-b`. So the topics at
//! and below a path are neighbours, and a branch of a `BTreeMap<Path, _>` is one range:
//! [`branch`], [`from`], [`after_branch`]. A text is looked up through [`PathKey`]:
//!
//! ```
//! # use std::collections::BTreeMap;
//! use suffuse_proto::path::{self, Path, PathKey};
//!
//! let tree: BTreeMap<Path, i32> =
//!     [("a-b", 1), ("a/b", 2), ("a", 3)].map(|(text, n)| (Path::parse(text).unwrap(), n)).into();
//! let text = "a/b";
//! assert_eq!(tree.get(&text as &dyn PathKey), Some(&2));
//! assert_eq!(path::branch(&tree, "a").map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["a", "a/b"]);
//! ```

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use crate::codec::{Codec, DecodeError, Reader, Writer, codec};
use crate::value::delta::common_prefix;

/// A valid topic path: parts of one or more characters, joined by `/`. A clone is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(Arc<str>);

/// Why a text is not a topic path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The text has no parts.
    #[error("a topic path needs at least one part, and this one is empty")]
    Empty,
    /// Two slashes follow each other.
    #[error(
        "topic path `{path}` has an empty part at position {position}: write one `/` between parts"
    )]
    EmptyPart {
        /// The text, shortened.
        path: String,
        /// Where the empty part is, as a 0-based character.
        position: usize,
    },
    /// The text is longer than [`Path::BYTES_MAX`].
    #[error("the topic path has {0} bytes, and at most {max} are possible", max = Path::BYTES_MAX)]
    TooLong(usize),
}

impl Path {
    /// The greatest length of a path, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// Parses a path. One leading and one trailing slash are left out.
    ///
    /// # Errors
    /// When nothing is left, a part is empty, or the path is longer than [`Self::BYTES_MAX`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let path = trim_slashes(text);
        if path.len() > Self::BYTES_MAX {
            return Err(PathError::TooLong(path.len()));
        }
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        match empty_part(path) {
            None => Ok(Self(path.into())),
            Some(position) => Err(PathError::EmptyPart {
                path: shortened(path),
                position,
            }),
        }
    }

    /// Returns the path as a text, without leading and trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the parts, of which there is at least one.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns the number of parts.
    #[must_use]
    pub fn depth(&self) -> usize {
        1 + self.0.bytes().filter(|byte| *byte == b'/').count()
    }

    /// Returns the paths above this one, nearest first: `a/b` and `a` for `a/b/c`.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(parent(&self.0), |path| parent(path))
    }

    /// Returns whether this path is `prefix` or below it. Everything is below the empty prefix.
    #[must_use]
    pub fn starts_with(&self, prefix: &str) -> bool {
        is_at_or_below(&self.0, prefix)
    }
}

/// Leaves out one leading and one trailing slash.
pub(crate) fn trim_slashes(text: &str) -> &str {
    let text = text.strip_prefix('/').unwrap_or(text);
    text.strip_suffix('/').unwrap_or(text)
}

/// Returns the 0-based character where the first empty part of a path is.
pub(crate) fn empty_part(path: &str) -> Option<usize> {
    let byte = match path {
        path if path.starts_with('/') => 0,
        path => path
            .find("//")
            .map(|byte| byte + 1)
            .or_else(|| path.ends_with('/').then_some(path.len()))?,
    };
    Some(path[..byte].chars().count())
}

/// Returns whether a text is `prefix` or below it, by parts.
pub(crate) fn is_at_or_below(path: &str, prefix: &str) -> bool {
    prefix.is_empty()
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns a text that is short enough for a message.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    match text.char_indices().nth(CHARS_MAX) {
        None => text.to_owned(),
        Some((byte, _)) => format!("{}…", &text[..byte]),
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

/// Compares two paths part by part, parts by code point.
#[must_use]
pub fn cmp_paths(a: &str, b: &str) -> Ordering {
    let same = common_prefix(a.as_bytes(), b.as_bytes());
    match (a.as_bytes().get(same), b.as_bytes().get(same)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        // The end of a part comes before any character that makes the part longer.
        (Some(b'/'), Some(_)) => Ordering::Less,
        (Some(_), Some(b'/')) => Ordering::Greater,
        // UTF-8 has the order of code points.
        (Some(a), Some(b)) => a.cmp(b),
    }
}

/// A place in path order: what a `BTreeMap<Path, _>` can be asked with. A `&str` is one.
pub trait PathKey {
    /// Returns the path of the place.
    fn path(&self) -> &str;

    /// Returns whether the place is after all that is below the path.
    fn is_after_branch(&self) -> bool {
        false
    }
}

impl PathKey for Path {
    fn path(&self) -> &str {
        &self.0
    }
}

impl PathKey for &str {
    fn path(&self) -> &str {
        self
    }
}

/// The place after the topics at and below a path.
#[derive(Clone, Copy, Debug)]
struct AfterBranch<'a>(&'a str);

impl PathKey for AfterBranch<'_> {
    fn path(&self) -> &str {
        self.0
    }
    fn is_after_branch(&self) -> bool {
        true
    }
}

fn cmp_keys(a: &dyn PathKey, b: &dyn PathKey) -> Ordering {
    match (a.is_after_branch(), b.is_after_branch()) {
        (true, false) if is_at_or_below(b.path(), a.path()) => Ordering::Greater,
        (false, true) if is_at_or_below(a.path(), b.path()) => Ordering::Less,
        // Of two ends the one of the wider branch comes later.
        (true, true) if is_at_or_below(b.path(), a.path()) => b.path().len().cmp(&a.path().len()),
        (true, true) if is_at_or_below(a.path(), b.path()) => Ordering::Less,
        (true | false, true | false) => cmp_paths(a.path(), b.path()),
    }
}

impl Ord for dyn PathKey + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_keys(self, other)
    }
}

impl PartialOrd for dyn PathKey + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn PathKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn PathKey + '_ {}

impl Hash for dyn PathKey + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path().hash(state);
    }
}

impl fmt::Debug for dyn PathKey + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().fmt(f)
    }
}

impl<'a> Borrow<dyn PathKey + 'a> for Path {
    fn borrow(&self) -> &(dyn PathKey + 'a) {
        self
    }
}

/// Returns the topics at and below a path, in path order; all of them if it is empty.
pub fn branch<'a, V>(tree: &'a BTreeMap<Path, V>, prefix: &str) -> btree_map::Range<'a, Path, V> {
    match prefix {
        "" => tree.range::<Path, _>(..),
        prefix => range(
            tree,
            Bound::Included(&prefix),
            Bound::Excluded(&AfterBranch(prefix)),
        ),
    }
}

/// Returns the topics from a path on (with or without the path itself), in path order.
pub fn from<'a, V>(
    tree: &'a BTreeMap<Path, V>,
    path: &str,
    inclusive: bool,
) -> btree_map::Range<'a, Path, V> {
    let start: Bound<&dyn PathKey> = if inclusive {
        Bound::Included(&path)
    } else {
        Bound::Excluded(&path)
    };
    range(tree, start, Bound::Unbounded)
}

/// Returns the topics after all that is at and below a path, in path order.
pub fn after_branch<'a, V>(
    tree: &'a BTreeMap<Path, V>,
    path: &str,
) -> btree_map::Range<'a, Path, V> {
    range(tree, Bound::Included(&AfterBranch(path)), Bound::Unbounded)
}

fn range<'a, V>(
    tree: &'a BTreeMap<Path, V>,
    start: Bound<&dyn PathKey>,
    end: Bound<&dyn PathKey>,
) -> btree_map::Range<'a, Path, V> {
    tree.range::<dyn PathKey + '_, _>((start, end))
}

impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_paths(self.as_str(), other.as_str())
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl AsRef<str> for Path {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl std::str::FromStr for Path {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

codec!(Path,
encode: |value, out| { out.length(value.0.len()); out.raw(value.0.as_bytes()) },
decode: |input| {
    let text = String::decode(input)?;
    Path::parse(&text).map_err(|_| DecodeError::Invalid("a text is not a valid topic path"))
},
sample: |random| {
    let text = ["a", "b/c", "a-b", "é/😀", "x/y/z"][random.below(5)];
    Path(format!("{text}{}", random.byte()).into())
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_one_slash_at_each_end_and_bad_ones_are_refused() {
        let cases = [
            ("a", Ok("a")),
            ("/a/b/", Ok("a/b")),
            ("a/b c/😀", Ok("a/b c/😀")),
            ("$a/?", Ok("$a/?")),
            ("", Err("needs at least one part")),
            ("/", Err("needs at least one part")),
            ("//", Err("needs at least one part")),
            ("//a", Err("position 0")),
            ("é//b", Err("position 2")),
            ("a//", Err("position 2")),
            ("///", Err("position 0")),
        ];
        for (text, expected) in cases {
            match (Path::parse(text), expected) {
                (Ok(path), Ok(expected)) => assert_eq!(path.as_str(), expected),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{text}: {error}");
                }
                (result, _) => panic!("{text}: {result:?}"),
            }
        }
        let long = "a".repeat(Path::BYTES_MAX);
        assert!(Path::parse(&long).is_ok());
        assert_eq!(
            Path::parse(&(long + "a")),
            Err(PathError::TooLong(Path::BYTES_MAX + 1))
        );
    }

    #[test]
    fn paths_are_ordered_by_parts_and_parts_by_code_point() {
        let ordered = [
            "A", "a", "a/\0", "a/b", "a/b/c", "a/b!", "a/c", "a/é", "a/ﬀ", "a/😀", "a\0", "a!",
            "a-b", "a-b/c", "a.b", "aa", "aa/b", "b", "é",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(cmp_paths(a, b), i.cmp(&j), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn a_branch_of_a_tree_is_one_range() {
        let tree = tree(&[
            "a", "a/b", "a/b/c", "a/b\0", "a/b!", "a/c", "a-b", "aa", "b/c",
        ]);
        let names = |range: btree_map::Range<'_, Path, ()>| {
            range
                .map(|(path, ())| path.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(names(branch(&tree, "a/b")), "a/b a/b/c");
        assert_eq!(names(branch(&tree, "a")), "a a/b a/b/c a/b\0 a/b! a/c");
        assert_eq!(names(branch(&tree, "b")), "b/c");
        assert_eq!(names(branch(&tree, "nothing")), "");
        assert_eq!(branch(&tree, "").count(), tree.len());
        assert_eq!(names(from(&tree, "a/c", true)), "a/c a-b aa b/c");
        assert_eq!(names(from(&tree, "a/c", false)), "a-b aa b/c");
        assert_eq!(names(from(&tree, "a/bb", true)), "a/c a-b aa b/c");
        assert_eq!(names(after_branch(&tree, "a")), "a-b aa b/c");
        assert_eq!(
            names(after_branch(&tree, "a/b")),
            "a/b\0 a/b! a/c a-b aa b/c"
        );
        assert!(tree.contains_key(&"a-b" as &dyn PathKey));
        assert!(!tree.contains_key(&"a-" as &dyn PathKey));
    }

    #[test]
    fn ancestors_are_nearest_first_and_prefixes_go_by_parts() {
        let path = Path::parse("a/b/c").unwrap();
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(path.depth(), 3);
        for (prefix, expected) in [
            ("", true),
            ("a", true),
            ("a/b/c", true),
            ("a/", false),
            ("a/b/c/d", false),
            ("a/bb", false),
        ] {
            assert_eq!(path.starts_with(prefix), expected, "{prefix}");
        }
        assert!(!Path::parse("a/bb").unwrap().starts_with("a/b"));
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_the_order_of_lists_of_parts(a in "[ab/\0!-]{0,8}", b in "[ab/\0!-]{0,8}") {
            let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
            if let (Ok(a), Ok(b)) = (Path::parse(&a), Path::parse(&b)) {
                assert_eq!(a.cmp(&b), parts(a.as_str()).cmp(&parts(b.as_str())));
                assert_eq!(a == b, a.cmp(&b).is_eq());
                let (end, path) = (AfterBranch(a.as_str()), &b);
                let below = b.starts_with(a.as_str()) || b < a;
                assert_eq!(cmp_keys(path, &end).is_lt(), below);
            }
        }
    }

    fn tree(paths: &[&str]) -> BTreeMap<Path, ()> {
        paths
            .iter()
            .map(|path| (Path::parse(path).unwrap(), ()))
            .collect()
    }
}
