//! Texts of peers in our messages: short, and without control characters that a terminal would
//! obey.

use std::time::Duration;

/// The longest text of a peer that a message repeats, in characters.
const CHARS_MAX: usize = 100;

/// Returns a text that can stand in a message.
pub(crate) fn shortened(text: &str) -> String {
    let mut chars = text
        .chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char });
    let mut short: String = chars.by_ref().take(CHARS_MAX).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Returns a duration as a report shows it: `3 ms`, `2.5 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_the_unit_that_fits() {
        for (millis, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (2500, "2.5 s"),
        ] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn texts_of_peers_are_short_and_harmless() {
        assert_eq!(shortened("squid/5.7"), "squid/5.7");
        assert_eq!(shortened("a\x1b[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(shortened(&"é".repeat(200)).chars().count(), 101);
    }
}
