//! What people ask for, and in which state it makes sense. Abort always does.

use super::door::{Action, Command, Refusal};
use super::event::{EventKind, Outcome};
use super::phase::Reason;
use super::trial::{Stage, StepClock};
use super::{Rollout, State};
use crate::judge::Pricing;
use crate::plan::Strategy;

const RETRY_OR_NEW: &str = "use retry, or release a new version";
const NO_CANARY: &str = "there is no canary: release one";
const GATE: &str = "the gate has to open; abort, or use promote --full";
const OUTAGE: &str = "both versions fail at present; wait, abort, or use promote --full";

impl Rollout {
    pub(super) fn handle_command(
        &mut self,
        now: u64,
        generation: Option<u64>,
        command: Command,
        out: &mut Vec<Action>,
    ) {
        if let Some(given) = generation
            && given != self.generation
        {
            out.push(Action::Refuse(Refusal::StaleGeneration { present: self.generation, given }));
            return;
        }
        let name = command.label();
        let done = match command {
            Command::Abort { reason } => {
                self.abort(now, reason, out);
                Ok(())
            }
            Command::Promote { full } => self.promote(now, full, name, out),
            Command::Retry => self.retry(now, name, out),
            Command::Pause => self.pause_by_command(name, out),
            Command::Resume => self.resume(now, name, out),
            Command::SetWeight(weight) => self.set_weight_by_hand(now, weight, name, out),
        };
        if let Err(refusal) = done {
            out.push(Action::Refuse(refusal));
        }
    }

    fn abort(&mut self, now: u64, reason: Option<String>, out: &mut Vec<Action>) {
        let cause = reason.map_or_else(|| "aborted by hand".to_owned(), |reason| format!("aborted by hand: {reason}"));
        if let State::Trial(_) = self.state {
            self.take_back(now, Reason::Aborted, cause, None, out);
        } else {
            // Nothing is under way, and 0 is what is wanted: saying it again does no harm.
            out.push(Action::SetWeight { generation: self.generation, weight: self.weight(), from_tick: 0 });
        }
    }

    fn promote(&mut self, now: u64, full: bool, name: &'static str, out: &mut Vec<Action>) -> Result<(), Refusal> {
        let State::Trial(trial) = &mut self.state else { return Err(self.not_now(name)) };
        if !self.writable {
            return Err(Refusal::NotStored { command: name });
        }
        let is_outage = trial.is_judged() && (trial.judge.is_holding() || trial.judge.is_suspended());
        if is_outage && !full {
            return Err(self.refused(name, OUTAGE));
        }
        trial.unjudged |= full;
        let stage = trial.stage;
        if self.is_gated() {
            self.promote_if_open(now, out);
            return Ok(());
        }
        let last = (self.plan.strategy.weight_steps() as usize).saturating_sub(1);
        match stage {
            Stage::Step(index) if full && index < last => self.enter_step(now, last, out),
            Stage::Step(index) => self.advance(now, index, out),
            Stage::Ready if matches!(self.plan.strategy, Strategy::Canary { .. }) => {
                self.enter_step(now, if full { last } else { 0 }, out)
            }
            Stage::Ready | Stage::Preview => self.enter_watch(now, out),
            Stage::Watch => self.finish(now, Outcome::Promoted, "the old version is let go by hand", out),
            Stage::Manual if full => self.finish(now, Outcome::PromotedFull, "promoted by hand", out),
            Stage::Manual => return Err(self.refused(name, "the weight is set by hand: use weight, or promote --full")),
        }
        Ok(())
    }

    fn retry(&mut self, now: u64, name: &'static str, out: &mut Vec<Action>) -> Result<(), Refusal> {
        let State::TakenBack(taken) = &self.state else {
            return Err(self.refused(name, "retry is for a canary that was taken back"));
        };
        if !self.writable {
            return Err(Refusal::NotStored { command: name });
        }
        let version = taken.version.clone();
        self.begin(now, version, out);
        Ok(())
    }

    fn pause_by_command(&mut self, name: &'static str, out: &mut Vec<Action>) -> Result<(), Refusal> {
        let State::Trial(trial) = &self.state else { return Err(self.not_now(name)) };
        if trial.stage == Stage::Manual {
            return Err(self.refused(name, "the weight is set by hand and moves by nothing else"));
        }
        if trial.pause.is_none() {
            self.pause(Reason::ByCommand, None, out);
        }
        Ok(())
    }

    fn resume(&mut self, now: u64, name: &'static str, out: &mut Vec<Action>) -> Result<(), Refusal> {
        let State::Trial(trial) = &mut self.state else { return Err(self.not_now(name)) };
        let Some(reason) = trial.pause else {
            let is_gate = trial.is_gate_closed(&self.plan);
            return Err(self.refused(name, if is_gate { GATE } else { "it is not paused; promote ends a wait" }));
        };
        if !self.writable && reason == Reason::SuspendedTooLong {
            return Err(Refusal::NotStored { command: name });
        }
        let tick = trial.tick(now);
        trial.pause = None;
        trial.released = true;
        trial.checked_ms = None;
        trial.vetoes.clear();
        trial.judge.resumed(tick);
        if matches!(reason, Reason::Inconclusive) {
            trial.clock = StepClock::start(now, 0);
        }
        self.emit(EventKind::Resumed, "resumed by hand".to_owned(), None, out);
        if reason == Reason::SuspendedTooLong {
            self.resume_suspended(now, false, out);
        }
        Ok(())
    }

    fn set_weight_by_hand(
        &mut self,
        now: u64,
        weight: crate::units::Weight,
        name: &'static str,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let State::Trial(trial) = &self.state else { return Err(self.not_now(name)) };
        if trial.stage != Stage::Manual {
            return Err(self.refused(name, "the plan moves the weight; only strategy.manual takes one by hand"));
        }
        if !self.writable && weight > trial.weight {
            return Err(Refusal::NotStored { command: name });
        }
        self.set_weight(now, weight, Pricing::Restart, out);
        self.emit(EventKind::Step, format!("{weight} by hand"), None, out);
        Ok(())
    }

    fn not_now(&self, command: &'static str) -> Refusal {
        self.refused(command, if self.is_taken_back() { RETRY_OR_NEW } else { NO_CANARY })
    }

    fn refused(&self, command: &'static str, hint: &'static str) -> Refusal {
        let reason = self.reason();
        Refusal::NotNow { command, phase: reason.phase(), reason, hint }
    }
}
