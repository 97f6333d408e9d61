//! Is the canary good enough for the next step?
//!
//! Absence of evidence against the canary is no evidence for it: promotion asks for its own proof, PRO, that the
//! share of failures is below the limit (Ramdas, Grünwald, Vovk, Shafer, *Game-theoretic statistics and safe
//! anytime-valid inference*, arXiv 2210.01948). Requests without an answer for long count as failed here.

use std::collections::VecDeque;

use super::settings::{Settings, clamped_theta};
use crate::evidence::Counts;
use crate::units::TICK_MS;

/// Shares of the limit that are tried as the canary's share of failures.
const FRACTIONS: [f64; 5] = [0.02, 0.1, 0.25, 0.5, 0.75];
/// Requests without an answer count as stuck after this many milliseconds at least.
const STUCK_MS: u64 = 2_000;
/// Requests that a point estimate needs.
pub(crate) const OBSERVED_REQUESTS: f64 = 100.0;

/// PRO in nats for `x` failures among `n` requests at the limit `theta`.
pub(crate) fn pro(n: f64, x: f64, theta: f64) -> f64 {
    let factors = factors(theta);
    let best = factors.iter().map(|(failed, ok)| x * failed + (n - x) * ok).fold(f64::NEG_INFINITY, f64::max);
    best - (FRACTIONS.len() as f64).ln()
}

/// Requests at which PRO reaches `threshold` if the share of failures stays as it is; `None` if never.
pub(crate) fn needed(n: f64, x: f64, theta: f64, threshold: f64) -> Option<u64> {
    let share = if n > 0.0 { (x / n).clamp(0.0, 1.0) } else { 0.0 };
    let gain =
        factors(theta).iter().map(|(failed, ok)| share * failed + (1.0 - share) * ok).fold(f64::NEG_INFINITY, f64::max);
    let requests = (threshold + (FRACTIONS.len() as f64).ln()) / gain;
    (gain > 0.0 && requests < 1e15).then(|| requests.max(0.0).ceil() as u64)
}

fn factors(theta: f64) -> [(f64, f64); FRACTIONS.len()] {
    let theta = clamped_theta(theta);
    FRACTIONS.map(|f| (f.ln(), ((1.0 - f * theta) / (1.0 - theta)).ln()))
}

/// Counts of the canary for promotion, since evidence last began.
#[derive(Clone, Debug)]
pub(crate) struct Promotion {
    /// First tick whose requests count.
    since: u64,
    /// How often counts began anew; each adds ln 2 to the thresholds.
    beginnings: u32,
    done: f64,
    failed: f64,
    stuck: f64,
    /// Unanswered requests of each tick that is not yet old enough to be stuck, oldest first.
    waiting: VecDeque<f64>,
    /// Tick of the oldest of them.
    waiting_from: u64,
    patience: u64,
    step: u64,
    step_done: f64,
}

// === impl Promotion ===

impl Promotion {
    /// Nothing counted; requests count from the first tick of the failure metric.
    pub(crate) fn new(settings: &Settings, first_tick: u64) -> Self {
        Self {
            since: first_tick,
            beginnings: 0,
            done: 0.0,
            failed: 0.0,
            stuck: 0.0,
            waiting: VecDeque::new(),
            waiting_from: 0,
            patience: (2 * settings.limit_ms()).max(STUCK_MS).div_ceil(TICK_MS),
            step: 0,
            step_done: 0.0,
        }
    }

    /// Ticks after which a request without an answer is stuck.
    pub(crate) fn patience(&self) -> u64 {
        self.patience
    }

    /// A tick begins; all requests of the tick that becomes old enough and have no answer are stuck.
    pub(crate) fn open(&mut self) {
        self.waiting.push_back(0.0);
        while self.waiting.len() as u64 > self.patience {
            self.settle_oldest();
        }
    }

    /// As if every tick before `tick` had been opened.
    pub(crate) fn skip_to(&mut self, tick: u64) {
        while !self.waiting.is_empty() {
            self.settle_oldest();
        }
        self.waiting_from = tick;
    }

    fn settle_oldest(&mut self) {
        if let Some(unanswered) = self.waiting.pop_front() {
            if self.waiting_from >= self.since {
                self.stuck += unanswered;
            }
            self.waiting_from += 1;
        }
    }

    /// Adds what became known of canary requests that started in tick `cohort`.
    pub(crate) fn add(&mut self, cohort: u64, counts: &Counts) {
        if cohort < self.since {
            return;
        }
        let [started, done, failed, fast, slow, excluded, _, _] = counts.to_array().map(f64::from);
        self.done += done;
        self.failed += failed;
        if cohort >= self.step {
            self.step_done += done;
        }
        let unanswered = started - excluded - fast - slow;
        let at = cohort.checked_sub(self.waiting_from).and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| self.waiting.get_mut(at)) {
            Some(waiting) => *waiting += unanswered,
            None => self.stuck += unanswered,
        }
    }

    /// A weight step begins at `tick`.
    pub(crate) fn begin_step(&mut self, tick: u64) {
        self.step = tick;
        self.step_done = 0.0;
    }

    /// Everything begins anew at `tick`.
    pub(crate) fn begin_anew(&mut self, tick: u64) {
        self.since = self.since.max(tick);
        self.beginnings = self.beginnings.saturating_add(1);
        (self.done, self.failed, self.stuck, self.step_done) = (0.0, 0.0, 0.0, 0.0);
    }

    /// Requests of this step that are done.
    pub(crate) fn step_done(&self) -> f64 {
        self.step_done
    }

    /// Requests and failures of the failure metric: what is done, and what is stuck as failed.
    pub(crate) fn failures(&self) -> (f64, f64) {
        let stuck = self.stuck.max(0.0);
        (self.done + stuck, self.failed + stuck)
    }

    /// PRO that is asked for: ln(1/α_p), and ln 2 for every new beginning.
    pub(crate) fn threshold(&self, alpha: f64) -> f64 {
        -alpha.ln() + f64::from(self.beginnings) * std::f64::consts::LN_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_requests_needed_are_468_92_and_4697() {
        let ln20 = 20_f64.ln();
        for (theta, requests) in [(0.01, 468), (0.05, 92), (0.001, 4_697)] {
            assert_eq!(needed(0.0, 0.0, theta, ln20), Some(requests), "θ = {theta}");
            assert!(pro(requests as f64, 0.0, theta) >= ln20);
            assert!(pro(requests as f64 - 1.0, 0.0, theta) < ln20);
        }
    }

    #[test]
    fn at_the_limit_no_number_of_requests_is_enough() {
        assert_eq!(needed(10_000.0, 100.0, 0.01, 3.0), None);
        assert!(needed(10_000.0, 50.0, 0.01, 3.0).is_some_and(|requests| (2_000..4_500).contains(&requests)));
    }
}
