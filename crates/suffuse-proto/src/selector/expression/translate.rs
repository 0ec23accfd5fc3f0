//! Java's regular expressions, written for the `regex` crate.
//!
//! What means the same is copied; `\Q…\E`, classes such as `\d` and `\p{Alpha}` (which are ASCII in
//! Java), and characters that only one dialect treats specially are rewritten. What the `regex`
//! crate cannot do, or would take for something else, is refused.

use super::super::error::{Fault, HELP_EXPRESSION};

/// A translated expression, and what the translator learned on the way.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) pattern: String,
    /// The texts between `.*`, if there is nothing else in the expression.
    pub(super) pieces: Option<Vec<String>>,
    /// The text before the first metacharacter.
    leading: String,
    /// Whether the first metacharacter repeats what is in front of it.
    is_leading_repeated: bool,
    /// Where in the pattern each character of the expression begins.
    starts: Vec<usize>,
}

impl Translation {
    /// Returns the text, if the expression has no metacharacter.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.pieces.as_deref() {
            Some([literal]) => Some(literal),
            Some(_) | None => None,
        }
    }

    /// Returns the parts in front of the one with the first metacharacter.
    pub(super) fn path_prefix(&self) -> &str {
        if let Some(literal) = self.literal() {
            return literal;
        }
        // In `a/b/?c` the second slash may be missing, so that `b` is no part of its own.
        let leading = match self.is_leading_repeated {
            true => self.leading.strip_suffix('/').unwrap_or(&self.leading),
            false => &self.leading,
        };
        leading.rsplit_once('/').map_or("", |(prefix, _)| prefix)
    }

    /// Returns which character of the expression a byte of the pattern comes from.
    pub(super) fn char_at(&self, byte: usize) -> usize {
        self.starts
            .partition_point(|start| *start <= byte)
            .saturating_sub(1)
    }
}

pub(super) fn translate(text: &str) -> Result<Translation, Fault> {
    let mut translator = Translator {
        chars: text.chars().collect(),
        at: 0,
        class_depth: 0,
        is_class_start: false,
        last: Last::Other,
        in_braces: false,
        found_meta: false,
        out: Translation {
            pattern: String::with_capacity(text.len() + 8),
            pieces: Some(vec![String::new()]),
            leading: String::new(),
            is_leading_repeated: false,
            starts: Vec::new(),
        },
    };
    while translator.at < translator.chars.len() {
        translator.step()?;
    }
    Ok(translator.out)
}

#[derive(Debug)]
struct Translator {
    chars: Vec<char>,
    /// The next character.
    at: usize,
    /// How many `[` are open.
    class_depth: usize,
    is_class_start: bool,
    last: Last,
    /// Whether a `{` that repeats is open.
    in_braces: bool,
    found_meta: bool,
    out: Translation,
}

/// What the last character was, as far as it matters for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Quantifier,
    Other,
}

