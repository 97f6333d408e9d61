//! Comparison below the limit: a release that answers 404 everywhere, or fails 0.8 % where stable fails 0.1 %, passes
//! every fixed limit. On the step window alone, at the threshold of a revert; it pauses rather than reverts unless the
//! settings ask for it, and so spends no part of α.

use super::finding::{Finding, Rule};
use super::settings::{Compare, Metric, Routing};
use super::windows::Window;
use super::{Judge, promotion, threshold};

impl Judge {
    /// Compares all metrics on a beat; the first that looks worse is reported once until a person resumes.
    pub(super) fn compare(&mut self, findings: &mut Vec<Finding>) {
        if self.settings.compare == Compare::Off || self.compare_latched || self.ledger.weight >= 1.0 {
            return;
        }
        let Some(metric) = Metric::ALL.into_iter().find(|&metric| self.is_worse(metric)) else { return };
        let verdict = *self.verdict(Rule::Comparison, metric, Window::Step);
        // Without a coin REL is advice, and advice is for people.
        if self.settings.compare == Compare::Revert && self.settings.routing == Routing::Coin {
            self.reverted = true;
            findings.push(Finding::Revert(verdict));
        } else {
            self.compare_latched = true;
            findings.push(Finding::Worse(verdict));
        }
    }

    fn is_worse(&self, metric: Metric) -> bool {
        if !self.settings.watches(metric) {
            return false;
        }
        let sums = self.ledger.sums(Window::Step, metric);
        sums.raw.x >= f64::from(self.settings.min_failures)
            && self.rel(&sums, Window::Step).is_some_and(|rel| rel >= self.abs_threshold(metric, Window::Step))
    }

    /// Whether the canary looks worse than stable, so that it must not be promoted: REL ≥ ln 20 with any failure.
    pub(super) fn looks_worse(&self, metric: Metric) -> bool {
        if self.settings.compare == Compare::Off || self.ledger.weight >= 1.0 || !self.settings.watches(metric) {
            return false;
        }
        let sums = self.ledger.sums(Window::Step, metric);
        sums.raw.x >= 1.0 && self.rel(&sums, Window::Step).is_some_and(|rel| rel >= threshold::DOUBT)
    }

    /// Whether a reverting metric is in doubt: ABS ≥ ln 20 in any window, without penalty and without minimum.
    pub(super) fn is_in_doubt(&self, metric: Metric) -> bool {
        self.ledger.windows.all().any(|window| {
            let (_, n, x) = self.ledger.canary(window, metric);
            self.abs[metric.index()].score(n, x) >= threshold::DOUBT
        })
    }

    /// Requests and failures that count for the promotion of `metric`.
    pub(super) fn promotion_counts(&self, metric: Metric) -> (f64, f64) {
        match metric {
            Metric::Failures => self.ledger.promotion.failures(),
            Metric::Latency | Metric::C4xx | Metric::Cancels => {
                let raw = self.ledger.windows.since_evidence(metric).raw;
                (raw.n, raw.x)
            }
        }
    }

    /// PRO at which `metric` may be promoted.
    pub(super) fn promotion_threshold(&self) -> f64 {
        let settings = &self.settings;
        let alpha = if self.ledger.last_step { settings.alpha_promote_last } else { settings.alpha_promote };
        self.ledger.promotion.threshold(alpha)
    }

    /// Whether the proof for `metric` is there; if not, how many requests are seen and needed.
    pub(super) fn unproven(&self, metric: Metric, theta: f64) -> Option<(u64, Option<u64>)> {
        let (n, x) = self.promotion_counts(metric);
        let (proven, needed) = match self.settings.promotion {
            super::Promotion::Confident => {
                let threshold = self.promotion_threshold();
                let proven = n > 0.0 && promotion::pro(n, x, theta) >= threshold;
                (proven, promotion::needed(n, x, theta, threshold))
            }
            super::Promotion::Observed => {
                let within = x <= theta * n;
                let enough = n >= promotion::OBSERVED_REQUESTS;
                (within && enough, within.then_some(promotion::OBSERVED_REQUESTS as u64))
            }
        };
        (!proven).then_some((n.max(0.0) as u64, needed))
    }
}
