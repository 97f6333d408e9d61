//! What a configuration file means. CONTRACT: the meant types; `config/raw.rs` holds what is written, and one
//! `TryFrom` per section leads from there to here, collecting every finding with file, line, column, value and what
//! is allowed.

mod address;
mod admin;
pub mod filters;
mod findings;
mod gates;
mod host;
mod limits;
mod listener;
mod load;
mod notifications;
mod observe;
mod range;
mod raw;
mod read;
mod receiver;
mod rollouts;
mod routes;
mod routing;
mod scope;
mod suggest;
#[cfg(test)]
mod tests;
mod tls;
mod tree;
mod upstream;
mod workers;
mod yaml;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use sluice_engine::plan::Plan;
use sluice_engine::units::Millis;

use crate::notify::Destination;
use crate::outbound::{SecretFile, Trust, Url};
use crate::tls::{CertificateFiles, UpstreamTls};

pub use address::endpoint;
pub use filters::RouteFilters;
pub use findings::{ConfigErrors, Finding, Position, WithExcerpts};
pub use load::check;
pub(crate) use load::read_bytes;

/// A whole, valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// At least one.
    pub listeners: Vec<Listener>,
    /// Admin API; default 127.0.0.1:9900.
    pub admin: Admin,
    /// Vetoes, promoted versions, admin token. Relative to the configuration file.
    pub state_dir: PathBuf,
    /// Worker threads, at least one.
    pub workers: usize,
    /// In the order of the file; names are unique.
    pub rollouts: Vec<RolloutConfig>,
    /// In the order of the file. Without any, and with exactly one rollout, everything goes to that rollout.
    pub routes: Vec<RouteConfig>,
    /// On what clients may take.
    pub limits: ConnectionLimits,
    /// Towards upstreams.
    pub upstream: UpstreamSettings,
    /// Peers whose client address headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who is told what happens; names are unique.
    pub notifications: Vec<Destination>,
    /// Names that others are used to.
    pub compat: Compat,
    /// One line for each request, if any.
    pub access_log: Option<AccessLog>,
    /// W3C trace context.
    pub tracing: Tracing,
}

/// A data port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen.
    pub address: SocketAddr,
    /// Connections at a time; default 10,000.
    pub max_connections: usize,
    /// TLS, if it is spoken here.
    pub tls: Option<TlsSettings>,
    /// Every request but those for `/.well-known/acme-challenge/` is sent to the same address by https.
    pub redirect_to_https: bool,
    /// Peers that say by the PROXY protocol who their client is; empty: nobody.
    pub proxy_protocol: Vec<IpNet>,
    /// From connecting to the end of the PROXY header and the TLS handshake; default 10 s.
    pub setup_timeout: Millis,
}

/// `tls` of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// At least one; the first is for clients that name none of the others.
    pub certificates: Vec<CertificateFiles>,
    /// Whose clients are let in.
    pub client_auth: Option<ClientAuth>,
    /// Older ones are refused.
    pub min_version: TlsVersion,
    /// `Strict-Transport-Security` of answers.
    pub hsts: Option<HeaderValue>,
}

/// Clients show certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Authorities that vouch for them.
    pub ca: PathBuf,
    /// Who shows none is refused.
    pub is_required: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246).
    V1_2,
    /// 1.3 (RFC 8446).
    V1_3,
}

/// `limits:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at a time, of all listeners together; as many as there are file descriptors for, otherwise.
    pub max_connections: Option<usize>,
    /// Connections at a time of one address (of IPv6: one network of 64 bits).
    pub max_connections_per_client: Option<usize>,
    /// Bytes that the process may have in memory, besides what its control group allows.
    pub max_memory: Option<u64>,
}

/// The admin API's address and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where to listen; not loopback only with `auth`.
    pub address: SocketAddr,
    /// `admin.auth.reads`: reads need the token too.
    pub auth_for_reads: bool,
    /// Host names besides loopback and the address itself that `Host` may carry.
    pub allowed_hosts: Vec<String>,
    /// Where the token is kept; default `<stateDir>/admin.token`.
    pub token_file: PathBuf,
}

