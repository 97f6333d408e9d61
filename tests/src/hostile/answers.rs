//! Broken answers of upstreams, and what a client is to see of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::raw::{After, RawUpstream, Script};
use crate::wire::{Framing, Wire};

/// An answer of an upstream.
#[derive(Clone, Debug)]
pub struct AnswerCase {
    /// Stable name.
    pub id: &'static str,
    /// What the upstream does, in a few words.
    pub what: &'static str,
    /// Method of the request.
    pub method: &'static str,
    /// What it does.
    pub script: Script,
    /// What the client has to see.
    pub expected: Shown,
}

/// What a client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A whole answer with this status.
    Whole(u16),
    /// The head of an answer, and then a break.
    Broken,
    /// No answer.
    Nothing,
}

/// No upstream takes longer than this in a test: the proxies are told to give up earlier.
const PATIENCE: Duration = Duration::from_secs(8);

/// How every request is sent to a proxy.
///
/// # Panics
/// If nobody listens there.
pub async fn ask(address: SocketAddr, method: &str) -> Shown {
    let asked = async {
        let mut wire = Wire::connect(address).await.expect("the proxy listens");
        let request = format!("{method} /case HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n");
        wire.write(request.as_bytes()).await.ok();
        let head = loop {
            match wire.read_head().await {
                Ok(Some(head)) if head.word(1).starts_with('1') => {}
                Ok(Some(head)) => break head,
                Ok(None) | Err(_) => return Shown::Nothing,
            }
        };
        let status = head.word(1).parse().unwrap_or(0);
        let bodiless = method == "HEAD" || matches!(status, 204 | 304);
        let framing = if bodiless { Framing::Done } else { head.framing(Framing::UntilClose) };
        match wire.read_body(framing).await {
            Ok(_) => Shown::Whole(status),
            Err(_) => Shown::Broken,
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Shown::Nothing)
}

/// Plays a case behind a proxy whose upstream is `upstream`.
///
/// # Panics
/// If the proxy does not listen.
pub async fn play(address: SocketAddr, upstream: &RawUpstream, case: &AnswerCase) -> Shown {
    upstream.script(case.script.clone());
    let shown = ask(address, case.method).await;
    upstream.script(Script::good());
    shown
}

fn case(id: &'static str, what: &'static str, answer: impl Into<Vec<u8>>, after: After, expected: Shown) -> AnswerCase {
    AnswerCase { id, what, method: "GET", script: Script::of(answer, after), expected }
}

/// All cases.
pub fn cases() -> Vec<AnswerCase> {
    [silent(), framed(), large(), bodiless()].concat()
}

fn silent() -> Vec<AnswerCase> {
    let mut drip =
        case("H094", "one byte of a head a second", "HTTP/1.1 200 OK\r\nA: b\r\n", After::Hang, Shown::Whole(504));
    drip.script.pause = Duration::from_secs(1);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    vec![
        case("H094", "no answer", "", After::Hang, Shown::Whole(504)),
        drip,
        case("H095", "a reset before the answer", "", After::Reset, Shown::Whole(502)),
        case("H095", "the end before the answer", "", After::Close, Shown::Whole(502)),
        case("H095", "a reset in the head", "HTTP/1.1 200 OK\r\nA: b", After::Reset, Shown::Whole(502)),
        case("H095", "the end in the head", "HTTP/1.1 200 OK\r\nA: b\r\n", After::Close, Shown::Whole(502)),
        case("H095", "the end in the body", head, After::Close, Shown::Broken),
        case("H096", "garbage", "\u{1}\u{2}\u{3}\r\n\r\n", After::Close, Shown::Whole(502)),
        case("H096", "`SSH-2.0`", "SSH-2.0-OpenSSH_9.2p1\r\n", After::Hang, Shown::Whole(502)),
        case("H096", "HTTP/0.9: a body without head", "<html>hello</html>\n", After::Close, Shown::Whole(502)),
    ]
}

fn framed() -> Vec<AnswerCase> {
    let bad = |what, answer: &str| case("H097", what, answer, After::Keep, Shown::Whole(502));
    let chunked =
        |size: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n{size}\r\nabcd\r\n");
    let broken = |what, answer: String| case("H097", what, answer, After::Keep, Shown::Broken);
    vec![
        bad(
            "`Content-Length` and `Transfer-Encoding`",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "`Transfer-Encoding` and `Content-Length`",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        bad("coding `gzip, chunked`", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        bad("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        bad("length `+5`", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
        bad("LF alone ends a field", "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\nhello"),
        bad("LF alone ends every line", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        bad("a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 5\r\n\r\nhello"),
        broken("chunk size `G`", chunked("G")),
        broken("a chunk size of 17 digits", chunked("FFFFFFFFFFFFFFFFF")),
    ]
}

fn large() -> Vec<AnswerCase> {
    let answer = |fields: String| format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
    vec![
        case(
            "H098",
            "a head of 1 MiB",
            answer(format!("A: {}\r\n", "b".repeat(1 << 20))),
            After::Keep,
            Shown::Whole(502),
        ),
        case("H098", "300 fields", answer("A: b\r\n".repeat(299)), After::Keep, Shown::Whole(502)),
    ]
}

fn bodiless() -> Vec<AnswerCase> {
    let surplus = |what, method, answer: &str, status| AnswerCase {
        method,
        ..case("H100", what, answer, After::Keep, Shown::Whole(status))
    };
    vec![
        surplus("a body behind an answer to HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200),
        surplus("a body behind 204", "GET", "HTTP/1.1 204 No Content\r\n\r\nhello", 204),
        surplus("a body behind 304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", 304),
        surplus("a length and a body on 204", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204),
    ]
}

// === impl Shown ===

impl Shown {
    /// For people.
    pub fn describe(self) -> String {
        match self {
            Self::Whole(0) => "no HTTP".to_owned(),
            Self::Whole(status) => status.to_string(),
            Self::Broken => "a broken transfer".to_owned(),
            Self::Nothing => "no answer".to_owned(),
        }
    }
}
