//! The recent past of one rollout, second by second, for charts.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/rollouts/{name}/series`: the last 15 minutes; with `?after=UNIX_MS` only what came after that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// Name.
    pub name: String,
    /// Milliseconds from one sample to the next. The server may be late with one: `atMs` says when it was taken.
    pub interval_ms: u64,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// What happened since the sample before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// When it was taken, Unix time in milliseconds.
    pub at_ms: u64,
    /// Generation at that time.
    pub generation: u64,
    /// Weight in force at that time, percent.
    pub weight: f64,
    /// The version that is known to work.
    pub stable: ArmSample,
    /// The version under test; null without one.
    pub canary: Option<ArmSample>,
}

/// What one arm did since the sample before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmSample {
    /// Requests that ended (first attempts, directed ones included).
    pub requests: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Median latency of what was answered, milliseconds; null if nothing was.
    pub p50_ms: Option<f64>,
    /// 95 % were at most this slow.
    pub p95_ms: Option<f64>,
    /// 99 % were at most this slow.
    pub p99_ms: Option<f64>,
}
