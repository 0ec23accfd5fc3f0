//! Session filters: which sessions are meant, by their properties and roles (spec: topics §13.1).

use std::{borrow::Cow, fmt};

use regex::Regex;

use crate::tokens::{SyntaxError, Token, Tokens};

/// A filter such as `$Principal is 'alice' and not hasRoles ["ADMINISTRATOR"]`.
///
/// Keywords and operators are in any case; keys and values are compared as they are. A property that a session
/// does not have is neither equal nor unequal to anything. Regular expressions match whole values.
#[derive(Clone, Debug)]
pub struct SessionFilter {
    text: String,
    root: Node,
}

/// What a filter looks at.
pub trait FilteredSession {
    /// Returns a property, if the session has it.
    fn property(&self, key: &str) -> Option<Cow<'_, str>>;
    /// Returns whether the session has a role.
    fn has_role(&self, role: &str) -> bool;
}

#[derive(Clone, Debug)]
enum Node {
    All,
    Not(Box<Self>),
    Both(Vec<Self>),
    Either(Vec<Self>),
    Equal(String, String),
    Unequal(String, String),
    OneOf(String, Vec<String>),
    Matches(String, Regex),
    Has(String),
    HasRoles(Vec<String>),
}

/// The largest compiled regular expression of a filter, in bytes.
const EXPRESSION_BYTES_MAX: usize = 64 << 10;

impl SessionFilter {
    /// Parses a filter.
    ///
    /// # Errors
    /// When the text is not a filter: what was found, what was expected, and where.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut tokens = Tokens::new(text, "()[],")?;
        let root = either(&mut tokens)?;
        tokens.expect_end()?;
        Ok(Self {
            text: text.to_owned(),
            root,
        })
    }

    /// Returns whether a session is meant.
    #[must_use]
    pub fn matches(&self, session: &impl FilteredSession) -> bool {
        self.root.matches(session)
    }

    /// Returns the text that was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for SessionFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for SessionFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SessionFilter {}

impl Node {
    fn matches(&self, session: &impl FilteredSession) -> bool {
        let has = |key: &str, test: &dyn Fn(&str) -> bool| {
            session.property(key).is_some_and(|value| test(&value))
        };
        match self {
            Self::All => true,
            Self::Not(node) => !node.matches(session),
            Self::Both(nodes) => nodes.iter().all(|node| node.matches(session)),
            Self::Either(nodes) => nodes.iter().any(|node| node.matches(session)),
            Self::Equal(key, expected) => has(key, &|value| value == expected),
            Self::Unequal(key, expected) => has(key, &|value| value != expected),
            Self::OneOf(key, expected) => has(key, &|value| expected.iter().any(|it| it == value)),
            Self::Matches(key, expression) => has(key, &|value| expression.is_match(value)),
            Self::Has(key) => has(key, &|_| true),
            Self::HasRoles(roles) => roles.iter().all(|role| session.has_role(role)),
        }
    }
}

fn either(tokens: &mut Tokens) -> Result<Node, SyntaxError> {
    let mut nodes = vec![both(tokens)?];
    while tokens.take_word("or") {
        nodes.push(both(tokens)?);
    }
    Ok(one_or(nodes, Node::Either))
}

fn both(tokens: &mut Tokens) -> Result<Node, SyntaxError> {
    let mut nodes = vec![unary(tokens)?];
    while tokens.take_word("and") {
        nodes.push(unary(tokens)?);
    }
    Ok(one_or(nodes, Node::Both))
}

fn one_or(mut nodes: Vec<Node>, join: impl FnOnce(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.remove(0),
        _ => join(nodes),
    }
}

fn unary(tokens: &mut Tokens) -> Result<Node, SyntaxError> {
    if tokens.take_word("not") {
        return Ok(Node::Not(Box::new(tokens.nested(unary)?)));
    }
    if tokens.take_symbol('(') {
        let node = tokens.nested(either)?;
        tokens.expect_symbol(')')?;
        return Ok(node);
    }
    clause(tokens)
}

fn clause(tokens: &mut Tokens) -> Result<Node, SyntaxError> {
    if tokens.take_word("all") {
        return Ok(Node::All);
    }
    if tokens.take_word("hasRoles") {
        return Ok(Node::HasRoles(roles(tokens)?));
    }
    if tokens.take_word("has") {
        return Ok(Node::Has(key(tokens)?));
    }
    let key = key(tokens)?;
    if tokens.take_word("is") || tokens.take_word("eq") {
        return Ok(Node::Equal(key, tokens.expect_quoted("a value in quotes")?));
    }
    if tokens.take_word("ne") {
        return Ok(Node::Unequal(
            key,
            tokens.expect_quoted("a value in quotes")?,
        ));
    }
    if tokens.take_word("matches") {
        let unread = tokens.unexpected("a regular expression in quotes");
        let text = tokens.expect_quoted("a regular expression in quotes")?;
        let expression = regex::RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .size_limit(EXPRESSION_BYTES_MAX)
            .build();
        return match expression {
            Ok(expression) => Ok(Node::Matches(key, expression)),
            Err(error) => Err(SyntaxError {
                message: format!("a regular expression that cannot be used: {error}"),
                column: unread.column,
            }),
        };
    }
    if tokens.take_word("in") {
        return Ok(Node::OneOf(key, list(tokens)?));
    }
    Err(tokens.unexpected("`is`, `eq`, `ne`, `in` or `matches`"))
}

