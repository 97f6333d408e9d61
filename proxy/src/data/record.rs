//! A trial from the choice of its arm to its outcome, and where each outcome is counted.
//!
//! A trial counts when the request starts, a failure when it is known: the start goes into the cohort
//! of its tick, and so does, later, the outcome. An outcome that comes when the ring has gone round goes to the late
//! slot of the step. Directed requests appear in the totals only. Everything here is plain arithmetic on the worker's
//! own shard: no clock, no lock, no allocation.

use sluice_engine::evidence::Arm;
use sluice_engine::histogram;

use crate::counters::{ArmTotals, Cohort, FailureKind, LATE_SLOTS, LOWER, Pairs, Shard, UPPER, add, bump};
use crate::snapshot::RolloutView;

/// Why a request goes to its arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A header, cookie, match rule or preview asked for it: no trial.
    Directed,
    /// The weight's draw.
    Drawn,
    /// The user's bucket against the weight.
    Sticky,
}

/// How a first attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer was passed on to its last byte. 5xx is a failure of kind [`FailureKind::Status`].
    Answered {
        /// Status of the answer.
        status: u16,
    },
    /// It failed without an answer, or after its head.
    Failed {
        /// Why.
        kind: FailureKind,
        /// Status of the head, if one came.
        status: Option<u16>,
    },
    /// The client gave up.
    ClientGone {
        /// Status of the head, if one was passed on before.
        status: Option<u16>,
    },
}

/// A first attempt under way. Ended by value: it can have one outcome only.
#[derive(Debug)]
pub struct Trial {
    arm: Arm,
    reason: Reason,
    /// `fast` or `slow` was decided at the head already.
    timed: bool,
    step: u32,
    tick: u64,
    start_us: u64,
}

// === impl Trial ===

impl Trial {
    /// Counts the start of an attempt on `arm` at `now_us` (process clock).
    #[inline]
    pub fn begin(shard: &Shard, view: &RolloutView, arm: Arm, reason: Reason, now_us: u64) -> Self {
        let trial = Self { arm, reason, timed: false, step: view.step, tick: view.tick_at(now_us), start_us: now_us };
        let totals = shard.arm(arm);
        add(&totals.started, 1);
        if trial.is_weighted() {
            add(&trial.cohort_in_ring(shard).started, LOWER);
        } else {
            add(&totals.directed, 1);
        }
        trial
    }

    /// The arm it was assigned to.
    pub fn arm(&self) -> Arm {
        self.arm
    }

    /// How long it has been under way at `now_us`.
    pub fn elapsed_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.start_us)
    }

    /// Whether the weight assigned it, so that it counts for the verdict.
    pub fn is_weighted(&self) -> bool {
        self.reason != Reason::Directed
    }

    /// The head of an endless answer (server-sent events) was passed on: how fast it was is decided now, whether it
    /// failed comes with [`Trial::end`].
    pub fn head_passed(&mut self, shard: &Shard, view: &RolloutView, now_us: u64) {
        self.timed = true;
        if self.is_weighted() {
            let elapsed = now_us.saturating_sub(self.start_us);
            let cohort = self.cohort(shard, elapsed);
            add(if elapsed <= view.limit_us { &cohort.done } else { &cohort.failed }, UPPER);
        }
    }

    /// Counts the outcome. A failure of the canary that the weight had assigned wakes the pilot.
    ///
    /// The usual outcome of a usual trial, by far the most frequent, takes three additions and none of the questions
    /// that the others ask; what it counts is the same.
    #[inline(always)]
    pub fn end(self, shard: &Shard, view: &RolloutView, now_us: u64, outcome: Outcome) {
        let elapsed = now_us.saturating_sub(self.start_us);
        let is_usual = matches!(outcome, Outcome::Answered { status: 200..=299 })
            && elapsed <= view.limit_us.min(shard.ring_us)
            && self.is_weighted()
            && !self.timed;
        if is_usual {
            add_latency(shard.arm(self.arm), elapsed);
            add(&self.cohort_in_ring(shard).done, LOWER + UPPER);
        } else {
            self.end_otherwise(shard, view, elapsed, outcome);
        }
    }

    #[inline(never)]
    fn end_otherwise(self, shard: &Shard, view: &RolloutView, elapsed: u64, outcome: Outcome) {
        let known = Known::new(outcome, elapsed <= view.limit_us);
        known.add_to_totals(shard.arm(self.arm), elapsed);
        if !self.is_weighted() {
            return;
        }
        known.add_to_cohort(self.cohort(shard, elapsed), self.timed);
        if known.failure.is_some() && self.arm == Arm::Canary {
            view.counters.wake.signal();
        }
    }

    /// The cohort of its start, or the late slot of its step if the ring has gone round since.
    #[inline]
    fn cohort<'a>(&self, shard: &'a Shard, elapsed_us: u64) -> &'a Pairs {
        if elapsed_us <= shard.ring_us {
            self.cohort_in_ring(shard)
        } else {
            self.of(&shard.late[self.step as usize % LATE_SLOTS])
        }
    }

    #[inline]
    fn cohort_in_ring<'a>(&self, shard: &'a Shard) -> &'a Pairs {
        // The length is a power of two (`Shard::new`).
        self.of(&shard.ring[self.tick as usize & (shard.ring.len() - 1)])
    }

    #[inline]
    fn of<'a>(&self, cohort: &'a Cohort) -> &'a Pairs {
        &cohort.arms[self.arm.index()]
    }
}

