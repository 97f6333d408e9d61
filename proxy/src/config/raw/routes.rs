//! `routes` as it is written: where each route leads, and what it does with its requests.

use std::collections::BTreeMap;

use sluice_engine::units::Millis;

use super::size::RawSize;
use crate::config::filters::{Balance, Encoding};

/// An entry of `routes`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawRoute {
    pub(in crate::config) hosts: Vec<String>,
    pub(in crate::config) paths: Vec<RawPath>,
    pub(in crate::config) rollout: Option<String>,
    pub(in crate::config) endpoints: Option<Vec<String>>,
    pub(in crate::config) redirect: Option<RawRedirect>,
    pub(in crate::config) rewrite: Option<RawRewrite>,
    pub(in crate::config) request_headers: Option<RawHeaderEdits>,
    pub(in crate::config) response_headers: Option<RawHeaderEdits>,
    pub(in crate::config) timeouts: Option<RawTimeouts>,
    pub(in crate::config) retries: Option<u64>,
    pub(in crate::config) max_body_size: Option<RawSize>,
    pub(in crate::config) allow: Vec<String>,
    pub(in crate::config) deny: Vec<String>,
    pub(in crate::config) cors: Option<RawCors>,
    pub(in crate::config) basic_auth: Option<RawBasicAuth>,
    pub(in crate::config) rate_limit: Option<RawRateLimit>,
    pub(in crate::config) external_auth: Option<RawExternalAuth>,
    pub(in crate::config) affinity: Option<RawAffinity>,
    pub(in crate::config) balance: Option<Balance>,
    pub(in crate::config) error_pages: Option<RawErrorPages>,
    pub(in crate::config) mirror: Option<RawMirror>,
    pub(in crate::config) compression: Option<RawCompression>,
}

/// An entry of `paths`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum RawPath {
    Prefix(String),
    Exact(String),
}

/// `redirect` of a route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawRedirect {
    pub(in crate::config) scheme: Option<RawScheme>,
    pub(in crate::config) host: Option<String>,
    pub(in crate::config) port: Option<u64>,
    pub(in crate::config) path: Option<String>,
    pub(in crate::config) prefix: Option<String>,
    pub(in crate::config) regex: Option<String>,
    pub(in crate::config) to: Option<String>,
    pub(in crate::config) status: Option<u64>,
}

/// `redirect.scheme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum RawScheme {
    Http,
    Https,
}

/// `rewrite` of a route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawRewrite {
    pub(in crate::config) host: Option<String>,
    pub(in crate::config) path: Option<String>,
    pub(in crate::config) prefix: Option<String>,
    pub(in crate::config) regex: Option<String>,
    pub(in crate::config) to: Option<String>,
}

/// `requestHeaders` and `responseHeaders` of a route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawHeaderEdits {
    pub(in crate::config) set: BTreeMap<String, String>,
    pub(in crate::config) add: BTreeMap<String, String>,
    pub(in crate::config) remove: Vec<String>,
}

/// `timeouts` of a route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawTimeouts {
    pub(in crate::config) connect: Option<Millis>,
    pub(in crate::config) request: Option<Millis>,
}

/// `cors` of a route.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RawCors {
    pub(in crate::config) origins: Vec<String>,
    pub(in crate::config) methods: Option<Vec<String>>,
    pub(in crate::config) headers: Option<Vec<String>>,
    #[serde(default)]
    pub(in crate::config) expose_headers: Vec<String>,
    #[serde(default)]
    pub(in crate::config) credentials: bool,
    pub(in crate::config) max_age: Option<Millis>,
}

/// `basicAuth` of a route.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RawBasicAuth {
    pub(in crate::config) file: String,
    pub(in crate::config) realm: Option<String>,
}

/// `rateLimit` of a route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawRateLimit {
    pub(in crate::config) requests_per_second: Option<f64>,
    pub(in crate::config) burst: Option<u64>,
    pub(in crate::config) concurrent: Option<u64>,
}

/// `externalAuth` of a route.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RawExternalAuth {
    pub(in crate::config) url: String,
    pub(in crate::config) signin: Option<String>,
    pub(in crate::config) timeout: Option<Millis>,
    #[serde(default)]
    pub(in crate::config) copy_headers: Vec<String>,
}

/// `affinity` of a route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawAffinity {
    pub(in crate::config) cookie: Option<String>,
    pub(in crate::config) ttl: Option<Millis>,
}

/// `errorPages` of a route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawErrorPages {
    pub(in crate::config) files: BTreeMap<String, String>,
    pub(in crate::config) upstream: bool,
}

/// `mirror` of a route.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RawMirror {
    pub(in crate::config) percent: f64,
}

/// `compression` of a route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct RawCompression {
    pub(in crate::config) encodings: Option<Vec<Encoding>>,
    pub(in crate::config) types: Option<Vec<String>>,
    pub(in crate::config) min_size: Option<RawSize>,
}

// === impl RawRoute ===

impl RawRoute {
    /// Whether more is written than where the route leads. Every key is named, so that none can be forgotten.
    pub(in crate::config) fn has_filters(&self) -> bool {
        let Self {
            hosts: _,
            paths: _,
            rollout: _,
            endpoints: _,
            redirect,
            rewrite,
            request_headers,
            response_headers,
            timeouts,
            retries,
            max_body_size,
            allow,
            deny,
            cors,
            basic_auth,
            rate_limit,
            external_auth,
            affinity,
            balance,
            error_pages,
            mirror,
            compression,
        } = self;
        redirect.is_some()
            || rewrite.is_some()
            || request_headers.is_some()
            || response_headers.is_some()
            || timeouts.is_some()
            || retries.is_some()
            || max_body_size.is_some()
            || !allow.is_empty()
            || !deny.is_empty()
            || cors.is_some()
            || basic_auth.is_some()
            || rate_limit.is_some()
            || external_auth.is_some()
            || affinity.is_some()
            || balance.is_some()
            || error_pages.is_some()
            || mirror.is_some()
            || compression.is_some()
    }
}
