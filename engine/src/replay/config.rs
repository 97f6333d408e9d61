//! Settings of a trace as files write them, and what they mean to the judge.
//!
//! Every field has a default; a file names what it changes.

use serde::{Deserialize, Serialize};

use super::{GuardSetting, ReplayError, RoleName, checks};
use crate::judge::{Compare, Guard, LatencyLimit, Settings};

/// Longest latency limit: an hour.
const MOST_LIMIT_MS: f64 = 3_600_000.0;

/// Settings of a trace, all with defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TraceConfig {
    /// Share of requests that must succeed.
    pub success_rate: f64,
    /// Latency limit.
    pub latency: Option<TraceLatency>,
    /// P(false revert) per rollout and hour.
    pub alpha: f64,
    /// Parts of alpha.
    pub shares: TraceShares,
    /// Planned weight steps.
    pub steps: u32,
    /// Burst guard.
    pub guard: GuardSetting,
    /// Raw canary failures that a window needs.
    pub min_failures: u32,
    /// P(false revert) per shared outage.
    pub alpha_rel: f64,
    /// How many times as bad as stable the canary may be.
    pub rho: f64,
    /// Whose test it is.
    pub role: RoleName,
    /// Proxies that share the budget, with role `local`.
    pub proxies: u32,
    /// Comparison below the limit.
    pub compare: Compare,
    /// How long a revert waits for a blip to pass.
    pub blip_tolerance_ms: u64,
    /// P(wrong promotion).
    pub alpha_promote: f64,
    /// The same in the last step.
    pub alpha_promote_last: f64,
    /// Canary requests of a step that must be done before it may end.
    pub min_step_requests: u32,
    /// How long a step lasts at least.
    pub step_duration_ms: u64,
}

/// At most a share 1 − `quantile` of the requests may take longer than `limit_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceLatency {
    /// Share of requests that must be in time.
    #[serde(default = "p95")]
    pub quantile: f64,
    /// Milliseconds.
    pub limit_ms: f64,
}

/// Parts of alpha by metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceShares {
    /// Failures.
    pub failures: f64,
    /// Latency.
    pub latency: f64,
}

// === impl TraceConfig ===

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            success_rate: 0.99,
            latency: None,
            alpha: 0.001,
            shares: TraceShares::default(),
            steps: 5,
            guard: GuardSetting::Off,
            min_failures: 5,
            alpha_rel: 0.01,
            rho: 1.25,
            role: RoleName::Single,
            proxies: 1,
            compare: Compare::Pause,
            blip_tolerance_ms: 0,
            alpha_promote: 0.05,
            alpha_promote_last: 0.01,
            min_step_requests: 100,
            step_duration_ms: 60_000,
        }
    }
}

impl Default for TraceShares {
    fn default() -> Self {
        Self { failures: 0.5, latency: 0.25 }
    }
}

impl TraceConfig {
    pub(super) fn check(&self) -> Result<(), ReplayError> {
        checks::within("successRate", self.success_rate, 0.5, 1.0)?;
        if let Some(latency) = self.latency {
            checks::within("latency.quantile", latency.quantile, 0.5, 1.0)?;
            checks::positive("latency.limitMs", latency.limit_ms, MOST_LIMIT_MS)?;
        }
        for (place, probability) in [
            ("alpha", self.alpha),
            ("alphaRel", self.alpha_rel),
            ("alphaPromote", self.alpha_promote),
            ("alphaPromoteLast", self.alpha_promote_last),
        ] {
            checks::positive(place, probability, 1.0)?;
        }
        // A share of 0 switches a metric's own verdict off.
        checks::within("shares.failures", self.shares.failures, 0.0, 1.0)?;
        checks::within("shares.latency", self.shares.latency, 0.0, 1.0)?;
        checks::positive("rho", self.rho, 1e6)?;
        checks::at_least_one("steps", self.steps)?;
        checks::at_least_one("proxies", self.proxies)?;
        checks::guard("guard", self.guard)
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            theta: 1.0 - self.success_rate,
            latency: self.latency.map(|latency| LatencyLimit {
                theta: 1.0 - latency.quantile,
                // Elapsed times are compared where they are measured; here the limit only sets when cohorts mature.
                limit_ms: latency.limit_ms.ceil() as u64,
            }),
            alpha: self.alpha,
            share_failures: self.shares.failures,
            share_latency: self.shares.latency,
            alpha_rel: self.alpha_rel,
            alpha_promote: self.alpha_promote,
            alpha_promote_last: self.alpha_promote_last,
            rho: self.rho,
            guard: match self.guard {
                GuardSetting::Off => Guard::Off,
                GuardSetting::Cap(count) => Guard::Cap(count),
                GuardSetting::Auto => Guard::Auto,
            },
            min_failures: self.min_failures,
            blip_tolerance_ms: self.blip_tolerance_ms,
            compare: self.compare,
            min_step_requests: self.min_step_requests,
            steps: self.steps,
            role: self.role.role(self.proxies),
            ..Settings::default()
        }
    }
}

fn p95() -> f64 {
    0.95
}
