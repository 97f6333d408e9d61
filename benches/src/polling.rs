//! Two settings of a controller that polls Prometheus, and the loop over their metrics.
//!
//! *Sample* is the `success-rate` AnalysisTemplate of Argo Rollouts' documentation ("Background Analysis" in
//! docs/features/analysis.md): `interval: 5m`, `successCondition: result[0] >= 0.95`, `failureLimit: 3`, and
//! `sum(irate(requests{code!~"5.*"}[5m])) / sum(irate(requests[5m]))`. Prometheus scrapes every 15 s, as its own sample
//! configuration does. The sample asks about the service as a whole; here it is asked about the canary alone, which
//! favours it: stable's traffic would dilute what the canary fails.
//!
//! *Eager* is what one can sensibly ask at most: scrape every 5 s, ask every 10 s over the last 20 s (`rate` wants four
//! scrapes), go back at the first bad answer, with Sluice's own limits for failures and latency.

use std::time::{Duration, Instant};

use crate::argo::{Condition, Metric, MetricRun, Phase};
use crate::prometheus::Job;

/// How a controller polls.
#[derive(Clone, Copy, Debug)]
pub struct Polling {
    /// Its scrape job.
    pub job: Job,
    /// From one measurement to the next.
    pub interval: Duration,
    /// `irate` or `rate`, and over what.
    pub function: &'static str,
    /// The range in brackets.
    pub window: Duration,
    /// Least share of good answers.
    pub success: f64,
    /// Greatest P95 in seconds, if that is asked for at all.
    pub latency: Option<f64>,
    /// So many bad measurements are allowed.
    pub failure_limit: u32,
}

/// An AnalysisRun under way.
#[derive(Debug)]
pub struct AnalysisRun {
    /// Each metric, and when it is measured next.
    metrics: Vec<(MetricRun, Instant)>,
}

// === impl Polling ===

impl Polling {
    /// Argo Rollouts' documented sample.
    pub const SAMPLE: Self = Self {
        job: Job { name: "sample", interval: Duration::from_secs(15) },
        interval: Duration::from_secs(300),
        function: "irate",
        window: Duration::from_secs(300),
        success: 0.95,
        latency: None,
        failure_limit: 3,
    };

    /// The most aggressive sensible setting.
    pub const EAGER: Self = Self {
        job: Job { name: "eager", interval: Duration::from_secs(5) },
        interval: Duration::from_secs(10),
        function: "rate",
        window: Duration::from_secs(20),
        success: 0.99,
        latency: Some(0.3),
        failure_limit: 0,
    };

    /// The metrics for the canary of a trial.
    pub fn metrics(&self, trial: usize) -> Vec<Metric> {
        let metric =
            |query, condition| Metric { query, condition, interval: self.interval, failure_limit: self.failure_limit };
        let mut metrics = vec![metric(self.success_query(trial), Condition::AtLeast(self.success))];
        metrics.extend(self.latency.map(|limit| metric(self.latency_query(trial), Condition::AtMost(limit))));
        metrics
    }

    fn success_query(&self, trial: usize) -> String {
        let (canary, all) = (self.canary(trial), self.over("nginx_ingress_controller_requests", ""));
        let good = self.over("nginx_ingress_controller_requests", ",status!~\"5.*\"");
        format!("sum({good}) / sum({all})").replace("CANARY", &canary)
    }

    fn latency_query(&self, trial: usize) -> String {
        let buckets = self.over("nginx_ingress_controller_request_duration_seconds_bucket", "");
        format!("histogram_quantile(0.95, sum by (le) ({buckets}))").replace("CANARY", &self.canary(trial))
    }

    fn over(&self, name: &str, more: &str) -> String {
        format!("{}({name}{{CANARY{more}}}[{}s])", self.function, self.window.as_secs())
    }

    fn canary(&self, trial: usize) -> String {
        format!("job=\"{}\",ingress=\"{trial}\",arm=\"canary\"", self.job.name)
    }
}

// === impl AnalysisRun ===

impl AnalysisRun {
    /// A run that takes its first measurement at `now`.
    pub fn begin(metrics: Vec<Metric>, now: Instant) -> Self {
        Self { metrics: metrics.into_iter().map(|metric| (MetricRun::new(metric), now)).collect() }
    }

    /// Takes what is due by `now` (`ask` answers a query); what the run has come to. `finished` says when a measurement
    /// was finished, from which its next one is reckoned.
    pub fn advance(
        &mut self,
        now: Instant,
        ask: impl Fn(&str) -> Option<f64>,
        finished: impl Fn() -> Instant,
    ) -> Phase {
        for (run, due) in &mut self.metrics {
            if now < *due {
                continue;
            }
            let phase = run.take(ask(&run.metric().query));
            *due = finished() + run.metric().interval;
            if phase != Phase::Running {
                return phase;
            }
        }
        Phase::Running
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn the_sample_asks_what_the_documentation_asks() {
        let metrics = Polling::SAMPLE.metrics(7);
        let canary = "job=\"sample\",ingress=\"7\",arm=\"canary\"";
        let name = "nginx_ingress_controller_requests";
        let wanted =
            format!("sum(irate({name}{{{canary},status!~\"5.*\"}}[300s])) / sum(irate({name}{{{canary}}}[300s]))");
        assert_eq!(metrics.len(), 1);
        assert_eq!((metrics[0].query.as_str(), metrics[0].failure_limit), (wanted.as_str(), 3));
        assert_eq!(metrics[0].condition, Condition::AtLeast(0.95));
    }

    #[test]
    fn the_eager_one_asks_for_latency_too() {
        let metrics = Polling::EAGER.metrics(7);
        assert_eq!(
            metrics[1].query,
            "histogram_quantile(0.95, sum by (le) (rate(nginx_ingress_controller_request_duration_seconds_bucket\
             {job=\"eager\",ingress=\"7\",arm=\"canary\"}[20s])))"
        );
        assert_eq!((metrics[1].condition, metrics[1].failure_limit), (Condition::AtMost(0.3), 0));
    }

    #[test]
    fn a_run_measures_at_its_start_and_then_at_each_interval() {
        let start = Instant::now();
        let mut run = AnalysisRun::begin(Polling::SAMPLE.metrics(1), start);
        let asked = Cell::new(0);
        let mut phases = Vec::new();
        for minute in 0..=20 {
            let now = start + Duration::from_secs(60 * minute);
            let answer = |_: &str| {
                asked.set(asked.get() + 1);
                Some(if minute < 5 { 1.0 } else { 0.0 })
            };
            phases.push(run.advance(now, answer, || now));
        }
        assert_eq!(asked.get(), 5, "at 0, 5, 10, 15 and 20 minutes");
        assert!(phases[..20].iter().all(|&phase| phase == Phase::Running));
        assert_eq!(phases[20], Phase::Failed, "the fourth bad answer");
    }
}
