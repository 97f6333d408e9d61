//! Random traffic with a seed, so that every statistical claim has one exact outcome. No clock, no crate for it.

// Each test binary uses a part of it.
#![allow(dead_code)]

use sluice_engine::evidence::{Counts, Group, Observations};
use sluice_engine::judge::{Finding, Guard, Judge, Pricing, Settings};

/// xorshift64* over a SplitMix64 seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self((z ^ (z >> 27)).max(1))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of probability `p` happens.
    pub(crate) fn happens(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// A Poisson number; above a mean of 30 by the normal approximation.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        if mean > 30.0 {
            let normal = (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
            return (mean + mean.sqrt() * normal).round().max(0.0) as u32;
        }
        let (mut product, limit, mut count) = (self.unit(), (-mean).exp(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

/// `started` requests of which `failed` failed, all known at once and fast.
pub(crate) fn known(started: u32, failed: u32) -> Counts {
    Counts { started, done: started, failed, fast: started, ..Counts::default() }
}

/// One tick in which requests of both arms started and became known.
pub(crate) fn tick_of(tick: u64, canary: Counts, stable: Counts) -> Observations {
    let group = |counts: Counts| if counts.is_empty() { vec![] } else { vec![Group { age: 0, counts }] };
    Observations { tick, canary: group(canary), stable: group(stable) }
}

/// A judge without guard whose first step runs at `weight`.
pub(crate) fn judge_at(weight: f64, settings: Settings) -> Judge {
    let mut judge = Judge::new(Settings { guard: Guard::Off, ..settings });
    judge.begin_step(0, weight, Pricing::Step, false);
    judge
}

/// Feeds Poisson traffic of one tick, known at once, and evaluates as a proxy would: at the end of the tick, on a beat
/// or because a canary request failed.
pub(crate) fn run_tick(
    judge: &mut Judge,
    random: &mut Random,
    tick: u64,
    means: (f64, f64),
    shares: (f64, f64),
) -> Vec<Finding> {
    let canary = known(random.poisson(means.0 * (1.0 - shares.0)), 0);
    let canary_failed = random.poisson(means.0 * shares.0);
    let stable = known(random.poisson(means.1 * (1.0 - shares.1)), 0);
    let stable_failed = random.poisson(means.1 * shares.1);
    let with = |counts: Counts, failed: u32| known(counts.started + failed, failed);
    judge.observe(&tick_of(tick, with(canary, canary_failed), with(stable, stable_failed)));
    judge.evaluate(tick, tick % 2 == 1)
}
