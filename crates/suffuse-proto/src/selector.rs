//! Topic selectors: which topics a request is about (spec: topics §15).
//!
//! | first character | kind | the rest |
//! |---|---|---|
//! | `>`, or none of the others | path | one path |
//! | `?` | split path | a regular expression for each part, separated by `/` |
//! | `*` | full path | one regular expression for the whole path |
//! | `#` | set | selectors, separated by `////`, any of which may match |
//!
//! After an expression, `/` selects only what is below the paths that match, and `//` also what is
//! below them. Matching takes time linear in the path, whatever the expressions are.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::path::{self, Path};

mod error;
mod expression;
mod parse;

pub use error::SelectorError;
use expression::{Expression, has_line_break};

/// A topic selector. A clone is cheap.
#[derive(Clone)]
pub struct Selector(Arc<Inner>);

struct Inner {
    /// In the form that servers print.
    text: String,
    prefix: String,
    depth_min: usize,
    depth_max: Option<usize>,
    /// The members that select just one path each.
    paths: BTreeSet<Box<str>>,
    /// All other members.
    matchers: Vec<Matcher>,
}

/// Selects topics by an expression.
#[derive(Debug)]
struct Matcher {
    pattern: Pattern,
    qualifier: Qualifier,
}

#[derive(Debug)]
enum Pattern {
    /// One path.
    Path(Box<str>),
    /// One expression for each part.
    Parts(Vec<Expression>),
    /// Any path without a line break.
    AnyPath,
    /// One expression for the whole path, into which the qualifier has been written.
    Whole(Expression),
}

/// Which topics are selected by a path that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Qualifier {
    Matching,
    Below,
    MatchingAndBelow,
}

impl Selector {
    /// The greatest length of a selector, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 64 * 1024;
    /// The greatest number of selectors in a set.
    pub const MEMBERS_MAX: usize = 1024;
    /// The greatest number of regular expressions that are more than texts and `.*`.
    pub const EXPRESSIONS_MAX: usize = 64;
    /// The greatest length of these altogether, in bytes of UTF-8.
    pub const EXPRESSION_BYTES_MAX: usize = 8 * 1024;

    /// Parses a selector.
    ///
    /// # Errors
    /// When it is empty, has a reserved first character, a path or an expression that is not valid,
    /// or exceeds a limit.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::selector(text).map(|inner| Self(Arc::new(inner)))
    }

    /// Returns whether the selector selects a topic at this path.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        self.matches_text(path.as_str())
    }

    /// Returns whether the selector selects a topic at this path, which must be valid.
    #[must_use]
    pub fn matches_text(&self, path: &str) -> bool {
        path::is_at_or_below(path, &self.0.prefix)
            && (self.0.paths.contains(path)
                || self.0.matchers.iter().any(|matcher| matcher.matches(path)))
    }

    /// Returns the path at or below which all selected topics are, or an empty text.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// Returns the selector as a text. A path has its `>`, and sets within sets are one set.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Returns the greatest number of parts that a selected path can have, if there is a limit.
    #[must_use]
    pub fn depth_max(&self) -> Option<usize> {
        self.0.depth_max
    }

    /// Returns the least number of parts that a selected path can have.
    #[must_use]
    pub fn depth_min(&self) -> usize {
        self.0.depth_min
    }

    /// Returns whether the selector selects every topic, as `?.*//` does.
    #[must_use]
    pub fn matches_everything(&self) -> bool {
        self.0.matchers.iter().any(Matcher::matches_everything)
    }

    /// Returns the path, if the selector selects no more than one path.
    #[must_use]
    pub fn is_path(&self) -> Option<&str> {
        self.exact_paths()
            .filter(|_| self.0.paths.len() == 1)?
            .next()
    }

    /// Returns the paths in the order of their texts, if the selector selects just some paths.
    #[must_use]
    pub fn exact_paths(&self) -> Option<impl Iterator<Item = &str>> {
        self.0
            .matchers
            .is_empty()
            .then(|| self.0.paths.iter().map(AsRef::as_ref))
    }
}

impl Matcher {
    fn matches(&self, path: &str) -> bool {
        match &self.pattern {
            Pattern::Path(prefix) => self.qualifier.holds(path, prefix),
            Pattern::Parts(expressions) => self.matches_parts(path, expressions),
            Pattern::AnyPath => {
                (self.qualifier != Qualifier::Below || path.contains('/')) && !has_line_break(path)
            }
            Pattern::Whole(expression) => expression.matches(path),
        }
    }

    fn matches_parts(&self, path: &str, expressions: &[Expression]) -> bool {
        let mut parts = path.split('/');
        let all_match = expressions
            .iter()
            .all(|expression| parts.next().is_some_and(|part| expression.matches(part)));
        all_match
            && match self.qualifier {
                Qualifier::Matching => parts.next().is_none(),
                Qualifier::Below => parts.next().is_some(),
                Qualifier::MatchingAndBelow => true,
            }
    }

    fn matches_everything(&self) -> bool {
        match &self.pattern {
            Pattern::AnyPath => self.qualifier != Qualifier::Below,
            Pattern::Parts(expressions) => {
                self.qualifier == Qualifier::MatchingAndBelow
                    && matches!(expressions.as_slice(), [Expression::Any])
            }
            Pattern::Path(_) | Pattern::Whole(_) => false,
        }
    }
}

impl Qualifier {
    fn holds(self, path: &str, prefix: &str) -> bool {
        let equal_allowed = self != Self::Below;
        let below_allowed = self != Self::Matching;
        path::is_at_or_below(path, prefix)
            && if path.len() == prefix.len() {
                equal_allowed
            } else {
                below_allowed
            }
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Selector {}

impl Hash for Selector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl std::str::FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
