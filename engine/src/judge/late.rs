//! Outcomes that arrive when their cohort is no longer kept.
//!
//! If the request started in the current step window, the outcome enters that window only, and the failure metric
//! only: a canary failure moves one trial from ok to failed at the present weight's rows, a stable outcome enters as
//! done, a withdrawn trial leaves. The burst guard takes all that arrive in one tick as one cohort. Restarts never
//! see any of it.

use super::sums::{Linear, Sums};

/// Late arrivals of the current step window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Late {
    settled: Sums,
    arrival: u64,
    arriving: Linear,
    cap: f64,
}

// === impl Late ===

impl Late {
    /// Begins anew, with the step window.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds what arrived in `tick`.
    pub(crate) fn add(&mut self, tick: u64, more: Linear, cap: f64) {
        if tick != self.arrival {
            self.settled = self.sums();
            self.arriving = Linear::default();
            self.arrival = tick;
        }
        self.cap = cap;
        self.arriving += more;
    }

    /// What it adds to the step window.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = self.settled;
        sums += self.arriving.guarded(self.cap);
        sums
    }
}
