//! How a canary moves while it is under way: on evidence, and on time.

use super::door::Action;
use super::event::{EventKind, Outcome};
use super::message;
use super::phase::Reason;
use super::trial::Stage;
use super::{Rollout, State};
use crate::evidence::Observations;
use crate::judge::{Finding, Metric, Pricing, Verdict};
use crate::plan::{OnInconclusive, Strategy};
use crate::units::Weight;

/// Promotion is looked at this often.
const CHECK_EVERY_MS: u64 = 1_000;

impl Rollout {
    // === evidence ===

    pub(super) fn take_evidence(
        &mut self,
        now: u64,
        generation: u64,
        seen: &Observations,
        beat: bool,
        out: &mut Vec<Action>,
    ) {
        if generation != self.generation {
            return;
        }
        let State::Trial(trial) = &mut self.state else { return self.watch.observe(seen) };
        trial.judge.observe(seen);
        if !trial.is_judged() {
            return;
        }
        for finding in trial.judge.evaluate(seen.tick, beat) {
            self.act_on(now, finding, out);
        }
    }

    fn act_on(&mut self, now: u64, finding: Finding, out: &mut Vec<Action>) {
        let State::Trial(trial) = &mut self.state else { return };
        match finding {
            Finding::Revert(verdict) => {
                let cause = message::cause(&verdict, &self.plan);
                self.take_back(now, Reason::Reverted, cause, Some(verdict), out);
            }
            Finding::HoldEntered(verdict) => {
                trial.call_off();
                let message = format!(
                    "both versions fail: weight and clock are frozen ({})",
                    message::cause(&verdict, &self.plan)
                );
                self.emit(EventKind::Held, message, Some(verdict), out);
            }
            Finding::HoldLeft => self.emit(
                EventKind::Held,
                "no fresh shared failure for 10 s: going on, evidence begins anew".to_owned(),
                None,
                out,
            ),
            Finding::Suspend => {
                self.set_weight(now, Weight::ZERO, Pricing::Restart, out);
                self.emit(
                    EventKind::Suspended,
                    "the shared outage lasts: 0 % until stable is clear".to_owned(),
                    None,
                    out,
                );
            }
            Finding::Resume { suspected } => self.resume_suspended(now, suspected, out),
            Finding::SuspendedTooLong => self.pause(Reason::SuspendedTooLong, None, out),
            Finding::Worse(verdict) if matches!(trial.pause, None | Some(Reason::PauseStep | Reason::ByCommand)) => {
                self.pause(Reason::Worse, Some(verdict), out)
            }
            Finding::Inconclusive(_) if trial.pending.is_some() => {
                // Nobody has to look: the step has its evidence and only waits for a gate.
                let tick = trial.tick(now);
                trial.judge.resumed(tick);
            }
            Finding::Inconclusive(_) if trial.pause.is_none() => self.pause(Reason::Inconclusive, None, out),
            Finding::Worse(_) | Finding::Inconclusive(_) => {}
            Finding::BlipTolerated(metric) => self.emit(
                EventKind::Note,
                format!("a short burst of {} was tolerated", message::name(metric)),
                None,
                out,
            ),
        }
    }

    pub(super) fn resume_suspended(&mut self, now: u64, suspected: bool, out: &mut Vec<Action>) {
        let State::Trial(trial) = &self.state else { return };
        let stage = trial.stage;
        let why = if suspected { "stable was clear at once: the canary is suspected; " } else { "" };
        self.emit(EventKind::Suspended, format!("{why}resuming at the previous weight"), None, out);
        match stage {
            Stage::Step(index) => self.enter_step(now, index.saturating_sub(1), out),
            Stage::Watch => self.enter_watch(now, out),
            Stage::Ready | Stage::Preview | Stage::Manual => {}
        }
    }

