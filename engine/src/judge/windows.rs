//! Windows: "cohorts from k to the newest usable one", for many k at once.
//!
//! One running total, and for every window start the total of the cohorts before it; a window is the difference. A
//! late arrival in cohort t is added to the total and to the base of every start after t. Restarts exist because ten
//! healthy minutes would otherwise be hundreds of nats of credit that a new failure has to burn first (Shin, Ramdas,
//! Rinaldo, *E-detectors*, New England Journal of Statistics in Data Science; Shekhar, Ramdas, change detection by
//! confidence sequences, arXiv 2309.09111). Their number grows with the logarithm of time only.

use std::collections::VecDeque;

use super::finding::{Pricing, WindowKind};
use super::settings::Metric;
use super::sums::Sums;

/// Slots of 100 ms in which every restart is kept.
const ALL_RECENT: u64 = 16;
/// Weight changes that are remembered, so that a record can tell weights apart.
const SEGMENTS: usize = 256;

/// A window's first tick, and what was counted in earlier cohorts, for the first `M` metrics.
#[derive(Clone, Debug)]
pub(crate) struct Start<const M: usize> {
    pub(crate) tick: u64,
    base: [Sums; M],
}

/// A stretch of ticks under one weight.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) weight: f64,
    start: Start<4>,
}

/// One of the windows that are examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// From the start of the weight step.
    Step,
    /// The restart at this place of the list.
    Restart(usize),
}

/// All window starts in force.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    total: [Sums; 4],
    step: Start<4>,
    pricing: Pricing,
    /// Since evidence last began, for promotion and views.
    evidence: Start<4>,
    /// Oldest first.
    restarts: Vec<Start<2>>,
    segments: VecDeque<Segment>,
    /// Windows that began before are dropped.
    floor: u64,
}

/// Whether the restart of slot `n` is still examined in slot `s`: all of the last 16, then four per octave.
pub(crate) fn is_active(n: u64, s: u64) -> bool {
    let Some(age) = s.checked_sub(n) else { return false };
    // For 16·2^i ≤ age < 16·2^(i+1) it has to be a multiple of 2^(i+2).
    age < ALL_RECENT || n.is_multiple_of(1 << ((age / ALL_RECENT).ilog2() + 2).min(63))
}

/// All slots that [`is_active`] in slot `s`, newest first.
pub(crate) fn active_slots(s: u64) -> Vec<u64> {
    let mut slots: Vec<u64> = (s.saturating_sub(ALL_RECENT - 1)..=s).rev().collect();
    for octave in 0..58 {
        let Some(newest) = s.checked_sub(ALL_RECENT << octave) else { break };
        let spacing = 4 << octave;
        let oldest = s.saturating_sub((ALL_RECENT << (octave + 1)) - 1);
        let mut slot = newest - newest % spacing;
        while slot >= oldest {
            slots.push(slot);
            let Some(next) = slot.checked_sub(spacing) else { break };
            slot = next;
        }
    }
    slots
}

// === impl Start ===

impl<const M: usize> Start<M> {
    fn shift(&mut self, metric: usize, cohort: u64, change: Sums) {
        if self.tick > cohort && metric < M {
            self.base[metric] += change;
        }
    }
}

// === impl Windows ===

impl Windows {
    /// Windows from tick 0.
    pub(crate) fn new() -> Self {
        let start = || Start { tick: 0, base: [Sums::default(); 4] };
        Self {
            total: [Sums::default(); 4],
            step: start(),
            pricing: Pricing::Step,
            evidence: start(),
            restarts: Vec::new(),
            segments: VecDeque::new(),
            floor: 0,
        }
    }

    /// Counts `change` in the cohort of tick `cohort`.
    pub(crate) fn add(&mut self, metric: Metric, cohort: u64, change: Sums) {
        let index = metric.index();
        self.total[index] += change;
        self.step.shift(index, cohort, change);
        self.evidence.shift(index, cohort, change);
        for start in self.restarts.iter_mut().rev().take_while(|start| start.tick > cohort) {
            start.shift(index, cohort, change);
        }
        for segment in self.segments.iter_mut().rev().take_while(|segment| segment.start.tick > cohort) {
            segment.start.shift(index, cohort, change);
        }
    }

    /// A weight begins at `tick`, whose cohort is not yet counted.
    pub(crate) fn begin_step(&mut self, tick: u64, weight: f64, pricing: Pricing) {
        let start = Start { tick, base: self.total };
        if self.segments.len() == SEGMENTS {
            self.segments.pop_front();
        }
        self.segments.push_back(Segment { weight, start: start.clone() });
        self.step = start;
        self.pricing = pricing;
    }

    /// Begins the restart of an even tick and drops those no longer examined.
    pub(crate) fn begin_restart(&mut self, tick: u64) {
        let slot = tick / 2;
        self.restarts.retain(|start| is_active(start.tick / 2, slot));
        if tick >= self.floor {
            self.restarts.push(Start { tick, base: [self.total[0], self.total[1]] });
        }
    }

