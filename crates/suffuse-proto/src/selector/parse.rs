//! From the text of a selector to what it matches with.

use std::collections::BTreeSet;

use super::error::{Fault, HELP_EXPRESSION, HELP_KINDS, HELP_LIMIT, HELP_PATH};
use super::expression::{self, Budget, Expression, Suffix};
use super::{Inner, Matcher, Pattern, Qualifier, Selector, SelectorError};
use crate::path;

const SEPARATOR: &str = "////";

/// What one member of a set, or a selector that is no set, selects.
struct Member {
    text: String,
    prefix: String,
    depth_min: usize,
    depth_max: Option<usize>,
    matcher: Matcher,
}

pub(super) fn selector(text: &str) -> Result<Inner, SelectorError> {
    members(text)
        .map(|members| inner(members, text))
        .map_err(|fault| SelectorError::new(fault, text))
}

fn inner(members: Vec<Member>, text: &str) -> Inner {
    let texts: Vec<&str> = members.iter().map(|member| member.text.as_str()).collect();
    let mut inner = Inner {
        text: format!(
            "{}{}",
            if text.starts_with('#') { "#" } else { "" },
            texts.join(SEPARATOR)
        ),
        prefix: common_prefix(&members),
        depth_min: members
            .iter()
            .map(|member| member.depth_min)
            .min()
            .unwrap_or(0),
        depth_max: members
            .iter()
            .try_fold(0, |depth, member| Some(depth.max(member.depth_max?))),
        paths: BTreeSet::new(),
        matchers: Vec::new(),
    };
    for Member { matcher, .. } in members {
        match matcher {
            Matcher {
                pattern: Pattern::Path(path),
                qualifier: Qualifier::Matching,
            } => {
                inner.paths.insert(path);
            }
            matcher => inner.matchers.push(matcher),
        }
    }
    inner
}

fn common_prefix(members: &[Member]) -> String {
    let mut prefixes = members.iter().map(|member| member.prefix.as_str());
    let first = prefixes.next().unwrap_or("");
    prefixes.fold(first, |a, b| common_parts(a, b)).to_owned()
}

fn common_parts<'a>(a: &'a str, b: &str) -> &'a str {
    let mut end = 0;
    for (part, other) in a.split('/').zip(b.split('/')) {
        if part != other {
            break;
        }
        end += part.len() + 1;
    }
    &a[..end.saturating_sub(1)]
}

fn members(text: &str) -> Result<Vec<Member>, Fault> {
    if text.len() > Selector::BYTES_MAX {
        let message = format!(
            "it has {} bytes, and at most {} are possible",
            text.len(),
            Selector::BYTES_MAX
        );
        return Err(Fault::new(message, 0, HELP_LIMIT));
    }
    let mut budget = Budget::new();
    match text.strip_prefix('#') {
        None => Ok(vec![member(text, &mut budget)?]),
        Some(rest) => set(rest, &mut budget).map_err(|fault| fault.after(1)),
    }
}

/// Parses the members of a set. They are split at the last separator again and again, so that
/// slashes before it belong to the member in front: `?a//////?b` is `?a//` and `?b`.
fn set(text: &str, budget: &mut Budget) -> Result<Vec<Member>, Fault> {
    let mut starts = Vec::new();
    let mut end = text.len();
    loop {
        let found = text[..end].rfind(SEPARATOR);
        let start = found.map_or(0, |separator| separator + SEPARATOR.len());
        starts.push((start, end));
        match found {
            Some(separator) => end = separator,
            None => break,
        }
    }
    if starts.len() > Selector::MEMBERS_MAX {
        let message = format!(
            "the set has {} members, and at most {} are possible",
            starts.len(),
            Selector::MEMBERS_MAX
        );
        return Err(Fault::new(message, 0, HELP_LIMIT));
    }
    let mut members = Vec::with_capacity(starts.len());
    for (start, end) in starts.into_iter().rev() {
        let member_text = &text[start..end];
        // A set within a set is the same as its members.
        let inner = member_text.trim_start_matches('#');
        let is_empty_set = inner.is_empty() && (inner.len() < member_text.len() || text.is_empty());
        if !is_empty_set {
            let chars_before = text[..end - inner.len()].chars().count();
            members.push(member(inner, budget).map_err(|fault| fault.after(chars_before))?);
        }
    }
    Ok(members)
}

fn member(text: &str, budget: &mut Budget) -> Result<Member, Fault> {
    match text.chars().next() {
        None => Err(Fault::new("it is empty", 0, HELP_KINDS)),
        Some('>') => path_member(&text[1..]).map_err(|fault| fault.after(1)),
        Some('?') => split_member(text, budget),
        Some('*') => full_member(text, budget),
        Some(reserved @ ('$' | '%' | '&' | '<')) => {
            let message = format!("`{reserved}` is reserved as a first character");
            Err(Fault::new(
                message,
                0,
                "write `>` in front of a path that begins with this character",
            ))
        }
        Some(_) => path_member(text),
    }
}

