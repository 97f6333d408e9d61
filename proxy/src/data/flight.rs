//! A request in flight, as far as it is counted: from the choice of its arm to its outcome, on every way out.
//!
//! Dropped without an outcome means that the client is gone: hyper drops what serves a closed connection.

use std::rc::Rc;

use sluice_engine::evidence::Arm;

use super::connection::Client;
use super::local::LocalRollout;
use super::record::{Outcome, Reason, Trial, user_saw_failure};
use super::trace::Trace;
use crate::counters::FailureKind;

/// A first attempt that is under way.
#[derive(Debug)]
pub(super) struct Flight {
    client: Rc<Client>,
    rollout: Rc<LocalRollout>,
    trial: Option<Trial>,
    /// Status of the head that was passed on.
    status: Option<u16>,
}

// === impl Flight ===

impl Flight {
    pub(super) fn begin(
        client: &Rc<Client>,
        rollout: &Rc<LocalRollout>,
        arm: Arm,
        reason: Reason,
        now_us: u64,
    ) -> Self {
        let trial = Trial::begin(&rollout.shard, &rollout.view, arm, reason, now_us);
        Self { client: Rc::clone(client), rollout: Rc::clone(rollout), trial: Some(trial), status: None }
    }

    /// The head of the answer is passed on, with this status. A call has none until it has ended, nor if its client has
    /// cancelled it.
    #[inline]
    pub(super) fn answering(&mut self, status: Option<u16>) {
        self.status = status;
    }

    /// The head of an endless answer is passed on.
    pub(super) fn streaming(&mut self, now_us: u64) {
        if let Some(trial) = &mut self.trial {
            trial.head_passed(&self.rollout.shard, &self.rollout.view, now_us);
        }
    }

    /// The answer has reached its last byte.
    #[inline]
    pub(super) fn answered(&mut self, now_us: u64) {
        if let Some(status) = self.status {
            if status >= 500 {
                self.user_sees_it();
            }
            self.end(Outcome::Answered { status }, now_us);
        }
    }

    /// The attempt failed, and the user sees it.
    pub(super) fn failed(&mut self, kind: FailureKind, now_us: u64) {
        self.user_sees_it();
        self.hidden_failure(kind, self.status, now_us);
    }

    /// Said before the outcome is: that may wake the pilot, which then knows of both.
    fn user_sees_it(&self) {
        if let Some(trial) = &self.trial {
            user_saw_failure(&self.rollout.shard, trial.arm());
        }
    }

    /// The attempt failed, and the user does not see it yet.
    pub(super) fn hidden_failure(&mut self, kind: FailureKind, status: Option<u16>, now_us: u64) {
        self.end(Outcome::Failed { kind, status }, now_us);
    }

    #[inline]
    fn end(&mut self, outcome: Outcome, now_us: u64) {
        if let Some(trial) = self.trial.take() {
            if let Some(trace) = self.client.trace.get() {
                self.keep_example(trace, &trial, outcome, now_us);
            }
            trial.end(&self.rollout.shard, &self.rollout.view, now_us, outcome);
        }
    }

    /// Of attempts that failed or were slow, the traces that somebody records are kept as examples.
    #[cold]
    fn keep_example(&self, trace: Trace, trial: &Trial, outcome: Outcome, now_us: u64) {
        let (kind, status) = match outcome {
            Outcome::Answered { status } => ((status >= 500).then_some(FailureKind::Status), Some(status)),
            Outcome::Failed { kind, status } => (Some(kind), status),
            Outcome::ClientGone { .. } => return,
        };
        let elapsed_us = trial.elapsed_us(now_us);
        if trace.is_sampled && (kind.is_some() || elapsed_us > self.rollout.view.limit_us) {
            let exemplars = &self.client.worker.exemplars;
            exemplars.keep(&self.rollout.view.name, trial.arm(), trace.id, elapsed_us, (kind, status.is_some()));
        }
    }
}

impl Drop for Flight {
    #[inline]
    fn drop(&mut self) {
        if self.trial.is_some() {
            let now_us = self.client.now_us();
            self.end(Outcome::ClientGone { status: self.status }, now_us);
        }
    }
}