/// Counts a failure that the user saw: one that no second attempt hid.
pub fn user_saw_failure(shard: &Shard, arm: Arm) {
    add(&shard.arm(arm).user_failures, 1);
}

/// An outcome as the judge counts it.
struct Known {
    failure: Option<FailureKind>,
    /// Withdrawn from the metrics: nothing is known of the arm but that it did not answer in time.
    withdrawn: bool,
    fast: bool,
    /// Status class, 0 without an answer.
    class: usize,
}

// === impl Known ===

impl Known {
    #[inline]
    fn new(outcome: Outcome, in_time: bool) -> Self {
        match outcome {
            Outcome::Answered { status } => Self::answered(status, in_time),
            Outcome::Failed { kind, status } => {
                // What timed out was not fast, however short the time-out.
                let timed_out = matches!(kind, FailureKind::Timeout | FailureKind::ConnectTimeout);
                let class = status.map_or(0, class_of);
                Self { failure: Some(kind), withdrawn: false, fast: in_time && !timed_out, class }
            }
            // A head with a verdict in it was passed on: a 5xx has failed whether or not the client reads on, and any
            // other answer that began in time is an answer.
            Outcome::ClientGone { status: Some(status) } if in_time || status >= 500 => Self::answered(status, in_time),
            Outcome::ClientGone { .. } => Self { failure: None, withdrawn: true, fast: in_time, class: 0 },
        }
    }

    #[inline]
    fn answered(status: u16, in_time: bool) -> Self {
        let class = class_of(status);
        let failure = (class == 5).then_some(FailureKind::Status);
        Self { failure, withdrawn: false, fast: in_time, class }
    }

    /// `timed`: fast or slow was counted at the head already.
    #[inline]
    fn add_to_cohort(&self, cohort: &Pairs, timed: bool) {
        let Self { failure, withdrawn, fast, class } = *self;
        if withdrawn && fast {
            add(&cohort.c4xx, UPPER);
            return;
        }
        let slow = u64::from(!timed && !fast) * UPPER;
        if withdrawn {
            add(&cohort.started, UPPER);
            add(&cohort.failed, slow);
            return;
        }
        add(&cohort.done, LOWER + u64::from(!timed && fast) * UPPER);
        if failure.is_some() || slow != 0 {
            add(&cohort.failed, u64::from(failure.is_some()) * LOWER + slow);
        }
        if class == 4 {
            add(&cohort.c4xx, LOWER);
        }
    }

    #[inline]
    fn add_to_totals(&self, totals: &ArmTotals, elapsed_us: u64) {
        if self.class != 2 {
            add(&totals.codes[self.class], 1);
        }
        if self.class != 0 {
            add_latency(totals, elapsed_us);
        }
        if let Some(kind) = self.failure {
            add(&totals.failures[kind.index()], 1);
        }
    }
}

#[inline]
fn add_latency(totals: &ArmTotals, elapsed_us: u64) {
    bump(&totals.latency[histogram::index(elapsed_us)]);
    add(&totals.latency_sum_us, elapsed_us);
}

/// 1 to 5; anything above 599 counts as 5xx, since nothing says that it is well.
#[inline]
fn class_of(status: u16) -> usize {
    usize::from(status / 100).clamp(1, 5)
}

#[cfg(test)]
mod tests;
