//! A chunked body: sizes and line ends are read, data is counted.
//!
//! The library skips blanks behind a size and takes any size that fits into its number; others do not, and would see
//! another end of the body.

use memchr::memchr2;

use super::{LARGEST, MOST_FIELDS};

/// Digits of a size: 16 are as many as 64 bits have.
const MOST_DIGITS: u32 = 16;

/// Bytes of all extensions of a body.
const MOST_EXTENSIONS: usize = 16 * 1024;

/// Bytes of the trailer section.
const LARGEST_TRAILERS: usize = 16 * 1024;

/// How far a chunked body has come.
#[derive(Debug)]
pub(super) struct Chunks {
    step: Step,
    /// Of the present chunk; counted down while its data passes.
    size: u64,
    digits: u32,
    extensions: usize,
    trailers: usize,
    fields: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Size,
    Extension,
    /// The CR behind the size was seen.
    SizeEnd,
    Data,
    DataEnd,
    DataLineEnd,
    /// In the trailer section.
    LineStart,
    Trailer,
    TrailerEnd,
    /// The CR of the last line was seen.
    BodyEnd,
    Done,
}

/// The bytes that come next can't be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bad;

// === impl Chunks ===

impl Chunks {
    pub(super) fn new() -> Self {
        Self { step: Step::Size, size: 0, digits: 0, extensions: 0, trailers: 0, fields: 0 }
    }

    /// Goes on with `bytes`. When the body ends in them: where. The error is the place of what is wrong.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<Option<usize>, usize> {
        let mut at = 0;
        while at < bytes.len() {
            at += self.advance(&bytes[at..]).map_err(|Bad| at)?;
            if self.step == Step::Done {
                *self = Self::new();
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Takes one step or a part of it; `rest` is not empty. How many bytes it took.
    #[inline]
    fn advance(&mut self, rest: &[u8]) -> Result<usize, Bad> {
        let byte = rest[0];
        match self.step {
            Step::Size => return self.size(byte),
            Step::Extension => return self.extension(rest),
            Step::SizeEnd => {
                self.expect(byte, b'\n', if self.size == 0 { Step::LineStart } else { Step::Data })?;
                self.digits = 0;
            }
            Step::Data => return Ok(self.data(rest.len())),
            Step::DataEnd => self.expect(byte, b'\r', Step::DataLineEnd)?,
            Step::DataLineEnd => self.expect(byte, b'\n', Step::Size)?,
            Step::LineStart => self.line_start(byte)?,
            Step::Trailer => return self.trailer(rest),
            Step::TrailerEnd => self.expect(byte, b'\n', Step::LineStart)?,
            Step::BodyEnd => self.expect(byte, b'\n', Step::Done)?,
            Step::Done => return Ok(0),
        }
        Ok(1)
    }

    fn expect(&mut self, byte: u8, expected: u8, next: Step) -> Result<(), Bad> {
        self.step = next;
        if byte == expected { Ok(()) } else { Err(Bad) }
    }

    fn size(&mut self, byte: u8) -> Result<usize, Bad> {
        match (byte, char::from(byte).to_digit(16)) {
            (_, Some(digit)) => {
                self.digits += 1;
                self.size = self.size * 16 + u64::from(digit);
                if self.digits > MOST_DIGITS || self.size > LARGEST {
                    return Err(Bad);
                }
            }
            (b'\r', None) if self.digits > 0 => self.step = Step::SizeEnd,
            (b';', None) if self.digits > 0 => self.step = Step::Extension,
            _ => return Err(Bad),
        }
        Ok(1)
    }

    fn extension(&mut self, rest: &[u8]) -> Result<usize, Bad> {
        let length = self.line(rest, Step::SizeEnd)?;
        self.extensions += length;
        if self.extensions >= MOST_EXTENSIONS { Err(Bad) } else { Ok(length) }
    }

    fn data(&mut self, available: usize) -> usize {
        let taken = self.size.min(available as u64);
        self.size -= taken;
        if self.size == 0 {
            self.step = Step::DataEnd;
        }
        usize::try_from(taken).expect("no more than there is in memory")
    }

    fn line_start(&mut self, byte: u8) -> Result<(), Bad> {
        self.step = match byte {
            b'\r' => Step::BodyEnd,
            // A line that goes on from the one before, or that has no name.
            b' ' | b'\t' | b'\n' | b':' => return Err(Bad),
            _ => Step::Trailer,
        };
        self.fields += u32::from(byte != b'\r');
        self.trailers += 1;
        if self.fields > MOST_FIELDS { Err(Bad) } else { Ok(()) }
    }

    fn trailer(&mut self, rest: &[u8]) -> Result<usize, Bad> {
        let length = self.line(rest, Step::TrailerEnd)?;
        self.trailers += length;
        if self.trailers >= LARGEST_TRAILERS { Err(Bad) } else { Ok(length) }
    }

    /// Up to and with the line's CR, if it is here.
    fn line(&mut self, rest: &[u8], next: Step) -> Result<usize, Bad> {
        match memchr2(b'\r', b'\n', rest) {
            None => Ok(rest.len()),
            Some(end) if rest[end] == b'\r' => {
                self.step = next;
                Ok(end + 1)
            }
            Some(_) => Err(Bad),
        }
    }
}
