use super::*;

/// What the guard says to bytes that come in one piece, and whether it says the same however they are split.
fn verdict(bytes: &[u8]) -> Result<(), Refused> {
    let whole = Guard::new(32 * 1024, 8_000).check(bytes);
    for size in [1, 2, 3, 7] {
        let mut guard = Guard::new(32 * 1024, 8_000);
        let split = bytes.chunks(size).try_for_each(|piece| guard.check(piece));
        let (split, whole) = (split.map_err(|refused| refused.reason), whole.map_err(|refused| refused.reason));
        assert_eq!(split, whole, "pieces of {size}: {:?}", String::from_utf8_lossy(bytes));
    }
    whole
}

fn reason(bytes: impl AsRef<[u8]>) -> Option<Rejection> {
    verdict(bytes.as_ref()).err().map(|refused| refused.reason)
}

fn with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn ordinary_requests_pass_one_behind_the_other() {
    let all = "GET /a?b=c|{d} HTTP/1.1\r\nHost: a\r\nCookie: b\r\nTE: trailers\r\n\r\n\
               POST / HTTP/1.1\r\ncontent-length: 0005\r\n\r\n\r\n\r\n!\
               \r\nPUT / HTTP/1.0\r\nContent-Length:3 \r\n\r\nabc\
               POST / HTTP/1.1\r\nTransfer-Encoding: \tChunked \r\n\r\n5;a=b\r\n12345\r\n00\r\nx: y\r\n\r\n\
               DELETE /%7e HTTP/1.1\r\nContent-Type: c\r\nTransfer-Encodings: x\r\nContent-Length-X: -\r\n\r\n";
    assert_eq!(verdict(all.as_bytes()), Ok(()));
}

#[test]
fn a_message_with_two_lengths_has_none() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 5 0\r\n",
        "Content-Length: 123456789012345678901234567890\r\n",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: , chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        assert_eq!(reason(with(fields)), Some(Rejection::Framing), "{fields}");
    }
    assert_eq!(
        reason("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Some(Rejection::Framing),
        "HTTP/1.0 has no codings"
    );
}

#[test]
fn codings_that_nobody_taught_us_are_said_to_be_unknown() {
    for coding in ["gzip, chunked", "gzip", "identity", "xchunked", "chunked x", "chunkedx", "chunke"] {
        let fields = format!("Transfer-Encoding: {coding}\r\n");
        assert_eq!(reason(with(&fields)), Some(Rejection::TransferCoding), "{coding}");
    }
}

#[test]
fn lines_end_with_both_bytes_and_go_on_nowhere_else() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\n\r\n",
        "\nGET / HTTP/1.1\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        " / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET / HTTP/1.10\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
    ] {
        assert_eq!(reason(head), Some(Rejection::Malformed), "{head:?}");
    }
    for version in ["0.9", "1.2", "2.0", "9.9"] {
        assert_eq!(reason(format!("GET / HTTP/{version}\r\n\r\n")), Some(Rejection::Version), "{version}");
    }
}

#[test]
fn what_ends_a_target_for_some_is_not_in_it() {
    for target in ["/#a", "/\\a", "/<a", "/a>", "/\"", "/\x7f", "/\0", "/\u{e9}"] {
        assert_eq!(reason(format!("GET {target} HTTP/1.1\r\n\r\n")), Some(Rejection::Malformed), "{target:?}");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_whole() {
    assert_eq!(reason(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(7_999))), None);
    assert_eq!(reason(format!("GET /{}", "a".repeat(8_000))), Some(Rejection::TargetTooLong));
    assert_eq!(reason("A".repeat(33)), Some(Rejection::Malformed));
    assert_eq!(reason(with(&"A: b\r\n".repeat(99))), None);
    assert_eq!(reason(with(&"A: b\r\n".repeat(100))), Some(Rejection::HeadTooLarge));
    assert_eq!(reason(format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(33_000))), Some(Rejection::HeadTooLarge));
}

