//! Answers with another place.
//!
//! A redirect to where the request already is would go round for ever: it is not made, and the request passes. That is
//! what lets one route send `http` to `https` and serve `https`.

use http::header::LOCATION;
use http::{HeaderName, HeaderValue, Response};

use super::{Asking, changed};
use crate::config::filters::Redirect;
use crate::data::answer::Body;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The answer; none if the request is there already.
pub(super) fn answer(redirect: &Redirect, asking: &Asking<'_>) -> Option<Response<Body>> {
    let scheme = scheme(asking);
    let is_there = redirect.scheme.is_none_or(|wanted| wanted == scheme)
        && redirect.host.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(asking.host));
    let target = redirect.path.as_ref().and_then(|path| changed(asking.target, path, asking.located.matched as usize));
    let asked = asking.target.path_and_query().map_or("/", |target| target.as_str());
    if is_there && redirect.port.is_none() && target.as_deref().is_none_or(|target| target == asked) {
        return None;
    }
    let target = one_slash(target.as_deref().unwrap_or(asked));
    let location = HeaderValue::try_from(place(redirect, asking, scheme) + &target).ok()?;
    let mut answer = Response::new(Body::Text(None));
    *answer.status_mut() = redirect.status;
    answer.headers_mut().insert(LOCATION, location);
    Some(answer)
}

/// Scheme, host and port; nothing where only the path changes, since the client knows them better than we do.
fn place(redirect: &Redirect, asking: &Asking<'_>, scheme: &str) -> String {
    let host = redirect.host.as_deref().unwrap_or(asking.host);
    if host.is_empty() || (redirect.scheme.is_none() && redirect.host.is_none() && redirect.port.is_none()) {
        return String::new();
    }
    let scheme = redirect.scheme.unwrap_or(scheme);
    let port = redirect.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}")
}

/// Two slashes at the beginning would make a host of the first element.
fn one_slash(target: &str) -> String {
    format!("/{}", target.trim_start_matches(['/', '\\']))
}

/// How the client reaches us, as far as somebody says so whom we believe.
fn scheme(asking: &Asking<'_>) -> &'static str {
    let told = asking.headers.get(X_FORWARDED_PROTO).filter(|_| asking.is_trusted);
    match told {
        Some(told) if told.as_bytes().eq_ignore_ascii_case(b"https") => "https",
        Some(_) => "http",
        None => asking.client.scheme.as_str(),
    }
}
