//! Vectors of interval measurements.

use serde::Deserialize;

use super::{Answered, ReplayError, checks};
use crate::judge::{BackstopRule, Score, clamped_theta, measure};

/// Interval measurements and the rule that counts them; exactly one of the three limits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackstopVector {
    /// Name.
    pub id: String,
    /// Requests and failures of each measurement.
    pub measurements: Vec<[f64; 2]>,
    /// Allowed share of failures.
    pub theta: f64,
    /// Revert after more failed ones than this; -1 is never.
    pub failure_limit: Option<i64>,
    /// Revert at this many.
    pub threshold: Option<u32>,
    /// Revert at this many in a row.
    pub consecutive_failures: Option<u32>,
    /// The point estimate decides.
    #[serde(default)]
    pub exact: bool,
}

impl BackstopVector {
    pub(super) fn answer(&self) -> Result<Answered, ReplayError> {
        checks::theta("theta", self.theta)?;
        let rule = self.rule()?;
        let (mut score, mut results, mut at) = (Score::default(), Vec::new(), None);
        for (index, &[n, x]) in self.measurements.iter().enumerate() {
            checks::counts(&format!("measurements[{index}]"), n, x)?;
            let measurement = measure(n, x, clamped_theta(self.theta), self.exact);
            results.push(measurement);
            if score.add(measurement, rule) && at.is_none() {
                at = Some(index);
            }
        }
        let decision = if at.is_some() { "revert" } else { "continue" };
        Ok(Answered::Backstop { decision, results, at })
    }

    fn rule(&self) -> Result<BackstopRule, ReplayError> {
        match (self.failure_limit, self.threshold, self.consecutive_failures) {
            (Some(-1), None, None) => Ok(BackstopRule::FailureLimit(None)),
            (Some(limit), None, None) => {
                let refused = |_| ReplayError::new("failureLimit", format!("{limit} is not allowed: -1, 0 or more"));
                Ok(BackstopRule::FailureLimit(Some(u32::try_from(limit).map_err(refused)?)))
            }
            (None, Some(count), None) => {
                checks::at_least_one("threshold", count)?;
                Ok(BackstopRule::Threshold(count))
            }
            (None, None, Some(count)) => {
                checks::at_least_one("consecutiveFailures", count)?;
                Ok(BackstopRule::ConsecutiveFailures(count))
            }
            _ => Err(ReplayError::new(
                "failureLimit, threshold, consecutiveFailures",
                "exactly one of the three is needed",
            )),
        }
    }
}