/// One rollout.
#[derive(Clone, Debug)]
pub struct RolloutConfig {
    /// Unique; letters, digits, `-`, `_`, `.`.
    pub name: Arc<str>,
    /// The version known to work.
    pub stable: ArmConfig,
    /// The version under test, if any.
    pub canary: Option<ArmConfig>,
    /// How requests are assigned.
    pub routing: Routing,
    /// Strategy, analysis and the gates' names and points, validated.
    pub plan: Plan,
    /// How the gates of the plan are asked, in the same order.
    pub gates: Vec<Arc<GateConfig>>,
}

/// How a gate is asked.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// Its name in the plan.
    pub name: Arc<str>,
    /// Whom to ask.
    pub url: Url,
    /// For the whole exchange; default 5 s.
    pub timeout: Millis,
    /// Asked again so long after an answer; default 10 s.
    pub interval: Millis,
    /// Signs what is asked.
    pub secret: Option<SecretFile>,
    /// Authorities that are trusted.
    pub trust: Trust,
}

/// A version and its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmConfig {
    /// Version name.
    pub version: Arc<str>,
    /// `host:port` each, at least one.
    pub endpoints: Vec<Arc<str>>,
}

/// `routing:` of a rollout.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// `always|true` to canary, `never|false` to stable; or by value or pattern.
    pub header: Option<HeaderRule>,
    /// The same by a cookie's value.
    pub cookie: Option<CookieRule>,
    /// A/B: the first rule of which all conditions match sends to the canary.
    pub matches: Vec<MatchRule>,
    /// Keeps a user on one arm.
    pub sticky: Option<Sticky>,
    /// Peers whose routing header and cookie count; empty: everyone's.
    pub trusted_sources: Vec<IpNet>,
    /// Directed traffic to a reverted canary: false to stable (default), true to the canary all the same.
    pub directed_after_revert: bool,
    /// `shield: safe` (default true) or `off`.
    pub shield: bool,
    /// Blue-green: requests for this host go to the canary arm.
    pub preview_host: Option<String>,
    /// Blue-green: requests with this header (value `true` or `always`) go to the canary arm.
    pub preview_header: Option<HeaderName>,
}

/// `routing.header`.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// Name.
    pub name: HeaderName,
    /// What counts.
    pub test: ValueTest,
}

/// `routing.cookie`.
#[derive(Clone, Debug)]
pub struct CookieRule {
    /// Name.
    pub name: String,
    /// What counts.
    pub test: ValueTest,
}

/// How a routing header's or cookie's value is read.
#[derive(Clone, Debug)]
pub enum ValueTest {
    /// `always` and `true` to canary, `never` and `false` to stable.
    Switch,
    /// Exactly this value to canary; others fall through.
    Value(HeaderValue),
    /// A match to canary (searched, not anchored, as ingress-nginx does); others fall through.
    Pattern(regex::bytes::Regex),
}

/// One A/B rule: all conditions must match.
#[derive(Clone, Debug)]
pub struct MatchRule {
    /// At least one.
    pub conditions: Vec<Condition>,
}

/// One condition of a match rule.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What is looked at.
    pub field: MatchField,
    /// What it must be.
    pub test: MatchTest,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchField {
    /// A request header.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// A query parameter, percent-decoded.
    Query(String),
}

/// What a value must be.
#[derive(Clone, Debug)]
pub enum MatchTest {
    /// Equal.
    Exact(String),
    /// Begins with.
    Prefix(String),
    /// Matches, searched.
    Regex(regex::bytes::Regex),
}

/// `routing.sticky`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// A cookie that the proxy sets.
    Cookie {
        /// Name.
        name: String,
        /// Its Max-Age.
        ttl: Millis,
    },
    /// A header that names the user.
    Header(HeaderName),
}

/// One route.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// Exact (`shop.example`) or wildcard for one label (`*.shop.example`), lower case; empty: any host.
    pub hosts: Vec<String>,
    /// Empty: any path.
    pub paths: Vec<PathRule>,
    /// Where to.
    pub target: RouteTarget,
    /// What else is done with its requests, if anything.
    pub filters: Option<Arc<RouteFilters>>,
}

