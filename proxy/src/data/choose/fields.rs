//! Values of a request that may direct it: header lines, cookies, query parameters.
//!
//! One rule for all: what occurs twice does not count, since the upstream may read the other one.

use std::borrow::Cow;

use http::header::{AsHeaderName, COOKIE};
use http::{HeaderMap, HeaderValue};

/// The value of a header that came as exactly one line.
pub(super) fn only_line(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&[u8]> {
    only(headers.get_all(name).iter()).map(HeaderValue::as_bytes)
}

/// The value of a cookie that came exactly once, in whatever `Cookie` line.
pub(in crate::data) fn only_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
    only(pairs.filter_map(|pair| pair.trim_ascii_start().strip_prefix(name.as_bytes())?.strip_prefix(b"=")))
        .map(<[u8]>::trim_ascii_end)
}

/// The decoded value of a query parameter that came exactly once; borrowed where there is nothing to decode.
pub(super) fn only_parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    only(pairs.filter(|(key, _)| decoded(key).as_ref() == name.as_bytes())).map(|(_, value)| decoded(value))
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

/// Percent-decoded, `+` as a space; a `%` that begins no byte stands for itself.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let hex = |at: usize| tail.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        let (byte, next) = match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => ((high * 16 + low) as u8, &tail[2..]),
            (b'+', ..) => (b' ', tail),
            _ => (*first, tail),
        };
        out.push(byte);
        rest = next;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_cookie_is_found_in_any_line_and_by_its_whole_name() {
        let headers = cookies(&["a=1; canary=always", "xcanary=never; canaryx=never"]);
        assert_eq!(only_cookie(&headers, "canary"), Some(&b"always"[..]));
        assert_eq!(only_cookie(&headers, "b"), None);
    }

    #[test]
    fn a_cookie_that_comes_twice_does_not_count() {
        assert_eq!(only_cookie(&cookies(&["canary=always; canary=always"]), "canary"), None);
        assert_eq!(only_cookie(&cookies(&["canary=always", "canary=never"]), "canary"), None);
    }

    #[test]
    fn a_parameter_is_decoded_and_counts_only_once() {
        assert_eq!(only_parameter("a=1&user%5Ftype=be%74a+x", "user_type").as_deref(), Some(&b"beta x"[..]));
        assert_eq!(only_parameter("a=1&a=1", "a"), None);
        assert_eq!(only_parameter("a", "a").as_deref(), Some(&b""[..]));
        assert_eq!(only_parameter("a=%zz%4", "a").as_deref(), Some(&b"%zz%4"[..]));
    }
}
