//! Hexadecimal text, as test vectors have it.

use bytes::Bytes;

/// Returns the bytes of hexadecimal digits; spaces are ignored.
///
/// # Panics
/// When the text is not hexadecimal: vectors are part of the project.
pub(crate) fn decode(text: &str) -> Bytes {
    let digits: Vec<u8> = text
        .chars()
        .filter(|char| !char.is_whitespace())
        .map(|char| char.to_digit(16).expect("a vector is hexadecimal") as u8)
        .collect();
    assert!(
        digits.len().is_multiple_of(2),
        "a vector has whole bytes: {text}"
    );
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
