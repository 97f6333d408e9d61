//! Asks somebody else whether a request may pass, as oauth2-proxy, Authelia and ingress-nginx's `auth-url` have it.
//!
//! The question is a GET with the request's own fields, so with its cookies, and with fields that say what it is. It goes
//! over a connection of this worker's pool, like any request. A yes (2xx) may name fields for the upstream; a no is passed
//! on, or sends to where one signs in; whatever is neither, and no answer in time, lets nobody in.

use std::rc::Rc;

use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LOCATION, RANGE, SET_COOKIE, TRAILER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

use crate::config::UpstreamSettings;
use crate::config::filters::ExternalAuth;
use crate::data::answer::Body;
use crate::data::attempt::Journey;
use crate::data::connection::Client;
use crate::data::error::Error;
use crate::data::pool::{LocalArm, WhenEjected};
use crate::data::reject::Rejection;
use crate::data::stop::Stop;
use crate::data::upload::Upload;

const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");

/// Fields that belong to the body or to a copy that the client has.
const LEFT_OUT: [HeaderName; 11] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    RANGE,
    TRAILER,
    TRANSFER_ENCODING,
];

/// Who is asked, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    pub(super) auth: &'a ExternalAuth,
    pub(super) arm: &'a LocalArm,
    pub(super) settings: &'a UpstreamSettings,
}

/// What a yes brings along.
#[derive(Debug, Default)]
pub(super) struct Granted {
    /// For the upstream.
    pub(super) copied: Vec<(HeaderName, HeaderValue)>,
    /// For the client: sessions are renewed that way.
    pub(super) cookies: Vec<HeaderValue>,
}

// === impl Authority ===

impl Authority<'_> {
    /// Asks about a request.
    pub(super) async fn ask(self, client: &Rc<Client>, request: &Request<Upload>) -> Result<Granted, Stop> {
        let place = place(client, request);
        let unavailable = |_| Stop::from(Error::Refused(Rejection::AuthUnavailable));
        let mut slot = Some(self.question(request, &place).map_err(unavailable)?);
        let journey = Journey { client, settings: self.settings, filtered: None };
        let asked = journey.attempt(self.arm, WhenEjected::Try, &mut slot, None, client.now_us()).await;
        client.report.asked_a_helper();
        let arrival = asked.map_err(|_| unavailable(()))?;
        let status = arrival.answer.status();
        let headers = arrival.discard(client, client.now_us());
        if status.is_success() {
            return Ok(self.granted(&headers));
        }
        Err(self.refusal(status, &headers, &place))
    }

    fn question(self, request: &Request<Upload>, place: &str) -> Result<Request<Upload>, ()> {
        let mut question = Request::new(Upload::Empty);
        *question.uri_mut() = self.auth.target.clone();
        let mut headers = request.headers().clone();
        LEFT_OUT.iter().for_each(|name| drop(headers.remove(name)));
        let method = HeaderValue::from_str(request.method().as_str()).map_err(drop)?;
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        headers.insert(HOST, self.auth.host.clone());
        headers.insert(X_ORIGINAL_URL, HeaderValue::from_str(place).map_err(drop)?);
        headers.insert(X_FORWARDED_URI, HeaderValue::from_str(target).map_err(drop)?);
        headers.insert(X_ORIGINAL_METHOD, method.clone());
        headers.insert(X_FORWARDED_METHOD, method);
        *question.headers_mut() = headers;
        Ok(question)
    }

    fn granted(self, headers: &HeaderMap) -> Granted {
        let values = |name| headers.get_all(name).iter().cloned();
        let copied = self.auth.copy_headers.iter().flat_map(|name| values(name).map(|value| (name.clone(), value)));
        Granted { copied: copied.collect(), cookies: values(&SET_COOKIE).collect() }
    }

    fn refusal(self, status: StatusCode, headers: &HeaderMap, place: &str) -> Stop {
        let error = Error::Refused(Rejection::Unauthorized);
        let mut answer = match (status, &self.auth.signin) {
            (StatusCode::UNAUTHORIZED, Some(signin)) => sign_in(signin, place),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                let mut answer = error.into_answer();
                *answer.status_mut() = status;
                answer
            }
            _ if status.is_redirection() && headers.contains_key(LOCATION) => {
                let mut answer = Response::new(Body::default());
                *answer.status_mut() = status;
                answer
            }
            _ => return Error::Refused(Rejection::AuthUnavailable).into(),
        };
        for name in [LOCATION, WWW_AUTHENTICATE, SET_COOKIE] {
            if answer.headers().contains_key(&name) {
                continue; // our own place to sign in
            }
            for value in headers.get_all(&name) {
                answer.headers_mut().append(name.clone(), value.clone());
            }
        }
        Stop::Told(error, Box::new(answer))
    }
}

/// Sends to where one signs in, and from there back.
fn sign_in(signin: &str, place: &str) -> Response<Body> {
    let separator = if signin.contains('?') { '&' } else { '?' };
    let mut answer = Response::new(Body::default());
    *answer.status_mut() = StatusCode::FOUND;
    if let Ok(location) = HeaderValue::try_from(format!("{signin}{separator}rd={}", encoded(place))) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// What the client asked for, as a whole address.
fn place(client: &Client, request: &Request<Upload>) -> String {
    let headers = request.headers();
    // Of peers that are not trusted this field has gone.
    let told = headers.get(X_FORWARDED_PROTO).and_then(|value| value.to_str().ok());
    let scheme = told.filter(|told| matches!(*told, "http" | "https")).unwrap_or(client.scheme.as_str());
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    format!("{scheme}://{host}{target}")
}

/// As a value in a query (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
