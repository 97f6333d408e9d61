//! Latency histogram: where a latency is counted, and what the counts say about quantiles.
//!
//! Log-linear buckets as in the HDR histogram and the `histogram` crate (compare DDSketch, arXiv 1908.10693): exact
//! below 64 µs, then 32 buckets per octave, each at most 3.125 % of its lower bound wide, up to 67 s. For display and
//! export; verdicts count requests slower than the limit exactly and never look here. The functions are pure: the
//! proxy keeps its own counters and adds shards by [`merge`].

/// Number of buckets; the last one is open. 704 counters of 32 bits are 2.8 KiB.
pub const BUCKETS: usize = 704;

/// Below this every microsecond has its own bucket.
const LINEAR: u64 = 64;
/// Buckets per octave, as a power of two.
const OCTAVE_BITS: u32 = 5;
/// From here on (67 s) everything is in the last bucket.
const OPEN_END: u64 = 1 << 26;

/// A quantile as far as buckets know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The true value is at least this, microseconds.
    pub lower: u64,
    /// The true value is below this; `None` in the open last bucket.
    pub upper: Option<u64>,
}

/// The bucket of a latency of `us` microseconds.
///
/// Below 64 the value itself; else, with e the position of the highest bit, ((e − 5) << 5) + (us >> (e − 5)).
pub const fn index(us: u64) -> usize {
    if us < LINEAR {
        return us as usize;
    }
    if us >= OPEN_END {
        return BUCKETS - 1;
    }
    let shift = us.ilog2() - OCTAVE_BITS;
    ((shift as usize) << OCTAVE_BITS) + (us >> shift) as usize
}

/// First value of a bucket and the first value after it, microseconds; the last bucket is open. An index beyond the
/// last means the last.
pub const fn bounds(index: usize) -> (u64, Option<u64>) {
    if index < LINEAR as usize {
        return (index as u64, Some(index as u64 + 1));
    }
    let last = index >= BUCKETS - 1;
    let index = if last { BUCKETS - 1 } else { index };
    let shift = (index >> OCTAVE_BITS) - 1;
    let lower = (((index & 31) + 32) as u64) << shift;
    (lower, if last { None } else { Some(lower + (1 << shift)) })
}

/// Adds the counts of one shard; neither argument may be longer than the other is wrong, the rest is ignored.
pub fn merge(into: &mut [u64], shard: &[u32]) {
    for (sum, &count) in into.iter_mut().zip(shard) {
        *sum = sum.saturating_add(u64::from(count));
    }
}

/// The bucket in which the `quantile` (0 to 1) of all counted latencies lies; `None` if nothing was counted.
///
/// The true value lies in the bucket, so its upper bound errs by at most 3.125 % (1 µs below 64 µs), except in the
/// open last bucket.
pub fn quantile(counts: &[u64], quantile: f64) -> Option<Estimate> {
    let total: u128 = counts.iter().map(|&count| u128::from(count)).sum();
    if total == 0 || quantile.is_nan() {
        return None;
    }
    // The smallest rank that reaches the share; at least the first, at most the last observation.
    let rank = ((quantile.clamp(0.0, 1.0) * total as f64).ceil() as u128).clamp(1, total);
    let mut seen = 0;
    let bucket = counts.iter().position(|&count| {
        seen += u128::from(count);
        seen >= rank
    })?;
    let (lower, upper) = bounds(bucket);
    Some(Estimate { lower, upper })
}

// === impl Estimate ===

impl Estimate {
    /// The middle of the bucket, in microseconds: at most 1.6 % off. In the open bucket its lower bound.
    pub fn midpoint(&self) -> u64 {
        self.upper.map_or(self.lower, |upper| self.lower + (upper - self.lower) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        let mut end = 0;
        for bucket in 0..BUCKETS {
            let (lower, upper) = bounds(bucket);
            assert_eq!(lower, end, "bucket {bucket}");
            assert_eq!(index(lower), bucket);
            match upper {
                Some(upper) => {
                    assert_eq!(index(upper - 1), bucket);
                    assert!(lower < LINEAR || (upper - lower) * 32 <= lower, "bucket {bucket} is too wide");
                    end = upper;
                }
                None => assert_eq!(bucket, BUCKETS - 1),
            }
        }
    }

    #[test]
    fn endless_latencies_are_in_the_last_bucket() {
        for us in [OPEN_END - 1, OPEN_END, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(index(us), BUCKETS - 1);
        }
        assert_eq!(bounds(usize::MAX), bounds(BUCKETS - 1));
    }

    #[test]
    fn a_quantile_is_in_its_bucket() {
        let mut counts = vec![0; BUCKETS];
        merge(&mut counts, &{
            let mut shard = vec![0; BUCKETS];
            for us in 1..=100_000 {
                shard[index(us)] += 1;
            }
            shard
        });
        for (q, us) in [(0.5, 50_000), (0.95, 95_000), (0.99, 99_000), (1.0, 100_000), (0.0, 1)] {
            let estimate = quantile(&counts, q).unwrap();
            assert!(estimate.lower <= us && estimate.upper.is_some_and(|upper| us < upper), "{q}: {estimate:?}");
        }
    }

    #[test]
    fn nothing_counted_has_no_quantile() {
        assert_eq!(quantile(&[0; BUCKETS], 0.5), None);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1], f64::NAN), None);
    }
}
