//! From the engine's view and the counters to the status that people and programs read.

use std::sync::atomic::Ordering::Relaxed;

use sluice_api::{
    ArmStatus, EndpointStatus, GateStatus, Judgement, MetricStatus, PastRelease, RolloutStatus, ShieldStatus,
    StepStatus, WeightStatus,
};
use sluice_engine::evidence::{ARMS, Arm};
use sluice_engine::histogram;
use sluice_engine::judge::{Metric, MetricView, Settings, Verdict};
use sluice_engine::plan::Plan;
use sluice_engine::rollout::{GateState, GateView, Reason, View};
use sluice_engine::units::Weight;

use super::ledger::{ArmSums, Sums};
use super::times::Times;
use crate::endpoint::Endpoint;
use crate::snapshot::ArmView;

/// Time over which the request rate is averaged, seconds.
const RATE_SECONDS: f64 = 5.0;

/// Odds of 20 to 1 against the canary, nats: a step does not end beyond it.
const IN_DOUBT: f64 = 2.995_732_273_553_991;

/// Requests per second of both arms, averaged over the last seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    at_us: u64,
    started: [u64; 2],
    per_second: [f64; 2],
}

/// Everything a status is made of.
pub(super) struct StatusParts<'a> {
    pub(super) name: &'a str,
    pub(super) plan: &'a Plan,
    pub(super) view: View,
    pub(super) in_force: Weight,
    pub(super) stable: &'a ArmView,
    pub(super) canary: Option<&'a ArmView>,
    pub(super) sums: &'a Sums,
    pub(super) rates: &'a Rates,
    pub(super) revert: Option<sluice_api::RevertStatus>,
    pub(super) times: &'a Times,
    pub(super) now_us: u64,
}

// === impl Rates ===

impl Rates {
    /// Takes the present totals.
    pub(super) fn update(&mut self, now_us: u64, sums: &Sums) {
        let seconds = now_us.saturating_sub(self.at_us) as f64 / 1e6;
        let started = ARMS.map(|arm| sums.arm(arm).started);
        if seconds <= 0.0 {
            return;
        }
        let keep = if self.at_us == 0 { 0.0 } else { (-seconds / RATE_SECONDS).exp() };
        if self.at_us != 0 {
            for (arm, started) in started.iter().enumerate() {
                let rate = started.saturating_sub(self.started[arm]) as f64 / seconds;
                self.per_second[arm] = self.per_second[arm] * keep + rate * (1.0 - keep);
            }
        }
        (self.at_us, self.started) = (now_us, started);
    }

    fn of(&self, arm: Arm) -> f64 {
        let rate = self.per_second[arm.index()];
        // After half a minute of silence there is no point in showing how much is left of the average.
        if rate < 0.01 { 0.0 } else { (rate * 100.0).round() / 100.0 }
    }
}

// === impl StatusParts ===

