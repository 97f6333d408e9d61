//! Just enough HTTP/1.1 to frame messages with a Content-Length: the load and the backend know what they send.
//!
//! Chunked messages and those that end with the connection are refused as malformed: nothing measured here sends
//! them, and a parser that guessed would turn a broken peer into a fast one.

/// More header fields than any peer adds.
const MAX_HEADERS: usize = 64;

/// What the other side sent can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The head of a message, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, the empty line included.
    pub len: usize,
    /// Bytes of the body.
    pub body: usize,
    /// The connection ends after this message.
    pub close: bool,
}

/// Reads answers of one connection, in whatever pieces they come.
#[derive(Debug, Default)]
pub struct AnswerReader {
    partial: Vec<u8>,
    body_left: usize,
    status: u16,
    close: bool,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is to come.
    Incomplete,
    /// It is whole.
    Complete {
        /// Its status code.
        status: u16,
        /// The connection can't be used again.
        close: bool,
    },
}

// === impl AnswerReader ===

impl AnswerReader {
    /// Takes what was read. Bytes after the end of an answer are malformed: nothing was asked for yet.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Malformed> {
        if self.body_left > 0 {
            return self.feed_body(bytes.len());
        }
        if self.partial.is_empty() {
            return self.feed_head(bytes);
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(bytes);
        self.feed_head(&whole)
    }

    fn feed_head(&mut self, bytes: &[u8]) -> Result<Progress, Malformed> {
        let Some((status, head)) = parse_answer(bytes)? else {
            self.partial.extend_from_slice(bytes);
            return Ok(Progress::Incomplete);
        };
        (self.status, self.close, self.body_left) = (status, head.close, head.body);
        self.feed_body(bytes.len() - head.len)
    }

    fn feed_body(&mut self, len: usize) -> Result<Progress, Malformed> {
        self.body_left = self.body_left.checked_sub(len).ok_or(Malformed)?;
        if self.body_left > 0 {
            return Ok(Progress::Incomplete);
        }
        Ok(Progress::Complete { status: self.status, close: self.close })
    }
}

/// Status and head of an answer; `None` while the head is incomplete.
pub fn parse_answer(bytes: &[u8]) -> Result<Option<(u16, Head)>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut fields);
    match answer.parse(bytes).map_err(|_| Malformed)? {
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(len) => {
            let head = frame(answer.headers, len)?.ok_or(Malformed)?;
            Ok(Some((answer.code.ok_or(Malformed)?, head)))
        }
    }
}

/// Path and head of a request; `None` while the head is incomplete.
pub fn parse_request(bytes: &[u8]) -> Result<Option<(&str, Head)>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes).map_err(|_| Malformed)? {
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(len) => {
            let none = Head { len, body: 0, close: false };
            let head = frame(request.headers, len)?.unwrap_or(none);
            Ok(Some((request.path.ok_or(Malformed)?, head)))
        }
    }
}

/// The framing that `fields` declare; `None` without a Content-Length.
fn frame(fields: &[httparse::Header<'_>], len: usize) -> Result<Option<Head>, Malformed> {
    let (mut body, mut close) = (None, false);
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(field.value).map_err(|_| Malformed)?;
            body = Some(text.trim().parse().map_err(|_| Malformed)?);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Malformed);
        } else if field.name.eq_ignore_ascii_case("connection") {
            close = field.value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(body.map(|body| Head { len, body, close }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 5\r\n\r\nhello";

    #[test]
    fn an_answer_is_complete_however_it_is_cut() {
        for cut in 1..ANSWER.len() {
            let mut reader = AnswerReader::default();
            assert_eq!(reader.feed(&ANSWER[..cut]), Ok(Progress::Incomplete), "{cut}");
            let done = Ok(Progress::Complete { status: 200, close: false });
            assert_eq!(reader.feed(&ANSWER[cut..]), done, "{cut}");
            assert_eq!(reader.feed(ANSWER), done, "the next answer after a cut at {cut}");
        }
    }

    #[test]
    fn a_close_is_seen() {
        let answer = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let done = Progress::Complete { status: 503, close: true };
        assert_eq!(AnswerReader::default().feed(answer), Ok(done));
    }

    #[test]
    fn what_has_no_length_is_malformed() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
            b"nonsense\r\n\r\n",
        ] {
            assert_eq!(AnswerReader::default().feed(answer), Err(Malformed));
        }
    }

    #[test]
    fn a_request_without_length_has_no_body() {
        let request = b"GET /16k HTTP/1.1\r\nHost: a\r\n\r\n";
        let (path, head) = parse_request(request).expect("valid").expect("whole");
        assert_eq!((path, head.len, head.body), ("/16k", request.len(), 0));
        assert_eq!(parse_request(&request[..20]), Ok(None));
    }
}
