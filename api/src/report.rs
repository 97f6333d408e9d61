//! The DORA report: how often, how fast, how safely. Definitions are in `docs/dora.md`.
//!
//! Every figure comes with the number of observations behind it, and is absent (`null`) where there are none: a share of
//! nothing is not zero.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/reports/dora`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DoraReport {
    /// Releases that ended from here on count, Unix milliseconds.
    pub since_ms: u64,
    /// Releases that ended before here count.
    pub until_ms: u64,
    /// Every release since then is known; later than `sinceMs` where the log began later or has dropped older ones.
    /// Absent where no log could be kept.
    pub known_since_ms: Option<u64>,
    /// Days over which frequencies are taken: from the later of the two beginnings to the end.
    pub days: f64,
    /// All rollouts together.
    pub all: DoraFigures,
    /// Each rollout: those of the configuration in its order, then those that only the log knows.
    pub rollouts: Vec<RolloutDora>,
}

/// One rollout's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutDora {
    /// Its name.
    pub name: String,
    /// The figures.
    #[serde(flatten)]
    pub figures: DoraFigures,
}

/// The figures of some releases.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DoraFigures {
    /// How releases ended.
    pub counts: ReleaseCounts,
    /// Releases that became the stable version: `promoted` and `promotedFull`.
    pub deployments: u64,
    /// Deployments a day; absent when less than a day is known.
    pub deployments_per_day: Option<f64>,
    /// Deployments a week; absent when less than a week is known.
    pub deployments_per_week: Option<f64>,
    /// From the start of the release to 100 %, of deployments.
    pub lead_time: Spread,
    /// Changes that were tried on users: deployments and failed changes.
    pub changes: u64,
    /// Of those, failed: `reverted`, and `aborted` after they had been given weight.
    pub failed_changes: u64,
    /// Failed changes in all changes, 0 to 1; absent without a change.
    pub change_failure_rate: Option<f64>,
    /// From the first failure of the deciding window to weight 0, of changes that a verdict took back.
    pub time_to_restore: Spread,
}

/// How releases ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseCounts {
    /// On evidence.
    pub promoted: u64,
    /// Without analysis.
    pub promoted_full: u64,
    /// By a verdict or a fault.
    pub reverted: u64,
    /// By hand, after it had been given weight.
    pub aborted: u64,
    /// By hand, before: nobody was sent to it unasked, so it is no change.
    pub aborted_unserved: u64,
    /// A newer version or plan came; no change.
    pub superseded: u64,
    /// The configuration went back; no change.
    pub withdrawn: u64,
}

/// Where durations lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// How many durations are known.
    pub n: u64,
    /// Half of them took at most this, milliseconds; absent without any.
    pub median_ms: Option<f64>,
    /// Nine in ten took at most this, milliseconds; absent below ten, where it would only be the largest.
    pub p90_ms: Option<f64>,
}
