//! Request identifiers: 32 hexadecimal digits, of which the first half is a worker's own and the second counts.
//!
//! Unique among processes by the random half, within one by the count. An identifier is the one before, counted up in
//! place: nothing is formatted while a request waits.

use std::cell::Cell;

use http::HeaderValue;

use super::choose::UserId;
use super::random::Random;

const LENGTH: usize = 32;

/// One worker's identifiers.
#[derive(Debug)]
pub(super) struct RequestIds(Cell<[u8; LENGTH]>);

// === impl RequestIds ===

impl RequestIds {
    pub(super) fn new() -> Self {
        let mut first = [b'0'; LENGTH];
        let half = UserId::new(Random::from_system().next_u64());
        first[..LENGTH / 2].copy_from_slice(half.as_str().as_bytes());
        Self(Cell::new(first))
    }

    /// The next identifier.
    #[inline]
    pub(super) fn next(&self) -> [u8; LENGTH] {
        let mut id = self.0.get();
        count_up(&mut id[LENGTH / 2..]);
        self.0.set(id);
        id
    }
}

/// The next number in hexadecimal digits; one call in sixteen touches more than one digit.
#[inline]
fn count_up(digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = match *digit {
            b'9' => b'a',
            b'f' => b'0',
            other => other + 1,
        };
        if *digit != b'0' {
            return;
        }
    }
}

/// Whether an identifier from outside may be passed on: of reasonable length, and nothing that could break a log line.
pub(super) fn is_sane(id: &HeaderValue) -> bool {
    let is_plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=');
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identifiers_are_hexadecimal_and_never_repeat() {
        let ids = RequestIds::new();
        let drawn: HashSet<_> = (0..1_000).map(|_| ids.next()).collect();
        assert_eq!(drawn.len(), 1_000);
        assert!(drawn.iter().flatten().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
    }

    #[test]
    fn counting_carries_over_to_the_next_digit() {
        let mut digits = *b"09ff";
        count_up(&mut digits);
        assert_eq!(&digits, b"0a00");
    }

    #[test]
    fn a_foreign_identifier_is_kept_only_if_it_is_sane() {
        assert!(is_sane(&HeaderValue::from_static("7b1d-4.a:b")));
        for id in ["", "a b", "a\"b", "a,b"] {
            assert!(!is_sane(&HeaderValue::from_str(id).unwrap()), "{id}");
        }
        assert!(!is_sane(&HeaderValue::from_str(&"a".repeat(129)).unwrap()));
    }
}
