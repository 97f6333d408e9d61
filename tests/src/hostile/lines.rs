//! Method, target and version, and heads that are too large.

use super::{Arrives, Case, Expected, get, refused, served};

pub(super) fn cases() -> Vec<Case> {
    [methods(), targets(), versions(), sizes()].concat()
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: test.example\r\n\r\n")
}

fn methods() -> Vec<Case> {
    let mut cases = vec![refused("H041", "CONNECT", line("CONNECT test.example:80 HTTP/1.1"), &[405], "method")];
    for method in ["TRACE", "TRACK"] {
        cases.push(refused("H041", method, line(&format!("{method} /case HTTP/1.1")), &[405], "method"));
    }
    for method in ["A", "get", "M-SEARCH"] {
        cases.push(served("H047", format!("method `{method}`"), line(&format!("{method} /case HTTP/1.1")), 1));
    }
    let long = line(&format!("{} /case HTTP/1.1", "A".repeat(100 << 10)));
    cases.push(refused("H047", "a method of 100 KiB", long, &[400, 501, 414, 431], "malformed"));
    for (name, method) in [("with `:`", "G:T"), ("with a control byte", "G\u{1}T"), ("missing", "")] {
        let sent = line(&format!("{method} /case HTTP/1.1"));
        cases.push(refused("H047", format!("a method {name}"), sent, &[400, 501], "malformed"));
    }
    cases
}

fn targets() -> Vec<Case> {
    let bad = |id, what: String, target: &str, reason| {
        refused(id, what, line(&format!("GET {target} HTTP/1.1")), &[400], reason)
    };
    let mut cases = vec![bad("H042", "GET `*`".to_owned(), "*", "target")];
    let all = "OPTIONS * HTTP/1.1\r\nHost: test.example\r\n\r\n";
    cases.push(Case { id: "H042", what: "OPTIONS `*`".to_owned(), sent: all.into(), expected: Expected::Local(200) });
    for target in [
        "/a/../admin",
        "/a/%2e%2e/admin",
        "/a/.%2E/admin",
        "/a/..;/admin",
        "/a/..;x=y/admin",
        "/..",
        "/a/./b",
        "/a/..%2fadmin",
        "/a%2f..%2fadmin",
    ] {
        cases.push(bad("H043", format!("`{target}`"), target, "target"));
    }
    for (name, target) in [
        ("`#frag`", "/a#frag"),
        ("`\\`", "/a\\b"),
        ("`<`", "/a<b"),
        ("`\"`", "/a\"b"),
        ("a blank", "/a b"),
        ("NUL", "/a\0b"),
        ("DEL", "/a\u{7f}b"),
        ("UTF-8", "/a\u{e9}b"),
        ("a tab", "/a\tb"),
    ] {
        cases.push(bad("H045", format!("{name} in the target"), target, "malformed"));
    }
    cases.push(bad("H045", "a target without slash".to_owned(), "case", "target"));
    for target in ["/a?b=c|d{e}", "/a%20b", "/.well-known/a..b", "//a//b", "/a?b=../c"] {
        cases.push(served("H045", format!("`{target}`"), line(&format!("GET {target} HTTP/1.1")), 1));
    }
    let longest = line(&format!("GET /{} HTTP/1.1", "a".repeat(7_999)));
    cases.push(served("H046", "a target of 8,000 bytes", longest, 1));
    let long = line(&format!("GET /{} HTTP/1.1", "a".repeat(100 << 10)));
    cases.push(refused("H046", "a target of 100 KiB", long, &[414], "target_too_long"));
    cases
}

fn versions() -> Vec<Case> {
    let mut cases = Vec::new();
    for version in ["HTTP/1.2", "HTTP/0.9", "HTTP/2.0"] {
        cases.push(refused(
            "H048",
            format!("`{version}`"),
            line(&format!("GET /case {version}")),
            &[400, 505],
            "version",
        ));
    }
    for version in ["http/1.1", "HTTP/1.10", "HTTP/1.1 ", "HTTP/1", "XTTP/1.1"] {
        cases.push(refused(
            "H048",
            format!("`{version}`"),
            line(&format!("GET /case {version}")),
            &[400, 505],
            "malformed",
        ));
    }
    cases.push(refused("H048", "no version", "GET /case\r\n", &[400], "malformed"));
    cases
}

fn sizes() -> Vec<Case> {
    let large = |id, what: &str, fields: &str| refused(id, what, get(fields), &[431], "head_too_large");
    let filled = |size: usize| format!("A: {}\r\n", "b".repeat(1_000)).repeat(size >> 10);
    let mut cases = vec![
        large("H052", "a head of 64 KiB", &filled(64 << 10)),
        large("H052", "a head of 1 MiB", &filled(1 << 20)),
        large("H052", "257 fields", &"A: b\r\n".repeat(256)),
        large("H052", "10,000 fields", &"A: b\r\n".repeat(9_999)),
        large("H053", "one field of 100 KiB", &format!("A: {}\r\n", "b".repeat(100 << 10))),
        large("H053", "a cookie of 64 KiB", &format!("Cookie: a={}\r\n", "b".repeat(64 << 10))),
    ];
    let many = get(&"A: b\r\n".repeat(90));
    cases.push(Case {
        id: "H052",
        what: "91 fields".to_owned(),
        sent: many.into(),
        expected: Expected::Served(1, Arrives::default()),
    });
    cases
}
