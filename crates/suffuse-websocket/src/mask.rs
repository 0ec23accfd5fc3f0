//! Masking (RFC 6455 §5.3): every byte that a client sends is XORed with a key of the frame.

/// XORs `payload` with `key`, beginning with the key's first byte.
///
/// Masks and unmasks: the second application undoes the first. The loop over whole words is one
/// that the compiler turns into vector instructions.
pub fn apply_mask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let word_key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ word_key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(word_key.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// Returns the key for the rest of a payload, of which `bytes` are done.
pub(crate) fn advance_key(mut key: [u8; 4], bytes: usize) -> [u8; 4] {
    key.rotate_left(bytes % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_and_any_cut_gives_the_same_as_byte_by_byte() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..41).collect();
        let expected: Vec<u8> = plain
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();

        for end in 0..=plain.len() {
            for cut in 0..=end {
                let mut masked = plain[..end].to_vec();
                let (before, after) = masked.split_at_mut(cut);
                apply_mask(before, key);
                apply_mask(after, advance_key(key, cut));
                assert_eq!(masked, expected[..end], "length {end}, cut at {cut}");
            }
        }
    }
}
