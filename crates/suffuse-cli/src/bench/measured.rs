//! What was measured, and how it is told.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{args::Output, failure::Failure, output};

/// Several measurements of the same thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    /// Returns the spread of one measurement or more.
    pub(super) fn of(measurements: impl IntoIterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = measurements.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let at = |index: usize| all.get(index).copied().unwrap_or(f64::NAN);
        let median = f64::midpoint(at(all.len().saturating_sub(1) / 2), at(all.len() / 2));
        Self {
            min: at(0),
            median,
            max: at(all.len().saturating_sub(1)),
        }
    }
}

/// The figures of a scenario.
#[derive(Debug)]
pub(super) struct Report {
    title: String,
    rounds: usize,
    figures: Vec<Figure>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Figure {
    name: String,
    unit: &'static str,
    spread: Spread,
}

impl Report {
    /// Returns a report without figures, of measurements that were repeated `rounds` times.
    pub(super) fn new(title: impl Into<String>, rounds: usize) -> Self {
        Self {
            title: title.into(),
            rounds,
            figures: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a figure. Its unit says whether more is better.
    pub(super) fn figure(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        measurements: impl IntoIterator<Item = f64>,
    ) {
        self.figures.push(Figure {
            name: name.into(),
            unit,
            spread: Spread::of(measurements),
        });
    }

    /// Adds a sentence that a reader needs.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the report.
    ///
    /// # Errors
    /// When standard output takes nothing.
    pub(super) fn print(&self, format: Output) -> Result<(), Failure> {
        match format {
            Output::Text => output::result(self.table()),
            Output::Json => output::result(self.document()),
        }
    }

    fn table(&self) -> String {
        let mut table = format!(
            "{}\n{:<34}{:>12}{:>12}{:>12}",
            self.title, "", "min", "median", "max"
        );
        for Figure { name, unit, spread } in &self.figures {
            let [min, median, max] = [spread.min, spread.median, spread.max].map(number);
            write!(table, "\n{name:<34}{min:>12}{median:>12}{max:>12}  {unit}")
                .expect("a string takes all text");
        }
        write!(table, "\nof {} rounds", self.rounds).expect("a string takes all text");
        self.notes
            .iter()
            .for_each(|note| table.extend(["; ", note]));
        table
    }

    fn document(&self) -> Value {
        let figures = self.figures.iter().map(|Figure { name, unit, spread }| {
            let Spread { min, median, max } = spread;
            json!({ "name": name, "unit": unit, "min": min, "median": median, "max": max })
        });
        json!({
            "title": self.title,
            "rounds": self.rounds,
            "figures": figures.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

/// Writes a number with three digits at least, and thousands apart.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let decimals = match value.abs() {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let digits = whole.chars().enumerate();
    let mut out: String = digits
        .flat_map(|(at, digit)| {
            let comma = (at > 0 && (whole.len() - at).is_multiple_of(3)).then_some(',');
            comma.into_iter().chain([digit])
        })
        .collect();
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_of_what_was_measured() {
        for (measurements, min, median, max) in [
            (vec![5.0], 5.0, 5.0, 5.0),
            (vec![3.0, 1.0], 1.0, 2.0, 3.0),
            (vec![9.0, 1.0, 2.0], 1.0, 2.0, 9.0),
        ] {
            assert_eq!(Spread::of(measurements), Spread { min, median, max });
        }
    }

    #[test]
    fn numbers_are_readable() {
        for (value, expected) in [
            (0.812, "0.81"),
            (12.345, "12.3"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
