//! The counters of the present generation, and where in its time it is.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use sluice_api::RevertStatus;
use sluice_engine::evidence::{Arm, Observations};
use sluice_engine::judge::Verdict;
use sluice_engine::rollout::Rollout;
use sluice_engine::units::TICK_MS;

use super::collect::Collector;
use super::reaction::Reaction;
use crate::counters::{GenerationCounters, Wake};

/// Length of a tick in microseconds.
pub(super) const TICK_US: u64 = TICK_MS * 1_000;

/// A beat is the end of every odd tick.
const BEAT_US: u64 = 2 * TICK_US;

/// What is counted: new for every generation, and once more when one ends without a successor.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) generation: u64,
    pub(super) limit_ms: Option<u64>,
    pub(super) origin_us: u64,
    /// Number of the weight step, for late outcomes.
    pub(super) step: u32,
    pub(super) counters: Arc<GenerationCounters>,
    has_canary: bool,
    collector: Collector,
    reaction: Reaction,
    /// Failures that users saw, at the last look.
    user_failures: u64,
}

// === impl Counted ===

impl Counted {
    /// Fresh counters for what the engine is at now.
    pub(super) fn new(engine: &Rollout, workers: usize, wake: &Arc<Wake>) -> Self {
        let limit_ms = limit_ms(engine);
        let counters = Arc::new(GenerationCounters::new(workers, limit_ms, Arc::clone(wake)));
        Self {
            generation: engine.generation(),
            limit_ms,
            origin_us: engine.origin_ms() * 1_000,
            step: 0,
            has_canary: engine.canary().is_some(),
            collector: Collector::new(Arc::clone(&counters)),
            counters,
            reaction: Reaction::default(),
            user_failures: 0,
        }
    }

    /// Whether these are the counters of what the engine is at now.
    pub(super) fn is_of(&self, engine: &Rollout) -> bool {
        self.generation == engine.generation()
            && self.has_canary == engine.canary().is_some()
            && self.limit_ms == limit_ms(engine)
            && (!self.has_canary || self.origin_us == engine.origin_ms() * 1_000)
    }

    /// The tick that runs at `now_us`.
    pub(super) fn tick(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.origin_us) / TICK_US
    }

    /// The last odd tick that has ended at `now_us`, if one has.
    pub(super) fn beat(&self, now_us: u64) -> Option<u64> {
        (self.tick(now_us) / 2 * 2).checked_sub(1)
    }

    /// The end of the next odd tick after `now_us`.
    pub(super) fn next_beat(&self, now_us: u64) -> u64 {
        let beats = now_us.saturating_sub(self.origin_us) / BEAT_US;
        self.origin_us + (beats + 1) * BEAT_US
    }

    /// A weight begins at `from_tick`.
    pub(super) fn begin_step(&mut self, from_tick: u64) {
        self.step = self.step.wrapping_add(1);
        self.collector.begin_step(self.step, from_tick);
    }

    /// What the workers have counted up to the end of `tick`.
    pub(super) fn look(&mut self, tick: u64, now_us: u64) -> Observations {
        let newest = self.tick(now_us);
        let seen = self.collector.collect(tick, newest);
        self.reaction.note(now_us, &seen, self.user_failures);
        self.user_failures = self.read_user_failures();
        seen
    }

    /// What the revert by `verdict`, in force since `now_us`, took.
    pub(super) fn measure(&self, verdict: &Verdict, now_us: u64) -> RevertStatus {
        self.reaction.measure(verdict, self.origin_us, now_us, self.read_user_failures())
    }

    fn read_user_failures(&self) -> u64 {
        self.counters.shards.iter().map(|shard| shard.arm(Arm::Canary).user_failures.load(Relaxed)).sum()
    }
}

fn limit_ms(engine: &Rollout) -> Option<u64> {
    engine.plan().analysis.latency.map(|latency| latency.limit_ms)
}