/// A path of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRule {
    /// The whole path.
    Exact(String),
    /// Element-wise prefix, as Ingress defines it.
    Prefix(String),
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// Index into [`Config::rollouts`].
    Rollout(usize),
    /// Endpoints without rollout; none where every request is redirected.
    Endpoints(Vec<Arc<str>>),
}

/// `upstream:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Default 5 s.
    pub connect_timeout: Millis,
    /// From the request's head to the answer's head; default 60 s.
    pub request_timeout: Millis,
    /// Retries of idempotent requests of which nothing was sent; default 1.
    pub retries: u32,
    /// Idle upstream connections kept per worker and endpoint; default 64.
    pub keepalive: usize,
    /// How long an idle upstream connection is kept; default 60 s.
    pub keepalive_timeout: Millis,
    /// Active health check, if any.
    pub health_check: Option<HealthCheck>,
    /// How often DNS names are resolved again; default 10 s.
    pub resolve_interval: Millis,
    /// Towards `https://` endpoints.
    pub tls: UpstreamTls,
    /// `Forwarded` (RFC 7239) besides `X-Forwarded-*`; default false.
    pub forwarded_header: bool,
}

/// `upstream.healthCheck`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path that must answer 2xx or 3xx.
    pub path: String,
    /// Between checks; default 5 s.
    pub interval: Millis,
    /// For an answer; default 1 s.
    pub timeout: Millis,
    /// Passes in a row that make it healthy; default 1.
    pub healthy_after: usize,
    /// Failures in a row that make it unhealthy; default 3.
    pub unhealthy_after: usize,
    /// Towards `https://` endpoints, as requests go.
    pub tls: UpstreamTls,
}

/// `compat:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    /// Series named and labelled as ingress-nginx has them; default false.
    pub nginx_metrics: bool,
    /// Their label `namespace`; default `default`.
    pub namespace: Arc<str>,
}

/// `accessLog:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// How a line looks; default `json`.
    pub format: LogFormat,
    /// Where it goes; default `stdout`.
    pub path: LogPath,
    /// Share of the requests that are logged; default all.
    pub sample: Sample,
    /// Failed requests and answers of 5xx are logged whatever the sample says; default true.
    pub failures: bool,
    /// Lines that a worker may be ahead of the writer; what comes on top is dropped and counted.
    pub buffer: usize,
}

/// `accessLog.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// One object a line, with all fields.
    #[default]
    Json,
    /// Apache's and nginx's combined format.
    Combined,
}

/// `accessLog.path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPath {
    /// Standard output.
    Stdout,
    /// A file, relative to the configuration file. It is opened again when it was renamed, and upon SIGHUP.
    File(PathBuf),
}

/// A share of all requests, as a bound for 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample(u64);

/// `tracing:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// What becomes of `traceparent` and `tracestate`; default `present`.
    pub propagate: Propagate,
    /// Of the traces begun here, the share that says that it is sampled; default 1 %.
    pub sample: Sample,
}

/// `tracing.propagate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Propagate {
    /// Both fields pass as they came.
    #[default]
    Present,
    /// A valid `traceparent` is kept; a request without one begins a trace.
    Always,
    /// Neither field is passed on.
    Off,
}

// === impl Listener ===

impl Listener {
    /// One in clear, with the defaults.
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            max_connections: 10_000,
            tls: None,
            redirect_to_https: false,
            proxy_protocol: Vec::new(),
            setup_timeout: Millis::new(10_000),
        }
    }
}

// === impl UpstreamSettings ===

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Millis::new(5_000),
            request_timeout: Millis::new(60_000),
            retries: 1,
            keepalive: 64,
            keepalive_timeout: Millis::new(60_000),
            health_check: None,
            resolve_interval: Millis::new(10_000),
            tls: UpstreamTls::default(),
            forwarded_header: false,
        }
    }
}
