//! Why a text is not a topic selector.

use crate::path::shortened;

/// Why a text is not a topic selector. Its `Display` names the selector, the place, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("selector `{selector}` is not valid: {message} (position {position})\n  help: {help}")]
pub struct SelectorError {
    /// What is wrong.
    pub message: String,
    /// Where, as a 0-based character of the selector.
    pub position: usize,
    /// The selector, shortened.
    selector: String,
    help: &'static str,
}

pub(super) const HELP_KINDS: &str = "write a path such as `a/b`, `?` and an expression for each part, `*` and one for the whole path, \
     or `#` and selectors joined by `////`";
pub(super) const HELP_PATH: &str = "write a path such as `>a/b`, or `?a/.*` for all that is in `a`";
pub(super) const HELP_EXPRESSION: &str = "write, for example, `?a/b.*`; supported are regular expressions \
     without look-around, back-references, atomic groups and possessive quantifiers";
pub(super) const HELP_LIMIT: &str = "use several smaller selectors";

impl SelectorError {
    pub(super) fn new(fault: Fault, selector: &str) -> Self {
        let Fault {
            message,
            position,
            help,
        } = fault;
        Self {
            message,
            position,
            selector: shortened(selector),
            help,
        }
    }
}

/// What is wrong with a part of a selector.
#[derive(Debug)]
pub(super) struct Fault {
    message: String,
    position: usize,
    help: &'static str,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, position: usize, help: &'static str) -> Self {
        Self {
            message: message.into(),
            position,
            help,
        }
    }

    /// Moves the position by the characters in front of the part.
    pub(super) fn after(self, chars: usize) -> Self {
        Self {
            position: self.position + chars,
            ..self
        }
    }
}
