//! The product's own histograms: they are kept as buckets, which a recorder does not take.

use std::collections::BTreeMap;

use sluice_engine::evidence::ARMS;
use sluice_engine::histogram::{BUCKETS, bounds};

use super::family::{Family, Histogram, Kind, Sample, Value};
use super::names::{DURATION, LEAD_TIME, REVERT, TABLE};
use crate::exemplars::ArmExemplars;
use crate::pilot::{ArmSums, RolloutTotals, TimesTaken};

/// Upper bounds of the request histogram, microseconds; the latency limit comes on top.
const BOUNDS_US: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000,
];

/// Native buckets of schema 5 for each doubling.
const PER_OCTAVE: f64 = 32.0;

/// The histograms of every rollout, whose examples `exemplars` knows.
pub(super) fn families(totals: &[RolloutTotals], exemplars: impl Fn(&str) -> [ArmExemplars; 2]) -> Vec<Family> {
    let mut request = Vec::new();
    let (mut revert, mut lead) = (Vec::new(), Vec::new());
    for rollout in totals {
        let name = rollout.status.name.as_str();
        let examples = exemplars(name);
        for arm in ARMS {
            let mut histogram = durations(rollout.sums.arm(arm), rollout.limit_ms);
            examples[arm.index()].latency.iter().flatten().for_each(|&example| histogram.illustrate(example));
            request.push(Sample::new(&[("rollout", name), ("arm", arm.label())], Value::Histogram(histogram)));
        }
        for (samples, times) in [(&mut revert, &rollout.tally.reverts), (&mut lead, &rollout.tally.lead_times)] {
            samples.push(Sample::new(&[("rollout", name)], Value::Histogram(times_taken(times))));
        }
    }
    vec![family(DURATION, request), family(REVERT, revert), family(LEAD_TIME, lead)]
}

fn family(name: &str, samples: Vec<Sample>) -> Family {
    let help = TABLE.iter().find(|row| row.0 == name).map_or("", |row| row.3);
    Family { name: name.to_owned(), kind: Kind::Histogram, help: help.to_owned(), samples }
}

fn durations(sums: &ArmSums, limit_ms: Option<u64>) -> Histogram {
    let mut limits: Vec<u64> = BOUNDS_US.into_iter().chain(limit_ms.map(|limit| limit.saturating_mul(1_000))).collect();
    limits.sort_unstable();
    limits.dedup();
    let mut counts = vec![0; limits.len() + 1];
    for (bucket, count) in sums.latency.iter().enumerate() {
        counts[limits.partition_point(|&limit| (limit as f64) < middle_us(bucket))] += count;
    }
    let sum = sums.latency_sum_us as f64 / 1e6;
    Histogram {
        native: Some(native(sums)),
        ..Histogram::new(limits.iter().map(|&limit| limit as f64 / 1e6), &counts, sum)
    }
}

/// A bucket that a bound cuts belongs to the side on which its middle lies.
fn middle_us(bucket: usize) -> f64 {
    debug_assert!(bucket < BUCKETS, "buckets come from an array of that length");
    let (lower, upper) = bounds(bucket);
    upper.map_or(lower as f64, |upper| (lower + upper - 1) as f64 / 2.0)
}

/// Ours are linear within each doubling and Prometheus's are not, so a bucket goes whole to where its middle lies.
fn native(sums: &ArmSums) -> Vec<(i32, u64)> {
    let mut native = BTreeMap::new();
    for (bucket, &count) in sums.latency.iter().enumerate().filter(|(_, count)| **count > 0) {
        // Bucket i ends at 2^(i/32) and includes its end. Half a microsecond stands for what took less than one.
        let seconds = middle_us(bucket).max(0.5) / 1e6;
        *native.entry((seconds.log2() * PER_OCTAVE).ceil() as i32).or_default() += count;
    }
    native.into_iter().collect()
}

fn times_taken(times: &TimesTaken) -> Histogram {
    Histogram::new(times.bounds.iter().copied(), &times.counts, times.sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_engine::histogram::index;

    #[test]
    fn the_latency_limit_is_among_the_bounds_and_every_count_is_in_its_bucket() {
        let mut sums = ArmSums::default();
        for us in [100, 1_500, 150_000, 199_000, 260_000, 90_000_000] {
            sums.latency[index(us)] += 1;
        }
        sums.latency_sum_us = 1_500_000;
        let histogram = durations(&sums, Some(200));
        let below = |bound: f64| -> u64 {
            histogram.all().take_while(|bucket| bucket.bound <= bound).map(|bucket| bucket.count).sum()
        };
        for (bound, count) in [
            (0.0005, 1),
            (0.001, 1),
            (0.0025, 2),
            (0.1, 2),
            (0.2, 4),
            (0.25, 4),
            (0.5, 5),
            (30.0, 5),
            (f64::INFINITY, 6),
        ] {
            assert_eq!(below(bound), count, "{bound}\n{histogram:?}");
        }
        assert!(histogram.buckets.iter().any(|bucket| bucket.bound == 0.2));
        assert_eq!(histogram.sum, 1.5);
    }

    #[test]
    fn native_buckets_hold_the_same_within_the_width_of_one() {
        for us in [1, 63, 64, 1_000, 1_500, 200_000, 9_999_999] {
            let mut sums = ArmSums::default();
            sums.latency[index(us)] += 2;
            let [(bucket, 2)] = native(&sums)[..] else { panic!("one bucket of two for {us}") };
            let upper_us = 2f64.powf(f64::from(bucket) / PER_OCTAVE) * 1e6;
            let ratio = upper_us / us as f64;
            assert!((0.98..1.04).contains(&ratio), "{us} µs lies below {upper_us}");
        }
    }
}
