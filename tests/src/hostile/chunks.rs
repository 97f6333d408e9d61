//! Chunked bodies. Their head is good and may have gone out: then no upstream may take the request for a whole one.

use super::{Case, changed, post, refused, served};

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

pub(super) fn cases() -> Vec<Case> {
    let bad = |id, what: String, body: &str| refused(id, what, chunked(body), &[400, 431], "body");
    let mut cases = Vec::new();
    for size in ["", ";x"] {
        cases.push(bad("H020", format!("chunk size `{size}`"), &format!("{size}\r\nabcd\r\n0\r\n\r\n")));
    }
    for size in ["0x4", "+4", "-1", "4_0", "G"] {
        cases.push(bad("H021", format!("chunk size `{size}`"), &format!("{size}\r\nabcd\r\n0\r\n\r\n")));
    }
    for (name, blank) in [("blank", " "), ("tab", "\t")] {
        cases.push(bad("H022", format!("a {name} behind the chunk size"), &format!("4{blank}\r\nabcd\r\n0\r\n\r\n")));
    }
    cases.push(bad("H022", "LF alone behind the chunk size".to_owned(), "4\nabcd\r\n0\r\n\r\n"));
    cases.push(bad("H022", "more data than the chunk's size".to_owned(), "4\r\nabcdef\r\n0\r\n\r\n"));
    let long = format!("4;{}\r\nabcd\r\n0\r\n\r\n", "x".repeat(20 << 10));
    cases.push(bad("H024", "a chunk extension of 20 KiB".to_owned(), &long));
    let many = format!("1;{}\r\na\r\n", "x".repeat(98)).repeat(700);
    cases.push(bad("H024", "700 chunk extensions of 100 bytes".to_owned(), &format!("{many}0\r\n\r\n")));
    for size in ["FFFFFFFFFFFFFFFF", "00000000000000004", "FFFFFFFFFFFFFFFFF"] {
        cases.push(bad("H026", format!("chunk size `{size}`"), &format!("{size}\r\nabcd\r\n0\r\n\r\n")));
    }
    cases.push(served(
        "H025",
        "100,000 chunks of one byte",
        chunked(&format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(100_000))),
        1,
    ));
    cases.push(served("H024", "a small chunk extension", chunked("4;a=b\r\nabcd\r\n0\r\n\r\n"), 1));
    let trailers =
        "Content-Length: 1\r\nTransfer-Encoding: x\r\nHost: other.example\r\nAuthorization: x\r\nX-Canary: always\r\n";
    cases.push(changed(
        "H029",
        "trailers `Content-Length`, `Transfer-Encoding`, `Host`, `Authorization`, `X-Canary`",
        chunked(&format!("4\r\nabcd\r\n0\r\n{trailers}\r\n")),
        &["host: test.example"],
        &["content-length: 1\r", "other.example", "authorization", "x-canary"],
    ));
    cases
}
