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

use super::connection::Client;
use super::deadlines::{Expiry, Phase};
use super::flight::Flight;
use super::upstream::Upstream;
use crate::counters::FailureKind;

/// After this long an event stream has proved itself, microseconds.
const STREAM_PROVED_US: u64 = 1_000_000;

/// What follows an answer's head.
#[derive(Debug)]
pub(super) enum Body {
    /// A text of our own, once.
    Text(Option<Bytes>),
    /// What the upstream sends.
    Passed(Passage),
}

/// An answer on its way through.
#[derive(Debug)]
pub(super) struct Passage {
    client: Rc<Client>,
    body: Incoming,
    upstream: Option<Box<Upstream>>,
    /// None for what is not counted: plain routes, second attempts.
    flight: Option<Flight>,
    /// It broke off; what came before is on its way to the client.
    broken: Option<BrokenOff>,
}

/// An answer that broke off: the client must not take it for a whole one.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the upstream broke off its answer: {}", .0.label())]
pub(super) struct BrokenOff(FailureKind);

// === impl Passage ===

impl Passage {
    /// Takes over where the head was received. An empty body ends here and now: nobody will poll it.
    #[inline]
    pub(super) fn new(
        client: &Rc<Client>,
        body: Incoming,
        upstream: Box<Upstream>,
        flight: Option<Flight>,
        is_event_stream: bool,
    ) -> Self {
        let mut passage = Self { client: Rc::clone(client), body, upstream: Some(upstream), flight, broken: None };
        if passage.body.is_end_stream() {
            passage.complete();
        } else if is_event_stream {
            passage.begin_stream();
        } else {
            client.slot.enter(Phase::Answering);
        }
        passage
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

    /// The last byte is through.
    #[inline]
    fn complete(&mut self) {
        let now_us = self.client.now_us();
        if let Some(mut flight) = self.flight.take() {
            flight.answered(now_us);
        }
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
    fn poll_arrived(&mut self) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let body = Pin::new(&mut self.body);
        match self.client.slot.gate.pass(|_| body.poll_frame(&mut Context::from_waker(Waker::noop()))) {
            Poll::Ready(Some(Ok(frame))) => {
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

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let passage = match self.get_mut() {
            Self::Text(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Passed(passage) => passage,
        };
        if let Some(broken) = passage.broken {
            return Poll::Ready(Some(Err(broken)));
        }
        let arrived = passage.poll_arrived();
        // Without upstream it has just broken off.
        let Some(upstream) = passage.upstream.as_mut().filter(|_| arrived.is_pending()) else { return arrived };
        upstream.drive(&passage.client.slot.gate);
        match passage.poll_arrived() {
            Poll::Pending if passage.upstream.is_some() => passage.poll_expired(),
            arrived => arrived,
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Passed(passage) => passage.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Passed(passage) => passage.body.size_hint(),
        }
    }
}