impl StatusParts<'_> {
    pub(super) fn into_status(self) -> RolloutStatus {
        let stable = self.arm(Arm::Stable, self.stable);
        let canary = self.canary.map(|arm| self.arm(Arm::Canary, arm));
        let step = self.step();
        let waiting_for = self.waiting_for();
        let shield = self.sums.shield;
        let view = self.view;
        RolloutStatus {
            name: self.name.to_owned(),
            strategy: self.plan.strategy.label().to_owned(),
            generation: view.generation,
            phase: view.phase,
            reason: view.reason,
            message: view.message,
            step,
            weight: WeightStatus { wanted: view.weight.percent(), in_force: self.in_force.percent() },
            stable,
            canary,
            metrics: view
                .metrics
                .iter()
                .map(|metric| metric_status(metric, &self.plan.analysis, view.verdict.as_ref()))
                .collect(),
            waiting_for,
            gates: view.gates.into_iter().map(gate_status).collect(),
            shield: ShieldStatus { answered: shield.answered, failed: shield.failed, over_budget: shield.over_budget },
            verdict: view.verdict,
            revert: self.revert,
            history: view
                .history
                .into_iter()
                .map(|past| PastRelease { times: self.times.of(past.generation), past })
                .collect(),
        }
    }

    fn step(&self) -> StepStatus {
        let view = &self.view;
        StepStatus {
            index: if has_begun(view.reason, view.weight) { view.step + 1 } else { 0 },
            count: view.step_weights.len(),
            weights: view.step_weights.iter().map(|weight| weight.percent()).collect(),
            elapsed_seconds: view.step_elapsed.get() as f64 / 1_000.0,
            duration_seconds: view.step_duration.map(|duration| duration.get() as f64 / 1_000.0),
        }
    }

    fn waiting_for(&self) -> Vec<String> {
        let view = &self.view;
        let left_ms = view.step_duration.map_or(0, |duration| duration.get().saturating_sub(view.step_elapsed.get()));
        let time = (left_ms > 0).then(|| format!("{} s of this step to go", left_ms.div_ceil(1_000)));
        let raise =
            (view.weight > self.in_force).then(|| format!("{} comes into force when the state is stored", view.weight));
        let gates = view.gates.iter().filter(|gate| matches!(gate.state, GateState::Waiting | GateState::Closed));
        let missing = view.missing.iter().map(ToString::to_string);
        raise.into_iter().chain(time).chain(missing).chain(gates.map(ToString::to_string)).collect()
    }

    fn arm(&self, arm: Arm, view: &ArmView) -> ArmStatus {
        let sums = self.sums.arm(arm);
        let quantile = |q: f64| quantile_ms(sums, q);
        ArmStatus {
            version: view.version.as_ref().to_owned(),
            endpoints: view.endpoints.iter().map(|endpoint| endpoint_status(endpoint, self.now_us)).collect(),
            requests: sums.finished(),
            directed: sums.directed,
            attempt_failures: sums.failed(),
            user_failures: sums.user_failures,
            in_flight: sums.in_flight(),
            success_rate: (sums.finished() > 0).then(|| 1.0 - sums.failed() as f64 / sums.finished() as f64),
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            requests_per_second: self.rates.of(arm),
        }
    }
}

/// Whether the first step has begun.
fn has_begun(reason: Reason, weight: Weight) -> bool {
    if reason == Reason::WaitingForGate {
        return !weight.is_zero();
    }
    !matches!(
        reason,
        Reason::Stable
            | Reason::Completed
            | Reason::Ready
            | Reason::Preview
            | Reason::AwaitingPromotion
            | Reason::Manual
            | Reason::StateLost
    )
}

fn gate_status(view: GateView) -> GateStatus {
    let is_asked = view.state != GateState::Idle;
    GateStatus {
        name: view.name,
        state: view.state,
        point: view.point,
        message: Some(view.message).filter(|message| !message.is_empty()),
        since_seconds: is_asked.then(|| view.since.get() as f64 / 1_000.0),
    }
}

fn quantile_ms(sums: &ArmSums, q: f64) -> Option<f64> {
    histogram::quantile(&sums.latency[..], q).map(|estimate| estimate.midpoint() as f64 / 1_000.0)
}

fn endpoint_status(endpoint: &Endpoint, now_us: u64) -> EndpointStatus {
    let reason = if !endpoint.passing.load(Relaxed) {
        Some("the health check fails")
    } else if endpoint.ejected_until_us.load(Relaxed) > now_us {
        Some("left alone for a while after failed connects")
    } else if endpoint.resolved.load().is_none() {
        Some("the name has not been resolved yet")
    } else {
        None
    };
    EndpointStatus {
        address: endpoint.address.as_ref().to_owned(),
        healthy: reason.is_none(),
        reason: reason.map(str::to_owned),
    }
}

fn metric_status(view: &MetricView, settings: &Settings, verdict: Option<&Verdict>) -> MetricStatus {
    MetricStatus {
        metric: view.metric,
        limit: limit_in_words(view.metric, settings),
        verdict: judgement(view, verdict),
        n: view.n,
        x: view.x,
        n_stable: view.n_stable,
        x_stable: view.x_stable,
        abs: view.abs,
        abs_threshold: view.abs_threshold,
        rel: view.rel,
        rel_threshold: view.rel_threshold,
        pro: view.pro,
        pro_threshold: view.pro_threshold,
        requests_seen: view.seen,
        requests_needed: view.needed,
    }
}

