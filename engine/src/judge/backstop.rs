//! The user's interval measurements: "every 30 s, over the last 2 min, more than n failed".
//!
//! A backstop under the sequential test, and what imported configurations ask for. A measurement is *failed* only if
//! the limit is exceeded and so many failures would be a surprise at the limit (one-sided binomial tail ≤ 0.05);
//! `exact` drops the second half. It spends no part of α. The clock stops during outages of both arms, unless the
//! settings say otherwise.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::settings::{Backstop, BackstopRule, Metric};
use crate::evidence::Counts;
use crate::units::TICK_MS;

/// Chance of so many failures at the limit below which a measurement is failed.
const SURPRISE: f64 = 0.05;
/// Parts into which a long measuring window is divided, so that its memory is bounded: one tick at 2 min.
const PARTS: u64 = 2_400;

/// What one measurement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measurement {
    /// Within the limit.
    Successful,
    /// Beyond the limit, and not by chance.
    Failed,
    /// Nothing seen, or too little to tell.
    Inconclusive,
}

/// Counts measurements by the user's rule.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    failed: u32,
    in_a_row: u32,
    inconclusive: u32,
}

/// One backstop at work.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) rule: Backstop,
    theta: f64,
    interval_ticks: u64,
    window_ticks: u64,
    /// Ticks measured, without those left out.
    clock: u64,
    next: u64,
    part_ticks: u64,
    parts: VecDeque<(u64, f64, f64)>,
    score: Score,
    step_began: u64,
    alerted: bool,
}

/// What a meter found at the end of a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reading {
    /// The rule says revert: requests and failures of the measurement that decided.
    Revert(f64, f64),
    /// More inconclusive measurements than allowed.
    Inconclusive,
}

/// Classifies `x` failures among `n` requests.
pub(crate) fn measure(n: f64, x: f64, theta: f64, exact: bool) -> Measurement {
    if n <= 0.0 {
        Measurement::Inconclusive
    } else if x <= theta * n {
        Measurement::Successful
    } else if exact || tail_is_surprising(n, x, theta) {
        Measurement::Failed
    } else {
        Measurement::Inconclusive
    }
}

/// Whether P(Bin(n,θ) ≥ x) ≤ 0.05, for x above the mean. Sums the terms from x upwards: they shrink steadily there.
fn tail_is_surprising(n: f64, x: f64, theta: f64) -> bool {
    let x = x.min(n);
    let ln_first =
        ln_gamma(n + 1.0) - ln_gamma(x + 1.0) - ln_gamma(n - x + 1.0) + x * theta.ln() + (n - x) * (-theta).ln_1p();
    let odds = theta / (1.0 - theta);
    let (mut term, mut sum, mut k) = (ln_first.exp(), 0.0, x);
    while k <= n && term > sum * 1e-16 {
        sum += term;
        if sum > SURPRISE {
            return false;
        }
        term *= (n - k) / (k + 1.0) * odds;
        k += 1.0;
    }
    true
}