fn path_member(text: &str) -> Result<Member, Fault> {
    let path = path::trim_slashes(text);
    if path.is_empty() {
        return Err(Fault::new("the path is empty", 0, HELP_PATH));
    }
    if let Some(position) = path::empty_part(path) {
        let stripped = usize::from(text.starts_with('/'));
        return Err(Fault::new(
            "the path has an empty part",
            position + stripped,
            HELP_PATH,
        ));
    }
    Ok(literal_member(
        path,
        Qualifier::Matching,
        format!(">{text}"),
    ))
}

fn literal_member(path: &str, qualifier: Qualifier, text: String) -> Member {
    let depth = path.split('/').count();
    let matcher = Matcher {
        pattern: Pattern::Path(path.into()),
        qualifier,
    };
    Member {
        text,
        prefix: path.to_owned(),
        depth_min: qualifier.depth_min(depth),
        depth_max: qualifier.depth_max(depth),
        matcher,
    }
}

fn split_member(text: &str, budget: &mut Budget) -> Result<Member, Fault> {
    let (expressions, start, qualifier) = unwrapped(text)?;
    let mut parts = Vec::new();
    let mut position = start;
    for part in split_parts(expressions) {
        let parsed =
            expression::parse(part, budget).and_then(|part| part.compile(Suffix::None, budget));
        parts.push(parsed.map_err(|fault| fault.after(position))?);
        position += part.chars().count() + 1;
    }
    let literals: Vec<&str> = parts.iter().map_while(Expression::as_literal).collect();
    let prefix = literals.join("/");
    if literals.len() == parts.len() {
        return Ok(literal_member(&prefix, qualifier, text.to_owned()));
    }
    Ok(Member {
        text: text.to_owned(),
        prefix,
        depth_min: qualifier.depth_min(parts.len()),
        depth_max: qualifier.depth_max(parts.len()),
        matcher: Matcher {
            pattern: Pattern::Parts(parts),
            qualifier,
        },
    })
}

fn full_member(text: &str, budget: &mut Budget) -> Result<Member, Fault> {
    let (expression, start, qualifier) = unwrapped(text)?;
    let parsed = expression::parse(expression, budget).map_err(|fault| fault.after(start))?;
    let prefix = parsed.path_prefix().to_owned();
    let suffix = match qualifier {
        Qualifier::Matching => Suffix::None,
        Qualifier::Below => Suffix::Below,
        Qualifier::MatchingAndBelow => Suffix::MaybeBelow,
    };
    let pattern = if parsed.is_any() {
        Pattern::AnyPath
    } else if let Some(path) = parsed.as_literal() {
        return Ok(literal_member(path, qualifier, text.to_owned()));
    } else {
        let compiled = parsed
            .compile(suffix, budget)
            .map_err(|fault| fault.after(start))?;
        Pattern::Whole(compiled)
    };
    Ok(Member {
        text: text.to_owned(),
        depth_min: qualifier.depth_min(1),
        depth_max: None,
        matcher: Matcher { pattern, qualifier },
        prefix,
    })
}

/// Cuts the first character, a leading slash and the qualifier off. Also returns how many
/// characters are in front of what is left.
fn unwrapped(text: &str) -> Result<(&str, usize, Qualifier), Fault> {
    let (rest, qualifier) = match (text.strip_suffix("//"), text.strip_suffix('/')) {
        (Some(rest), _) => (rest, Qualifier::MatchingAndBelow),
        (None, Some(rest)) => (rest, Qualifier::Below),
        (None, None) => (text, Qualifier::Matching),
    };
    let rest = &rest[1..];
    let (rest, start) = match rest.strip_prefix('/') {
        Some(rest) => (rest, 2),
        None => (rest, 1),
    };
    if rest.is_empty() {
        return Err(Fault::new("there is no expression", 1, HELP_EXPRESSION));
    }
    Ok((rest, start, qualifier))
}

/// Splits at slashes, except for those in a character class such as `[^/]`.
fn split_parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut class_depth, mut escaped) = (Vec::new(), 0, 0usize, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => class_depth += 1,
            b']' => class_depth = class_depth.saturating_sub(1),
            b'/' if class_depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl Qualifier {
    fn depth_min(self, depth: usize) -> usize {
        depth + usize::from(self == Self::Below)
    }

    fn depth_max(self, depth: usize) -> Option<usize> {
        (self == Self::Matching).then_some(depth)
    }
}
