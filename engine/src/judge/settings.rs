//! What the statistics are told: limits, budgets, rules. Fixed for one generation.
//!
//! The plan turns what people write into [`Settings`]; nothing here reads configuration. What cannot be meant (a
//! limit above one half, no number) is refused there and by the file formats; the judge itself only makes sure that
//! such a value cannot make it panic or revert by accident.

use serde::{Deserialize, Serialize};

/// The four ratios that are watched; the first two can revert by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Share of failed requests.
    Failures,
    /// Share of requests slower than the limit.
    Latency,
    /// Share of 4xx answers; compared with stable only.
    #[serde(rename = "4xx")]
    C4xx,
    /// Share of client cancels; compared with stable only.
    Cancels,
}

/// Burst guard: how many failures of one start cohort may count in full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Guard {
    /// Every failure counts in full.
    Off,
    /// At most this many failures of one cohort count.
    Cap(f64),
    /// Chosen from the history of stable at the start of each step.
    Auto,
}

/// What to do when the canary is worse than stable but within its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compare {
    /// Nothing.
    Off,
    /// Pause and let a person look.
    #[default]
    Pause,
    /// Revert.
    Revert,
}

/// What happens when an outage of both arms ends as soon as the canary gets no traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CauseSuspected {
    /// The first time may be chance: resume; the second time revert.
    #[default]
    RevertOnSecond,
    /// Revert at once.
    Revert,
    /// Always resume.
    Resume,
}

/// Who runs the test: decides how much of the error budget it may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A proxy that stands alone.
    Single,
    /// The merge of all proxies.
    Controller,
    /// The local test of one of `proxies` proxies.
    Local {
        /// How many proxies share the budget.
        proxies: u32,
    },
}

/// How requests get to the canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// By an independent chance for each request.
    Coin,
    /// By user: no coin decides, so REL is advisory, the guard is 2, and stable's own ABS tells an outage of both arms.
    Sticky,
}

/// The proof that a promotion asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Promotion {
    /// Sequential evidence that the canary is within its limits.
    #[default]
    Confident,
    /// The point estimate is within the limits and at least 100 requests were seen.
    Observed,
}

/// A latency limit: at most `theta` of the requests may be slower than `limit_ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyLimit {
    /// Allowed share of slower requests (0.05 for P95).
    pub theta: f64,
    /// Milliseconds.
    pub limit_ms: u64,
}

/// When interval measurements revert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackstopRule {
    /// More than `n` failed measurements in all; `None` (written -1) never.
    FailureLimit(Option<u32>),
    /// The `n`-th failed measurement.
    Threshold(u32),
    /// `n` failed measurements in a row.
    ConsecutiveFailures(u32),
}

/// The user's interval measurements of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backstop {
    /// Failures or Latency.
    pub metric: Metric,
    /// Milliseconds between measurements.
    pub interval_ms: u64,
    /// Milliseconds that one measurement looks back.
    pub window_ms: u64,
    /// When to revert.
    pub rule: BackstopRule,
    /// Pause after more than this many inconclusive measurements.
    pub inconclusive_limit: Option<u32>,
    /// At least this many measurements before a step may end.
    pub count: Option<u32>,
    /// Compare the point estimate with the limit, without the binomial tail.
    pub exact: bool,
}

/// Everything the statistics need to know; fixed for one generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Allowed share of failed requests, 1e-4 to 0.5.
    pub theta: f64,
    /// The latency limit, if there is one.
    pub latency: Option<LatencyLimit>,
    /// P(false revert) per rollout and hour.
    pub alpha: f64,
    /// Part of alpha for failures.
    pub share_failures: f64,
    /// Part of alpha for latency.
    pub share_latency: f64,
    /// P(false revert) per shared outage.
    pub alpha_rel: f64,
    /// P(wrong promotion) per metric.
    pub alpha_promote: f64,
    /// The same in the last step.
    pub alpha_promote_last: f64,
    /// How many times as bad as stable the canary may be before REL counts against it.
    pub rho: f64,
    /// Burst guard.
    pub guard: Guard,
    /// Raw canary failures that a window needs before it may revert.
    pub min_failures: u32,
    /// A revert waits this long, in milliseconds, and is dropped if the last second looks healthy then; 0 is off.
    pub blip_tolerance_ms: u64,
    /// What to do when the canary is worse than stable though within its limits.
    pub compare: Compare,
    /// Canary requests started and done in a step before it may end.
    pub min_step_requests: u32,
    /// Planned weight steps, K.
    pub steps: u32,
    /// Whose test this is.
    pub role: Role,
    /// How requests are assigned.
    pub routing: Routing,
    /// What to do when an outage ends as soon as the canary gets no traffic.
    pub cause_suspected: CauseSuspected,
    /// Milliseconds after the start of the generation before failures count.
    pub initial_delay_failures_ms: u64,
    /// The same for latency.
    pub initial_delay_latency_ms: u64,
    /// The proof that promotion asks for.
    pub promotion: Promotion,
    /// Interval measurements; empty for none.
    pub backstops: Vec<Backstop>,
    /// Whether a shared failure also counts in interval measurements (`sharedFailure: revert`).
    pub backstop_during_hold: bool,
}

