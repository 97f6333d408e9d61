//! The sections of the file as they are written. Types only; meaning is given beside the meant types. `strategy`,
//! `analysis` and the frame of `gates` come from the engine: the file and the custom resource have the same.

mod routes;
mod size;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use sluice_engine::plan::RawGate;
use sluice_engine::plan::raw::{RawAnalysis, RawStrategy};
use sluice_engine::units::Millis;

pub(super) use self::routes::*;
pub(super) use self::size::RawSize;
use super::{LogFormat, Propagate};
use crate::notify::Severity;

/// An entry of `listeners`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawListener {
    pub(super) address: String,
    pub(super) max_connections: Option<u64>,
    pub(super) tls: Option<RawTls>,
    #[serde(default)]
    pub(super) redirect_to_https: bool,
    pub(super) proxy_protocol: Option<RawProxyProtocol>,
    pub(super) setup_timeout: Option<Millis>,
}

/// `tls` of a listener.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) certificates: Vec<RawCertificate>,
    pub(super) client_ca: Option<String>,
    pub(super) client_auth: Option<RawClientAuth>,
    pub(super) min_version: Option<String>,
    pub(super) hsts: Option<RawHsts>,
}

/// An entry of `certificates`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawCertificate {
    pub(super) cert: String,
    pub(super) key: String,
}

/// `clientAuth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RawClientAuth {
    Require,
    Optional,
}

/// `hsts`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawHsts {
    pub(super) max_age: Millis,
    #[serde(default)]
    pub(super) include_subdomains: bool,
    #[serde(default)]
    pub(super) preload: bool,
}

/// `proxyProtocol` of a listener.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawProxyProtocol {
    pub(super) trusted_sources: Vec<String>,
}

/// `limits`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) max_connections: Option<u64>,
    pub(super) max_connections_per_client: Option<u64>,
    pub(super) max_memory: Option<String>,
}

/// `admin`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawAdmin {
    pub(super) address: Option<String>,
    pub(super) auth: Option<RawAuth>,
    pub(super) allowed_hosts: Vec<String>,
}

/// `admin.auth`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawAuth {
    pub(super) token_file: Option<String>,
    pub(super) reads: bool,
}

/// `compat`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawCompat {
    pub(super) nginx_metrics: bool,
    pub(super) namespace: Option<String>,
}

/// `accessLog`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawAccessLog {
    pub(super) format: LogFormat,
    pub(super) path: Option<String>,
    pub(super) sample: Option<f64>,
    pub(super) failures: bool,
    pub(super) buffer: Option<u64>,
}

/// `tracing`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawTracing {
    pub(super) propagate: Propagate,
    pub(super) sample: Option<f64>,
}

/// An entry of `rollouts`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawRollout {
    pub(super) name: String,
    pub(super) stable: RawArm,
    pub(super) canary: Option<RawArm>,
    #[serde(default)]
    pub(super) routing: RawRouting,
    pub(super) strategy: Option<RawStrategy>,
    #[serde(default)]
    pub(super) analysis: RawAnalysis,
    #[serde(default)]
    pub(super) skip_analysis: bool,
    #[serde(default)]
    pub(super) gates: Vec<RawGate<RawGateWebhook>>,
}

/// `webhook` of a gate.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawGateWebhook {
    pub(super) url: String,
    pub(super) timeout: Option<Millis>,
    pub(super) interval: Option<Millis>,
    pub(super) secret_file: Option<String>,
    pub(super) ca_file: Option<String>,
}

/// `stable` and `canary`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawArm {
    pub(super) version: String,
    pub(super) endpoints: Vec<String>,
}

/// `routing` of a rollout.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawRouting {
    pub(super) header: Option<RawRule>,
    pub(super) cookie: Option<RawRule>,
    pub(super) r#match: Vec<RawMatch>,
    pub(super) sticky: Option<RawSticky>,
    pub(super) trusted_sources: Vec<String>,
    pub(super) directed_after_revert: RawArmName,
    pub(super) shield: RawShield,
}

/// `routing.header` and `routing.cookie`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) pattern: Option<String>,
}

