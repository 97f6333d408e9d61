//! The value of `Transfer-Encoding`: one line with the one coding `chunked`, or the message is refused.

use crate::data::reject::Rejection;

/// The only coding that we know.
const CHUNKED: &[u8] = b"chunked";

/// The list as far as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Coding {
    token: Token,
    /// Times that `chunked` is in the list.
    chunked: u32,
    /// Another coding is in the list.
    has_other: bool,
    /// A comma has nothing on one of its sides.
    has_gap: bool,
    is_done: bool,
}

/// The list's present member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Token {
    #[default]
    None,
    /// So many bytes of `chunked`.
    Like(usize),
    /// `chunked` and blanks.
    Chunked,
    Other,
}

// === impl Coding ===

impl Coding {
    /// What the field says, if it is there: `chunked`, or why not.
    pub(super) fn found(self) -> Option<Result<(), Rejection>> {
        self.is_done.then_some(match self {
            Self { chunked: 1, has_other: false, has_gap: false, .. } => Ok(()),
            Self { chunked: 0 | 1, has_other: true, has_gap: false, .. } => Err(Rejection::TransferCoding),
            _ => Err(Rejection::Framing),
        })
    }

    /// Takes the next byte of the value; whether it was the line's CR.
    pub(super) fn take(&mut self, byte: u8) -> Result<bool, Rejection> {
        // A second line: some join the two, some take the first, some the last.
        if self.is_done {
            return Err(Rejection::Framing);
        }
        match byte {
            b'\n' => return Err(Rejection::Malformed),
            b',' => self.end_token(),
            b'\r' => {
                self.end_token();
                self.is_done = true;
            }
            b' ' | b'\t' => self.token = self.token.blank(),
            _ => self.token = self.token.with(byte),
        }
        Ok(self.is_done)
    }

    fn end_token(&mut self) {
        match std::mem::take(&mut self.token).blank() {
            Token::None => self.has_gap = true,
            Token::Chunked => self.chunked += 1,
            Token::Like(_) | Token::Other => self.has_other = true,
        }
    }
}

// === impl Token ===

impl Token {
    fn blank(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Like(length) if length == CHUNKED.len() => Self::Chunked,
            Self::Chunked => Self::Chunked,
            Self::Like(_) | Self::Other => Self::Other,
        }
    }

    fn with(self, byte: u8) -> Self {
        let length = match self {
            Self::None => 0,
            Self::Like(length) => length,
            Self::Chunked | Self::Other => return Self::Other,
        };
        if CHUNKED.get(length) == Some(&byte.to_ascii_lowercase()) { Self::Like(length + 1) } else { Self::Other }
    }
}
