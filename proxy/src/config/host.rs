//! Host names and patterns.

use std::net::Ipv6Addr;

use super::scope::Scope;

/// Limits of the DNS (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Whether `text` can be a host name or an IPv4 address: letters, digits, `-`, `_` and points.
pub(super) fn is_name(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text);
    !labels.is_empty() && labels.len() <= MAX_NAME && labels.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A host name or address without port, in lower case.
pub(super) fn name(text: &str, scope: &Scope<'_>) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if is_name(&lower) || is_bracketed(&lower) {
        return Some(lower);
    }
    scope.refuse(format!("{text:?}: {}", complaint(text, "a host name such as shop.example")))
}

/// A host name, or `*.` and a host name; in lower case.
pub(super) fn pattern(text: &str, scope: &Scope<'_>) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if is_name(lower.strip_prefix("*.").unwrap_or(&lower)) || is_bracketed(&lower) {
        return Some(lower);
    }
    scope.refuse(format!("{text:?}: {}", complaint(text, "a host such as shop.example or *.shop.example")))
}

fn is_bracketed(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn complaint(text: &str, expected: &str) -> String {
    if text.contains("://") {
        return format!("{expected} is expected, without scheme and path");
    }
    if text == "*" {
        return format!("{expected} is expected; leave `hosts` out for any host");
    }
    if text.contains('*') {
        return format!("{expected} is expected; `*` stands for one whole label at the beginning");
    }
    if !text.is_ascii() {
        return format!("{expected} is expected, in ASCII (punycode)");
    }
    if text.contains(':') {
        return format!("{expected} is expected, without port");
    }
    format!("{expected} is expected")
}
