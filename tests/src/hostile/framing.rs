//! Length and transfer coding, and where lines end: whatever leaves in doubt where a request ends.

use super::{Case, changed, get, post, refused, served};

/// Statuses for what is malformed.
const BAD: &[u16] = &[400];

/// Statuses for codings that are unknown or malformed.
const CODING: &[u16] = &[400, 501];

pub(super) fn cases() -> Vec<Case> {
    [lengths(), codings(), line_ends(), bodies()].concat()
}

fn lengths() -> Vec<Case> {
    let framing = |id, what: &str, fields: &str, body: &str| refused(id, what, post(fields, body), BAD, "framing");
    let inner = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test.example\r\n\r\n";
    let both = format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", inner.len());
    let mut cases = vec![
        framing(
            "H001",
            "`Content-Length`, then `Transfer-Encoding`",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        ),
        framing(
            "H001",
            "`Transfer-Encoding`, then `Content-Length`",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "0\r\n\r\n",
        ),
        framing("H002", "both, and a request inside the body", &both, inner),
        framing("H004", "two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
        framing("H005", "the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        framing("H005", "length `5, 5`", "Content-Length: 5, 5\r\n", "hello"),
    ];
    for value in ["+5", "-0", "0x5", "5_0", "5 0", "", "123456789012345678901234567890"] {
        cases.push(framing("H006", &format!("length `{value}`"), &format!("Content-Length: {value}\r\n"), "hello"));
    }
    let padded = post("Content-Length: 0200\r\n", &"x".repeat(200));
    cases.push(changed("H007", "length `0200`", padded, &["content-length: 200"], &["0200"]));
    cases
}

fn codings() -> Vec<Case> {
    let coding =
        |id, what: &str, fields: &str, statuses, reason| refused(id, what, post(fields, "0\r\n\r\n"), statuses, reason);
    let mut cases = vec![coding(
        "H009",
        "coding `gzip, chunked`",
        "Transfer-Encoding: gzip, chunked\r\n",
        &[501],
        "transfer_coding",
    )];
    for value in ["chunked, chunked", ", chunked", "chunked,", ""] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        cases.push(coding("H010", &format!("coding `{value}`"), &fields, BAD, "framing"));
    }
    for value in ["xchunked", "identity", "chunked x", "\"chunked\"", "chunked;q=1"] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        cases.push(coding("H010", &format!("coding `{value}`"), &fields, CODING, "transfer_coding"));
    }
    let two = "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n";
    cases.push(coding("H011", "two lines of codings, `x` and `chunked`", two, BAD, "framing"));
    let old = "POST /case HTTP/1.0\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    cases.push(refused("H013", "a coding in HTTP/1.0", old, BAD, "framing"));
    let blank = "Transfer-Encoding : chunked\r\n";
    cases.push(coding("H014", "`Transfer-Encoding :`, a blank before the colon", blank, BAD, "malformed"));
    let folded = "Transfer-Encoding:\r\n chunked\r\n";
    cases.push(coding("H016", "a coding on a folded line", folded, BAD, "malformed"));
    cases
}

fn line_ends() -> Vec<Case> {
    let bad = |id, what: &str, sent: &str| refused(id, what, sent, BAD, "malformed");
    vec![
        bad("H016", "a folded line", &get("A: b\r\n c\r\n")),
        bad("H017", "LF alone ends every line", "GET /case HTTP/1.1\nHost: test.example\n\n"),
        bad("H017", "LF alone ends one field", &get("A: b\nC: d\r\n")),
        bad("H017", "LF alone ends the head", "GET /case HTTP/1.1\r\nHost: test.example\r\n\n"),
        bad("H017", "LF alone hides a coding", &post("A: b\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        bad("H018", "CR in a value", &get("A: b\rc\r\n")),
        bad("H018", "CR alone ends a field", &get("A: b\rC: d\r\n")),
        bad("H018", "CR alone ends every line", "GET /case HTTP/1.1\rHost: test.example\r\r"),
        bad("H018", "two empty lines before the request", &format!("\r\n\r\n{}", get(""))),
        served("H018", "one empty line before the request", format!("\r\n{}", get("")), 1),
    ]
}

fn bodies() -> Vec<Case> {
    let with_body = |method: &str| {
        let first = format!(
            "{method} /case HTTP/1.1\r\nHost: test.example\r\nContent-Length: 33\r\n\r\nGET /smuggled HTTP/1.1\r\nA: b\r\n\r\n!"
        );
        served("H030", format!("a body on {method}, then another request"), format!("{first}{}", get("")), 2)
    };
    ["GET", "HEAD", "OPTIONS", "DELETE"].into_iter().map(with_body).collect()
}
