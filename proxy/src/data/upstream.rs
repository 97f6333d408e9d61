//! One connection to an endpoint, driven by the task of the request that uses it.
//!
//! No task of its own: whoever has the connection polls it, and between requests it rests in the pool of its worker.
//! What has closed meanwhile is found out when the next request is offered to it, which gives the request back unsent.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::admission::Admission;
use super::gate::Gate;
use super::lines::{LineWriter, NextLines};
use super::pool::LocalEndpoint;
use super::stream::UpstreamStream;
use super::upload::Upload;
use crate::counters::bump;
use crate::endpoint::ConnectionGauge;
use crate::tls::UpstreamTls;

type Wire = Connection<TokioIo<LineWriter>, Upload>;

/// Largest answer head in bytes; more is a protocol error.
const LARGEST_HEAD: usize = 64 * 1024;

/// A connection that speaks HTTP/1.1.
pub(super) struct Upstream {
    sender: SendRequest<Upload>,
    /// Our own lines of the next head.
    lines: Rc<NextLines>,
    /// None once it has come to its end. Dropping it is what gives an unsent request back and ends a body.
    wire: Option<Pin<Box<Wire>>>,
    /// Where it is kept once it has come to its end, for what comes behind a 101.
    ended: Option<Pin<Box<Wire>>>,
    keeps_ended: bool,
    /// It has carried a request before.
    pub(super) reused: bool,
    /// Process clock at which it went to rest.
    pub(super) idle_since_us: u64,
    /// Where it rests; weak, since the pool holds it while it does.
    home: Weak<LocalEndpoint>,
    _open: Open,
}

/// Counts a connection for as long as it is open.
struct Open(Arc<ConnectionGauge>);

// === impl Open ===

impl Open {
    fn new(gauge: Arc<ConnectionGauge>) -> Self {
        bump(&gauge.open);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.store(self.0.open.load(Relaxed).saturating_sub(1), Relaxed);
    }
}

// === impl Upstream ===

impl Upstream {
    /// Connects; how long that may take, the handshake of TLS included, is the caller's business.
    pub(super) async fn connect(
        address: SocketAddr,
        tls: &UpstreamTls,
        admission: &Admission,
        home: &Rc<LocalEndpoint>,
    ) -> io::Result<Box<Self>> {
        let stream = TcpStream::connect(address).await?;
        if !admission.spares(stream.as_raw_fd()) {
            return Err(io::Error::other("the last file descriptors are kept"));
        }
        stream.set_nodelay(true)?;
        let stream = if home.endpoint.is_tls() {
            UpstreamStream::Tls(Box::new(tls.wrap(stream, home.endpoint.authority()).await?))
        } else {
            UpstreamStream::Plain(stream)
        };
        let mut builder = http1::Builder::new();
        builder.writev(false).max_header_size(LARGEST_HEAD);
        let lines = Rc::<NextLines>::default();
        let io = TokioIo::new(LineWriter::new(stream, Rc::clone(&lines)));
        let (sender, wire) = builder.handshake(io).await.map_err(io::Error::other)?;
        Ok(Box::new(Self {
            sender,
            lines,
            wire: Some(Box::pin(wire)),
            ended: None,
            keeps_ended: false,
            reused: false,
            idle_since_us: 0,
            home: Rc::downgrade(home),
            _open: Open::new(home.gauge()),
        }))
    }

    /// Polls the connection under the gate of the client's connection. After that, whatever it could do is done.
    #[inline]
    pub(super) fn drive(&mut self, gate: &Gate) {
        drive(&mut self.wire, gate);
    }

    /// Whether the connection may leave HTTP with the present exchange.
    #[inline]
    pub(super) fn keep_ended(&mut self, keeps: bool) {
        self.keeps_ended = keeps;
        if !keeps && self.ended.is_some() {
            self.ended = None;
        }
    }

