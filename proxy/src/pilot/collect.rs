//! Reads what the workers counted and says what became known since the last look.
//!
//! Counters are never reset: slot = tick modulo ring, values wrap, and a difference to the last look is what is new.
//! The slot says which cohort it belongs to only because the pilot looks many times in one turn of the ring; so the
//! two oldest slots are left out, which a worker may already be using for the tick that begins just now. Cohorts that
//! started after the tick of observation are left for the next look.
//!
//! Nothing is added up over time here: that is the judge's business, and the totals' ([`super::ledger`]).

use std::collections::VecDeque;
use std::sync::Arc;

use sluice_engine::evidence::{ARMS, Arm, Counts, Group, Observations};

use crate::counters::{Cohort, GenerationCounters, LATE_SLOTS, Pairs};

/// Slots at the old end of the ring that a worker may take for new ticks while the pilot reads: two ticks are a
/// hundred milliseconds between the pilot's clock and its last read.
const MARGIN_TICKS: u64 = 2;

/// The words of both arms' counters, as last seen.
type Seen = [[u64; 4]; 2];

/// Takes the differences of one generation's counters.
#[derive(Debug)]
pub(super) struct Collector {
    counters: Arc<GenerationCounters>,
    shards: Vec<SeenShard>,
    /// Number and first tick of the steps whose late slots are in use, oldest first.
    steps: VecDeque<(u32, u64)>,
}

#[derive(Debug)]
struct SeenShard {
    ring: Box<[Seen]>,
    late: [Seen; LATE_SLOTS],
}

// === impl Collector ===

impl Collector {
    /// A collector that has seen nothing of fresh `counters`.
    pub(super) fn new(counters: Arc<GenerationCounters>) -> Self {
        let shards = counters
            .shards
            .iter()
            .map(|shard| SeenShard {
                ring: vec![Seen::default(); shard.ring.len()].into(),
                late: [Seen::default(); LATE_SLOTS],
            })
            .collect();
        Self { counters, shards, steps: VecDeque::from([(0, 0)]) }
    }

    /// The step with this number begins at `from_tick`.
    pub(super) fn begin_step(&mut self, number: u32, from_tick: u64) {
        self.steps.push_back((number, from_tick));
        if self.steps.len() > LATE_SLOTS {
            self.steps.pop_front();
        }
    }

    /// What became known up to the end of `tick`; `newest` is the tick that runs now.
    pub(super) fn collect(&mut self, tick: u64, newest: u64) -> Observations {
        let mut seen = Observations { tick, ..Observations::default() };
        let ring = self.shards.first().map_or(0, |shard| shard.ring.len() as u64);
        let oldest = (newest.max(tick) + 1 + MARGIN_TICKS).saturating_sub(ring);
        for start in oldest..=tick {
            let new = self.take_slot((start % ring.max(1)) as usize);
            push(&mut seen, tick - start, new);
        }
        for slot in 0..LATE_SLOTS {
            let new = self.take_late(slot);
            if new.iter().any(|counts| !counts.is_empty()) {
                push(&mut seen, tick - self.late_start(slot, tick, ring), new);
            }
        }
        seen
    }

    fn take_slot(&mut self, slot: usize) -> [Counts; 2] {
        let mut sum = Seen::default();
        for (shard, seen) in self.counters.shards.iter().zip(&mut self.shards) {
            take(&shard.ring[slot], &mut seen.ring[slot], &mut sum);
        }
        sum.map(Pairs::counts)
    }

    fn take_late(&mut self, slot: usize) -> [Counts; 2] {
        let mut sum = Seen::default();
        for (shard, seen) in self.counters.shards.iter().zip(&mut self.shards) {
            take(&shard.late[slot], &mut seen.late[slot], &mut sum);
        }
        sum.map(Pairs::counts)
    }

    /// A start tick for outcomes in a late slot: as young as an outcome can be that the ring no longer holds, but in
    /// the window of its step or before it.
    fn late_start(&self, slot: usize, tick: u64, ring: u64) -> u64 {
        let youngest = tick.saturating_sub(ring);
        let step = self.steps.iter().rposition(|&(number, _)| number as usize % LATE_SLOTS == slot);
        let next = match step {
            Some(step) => self.steps.get(step + 1),
            None => self.steps.front(), // older than all that are remembered
        };
        next.map_or(youngest, |&(_, from_tick)| youngest.min(from_tick.saturating_sub(1)))
    }
}

/// Adds what is new in `cohort` to `sum`.
fn take(cohort: &Cohort, seen: &mut Seen, sum: &mut Seen) {
    for arm in ARMS.map(Arm::index) {
        let now = cohort.arms[arm].words();
        for ((sum, seen), now) in sum[arm].iter_mut().zip(&mut seen[arm]).zip(now) {
            *sum = sum.wrapping_add(now.wrapping_sub(*seen));
            *seen = now;
        }
    }
}