    /// The restarts as they would be had every tick up to `tick` been opened with nothing to count since the newest.
    pub(crate) fn skip_to(&mut self, tick: u64) {
        let slot = tick / 2;
        let last = self.restarts.last().map(|start| start.tick / 2);
        self.restarts.retain(|start| is_active(start.tick / 2, slot));
        let base = [self.total[0], self.total[1]];
        for &n in active_slots(slot).iter().rev() {
            if last.is_none_or(|last| n > last) && n * 2 >= self.floor {
                self.restarts.push(Start { tick: n * 2, base });
            }
        }
    }

    /// Drops all windows; the step window begins anew at `tick`, which lies after every counted cohort.
    pub(crate) fn drop_before(&mut self, tick: u64) {
        self.floor = tick;
        self.restarts.retain(|start| start.tick >= tick);
        self.step = Start { tick, base: self.total };
        self.pricing = Pricing::Restart;
    }

    /// Counts for promotion begin anew at `tick`.
    pub(crate) fn begin_evidence(&mut self, tick: u64) {
        self.evidence = Start { tick, base: self.total };
    }

    /// All windows in the order of examination: the step window, then restarts from the newest.
    pub(crate) fn all(&self) -> impl Iterator<Item = Window> + use<> {
        std::iter::once(Window::Step).chain((0..self.restarts.len()).rev().map(Window::Restart))
    }

    /// First tick of `window`.
    pub(crate) fn first_tick(&self, window: Window) -> u64 {
        match window {
            Window::Step => self.step.tick,
            Window::Restart(at) => self.restarts[at].tick,
        }
    }

    /// Which threshold `window` pays.
    pub(crate) fn kind(&self, window: Window) -> WindowKind {
        match (window, self.pricing) {
            (Window::Step, Pricing::Step) => WindowKind::Step,
            (Window::Step, Pricing::Restart) | (Window::Restart(_), _) => WindowKind::Restart,
        }
    }

    /// Everything in `window`, without the late slot. Restarts know the two reverting metrics only.
    pub(crate) fn sums(&self, window: Window, metric: Metric) -> Sums {
        self.total[metric.index()] - *self.base(window, metric)
    }

    /// Raw canary failures, guarded canary trials and failures: what ABS needs, for the hot loop.
    pub(crate) fn canary(&self, window: Window, metric: Metric) -> (f64, f64, f64) {
        let (total, base) = (&self.total[metric.index()], self.base(window, metric));
        (
            total.raw.x - base.raw.x,
            total.guarded.tally.n - base.guarded.tally.n,
            total.guarded.tally.x - base.guarded.tally.x,
        )
    }

    /// Everything since the generation began.
    pub(crate) fn total(&self, metric: Metric) -> &Sums {
        &self.total[metric.index()]
    }

    /// Everything since evidence last began.
    pub(crate) fn since_evidence(&self, metric: Metric) -> Sums {
        self.total[metric.index()] - self.evidence.base[metric.index()]
    }

    /// The sums of `window` by weight, oldest first; `None` if it began before the oldest weight change remembered.
    pub(crate) fn by_weight(&self, window: Window, metric: Metric) -> Option<Vec<(f64, Sums)>> {
        let (from, index) = (self.first_tick(window), metric.index());
        let first = self.segments.partition_point(|segment| segment.start.tick <= from).checked_sub(1)?;
        let mut parts = Vec::new();
        let mut base = *self.base(window, metric);
        for at in first..self.segments.len() {
            let end = self.segments.get(at + 1).map_or(self.total[index], |next| next.start.base[index]);
            parts.push((self.segments[at].weight, end - base));
            base = end;
        }
        Some(parts)
    }

    fn base(&self, window: Window, metric: Metric) -> &Sums {
        match window {
            Window::Step => &self.step.base[metric.index()],
            Window::Restart(at) => &self.restarts[at].base[metric.index().min(1)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_of_restarts_depends_on_the_slot_alone() {
        let mut kept: Vec<u64> = Vec::new();
        for s in 0..40_000 {
            kept.push(s);
            kept.retain(|&n| is_active(n, s));
            if s % 97 == 0 || s < 300 {
                let newest_first: Vec<u64> = kept.iter().rev().copied().collect();
                assert_eq!(newest_first, active_slots(s), "slot {s}");
            }
        }
    }

    #[test]
    fn an_hour_needs_at_most_61_restarts_and_any_time_a_bounded_number() {
        assert!((0..36_000).map(|s| active_slots(s).len()).max().unwrap() <= 61);
        for s in [u64::MAX, u64::MAX / 2, 1 << 62, 1 << 40] {
            assert!(active_slots(s).len() < 300, "slot {s}");
        }
    }
}
