//! Writes the histograms in the text format: they are kept as buckets, which the recorder does not take.

use std::fmt::Write;

use sluice_engine::evidence::ARMS;
use sluice_engine::histogram::{BUCKETS, bounds};

use super::names::{DURATION, LEAD_TIME, REVERT, TABLE};
use crate::pilot::{ArmSums, RolloutTotals, TimesTaken};

/// Upper bounds of the request histogram, microseconds; the latency limit comes on top.
const BOUNDS_US: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000,
];

/// One line: cumulative counts below bounds in seconds, the sum, and the count of all.
struct Lines<'a> {
    name: &'a str,
    labels: String,
    cumulative: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

/// Appends the histograms of every rollout.
pub(super) fn write_all(text: &mut String, totals: &[RolloutTotals]) {
    write_head(text, DURATION);
    for rollout in totals {
        for arm in ARMS {
            let labels = format!("rollout=\"{}\",arm=\"{}\"", escape(&rollout.status.name), arm.label());
            durations(rollout.sums.arm(arm), rollout.limit_ms, labels).write(text);
        }
    }
    write_head(text, REVERT);
    for rollout in totals {
        times_taken(REVERT, rollout, &rollout.tally.reverts).write(text);
    }
    write_head(text, LEAD_TIME);
    for rollout in totals {
        times_taken(LEAD_TIME, rollout, &rollout.tally.lead_times).write(text);
    }
}

fn durations(sums: &ArmSums, limit_ms: Option<u64>, labels: String) -> Lines<'static> {
    let mut limits: Vec<u64> = BOUNDS_US.into_iter().chain(limit_ms.map(|limit| limit.saturating_mul(1_000))).collect();
    limits.sort_unstable();
    limits.dedup();
    let mut counts = vec![0; limits.len() + 1];
    for (bucket, count) in sums.latency.iter().enumerate() {
        counts[limits.partition_point(|&limit| limit < middle(bucket))] += count;
    }
    let mut seen = 0;
    let cumulative = limits.iter().zip(&counts).map(|(&limit, count)| {
        seen += count;
        (limit as f64 / 1e6, seen)
    });
    let cumulative = cumulative.collect();
    Lines { name: DURATION, labels, cumulative, sum: sums.latency_sum_us as f64 / 1e6, count: counts.iter().sum() }
}

/// A bucket that a bound cuts belongs to the side on which its middle lies.
fn middle(bucket: usize) -> u64 {
    debug_assert!(bucket < BUCKETS, "buckets come from an array of that length");
    let (lower, upper) = bounds(bucket);
    upper.map_or(lower, |upper| lower + (upper - lower) / 2)
}

fn times_taken(name: &'static str, rollout: &RolloutTotals, times: &TimesTaken) -> Lines<'static> {
    let mut seen = 0;
    let cumulative = times.bounds.iter().zip(&times.counts).map(|(&bound, count)| {
        seen += count;
        (bound, seen)
    });
    let cumulative = cumulative.collect();
    Lines {
        name,
        labels: format!("rollout=\"{}\"", escape(&rollout.status.name)),
        cumulative,
        sum: times.sum,
        count: times.counts.iter().sum(),
    }
}

// === impl Lines ===

impl Lines<'_> {
    fn write(&self, text: &mut String) {
        let Self { name, labels, cumulative, sum, count } = self;
        for (bound, below) in cumulative {
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
    }
}

fn write_head(text: &mut String, name: &str) {
    let help = TABLE.iter().find(|row| row.0 == name).map_or("", |row| row.3);
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
}

/// A label value: names of rollouts hold nothing that needs it, but the format does not know that.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_engine::histogram::index;

    #[test]
    fn the_latency_limit_is_among_the_bounds_and_counts_are_cumulative() {
        let mut sums = ArmSums::default();
        for us in [100, 1_500, 150_000, 199_000, 260_000, 90_000_000] {
            sums.latency[index(us)] += 1;
        }
        sums.latency_sum_us = 1_500_000;
        let mut text = String::new();
        durations(&sums, Some(200), "rollout=\"shop\",arm=\"canary\"".to_owned()).write(&mut text);
        let value = |le: &str| {
            let start = format!("{DURATION}_bucket{{rollout=\"shop\",arm=\"canary\",le=\"{le}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
        };
        for (le, below) in [
            ("0.0005", "1"),
            ("0.001", "1"),
            ("0.0025", "2"),
            ("0.1", "2"),
            ("0.2", "4"),
            ("0.25", "4"),
            ("0.5", "5"),
            ("30", "5"),
            ("+Inf", "6"),
        ] {
            assert_eq!(value(le).as_deref(), Some(below), "{le}\n{text}");
        }
        assert!(
            text.contains("_sum{rollout=\"shop\",arm=\"canary\"} 1.5\n")
                && text.contains("_count{rollout=\"shop\",arm=\"canary\"} 6\n"),
            "{text}"
        );
    }
}
