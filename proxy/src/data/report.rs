//! What is told about a request when it ends: its line in the access log, and its place among ingress-nginx's series.
//!
//! One sheet for each connection, used by one request after the other: a connection has one request at a time. It is
//! opened only where somebody wants to hear of the request; else each of the calls below is a look at one flag. The
//! sheet shares names and values with the request's head (no text is copied before it is known that a line is wanted)
//! and is emptied when the request ends, so that it keeps nothing alive.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use sluice_engine::evidence::Arm;

use super::choose::Choice;
use super::connection::Client;
use super::error::{Error, Source};
use super::handle::{Bound, Decided};
use super::local::LocalRollout;
use super::pool::LocalEndpoint;
use super::record::Reason;
use super::stop::Stop;
use super::worker::Worker;
use crate::access::{Entry, Field, Texts};
use crate::counters::FailureKind;
use crate::nginx::{PlaceShard, Seen, method_index};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What nginx says of a client that left before its answer.
const CLIENT_GONE: u16 = 499;

/// The report on a connection's present request.
#[derive(Debug, Default)]
pub(super) struct Report {
    is_open: Cell<bool>,
    sheet: RefCell<Sheet>,
}

/// Whether there is to be a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    No,
    IfFailed,
    Yes,
}

#[derive(Debug, Default)]
struct Sheet {
    line: Line,
    series: Option<Arc<PlaceShard>>,
    start_us: u64,
    head_us: Option<u64>,
    method: Method,
    protocol: Version,
    head: Head,
    course: Option<(Rc<LocalRollout>, Arm, Reason)>,
    endpoint: Option<Rc<LocalEndpoint>>,
    status: Option<u16>,
    failure: Option<&'static str>,
    /// An upstream's failure, also one that the shield hid.
    has_failed: bool,
    is_shielded: bool,
    bytes_out: u64,
}

/// What only a line needs of a request's head.
#[derive(Debug, Default)]
struct Head {
    target: Uri,
    host: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    /// Our own lines were made for this request.
    has_lines: bool,
    is_trusted: bool,
}

// === impl Report ===

impl Report {
    /// A request begins. What was not told of the one before is told now.
    #[inline]
    pub(super) fn open<B>(
        &self,
        client: &Client,
        request: &Request<B>,
        start_us: u64,
        decided: &Result<Decided, Stop>,
    ) {
        let has_series = decided.as_ref().is_ok_and(|decided| decided.series.is_some());
        if has_series || client.worker.access.is_some() {
            self.fill(client, request, start_us, decided);
        }
    }

    fn fill<B>(&self, client: &Client, request: &Request<B>, start_us: u64, decided: &Result<Decided, Stop>) {
        self.client_gone(client);
        let line = wanted_line(&client.worker);
        let series = decided.as_ref().ok().and_then(|decided| decided.series.clone());
        if line == Line::No && series.is_none() {
            return;
        }
        let mut sheet = self.sheet.borrow_mut();
        *sheet = Sheet { line, series, start_us, method: request.method().clone(), ..Sheet::default() };
        if let Ok(Decided { bound: Bound::Rollout(rollout, choice), .. }) = decided {
            sheet.course = Some((Rc::clone(rollout), choice.arm, choice.reason));
        }
        if line != Line::No {
            sheet.protocol = request.version();
            sheet.head = Head::of(request, decided);
        }
        client.slot.begin_upload();
        self.is_open.set(true);
    }

    /// The endpoint that was asked is no arm's.
    pub(super) fn asked_a_helper(&self) {
        self.note(|sheet| sheet.endpoint = None);
    }

    /// An arm was chosen later than usual.
    pub(super) fn chosen(&self, rollout: &Rc<LocalRollout>, choice: Choice) {
        self.note(|sheet| sheet.course = Some((Rc::clone(rollout), choice.arm, choice.reason)));
    }

    /// An endpoint is asked.
    #[inline]
    pub(super) fn tried(&self, endpoint: &Rc<LocalEndpoint>) {
        self.note(|sheet| sheet.endpoint = Some(Rc::clone(endpoint)));
    }

    /// The head of the answer is passed on.
    #[inline]
    pub(super) fn answering(&self, client: &Client, status: u16) {
        self.note(|sheet| {
            sheet.status = Some(status);
            sheet.head_us = Some(client.now_us());
            if status >= 500 {
                sheet.has_failed = true;
                sheet.failure = sheet.failure.or(Some(FailureKind::Status.label()));
            }
        });
    }

    /// Bytes of the answer's body are passed on.
    #[inline]
    pub(super) fn sent(&self, bytes: usize) {
        self.note(|sheet| sheet.bytes_out += bytes as u64);
    }

    /// The canary has failed, and stable is asked.
    pub(super) fn hidden_failure(&self, kind: FailureKind) {
        self.note(|sheet| {
            sheet.has_failed = true;
            sheet.is_shielded = true;
            sheet.failure = Some(kind.label());
        });
    }

    /// The answer has reached its last byte.
    #[inline]
    pub(super) fn answered(&self, client: &Client, now_us: u64) {
        if self.is_open.get() {
            self.close(client, now_us);
        }
    }

    /// The answer broke off.
    pub(super) fn broken(&self, client: &Client, kind: FailureKind) {
        self.note(|sheet| {
            sheet.has_failed = true;
            sheet.failure = Some(kind.label());
        });
        self.answered(client, client.now_us());
    }

