//! One client's connection, from accept to close.
//!
//! The task that runs it does everything: it reads requests, drives the upstream connection of each, and answers. Its
//! time limits are in its slot; its limits in size are hyper's.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadlines::{Phase, Slot};
use super::entrance::Entrance;
use super::handle::handle;
use super::reject::Rejection;
use super::report::Report;
use super::trace::Trace;
use super::worker::Worker;
use crate::linger::Linger;

/// Bytes of an answer that may wait for a slow client before the upstream is left waiting as well.
const WRITE_BUFFER: usize = 64 * 1024;

/// How a client's connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
}

/// What the requests of one connection share.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) worker: Rc<Worker>,
    pub(super) slot: Rc<Slot>,
    pub(super) entrance: Rc<Entrance>,
    pub(super) peer: IpAddr,
    pub(super) scheme: Scheme,
    /// The peer's address as text.
    pub(super) peer_text: String,
    /// The forwarding lines that are the same for all its requests.
    pub(super) peer_lines: Vec<u8>,
    /// All lines of the present request. A connection has one request at a time.
    pub(super) lines: RefCell<Vec<u8>>,
    /// The trace of the present request, if it has one.
    pub(super) trace: Cell<Option<Trace>>,
    /// What will be told about the present request.
    pub(super) report: Report,
}

/// A socket that tells its slot whenever bytes move.
struct Metered<S> {
    stream: S,
    linger: Linger,
    slot: Rc<Slot>,
}

// === impl Scheme ===

impl Scheme {
    /// As `X-Forwarded-Proto` has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

// === impl Protocol ===

impl Protocol {
    /// By what a TLS handshake agreed on; without an agreement it is what everybody speaks.
    pub(super) fn negotiated(_alpn: Option<&[u8]>) -> Self {
        Self::Http1
    }
}

// === impl Client ===

impl Client {
    pub(super) fn new(worker: Rc<Worker>, entrance: Rc<Entrance>, peer: IpAddr, scheme: Scheme) -> Self {
        let slot = worker.deadlines.register(worker.clock.now_us());
        let peer_text = peer.to_string();
        let peer_lines = format!(
            "x-forwarded-for: {peer_text}\r\nx-real-ip: {peer_text}\r\nx-forwarded-proto: {}\r\n",
            scheme.as_str()
        );
        Self {
            worker,
            slot,
            entrance,
            peer,
            scheme,
            peer_text,
            peer_lines: peer_lines.into_bytes(),
            lines: RefCell::default(),
            trace: Cell::default(),
            report: Report::default(),
        }
    }

    #[inline]
    pub(super) fn now_us(&self) -> u64 {
        self.worker.clock.now_us()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.report.client_gone(self);
    }
}

/// Serves one connection until either side has had enough.
pub(super) async fn connection<S>(stream: S, client: Rc<Client>, protocol: Protocol)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Protocol::Http1 = protocol;
    let io = TokioIo::new(Metered { stream, linger: Linger::default(), slot: Rc::clone(&client.slot) });
    let mut builder = http1::Builder::new();
    builder.writev(false).max_header_size(client.worker.limits.head).max_buf_size(WRITE_BUFFER);
    let service = service_fn(|request| handle(Rc::clone(&client), request));
    let mut served = std::pin::pin!(builder.serve_connection(io, service));
    let mut told = false;
    let ended = std::future::poll_fn(|cx| {
        client.slot.gate.attach(cx.waker());
        if client.worker.draining.get() && !told {
            told = true;
            served.as_mut().graceful_shutdown();
        }
        if is_overdue(&client) {
            return Poll::Ready(Ok(()));
        }
        let polled = served.as_mut().poll(cx);
        // A limit that no request took notice of: the client does not read its answer.
        if polled.is_pending() && client.slot.take_expired().is_some() {
            return Poll::Ready(Ok(()));
        }
        polled
    });
    if let Err(error) = ended.await {
        count_refusal(&client, &error);
    }
}

/// Whether the client has let the time for a head, or between requests, pass.
fn is_overdue(client: &Client) -> bool {
    if !client.slot.is_expired() {
        return false;
    }
    match client.slot.phase() {
        Phase::Idle | Phase::Closing => true,
        Phase::Head => {
            client.worker.rejections.count(Rejection::HeadTimeout);
            true
        }
        Phase::Waiting | Phase::Uploading | Phase::Answering | Phase::Streaming => false,
    }
}

/// Requests that hyper refused by itself, with an answer of its own.
fn count_refusal(client: &Client, error: &hyper::Error) {
    let reason = match error {
        error if error.is_parse_too_large() => Rejection::HeadTooLarge,
        error if error.is_parse() => Rejection::Malformed,
        _ => return,
    };
    client.worker.rejections.count(reason);
}

// === impl Metered ===

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.slot.received();
            if buf.filled().len() == before {
                self.linger.saw_end();
            }
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if polled.is_ready() {
            self.slot.progressed();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, slot } = &mut *self;
        if slot.phase() != Phase::Closing {
            slot.enter(Phase::Closing);
        }
        linger.poll_close(Pin::new(stream), cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}
