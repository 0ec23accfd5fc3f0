//! Payloads that the server compressed (spec: connection §6.5).

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::ZlibDecoder;
use suffuse_proto::message::Encoding;

use crate::MESSAGE_BYTES_MAX;

/// Returns the payload as it was before it was compressed.
///
/// # Errors
/// When the stream is not well-formed, or is larger than [`MESSAGE_BYTES_MAX`] when it is inflated.
pub(super) fn payload(encoding: Encoding, payload: Bytes) -> Result<Bytes, String> {
    match encoding {
        Encoding::Plain => Ok(payload),
        Encoding::Zlib => inflate(&payload),
    }
}

fn inflate(payload: &[u8]) -> Result<Bytes, String> {
    let mut inflated = Vec::new();
    let limit = MESSAGE_BYTES_MAX as u64 + 1;
    ZlibDecoder::new(payload)
        .take(limit)
        .read_to_end(&mut inflated)
        .map_err(|error| format!("compressed topic data that is not zlib: {error}"))?;
    if inflated.len() > MESSAGE_BYTES_MAX {
        return Err(format!(
            "compressed topic data that has more than {MESSAGE_BYTES_MAX} bytes"
        ));
    }
    Ok(inflated.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn deflated(bytes: &[u8]) -> Bytes {
        let mut encoder =
            flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn compressed_payloads_are_inflated_up_to_a_limit() {
        let text = Bytes::from("abc".repeat(1000));
        assert_eq!(payload(Encoding::Plain, text.clone()), Ok(text.clone()));
        assert_eq!(payload(Encoding::Zlib, deflated(&text)), Ok(text));
        assert!(payload(Encoding::Zlib, Bytes::from_static(b"nonsense")).is_err());
        let bomb = deflated(&vec![0; MESSAGE_BYTES_MAX + 1]);
        assert!(bomb.len() < 100_000);
        assert!(
            payload(Encoding::Zlib, bomb)
                .unwrap_err()
                .contains("more than")
        );
    }
}
