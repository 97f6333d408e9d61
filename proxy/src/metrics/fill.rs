//! Sets every gauge and counter for one scrape.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use sluice_engine::evidence::{ARMS, Arm};
use sluice_engine::judge::Metric;
use sluice_engine::rollout::Phase;

use super::names::{
    ATTEMPT_FAILURES, BUILD_INFO, DEPLOYMENTS, EVIDENCE, GATE_ANSWERS, IN_FLIGHT, LATENCY_LIMIT, LIMIT, PHASE,
    PLAN_AGE, RELOADS, REQUESTS, SCORE, SHIELDED, STEP, TABLE, THRESHOLD, VERDICTS, WEIGHT, WEIGHT_WANTED,
};
use crate::counters::FailureKind;
use crate::pilot::{ArmSums, Limits, PilotHandle, RolloutTotals, metric_label};

/// Values of the label `code`.
const CODES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Help texts.
pub(super) fn describe() {
    for &(name, kind, _, help) in TABLE {
        match kind {
            "counter" => describe_counter!(name, help),
            "gauge" => describe_gauge!(name, help),
            _ => {} // histograms are not the recorder's
        }
    }
}

/// What concerns the process.
pub(super) fn server(pilot: &PilotHandle) {
    let reloads = pilot.reloads();
    counter!(RELOADS, "result" => "accepted").absolute(reloads.accepted);
    counter!(RELOADS, "result" => "refused").absolute(reloads.refused);
    gauge!(PLAN_AGE).set(reloads.age_seconds as f64);
    pilot.notifier().count();
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// One rollout.
pub(super) fn rollout(totals: &RolloutTotals) {
    let status = &totals.status;
    let name = status.name.as_str();
    for arm in ARMS {
        sums(name, arm, totals.sums.arm(arm));
    }
    let shield = totals.sums.shield;
    for (result, count) in
        [("answered", shield.answered), ("failed", shield.failed), ("over_budget", shield.over_budget)]
    {
        counter!(SHIELDED, "rollout" => name.to_owned(), "result" => result).absolute(count);
    }
    let canary = status.weight.in_force;
    for (arm, weight) in [(Arm::Canary, canary), (Arm::Stable, 100.0 - canary)] {
        gauge!(WEIGHT, "rollout" => name.to_owned(), "arm" => arm.label()).set(weight);
    }
    gauge!(WEIGHT_WANTED, "rollout" => name.to_owned()).set(status.weight.wanted);
    for phase in Phase::ALL {
        gauge!(PHASE, "rollout" => name.to_owned(), "phase" => phase.label()).set(if phase == status.phase {
            1.0
        } else {
            0.0
        });
    }
    gauge!(STEP, "rollout" => name.to_owned()).set(status.step.index as f64);
    for ((verdict, metric), count) in &totals.tally.verdicts {
        counter!(VERDICTS, "rollout" => name.to_owned(), "verdict" => *verdict, "metric" => *metric).absolute(*count);
    }
    for ((gate, result), count) in &totals.tally.answers {
        counter!(GATE_ANSWERS, "rollout" => name.to_owned(), "gate" => gate.clone(), "result" => result.label())
            .absolute(*count);
    }
    for (result, count) in &totals.tally.changes {
        counter!(DEPLOYMENTS, "rollout" => name.to_owned(), "result" => *result).absolute(*count);
    }
    limits(name, totals.limits);
    scores(totals);
}

fn limits(name: &str, limits: Limits) {
    gauge!(LIMIT, "rollout" => name.to_owned(), "metric" => metric_label(Metric::Failures)).set(limits.failed);
    if let Some(latency) = limits.latency {
        gauge!(LIMIT, "rollout" => name.to_owned(), "metric" => metric_label(Metric::Latency)).set(latency.theta);
        // 1 - 0.05 is a little more than 0.95; ten-thousandths are what a configuration can say.
        let quantile = ((1.0 - latency.theta) * 10_000.0).round() / 10_000.0;
        gauge!(LATENCY_LIMIT, "rollout" => name.to_owned(), "quantile" => quantile.to_string())
            .set(latency.limit_ms as f64 / 1_000.0);
    }
}

fn sums(name: &str, arm: Arm, sums: &ArmSums) {
    for (code, count) in CODES.iter().zip(sums.codes) {
        counter!(REQUESTS, "rollout" => name.to_owned(), "arm" => arm.label(), "code" => *code).absolute(count);
    }
    for kind in FailureKind::ALL {
        let count = sums.failures[kind.index()];
        counter!(ATTEMPT_FAILURES, "rollout" => name.to_owned(), "arm" => arm.label(), "kind" => kind.label())
            .absolute(count);
    }
    gauge!(IN_FLIGHT, "rollout" => name.to_owned(), "arm" => arm.label()).set(sums.in_flight() as f64);
}

fn scores(totals: &RolloutTotals) {
    let name = &totals.status.name;
    for metric in &totals.status.metrics {
        if metric.metric == Metric::Failures {
            for (arm, trials) in [(Arm::Canary, metric.n), (Arm::Stable, metric.n_stable)] {
                gauge!(EVIDENCE, "rollout" => name.clone(), "arm" => arm.label()).set(trials as f64);
            }
        }
        for (test, score, threshold) in [
            ("abs", Some(metric.abs), metric.abs_threshold),
            ("rel", metric.rel, metric.rel_threshold),
            ("pro", metric.pro, metric.pro_threshold),
        ] {
            let Some(score) = score else { continue };
            let label = metric_label(metric.metric);
            gauge!(SCORE, "rollout" => name.clone(), "metric" => label, "test" => test).set(score);
            gauge!(THRESHOLD, "rollout" => name.clone(), "metric" => label, "test" => test).set(threshold);
        }
    }
}
