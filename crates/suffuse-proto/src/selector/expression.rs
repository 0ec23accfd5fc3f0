//! Regular expressions in selectors: Java's dialect, translated to that of the `regex` crate.
//!
//! Most expressions in use are texts with a `.*` here and there; those need no regular expression.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast};
use regex_syntax::hir;

use super::Selector;
use super::error::{Fault, HELP_EXPRESSION, HELP_LIMIT};

mod translate;

use translate::Translation;

/// The greatest size of a compiled expression, in bytes.
const COMPILED_BYTES_MAX: usize = 128 * 1024;
/// The greatest size of the cache that an expression has while it matches, in bytes.
const CACHE_BYTES_MAX: usize = 256 * 1024;
/// How deep groups may nest.
const NEST_MAX: u32 = 50;

/// An expression, ready to match a whole text.
#[derive(Debug)]
pub(super) enum Expression {
    /// Any text without a line break.
    Any,
    /// One text.
    Literal(String),
    /// Two or more texts with `.*` between them.
    Pieces(Vec<String>),
    /// Anything else. Boxed, because it is the rare case and large.
    Regex(Box<Regex>),
}

/// What may follow the expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suffix {
    None,
    Below,
    MaybeBelow,
}

/// An expression that is known to be valid.
#[derive(Debug)]
pub(super) struct Parsed {
    translation: Translation,
    has_alternatives: bool,
}

/// What the expressions of a selector may still be altogether.
#[derive(Debug)]
pub(super) struct Budget {
    regexes: usize,
    bytes: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            regexes: Selector::EXPRESSIONS_MAX,
            bytes: Selector::EXPRESSION_BYTES_MAX,
        }
    }

    fn spend(&mut self, pattern: &str) -> Result<(), Fault> {
        let regexes = self.regexes.checked_sub(1);
        let bytes = self.bytes.checked_sub(pattern.len());
        let (Some(regexes), Some(bytes)) = (regexes, bytes) else {
            let message = format!(
                "it has more than {} regular expressions, or they have more than {} bytes",
                Selector::EXPRESSIONS_MAX,
                Selector::EXPRESSION_BYTES_MAX,
            );
            return Err(Fault::new(message, 0, HELP_LIMIT));
        };
        *self = Self { regexes, bytes };
        Ok(())
    }
}

/// Parses an expression of a selector.
pub(super) fn parse(text: &str, budget: &mut Budget) -> Result<Parsed, Fault> {
    let translation = translate::translate(text)?;
    if translation.pieces.is_some() {
        return Ok(Parsed {
            translation,
            has_alternatives: false,
        });
    }
    let pattern = &translation.pattern;
    budget.spend(pattern)?;
    let fault = |message: String, byte: usize| {
        Fault::new(message, translation.char_at(byte), HELP_EXPRESSION)
    };
    let ast = ast::parse::ParserBuilder::new()
        .nest_limit(NEST_MAX)
        .build()
        .parse(pattern)
        .map_err(|error| fault(error.kind().to_string(), error.span().start.offset))?;
    hir::translate::Translator::new()
        .translate(pattern, &ast)
        .map_err(|error| fault(error.kind().to_string(), error.span().start.offset))?;
    let has_alternatives = matches!(ast, Ast::Alternation(_));
    Ok(Parsed {
        translation,
        has_alternatives,
    })
}

impl Parsed {
    /// Returns the text, if it is the only one that matches.
    pub(super) fn as_literal(&self) -> Option<&str> {
        self.translation.literal()
    }

    /// Returns whether any text matches that has no line break and is not empty.
    pub(super) fn is_any(&self) -> bool {
        matches!(self.translation.pattern.as_str(), ".*" | ".+")
    }

    /// Returns the parts of paths that are the same in all that matches.
    pub(super) fn path_prefix(&self) -> &str {
        if self.has_alternatives {
            ""
        } else {
            self.translation.path_prefix()
        }
    }

    /// Returns the expression, followed by `suffix`, ready to match.
    pub(super) fn compile(self, suffix: Suffix, budget: &mut Budget) -> Result<Expression, Fault> {
        if self.is_any() && suffix == Suffix::None {
            return Ok(Expression::Any);
        }
        match self.translation.pieces {
            Some(mut pieces) if suffix == Suffix::None => Ok(match pieces.len() {
                1 => Expression::Literal(pieces.remove(0)),
                _ => Expression::Pieces(pieces),
            }),
            Some(_) => {
                budget.spend(&self.translation.pattern)?;
                compile_regex(&self.translation.pattern, suffix)
            }
            None => compile_regex(&self.translation.pattern, suffix),
        }
    }
}

fn compile_regex(pattern: &str, suffix: Suffix) -> Result<Expression, Fault> {
    let tail = match suffix {
        Suffix::None => "$",
        Suffix::Below => "/.+$",
        Suffix::MaybeBelow => "(?:$|/.+$)",
    };
    let regex = RegexBuilder::new(&format!("^(?:{pattern}){tail}"))
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .nest_limit(NEST_MAX + 2)
        .build();
    // The pattern was parsed before, so that only its size can be wrong.
    match regex {
        Ok(regex) => Ok(Expression::Regex(Box::new(regex))),
        Err(_) => Err(Fault::new(
            "the regular expression is too large",
            0,
            HELP_LIMIT,
        )),
    }
}

impl Expression {
    /// Returns whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => !has_line_break(text),
            Self::Literal(literal) => text == literal,
            Self::Pieces(pieces) => matches_pieces(text, pieces) && !has_line_break(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// Returns the text, if it is the only one that matches.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match self {
            Self::Literal(literal) => Some(literal),
            Self::Any | Self::Pieces(_) | Self::Regex(_) => None,
        }
    }
}

/// Returns whether `.` does not match all of a text.
pub(super) fn has_line_break(text: &str) -> bool {
    // Without an early exit the loop compares many bytes at once, which is quicker for short texts.
    text.bytes()
        .fold(false, |found, byte| found | (byte == b'\n'))
}

/// Returns whether a text begins with the first piece, ends with the last one, and has the others
/// between them in this order.
fn matches_pieces(text: &str, pieces: &[String]) -> bool {
    let [first, middle @ .., last] = pieces else {
        return false;
    };
    // Comparing nothing is slow where the empty text has no memory: 70 ns against 2 ns.
    let begins = first.is_empty() || text.starts_with(first.as_str());
    let ends = last.is_empty() || text.ends_with(last.as_str());
    if !begins || !ends || text.len() < first.len() + last.len() {
        return false;
    }
    let mut rest = &text[first.len()..text.len() - last.len()];
    middle.iter().all(|piece| match rest.find(piece.as_str()) {
        None => false,
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
    })
}
