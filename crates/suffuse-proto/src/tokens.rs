//! The words of small languages: session filters and removal policies.

/// What a text consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Characters up to a blank, a quote or a symbol.
    Word(String),
    /// Text in quotes, without them.
    Quoted(String),
    /// One of the characters that stand alone.
    Symbol(char),
}

impl Token {
    /// Returns the token as it is shown in an error.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("`{}`", crate::path::shortened(word)),
            Self::Quoted(text) => format!("the text '{}'", crate::path::shortened(text)),
            Self::Symbol(symbol) => format!("`{symbol}`"),
        }
    }
}

/// What a text has where something else is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {column}")]
pub struct SyntaxError {
    /// What was found, and what was expected.
    pub message: String,
    /// Where, in characters from 1.
    pub column: usize,
}

/// Texts that are longer are refused, in bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Parentheses and negations within each other. Deeper ones are refused.
const DEPTH_MAX: usize = 32;

/// The tokens of a text that are still to be read.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// With their columns, the last one first.
    rest: Vec<(usize, Token)>,
    end: usize,
    depth: usize,
}

impl Tokens {
    /// Takes a text apart.
    pub(crate) fn new(text: &str, symbols: &str) -> Result<Self, SyntaxError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(SyntaxError {
                message: format!("{} bytes: expected at most {TEXT_BYTES_MAX}", text.len()),
                column: 1,
            });
        }
        let mut rest = Vec::new();
        let mut chars = text.chars().zip(1..).peekable();
        while let Some((first, column)) = chars.next() {
            if first.is_whitespace() {
                continue;
            }
            let token = match first {
                '\'' | '"' => Token::Quoted(quoted(first, column, &mut chars)?),
                symbol if symbols.contains(symbol) => Token::Symbol(symbol),
                first => {
                    let mut word = String::from(first);
                    let ends = |next: char| {
                        next.is_whitespace() || symbols.contains(next) || "'\"".contains(next)
                    };
                    while let Some((next, _)) = chars.next_if(|(next, _)| !ends(*next)) {
                        word.push(next);
                    }
                    Token::Word(word)
                }
            };
            rest.push((column, token));
        }
        rest.reverse();
        Ok(Self {
            rest,
            end: text.chars().count() + 1,
            depth: 0,
        })
    }

    pub(crate) fn peek(&self) -> Option<&Token> {
        self.rest.last().map(|(_, token)| token)
    }

    pub(crate) fn next(&mut self) -> Option<Token> {
        self.rest.pop().map(|(_, token)| token)
    }

    /// Takes a word, in any case, if it is the next.
    pub(crate) fn take_word(&mut self, expected: &str) -> bool {
        let is_next =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(expected));
        if is_next {
            self.next();
        }
        is_next
    }

    pub(crate) fn take_symbol(&mut self, expected: char) -> bool {
        let is_next = self.peek() == Some(&Token::Symbol(expected));
        if is_next {
            self.next();
        }
        is_next
    }

    pub(crate) fn expect_word(&mut self, expected: &'static str) -> Result<(), SyntaxError> {
        match self.take_word(expected) {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    pub(crate) fn expect_symbol(&mut self, expected: char) -> Result<(), SyntaxError> {
        match self.take_symbol(expected) {
            true => Ok(()),
            false => Err(self.unexpected(&expected.to_string())),
        }
    }

    pub(crate) fn expect_quoted(&mut self, expected: &str) -> Result<String, SyntaxError> {
        match self.peek() {
            Some(Token::Quoted(_)) => match self.next() {
                Some(Token::Quoted(text)) => Ok(text),
                _ => Err(self.unexpected(expected)),
            },
            _ => Err(self.unexpected(expected)),
        }
    }

    pub(crate) fn expect_end(&self) -> Result<(), SyntaxError> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(self.unexpected("the end")),
        }
    }

    /// Reads something within something else.
    pub(crate) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(format!("nested more than {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Returns the error that the next token is not what was expected.
    pub(crate) fn unexpected(&self, expected: &str) -> SyntaxError {
        let found = self
            .peek()
            .map_or_else(|| "the end".to_owned(), Token::describe);
        self.error(format!("found {found}, expected {expected}"))
    }

    /// Returns an error at the next token.
    pub(crate) fn error(&self, message: String) -> SyntaxError {
        SyntaxError {
            message,
            column: self.rest.last().map_or(self.end, |(column, _)| *column),
        }
    }
}

fn quoted(
    quote: char,
    column: usize,
    chars: &mut impl Iterator<Item = (char, usize)>,
) -> Result<String, SyntaxError> {
    let mut content = String::new();
    let mut next = || chars.next().map(|(char, _)| char);
    loop {
        match next() {
            Some('\\') => content.extend(next()),
            Some(end) if end == quote => return Ok(content),
            Some(other) => content.push(other),
            None => {
                return Err(SyntaxError {
                    message: format!("the text after {quote} has no end"),
                    column,
                });
            }
        }
    }
}
