//! Names that are none, fields for one hop, and what a client says about itself.

use super::{Case, changed, get, refused, served};

pub(super) fn cases() -> Vec<Case> {
    [names(), one_hop(), trust()].concat()
}

fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, line) in [
        ("a blank in a name", &b"A b: c\r\n"[..]),
        ("a tab in a name", b"A\tb: c\r\n"),
        ("`(` in a name", b"A(b: c\r\n"),
        ("0xff in a name", b"A\xffb: c\r\n"),
        ("an empty name", b": c\r\n"),
        ("a line without colon", b"A\r\n"),
        ("NUL in a value", b"A: b\0c\r\n"),
    ] {
        let sent = [b"GET /case HTTP/1.1\r\nHost: test.example\r\n", line, b"\r\n"].concat();
        cases.push(refused("H050", what, sent, &[400], "malformed"));
    }
    cases.push(changed(
        "H054",
        "names with `_`: `X_Canary`, `X_Forwarded_For`",
        get("X_Canary: always\r\nX_Forwarded_For: 6.6.6.6\r\nX-Stays: 1\r\n"),
        &["x-stays: 1"],
        &["x_canary", "x_forwarded_for", "6.6.6.6"],
    ));
    cases
}

fn one_hop() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["X-Canary", "Host", "Authorization", "X-Forwarded-For"] {
        let sent = get(&format!("Connection: {name}\r\nX-Canary: never\r\nAuthorization: x\r\n"));
        cases.push(refused("H055", format!("`Connection: {name}`"), sent, &[400], "connection"));
    }
    cases.push(changed(
        "H055",
        "`Connection: X-Foo` with `X-Foo: 1`",
        get("Connection: keep-alive, X-Foo\r\nX-Foo: 1\r\nX-Stays: 1\r\n"),
        &["x-stays: 1"],
        &["x-foo"],
    ));
    cases.push(changed(
        "H057",
        "`Keep-Alive`, `Proxy-Connection`, `TE: gzip`, `Proxy-Authorization`",
        get("Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nProxy-Authorization: Basic YTpi\r\n"),
        &[],
        &["keep-alive: timeout", "proxy-connection", "\nte:", "proxy-authorization"],
    ));
    cases.push(changed(
        "H066",
        "`Upgrade: h2c` with `HTTP2-Settings`",
        get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"),
        &[],
        &["upgrade", "http2-settings"],
    ));
    let upgrade = get("Connection: Upgrade\r\nUpgrade: x\r\n");
    cases.push(served("H068", "a request behind an upgrade that is answered 200", format!("{upgrade}{}", get("")), 2));
    cases
}

fn trust() -> Vec<Case> {
    let forged = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n";
    let many = format!("X-Forwarded-For: {}6.6.6.6\r\n", "6.6.6.6, ".repeat(999));
    vec![
        changed(
            "H058",
            "`X-Forwarded-For`, `-Proto`, `-Host`, `Forwarded`, `X-Real-IP` of a client",
            get(forged),
            &["x-forwarded-for: 127.0.0.1"],
            &["6.6.6.6", "gopher", "evil.example"],
        ),
        changed(
            "H059",
            "`X-Forwarded-For` with 1,000 addresses",
            get(&many),
            &["x-forwarded-for: 127.0.0.1"],
            &["6.6.6.6"],
        ),
        served("H070", "a path of the admin API", "GET /v1/rollouts HTTP/1.1\r\nHost: test.example\r\n\r\n", 1),
    ]
}
