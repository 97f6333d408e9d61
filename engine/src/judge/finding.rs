//! What the judge says: findings for the rollout, verdicts with all their inputs, views for people.
//!
//! Plain values. A verdict can be recomputed from its record without the judge that came to it.

use serde::{Deserialize, Serialize};

use super::settings::Metric;

/// Which threshold a step window pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// One of the K planned steps.
    Step,
    /// Begun anew, or beyond the K-th: priced as a restart.
    Restart,
}

/// The kind of window that a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WindowKind {
    /// From the start of the weight step.
    Step,
    /// A restart, or a step window priced as one.
    Restart,
}

/// Which rule came to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// ABS and REL, the sequential test.
    Sequential,
    /// REL alone, below the limit.
    Comparison,
    /// The user's interval measurements.
    Backstop,
    /// An outage that ended when the canary got no traffic.
    Suspected,
}

/// What a verdict was based on; enough to recompute it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The rule.
    pub rule: Rule,
    /// The metric that decided.
    pub metric: Metric,
    /// The tick of the verdict.
    pub tick: u64,
    /// The window's kind (the threshold that applied).
    pub window: WindowKind,
    /// First tick of the window.
    pub from_tick: u64,
    /// Canary trials and failures in the window, raw.
    pub n: u64,
    /// Canary failures (or slow requests) in the window, raw.
    pub x: u64,
    /// Stable trials in the window, raw.
    pub n_stable: u64,
    /// Stable failures in the window, raw.
    pub x_stable: u64,
    /// Score of the canary against its limit, nats; `None` where the rule has none.
    pub abs: Option<f64>,
    /// Its threshold.
    pub abs_threshold: f64,
    /// Score of the canary against stable, nats; `None` when waived.
    pub rel: Option<f64>,
    /// Its threshold.
    pub rel_threshold: f64,
    /// The window as a vector of kind `window`, from which `sluice replay --vectors` recomputes the scores. `None`
    /// for interval measurements, and for windows over more weight changes than are remembered.
    pub record: Option<crate::replay::WindowVector>,
}

/// What an evaluation found; the rollout acts on it in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Weight to 0, latched.
    Revert(Verdict),
    /// Both arms fail: freeze.
    HoldEntered(Verdict),
    /// The last fresh trip is 10 s old: go on; evidence begins anew.
    HoldLeft,
    /// A fresh trip 5 s or more after the hold began: weight to 0, wait for stable to be clear.
    Suspend,
    /// Stable has been clear: back to the previous step's weight. `suspected` if it was clear within 10 s.
    Resume {
        /// The canary is suspected as the cause (an event in any case).
        suspected: bool,
    },
    /// 10 minutes suspended: a person has to look.
    SuspendedTooLong,
    /// Worse than stable though within the limits.
    Worse(Verdict),
    /// More inconclusive measurements than allowed.
    Inconclusive(Metric),
    /// A blip was tolerated; evidence dropped.
    BlipTolerated(Metric),
}

/// What is known about one metric, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricView {
    /// The metric.
    pub metric: Metric,
    /// Counts over the generation since evidence last began: canary trials, canary failures, stable trials, stable failures.
    pub n: u64,
    /// Canary failures.
    pub x: u64,
    /// Stable trials.
    pub n_stable: u64,
    /// Stable failures.
    pub x_stable: u64,
    /// ABS of the step window, its threshold.
    pub abs: f64,
    /// Threshold of ABS for the step window.
    pub abs_threshold: f64,
    /// REL of the step window; `None` when waived.
    pub rel: Option<f64>,
    /// Threshold of REL.
    pub rel_threshold: f64,
    /// PRO over the generation; `None` for metrics that are only compared.
    pub pro: Option<f64>,
    /// Threshold of PRO.
    pub pro_threshold: f64,
    /// Requests seen that count towards promotion.
    pub seen: u64,
    /// Requests needed in all if the failure share stays as it is (no failure: the plain number); `None` if never.
    pub needed: Option<u64>,
}

/// What still keeps a step from ending; empty means it may end now. The rollout adds the step's duration and the
/// freshness of reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// A reverting metric is in doubt: ABS of some window is at least ln 20.
    InDoubt(Metric),
    /// A shared hold or a suspension is in force.
    Held,
    /// Canary requests of this step that are done, of those needed.
    StepRequests {
        /// Done.
        seen: u64,
        /// Needed.
        needed: u64,
    },
    /// Requests that count, of those needed towards the proof of a metric.
    Requests {
        /// The metric.
        metric: Metric,
        /// Seen.
        seen: u64,
        /// Needed in all at the present failure share; `None` if more requests alone won't do.
        needed: Option<u64>,
    },
    /// The canary looks worse than stable.
    Compared(Metric),
    /// Interval measurements made, of those needed.
    Measurements {
        /// Made.
        seen: u32,
        /// Needed.
        needed: u32,
    },
    /// No canary trial at all, or no mature cohort for latency (INCONCLUSIVE).
    NoData,
}
