//! Who is asked: `Host` and the absolute form of a target.

use super::{Case, changed, refused, served};

pub(super) fn cases() -> Vec<Case> {
    let bad = |id, what: String, fields: &str| {
        refused(id, what, format!("GET /case HTTP/1.1\r\n{fields}\r\n"), &[400], "host")
    };
    let mut cases = vec![
        bad("H036", "no `Host`".to_owned(), "A: b\r\n"),
        bad("H037", "two `Host`, the same".to_owned(), "Host: test.example\r\nHost: test.example\r\n"),
        bad("H037", "two `Host`, different".to_owned(), "Host: test.example\r\nHost: other.example\r\n"),
    ];
    for host in ["", "a,b", "a/b", "a:99999", "a:", "[::1", "user@a", "a\u{e9}", "a:80:80", "[::1]x", "a b", "a:b"] {
        cases.push(bad("H038", format!("`Host: {host}`"), &format!("Host: {host}\r\n")));
    }
    for host in ["test.example:8080", "[::1]:80", "127.0.0.1", "TEST.example."] {
        let sent = format!("GET /case HTTP/1.1\r\nHost: {host}\r\n\r\n");
        cases.push(served("H038", format!("`Host: {host}`"), sent, 1));
    }
    let absolute = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
    cases.push(changed(
        "H039",
        "absolute form with another host than `Host`",
        absolute("http://other.example/case", "Host: test.example\r\n"),
        &["get /case http/1.1", "host: other.example"],
        &["test.example"],
    ));
    for (what, target, reason) in [
        ("absolute form with a user", "http://user@other.example/case", "host"),
        ("absolute form of another scheme", "ftp://other.example/case", "target"),
        ("absolute form with dot segments", "http://other.example/a/../case", "target"),
    ] {
        cases.push(refused("H039", what, absolute(target, "Host: test.example\r\n"), &[400], reason));
    }
    cases.push(refused(
        "H039",
        "absolute form without `Host`",
        absolute("http://other.example/case", ""),
        &[400],
        "host",
    ));
    cases
}
