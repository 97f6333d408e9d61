//! The head of a request, byte by byte as far as its extent depends on it; all else is skipped to the end of its line.
//!
//! Four things are read: the request line, where lines end, `Content-Length` and `Transfer-Encoding`.

mod coding;
mod length;
mod request_line;

use memchr::memchr2;

use self::coding::Coding;
use self::length::Length;
use super::{Framing, MOST_FIELDS};
use crate::data::reject::Rejection;

/// How far a head has come, and what was found in it.
#[derive(Debug)]
pub(super) struct Head {
    largest: usize,
    longest_target: usize,
    step: Step,
    /// Bytes of former pieces.
    size: usize,
    /// Bytes of the method or the target so far.
    word: usize,
    fields: u32,
    has_empty_line: bool,
    major: u8,
    minor: u8,
    length: Length,
    coding: Coding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing has come yet.
    Start,
    /// An empty line before the request, but for its LF.
    EmptyLine,
    Method,
    Target,
    /// So many bytes of `HTTP/1.1`.
    Version(u8),
    /// The line's CR was seen.
    LineEnd,
    LineStart,
    /// So many bytes of the name of this field.
    Name(Known, u8),
    Length,
    Coding,
    /// Whatever is in this line is of no concern.
    Skip,
    /// The CR of the last line was seen.
    HeadEnd,
    Done,
}

/// Fields that say how long a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Length,
    Coding,
}

// === impl Known ===

impl Known {
    /// The name in lower case, with its colon.
    fn name(self) -> &'static [u8] {
        match self {
            Self::Length => b"content-length:",
            Self::Coding => b"transfer-encoding:",
        }
    }

    /// Whether a line may have this name: it has, or it is not here as a whole.
    #[inline]
    fn may_begin(self, line: &[u8]) -> bool {
        let name = self.name();
        line.get(..name.len()).is_none_or(|start| start.eq_ignore_ascii_case(name))
    }
}

// === impl Head ===

impl Head {
    pub(super) fn new(largest: usize, longest_target: usize) -> Self {
        Self {
            largest,
            longest_target,
            step: Step::Start,
            size: 0,
            word: 0,
            fields: 0,
            has_empty_line: false,
            major: 0,
            minor: 0,
            length: Length::default(),
            coding: Coding::default(),
        }
    }

    /// Goes on with `bytes`. When the head ends in them: where, and how the body is framed.
    #[inline]
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<Option<(usize, Framing)>, Rejection> {
        let mut at = 0;
        while at < bytes.len() {
            at += self.advance(&bytes[at..])?;
            if self.step == Step::Done {
                self.grow(at)?;
                let framing = self.framing()?;
                *self = Self::new(self.largest, self.longest_target);
                return Ok(Some((at, framing)));
            }
        }
        self.grow(at)?;
        Ok(None)
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.size += bytes;
        if self.size > self.largest { Err(Rejection::HeadTooLarge) } else { Ok(()) }
    }

    /// Takes one step or a part of it; `rest` is not empty. How many bytes it took, perhaps none for a change of mind.
    #[inline]
    fn advance(&mut self, rest: &[u8]) -> Result<usize, Rejection> {
        let byte = rest[0];
        match self.step {
            Step::Start => self.start(byte),
            Step::EmptyLine => self.expect_line_feed(byte, Step::Start),
            Step::Method => self.method(rest),
            Step::Target => self.target(rest),
            Step::Version(seen) => self.version(seen, byte),
            Step::LineEnd => self.expect_line_feed(byte, Step::LineStart),
            Step::LineStart => self.line_start(rest),
            Step::Name(known, seen) => Ok(self.name(known, seen, byte)),
            Step::Length => self.value(rest, |head, byte| head.length.take(byte)),
            Step::Coding => self.value(rest, |head, byte| head.coding.take(byte)),
            Step::Skip => self.skip(rest),
            Step::HeadEnd => self.expect_line_feed(byte, Step::Done),
            Step::Done => Ok(0),
        }
    }

    fn expect_line_feed(&mut self, byte: u8, next: Step) -> Result<usize, Rejection> {
        self.step = next;
        if byte == b'\n' { Ok(1) } else { Err(Rejection::Malformed) }
    }

    /// One empty line before a request is common: old clients send it after a body.
    fn start(&mut self, byte: u8) -> Result<usize, Rejection> {
        if byte != b'\r' {
            self.step = Step::Method;
            return Ok(0);
        }
        if std::mem::replace(&mut self.has_empty_line, true) {
            return Err(Rejection::Malformed);
        }
        self.step = Step::EmptyLine;
        Ok(1)
    }

    #[inline]
    fn line_start(&mut self, rest: &[u8]) -> Result<usize, Rejection> {
        let known = match rest[0] {
            b'\r' => {
                self.step = Step::HeadEnd;
                return Ok(1);
            }
            // A line that goes on from the one before: some join them, some do not.
            b' ' | b'\t' => return Err(Rejection::Malformed),
            b'c' | b'C' => Some(Known::Length),
            b't' | b'T' => Some(Known::Coding),
            _ => None,
        };
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(Rejection::HeadTooLarge);
        }
        match known {
            Some(known) if known.may_begin(rest) => {
                self.step = Step::Name(known, 0);
                Ok(0)
            }
            _ => {
                self.step = Step::Skip;
                self.skip(rest)
            }
        }
    }

    fn name(&mut self, known: Known, seen: u8, byte: u8) -> usize {
        if Some(&byte.to_ascii_lowercase()) != known.name().get(usize::from(seen)) {
            self.step = Step::Skip;
            return 0;
        }
        self.step = match known {
            Known::Length if byte == b':' => Step::Length,
            Known::Coding if byte == b':' => Step::Coding,
            known => Step::Name(known, seen + 1),
        };
        1
    }

    /// The rest of a value, or as much of it as is here, each byte by `take`, which knows the line's CR.
    #[inline]
    fn value(
        &mut self,
        rest: &[u8],
        take: impl Fn(&mut Self, u8) -> Result<bool, Rejection>,
    ) -> Result<usize, Rejection> {
        for (at, &byte) in rest.iter().enumerate() {
            if take(self, byte)? {
                self.step = Step::LineEnd;
                return Ok(at + 1);
            }
        }
        Ok(rest.len())
    }

    /// To the end of the line, which is CR LF and nothing else.
    #[inline]
    fn skip(&mut self, rest: &[u8]) -> Result<usize, Rejection> {
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
            _ => Err(Rejection::Malformed),
        }
    }

    /// What the fields say about the body; nothing that can be taken in two ways.
    fn framing(&self) -> Result<Framing, Rejection> {
        let Some(coding) = self.coding.found() else { return Ok(Framing::Length(self.length.found().unwrap_or(0))) };
        if self.length.found().is_some() || self.minor == b'0' {
            return Err(Rejection::Framing);
        }
        coding.map(|()| Framing::Chunked)
    }
}