impl Translator {
    fn step(&mut self) -> Result<(), Fault> {
        match self.chars[self.at] {
            '\\' => self.escape(),
            c if self.class_depth > 0 => {
                self.in_class(c);
                Ok(())
            }
            c @ ('*' | '+' | '?' | '{') => self.quantifier(c),
            '}' if self.in_braces => {
                self.in_braces = false;
                self.meta("}", 1);
                self.last = Last::Quantifier;
                Ok(())
            }
            '(' => self.group(),
            '[' => {
                self.class_depth = 1;
                self.meta("[", 1);
                self.class_start();
                Ok(())
            }
            '.' if self.peek(1) == Some('*')
                && !matches!(self.peek(2), Some('*' | '+' | '?' | '{')) =>
            {
                self.any_text();
                Ok(())
            }
            c @ ('.' | '^' | '$' | '|' | ')' | ']' | '}') => {
                let mut buffer = [0; 4];
                self.meta(c.encode_utf8(&mut buffer), 1);
                Ok(())
            }
            c if self.in_braces => {
                self.copy(c);
                Ok(())
            }
            c => {
                self.literal(c, 1);
                Ok(())
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Appends to the pattern what `count` characters become.
    fn emit(&mut self, pattern: &str, count: usize) {
        let (start, last) = (self.out.pattern.len(), pattern.len().saturating_sub(1));
        let starts = (0..count).map(|char| start + char.min(last));
        self.out.starts.extend(starts);
        self.out.pattern.push_str(pattern);
        self.at += count;
        self.last = Last::Other;
        self.is_class_start = false;
    }

    fn meta(&mut self, pattern: &str, count: usize) {
        self.found_meta = true;
        self.out.pieces = None;
        self.emit(pattern, count);
    }

    fn copy(&mut self, c: char) {
        let mut buffer = [0; 4];
        self.emit(c.encode_utf8(&mut buffer), 1);
    }

    fn literal(&mut self, c: char, count: usize) {
        if let Some(piece) = self
            .out
            .pieces
            .as_mut()
            .and_then(|pieces| pieces.last_mut())
        {
            piece.push(c);
        }
        if !self.found_meta {
            self.out.leading.push(c);
        }
        let mut buffer = [0; 4];
        let escaped = regex_syntax::escape(c.encode_utf8(&mut buffer));
        self.emit(&escaped, count);
    }

    /// Two characters, `.*`.
    fn any_text(&mut self) {
        self.found_meta = true;
        if let Some(pieces) = &mut self.out.pieces {
            pieces.push(String::new());
        }
        self.emit(".*", 2);
        self.last = Last::Quantifier;
    }

    fn refuse(&self, message: &str, ahead: usize) -> Result<(), Fault> {
        Err(Fault::new(message, self.at + ahead, HELP_EXPRESSION))
    }

    fn quantifier(&mut self, c: char) -> Result<(), Fault> {
        let is_after_quantifier = self.last == Last::Quantifier;
        match c {
            // The `regex` crate would repeat the repetition.
            '+' if is_after_quantifier => {
                return self.refuse("possessive quantifiers are not supported", 0);
            }
            '*' | '{' if is_after_quantifier => {
                return self.refuse("a quantifier follows a quantifier", 0);
            }
            _ => {}
        }
        // What an expression such as `a/b/*` repeats is not fixed.
        self.out.is_leading_repeated |= !self.found_meta && self.at > 0;
        let mut buffer = [0; 4];
        self.meta(c.encode_utf8(&mut buffer), 1);
        self.in_braces = c == '{';
        let is_lazy = c == '?' && is_after_quantifier;
        if c != '{' && !is_lazy {
            self.last = Last::Quantifier;
        }
        Ok(())
    }

    fn group(&mut self) -> Result<(), Fault> {
        if self.peek(1) != Some('?') {
            self.meta("(", 1);
            return Ok(());
        }
        match (self.peek(2), self.peek(3)) {
            (Some('=' | '!'), _) => self.refuse("look-ahead is not supported", 1),
            (Some('<'), Some('=' | '!')) => self.refuse("look-behind is not supported", 1),
            (Some('>'), _) => self.refuse("atomic groups are not supported", 1),
            _ => {
                self.meta("(?", 2);
                Ok(())
            }
        }
    }

    fn class_start(&mut self) {
        if self.peek(0) == Some('^') {
            self.emit("^", 1);
        }
        self.is_class_start = true;
    }

    fn in_class(&mut self, c: char) {
        match c {
            // A class that begins with `]` has it as a member.
            ']' if self.is_class_start => self.emit("\\]", 1),
            ']' => {
                self.class_depth -= 1;
                self.emit("]", 1);
            }
            '[' => {
                self.class_depth += 1;
                self.emit("[", 1);
                self.class_start();
            }
            // `[:` would begin a class by name, `~~` and `--` would be operators.
            ':' => self.emit("\\:", 1),
            '~' => self.emit("\\~", 1),
            '-' if self.out.pattern.ends_with('-') => self.emit("\\-", 1),
            c => self.copy(c),
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let Some(c) = self.peek(1) else {
            return self.refuse("the expression ends after a backslash", 0);
        };
        match c {
            'Q' => {
                self.quoted();
                Ok(())
            }
            'E' => self.refuse("`\\E` without `\\Q` before it", 0),
            '1'..='9' | 'k' => self.refuse("back-references are not supported", 0),
            '0' => self.refuse("octal escapes are not supported", 0),
            'p' | 'P' => {
                self.property(c == 'P');
                Ok(())
            }
            c if c.is_ascii_alphabetic() => {
                self.letter(c);
                Ok(())
            }
            c if self.class_depth > 0 => {
                let mut buffer = [0; 4];
                let escaped = regex_syntax::escape(c.encode_utf8(&mut buffer));
                self.emit(&escaped, 2);
                Ok(())
            }
            c => {
                self.literal(c, 2);
                Ok(())
            }
        }
    }

    /// What is between `\Q` and `\E`, or the end.
    fn quoted(&mut self) {
        self.emit("", 2);
        while let Some(c) = self.peek(0) {
            if c == '\\' && self.peek(1) == Some('E') {
                self.emit("", 2);
                return;
            }
            self.literal(c, 1);
        }
    }

    fn letter(&mut self, letter: char) {
        let class = match letter {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            's' => r"[ \t\n\x0B\f\r]",
            'S' => r"[^ \t\n\x0B\f\r]",
            'h' => r"[ \t\xA0\u{1680}\u{180e}\u{2000}-\u{200a}\u{202f}\u{205f}\u{3000}]",
            'v' => r"[\n\x0B\f\r\x85\u{2028}\u{2029}]",
            'e' => r"\x1B",
            'x' => return self.braced_letter(),
            letter => {
                self.meta("\\", 1);
                return self.copy(letter);
            }
        };
        self.meta(class, 2);
    }

    /// `\p{…}` and `\P{…}`: the names of POSIX are ASCII, all others mean the same in both dialects.
    fn property(&mut self, is_negated: bool) {
        let name = self.braced();
        const NAMES: &[&str] = &[
            "Lower", "Upper", "ASCII", "Alpha", "Digit", "Alnum", "Punct", "Graph", "Print",
            "Blank", "Cntrl", "XDigit", "Space",
        ];
        match name {
            Some(name) if NAMES.contains(&name.as_str()) => {
                let negation = if is_negated { "^" } else { "" };
                let class = format!("[[:{negation}{}:]]", name.to_ascii_lowercase());
                self.meta(&class, name.len() + 4);
            }
            Some(_) | None => self.braced_letter(),
        }
    }

    /// A backslash, a letter, and what is in braces after it, as they are.
    fn braced_letter(&mut self) {
        let length = 2 + self.braced().map_or(0, |name| name.chars().count() + 2);
        let escape: String = self.chars[self.at..self.at + length].iter().collect();
        self.meta(&escape, length);
    }

    /// Returns what is in braces after a backslash and a letter.
    fn braced(&self) -> Option<String> {
        const CHARS_MAX: usize = 64;
        let rest = self.chars[self.at + 2..].strip_prefix(&['{'])?;
        let end = rest.iter().take(CHARS_MAX).position(|c| *c == '}')?;
        Some(rest[..end].iter().collect())
    }
}
