//! Answers to browsers that ask whether a page may ask, and the fields that let it read.
//!
//! A preflight is answered here: it carries no credentials, so nobody behind us could judge it better. On all other
//! answers the configuration's word replaces the upstream's.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::Asking;
use crate::config::filters::Cors;
use crate::data::answer::Body;

/// The origin to name in the answer, if the page may read it.
pub(super) fn origin(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ORIGIN).and_then(|origin| cors.allow(origin))
}

/// The answer to a preflight; none for any other request. Whether the page may ask is said when the answer is finished.
pub(super) fn preflight(cors: &Cors, asking: &Asking<'_>, is_allowed: bool) -> Option<Response<Body>> {
    let asks = |name: HeaderName| asking.headers.contains_key(name);
    if *asking.method != Method::OPTIONS || !asks(ORIGIN) || !asks(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut answer = Response::new(Body::Text(None));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    if is_allowed {
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, cors.methods.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, cors.headers.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, cors.max_age.clone());
    }
    Some(answer)
}

/// Says in an answer who may read it.
pub(super) fn finish(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS] {
        headers.remove(name);
    }
    if !cors.is_open() {
        vary(headers, "origin", HeaderValue::from_static("Origin"));
    }
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if let Some(exposed) = &cors.exposed {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
    }
}

/// Tells caches that the answer depends on a field of the request, unless they know.
pub(super) fn vary(headers: &mut HeaderMap, name: &str, value: HeaderValue) {
    let tokens = headers.get_all(VARY).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    let mut tokens = tokens.map(<[u8]>::trim_ascii);
    if !tokens.any(|token| token == b"*" || token.eq_ignore_ascii_case(name.as_bytes())) {
        headers.append(VARY, value);
    }
}
