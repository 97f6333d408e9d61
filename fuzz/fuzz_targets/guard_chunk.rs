//! Any bytes as a chunked body: the guard says the same however they are split, and the same as a parser that has all of
//! it before its eyes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_proxy::data::guard::Guard;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What becomes of the bytes.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Whole(usize),
    Unfinished,
    Bad,
}

fuzz_target!(|body: &[u8]| {
    let expected = read(body);
    for size in [1, 3, 7, body.len().max(1)] {
        let mut guard = Guard::new(1_000, 100);
        guard.check(HEAD).expect("the head is good");
        // Behind the end of the body comes a head, which is not looked at here.
        let end = if let Body::Whole(end) = expected { end } else { body.len() };
        let checked = body[..end].chunks(size).try_for_each(|piece| guard.check(piece));
        assert_eq!(checked.is_err(), expected == Body::Bad, "pieces of {size}: {checked:?}, {expected:?}");
        if expected != Body::Bad {
            // Whether the next byte is taken for a head's first tells where the guard believes to be.
            let next = guard.check(b"GET / HTTP/1.1\r\n\r\n");
            assert!(next.is_ok() || expected == Body::Unfinished, "{next:?} behind a whole body");
        }
    }
});

/// The rules once more.
fn read(body: &[u8]) -> Body {
    let mut at = 0;
    let mut extensions = 0;
    loop {
        let digits = body[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&body[at..at + digits]).expect("digits");
        let size = if digits == 0 { Some(0) } else { u128::from_str_radix(size, 16).ok() };
        if digits > 16 || size.is_none_or(|size| size > 1 << 53) {
            return Body::Bad;
        }
        let size = size.unwrap_or_default();
        at += digits;
        match body.get(at) {
            None => return Body::Unfinished,
            Some(b'\r' | b';') if digits > 0 => {}
            Some(_) => return Body::Bad,
        }
        if body[at] == b';' {
            let line = body[at + 1..].iter().position(|&byte| byte == b'\r' || byte == b'\n');
            extensions += line.map_or(body.len() - at - 1, |end| end + 1);
            match line {
                Some(end) if body[at + 1 + end] == b'\r' && extensions < 16 * 1024 => at += 1 + end,
                None if extensions < 16 * 1024 => return Body::Unfinished,
                _ => return Body::Bad,
            }
        }
        match body.get(at + 1) {
            None => return Body::Unfinished,
            Some(b'\n') => at += 2,
            Some(_) => return Body::Bad,
        }
        if size == 0 {
            return read_trailers(body, at);
        }
        let left = (body.len() - at) as u128;
        if size >= left {
            return Body::Unfinished;
        }
        at += usize::try_from(size).expect("less than there is");
        match body[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [b'\r'] | [] => return Body::Unfinished,
            _ => return Body::Bad,
        }
    }
}

fn read_trailers(body: &[u8], begin: usize) -> Body {
    let mut at = begin;
    for fields in 0.. {
        match body[at..] {
            [b'\r', b'\n', ..] => return Body::Whole(at + 2),
            [] | [b'\r'] => return Body::Unfinished,
            [b'\r' | b' ' | b'\t' | b'\n' | b':', ..] => return Body::Bad,
            _ if fields >= 100 => return Body::Bad,
            _ => {}
        }
        let line = body[at..].iter().position(|&byte| byte == b'\r' || byte == b'\n');
        let Some(end) = line else { return too_long(body.len() - begin, Body::Unfinished) };
        match body[at + end..] {
            [b'\r', b'\n', ..] => at += end + 2,
            [b'\r'] => return too_long(body.len() - begin, Body::Unfinished),
            _ => return Body::Bad,
        }
        if at - begin > 15 * 1024 {
            // Near the limit the two count differently: inputs are not made that long.
            return Body::Bad;
        }
    }
    Body::Unfinished
}

fn too_long(bytes: usize, otherwise: Body) -> Body {
    if bytes > 15 * 1024 { Body::Bad } else { otherwise }
}
