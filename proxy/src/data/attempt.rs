//! One attempt to get the head of an answer from an arm.
//!
//! Within an attempt a request may meet several connections: one that died at rest gives it back untouched, and so does
//! an endpoint that refuses to connect. What was sent, even in part, is not sent again, with one exception: an upstream
//! may close a connection that has rested while a request is on its way to it. A safe request without a body is then sent
//! once more, on a new connection (RFC 9110 section 9.2.2); that is no failure of the arm yet.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::answer::{Body, Kind, Passage};
use super::connection::Client;
use super::deadlines::{Expiry, Phase};
use super::error::Error;
use super::filters::Filtered;
use super::flight::Flight;
use super::grpc;
use super::head::{Marks, is_plain_chunked};
use super::headers::prepare_answer;
use super::pool::{LocalArm, LocalEndpoint, WhenEjected};
use super::reject::Rejection;
use super::shield::Kept;
use super::tunnel::Tunnel;
use super::upload::{Upload, UploadError};
use super::upstream::{Sent, Upstream};
use crate::config::UpstreamSettings;
use crate::counters::FailureKind;

/// What all attempts of one request share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journey<'a> {
    pub(super) client: &'a Rc<Client>,
    pub(super) settings: &'a UpstreamSettings,
    /// A route that has a wish about endpoints.
    pub(super) filtered: Option<&'a Filtered>,
}

/// An answer whose head has come.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) answer: Response<Incoming>,
    pub(super) upstream: Box<Upstream>,
    marks: Marks,
}

