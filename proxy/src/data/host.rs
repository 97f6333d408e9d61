//! The value of `Host`: a name or an address, and perhaps a port (RFC 9110, 7.2).
//!
//! Routes are found by it, and upstreams trust it; what ends a host for one reader and not for another is refused.

use std::net::Ipv6Addr;

/// The host without its port, in the spelling of the client. `None` if this is no host at all; an empty one is empty.
#[inline]
pub fn parse(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    if value.starts_with('[') {
        return parse_address(value);
    }
    let end = value.bytes().position(|byte| !NAME_BYTES[usize::from(byte)]).unwrap_or(value.len());
    let (name, rest) = value.split_at(end);
    let is_host = rest.is_empty() || (!name.is_empty() && is_port(rest));
    is_host.then_some(name)
}

#[cold]
fn parse_address(value: &str) -> Option<&str> {
    let end = value.find(']')? + 1;
    let (address, rest) = value.split_at(end);
    let is_address = address[1..end - 1].parse::<Ipv6Addr>().is_ok();
    (is_address && (rest.is_empty() || is_port(rest))).then_some(address)
}

/// `:` and a number that a port can have.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.is_some_and(|digits| digits.parse::<u16>().is_ok())
}

/// Bytes of a registered name (RFC 3986, 3.2.2) without `%` and `,`: nobody has them, and a list is no host.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_its_port_does_not_belong_to_it() {
        for (value, host) in [
            ("shop.example:8080", "shop.example"),
            ("Shop.Example.", "Shop.Example."),
            ("my_host", "my_host"),
            ("10.0.0.1:1", "10.0.0.1"),
            ("a:65535", "a"),
            ("[::1]:80", "[::1]"),
            ("[2001:db8::7]", "[2001:db8::7]"),
            ("", ""),
        ] {
            assert_eq!(parse(value.as_bytes()), Some(host), "{value}");
        }
    }

    #[test]
    fn what_could_be_cut_in_two_ways_is_no_host() {
        for value in [
            "a,b",
            "a/b",
            "a:99999",
            "a:",
            ":80",
            "a:+1",
            "a:80:80",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[a]",
            "[]",
            "user@a",
            "a b",
            "a?b",
            "a#b",
            "a\\b",
            "%61",
            "ä.example",
            "a\u{0}",
        ] {
            assert_eq!(parse(value.as_bytes()), None, "{value}");
        }
        assert_eq!(parse(b"\xff"), None);
    }
}
