//! The last ticks one by one: who started in which tick, under which weight and guard.
//!
//! A cohort stays here for R ticks, R being the next power of two ≥ max(128, ⌈L/Δ⌉ + 16), so that every latency
//! verdict and all usual failures find their cohort. What arrives later goes to the late slot. Nothing here knows
//! windows.

use std::collections::VecDeque;

use super::settings::{Metric, Settings};
use super::sums::{Linear, Sums};
use crate::units::TICK_MS;

/// Ticks kept at least: 6.4 s.
const LEAST_KEPT: u64 = 128;
/// Ticks kept beyond the latency limit.
const MARGIN: u64 = 16;

/// All requests that started in one tick.
#[derive(Clone, Debug)]
pub(crate) struct Cohort {
    /// Probability with which requests went to the canary.
    pub(crate) weight: f64,
    /// Failures of one metric that may count in full; infinite without guard.
    pub(crate) cap: f64,
    /// Whether a hold or suspension was in force: such a tick says nothing about stable's habits.
    pub(crate) held: bool,
    linear: [Linear; 4],
}

/// The ring of cohorts.
#[derive(Clone, Debug)]
pub(crate) struct Cohorts {
    ring: VecDeque<Cohort>,
    /// Tick of the oldest one kept.
    first: u64,
    kept: u64,
    /// A cohort counts for latency once it is this many ticks old: ⌈L/Δ⌉ + 1.
    maturity: u64,
}

// === impl Cohort ===

impl Cohort {
    /// Counts and row sums of one metric, before the guard.
    pub(crate) fn linear(&self, metric: Metric) -> &Linear {
        &self.linear[metric.index()]
    }

    /// What the cohort contributes to windows.
    pub(crate) fn contribution(&self, metric: Metric) -> Sums {
        self.linear(metric).guarded(self.cap)
    }

    /// Adds to one metric and says by how much the contribution changed.
    pub(crate) fn add(&mut self, metric: Metric, more: Linear) -> Sums {
        let before = self.contribution(metric);
        self.linear[metric.index()] += more;
        if self.linear(metric).tally.x <= self.cap && before.raw.x <= self.cap {
            return Sums { raw: more.tally, guarded: more };
        }
        self.contribution(metric) - before
    }
}

// === impl Cohorts ===

impl Cohorts {
    /// An empty ring, long enough for the latency limit.
    pub(crate) fn new(settings: &Settings) -> Self {
        let limit_ticks = settings.limit_ms().div_ceil(TICK_MS);
        let kept = LEAST_KEPT.max(limit_ticks + MARGIN).next_power_of_two();
        Self { ring: VecDeque::new(), first: 0, kept, maturity: limit_ticks + 1 }
    }

    /// R: ticks kept one by one.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// Age in ticks at which a cohort counts for latency.
    pub(crate) fn maturity(&self) -> u64 {
        self.maturity
    }

    /// First tick still here.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Begins the next tick; gives back the cohort that became too old, if one did.
    pub(crate) fn open(&mut self, weight: f64, cap: f64) -> Option<Cohort> {
        self.ring.push_back(Cohort { weight, cap, held: false, linear: [Linear::default(); 4] });
        if self.ring.len() as u64 <= self.kept {
            return None;
        }
        self.first += 1;
        self.ring.pop_front()
    }

    /// Forgets everything; the next cohort opened is that of `tick`.
    pub(crate) fn clear(&mut self, tick: u64) {
        self.ring.clear();
        self.first = tick;
    }

    /// The cohort of `tick`, unless it is too old or not yet begun.
    pub(crate) fn get(&self, tick: u64) -> Option<&Cohort> {
        self.ring.get(usize::try_from(tick.checked_sub(self.first)?).ok()?)
    }

    /// The same, to be added to.
    pub(crate) fn get_mut(&mut self, tick: u64) -> Option<&mut Cohort> {
        self.ring.get_mut(usize::try_from(tick.checked_sub(self.first)?).ok()?)
    }

    /// The cohorts of `from..=to` that are still here, oldest first.
    pub(crate) fn range(&self, from: u64, to: u64) -> impl Iterator<Item = &Cohort> {
        let skip = from.saturating_sub(self.first);
        let take = to.saturating_add(1).saturating_sub(from.max(self.first));
        let as_length = |ticks: u64| usize::try_from(ticks).unwrap_or(usize::MAX);
        self.ring.iter().skip(as_length(skip)).take(as_length(take))
    }
}