fn push(seen: &mut Observations, age: u64, new: [Counts; 2]) {
    for arm in ARMS {
        let counts = new[arm.index()];
        if !counts.is_empty() {
            match arm {
                Arm::Stable => seen.stable.push(Group { age, counts }),
                Arm::Canary => seen.canary.push(Group { age, counts }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    use crate::counters::{LOWER, UPPER, Wake, add};

    fn mk(workers: usize) -> (Arc<GenerationCounters>, Collector) {
        let counters = Arc::new(GenerationCounters::new(workers, None, Arc::new(Wake::default())));
        (Arc::clone(&counters), Collector::new(counters))
    }

    fn slot(counters: &GenerationCounters, worker: usize, tick: u64, arm: Arm) -> &Pairs {
        let ring = &counters.shards[worker].ring;
        &ring[tick as usize % ring.len()].arms[arm.index()]
    }

    fn group(age: u64, started: u32, failed: u32) -> Group {
        Group { age, counts: Counts { started, failed, ..Counts::default() } }
    }

    #[test]
    fn shards_are_added_up_and_each_count_is_told_once_with_its_age() {
        let (counters, mut collector) = mk(2);
        for worker in 0..2 {
            add(&slot(&counters, worker, 5, Arm::Canary).started, LOWER);
        }
        add(&slot(&counters, 1, 3, Arm::Stable).started, LOWER);
        let seen = collector.collect(7, 7);
        assert_eq!((seen.canary, seen.stable), (vec![group(2, 2, 0)], vec![group(4, 1, 0)]));
        add(&slot(&counters, 0, 5, Arm::Canary).failed, LOWER);
        let seen = collector.collect(9, 10);
        assert_eq!((seen.canary, seen.stable), (vec![group(4, 0, 1)], vec![]));
        assert!(collector.collect(11, 11).canary.is_empty());
    }

    #[test]
    fn a_slot_belongs_to_another_cohort_each_turn_and_counters_may_wrap() {
        let (counters, mut collector) = mk(1);
        let done = &slot(&counters, 0, 4, Arm::Canary).done;
        let counts = |done, fast| Counts { done, fast, ..Counts::default() };
        done.store(u64::from(u32::MAX) + 7 * UPPER, Relaxed);
        assert_eq!(collector.collect(5, 5).canary, [Group { age: 1, counts: counts(u32::MAX, 7) }]);
        add(done, 3 * LOWER + UPPER); // beyond the wrap of the lower counter, into the upper one
        assert_eq!(collector.collect(4 + 128 + 3, 4 + 128 + 3).canary, [Group { age: 3, counts: counts(3, 1) }]);
        done.store(u64::MAX, Relaxed);
        collector.collect(136, 136);
        add(done, 2 * (LOWER + UPPER)); // beyond the wrap of the whole word
        assert_eq!(collector.collect(137, 137).canary, [Group { age: 5, counts: counts(2, 2) }]);
    }

    #[test]
    fn cohorts_after_the_observed_tick_wait_for_the_next_look() {
        let (counters, mut collector) = mk(1);
        add(&slot(&counters, 0, 8, Arm::Canary).started, LOWER);
        assert!(collector.collect(7, 8).canary.is_empty());
        assert_eq!(collector.collect(8, 8).canary, [group(0, 1, 0)]);
    }

    #[test]
    fn the_slot_of_the_tick_that_is_about_to_begin_is_not_taken_for_the_oldest_cohort() {
        let (counters, mut collector) = mk(1);
        add(&slot(&counters, 0, 301, Arm::Canary).started, LOWER); // a worker's clock is a little ahead
        assert!(collector.collect(300, 300).canary.is_empty());
        assert_eq!(collector.collect(301, 301).canary, [group(0, 1, 0)]);
    }

    #[test]
    fn a_late_outcome_of_the_present_step_is_older_than_the_ring_and_inside_its_window() {
        let (counters, mut collector) = mk(1);
        collector.begin_step(1, 100);
        add(&counters.shards[0].late[1].arms[Arm::Canary.index()].failed, LOWER);
        let seen = collector.collect(300, 300);
        assert_eq!(seen.canary, [group(128, 0, 1)]);
    }

    #[test]
    fn a_late_outcome_of_an_earlier_step_is_older_than_the_present_step() {
        let (counters, mut collector) = mk(1);
        collector.begin_step(1, 100);
        collector.begin_step(2, 150);
        add(&counters.shards[0].late[1].arms[Arm::Canary.index()].failed, LOWER);
        add(&counters.shards[0].late[0].arms[Arm::Canary.index()].failed, LOWER);
        let seen = collector.collect(300, 300);
        assert_eq!(seen.canary, [group(300 - 99, 0, 1), group(300 - 149, 0, 1)]);
    }
}
