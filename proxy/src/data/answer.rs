//! The body of an answer: passed on from the upstream as it comes, or a short text of our own.
//!
//! Whoever polls it drives the upstream connection. At the last byte the outcome is recorded and the connection put to
//! rest, in the same turn in which the byte is handed over.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::compressed::Compressed;
use super::connection::Client;
use super::deadlines::{Expiry, Phase};
use super::flight::Flight;
use super::grpc;
use super::upstream::Upstream;
use crate::counters::FailureKind;
use crate::limit::Permit;

/// After this long an event stream has proved itself, microseconds.
const STREAM_PROVED_US: u64 = 1_000_000;

/// What follows an answer's head.
#[derive(Debug)]
pub(super) enum Body {
    /// A text of our own, once.
    Text(Option<Bytes>),
    /// What the upstream sends.
    Passed(Passage),
    /// The same, compressed.
    Compressed(Box<Compressed>),
}

/// What an answer's head says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    EventStream,
    /// A gRPC call whose status is still to come.
    Call,
}

/// An answer on its way through.
#[derive(Debug)]
pub(super) struct Passage {
    client: Rc<Client>,
    body: Incoming,
    upstream: Option<Box<Upstream>>,
    /// The upstream connection has a task of its own.
    is_shared: bool,
    /// How the call ended is said at its end.
    is_grpc: bool,
    /// None for what is not counted: plain routes, second attempts.
    flight: Option<Flight>,
    /// It broke off; what came before is on its way to the client.
    broken: Option<BrokenOff>,
    /// The client's request is under way until the answer's last byte.
    permit: Option<Box<Permit>>,
}

/// An answer that broke off: the client must not take it for a whole one.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the upstream broke off its answer: {}", .0.label())]
pub(super) struct BrokenOff(FailureKind);

// === impl BrokenOff ===

impl BrokenOff {
    /// It is our own fault.
    pub(super) fn here() -> Self {
        Self(FailureKind::Protocol)
    }
}

// === impl Passage ===

impl Passage {
    /// Takes over where the head was received. An empty body ends here and now: nobody will poll it.
    #[inline]
    pub(super) fn new(
        client: &Rc<Client>,
        body: Incoming,
        upstream: Box<Upstream>,
        flight: Option<Flight>,
        kind: Kind,
    ) -> Self {
        let mut passage = Self {
            client: Rc::clone(client),
            body,
            is_shared: upstream.is_shared(),
            upstream: Some(upstream),
            is_grpc: kind == Kind::Call,
            flight,
            broken: None,
            permit: None,
        };
        if passage.body.is_end_stream() {
            passage.complete();
        } else if passage.is_grpc {
            passage.begin_call();
        } else if kind == Kind::EventStream {
            passage.begin_stream();
        } else {
            client.slot.enter(Phase::Answering);
        }
        passage
    }

    /// Holds a permit to the end, if that is still to come.
    pub(super) fn hold(&mut self, permit: Permit) {
        self.permit = self.upstream.is_some().then(|| Box::new(permit));
    }

    /// Another body is sent in its place. What has come of this one is read, so that the connection can be used again;
    /// more is not waited for. What came of the attempt is known by its status.
    pub(super) fn abandon(mut self) {
        while let Poll::Ready(Some(Ok(_))) = self.poll_arrived(&mut Context::from_waker(Waker::noop())) {}
        if self.upstream.take().is_some() {
            self.complete();
        }
    }

    #[cold]
    fn begin_stream(&mut self) {
        let now_us = self.client.now_us();
        self.client.slot.enter(Phase::Streaming);
        if let Some(flight) = &mut self.flight {
            flight.streaming(now_us);
            self.client.worker.deadlines.arm(&self.client.slot, now_us + STREAM_PROVED_US);
        }
    }

    /// A call may go on for as long as its two ends like; how fast it was is known now.
    #[cold]
    fn begin_call(&mut self) {
        self.client.slot.enter(Phase::Streaming);
        if let Some(flight) = &mut self.flight {
            flight.streaming(self.client.now_us());
        }
    }

