//! What the program prints: results to standard output, everything else to standard error.

use std::{
    fmt::Display,
    io::{self, BufWriter, Stdout, Write as _},
};

use crate::failure::Failure;

/// Standard output, in batches: a line is visible after [`Results::flush`] at the latest.
#[derive(Debug)]
pub(crate) struct Results(BufWriter<Stdout>);

impl Results {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When standard output takes nothing.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(Failure::output)
    }

    /// Makes visible what was written.
    ///
    /// # Errors
    /// As [`Results::line`].
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(Failure::output)
    }
}

/// Prints a line to standard output, at once.
///
/// # Errors
/// As [`Results::line`].
pub(crate) fn result(line: impl Display) -> Result<(), Failure> {
    let mut results = Results::new();
    results.line(line)?;
    results.flush()
}

/// Prints a line to standard error. That nobody reads it is no reason to stop.
pub(crate) fn note(line: impl Display) {
    _ = writeln!(io::stderr().lock(), "{line}");
}

/// Returns a text from outside for a terminal: control characters, which could change it, are escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() {
            true => out.extend(char.escape_default()),
            false => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_reach_a_terminal() {
        for (text, expected) in [
            ("plain é 漢", "plain é 漢"),
            ("a\nb\t", "a\\nb\\t"),
            ("\x1b[2J", "\\u{1b}[2J"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