    /// The stream below a connection that has left HTTP, what has come behind the 101, and the count of its being open.
    pub(super) async fn into_stream(mut self: Box<Self>) -> Option<(UpstreamStream, Bytes, impl Sized)> {
        let wire = match self.ended.take() {
            Some(ended) => ended,
            None => {
                let mut wire = self.wire.take()?;
                std::future::poll_fn(|cx| wire.as_mut().poll(cx)).await.ok()?;
                wire
            }
        };
        let parts = Pin::into_inner(wire).into_parts();
        Some((parts.io.into_inner().into_stream(), parts.read_buf, self._open))
    }

    /// Lines of our own for the head of the next request.
    #[inline]
    pub(super) fn set_lines(&self, lines: &[u8]) {
        self.lines.set(lines);
    }

    /// Sends the request in `slot` and waits for the head of its answer; `stop` is asked on every poll. A request of
    /// which nothing was sent is put back into the slot. It is handed over by reference since a request is large, and
    /// every move into a future is a copy.
    pub(super) async fn send<E>(
        &mut self,
        slot: &mut Option<Request<Upload>>,
        gate: &Gate,
        mut stop: impl FnMut() -> Option<E>,
    ) -> Sent<E> {
        let Some(request) = slot.take() else { return Sent::Failed(None) };
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let (wire, ended, keeps) = (&mut self.wire, &mut self.ended, self.keeps_ended);
        std::future::poll_fn(|_| {
            if keeps {
                *ended = drive_to_end(wire, gate);
            } else {
                drive(wire, gate);
            }
            // Only the wire moves the answer, and it is polled here: no waker needs to be left.
            match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(answer)) => Poll::Ready(Sent::Answered(answer)),
                Poll::Ready(Err(mut error)) => {
                    *slot = error.take_message();
                    Poll::Ready(Sent::Failed(Some(error.into_error())))
                }
                Poll::Pending if ended.take().is_some() => {
                    // No 101: the end of the connection is the end of the request, which is told when it is dropped.
                    gate.wake();
                    Poll::Pending
                }
                Poll::Pending => stop().map_or(Poll::Pending, |reason| Poll::Ready(Sent::Stopped(reason))),
            }
        })
        .await
    }

    pub(super) fn is_finished(&self) -> bool {
        self.wire.is_none()
    }

    /// Puts the connection to rest if its exchange is complete, else closes it.
    pub(super) fn release(mut self: Box<Self>, gate: &Gate, now_us: u64) {
        if !self.sender.is_ready() {
            self.drive(gate);
        }
        if !self.is_finished()
            && self.sender.is_ready()
            && let Some(home) = self.home.upgrade()
        {
            self.reused = true;
            self.idle_since_us = now_us;
            home.rest(self);
        }
    }

    /// Whether the peer has left a resting connection alone.
    pub(super) fn is_resting(&mut self) -> bool {
        let mut noop = Context::from_waker(Waker::noop());
        self.wire.as_mut().is_some_and(|wire| wire.as_mut().poll(&mut noop).is_pending())
    }
}

/// The same, and what has come to its end is not dropped.
#[cold]
fn drive_to_end(wire: &mut Option<Pin<Box<Wire>>>, gate: &Gate) -> Option<Pin<Box<Wire>>> {
    let running = wire.as_mut()?;
    if gate.pass(|cx| running.as_mut().poll(cx)).is_ready() { wire.take() } else { None }
}

#[inline]
fn drive(wire: &mut Option<Pin<Box<Wire>>>, gate: &Gate) {
    if let Some(running) = wire
        && gate.pass(|cx| running.as_mut().poll(cx)).is_ready()
    {
        *wire = None;
    }
}

/// What became of a request that was sent.
pub(super) enum Sent<E> {
    /// The head of an answer came.
    Answered(Response<Incoming>),
    /// The connection failed; why, if it is known.
    Failed(Option<hyper::Error>),
    /// The caller stopped it.
    Stopped(E),
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("finished", &self.is_finished())
            .field("reused", &self.reused)
            .finish_non_exhaustive()
    }
}
