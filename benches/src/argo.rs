//! How Argo Rollouts judges a canary from measurements: the counting of an AnalysisRun, without its clock and network.
//!
//! A measurement is successful or failed by its condition, or an error when there is nothing to compare (no answer, an
//! empty vector: `result[0]` does not exist). NaN meets no condition, so it fails. A metric fails when *more* than
//! `failureLimit` measurements failed, and errs when more than `consecutiveErrorLimit` errors came in a row; either
//! ends the run, and the rollout's weight is set to zero. Sources: docs/features/analysis.md and analysis/analysis.go
//! of argoproj/argo-rollouts (v1.10). The text there says of `failureLimit: 3` that three bad measurements fail the
//! run; its code, which is what runs, needs a fourth.

use std::time::Duration;

/// Errors in a row that are allowed where nothing else is said.
const CONSECUTIVE_ERROR_LIMIT: u32 = 4;

/// `successCondition`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// `result[0] >= limit`.
    AtLeast(f64),
    /// `result[0] <= limit`.
    AtMost(f64),
}

/// One metric of an AnalysisTemplate.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// What Prometheus is asked.
    pub query: String,
    /// What a good answer meets.
    pub condition: Condition,
    /// From the end of one measurement to the next.
    pub interval: Duration,
    /// So many bad measurements are allowed.
    pub failure_limit: u32,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It goes on.
    Running,
    /// Too many measurements failed.
    Failed,
    /// Too many errors in a row.
    Error,
}

/// The measurements of one metric so far.
#[derive(Clone, Debug)]
pub struct MetricRun {
    metric: Metric,
    failed: u32,
    consecutive_errors: u32,
}

// === impl Condition ===

impl Condition {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }
}

// === impl MetricRun ===

impl MetricRun {
    /// A run without measurements.
    pub fn new(metric: Metric) -> Self {
        Self { metric, failed: 0, consecutive_errors: 0 }
    }

    /// What is measured.
    pub fn metric(&self) -> &Metric {
        &self.metric
    }

    /// Counts a measurement: the first value of the answer, or `None` where there is nothing to compare.
    pub fn take(&mut self, value: Option<f64>) -> Phase {
        match value {
            None => self.consecutive_errors += 1,
            Some(value) => {
                self.consecutive_errors = 0;
                self.failed += u32::from(!self.metric.condition.is_met(value));
            }
        }
        if self.failed > self.metric.failure_limit {
            return Phase::Failed;
        }
        if self.consecutive_errors > CONSECUTIVE_ERROR_LIMIT {
            return Phase::Error;
        }
        Phase::Running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(condition: Condition, failure_limit: u32) -> MetricRun {
        MetricRun::new(Metric { query: String::new(), condition, interval: Duration::from_secs(300), failure_limit })
    }

    /// The phase after each measurement.
    fn phases(mut run: MetricRun, values: &[Option<f64>]) -> Vec<Phase> {
        values.iter().map(|&value| run.take(value)).collect()
    }

    #[test]
    fn the_fourth_bad_measurement_fails_a_run_with_a_failure_limit_of_three() {
        let values = [Some(0.94), Some(1.0), Some(0.5), Some(0.0), Some(0.95), Some(0.949)];
        let phases = phases(run(Condition::AtLeast(0.95), 3), &values);
        assert_eq!(phases[..5], [Phase::Running; 5]);
        assert_eq!(phases[5], Phase::Failed);
    }

    #[test]
    fn the_first_bad_measurement_fails_a_run_without_a_failure_limit() {
        let phases = phases(run(Condition::AtMost(0.3), 0), &[Some(0.1), Some(0.3), Some(0.301)]);
        assert_eq!(phases, [Phase::Running, Phase::Running, Phase::Failed]);
    }

    #[test]
    fn not_a_number_meets_no_condition() {
        assert_eq!(run(Condition::AtLeast(0.95), 0).take(Some(f64::NAN)), Phase::Failed);
        assert_eq!(run(Condition::AtMost(0.3), 0).take(Some(f64::NAN)), Phase::Failed);
    }

    #[test]
    fn five_errors_in_a_row_end_a_run_and_a_measurement_between_forgives_them() {
        let errors = [None; 5];
        assert_eq!(phases(run(Condition::AtLeast(0.95), 0), &errors)[3..], [Phase::Running, Phase::Error]);
        let mut interrupted = [None; 8];
        interrupted[3] = Some(1.0);
        assert_eq!(phases(run(Condition::AtLeast(0.95), 0), &interrupted), [Phase::Running; 8]);
    }
}
