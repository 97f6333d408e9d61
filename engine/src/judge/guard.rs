//! Burst guard: how many failures of one tick may count in full.
//!
//! Independent tests revert a healthy service whose errors come in bursts local to one arm in every half-hour
//! rollout; capping the evidence of one tick at two failures brings that to 1 % at most. Whether the cap is needed is
//! read from stable's own failures: the dispersion D compares their scatter over ticks with that of independent
//! failures. This is empirical, and decided once per step.

use std::collections::VecDeque;

use super::cohorts::Cohort;
use super::settings::{Guard, Metric, Routing};

/// Ticks that share one estimate of the failure share: 10 s.
const BLOCK_TICKS: u64 = 200;
/// Blocks remembered: 10 min.
pub(crate) const BLOCKS: usize = 60;
/// Ticks of history before bursts can be ruled out: 60 s.
const ENOUGH_TICKS: u64 = 1_200;
/// Stable failures before anything can be said about their scatter.
const ENOUGH_FAILURES: f64 = 20.0;
/// Scatter above this is bursts.
const DISPERSED: f64 = 1.5;
/// Failures per tick that count when bursts are known, or users rather than requests are assigned.
const STRICT: f64 = 2.0;
/// Failures per tick that count when little is known.
const CAREFUL: f64 = 4.0;
/// Ticks whose history is remembered.
pub(crate) const HISTORY_TICKS: u64 = BLOCK_TICKS * BLOCKS as u64;

/// Sums over the ticks of one block: all that D needs.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    ticks: u64,
    n: f64,
    x: f64,
    nn: f64,
    nx: f64,
    xx: f64,
}

/// Stable's last ten minutes.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    blocks: VecDeque<Block>,
}

// === impl Block ===

impl Block {
    /// Σ(x−np̂)² and Σnp̂(1−p̂) with p̂ = Σx/Σn; an empty block adds nothing.
    fn scatter(&self) -> (f64, f64) {
        if self.n <= 0.0 {
            return (0.0, 0.0);
        }
        let p = self.x / self.n;
        (self.xx - 2.0 * p * self.nx + p * p * self.nn, self.n * p * (1.0 - p))
    }
}

// === impl History ===

impl History {
    /// Adds the next tick, unless an outage of both arms was in force.
    pub(crate) fn add(&mut self, cohort: &Cohort) {
        if !cohort.held {
            let stable = cohort.linear(Metric::Failures).tally;
            self.push(stable.n_stable, stable.x_stable);
        }
    }

    /// Adds one tick: stable requests and their failures.
    pub(crate) fn push(&mut self, n: f64, x: f64) {
        if self.blocks.back().is_none_or(|block| block.ticks == BLOCK_TICKS) {
            if self.blocks.len() == BLOCKS {
                self.blocks.pop_front();
            }
            self.blocks.push_back(Block::default());
        }
        if let Some(block) = self.blocks.back_mut() {
            block.ticks += 1;
            block.n += n;
            block.x += x;
            block.nn += n * n;
            block.nx += n * x;
            block.xx += x * x;
        }
    }

    /// The automatic choice; `None` is off.
    pub(crate) fn choice(&self, routing: Routing) -> Option<f64> {
        let ticks: u64 = self.blocks.iter().map(|block| block.ticks).sum();
        let failures: f64 = self.blocks.iter().map(|block| block.x).sum();
        let enough = failures >= ENOUGH_FAILURES;
        let dispersed = self.dispersion() > DISPERSED;
        match routing {
            Routing::Sticky => Some(STRICT),
            Routing::Coin if dispersed && enough => Some(STRICT),
            Routing::Coin if ticks >= ENOUGH_TICKS && enough && !dispersed => None,
            Routing::Coin => Some(CAREFUL),
        }
    }

    /// D = Σ(x−np̂)² / Σnp̂(1−p̂); 0 where nothing failed.
    fn dispersion(&self) -> f64 {
        let (seen, expected) = self
            .blocks
            .iter()
            .map(Block::scatter)
            .fold((0.0, 0.0), |(seen, expected), (s, e)| (seen + s, expected + e));
        if expected > 0.0 { seen / expected } else { 0.0 }
    }
}

/// The cap of a step that begins now; infinite is off.
pub(crate) fn cap(guard: Guard, routing: Routing, history: &History) -> f64 {
    let chosen = match guard {
        Guard::Off => f64::INFINITY,
        Guard::Cap(count) if count >= 0.0 => count,
        Guard::Cap(_) => CAREFUL,
        Guard::Auto => history.choice(routing).unwrap_or(f64::INFINITY),
    };
    match routing {
        Routing::Coin => chosen,
        Routing::Sticky => chosen.min(STRICT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(ticks: u64, tick: impl Fn(u64) -> (f64, f64)) -> History {
        let mut history = History::default();
        for t in 0..ticks {
            let (n, x) = tick(t);
            history.push(n, x);
        }
        history
    }

    #[test]
    fn single_failures_far_apart_need_no_guard() {
        let quiet = history(4_800, |t| (20.0, f64::from(u8::from(t % 200 == 199))));
        assert_eq!(quiet.choice(Routing::Coin), None);
        assert_eq!(quiet.choice(Routing::Sticky), Some(2.0));
    }

    #[test]
    fn bursts_need_a_strict_guard_and_little_history_a_careful_one() {
        let bursts = history(4_800, |t| (20.0, if t % 200 == 199 { 10.0 } else { 0.0 }));
        assert_eq!(bursts.choice(Routing::Coin), Some(2.0));
        assert_eq!(history(1_199, |_| (20.0, 0.1)).choice(Routing::Coin), Some(4.0));
        assert_eq!(History::default().choice(Routing::Coin), Some(4.0));
    }

    #[test]
    fn ten_minutes_are_remembered_and_no_more() {
        let mut mended = history(HISTORY_TICKS, |t| (20.0, if t % 200 == 199 { 10.0 } else { 0.0 }));
        for t in 0..HISTORY_TICKS {
            mended.push(20.0, f64::from(u8::from(t % 100 == 99)));
        }
        assert_eq!(mended.choice(Routing::Coin), None);
        assert_eq!(mended.blocks.len(), BLOCKS);
    }
}