    pub(super) fn pause(&mut self, reason: Reason, verdict: Option<Verdict>, out: &mut Vec<Action>) {
        let State::Trial(trial) = &mut self.state else { return };
        if trial.pause == Some(reason) {
            return;
        }
        trial.pause = Some(reason);
        trial.call_off();
        let message = message::waits(reason);
        self.emit(EventKind::Paused, message.to_owned(), verdict, out);
    }

    // === time ===

    pub(super) fn progress(&mut self, now: u64, out: &mut Vec<Action>) {
        let State::Trial(trial) = &mut self.state else { return };
        if !self.writable
            || trial.pause.is_some()
            || trial.checked_ms.is_some_and(|checked| now < checked + CHECK_EVERY_MS)
        {
            return;
        }
        if !trial.clock_runs() {
            trial.pending = None;
            return;
        }
        let is_over = trial.duration(&self.plan).is_some_and(|duration| trial.clock.elapsed() >= duration);
        let stage = trial.stage;
        match stage {
            Stage::Ready if self.passes_gates(now) => self.enter_first_stage(now, out),
            Stage::Step(index) => self.progress_step(now, index, out),
            Stage::Preview if is_over && self.passes_gates(now) => self.enter_watch(now, out),
            Stage::Watch if is_over => self.finish(now, Outcome::Promoted, "the old version is no longer kept", out),
            Stage::Ready | Stage::Preview | Stage::Watch | Stage::Manual => {}
        }
    }

    fn progress_step(&mut self, now: u64, index: usize, out: &mut Vec<Action>) {
        let Strategy::Canary { steps } = &self.plan.strategy else { return };
        let (State::Trial(trial), Some(step)) = (&mut self.state, steps.get(index)) else { return };
        let elapsed = trial.clock.elapsed();
        if elapsed < step.duration && !trial.waived {
            return;
        }
        if step.waits_for_person && !trial.released {
            return self.pause(Reason::PauseStep, None, out);
        }
        trial.checked_ms = Some(now);
        if trial.missing(now).is_empty() {
            self.advance_if_open(now, index, out);
        } else if elapsed >= self.plan.deadline_of(step.duration) {
            self.give_up_waiting(now, index, out);
        } else {
            trial.pending = None;
        }
    }

    /// The step after `index`, once every gate before it is open.
    fn advance_if_open(&mut self, now: u64, index: usize, out: &mut Vec<Action>) {
        if self.passes_gates(now) {
            self.advance(now, index, out);
        }
    }

    /// The step after `index`, or the end.
    pub(super) fn advance(&mut self, now: u64, index: usize, out: &mut Vec<Action>) {
        if index + 1 < self.plan.strategy.weight_steps() as usize {
            return self.enter_step(now, index + 1, out);
        }
        let is_unjudged = matches!(&self.state, State::Trial(trial) if trial.unjudged);
        let (outcome, cause) = if is_unjudged {
            (Outcome::PromotedFull, "without analysis")
        } else {
            (Outcome::Promoted, "every step passed")
        };
        self.finish(now, outcome, cause, out);
    }

    /// The step's deadline came without enough evidence: never a pass, never a failure.
    fn give_up_waiting(&mut self, now: u64, index: usize, out: &mut Vec<Action>) {
        match self.plan.on_inconclusive {
            OnInconclusive::Pause => self.pause(Reason::Inconclusive, None, out),
            OnInconclusive::Revert => {
                let cause = "not enough evidence at the step deadline (onInconclusive: revert)".to_owned();
                self.take_back(now, Reason::Reverted, cause, None, out);
            }
            OnInconclusive::PromoteIfClean if self.is_clean(now) => self.advance_if_open(now, index, out),
            OnInconclusive::PromoteIfClean => self.pause(Reason::Inconclusive, None, out),
        }
    }

    fn is_clean(&self, now: u64) -> bool {
        let State::Trial(trial) = &self.state else { return false };
        let views = trial.judge.views(trial.tick(now));
        views
            .iter()
            .any(|view| view.metric == Metric::Failures && view.x == 0 && view.n >= u64::from(self.plan.min_requests))
    }
}