    /// The request ends with an answer of our own.
    pub(super) fn answered_here(&self, client: &Client, error: Option<Error>, status: u16, bytes: u64) {
        self.note(|sheet| {
            sheet.status = Some(status);
            sheet.bytes_out = bytes;
            sheet.has_failed |= status >= 500 || error.is_some_and(|error| error.source() == Source::Upstream);
            sheet.failure = error.filter(|error| *error != Error::AskedItself).map(Error::label);
        });
        self.answered(client, client.now_us());
    }

    /// The request ends with an answer of our own that is no failure.
    pub(super) fn settled(&self, client: &Client, status: u16) {
        self.note(|sheet| sheet.status = Some(status));
        self.answered(client, client.now_us());
    }

    /// The client is gone, if its request is still open.
    pub(super) fn client_gone(&self, client: &Client) {
        self.note(|sheet| sheet.failure = sheet.failure.or(Some("client_gone")));
        self.answered(client, client.now_us());
    }

    #[inline]
    fn note(&self, change: impl FnOnce(&mut Sheet)) {
        if self.is_open.get() {
            change(&mut self.sheet.borrow_mut());
        }
    }

    fn close(&self, client: &Client, now_us: u64) {
        self.is_open.set(false);
        let sheet = std::mem::take(&mut *self.sheet.borrow_mut());
        sheet.count(now_us);
        let is_wanted = match sheet.line {
            Line::Yes => true,
            Line::IfFailed => sheet.has_failed,
            Line::No => false,
        };
        if let Some(access) = client.worker.access.as_ref().filter(|_| is_wanted) {
            access.put(sheet.entry(client, now_us));
        }
    }
}

/// Decided before anything is looked at.
fn wanted_line(worker: &Worker) -> Line {
    match &worker.access {
        None => Line::No,
        Some(access) if access.sample().takes(worker.samples.borrow_mut().next_u64()) => Line::Yes,
        Some(access) if access.wants_failures() => Line::IfFailed,
        Some(_) => Line::No,
    }
}

// === impl Head ===

impl Head {
    fn of<B>(request: &Request<B>, decided: &Result<Decided, Stop>) -> Self {
        let headers = request.headers();
        Self {
            target: request.uri().clone(),
            host: headers.get(header::HOST).cloned(),
            request_id: headers.get(X_REQUEST_ID).cloned(),
            user_agent: headers.get(header::USER_AGENT).cloned(),
            referer: headers.get(header::REFERER).cloned(),
            has_lines: decided.is_ok(),
            is_trusted: decided.as_ref().is_ok_and(|decided| decided.is_trusted),
        }
    }
}

// === impl Sheet ===

impl Sheet {
    fn count(&self, now_us: u64) {
        if let Some(series) = &self.series {
            series.count(&Seen {
                arm: self.course.as_ref().map_or(Arm::Stable, |(_, arm, _)| *arm),
                method: method_index(&self.method),
                status: self.status.unwrap_or(CLIENT_GONE),
                elapsed_us: now_us.saturating_sub(self.start_us),
                head_us: self.head_us.map(|head_us| head_us.saturating_sub(self.start_us)),
                was_forwarded: self.endpoint.is_some(),
            });
        }
    }

    fn entry(&self, client: &Client, now_us: u64) -> Entry {
        Entry {
            start_us: self.start_us,
            duration_us: now_us.saturating_sub(self.start_us),
            upstream_us: self.head_us.map(|head_us| head_us.saturating_sub(self.start_us)),
            status: self.status.unwrap_or(CLIENT_GONE),
            bytes_in: client.slot.uploaded_bytes(),
            bytes_out: self.bytes_out,
            peer: client.peer,
            protocol: self.protocol,
            course: self.course.as_ref().map(|(_, arm, reason)| (*arm, *reason)),
            is_shielded: self.is_shielded,
            failure: self.failure,
            texts: self.texts(client),
        }
    }

    fn texts(&self, client: &Client) -> Texts {
        let head = &self.head;
        let lines = client.lines.borrow();
        let own = |name: &[u8]| if head.has_lines { own_line(&lines, name) } else { None };
        let mut texts = Texts::new();
        let own_id = own(b"x-request-id: ").unwrap_or_default();
        texts.add(Field::RequestId, head.request_id.as_ref().map_or(own_id, HeaderValue::as_bytes));
        if head.is_trusted {
            texts.add(Field::ForwardedFor, own(b"x-forwarded-for: ").unwrap_or_default());
        }
        texts.add(Field::Method, self.method.as_str().as_bytes());
        texts.add(Field::Host, sent(head.host.as_ref()));
        texts.add(Field::Target, head.target.path_and_query().map_or("", |target| target.as_str()).as_bytes());
        if let Some((rollout, arm, _)) = &self.course {
            texts.add(Field::Rollout, rollout.view.name.as_bytes());
            let view = match (arm, &rollout.view.canary) {
                (Arm::Canary, Some(canary)) => canary,
                _ => &rollout.view.stable,
            };
            texts.add(Field::Version, view.version.as_bytes());
        }
        if let Some(endpoint) = &self.endpoint {
            texts.add(Field::Endpoint, endpoint.endpoint.address.as_bytes());
        }
        if let Some(trace) = client.trace.get().filter(|_| head.has_lines) {
            texts.add(Field::TraceId, trace.id.as_str().as_bytes());
        }
        texts.add(Field::UserAgent, sent(head.user_agent.as_ref()));
        texts.add(Field::Referer, sent(head.referer.as_ref()));
        texts
    }
}

fn sent(value: Option<&HeaderValue>) -> &[u8] {
    value.map(HeaderValue::as_bytes).unwrap_or_default()
}

/// The value of a line of our own.
fn own_line<'a>(lines: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    lines.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name)?.strip_suffix(b"\r"))
}
