//! The client's side of a WebSocket, as small as it can be: it reads only what a suffuse server writes.

use anyhow::{Result, bail};

/// The longest head of an HTTP response that is waited for, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The bit of the second byte that says that a frame has a mask.
const MASKED: u8 = 0x80;

/// Returns the request that opens a WebSocket.
pub(super) fn upgrade(address: std::net::SocketAddr, query: &str) -> String {
    // The key is a nonce against caches, and there is none here.
    format!(
        "GET /diffusion?{query} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3VmZnVzZSBiZW5jaG1hcg==\r\n\r\n"
    )
}

/// Returns how long the head of the response is, once all of it is there.
///
/// # Errors
/// When the response does not open a WebSocket.
pub(super) fn upgraded(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        if bytes.len() > HEAD_BYTES_MAX {
            bail!("the head of the response has more than {HEAD_BYTES_MAX} bytes");
        }
        return Ok(None);
    };
    if !bytes.starts_with(b"HTTP/1.1 101 ") {
        let line = bytes
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        bail!(
            "expected HTTP/1.1 101, found `{}`",
            String::from_utf8_lossy(line).escape_default()
        );
    }
    Ok(Some(end + 4))
}

/// Takes the first frame off `bytes`, once all of it is there; returns its payload and its whole length.
///
/// # Errors
/// When it is anything but a whole binary message, with no mask or a mask of zero: suffuse servers send
/// nothing else before the end, and the clients here neither.
pub(super) fn frame(bytes: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let (Some(&first), Some(&second)) = (bytes.first(), bytes.get(1)) else {
        return Ok(None);
    };
    if first != 0x82 {
        bail!("expected a binary WebSocket frame (0x82), found 0x{first:02x}");
    }
    let (mut header, length) = match (second & !MASKED, bytes.len()) {
        (126, 4..) => (4, u64::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        (127, 10..) => (
            10,
            bytes[2..10]
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        ),
        (126 | 127, _) => return Ok(None),
        (length, _) => (2, u64::from(length)),
    };
    if second & MASKED != 0 {
        if bytes
            .get(header..header + 4)
            .is_some_and(|mask| mask != [0; 4])
        {
            bail!("expected a frame without mask");
        }
        header += 4;
    }
    let end = header + usize::try_from(length)?;
    Ok(bytes.get(header..end).map(|payload| (payload, end)))
}

/// Appends a binary frame of the server.
pub(super) fn push_server_frame(out: &mut Vec<u8>, payload: &[u8]) {
    push_frame(out, payload, 0);
}

/// Appends a binary frame of the client. Its mask is zero, so that the payload stays as it is.
pub(super) fn push_client_frame(out: &mut Vec<u8>, payload: &[u8]) {
    push_frame(out, payload, MASKED);
}

fn push_frame(out: &mut Vec<u8>, payload: &[u8], mask_bit: u8) {
    out.push(0x82);
    match u16::try_from(payload.len()) {
        Ok(length @ ..=125) => out.push(mask_bit | length as u8),
        Ok(length) => {
            out.push(mask_bit | 126);
            out.extend(length.to_be_bytes());
        }
        Err(_) => {
            out.push(mask_bit | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    if mask_bit != 0 {
        out.extend([0; 4]);
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_back_once_they_are_whole() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let (payload, mut bytes) = (vec![7; length], Vec::new());
            for push in [push_server_frame, push_client_frame] {
                bytes.clear();
                push(&mut bytes, &payload);
                assert_eq!(frame(&bytes).unwrap(), Some((&payload[..], bytes.len())));
                assert_eq!(frame(&bytes[..bytes.len() - 1]).unwrap(), None, "{length}");
                assert_eq!(frame(&bytes[..1]).unwrap(), None);
            }
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_what_was_found() {
        let error = frame(&[0x88, 0]).unwrap_err().to_string();
        assert!(error.ends_with("found 0x88"), "{error}");
        let error = upgraded(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("503"), "{error}");
        assert_eq!(
            upgraded(b"HTTP/1.1 101 Switching Protocols\r\n\r\nmore").unwrap(),
            Some(36)
        );
    }
}
