//! Running totals of one rollout, of the present generation and of the process's whole life.
//!
//! Workers write totals into the shards of one generation. A generation that is over is still read until nobody but
//! the ledger holds its shards (requests under way end in the generation they began in); then it is folded into a
//! base. So what Prometheus reads never goes back, neither at a new generation nor at a reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sluice_engine::evidence::{ARMS, Arm};
use sluice_engine::histogram::BUCKETS;

use crate::counters::{ArmTotals, FailureKind, GenerationCounters, Shard};

/// Totals of one arm, all workers added up. The fields are those of [`ArmTotals`].
#[derive(Clone, Debug)]
pub struct ArmSums {
    /// Attempts begun.
    pub started: u64,
    /// Of the begun ones, those directed to this arm.
    pub directed: u64,
    /// By status class; 0 is `none`.
    pub codes: [u64; 6],
    /// By [`FailureKind::index`].
    pub failures: [u64; FailureKind::COUNT],
    /// Failures that the user saw.
    pub user_failures: u64,
    /// Latency, log-linear buckets of microseconds.
    pub latency: Box<[u64; BUCKETS]>,
    /// Sum of the latencies, microseconds.
    pub latency_sum_us: u64,
}

/// Totals of the shield.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShieldSums {
    /// Failed canary requests that stable answered.
    pub answered: u64,
    /// Second attempts that failed as well.
    pub failed: u64,
    /// Not tried: budget used up.
    pub over_budget: u64,
}

/// Totals of both arms.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Indexed by [`Arm::index`].
    pub arms: [ArmSums; 2],
    /// The shield's.
    pub shield: ShieldSums,
}

/// The totals of one rollout.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    base: Sums,
    /// Generations that may still be written to, oldest first; the last is the present one.
    live: Vec<Live>,
}

/// A generation's counters and what was read from them.
#[derive(Debug)]
struct Live {
    counters: Arc<GenerationCounters>,
    /// Latency buckets are 32 bits wide and wrap, so differences are taken: by shard and arm.
    seen: Vec<[Box<[u32; BUCKETS]>; 2]>,
    sums: Sums,
}

// === impl Ledger ===

impl Ledger {
    /// The present generation is counted in these.
    pub(super) fn begin(&mut self, counters: Arc<GenerationCounters>) {
        self.refresh();
        self.live.push(Live::new(counters));
    }

    /// Reads everything that may still be written. To be called at least once in 2^32 requests.
    pub(super) fn refresh(&mut self) {
        let mut live = std::mem::take(&mut self.live);
        let present = live.pop();
        for mut former in live {
            // The order matters: what was written before the last holder let go is read after it is known to be gone.
            let is_over = former.has_no_writer();
            former.read();
            if is_over {
                self.base.add(&former.sums);
            } else {
                self.live.push(former);
            }
        }
        if let Some(mut present) = present {
            present.read();
            self.live.push(present);
        }
    }

    /// The present generation's totals as of the last refresh.
    pub(super) fn present(&self) -> Option<&Sums> {
        self.live.last().map(|live| &live.sums)
    }

    /// The totals since the start of the process as of the last refresh.
    pub(super) fn total(&self) -> Sums {
        let mut total = self.base.clone();
        for live in &self.live {
            total.add(&live.sums);
        }
        total
    }
}

// === impl Live ===

impl Live {
    fn new(counters: Arc<GenerationCounters>) -> Self {
        let seen = counters.shards.iter().map(|_| [mk_buckets(), mk_buckets()]).collect();
        Self { counters, seen, sums: Sums::default() }
    }

    fn has_no_writer(&self) -> bool {
        let is_over = Arc::strong_count(&self.counters) == 1
            && self.counters.shards.iter().all(|shard| Arc::strong_count(shard) == 1);
        // Pairs with the release of the last holder's drop.
        std::sync::atomic::fence(Ordering::Acquire);
        is_over
    }

    fn read(&mut self) {
        let former = std::mem::take(&mut self.sums);
        let mut answered = [0; 2];
        for (i, former) in former.arms.into_iter().enumerate() {
            self.sums.arms[i].latency = former.latency; // the only sums that grow by differences
            answered[i] = former.codes[2];
        }
        for (shard, seen) in self.counters.shards.iter().zip(&mut self.seen) {
            for arm in ARMS {
                self.sums.arms[arm.index()].add_shard(shard.arm(arm), &mut seen[arm.index()]);
            }
            self.sums.shield.add_shard(shard);
        }
        for (arm, former) in self.sums.arms.iter_mut().zip(answered) {
            arm.codes[2] = arm.successes().max(former);
        }
    }
}

// === impl Sums ===

impl Sums {
    /// The totals of one arm.
    pub fn arm(&self, arm: Arm) -> &ArmSums {
        &self.arms[arm.index()]
    }

    fn add(&mut self, other: &Self) {
        for (arm, more) in self.arms.iter_mut().zip(&other.arms) {
            arm.add(more);
        }
        self.shield.answered += other.shield.answered;
        self.shield.failed += other.shield.failed;
        self.shield.over_budget += other.shield.over_budget;
    }
}

// === impl ArmSums ===

impl ArmSums {
    /// Failed attempts of every kind.
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// Attempts ended, in whatever way.
    pub fn finished(&self) -> u64 {
        self.codes.iter().sum()
    }

