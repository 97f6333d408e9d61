//! A look at the bytes that a client sends, before the HTTP library takes them in.
//!
//! The library tidies up: it removes `Content-Length` where `Transfer-Encoding` is present, takes a bare LF for a line's
//! end and cuts the fragment from a target. What it hands on looks clean, and whoever stands behind us may have read the
//! same bytes in another way: that is how requests are smuggled. So each byte is looked at once here, in front of it,
//! and a message that can be read in two ways goes no further.
//!
//! It follows a connection from message to message, for which it needs to know how long each is; bodies of a known
//! length are counted, not read. Bytes may be split at any place, and nothing of them is kept. It refuses only what
//! makes the extent or the target of a message doubtful, and what is larger than the limits; names, values and all else
//! that has one meaning are the library's to judge.

mod answer;
mod chunk;
mod head;

use self::chunk::Chunks;
use self::head::Head;
use super::reject::Rejection;

pub use self::answer::{AnswerGuard, BadLine};

/// The largest length of a body or chunk in bytes: what a number of JSON or Lua still holds exactly. Nobody sends it.
const LARGEST: u64 = 1 << 53;

/// Fields of a head or a trailer section.
const MOST_FIELDS: u32 = 100;

/// Where in a client's stream of bytes we are.
#[derive(Debug)]
pub struct Guard {
    place: Place,
    head: Head,
    chunks: Chunks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    /// So many bytes are left.
    Body(u64),
    Chunked,
    /// No HTTP any more, or not ours to look at.
    Passing,
}

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

/// The message that begins or goes on in a piece of bytes is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Bytes of the piece that belong to what comes before and may pass.
    pub passed: usize,
    /// Why.
    pub reason: Rejection,
    /// The head of the message was good and has passed: it is its body that is bad.
    pub in_body: bool,
}

// === impl Guard ===

impl Guard {
    /// For a new connection, with the limits of a head and of a target in bytes.
    pub fn new(head: usize, target: usize) -> Self {
        Self { place: Place::Head, head: Head::new(head, target), chunks: Chunks::new() }
    }

    /// Looks at what came next. After a refusal it is of no more use: the connection has to end.
    #[inline]
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let mut at = 0;
        // A head that began in an earlier piece keeps this one back as a whole.
        let mut passed = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.place {
                Place::Head => {
                    let checked = self.head.check(rest);
                    let Some((length, framing)) =
                        checked.map_err(|reason| Refused { passed, reason, in_body: false })?
                    else {
                        return Ok(());
                    };
                    at += length;
                    self.place = match framing {
                        Framing::Length(0) => Place::Head,
                        Framing::Length(length) => Place::Body(length),
                        Framing::Chunked => Place::Chunked,
                    };
                }
                Place::Body(left) => {
                    let taken = left.min(rest.len() as u64);
                    at += usize::try_from(taken).expect("no more than there is in memory");
                    self.place = if taken == left { Place::Head } else { Place::Body(left - taken) };
                }
                Place::Chunked => match self.chunks.check(rest) {
                    Ok(None) => return Ok(()),
                    Ok(Some(length)) => {
                        at += length;
                        self.place = Place::Head;
                    }
                    Err(bad) => return Err(Refused { passed: at + bad, reason: Rejection::Body, in_body: true }),
                },
                Place::Passing => return Ok(()),
            }
            passed = at;
        }
        Ok(())
    }

    /// What comes from now on is no HTTP: another protocol was agreed upon.
    pub fn pass_through(&mut self) {
        self.place = Place::Passing;
    }
}

#[cfg(test)]
mod tests;