    /// How the call ended, from its trailers.
    #[cold]
    fn end_call(&mut self, trailers: Option<&http::HeaderMap>) {
        if let Some(flight) = &mut self.flight {
            flight.answering(grpc::as_http(trailers));
        }
        self.is_grpc = false;
    }

    /// The last byte is through.
    #[inline]
    fn complete(&mut self) {
        if self.is_grpc {
            self.end_call(None);
        }
        let now_us = self.client.now_us();
        if let Some(mut flight) = self.flight.take() {
            flight.answered(now_us);
        }
        self.permit = None;
        if let Some(upstream) = self.upstream.take() {
            upstream.release(&self.client.slot.gate, now_us);
        }
        self.client.report.answered(&self.client, now_us);
        self.client.slot.enter(Phase::Idle);
    }

    /// Counts the failure and lets the client have what came before it: hyper forgets what it has not written yet when
    /// a body fails, so the failure is told in the next turn.
    #[cold]
    fn break_off(&mut self, kind: FailureKind) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.client.slot.upload_is_cut() {
            // The client's doing: the upstream had no chance to finish.
            self.flight = None;
            self.client.report.client_gone(&self.client);
        }
        if let Some(mut flight) = self.flight.take() {
            // Dropped without an outcome: the upload was bad, and we ended it ourselves.
            if !self.client.slot.is_upload_spoiled() {
                flight.failed(kind, self.client.now_us());
            }
        }
        self.client.report.broken(&self.client, kind);
        self.upstream = None;
        self.broken = Some(BrokenOff(kind));
        self.client.slot.gate.wake();
        Poll::Pending
    }

    /// Takes what has arrived; the upstream connection wakes nobody who is not asking anyway.
    #[inline]
    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let body = Pin::new(&mut self.body);
        let polled = if self.is_shared {
            body.poll_frame(cx)
        } else {
            self.client.slot.gate.pass(|_| body.poll_frame(&mut Context::from_waker(Waker::noop())))
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref().filter(|_| self.is_grpc) {
                    self.end_call(Some(trailers));
                }
                self.client.slot.progressed();
                self.client.report.sent(frame.data_ref().map_or(0, Bytes::len));
                if self.body.is_end_stream() {
                    self.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => self.break_off(FailureKind::Truncated),
            Poll::Ready(None) => {
                if self.upstream.is_some() {
                    self.complete();
                }
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The next piece of the body; the upstream connection is driven here.
    #[inline]
    pub(super) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(broken) = self.broken {
            return Poll::Ready(Some(Err(broken)));
        }
        let arrived = self.poll_arrived(cx);
        // Without upstream it has just broken off.
        let Some(upstream) = self.upstream.as_mut().filter(|_| arrived.is_pending()) else { return arrived };
        if self.is_shared {
            return self.poll_expired();
        }
        upstream.drive(&self.client.slot.gate);
        match self.poll_arrived(cx) {
            Poll::Pending if self.upstream.is_some() => self.poll_expired(),
            arrived => arrived,
        }
    }

    /// The last byte has come already.
    pub(super) fn is_over(&self) -> bool {
        self.upstream.is_none()
    }

    /// The upstream has nothing for now; has it had long enough?
    fn poll_expired(&mut self) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.client.slot.take_expired() {
            None => Poll::Pending,
            Some(Expiry::Deadline) => {
                // The only deadline of an answer: the second after which an event stream counts as done.
                if let Some(mut flight) = self.flight.take() {
                    flight.answered(self.client.now_us());
                }
                Poll::Pending
            }
            Some(Expiry::Quiet) => self.break_off(FailureKind::Timeout),
            // The connection ends before anybody is asked.
            Some(Expiry::Unread | Expiry::Unsent) => Poll::Pending,
        }
    }
}

// === impl Body ===

impl Default for Body {
    fn default() -> Self {
        Self::Text(None)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Passed(passage) => passage.poll_passed(cx),
            Self::Compressed(compressed) => compressed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Passed(passage) => passage.body.is_end_stream(),
            Self::Compressed(compressed) => compressed.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Passed(passage) => passage.body.size_hint(),
            Self::Compressed(_) => SizeHint::new(),
        }
    }
}