/// An entry of `routing.match`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawMatch {
    pub(super) headers: BTreeMap<String, RawTest>,
    pub(super) cookies: BTreeMap<String, RawTest>,
    pub(super) query: BTreeMap<String, RawTest>,
}

/// What a value must be: a text, or `{ exact | prefix | regex }`.
#[derive(Debug)]
pub(super) enum RawTest {
    Exact(String),
    Prefix(String),
    Regex(String),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TestSection {
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
}

/// `routing.sticky`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawSticky {
    pub(super) cookie: Option<String>,
    pub(super) ttl: Option<Millis>,
    pub(super) header: Option<String>,
}

/// `routing.directedAfterRevert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RawArmName {
    #[default]
    Stable,
    Canary,
}

/// `routing.shield`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RawShield {
    #[default]
    Safe,
    Off,
}

/// `upstream`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawUpstream {
    pub(super) connect_timeout: Option<Millis>,
    pub(super) request_timeout: Option<Millis>,
    pub(super) retries: Option<u64>,
    pub(super) keepalive: Option<u64>,
    pub(super) keepalive_timeout: Option<Millis>,
    pub(super) health_check: Option<RawHealthCheck>,
    pub(super) resolve_interval: Option<Millis>,
    pub(super) tls: Option<RawUpstreamTls>,
    pub(super) forwarded_header: bool,
}

/// `upstream.tls`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawUpstreamTls {
    pub(super) ca_file: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) client_certificate: Option<RawCertificate>,
    pub(super) insecure_skip_verify: bool,
}

/// `upstream.healthCheck`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawHealthCheck {
    pub(super) path: String,
    pub(super) interval: Option<Millis>,
    pub(super) timeout: Option<Millis>,
    pub(super) healthy_after: Option<u64>,
    pub(super) unhealthy_after: Option<u64>,
}

/// An entry of `notifications`: one way, and what it is told.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawDestination {
    pub(super) name: Option<String>,
    pub(super) on: Option<Vec<RawKind>>,
    pub(super) rollouts: Vec<String>,
    pub(super) template: Option<String>,
    pub(super) slack: Option<RawHook>,
    pub(super) teams: Option<RawHook>,
    pub(super) pagerduty: Option<RawPagerDuty>,
    pub(super) webhook: Option<RawWebhook>,
}

/// What `on` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RawKind {
    All,
    Started,
    Step,
    Paused,
    Resumed,
    Held,
    Suspended,
    Reverted,
    Aborted,
    Completed,
    ConfigurationRefused,
}

/// `slack` and `teams`: the address is the secret.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawHook {
    pub(super) webhook_url_file: String,
}

/// `pagerduty`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawPagerDuty {
    pub(super) routing_key_file: String,
    pub(super) severity: Option<Severity>,
    pub(super) url: Option<String>,
}

/// `webhook`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawWebhook {
    pub(super) url: Option<String>,
    pub(super) url_file: Option<String>,
    pub(super) secret_file: Option<String>,
    pub(super) authorization_file: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) ca_file: Option<String>,
}

// === impl RawAccessLog ===

impl Default for RawAccessLog {
    fn default() -> Self {
        Self { format: LogFormat::default(), path: None, sample: None, failures: true, buffer: None }
    }
}

// === impl RawTest ===

impl<'de> Deserialize<'de> for RawTest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for as text, so that `true` and `1.10` stay what was written.
        deserializer.deserialize_string(TestVisitor)
    }
}

struct TestVisitor;

impl<'de> Visitor<'de> for TestVisitor {
    type Value = RawTest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a section with one of exact, prefix and regex")
    }

    fn visit_str<E>(self, text: &str) -> Result<RawTest, E> {
        Ok(RawTest::Exact(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<RawTest, A::Error> {
        let section = TestSection::deserialize(MapAccessDeserializer::new(access))?;
        match (section.exact, section.prefix, section.regex) {
            (Some(text), None, None) => Ok(RawTest::Exact(text)),
            (None, Some(text), None) => Ok(RawTest::Prefix(text)),
            (None, None, Some(text)) => Ok(RawTest::Regex(text)),
            _ => Err(de::Error::custom("just one of exact, prefix and regex is allowed")),
        }
    }
}
