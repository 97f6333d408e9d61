//! One client's connection, from accept to close.
//!
//! The task that runs it does everything: it reads requests, drives the upstream connection of each, and answers. Its
//! time limits are in its slot; its limits in size are hyper's.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadlines::{Expiry, Phase, Slot};
use super::entrance::Entrance;
use super::guard::Guard;
use super::handle::handle;
use super::http2;
use super::refusal::Refusal;
use super::reject::{Rejection, Rejections};
use super::report::Report;
use super::trace::Trace;
use super::upgrade::Upgrade;
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
    Http2,
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
    /// Its wish to leave HTTP, if it has one.
    pub(super) upgrade: Upgrade,
}

/// More than the guard lets pass, so that it is the guard who refuses a large head.
const HEAD_SLACK: usize = 64;

/// A socket that tells its slot whenever bytes move, and shows the guard what comes.
struct Metered<S> {
    stream: S,
    linger: Linger,
    slot: Rc<Slot>,
    guard: Guard,
    refusal: Option<Refusal>,
    rejections: Arc<Rejections>,
    /// Nothing that was to be written is left.
    is_flushed: bool,
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
    pub(super) fn negotiated(alpn: Option<&[u8]>) -> Self {
        if alpn == Some(b"h2") { Self::Http2 } else { Self::Http1 }
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
            upgrade: Upgrade::default(),
        }
    }

    /// The same client, for one of several requests at a time.
    pub(super) fn stream_of(connection: &Self) -> Self {
        Self {
            worker: Rc::clone(&connection.worker),
            slot: connection.worker.deadlines.register_stream(connection.now_us()),
            entrance: Rc::clone(&connection.entrance),
            peer: connection.peer,
            scheme: connection.scheme,
            peer_text: connection.peer_text.clone(),
            peer_lines: connection.peer_lines.clone(),
            lines: RefCell::default(),
            trace: Cell::default(),
            report: Report::default(),
            upgrade: Upgrade::default(),
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
    match protocol {
        Protocol::Http1 => serve_http1(stream, client).await,
        Protocol::Http2 => Box::pin(http2::serve(stream, client)).await,
    }
}

async fn serve_http1<S>(stream: S, client: Rc<Client>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let io = TokioIo::new(Metered::new(stream, &client));
    let mut builder = http1::Builder::new();
    builder.writev(false).max_header_size(client.worker.limits.head + HEAD_SLACK).max_buf_size(WRITE_BUFFER);
    let service = service_fn(|request| handle(Rc::clone(&client), request));
    let mut served = builder.serve_connection(io, service);
    let mut told = false;
    let ended = std::future::poll_fn(|cx| {
        client.slot.gate.attach(cx.waker());
        if client.worker.draining.get() && !told {
            told = true;
            Pin::new(&mut served).graceful_shutdown();
        }
        if is_overdue(&client) {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut served).poll(cx);
        // A limit that no request took notice of: the client does not read its answer.
        if polled.is_pending() && client.slot.take_expired().is_some() {
            return Poll::Ready(Ok(()));
        }
        polled
    });
    if let Err(error) = ended.await {
        count_refusal(&client, &error);
    }
    if let Some(tunnel) = client.upgrade.take_granted() {
        let parts = served.into_parts();
        match parts.io.into_inner().leave_http(&parts.read_buf) {
            Some(stream) => tunnel.run(&client, stream).await,
            None => client.worker.rejections.count(Rejection::Upgrade),
        }
    }
}

/// Whether the client has let the time for a head, between requests, or for taking its answer pass.
fn is_overdue(client: &Client) -> bool {
    match client.slot.expired() {
        None => return false,
        Some(Expiry::Unread) => return true,
        Some(Expiry::Deadline | Expiry::Quiet | Expiry::Unsent) => {}
    }
    match client.slot.phase() {
        Phase::Idle | Phase::Closing => true,
        Phase::Head => {
            client.worker.rejections.count(Rejection::HeadTimeout);
            true
        }
        Phase::Waiting | Phase::Uploading | Phase::Calling | Phase::Answering | Phase::Streaming => false,
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

/// Ends a client's stream so that its last answer arrives, within the time that a closing connection has.
pub(super) fn poll_end<S>(
    stream: &mut S,
    linger: &mut Linger,
    slot: &Slot,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if slot.phase() != Phase::Closing {
        slot.enter(Phase::Closing);
    }
    linger.poll_close(Pin::new(stream), cx).map(Ok)
}

// === impl Metered ===

impl<S> Metered<S> {
    fn new(stream: S, client: &Client) -> Self {
        let limits = &client.worker.limits;
        Self {
            stream,
            linger: Linger::default(),
            slot: Rc::clone(&client.slot),
            guard: Guard::new(limits.head, limits.target),
            refusal: None,
            rejections: Arc::clone(&client.worker.rejections),
            is_flushed: true,
        }
    }

    /// The stream below, once the 101 is written. None if the client did not wait for it: what it sent was meant for
    /// somebody who had not agreed yet (RFC 6455 section 4.1).
    fn leave_http(self, unread: &[u8]) -> Option<S> {
        let has_waited = unread.is_empty() && self.refusal.is_none() && self.is_flushed;
        has_waited.then_some(self.stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Metered<S> {
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, slot, refusal, rejections, is_flushed, .. } = self;
        let Some(refusal) = refusal else { return Poll::Pending };
        refusal.poll_read((stream, linger), (slot, rejections), *is_flushed, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Metered<S> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.refusal.is_some() {
            return self.poll_refusal(cx);
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            let received = buf.filled().len() - before;
            self.slot.received(received);
            if received == 0 {
                self.linger.saw_end();
            } else if let Err(refused) = self.guard.check(&buf.filled()[before..]) {
                buf.set_filled(before + refused.passed);
                self.refusal = Some(Refusal::new(refused, &self.slot, &self.rejections));
                if refused.passed == 0 {
                    return self.poll_refusal(cx);
                }
            }
        } else {
            self.slot.await_bytes();
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.is_flushed = false;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        match &polled {
            Poll::Ready(written) => self.slot.sent(*written.as_ref().unwrap_or(&0)),
            Poll::Pending => self.slot.await_room(),
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.is_flushed |= polled.is_ready();
        // hyper believes that there is nothing to read for now; the refusal has waited for the last answer.
        if self.is_flushed && self.refusal.as_ref().is_some_and(|refusal| refusal.is_due(&self.slot)) {
            cx.waker().wake_by_ref();
        }
        polled
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
        false
    }
}
