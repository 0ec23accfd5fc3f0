//! The PROXY protocol, versions 1 and 2: a header before everything else, in which a load balancer that only
//! passes bytes on tells whom it serves. The header is read to its last byte and no further, because TLS or
//! HTTP follows.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::TcpStream,
};

/// How the first version begins, and the second.
const FIRST: &[u8] = b"PROXY ";
const SECOND: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of the first version, with its line end.
const LINE_BYTES_MAX: usize = 107;
/// The longest rest of a header of the second version. Addresses have 36 bytes; what else balancers add, such
/// as the name of a certificate, has a few hundred.
const BLOCK_BYTES_MAX: usize = 4096;

/// Why a connection has no usable header.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    /// It begins with something else.
    #[error("expected a PROXY header, found {:?}", .0.escape_ascii().to_string())]
    Missing(Vec<u8>),
    /// The header breaks a rule.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
    /// The connection ended.
    #[error("the connection ended in the PROXY header: {0}")]
    Io(#[from] io::Error),
}

/// Reads a header and returns the client that it tells; `None` if the proxy speaks for itself, as in health
/// checks, or does not know.
///
/// # Errors
/// If there is no header, or it is malformed.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, HeaderError> {
    let mut start = [0; SECOND.len()];
    stream.read_exact(&mut start).await?;
    if start == *SECOND {
        return read_second(stream).await;
    }
    if start.starts_with(FIRST) {
        return read_first(stream, &start).await;
    }
    Err(HeaderError::Missing(start.to_vec()))
}

/// Returns whether a connection begins with a header. Its bytes stay where they are.
pub(super) async fn is_present(stream: &TcpStream) -> bool {
    let mut start = [0; SECOND.len()];
    let read = stream.peek(&mut start).await.unwrap_or_default();
    let start = &start[..read];
    start.starts_with(FIRST) || (start.len() > 4 && SECOND.starts_with(start))
}

async fn read_first(
    stream: &mut (impl AsyncRead + Unpin),
    start: &[u8],
) -> Result<Option<SocketAddr>, HeaderError> {
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES_MAX {
            return Err(HeaderError::Malformed("the line has more than 107 bytes"));
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| HeaderError::Malformed("it is not text"))?;
    parse_first(line.trim_end_matches("\r\n")).ok_or(HeaderError::Malformed(
        "expected `PROXY TCP4 source destination port port`, TCP6 or UNKNOWN",
    ))
}

fn parse_first(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (source, destination): (IpAddr, IpAddr) =
        (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (port, _): (u16, u16) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let is_of_family = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    (is_of_family && words.next().is_none()).then(|| Some(SocketAddr::new(source, port)))
}

async fn read_second(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, HeaderError> {
    let (kind, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = usize::from(stream.read_u16().await?);
    if kind >> 4 != 2 {
        return Err(HeaderError::Malformed("the version is not 2"));
    }
    if length > BLOCK_BYTES_MAX {
        return Err(HeaderError::Malformed("it has more than 4096 bytes"));
    }
    let mut block = vec![0; length];
    stream.read_exact(&mut block).await?;
    match kind & 0x0f {
        0 => Ok(None),
        1 => source(family, &block),
        _ => Err(HeaderError::Malformed(
            "the command is neither LOCAL nor PROXY",
        )),
    }
}

/// Returns the source address of a block.
fn source(family: u8, block: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    const SHORT: HeaderError =
        HeaderError::Malformed("it is shorter than the addresses that it announces");
    let port = |block: &[u8], at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    match family {
        0x11 => {
            let block = block.first_chunk::<12>().ok_or(SHORT)?;
            let address = Ipv4Addr::new(block[0], block[1], block[2], block[3]);
            Ok(Some((address, port(block, 8)).into()))
        }
        0x21 => {
            let block = block.first_chunk::<36>().ok_or(SHORT)?;
            let address = block.first_chunk::<16>().ok_or(SHORT)?;
            Ok(Some((Ipv6Addr::from(*address), port(block, 32)).into()))
        }
        // Unspecified, datagrams, and sockets of the file system: the proxy itself counts as the client.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Ok(None),
        _ => Err(HeaderError::Malformed("the address family is unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a header followed by `GET`, and checks that `GET` is left.
    async fn check(header: &[u8]) -> Result<Option<String>, HeaderError> {
        let bytes = [header, b"GET"].concat();
        let mut rest = bytes.as_slice();
        let found = read(&mut rest).await?;
        assert_eq!(rest, b"GET", "{}", header.escape_ascii());
        Ok(found.map(|address| address.to_string()))
    }

    fn second(kind: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SECOND[..], &[kind, family], &length, block].concat()
    }

    #[tokio::test]
    async fn the_client_is_the_source_of_the_header() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 1;
        v6[33] = 80;
        let with_more = [&v4[..], &[4, 0, 3, 1, 2, 3]].concat();
        let cases: [(Vec<u8>, Option<&str>); 10] = [
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n".to_vec(),
                Some("192.0.2.1:4711"),
            ),
            (
                b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\n".to_vec(),
                Some("[2001:db8::1]:4711"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (second(0x21, 0x11, &v4), Some("192.0.2.1:4711")),
            (second(0x21, 0x11, &with_more), Some("192.0.2.1:4711")),
            (second(0x21, 0x21, &v6), Some("[2001:db8::1]:80")),
            (second(0x20, 0x00, &[]), None),
            (second(0x20, 0x11, &v4), None),
            (second(0x21, 0x31, &[0; 216]), None),
        ];
        for (header, expected) in cases {
            let found = check(&header).await.unwrap();
            assert_eq!(found.as_deref(), expected, "{}", header.escape_ascii());
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long_line = [&b"PROXY UNKNOWN "[..], &[b'x'; 100], b"\r\n"].concat();
        let cases = [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80 90\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 99999 80\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 4711 80\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.1 ::1 4711 80\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 10.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY  192.0.2.1 10.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 \xff\xff 10.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1".to_vec(),
            b"PROXY".to_vec(),
            b"".to_vec(),
            long_line,
            second(0x11, 0x11, &[0; 12]),
            second(0x22, 0x11, &[0; 12]),
            second(0x21, 0x11, &[0; 11]),
            second(0x21, 0x21, &[0; 35]),
            second(0x21, 0x44, &[0; 36]),
            second(0x21, 0x11, &[0; BLOCK_BYTES_MAX + 1]),
            second(0x21, 0x11, &[0; 12])[..20].to_vec(),
        ];
        for header in cases {
            let found = read(&mut header.as_slice()).await;
            assert!(found.is_err(), "{} {found:?}", header.escape_ascii());
        }
    }

    #[tokio::test]
    async fn any_bytes_are_read_without_panic_and_no_further_than_a_header_is_long() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        let starts = [FIRST, &SECOND[..], b"PROXY TCP4 1.2.3.4 ", b""];
        for round in 0..20_000 {
            let mut bytes = starts[round % starts.len()].to_vec();
            bytes.extend((0..8).map(|_| random() & 0x33));
            bytes.extend((0..5000).map(|_| random()));
            let mut rest = bytes.as_slice();
            _ = read(&mut rest).await;
            assert!(bytes.len() - rest.len() <= SECOND.len() + 4 + BLOCK_BYTES_MAX);
        }
    }
}
