//! The path of a request: what it names for us is what it names for the upstream.
//!
//! A path with `..` names something else than it seems to; who resolves it, and when, differs from program to program,
//! so that a route that was chosen by the path could be left by it. Browsers resolve such paths before they send them:
//! nobody needs them, and they are refused in every spelling. It decodes nothing and changes nothing.

/// Whether no part of the path is `.` or `..`, in any spelling, and nothing ends it early.
#[inline]
pub fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    // All that is looked for has one of these two; most paths have neither.
    memchr::memchr2(b'.', b'%', bytes).is_none() || is_plain_throughout(bytes)
}

fn is_plain_throughout(mut rest: &[u8]) -> bool {
    loop {
        if begins_with_dots(rest) {
            return false;
        }
        // To the next part.
        loop {
            let Some((unit, after)) = take_unit(rest) else { return true };
            rest = after;
            match unit {
                // To whoever works with C strings the path ends here.
                0 => return false,
                b'/' | b'\\' => break,
                _ => {}
            }
        }
    }
}

/// One or two dots and the part's end; parameters behind `;` are no part of its name to some.
fn begins_with_dots(part: &[u8]) -> bool {
    let Some((b'.', rest)) = take_unit(part) else { return false };
    let rest = match take_unit(rest) {
        Some((b'.', rest)) => rest,
        _ => rest,
    };
    matches!(take_unit(rest), None | Some((b'/' | b'\\' | b';' | 0, _)))
}

/// The first byte, decoded if it is encoded, and what follows.
fn take_unit(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if let [b'%', high, low, rest @ ..] = bytes
        && let (Some(high), Some(low)) = (digit(*high), digit(*low))
    {
        return Some((u8::try_from(high * 16 + low).expect("two digits make a byte"), rest));
    }
    bytes.split_first().map(|(&byte, rest)| (byte, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_within_names_are_plain() {
        for path in [
            "/",
            "/a/b.c",
            "/.well-known/x",
            "/...",
            "/..a",
            "/a..",
            "/a%20b",
            "/a%2Fb",
            "/%",
            "/%2",
            "/a;..",
            "/100%25",
        ] {
            assert!(is_plain(path), "{path}");
        }
    }

    #[test]
    fn parts_that_lead_elsewhere_are_not_plain_in_any_spelling() {
        for path in [
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/..;/b",
            "/a/..;x=y/b",
            "/%2e%2e/b",
            "/a/.%2E/b",
            "/a/%2e./b",
            "/a/%2e/b",
            "/a%2f..%2fb",
            "/a/..%2fb",
            "/a/..%5cb",
            "/a%5C..%5Cb",
            "/a%00b",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
