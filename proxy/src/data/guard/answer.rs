//! A look at the heads of an upstream's answers: lines end with CR LF, and none goes on from the one before.
//!
//! The library takes a bare LF for a line's end in answers as well. What is between two line ends, and how the body is
//! framed, is visible behind it and checked there; so this looks at heads only, one for each request, and at those of
//! interim answers before it.

use memchr::memchr2;

/// Place of the status code's first digit: behind `HTTP/1.1 `.
const STATUS_AT: usize = 9;

/// How far an answer has come.
#[derive(Clone, Copy, Debug)]
pub struct AnswerGuard {
    step: Step,
    /// Bytes of the status line, as far as they matter.
    seen: usize,
    is_interim: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A body, or nothing that was asked for.
    Passing,
    StatusLine,
    Line,
    LineEnd,
    LineStart,
    HeadEnd,
}

/// A line of the head ends in a way that not everybody takes for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine;

// === impl AnswerGuard ===

impl Default for AnswerGuard {
    fn default() -> Self {
        Self { step: Step::Passing, seen: 0, is_interim: false }
    }
}

impl AnswerGuard {
    /// A request is sent: what comes next is a head.
    #[inline]
    pub fn expect_head(&mut self) {
        *self = Self { step: Step::StatusLine, ..Self::default() };
    }

    /// Looks at what came next.
    #[inline]
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), BadLine> {
        let mut at = 0;
        while self.step != Step::Passing && at < bytes.len() {
            at += self.advance(&bytes[at..])?;
        }
        Ok(())
    }

    #[inline]
    fn advance(&mut self, rest: &[u8]) -> Result<usize, BadLine> {
        let byte = rest[0];
        match self.step {
            Step::Passing => return Ok(rest.len()),
            Step::StatusLine if self.seen < STATUS_AT && !matches!(byte, b'\r' | b'\n') => self.seen += 1,
            Step::StatusLine => {
                self.is_interim = byte == b'1';
                self.step = Step::Line;
                return Ok(0);
            }
            Step::Line => return self.line(rest),
            Step::LineEnd => self.expect_line_feed(byte, Step::LineStart)?,
            Step::LineStart if byte == b'\r' => self.step = Step::HeadEnd,
            Step::LineStart if matches!(byte, b' ' | b'\t') => return Err(BadLine),
            Step::LineStart => {
                self.step = Step::Line;
                return Ok(0);
            }
            Step::HeadEnd => {
                self.expect_line_feed(byte, Step::Passing)?;
                if self.is_interim {
                    self.expect_head();
                }
            }
        }
        Ok(1)
    }

    fn expect_line_feed(&mut self, byte: u8, next: Step) -> Result<(), BadLine> {
        self.step = next;
        if byte == b'\n' { Ok(()) } else { Err(BadLine) }
    }

    #[inline]
    fn line(&mut self, rest: &[u8]) -> Result<usize, BadLine> {
        let Some(end) = memchr2(b'\r', b'\n', rest) else { return Ok(rest.len()) };
        match rest[end..] {
            [b'\r', b'\n', ..] => {
                self.step = Step::LineStart;
                Ok(end + 2)
            }
            [b'\r'] => {
                self.step = Step::LineEnd;
                Ok(end + 1)
            }
            _ => Err(BadLine),
        }
    }
}