impl Journey<'_> {
    /// Sends the request in `slot` to an endpoint of `arm`, at `now_us`. If it is still there after a failure, nothing of
    /// it was sent. `kept` is a copy of the request, if there is one anyway; else one is made only where the connection may
    /// be about to be closed, since it costs as much as the rest of the decision.
    pub(super) async fn attempt(
        &self,
        arm: &LocalArm,
        when_ejected: WhenEjected,
        slot: &mut Option<Request<Upload>>,
        kept: Option<&Kept>,
        mut now_us: u64,
    ) -> Result<Arrival, Error> {
        let mut retries = self.settings.retries;
        let mut wants_new = false;
        let mut avoid = None;
        loop {
            let picked = match self.filtered {
                None => arm.pick(now_us, when_ejected, avoid),
                Some(filtered) => filtered.pick(arm, now_us, when_ejected, avoid),
            };
            let Some(endpoint) = picked else {
                return Err(Error::Upstream(FailureKind::NoEndpoint));
            };
            self.client.report.tried(endpoint);
            let resting = if wants_new { None } else { endpoint.take_idle() };
            let upstream = match resting {
                Some(upstream) => Ok(upstream),
                None => Box::pin(self.connect(endpoint)).await,
            };
            let error = match upstream {
                Ok(upstream) => {
                    let reused = upstream.reused;
                    let is_doubtful = kept.is_none() && endpoint.may_close(&upstream, now_us);
                    let copy = slot.as_ref().filter(|_| is_doubtful).and_then(|request| Kept::of(self.client, request));
                    let came = self.exchange(upstream, slot, now_us).await;
                    // It had died at rest: this was no attempt yet.
                    if came.is_err() && reused && slot.is_some() {
                        endpoint.closes_at_rest();
                        continue;
                    }
                    // It was closed while the request was on its way.
                    if reused && matches!(came, Err(Error::Upstream(FailureKind::Reset))) {
                        endpoint.closes_at_rest();
                        if let Some(again) = copy.as_deref().or(kept) {
                            *slot = Some(again.repeated());
                            wants_new = true;
                            continue;
                        }
                    }
                    if let Some(copy) = copy {
                        copy.give_back(self.client);
                    }
                    match came {
                        Err(error) => error,
                        arrived => return arrived,
                    }
                }
                Err(error) => error,
            };
            let may_retry = slot.as_ref().is_some_and(|request| request.method().is_idempotent());
            if retries == 0 || arm.len() < 2 || !may_retry {
                return Err(error);
            }
            retries -= 1;
            avoid = Some(endpoint.endpoint.id);
            now_us = self.client.now_us();
        }
    }

    /// A new connection. Off the usual way: boxed by the caller, and with a clock of its own.
    async fn connect(&self, endpoint: &Rc<LocalEndpoint>) -> Result<Box<Upstream>, Error> {
        let Some(address) = endpoint.endpoint.resolved.load().as_deref().copied() else {
            return Err(Error::Upstream(FailureKind::Connect));
        };
        self.arm(self.client.now_us(), Duration::from(self.settings.connect_timeout));
        let admission = &self.client.worker.admission;
        let mut connecting = std::pin::pin!(Upstream::connect(address, &self.settings.tls, admission, endpoint));
        let connected = std::future::poll_fn(|cx| match connecting.as_mut().poll(cx) {
            Poll::Ready(connected) => Poll::Ready(connected.map_err(|error| {
                complain(endpoint, &error);
                FailureKind::Connect
            })),
            Poll::Pending if self.client.slot.take_expired().is_some() => Poll::Ready(Err(FailureKind::ConnectTimeout)),
            Poll::Pending => Poll::Pending,
        });
        let connected = connected.await;
        match &connected {
            Ok(_) => endpoint.endpoint.connected(),
            Err(_) => endpoint.endpoint.connect_failed(self.client.now_us()),
        }
        connected.map_err(Error::Upstream)
    }

    /// Sends the request on a connection and waits for the head of the answer.
    async fn exchange(
        &self,
        mut upstream: Box<Upstream>,
        slot: &mut Option<Request<Upload>>,
        now_us: u64,
    ) -> Result<Arrival, Error> {
        let times = &self.client.slot;
        times.enter(match slot {
            Some(request) if request.body().is_empty() => Phase::Waiting,
            Some(request) if grpc::is_call(request.headers()) => Phase::Calling,
            _ => Phase::Uploading,
        });
        self.arm(now_us, Duration::from(self.settings.request_timeout));
        upstream.set_lines(&self.client.lines.borrow());
        upstream.keep_ended(self.client.upgrade.is_asked());
        match upstream.send(slot, &times.gate, || times.take_expired()).await {
            Sent::Answered(answer) => Arrival::new(self.client, answer, upstream),
            Sent::Failed(_) if times.is_upload_spoiled() => Err(Error::UploadBroken),
            Sent::Failed(error) => Err(reason(error)),
            Sent::Stopped(Expiry::Deadline) => Err(Error::Upstream(FailureKind::Timeout)),
            Sent::Stopped(Expiry::Unsent | Expiry::Unread) => Err(Error::UploadStalled),
            // It is the upstream that takes nothing.
            Sent::Stopped(Expiry::Quiet) => Err(Error::Upstream(FailureKind::Timeout)),
        }
    }

    #[inline]
    fn arm(&self, now_us: u64, timeout: Duration) {
        self.client.worker.deadlines.arm(&self.client.slot, now_us.saturating_add(timeout.as_micros() as u64));
    }
}

/// Once for each outage: that nobody listens shows in the metrics, what is wrong with a certificate does not.
#[cold]
fn complain(endpoint: &LocalEndpoint, error: &std::io::Error) {
    let endpoint = &endpoint.endpoint;
    if endpoint.is_tls() && endpoint.connect_failures.load(Relaxed) == 0 {
        tracing::warn!(endpoint = %endpoint.address, %error, "connecting by TLS failed");
    }
}

/// Why a connection failed under a request.
#[cold]
fn reason(error: Option<hyper::Error>) -> Error {
    match error {
        Some(error) if is_too_large(&error) => Error::Refused(Rejection::BodyTooLarge),
        // hyper calls the body that we give it the user's; ours is the client's.
        Some(error) if error.is_user() || error.is_body_write_aborted() => Error::UploadBroken,
        Some(error) if error.is_parse() || is_bad_answer(&error) => Error::Upstream(FailureKind::Protocol),
        _ => Error::Upstream(FailureKind::Reset),
    }
}

