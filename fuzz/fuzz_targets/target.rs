//! Any path: one that is plain stays below what it names, however often and by whomever it is decoded once and resolved.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_proxy::data::target;

fuzz_target!(|path: &str| {
    // No request line has one.
    if path.contains('\0') {
        return;
    }
    let plain = target::is_plain(path);
    let decoded = decode(path.as_bytes());
    let parts = || decoded.split(|byte| matches!(byte, b'/' | b'\\'));
    let leads_away = parts().any(|part| {
        let name = part.split(|&byte| byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    });
    assert_eq!(plain, !leads_away && !decoded.contains(&0), "{path:?}");
});

fn decode(mut rest: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::new();
    while let [first, after @ ..] = rest {
        let encoded = match after {
            [high, low, after @ ..] if *first == b'%' => digit(*high).zip(digit(*low)).map(|pair| (pair, after)),
            _ => None,
        };
        match encoded {
            Some(((high, low), after)) => {
                decoded.push(high * 16 + low);
                rest = after;
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}
