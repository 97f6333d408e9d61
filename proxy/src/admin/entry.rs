//! What every request has to pass before a route sees it, and what every answer gets on its way out.
//!
//! In this order: a name of ours, the origin of a write, the token, the pace of writes; then ten seconds to answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::audit;
use super::error::ApiError;
use super::origin::Names;
use super::pace::Bucket;
use super::page;
use super::routes::ACCESS;
use super::token::TokenFile;

/// Longest time to the head of an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Headers of every answer: pages load nothing from elsewhere, nobody frames them, nothing is guessed or kept.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) local: Option<SocketAddr>,
}

/// Who may do what.
#[derive(Debug)]
pub(super) struct Rules {
    names: Names,
    token: TokenFile,
    token_for_reads: bool,
    started: Instant,
    writes: Mutex<Bucket>,
    failures: Mutex<Bucket>,
}

// === impl Rules ===

impl Rules {
    pub(super) fn new(names: Names, token: TokenFile, token_for_reads: bool) -> Self {
        let bucket = || Mutex::new(Bucket::FULL);
        Self { names, token, token_for_reads, started: Instant::now(), writes: bucket(), failures: bucket() }
    }

    pub(super) fn token(&self) -> Option<String> {
        self.token.token()
    }

    /// Whether the request may go on, and who sends it.
    fn admit(&self, request: &Request, ends: Option<Ends>) -> (bool, Result<(), ApiError>) {
        let headers = request.headers();
        if let Err(error) = self.names.check_host(request.uri(), headers, ends.and_then(|ends| ends.local)) {
            return (false, Err(error));
        }
        if is_read(request.method()) {
            let needs_token = needs_token(request.uri().path(), self.token_for_reads);
            return (false, if needs_token { self.check_token(headers) } else { Ok(()) });
        }
        match Names::check_origin(headers).and_then(|()| self.check_token(headers)) {
            Ok(()) => (true, self.check_pace(request.uri().path())),
            Err(error) => (false, Err(error)),
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let mut sent = headers.get_all(header::AUTHORIZATION).iter();
        let bearer = match (sent.next(), sent.next()) {
            (Some(sent), None) => sent.to_str().ok().and_then(bearer),
            _ => None,
        };
        if bearer.is_some_and(|token| self.token.is(token)) {
            return Ok(());
        }
        // Only guesses are counted: a missing token is a mistake.
        if bearer.is_some() {
            self.take(&self.failures)?;
        }
        Err(ApiError::Unauthorized)
    }

    /// Taking a canary back is never too much.
    fn check_pace(&self, path: &str) -> Result<(), ApiError> {
        if path.ends_with("/abort") { Ok(()) } else { self.take(&self.writes) }
    }

    fn take(&self, bucket: &Mutex<Bucket>) -> Result<(), ApiError> {
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(self.started.elapsed()).map_err(|retry_seconds| ApiError::TooMany { retry_seconds })
    }
}

/// The middleware around every route.
pub(super) async fn guard(State(rules): State<Arc<Rules>>, request: Request, next: Next) -> Response {
    let ends = request.extensions().get::<Ends>().copied();
    let entry = (!is_read(request.method()))
        .then(|| audit::Entry::new(request.method(), request.uri(), ends.map(|ends| ends.peer)));
    let (is_known, admitted) = rules.admit(&request, ends);
    let mut response = match admitted {
        Err(error) => error.into_response(),
        Ok(()) => match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
            Ok(response) => response,
            Err(_) => ApiError::TimedOut.into_response(),
        },
    };
    if let Some(entry) = entry {
        entry.close(is_known, &response);
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Whether a read of this path needs the token. Whoever runs the process asks the probes and has none; a browser can't
/// send one for the page itself, which holds nothing but what everybody can read in the sources.
fn needs_token(path: &str, token_for_reads: bool) -> bool {
    let is_open = path == "/healthz" || path == "/readyz" || page::holds(path);
    path == ACCESS || (token_for_reads && !is_open)
}

/// The token in `Bearer TOKEN`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
