//! What a route does with its requests besides forwarding them. CONTRACT: the meant types; each file below gives one
//! setting its meaning.
//!
//! A route that sets none of it has no [`RouteFilters`] at all, so that its requests pay one look for that.

mod basic_auth;
mod compression;
mod cors;
mod endpoints;
mod error_pages;
mod external_auth;
mod headers;
mod limits;
mod mirror;
mod path;
mod redirect;

use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use ipnet::IpNet;
use sluice_engine::units::Millis;

pub use self::basic_auth::BasicAuth;
pub use self::compression::{Compression, Encoding};
pub use self::cors::Cors;
pub use self::endpoints::{Affinity, Balance};
pub use self::error_pages::{ErrorPages, Page};
pub use self::external_auth::ExternalAuth;
pub use self::headers::HeaderEdits;
pub use self::path::{PathChange, Template};
use super::raw::RawRoute;
use super::scope::Scope;
use super::{Sample, address};

/// The settings of one route.
#[derive(Clone, Debug, Default)]
pub struct RouteFilters {
    /// Answers with another place.
    pub redirect: Option<Redirect>,
    /// Changes the target on its way to the upstream.
    pub rewrite: Option<Rewrite>,
    /// Changes the fields on their way to the upstream.
    pub request_headers: HeaderEdits,
    /// Changes the fields of every answer, our own included.
    pub response_headers: HeaderEdits,
    /// Replaces settings of `upstream:`.
    pub upstream: UpstreamOverrides,
    /// Bytes that a request's body may have.
    pub max_body_size: Option<u64>,
    /// Client addresses that are let in; empty: all.
    pub allow: Vec<IpNet>,
    /// Client addresses that are not, though `allow` has them.
    pub deny: Vec<IpNet>,
    /// Which pages of other origins may read the answers.
    pub cors: Option<Cors>,
    /// Users with passwords.
    pub basic_auth: Option<BasicAuth>,
    /// Of each client.
    pub rate_limit: Option<RateLimit>,
    /// Somebody who is asked whether a request may pass.
    pub external_auth: Option<ExternalAuth>,
    /// Keeps a client on one endpoint of its arm.
    pub affinity: Option<Affinity>,
    /// How endpoints are chosen otherwise.
    pub balance: Balance,
    /// In place of the proxy's own lines of text.
    pub error_pages: Option<ErrorPages>,
    /// Of the requests that stable gets, the share of which the canary gets a copy.
    pub mirror: Option<Sample>,
    /// Of answers whose content is worth it.
    pub compression: Option<Compression>,
}

/// `rateLimit:`, at least one of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RateLimit {
    /// How fast requests may come.
    pub rate: Option<Rate>,
    /// How many may be under way at a time.
    pub concurrent: Option<usize>,
}

/// `requestsPerSecond` and `burst`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// From one thousandth to a million.
    pub per_second: f64,
    /// That may come at once, at least 1.
    pub burst: usize,
}

/// `timeouts:` and `retries:`; what is not set is as in `upstream:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpstreamOverrides {
    /// To connect.
    pub connect_timeout: Option<Millis>,
    /// From the request's head to the answer's head.
    pub request_timeout: Option<Millis>,
    /// Of idempotent requests of which nothing was sent.
    pub retries: Option<u32>,
}

/// `redirect:`. What is left out stays as it was asked for.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<&'static str>,
    /// Without port.
    pub host: Option<String>,
    /// Only one that is not the scheme's own needs to be written.
    pub port: Option<u16>,
    /// The new path; the query stays.
    pub path: Option<PathChange>,
    /// 301, 302, 303, 307 or 308; default 302.
    pub status: StatusCode,
}

/// `rewrite:`.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The `Host` that the upstream gets.
    pub host: Option<http::HeaderValue>,
    /// The path that it gets; the query stays.
    pub path: Option<PathChange>,
}

// === impl RouteFilters ===

impl RouteFilters {
    /// The filters of a route; none if it sets none.
    pub(super) fn from_raw(raw: &RawRoute, directory: &Path, scope: &Scope<'_>) -> Option<Option<Arc<Self>>> {
        if !raw.has_filters() {
            return Some(None);
        }
        let redirect = optional(raw.redirect.as_ref(), |raw| Redirect::from_raw(raw, &scope.key("redirect")));
        let rewrite = optional(raw.rewrite.as_ref(), |raw| Rewrite::from_raw(raw, &scope.key("rewrite")));
        let request_headers = HeaderEdits::of_requests(raw.request_headers.as_ref(), &scope.key("requestHeaders"));
        let response_headers = HeaderEdits::of_answers(raw.response_headers.as_ref(), &scope.key("responseHeaders"));
        let upstream = UpstreamOverrides::from_raw(raw, scope);
        let max_body_size =
            optional(raw.max_body_size.as_ref(), |size| limits::body_size(*size, &scope.key("maxBodySize")));
        let allow = address::networks(&raw.allow, &scope.key("allow"));
        let deny = address::networks(&raw.deny, &scope.key("deny"));
        let cors = optional(raw.cors.as_ref(), |raw| Cors::from_raw(raw, &scope.key("cors")));
        let basic_auth =
            optional(raw.basic_auth.as_ref(), |raw| BasicAuth::from_raw(raw, directory, &scope.key("basicAuth")));
        let rate_limit = optional(raw.rate_limit.as_ref(), |raw| RateLimit::from_raw(raw, &scope.key("rateLimit")));
        let external_auth =
            optional(raw.external_auth.as_ref(), |raw| ExternalAuth::from_raw(raw, &scope.key("externalAuth")));
        let affinity = optional(raw.affinity.as_ref(), |raw| Affinity::from_raw(raw, &scope.key("affinity")));
        let error_pages =
            optional(raw.error_pages.as_ref(), |raw| ErrorPages::from_raw(raw, directory, &scope.key("errorPages")));
        let mirror = optional(raw.mirror.as_ref(), |mirror| mirror::share(mirror, raw, &scope.key("mirror")));
        let compression =
            optional(raw.compression.as_ref(), |raw| Compression::from_raw(raw, &scope.key("compression")));
        Some(Some(Arc::new(Self {
            redirect: redirect?,
            rewrite: rewrite?,
            request_headers: request_headers?,
            response_headers: response_headers?,
            upstream: upstream?,
            max_body_size: max_body_size?,
            allow: allow?,
            deny: deny?,
            cors: cors?,
            basic_auth: basic_auth?,
            rate_limit: rate_limit?,
            external_auth: external_auth?,
            affinity: affinity?,
            balance: raw.balance.unwrap_or_default(),
            error_pages: error_pages?,
            mirror: mirror?,
            compression: compression?,
        })))
    }
}

/// Nothing written is nothing meant; `None` only if what is written means nothing.
fn optional<R: ?Sized, T>(raw: Option<&R>, make: impl FnOnce(&R) -> Option<T>) -> Option<Option<T>> {
    match raw {
        Some(raw) => make(raw).map(Some),
        None => Some(None),
    }
}
