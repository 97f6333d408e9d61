//! Header lines of our own, put into a request's head on its way into the socket.
//!
//! Who asks, over which protocol, for which host, under which identifier: five lines that every request gets. As entries
//! of a header map each would be hashed, stored, serialised and dropped; as bytes they are copied once. The lines go in
//! behind the request line, which is the one place that a head is sure to have. It refuses to touch anything else: the
//! rest of the stream passes as it is. What comes back is shown to a guard, which knows from here when a head is due.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::guard::AnswerGuard;
use super::stream::UpstreamStream;

/// Lines for the next head of a connection, shared by its owner and its socket.
#[derive(Debug, Default)]
pub(super) struct NextLines {
    lines: RefCell<Vec<u8>>,
    is_due: Cell<bool>,
}

/// A socket that puts the due lines into the head that is written next.
#[derive(Debug)]
pub(super) struct LineWriter {
    stream: UpstreamStream,
    next: Rc<NextLines>,
    /// A head with its lines, as far as the socket has not taken it.
    pending: Vec<u8>,
    written: usize,
    guard: AnswerGuard,
}

// === impl NextLines ===

impl NextLines {
    /// The next bytes written are a head, and these lines, each closed by CR LF, go into it.
    #[inline]
    pub(super) fn set(&self, lines: &[u8]) {
        let mut own = self.lines.borrow_mut();
        own.clear();
        own.extend_from_slice(lines);
        self.is_due.set(true);
    }
}

// === impl LineWriter ===

impl LineWriter {
    pub(super) fn new(stream: UpstreamStream, next: Rc<NextLines>) -> Self {
        Self { stream, next, pending: Vec::new(), written: 0, guard: AnswerGuard::default() }
    }

    /// The socket, once nothing of ours is to be written any more.
    pub(super) fn into_stream(self) -> UpstreamStream {
        self.stream
    }

    /// Joins the head's beginning with its lines; the socket gets them in one piece.
    #[inline]
    fn join(&mut self, head: &[u8]) {
        let line = head.iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.pending.clear();
        self.written = 0;
        self.pending.extend_from_slice(&head[..line]);
        self.pending.extend_from_slice(&self.next.lines.borrow());
        self.pending.extend_from_slice(&head[line..]);
        self.next.is_due.set(false);
        self.guard.expect_head();
    }

    /// Writes what is pending.
    #[inline]
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.pending.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.pending[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for LineWriter {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let is_good = self.guard.check(&buf.filled()[before..]).is_ok();
        // As an error of its kind, which is told from a broken connection.
        Poll::Ready(if is_good { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) })
    }
}

impl AsyncWrite for LineWriter {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(cx))?;
        if !self.next.is_due.get() {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        self.join(buf);
        // What the socket does not take now is kept and goes out with the flush that follows every write.
        match self.poll_pending(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(buf.len())),
        }
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn lines_go_behind_the_request_line_of_the_next_head_only() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let next = Rc::<NextLines>::default();
        let mut writer = LineWriter::new(UpstreamStream::Plain(stream), Rc::clone(&next));
        next.set(b"a: 1\r\n");
        writer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nbody\n").await.unwrap();
        writer.write_all(b"more\n").await.unwrap();
        writer.shutdown().await.unwrap();
        let mut seen = String::new();
        peer.read_to_string(&mut seen).await.unwrap();
        assert_eq!(seen, "GET / HTTP/1.1\r\na: 1\r\nhost: x\r\n\r\nbody\nmore\n");
    }

    #[tokio::test]
    async fn a_head_that_the_socket_takes_in_pieces_arrives_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let next = Rc::<NextLines>::default();
        let mut writer = LineWriter::new(UpstreamStream::Plain(stream), Rc::clone(&next));
        let lines = "x: y\r\n".repeat(2_000_000);
        next.set(lines.as_bytes());
        let mut seen = String::new();
        let write = async {
            writer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            writer.flush().await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let (_, read) = tokio::join!(write, peer.read_to_string(&mut seen));
        read.unwrap();
        assert!(seen == format!("GET / HTTP/1.1\r\n{lines}\r\n"), "{} bytes", seen.len());
    }
}
