//! Any bytes as what a client sends: the guard says the same however they are split, and of a single head the same as a
//! parser that has all of it before its eyes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_proxy::data::Rejection;
use sluice_proxy::data::guard::Guard;

const LARGEST: usize = 1_000;
const LONGEST_TARGET: usize = 100;

fuzz_target!(|input: (&[u8], Vec<u8>)| {
    let (bytes, splits) = input;
    let whole = verdict([bytes]);
    assert_same(verdict(split(bytes, &splits)), whole);
    assert_same(verdict(bytes.chunks(1)), whole);
    // Of the first message only: what follows is another one.
    if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n")
        && end + 4 == bytes.len()
        && !bytes.starts_with(b"\r\n")
    {
        assert_eq!(whole.is_ok(), is_good(&bytes[..end]), "{:?}: {whole:?}", String::from_utf8_lossy(bytes));
    }
});

/// Of a head that is too large and has another fault, either may be met first: size is looked at when a piece ends.
fn assert_same(split: Result<(), Rejection>, whole: Result<(), Rejection>) {
    let too_large = Err(Rejection::HeadTooLarge);
    if split == too_large || whole == too_large {
        assert!(split.is_err() && whole.is_err(), "{split:?}, {whole:?}");
    } else {
        assert_eq!(split, whole);
    }
}

fn verdict<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Rejection> {
    let mut guard = Guard::new(LARGEST, LONGEST_TARGET);
    for piece in pieces {
        if let Err(refused) = guard.check(piece) {
            assert!(refused.passed <= piece.len(), "more passes than came");
            return Err(refused.reason);
        }
    }
    Ok(())
}

fn split<'a>(mut bytes: &'a [u8], splits: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &size in splits {
        let (piece, rest) = bytes.split_at(usize::from(size).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// The rules once more, for a head without its last two line ends.
fn is_good(head: &[u8]) -> bool {
    let mut lines = lines(head).into_iter();
    let Some(lines) = lines.next().map(|first| (first, lines.collect::<Vec<_>>())) else { return false };
    let (first, fields) = lines;
    if head.len() + 4 > LARGEST || fields.len() > 100 || !is_good_line(first) {
        return false;
    }
    let mut lengths = Vec::new();
    let mut codings = Vec::new();
    for field in fields {
        if field.contains(&b'\r') || field.contains(&b'\n') || field.first().is_none_or(|byte| b" \t".contains(byte)) {
            return false;
        }
        let Some(colon) = field.iter().position(|&byte| byte == b':') else { continue };
        match field[..colon].to_ascii_lowercase().as_slice() {
            b"content-length" => lengths.push(&field[colon + 1..]),
            b"transfer-encoding" => codings.push(&field[colon + 1..]),
            _ => {}
        }
    }
    let old = first.ends_with(b"0");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => true,
        // A length that announces a body is good, though no body follows here.
        ([length], []) => is_length(trim(length)),
        ([], [coding]) => !old && trim(coding).eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

fn lines(head: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
}

fn is_good_line(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = words[..] else { return false };
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_target = |byte: &u8| byte.is_ascii_graphic() && !b"#\\\"<>".contains(byte);
    (1..=32).contains(&method.len())
        && method.iter().all(is_token)
        && (1..=LONGEST_TARGET).contains(&target.len())
        && target.iter().all(is_target)
        && matches!(version, b"HTTP/1.0" | b"HTTP/1.1")
}

fn is_length(value: &[u8]) -> bool {
    let number = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let significant = number.map(|number| number.trim_start_matches('0'));
    number.is_some_and(|number| !number.is_empty())
        && significant.is_some_and(|digits| digits.len() < 19 && digits.parse().unwrap_or(0_u64) <= 1 << 53)
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