// === impl Metric ===

impl Metric {
    /// All four, in the order in which they are examined.
    pub const ALL: [Self; 4] = [Self::Failures, Self::Latency, Self::C4xx, Self::Cancels];

    /// Position in [`Metric::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Failures => 0,
            Self::Latency => 1,
            Self::C4xx => 2,
            Self::Cancels => 3,
        }
    }

    /// `failures`, `latency`, `4xx` or `cancels`, as in files, metrics and JSON.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Latency => "latency",
            Self::C4xx => "4xx",
            Self::Cancels => "cancels",
        }
    }

    /// Whether the metric has a limit of its own, so that it can revert by itself.
    pub const fn can_revert(self) -> bool {
        matches!(self, Self::Failures | Self::Latency)
    }
}

// === impl Settings ===

impl Default for Settings {
    /// 99 % must succeed, no latency limit, five steps, P(false revert) 0.001 an hour.
    fn default() -> Self {
        Self {
            theta: 0.01,
            latency: None,
            alpha: 0.001,
            share_failures: 0.5,
            share_latency: 0.25,
            alpha_rel: 0.01,
            alpha_promote: 0.05,
            alpha_promote_last: 0.01,
            rho: 1.25,
            guard: Guard::Auto,
            min_failures: 5,
            blip_tolerance_ms: 0,
            compare: Compare::Pause,
            min_step_requests: 100,
            steps: 5,
            role: Role::Single,
            routing: Routing::Coin,
            cause_suspected: CauseSuspected::RevertOnSecond,
            initial_delay_failures_ms: 0,
            initial_delay_latency_ms: 0,
            promotion: Promotion::Confident,
            backstops: Vec::new(),
            backstop_during_hold: false,
        }
    }
}

impl Settings {
    /// Allowed share of failures (or of slow requests) of `metric`; `None` where it has no limit.
    pub(crate) fn theta_of(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Failures => Some(clamped_theta(self.theta)),
            Metric::Latency => self.latency.map(|limit| clamped_theta(limit.theta)),
            Metric::C4xx | Metric::Cancels => None,
        }
    }

    /// Part of alpha that `metric` may spend; the compared ones are measured by that of failures.
    pub(crate) fn share_of(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Latency => self.share_latency,
            Metric::Failures | Metric::C4xx | Metric::Cancels => self.share_failures,
        }
    }

    /// Whether `metric` exists: without a limit every request counts as fast, and nothing is to be learnt from it.
    pub(crate) fn watches(&self, metric: Metric) -> bool {
        metric != Metric::Latency || self.latency.is_some()
    }

    /// The latency limit in milliseconds, 0 without one. Above an hour it is taken as an hour.
    pub(crate) fn limit_ms(&self) -> u64 {
        self.latency.map_or(0, |limit| limit.limit_ms.min(3_600_000))
    }

    /// First tick whose requests count for `metric`.
    pub(crate) fn first_tick(&self, metric: Metric) -> u64 {
        let delay_ms = match metric {
            Metric::Latency => self.initial_delay_latency_ms,
            Metric::Failures | Metric::C4xx | Metric::Cancels => self.initial_delay_failures_ms,
        };
        delay_ms.div_ceil(crate::units::TICK_MS)
    }
}

/// A limit as the tests use it: at least 1e-4, at most one half.
pub(crate) fn clamped_theta(theta: f64) -> f64 {
    if theta.is_nan() { 1e-4 } else { theta.clamp(1e-4, 0.5) }
}
