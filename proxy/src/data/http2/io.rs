//! The socket of an HTTP/2 connection: notes when the client has introduced itself, and closes in an orderly way.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::data::connection::poll_end;
use crate::data::deadlines::{Phase, Slot};
use crate::linger::Linger;

/// The preface and the head of the settings that have to follow it (RFC 9113, 3.4).
const INTRODUCTION: usize = 24 + 9;

/// A socket whose client has yet to introduce itself.
pub(super) struct Setup<S> {
    stream: S,
    linger: Linger,
    slot: Rc<Slot>,
    missing: usize,
}

// === impl Setup ===

impl<S> Setup<S> {
    pub(super) fn new(stream: S, slot: &Rc<Slot>) -> Self {
        Self { stream, linger: Linger::default(), slot: Rc::clone(slot), missing: INTRODUCTION }
    }

    fn received(&mut self, bytes: usize) {
        if bytes == 0 {
            self.linger.saw_end();
        }
        if self.missing > 0 {
            self.missing = self.missing.saturating_sub(bytes);
            if self.missing == 0 && self.slot.phase() == Phase::Head {
                self.slot.enter(Phase::Idle);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Setup<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.received(buf.filled().len() - before);
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Setup<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, slot, .. } = &mut *self;
        poll_end(stream, linger, slot, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