#[test]
fn a_chunked_body_is_taken_by_the_letter() {
    let long = "a".repeat(20_000);
    let many = format!("1;{}\r\na\r\n", "b".repeat(100)).repeat(700);
    for body in [
        "\r\n",
        ";x\r\n",
        "0x4\r\n",
        "+4\r\n",
        "-1\r\n",
        "4_0\r\n",
        "G\r\n",
        "4 \r\n",
        "4\t\r\n",
        "4\n",
        "4\r4",
        "4\r\nabcde",
        "4\r\nabcd\n",
        "4;a\nb\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        "00000000000000004\r\n",
        "20000000000001\r\n",
        "0\r\n a: b\r\n",
        "0\r\na: b\n",
        "0\r\n\n",
        &format!("4;{long}\r\n"),
        &many,
        &format!("0\r\na: {long}\r\n"),
        &format!("0\r\n{}", "a: b\r\n".repeat(101)),
    ] {
        let bytes = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let refused = verdict(bytes.as_bytes()).expect_err(&format!("{body:.80}"));
        assert_eq!((refused.reason, refused.in_body), (Rejection::Body, true), "{body:.80}");
    }
    assert_eq!(reason("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1fffffffffffff\r\n"), None);
}

#[test]
fn what_came_before_a_refused_message_passes_and_nothing_of_it() {
    let good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let both = [&good[..], b"GET /# HTTP/1.1\r\n"].concat();
    assert_eq!(
        Guard::new(1_000, 100).check(&both),
        Err(Refused { passed: good.len(), reason: Rejection::Malformed, in_body: false })
    );
    let mut guard = Guard::new(1_000, 100);
    assert_eq!(guard.check(b"GET / HTTP/1.1\r\n"), Ok(()));
    let refused = guard.check(b"Host: a\r\nA: b\n").expect_err("a bare line feed");
    assert_eq!(refused.passed, 0, "the head began in the piece before");
}

#[test]
fn after_an_upgrade_anything_passes() {
    let mut guard = Guard::new(1_000, 100);
    guard.pass_through();
    assert_eq!(guard.check(b"\n\n\0"), Ok(()));
}

#[test]
fn the_lines_of_an_answers_head_are_checked_and_its_body_is_not() {
    let check = |bytes: &[u8]| {
        let mut whole = AnswerGuard::default();
        whole.expect_head();
        let whole = whole.check(bytes);
        let mut split = AnswerGuard::default();
        split.expect_head();
        assert_eq!(bytes.iter().try_for_each(|byte| split.check(&[*byte])), whole);
        whole
    };
    assert_eq!(check(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\na\nb\r c"), Ok(()));
    assert_eq!(check(b"HTTP/1.1 103 X\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n\n"), Ok(()));
    for bad in [
        &b"HTTP/1.1 200 OK\nA: b\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nA: b\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 200 OK\n\r\n",
    ] {
        assert_eq!(check(bad), Err(BadLine), "{:?}", String::from_utf8_lossy(bad));
    }
}

/// Pieces of which interesting messages are made.
const PIECES: [&[u8]; 24] = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a HTTP/1.0\r\n",
    b"Host: a\r\n",
    b"Content-Length: 3\r\n",
    b"content-length:",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:",
    b"Cookie: b",
    b"T",
    b"C",
    b": ",
    b" ",
    b"chunked",
    b",",
    b"\r\n",
    b"\r",
    b"\n",
    b"0\r\n\r\n",
    b"3\r\nabc\r\n",
    b"3;x",
    b"5",
    b"\t",
    b"abc",
    b"#",
];

proptest::proptest! {
    #[test]
    fn the_verdict_is_the_same_wherever_bytes_are_split(
        pieces in proptest::collection::vec(0..PIECES.len(), 0..24),
        begin in 0..3_usize,
        cuts in proptest::collection::vec(1..9_usize, 1..64),
    ) {
        let mut bytes = [&b""[..], b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"][begin].to_vec();
        pieces.iter().for_each(|&piece| bytes.extend_from_slice(PIECES[piece]));
        let whole = reason(&bytes);
        let mut guard = Guard::new(32 * 1024, 8_000);
        let mut rest = &bytes[..];
        let mut split = Ok(());
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() || split.is_err() {
                break;
            }
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            split = guard.check(piece);
            rest = after;
        }
        proptest::prop_assert_eq!(split.err().map(|refused| refused.reason), whole);
    }
}