    /// Attempts under way.
    pub fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.finished())
    }

    /// 2xx answers: whatever has a latency and is in no other class. May lag behind while workers count.
    fn successes(&self) -> u64 {
        let others = self.codes[1] + self.codes[3..].iter().sum::<u64>();
        self.latency.iter().sum::<u64>().saturating_sub(others)
    }

    fn add_shard(&mut self, totals: &ArmTotals, seen: &mut [u32; BUCKETS]) {
        // What ends is read before what begins, so that nothing seems to end before it began; and latencies before
        // classes, so that no 2xx is seen that was none.
        self.user_failures += load(&totals.user_failures);
        self.directed += load(&totals.directed);
        self.latency_sum_us += load(&totals.latency_sum_us);
        for ((sum, seen), bucket) in self.latency.iter_mut().zip(seen.iter_mut()).zip(totals.latency.iter()) {
            let now = bucket.load(Ordering::Relaxed);
            *sum += u64::from(now.wrapping_sub(*seen));
            *seen = now;
        }
        add_all(&mut self.codes, &totals.codes);
        add_all(&mut self.failures, &totals.failures);
        self.started += load(&totals.started);
    }

    fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.directed += other.directed;
        self.user_failures += other.user_failures;
        self.latency_sum_us += other.latency_sum_us;
        self.codes.iter_mut().zip(other.codes).for_each(|(sum, more)| *sum += more);
        self.failures.iter_mut().zip(other.failures).for_each(|(sum, more)| *sum += more);
        self.latency.iter_mut().zip(other.latency.iter()).for_each(|(sum, more)| *sum += more);
    }
}

impl Default for ArmSums {
    fn default() -> Self {
        Self {
            started: 0,
            directed: 0,
            codes: [0; 6],
            failures: [0; FailureKind::COUNT],
            user_failures: 0,
            latency: mk_buckets(),
            latency_sum_us: 0,
        }
    }
}

// === impl ShieldSums ===

impl ShieldSums {
    fn add_shard(&mut self, shard: &Shard) {
        self.answered += load(&shard.shield.answered);
        self.failed += load(&shard.shield.failed);
        self.over_budget += load(&shard.shield.over_budget);
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add_all<const N: usize>(sums: &mut [u64; N], counters: &[AtomicU64; N]) {
    for (sum, counter) in sums.iter_mut().zip(counters) {
        *sum += load(counter);
    }
}

fn mk_buckets<T: Copy + Default>() -> Box<[T; BUCKETS]> {
    Box::new([T::default(); BUCKETS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{Wake, add, bump};

    fn mk_counters() -> Arc<GenerationCounters> {
        Arc::new(GenerationCounters::new(2, None, Arc::new(Wake::default())))
    }

    fn canary_total(ledger: &mut Ledger) -> u64 {
        ledger.refresh();
        ledger.total().arm(Arm::Canary).started
    }

    #[test]
    fn totals_never_go_back_over_generations_and_late_writes_still_count() {
        let mut ledger = Ledger::default();
        let (first, second) = (mk_counters(), mk_counters());
        ledger.begin(Arc::clone(&first));
        add(&first.shards[0].arm(Arm::Canary).started, 7);
        let held_by_a_request = Arc::clone(&first.shards[0]);
        drop(first);
        ledger.begin(Arc::clone(&second));
        assert_eq!(canary_total(&mut ledger), 7);
        add(&held_by_a_request.arm(Arm::Canary).started, 1);
        assert_eq!(canary_total(&mut ledger), 8);
        assert_eq!(ledger.live.len(), 2);
        drop(held_by_a_request);
        add(&second.shards[1].arm(Arm::Canary).started, 2);
        assert_eq!(canary_total(&mut ledger), 10);
        assert_eq!(ledger.live.len(), 1);
        assert_eq!(ledger.present().map(|sums| sums.arm(Arm::Canary).started), Some(2));
        assert_eq!(canary_total(&mut ledger), 10);
    }

    #[test]
    fn successes_are_the_answers_of_no_other_class_and_never_go_back() {
        let mut ledger = Ledger::default();
        let counters = mk_counters();
        ledger.begin(Arc::clone(&counters));
        let arm = counters.shards[0].arm(Arm::Stable);
        arm.latency[9].store(10, Ordering::Relaxed);
        add(&arm.codes[3], 1);
        add(&arm.codes[5], 2);
        add(&arm.codes[0], 4); // no answer, no latency
        ledger.refresh();
        assert_eq!(ledger.total().arm(Arm::Stable).codes, [4, 0, 7, 1, 0, 2]);
        add(&arm.codes[4], 1); // seen before its latency is
        ledger.refresh();
        assert_eq!(ledger.total().arm(Arm::Stable).codes, [4, 0, 7, 1, 1, 2]);
    }

    #[test]
    fn latency_buckets_are_read_across_their_wrap() {
        let mut ledger = Ledger::default();
        let counters = mk_counters();
        ledger.begin(Arc::clone(&counters));
        let bucket = &counters.shards[0].arm(Arm::Stable).latency[9];
        bucket.store(u32::MAX, Ordering::Relaxed);
        ledger.refresh();
        bump(bucket);
        ledger.refresh();
        assert_eq!(ledger.total().arm(Arm::Stable).latency[9], 1 << 32);
    }

    #[test]
    fn a_former_generation_is_folded_once_into_what_was_there_before() {
        let mut ledger = Ledger::default();
        for generation in 1..=5u64 {
            let counters = mk_counters();
            ledger.begin(Arc::clone(&counters));
            bump(&counters.shards[0].arm(Arm::Stable).latency[3]);
            add(&counters.shards[0].shield.answered, 1);
            ledger.refresh();
            let total = ledger.total();
            assert_eq!((total.arm(Arm::Stable).latency[3], total.shield.answered), (generation, generation));
        }
    }
}
