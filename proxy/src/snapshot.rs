//! Everything a worker needs to route, immutable, swapped as one pointer.
//!
//! What can be decided when a configuration or a weight changes is decided here, so that a request only indexes.
//! Changing a weight replaces one [`RolloutView`]; all else is shared with the snapshot before.

mod filters;
mod places;
mod routes;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use sluice_engine::split;
use sluice_engine::units::{TICK_MS, Weight};

pub use self::filters::Filters;
pub use self::places::Place;
pub use self::routes::{Located, RouteTable};

use crate::config::{Routing, Tracing, UpstreamSettings};
use crate::counters::GenerationCounters;
use crate::endpoint::Endpoint;

/// What workers load once per request.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows with every swap.
    pub serial: u64,
    /// Host and path to target.
    pub routes: Arc<RouteTable>,
    /// By the index that [`Target::Rollout`] names.
    pub rollouts: Vec<Arc<RolloutView>>,
    /// Plain routes' endpoints, by the index that [`Target::Plain`] names.
    pub plain: Arc<Vec<Arc<ArmView>>>,
    /// Of the routes that have some, by the number that [`Located`] names.
    pub filters: Arc<Vec<Arc<Filters>>>,
    /// Time-outs and retries towards upstreams.
    pub upstream: Arc<UpstreamSettings>,
    /// Peers whose client address headers are believed and appended to.
    pub trusted_proxies: Arc<Vec<IpNet>>,
    /// What becomes of trace context.
    pub tracing: Tracing,
}

/// One rollout as a worker sees it.
#[derive(Clone, Debug)]
pub struct RolloutView {
    /// Name, for logs.
    pub name: Arc<str>,
    /// Number of the generation whose counters these are.
    pub generation: u64,
    /// Arm that is known to work.
    pub stable: Arc<ArmView>,
    /// Arm under test, if any.
    pub canary: Option<Arc<ArmView>>,
    /// Share of undirected traffic.
    pub split: Split,
    /// The canary of this generation was taken back (or the generation is over): directed traffic goes to stable
    /// unless `routing.directedAfterRevert` says otherwise.
    pub reverted: bool,
    /// Number of the present weight step of this generation, for late outcomes.
    pub step: u32,
    /// Header, cookie, match rules, sticky, shield, preview.
    pub routing: Arc<RoutingRules>,
    /// Process clock, microseconds, at which tick 0 of the generation began.
    pub origin_us: u64,
    /// Latency limit, microseconds; `u64::MAX` without one.
    pub limit_us: u64,
    /// Where to count.
    pub counters: Arc<GenerationCounters>,
}

/// A weight, and from which tick on. Changes take effect on a tick boundary so that a cohort has one weight;
/// lowering to 0 is immediate (`from_tick` 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Before `from_tick`.
    pub former: Weight,
    /// From `from_tick` on.
    pub weight: Weight,
    /// Tick of the generation.
    pub from_tick: u64,
}

/// A set of endpoints with a version name.
#[derive(Debug)]
pub struct ArmView {
    /// Version name.
    pub version: Arc<str>,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<Arc<Endpoint>>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Index into [`Snapshot::rollouts`].
    Rollout(usize),
    /// Index into [`Snapshot::plain`].
    Plain(usize),
}

/// Routing rules of one rollout in the form a worker evaluates (regexes compiled, header names parsed).
#[derive(Debug)]
pub struct RoutingRules {
    /// As configured.
    pub settings: Routing,
    /// Salt of sticky buckets: from rollout name and canary version, so that every release draws its users anew.
    pub sticky_salt: u64,
}

// === impl Split ===

impl Split {
    /// The same weight for every cohort, from the first on.
    pub const fn constant(weight: Weight) -> Self {
        Self { former: weight, weight, from_tick: 0 }
    }

    /// The weight of a cohort.
    pub fn at(self, tick: u64) -> Weight {
        if tick >= self.from_tick { self.weight } else { self.former }
    }
}

// === impl RolloutView ===

impl RolloutView {
    /// The tick of this generation to which a point in time belongs.
    #[inline]
    pub fn tick_at(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.origin_us) / TICK_US
    }
}

// === impl RoutingRules ===

impl RoutingRules {
    /// Rules whose sticky buckets are drawn anew for every canary version of every rollout.
    pub fn new(settings: Routing, rollout: &str, canary_version: &str) -> Self {
        Self { settings, sticky_salt: split::salt(&[rollout, canary_version]) }
    }
}

/// Length of a tick in microseconds.
const TICK_US: u64 = TICK_MS * 1_000;

/// Whether the peer may say who the client is.
pub fn is_trusted(trusted: &[IpNet], peer: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&peer))
}
