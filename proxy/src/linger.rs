//! Closing a connection so that its last answer arrives.
//!
//! A socket that is closed while input of its peer waits unread is reset by the kernel, and the reset may overtake the
//! answer: a client in the middle of an upload would see a broken connection instead of the 413 that it was sent. So
//! the writing half ends first, and what still comes is thrown away until the peer has closed too (RFC 9112, 9.6). How
//! long to wait for that is the caller's to limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes thrown away at a time.
const PIECE: usize = 4 << 10;

/// How far a connection is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Linger {
    /// Both sides may still send.
    #[default]
    Open,
    /// The peer has said that it sends no more.
    PeerDone,
    /// We have said so; the peer has not.
    Waiting,
}

// === impl Linger ===

impl Linger {
    /// A read gave nothing: the peer sends no more.
    #[inline]
    pub(crate) fn saw_end(&mut self) {
        *self = Self::PeerDone;
    }

    /// Ends the writing half, then waits for the peer's end. What goes wrong on the way is the same to us as an end.
    pub(crate) fn poll_close<S>(&mut self, mut stream: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<()>
    where
        S: AsyncRead + AsyncWrite,
    {
        if *self != Self::Waiting {
            let ended = ready!(stream.as_mut().poll_shutdown(cx));
            if ended.is_err() || *self == Self::PeerDone {
                return Poll::Ready(());
            }
            *self = Self::Waiting;
        }
        loop {
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            match ready!(stream.as_mut().poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}
