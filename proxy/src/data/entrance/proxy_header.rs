//! The header of the PROXY protocol, versions 1 and 2, by which a proxy in front of us says who its client is.
//!
//! Never a byte more is read than the header has: what follows may be a TLS handshake or a request. That costs version 1,
//! whose end is a line's, a read for each byte of the addresses.

use std::io;
use std::net::IpAddr;

use ::proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// With addresses of any kind, and room for extensions, which nobody here reads.
const LONGEST: usize = 2_048;
/// `PROXY UNKNOWN` and the end of its line; version 2 has one byte more.
const SHORTEST: usize = 15;
/// Of version 2, before its addresses; the last two bytes say how long those are.
const FIXED: usize = 16;

const CONFIG: ParseConfig = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };

/// The client's address; none if the proxy speaks for itself, as in a health check.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<IpAddr>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut bytes = [0; LONGEST];
    let (mut had, mut wanted) = (0, SHORTEST);
    loop {
        stream.read_exact(bytes.get_mut(had..wanted).ok_or_else(malformed)?).await?;
        had = wanted;
        match ProxyHeader::parse(&bytes[..had], CONFIG) {
            Ok((header, _)) => {
                return match header.proxied_address() {
                    None => Ok(None),
                    Some(told) if told.protocol == Protocol::Stream => Ok(Some(told.source.ip().to_canonical())),
                    Some(_) => Err(malformed()),
                };
            }
            Err(Error::BufferTooShort) => wanted = longer(&bytes[..had]),
            Err(_) => return Err(malformed()),
        }
    }
}

/// How many bytes to have before the next look.
fn longer(bytes: &[u8]) -> usize {
    match bytes {
        [b'P', ..] => bytes.len() + 1,
        [.., high, low] if bytes.len() == FIXED => FIXED + usize::from(u16::from_be_bytes([*high, *low])),
        _ => FIXED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    /// What is read, and what is left for whoever comes next.
    async fn taken(bytes: &[u8]) -> (Result<Option<String>, ()>, usize) {
        let mut rest = bytes;
        let read = read(&mut rest).await;
        (read.map(|told| told.map(|address| address.to_string())).map_err(|_| ()), rest.len())
    }

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, addresses, b"next"].concat()
    }

    #[tokio::test]
    async fn both_versions_are_read_to_their_last_byte_and_no_further() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 0, 80];
        let with_extension = [&v4[..], &[4, 0, 2, 0, 0]].concat();
        for (bytes, told) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 80\r\nnext".to_vec(), Some("192.0.2.1")),
            (b"PROXY TCP6 2001:db8::1 ::1 12345 80\r\nnext".to_vec(), Some("2001:db8::1")),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 12345 80\r\nnext".to_vec(), Some("192.0.2.1")),
            (b"PROXY UNKNOWN\r\nnext".to_vec(), None),
            (version_2(0x21, 0x11, &v4), Some("192.0.2.1")),
            (version_2(0x21, 0x11, &with_extension), Some("192.0.2.1")),
            (version_2(0x20, 0x00, &[]), None),
        ] {
            assert_eq!(taken(&bytes).await, (Ok(told.map(str::to_owned)), 4), "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_without_reading_on_for_ever() {
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 10_000]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PROXY TCP5 192.0.2.1 10.0.0.1 12345 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2 10.0.0.1 12345 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 80".to_vec(),
            b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c".to_vec(),
            version_2(0x31, 0x11, &[0; 12]),
            version_2(0x21, 0x11, &[0; 4]),
            version_2(0x21, 0x12, &[0; 12]),
            version_2(0x21, 0x11, &[0; 40_000]),
            endless,
        ] {
            let (read, left) = taken(&bytes).await;
            assert_eq!(read, Err(()), "{:.60}", bytes.escape_ascii().to_string());
            assert!(bytes.len() - left <= LONGEST, "{left} bytes left");
        }
    }
}