/// ln Γ(z) for z ≥ 1, by Stirling's series after shifting small arguments up.
fn ln_gamma(z: f64) -> f64 {
    let (mut z, mut shift) = (z, 0.0);
    while z < 10.0 {
        shift += z.ln();
        z += 1.0;
    }
    let inverse = 1.0 / z;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

// === impl Score ===

impl Score {
    /// Counts one more measurement; whether the rule reverts now.
    pub(crate) fn add(&mut self, measurement: Measurement, rule: BackstopRule) -> bool {
        match measurement {
            Measurement::Successful => self.in_a_row = 0,
            Measurement::Inconclusive => self.inconclusive = self.inconclusive.saturating_add(1),
            Measurement::Failed => {
                self.failed = self.failed.saturating_add(1);
                self.in_a_row = self.in_a_row.saturating_add(1);
            }
        }
        measurement == Measurement::Failed
            && match rule {
                BackstopRule::FailureLimit(limit) => limit.is_some_and(|limit| self.failed > limit),
                BackstopRule::Threshold(count) => self.failed >= count.max(1),
                BackstopRule::ConsecutiveFailures(count) => self.in_a_row >= count.max(1),
            }
    }
}

// === impl Meter ===

impl Meter {
    pub(crate) fn new(rule: Backstop, theta: f64) -> Self {
        let interval = rule.interval_ms.div_ceil(TICK_MS).max(1);
        let window = rule.window_ms.div_ceil(TICK_MS).max(1);
        Self {
            rule,
            theta,
            interval_ticks: interval,
            window_ticks: window,
            clock: 0,
            next: interval,
            part_ticks: window.div_ceil(PARTS),
            parts: VecDeque::new(),
            score: Score::default(),
            step_began: 0,
            alerted: false,
        }
    }

    /// Adds what became known of canary requests in the present tick.
    pub(crate) fn add(&mut self, counts: &Counts) {
        let [_, done, failed, fast, slow, ..] = counts.to_array().map(f64::from);
        let (n, x) = match self.rule.metric {
            Metric::Latency => (fast + slow, slow),
            Metric::Failures | Metric::C4xx | Metric::Cancels => (done, failed),
        };
        if n <= 0.0 && x <= 0.0 {
            return;
        }
        let part = self.clock / self.part_ticks;
        match self.parts.back_mut() {
            Some(last) if last.0 == part => (last.1, last.2) = (last.1 + n, last.2 + x),
            _ => self.parts.push_back((part, n, x)),
        }
    }

    /// A measured tick ended.
    pub(crate) fn close(&mut self) -> Option<Reading> {
        self.clock = self.clock.saturating_add(1);
        if self.clock < self.next {
            return None;
        }
        self.next = self.next.saturating_add(self.interval_ticks);
        self.read()
    }

    /// `ticks` measured ticks ended in which nothing became known.
    pub(crate) fn skip(&mut self, ticks: u64) {
        self.clock = self.clock.saturating_add(ticks);
        let missed = self.clock.saturating_sub(self.next) / self.interval_ticks;
        self.next = self.next.saturating_add(missed.saturating_mul(self.interval_ticks));
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.score.inconclusive = self.score.inconclusive.saturating_add(missed);
    }

    fn read(&mut self) -> Option<Reading> {
        let oldest = self.clock.saturating_sub(self.window_ticks) / self.part_ticks;
        while self.parts.front().is_some_and(|part| part.0 < oldest) {
            self.parts.pop_front();
        }
        let (n, x) = self.parts.iter().fold((0.0, 0.0), |(n, x), part| (n + part.1, x + part.2));
        let measurement = measure(n, x, self.theta, self.rule.exact);
        if self.score.add(measurement, self.rule.rule) {
            return Some(Reading::Revert(n, x));
        }
        let exceeded = self.rule.inconclusive_limit.is_some_and(|limit| self.score.inconclusive > limit);
        let alert = exceeded && !self.alerted;
        self.alerted |= alert;
        alert.then_some(Reading::Inconclusive)
    }

    /// A weight step begins.
    pub(crate) fn begin_step(&mut self) {
        self.step_began = self.clock;
    }

    /// A person saw the alert: inconclusive measurements count from zero.
    pub(crate) fn resumed(&mut self) {
        self.alerted = false;
        self.score.inconclusive = 0;
    }

    /// Measurements made in this step, of those needed: a step is not shorter than (count − 1) intervals.
    pub(crate) fn outstanding(&self) -> Option<(u32, u32)> {
        let needed = self.rule.count?;
        let made = (self.clock - self.step_began) / self.interval_ticks + 1;
        let made = u32::try_from(made).unwrap_or(u32::MAX);
        (made < needed).then_some((made, needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_tail_agrees_with_exact_values() {
        // P(Bin(6, 0.01) ≥ 1) = 1 − 0.99^6 = 0.0585; P(Bin(5, 0.01) ≥ 1) = 0.0490; P(Bin(100, 0.01) ≥ 3) = 0.0794
        // and ≥ 4: 0.0184.
        for (n, x, failed) in [(6.0, 1.0, false), (5.0, 1.0, true), (100.0, 3.0, false), (100.0, 4.0, true)] {
            let expected = if failed { Measurement::Failed } else { Measurement::Inconclusive };
            assert_eq!(measure(n, x, 0.01, false), expected, "{x} of {n}");
        }
        assert_eq!(measure(6.0, 1.0, 0.01, true), Measurement::Failed);
    }

    #[test]
    fn enormous_measurements_end_soon() {
        assert_eq!(measure(4e9, 4e9 * 0.01 + 20_000.0, 0.01, false), Measurement::Failed);
        assert_eq!(measure(4e9, 4e9 * 0.01 + 1.0, 0.01, false), Measurement::Inconclusive);
        assert_eq!(measure(1e15, 1e15, 0.01, false), Measurement::Failed);
    }

    #[test]
    fn inconclusive_neither_counts_nor_resets_a_row_of_failures() {
        use Measurement::{Failed, Inconclusive, Successful};
        let mut score = Score::default();
        let rule = BackstopRule::ConsecutiveFailures(2);
        let reverts: Vec<bool> = [Failed, Successful, Failed, Inconclusive, Failed]
            .into_iter()
            .map(|measurement| score.add(measurement, rule))
            .collect();
        assert_eq!(reverts, [false, false, false, false, true]);
    }
}
