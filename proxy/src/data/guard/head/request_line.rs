//! Method, target and version: what a request line may have, and where each of the three ends.

use super::{Head, Step};
use crate::data::reject::Rejection;

/// Bytes of a method. The longest registered one has 17.
const LONGEST_METHOD: usize = 32;

impl Head {
    pub(super) fn method(&mut self, rest: &[u8]) -> Result<usize, Rejection> {
        let length = rest.iter().position(|&byte| !METHOD_BYTES[usize::from(byte)]).unwrap_or(rest.len());
        self.word += length;
        if self.word > LONGEST_METHOD {
            return Err(Rejection::Malformed);
        }
        match rest.get(length) {
            None => Ok(length),
            Some(b' ') if self.word > 0 => Ok(self.next_word(length, Step::Target)),
            Some(_) => Err(Rejection::Malformed),
        }
    }

    pub(super) fn target(&mut self, rest: &[u8]) -> Result<usize, Rejection> {
        let length = rest.iter().position(|&byte| !TARGET_BYTES[usize::from(byte)]).unwrap_or(rest.len());
        self.word += length;
        if self.word > self.longest_target {
            return Err(Rejection::TargetTooLong);
        }
        match rest.get(length) {
            None => Ok(length),
            Some(b' ') if self.word > 0 => {
                let length = self.next_word(length, Step::Version(0));
                // What nearly all say, if it is here as a whole.
                if !rest[length..].starts_with(b"HTTP/1.1\r\n") {
                    return Ok(length);
                }
                (self.major, self.minor, self.step) = (b'1', b'1', Step::LineStart);
                Ok(length + b"HTTP/1.1\r\n".len())
            }
            Some(_) => Err(Rejection::Malformed),
        }
    }

    fn next_word(&mut self, length: usize, next: Step) -> usize {
        self.word = 0;
        self.step = next;
        length + 1
    }

    pub(super) fn version(&mut self, seen: u8, byte: u8) -> Result<usize, Rejection> {
        let is_good = match seen {
            0..5 => byte == b"HTTP/"[usize::from(seen)],
            6 => byte == b'.',
            5 | 7 => byte.is_ascii_digit(),
            _ => byte == b'\r',
        };
        if !is_good {
            return Err(Rejection::Malformed);
        }
        match seen {
            5 => self.major = byte,
            7 => self.minor = byte,
            8 if self.major != b'1' || self.minor > b'1' => return Err(Rejection::Version),
            _ => {}
        }
        self.step = if seen == 8 { Step::LineEnd } else { Step::Version(seen + 1) };
        Ok(1)
    }
}

/// Bytes of a token (RFC 9110, 5.6.2).
const METHOD_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        byte += 1;
    }
    table
};

/// Bytes of a target. Some that should be written as `%..` are not, by many, and have one meaning; these here have two:
/// `#` begins what no server sees, `\` is `/` to some, `"`, `<` and `>` end the target for others.
const TARGET_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !matches!(byte, b'#' | b'\\' | b'"' | b'<' | b'>');
        byte += 1;
    }
    table
};