/// Whether the guard has refused what came.
fn is_bad_answer(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::InvalidData)
}

/// The client gets the 101; what follows it is no HTTP.
#[cold]
fn switch(client: &Rc<Client>, upstream: Box<Upstream>, mut flight: Option<Flight>) -> Body {
    if let Some(flight) = &mut flight {
        flight.streaming(client.now_us());
    }
    client.slot.enter(Phase::Streaming);
    client.upgrade.grant(Tunnel { upstream, flight });
    Body::Text(None)
}

fn is_too_large(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(UploadError::TooLarge))
}

/// What kind of answer begins, and what is known of a call by now.
fn kind_of(answer: &Response<Incoming>, marks: Marks) -> (Kind, Option<u16>) {
    let status = answer.status().as_u16();
    if !marks.has(Marks::GRPC) {
        let kind = if marks.has(Marks::EVENT_STREAM) { Kind::EventStream } else { Kind::Plain };
        return (kind, Some(status));
    }
    if status != 200 {
        // Any other is a failure of the call.
        return (Kind::Plain, Some(status.max(500)));
    }
    if grpc::has_status(answer.headers()) {
        return (Kind::Plain, grpc::as_http(Some(answer.headers())));
    }
    (Kind::Call, None)
}

// === impl Arrival ===

impl Arrival {
    #[inline]
    fn new(client: &Client, mut answer: Response<Incoming>, mut upstream: Box<Upstream>) -> Result<Self, Error> {
        let marks = Marks::of(answer.headers());
        // Two framings, or a protocol that nobody asked for: what follows could be read in two ways.
        let is_ambiguous = marks.has(Marks::TRANSFER_ENCODING)
            && (marks.has(Marks::CONTENT_LENGTH) || !is_plain_chunked(answer.headers()));
        let is_switching = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = answer.headers().get(header::UPGRADE).filter(|_| is_switching).cloned();
        *answer.version_mut() = http::Version::HTTP_11;
        prepare_answer(answer.headers_mut(), marks);
        if is_ambiguous || (is_switching && !client.upgrade.is_granted(answer.headers_mut(), protocol.as_ref())) {
            return Err(Error::Upstream(FailureKind::Protocol));
        }
        upstream.keep_ended(is_switching);
        Ok(Self { answer, upstream, marks })
    }

    pub(super) fn is_failure(&self) -> bool {
        self.answer.status().as_u16() >= 500
    }

    /// Passes the answer on to the client.
    #[inline]
    pub(super) fn pass(self, client: &Rc<Client>, mut flight: Option<Flight>) -> Response<Body> {
        let Self { answer, upstream, marks } = self;
        let (kind, status) = kind_of(&answer, marks);
        if let Some(flight) = &mut flight {
            flight.answering(status);
        }
        client.report.answering(client, answer.status().as_u16());
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return answer.map(|_| switch(client, upstream, flight));
        }
        answer.map(|body| Body::Passed(Passage::new(client, body, upstream, flight, kind)))
    }

    /// Gets rid of an answer that nobody shall see. What has arrived with its head is read, so that the connection can
    /// be used again; more is not waited for.
    pub(super) fn discard(mut self, client: &Client, now_us: u64) -> http::HeaderMap {
        let gate = &client.slot.gate;
        let mut noop = std::task::Context::from_waker(std::task::Waker::noop());
        let mut ended = http_body::Body::is_end_stream(self.answer.body());
        while !ended {
            match gate.pass(|_| http_body::Body::poll_frame(Pin::new(self.answer.body_mut()), &mut noop)) {
                Poll::Ready(Some(Ok(_))) => ended = http_body::Body::is_end_stream(self.answer.body()),
                Poll::Ready(None) => ended = true,
                Poll::Ready(Some(Err(_))) | Poll::Pending => break,
            }
        }
        if ended {
            self.upstream.release(gate, now_us);
        }
        std::mem::take(self.answer.headers_mut())
    }
}