fn judgement(view: &MetricView, verdict: Option<&Verdict>) -> Judgement {
    if verdict.is_some_and(|verdict| verdict.metric == view.metric) {
        return Judgement::Bad;
    }
    if view.n == 0 {
        return Judgement::NoData;
    }
    let is_worse = view.rel.is_none_or(|rel| rel >= view.rel_threshold);
    match view.pro {
        Some(_) if view.abs >= view.abs_threshold && is_worse => Judgement::Bad,
        Some(pro) if pro >= view.pro_threshold => Judgement::Good,
        Some(_) => Judgement::Undecided,
        // Only compared with stable: without a comparison there is nothing to say.
        None => match view.rel {
            Some(rel) if rel >= view.rel_threshold => Judgement::Bad,
            Some(rel) if rel < IN_DOUBT => Judgement::Good,
            Some(_) | None => Judgement::Undecided,
        },
    }
}

fn limit_in_words(metric: Metric, settings: &Settings) -> String {
    match (metric, settings.latency) {
        (Metric::Failures, _) => format!("at most {} failed", percent(settings.theta)),
        (Metric::Latency, Some(latency)) => {
            format!("at most {} slower than {} ms", percent(latency.theta), latency.limit_ms)
        }
        (Metric::Latency, None) => "no limit".to_owned(),
        (Metric::C4xx, _) => "not more 4xx than stable".to_owned(),
        (Metric::Cancels, _) => "not more client cancels than stable".to_owned(),
    }
}

fn percent(fraction: f64) -> String {
    format!("{} %", (fraction * 10_000.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_view(metric: Metric, n: u64, abs: f64, rel: Option<f64>, pro: Option<f64>) -> MetricView {
        MetricView {
            metric,
            n,
            x: 0,
            n_stable: 0,
            x_stable: 0,
            abs,
            abs_threshold: 10.0,
            rel,
            rel_threshold: 5.0,
            pro,
            pro_threshold: 3.0,
            seen: n,
            needed: None,
        }
    }

    #[test]
    fn a_metric_is_bad_only_beyond_both_thresholds_and_good_only_when_proven() {
        let table = [
            (mk_view(Metric::Failures, 0, 0.0, None, Some(0.0)), Judgement::NoData),
            (mk_view(Metric::Failures, 9, 11.0, Some(6.0), Some(0.0)), Judgement::Bad),
            (mk_view(Metric::Failures, 9, 11.0, Some(4.0), Some(0.0)), Judgement::Undecided),
            (mk_view(Metric::Failures, 9, 11.0, None, Some(0.0)), Judgement::Bad),
            (mk_view(Metric::Latency, 9, 0.0, Some(0.0), Some(3.0)), Judgement::Good),
            (mk_view(Metric::C4xx, 9, 0.0, Some(5.0), None), Judgement::Bad),
            (mk_view(Metric::C4xx, 9, 0.0, Some(1.0), None), Judgement::Good),
            (mk_view(Metric::C4xx, 9, 0.0, None, None), Judgement::Undecided),
        ];
        for (view, expected) in table {
            assert_eq!(judgement(&view, None), expected, "{view:?}");
        }
    }

    #[test]
    fn the_rate_is_an_average_over_seconds_that_forgets() {
        let mut rates = Rates::default();
        let mut sums = Sums::default();
        rates.update(1, &sums);
        for second in 1..=60 {
            sums.arms[0].started += 100;
            rates.update(second * 1_000_000 + 1, &sums);
        }
        assert!((rates.of(Arm::Stable) - 100.0).abs() < 0.1);
        for second in 61..=120 {
            rates.update(second * 1_000_000 + 1, &sums);
        }
        assert!(rates.of(Arm::Stable).abs() < f64::EPSILON);
    }
}
