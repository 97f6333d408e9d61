//! What a controller that polls Prometheus would have needed: a model, not a measurement.
//!
//! State of the art is a controller that asks Prometheus every `interval` whether the share of failed requests over
//! the last `window` is beyond the limit, and goes back after `consecutive` bad answers. After the first failure it
//! takes, one after the other:
//!
//! 1. until so much of the window is bad that the share exceeds the limit: limit × window / share of failing requests;
//! 2. until the next scrape brings that to Prometheus: 0 to `scrape`, half of it in the mean;
//! 3. until the next question: 0 to `interval`, half of it in the mean;
//! 4. the further bad answers: (`consecutive` − 1) × `interval`.
//!
//! That favours the poll: asking, the controller's reconciling, and the ingress taking over the new weight are free,
//! and `rate()` is taken to see the very first scrape. Sources: Argo Rollouts, "Analysis & Progressive Delivery"
//! (`interval`, `failureLimit`, `consecutiveErrorLimit`) and Prometheus, "Configuration" (`scrape_interval`).

use std::time::Duration;

/// How often who asks for what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PollModel {
    /// Between two scrapes by Prometheus.
    pub scrape: Duration,
    /// Between two questions of the controller.
    pub interval: Duration,
    /// What a question looks back on.
    pub window: Duration,
    /// Bad answers in a row that are needed.
    pub consecutive: u32,
    /// Allowed share of failed requests.
    pub limit: f64,
}

/// Least, mean and greatest time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Every poll comes just in time.
    pub least: Duration,
    /// Polls come anywhere.
    pub mean: Duration,
    /// Every poll was just missed.
    pub greatest: Duration,
}

// === impl PollModel ===

impl PollModel {
    /// A 30 s poll over 2 min with a scrape every 15 s, two bad answers in a row, at most 1 % failing.
    pub const USUAL: Self = Self {
        scrape: Duration::from_secs(15),
        interval: Duration::from_secs(30),
        window: Duration::from_secs(120),
        consecutive: 2,
        limit: 0.01,
    };

    /// From the first failure to the decision, if the share `failing` of the canary's requests fails.
    pub fn reaction(&self, failing: f64) -> Estimate {
        let least = self.window.mul_f64(self.limit / failing) + self.interval * (self.consecutive - 1);
        Estimate {
            least,
            mean: least + (self.scrape + self.interval) / 2,
            greatest: least + self.scrape + self.interval,
        }
    }
}

impl Default for PollModel {
    fn default() -> Self {
        Self::USUAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_failure_takes_the_usual_poll_half_a_minute_to_over_a_minute() {
        let estimate = PollModel::USUAL.reaction(1.0);
        assert_eq!(estimate.least, Duration::from_millis(31_200));
        assert_eq!(estimate.mean, Duration::from_millis(53_700));
        assert_eq!(estimate.greatest, Duration::from_millis(76_200));
    }

    #[test]
    fn a_rare_failure_takes_longer_to_fill_the_window() {
        assert_eq!(PollModel::USUAL.reaction(0.05).mean, Duration::from_millis(76_500));
    }
}