fn key(tokens: &mut Tokens) -> Result<String, SyntaxError> {
    const EXPECTED: &str = "the key of a property, `all`, `has`, `hasRoles`, `not` or `(`";
    match tokens.peek() {
        Some(Token::Word(_)) => match tokens.next() {
            Some(Token::Word(key)) => Ok(key),
            _ => Err(tokens.unexpected(EXPECTED)),
        },
        _ => Err(tokens.unexpected(EXPECTED)),
    }
}

/// Values in brackets, with commas or blanks between them.
fn list(tokens: &mut Tokens) -> Result<Vec<String>, SyntaxError> {
    tokens.expect_symbol('[')?;
    let mut values = vec![tokens.expect_quoted("a value in quotes")?];
    while !tokens.take_symbol(']') {
        tokens.take_symbol(',');
        values.push(tokens.expect_quoted("a value in quotes, or `]`")?);
    }
    Ok(values)
}

/// One role or a list. One text can name several roles.
fn roles(tokens: &mut Tokens) -> Result<Vec<String>, SyntaxError> {
    if tokens.peek() == Some(&Token::Symbol('[')) {
        return list(tokens);
    }
    let text = tokens.expect_quoted("roles in quotes or brackets")?;
    let names = text.split(|char: char| char == ',' || char.is_whitespace());
    Ok(names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Alice;

    impl FilteredSession for Alice {
        fn property(&self, key: &str) -> Option<Cow<'_, str>> {
            match key {
                "$Principal" => Some("alice".into()),
                "desk" => Some("it's 7".into()),
                "empty" => Some("".into()),
                _ => None,
            }
        }

        fn has_role(&self, role: &str) -> bool {
            ["CLIENT", "TRADER"].contains(&role)
        }
    }

    #[test]
    fn filters_select_by_properties_and_roles() {
        let cases = [
            ("all", true),
            ("ALL", true),
            ("not all", false),
            ("$Principal is 'alice'", true),
            ("$Principal EQ \"alice\"", true),
            ("$Principal is 'Alice'", false),
            ("$principal is 'alice'", false),
            ("$Principal ne 'bob'", true),
            ("desk is 'it\\'s 7'", true),
            ("desk is \"it's 7\"", true),
            ("missing is ''", false),
            ("missing ne 'x'", false),
            ("not missing is 'x'", true),
            ("has empty", true),
            ("has missing", false),
            ("$Principal in ['bob', 'alice']", true),
            ("$Principal in ['bob' 'carol']", false),
            ("$Principal matches 'al.*'", true),
            ("$Principal matches 'l.c'", false),
            ("hasRoles 'CLIENT'", true),
            ("hasRoles 'CLIENT, TRADER'", true),
            ("hasroles ['CLIENT' 'ADMINISTRATOR']", false),
            ("has missing or has empty and has desk", true),
            ("(has desk or all) and has missing", false),
            ("not has missing and has desk", true),
            ("not (has missing or has desk)", false),
        ];
        for (text, expected) in cases {
            let filter =
                SessionFilter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(filter.matches(&Alice), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_told_with_its_place() {
        let deep = "not ".repeat(40) + "all";
        let cases = [
            (
                "",
                "found the end, expected the key of a property, `all`, `has`, `hasRoles`, `not` or `(` at character 1",
            ),
            (
                "$Principal",
                "found the end, expected `is`, `eq`, `ne`, `in` or `matches` at character 11",
            ),
            (
                "$Principal is alice",
                "found `alice`, expected a value in quotes at character 15",
            ),
            (
                "$Principal is 'alice",
                "the text after ' has no end at character 15",
            ),
            ("(all", "found the end, expected ) at character 5"),
            ("all all", "found `all`, expected the end at character 5"),
            (
                "a in []",
                "found `]`, expected a value in quotes at character 7",
            ),
            (&deep, "nested more than 32 deep at character 133"),
        ];
        for (text, expected) in cases {
            let error = SessionFilter::parse(text).expect_err(text);
            assert_eq!(error.to_string(), expected, "{text}");
        }
        let error = SessionFilter::parse("a matches '('").expect_err("no expression");
        assert_eq!(error.column, 11);
    }
}
