//! What is wrong in a configuration, where, and what to do about it.

use std::{fmt, ops::Range};

/// The longest piece of a source line that a diagnostic shows, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// One thing that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code, such as `SFX-K007`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where it is, if it is at one place.
    pub place: Option<Place>,
    /// What to do.
    pub help: Option<String>,
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the file, or `--set`.
    pub source: String,
    /// The line, from 1; `None` where the text has one line only.
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The text of the line.
    pub text: String,
    /// How many characters are meant.
    pub width: usize,
    /// What stands beside the marked characters.
    pub label: String,
}

impl Place {
    /// Finds a range of bytes in a text of several lines.
    #[must_use]
    pub fn find(source: &str, text: &str, range: Range<usize>, label: impl Into<String>) -> Self {
        let start = floor_char(text, range.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let end = floor_char(text, range.end)
            .min(line_start + line.len())
            .max(start);
        Self {
            source: source.to_owned(),
            line: Some(text[..start].matches('\n').count() + 1),
            column: text[line_start..start].chars().count() + 1,
            text: line.to_owned(),
            width: text[start..end].chars().count().max(1),
            label: label.into(),
        }
    }

    /// Marks a range of bytes in an argument of the command line.
    #[must_use]
    pub fn argument(
        source: &str,
        text: &str,
        range: Range<usize>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            line: None,
            ..Self::find(source, text, range, label)
        }
    }
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n{place}")?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.map(|line| line.to_string()).unwrap_or_default();
        let margin = number.len().max(2);
        // A long line is shown from a little before the mark.
        let skipped = if self.column > SHOWN_CHARS_MAX {
            self.column - 20
        } else {
            0
        };
        let shown: String = self
            .text
            .chars()
            .skip(skipped)
            .take(SHOWN_CHARS_MAX)
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect();
        let indent = self.column - 1 - skipped;
        let width = self
            .width
            .min(SHOWN_CHARS_MAX.saturating_sub(indent))
            .max(1);
        match self.line {
            Some(line) => writeln!(f, "{:margin$} ┌ {}:{line}:{}", "", self.source, self.column)?,
            None => writeln!(f, "{:margin$} ┌ {}", "", self.source)?,
        }
        writeln!(f, "{number:>margin$} │ {}", shown.trim_end())?;
        write!(
            f,
            "{:margin$} │ {:indent$}{} {}",
            "",
            "",
            "^".repeat(width),
            self.label
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_line_and_column() {
        let text = "a = 1\n\tcafé = 2\nlast = 3";
        let cases = [
            (0..1, 1, 1, "a = 1", 1),
            (7..12, 2, 2, "\tcafé = 2", 4),
            (17..99, 3, 1, "last = 3", 8),
            (99..99, 3, 9, "last = 3", 1),
            (6..16, 2, 1, "\tcafé = 2", 9),
        ];
        for (range, line, column, expected, width) in cases {
            let place = Place::find("f", text, range.clone(), "");
            assert_eq!(place.line, Some(line), "{range:?}");
            assert_eq!(
                (place.column, place.text.as_str(), place.width),
                (column, expected, width),
                "{range:?}"
            );
        }
    }

    #[test]
    fn long_lines_are_shown_around_the_mark() {
        let text = format!("{}wrong", "x".repeat(5000));
        let shown = Place::find("f", &text, 5000..5005, "here").to_string();
        assert!(shown.ends_with("^^^^^ here"), "{shown}");
        assert!(shown.len() < 400, "{shown}");
    }
}
