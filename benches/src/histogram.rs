//! Latencies in log-linear buckets: 128 to each power of two, so that any quantile is at most 0.8 % off.
//!
//! Counting is a shift and an increment; nothing is kept per request.

use std::time::Duration;

const SUB_BITS: u32 = 7;
const SUB: usize = 1 << SUB_BITS;
/// Values from 2^40 ns (18 minutes) on share the last bucket; no run is that long.
const MAX_BITS: u32 = 40;
const BUCKETS: usize = ((MAX_BITS - SUB_BITS) as usize + 1) * SUB;

/// Counts of durations.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

// === impl Histogram ===

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// How many were counted.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many took longer than `duration`, to the width of a bucket.
    pub fn above(&self, duration: Duration) -> u64 {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos) + 1..].iter().copied().map(u64::from).sum()
    }

    /// The duration that a share `q` (0 to 1) of all does not exceed; zero without any.
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = ((self.total as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return Duration::from_nanos(upper_bound(index));
            }
        }
        Duration::ZERO
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.min((1 << MAX_BITS) - 1);
    let shift = (nanos | SUB as u64).ilog2() - SUB_BITS;
    // For shift 0 the value itself; from then on the leading bit is implied by the block of buckets.
    shift as usize * SUB + (nanos >> shift) as usize
}

fn upper_bound(index: usize) -> u64 {
    if index < 2 * SUB {
        return index as u64;
    }
    let shift = index / SUB - 1;
    let mantissa = (index % SUB + SUB) as u64;
    ((mantissa + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_one_percent_below_its_buckets_upper_bound() {
        for nanos in (0..1_000_000u64).step_by(37).chain([1 << 30, (1 << 40) - 1]) {
            let bound = upper_bound(bucket(nanos));
            assert!(bound >= nanos, "{nanos} above {bound}");
            assert!(bound as f64 <= nanos as f64 * 1.008 + 1.0, "{nanos} far below {bound}");
        }
    }

    #[test]
    fn the_last_bucket_takes_everything_longer() {
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_of_one_to_a_thousand_microseconds() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|us| histogram.record(Duration::from_micros(us)));
        let p50 = histogram.quantile(0.5).as_nanos() as f64 / 1_000.0;
        let p99 = histogram.quantile(0.99).as_nanos() as f64 / 1_000.0;
        assert!((500.0..504.0).contains(&p50), "{p50}");
        assert!((990.0..998.0).contains(&p99), "{p99}");
    }

    #[test]
    fn what_took_longer_is_counted() {
        let mut histogram = Histogram::default();
        [10, 490, 510, 900].into_iter().for_each(|ms| histogram.record(Duration::from_millis(ms)));
        assert_eq!(histogram.above(Duration::from_millis(500)), 2);
        assert_eq!(histogram.above(Duration::from_secs(3_600)), 0);
    }

    #[test]
    fn an_empty_histogram_says_zero() {
        assert_eq!(Histogram::default().quantile(0.99), Duration::ZERO);
    }
}
