//! `redirectToHttps`: the same address, by https, for good.
//!
//! It keeps method and body (308). Left alone are what certificates are ordered by over plain HTTP, and requests that a
//! trusted proxy has already received by https, which would go round in circles.

use std::rc::Rc;

use http::header::{HeaderValue, LOCATION};
use http::{Request, Response, StatusCode};
use ipnet::IpNet;

use super::answer::Body;
use super::connection::Client;
use super::deadlines::Phase;
use crate::snapshot::is_trusted;

/// ACME's challenges of type `http-01` (RFC 8555, 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Where the request is sent, if it is.
#[cold]
pub(super) fn location<B>(
    request: &Request<B>,
    host: &str,
    client: &Client,
    trusted_proxies: &[IpNet],
) -> Option<HeaderValue> {
    let was_https = request.headers().get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let is_exempt = host.is_empty()
        || request.uri().path().starts_with(CHALLENGES)
        || (was_https && is_trusted(trusted_proxies, client.peer));
    if is_exempt {
        return None;
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    // `OPTIONS *` has no path.
    let target = if target.starts_with('/') { target } else { "/" };
    HeaderValue::try_from(format!("https://{host}{target}")).ok()
}

#[cold]
pub(super) fn answer(client: &Rc<Client>, location: HeaderValue) -> Response<Body> {
    client.slot.enter(Phase::Idle);
    // Those of the request before.
    client.lines.borrow_mut().clear();
    let mut answer = Response::new(Body::Text(None));
    *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
    answer.headers_mut().insert(LOCATION, location);
    client.report.settled(client, StatusCode::PERMANENT_REDIRECT.as_u16());
    answer
}
