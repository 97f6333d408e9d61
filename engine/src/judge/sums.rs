//! Trials and failures of one metric, and what they add to the row sums.
//!
//! All of it is linear in the counts, so windows are differences of running sums and late arrivals are additions.
//! The one thing that is not linear, the burst guard, is a factor on a whole cohort ([`Linear::guarded`]).

use std::ops::{Add, AddAssign, Mul, Sub};

use super::rel::{ROWS, Row};
use super::settings::Metric;
use crate::evidence::{Arm, Counts};

/// Trials and failures of both arms. Whole numbers below 2^53 are exact in these, and nothing can overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Canary trials.
    pub(crate) n: f64,
    /// Canary failures.
    pub(crate) x: f64,
    /// Stable trials.
    pub(crate) n_stable: f64,
    /// Stable failures.
    pub(crate) x_stable: f64,
}

/// A tally and everything that follows from it by addition.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Linear {
    pub(crate) tally: Tally,
    /// Stable requests counted as the canary's are, by their start (only for stable's own ABS).
    pub(crate) stable_trials: f64,
    /// Sums of the six REL rows.
    pub(crate) rows: [f64; ROWS],
}

/// A window's sums: as counted, and as the guard lets them count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) raw: Tally,
    pub(crate) guarded: Linear,
}

// === impl Tally ===

impl Add for Tally {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            n: self.n + other.n,
            x: self.x + other.x,
            n_stable: self.n_stable + other.n_stable,
            x_stable: self.x_stable + other.x_stable,
        }
    }
}

impl Mul<f64> for Tally {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self {
            n: self.n * factor,
            x: self.x * factor,
            n_stable: self.n_stable * factor,
            x_stable: self.x_stable * factor,
        }
    }
}

// === impl Linear ===

impl Linear {
    /// What `counts` of one arm add to `metric`.
    ///
    /// A canary request counts when it starts and as "not failed" until more is known: the smallest factor it can
    /// ever contribute. A stable request in flight must not count as a success, so stable counts what is done. For
    /// latency a request without an answer is simply "not fast", in both arms.
    pub(crate) fn of(metric: Metric, arm: Arm, counts: &Counts, rows: &[Row; ROWS]) -> Self {
        let [started, done, failed, fast, _, excluded, late_cancel, c4xx] = counts.to_array().map(f64::from);
        let begun = started - excluded - late_cancel;
        let (n, x, trials) = match (metric, arm) {
            (Metric::Failures, Arm::Canary) => (begun, failed, 0.0),
            (Metric::Failures, Arm::Stable) => (done, failed, begun),
            (Metric::Latency, Arm::Canary) => (started - excluded, started - excluded - fast, 0.0),
            (Metric::Latency, Arm::Stable) => (started - excluded, started - excluded - fast, started - excluded),
            (Metric::C4xx, Arm::Canary) => (begun, c4xx, 0.0),
            (Metric::C4xx, Arm::Stable) => (done, c4xx, begun),
            (Metric::Cancels, Arm::Canary) => (started, excluded + late_cancel, 0.0),
            (Metric::Cancels, Arm::Stable) => (started, excluded + late_cancel, started),
        };
        let tally = match arm {
            Arm::Canary => Tally { n, x, ..Tally::default() },
            Arm::Stable => Tally { n_stable: n, x_stable: x, ..Tally::default() },
        };
        Self { stable_trials: trials, ..Self::of_tally(tally, rows) }
    }

    /// A tally with its row sums.
    pub(crate) fn of_tally(tally: Tally, rows: &[Row; ROWS]) -> Self {
        let Tally { n, x, n_stable, x_stable } = tally;
        let (ok, ok_stable) = (n - x, n_stable - x_stable);
        let sum = |row: &Row| x * row[0] + ok * row[1] + x_stable * row[2] + ok_stable * row[3];
        Self { tally, stable_trials: 0.0, rows: std::array::from_fn(|at| sum(&rows[at])) }
    }

    /// The same as it counts under a guard of `cap` failures: every count of the cohort times min(1, cap/failures).
    pub(crate) fn guarded(self, cap: f64) -> Sums {
        let factor = if self.tally.x > cap { cap / self.tally.x } else { 1.0 };
        let guarded = if factor < 1.0 { self * factor } else { self };
        Sums { raw: self.tally, guarded }
    }
}

impl AddAssign for Linear {
    fn add_assign(&mut self, other: Self) {
        self.tally = self.tally + other.tally;
        self.stable_trials += other.stable_trials;
        for (sum, add) in self.rows.iter_mut().zip(other.rows) {
            *sum += add;
        }
    }
}

impl Mul<f64> for Linear {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self {
            tally: self.tally * factor,
            stable_trials: self.stable_trials * factor,
            rows: self.rows.map(|sum| sum * factor),
        }
    }
}

// === impl Sums ===

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.raw = self.raw + other.raw;
        self.guarded += other.guarded;
    }
}

impl Sub for Sums {
    type Output = Self;
    fn sub(mut self, other: Self) -> Self {
        self.raw = self.raw + other.raw * -1.0;
        self.guarded += other.guarded * -1.0;
        self
    }
}
