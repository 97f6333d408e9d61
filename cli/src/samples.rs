//! Rollouts for tests: one in the middle of its first step, one healthy, one taken back.

use serde_json::json;
use sluice_api::{
    ArmStatus, EndpointStatus, Judgement, Metric, MetricStatus, PastRelease, Phase, Reason, RevertStatus,
};
use sluice_api::{RolloutList, RolloutStatus, ServerStatus, ShieldStatus, StepStatus, Verdict, WeightStatus};

pub(crate) fn verdict() -> Verdict {
    serde_json::from_value(json!({
        "rule": "sequential", "metric": "failures", "tick": 12, "window": "step", "fromTick": 0, "n": 5, "x": 5, "nStable": 95, "xStable": 0,
        "abs": 20.7073, "absThreshold": 9.9035, "rel": 15.0057, "relThreshold": 4.6052, "record": null
    }))
    .expect("a verdict")
}

pub(crate) fn past() -> PastRelease {
    serde_json::from_value(json!({
        "generation": 6, "version": "v2-rc1", "stable": "v1", "outcome": "reverted", "cause": "5 of 5 canary requests failed",
        "durationMs": 372_000, "reached": 25.0, "endedAtMs": 1_774_096_201_500_u64, "verdict": verdict()
    }))
    .expect("a past generation")
}

pub(crate) fn failures() -> MetricStatus {
    MetricStatus {
        metric: Metric::Failures,
        limit: "at most 1 % failed".to_owned(),
        verdict: Judgement::Undecided,
        n: 312,
        x: 1,
        n_stable: 2_808,
        x_stable: 3,
        abs: -3.1,
        abs_threshold: 9.9035,
        rel: Some(1.4),
        rel_threshold: 4.6052,
        pro: Some(1.2),
        pro_threshold: 2.9957,
        requests_seen: 312,
        requests_needed: Some(468),
    }
}

fn arm(version: &str, address: &str, requests: u64) -> ArmStatus {
    ArmStatus {
        version: version.to_owned(),
        endpoints: vec![EndpointStatus { address: address.to_owned(), healthy: true, reason: None }],
        requests,
        directed: 0,
        attempt_failures: 3,
        user_failures: 3,
        in_flight: 1,
        success_rate: Some(0.99893),
        p50_ms: Some(12.1),
        p95_ms: Some(38.2),
        p99_ms: Some(88.0),
        requests_per_second: 21.6,
    }
}

/// Step 1 of 4 at 10 %, one failed request that no user saw.
pub(crate) fn progressing() -> RolloutStatus {
    let canary = ArmStatus {
        directed: 4,
        attempt_failures: 1,
        user_failures: 0,
        in_flight: 0,
        success_rate: Some(0.996_835),
        p50_ms: Some(13.0),
        p95_ms: Some(41.3),
        p99_ms: Some(95.0),
        requests_per_second: 2.4,
        ..arm("v2", "127.0.0.1:9002", 316)
    };
    RolloutStatus {
        name: "shop".to_owned(),
        strategy: "canary".to_owned(),
        generation: 7,
        phase: Phase::Progressing,
        reason: Reason::Step,
        message: "Step 1 of 4 at 10 %.".to_owned(),
        step: StepStatus {
            index: 1,
            count: 4,
            weights: vec![10.0, 25.0, 50.0, 100.0],
            elapsed_seconds: 130.0,
            duration_seconds: Some(300.0),
        },
        weight: WeightStatus { wanted: 10.0, in_force: 10.0 },
        stable: arm("v1", "127.0.0.1:9001", 2_808),
        canary: Some(canary),
        metrics: vec![failures()],
        waiting_for: vec![
            "the step's time: 2m 50s more".to_owned(),
            "156 more canary requests without a failure".to_owned(),
        ],
        gates: Vec::new(),
        shield: ShieldStatus { answered: 1, failed: 0, over_budget: 0 },
        verdict: None,
        revert: None,
        history: vec![past()],
    }
}

/// Taken back in its first step.
pub(crate) fn reverted() -> RolloutStatus {
    RolloutStatus {
        phase: Phase::Degraded,
        reason: Reason::Reverted,
        message: "v2 was taken back; `sluice retry shop` tries it again.".to_owned(),
        weight: WeightStatus { wanted: 0.0, in_force: 0.0 },
        waiting_for: Vec::new(),
        verdict: Some(verdict()),
        revert: Some(RevertStatus { failed_requests: 5, user_failures: 0, milliseconds: 38.2 }),
        ..progressing()
    }
}

/// No canary.
pub(crate) fn healthy(name: &str) -> RolloutStatus {
    RolloutStatus {
        name: name.to_owned(),
        phase: Phase::Healthy,
        reason: Reason::Stable,
        message: "v1 serves everyone.".to_owned(),
        step: StepStatus { index: 0, count: 0, weights: Vec::new(), elapsed_seconds: 0.0, duration_seconds: None },
        weight: WeightStatus { wanted: 0.0, in_force: 0.0 },
        canary: None,
        metrics: Vec::new(),
        waiting_for: Vec::new(),
        shield: ShieldStatus::default(),
        history: Vec::new(),
        ..progressing()
    }
}

pub(crate) fn list(rollouts: Vec<RolloutStatus>) -> RolloutList {
    let server = ServerStatus {
        version: "0.1.0".to_owned(),
        uptime_seconds: 5,
        config_age_seconds: 5,
        config_error: None,
        state_error: None,
        notifications: Vec::new(),
    };
    RolloutList { rollouts, server }
}
