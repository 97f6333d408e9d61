//! How a generation begins: what the configuration says, the first stage, and the weight of each step.

use super::door::Action;
use super::event::{EventKind, Outcome};
use super::trial::{Stage, StepClock, Trial};
use super::{Rollout, State};
use crate::judge::Pricing;
use crate::plan::{Plan, Strategy};
use crate::units::Weight;

impl Rollout {
    pub(super) fn handle_new_canary(&mut self, now: u64, version: String, out: &mut Vec<Action>) {
        if version == self.stable {
            self.withdraw(now, "the configuration went back to the stable version", out);
        } else if self.canary() != Some(&version) {
            self.supersede(now, &format!("version {version} came"));
            self.begin(now, version, out);
        }
    }

    pub(super) fn handle_plan(&mut self, now: u64, plan: Plan, out: &mut Vec<Action>) {
        if plan == self.plan {
            return;
        }
        let is_same = plan.is_same_but_for_gates(&self.plan);
        self.plan = plan;
        if is_same {
            self.ask_anew();
        } else {
            self.restart_trial(now, "the plan changed", out);
        }
    }

    pub(super) fn handle_stable(&mut self, now: u64, version: String, out: &mut Vec<Action>) {
        if version == self.stable {
            return;
        }
        if self.canary() == Some(&version) {
            self.finish(now, Outcome::Promoted, "the configuration names it as stable", out);
        } else {
            self.stable = version;
            self.forget_stable();
            self.restart_trial(now, "the stable version changed", out);
        }
    }

    fn restart_trial(&mut self, now: u64, cause: &str, out: &mut Vec<Action>) {
        if let State::Trial(trial) = &self.state {
            let version = trial.version.clone();
            self.supersede(now, cause);
            self.begin(now, version, out);
        }
    }

    // === begin ===

    /// Starts a generation for `version`.
    pub(super) fn begin(&mut self, now: u64, version: String, out: &mut Vec<Action>) {
        self.generation += 1;
        self.state = State::Trial(Box::new(Trial::new(version, &self.plan, self.judge(), now)));
        let message = format!("{} beside {}", self.canary().unwrap_or_default(), self.stable);
        self.set_weight(now, Weight::ZERO, Pricing::Restart, out);
        self.emit(EventKind::Started, message, None, out);
        self.progress(now, out);
    }

    pub(super) fn enter_first_stage(&mut self, now: u64, out: &mut Vec<Action>) {
        if let State::Trial(trial) = &mut self.state {
            trial.begin_at(now);
        }
        match &self.plan.strategy {
            Strategy::Canary { steps } => {
                let first = if self.plan.skip_analysis { steps.len() - 1 } else { 0 };
                self.enter_step(now, first, out);
            }
            Strategy::BlueGreen(_) if self.plan.skip_analysis => self.enter_watch(now, out),
            Strategy::BlueGreen(_) => self.enter(now, Stage::Preview),
            Strategy::Manual { weight } => {
                let weight = *weight;
                self.enter(now, Stage::Manual);
                self.set_weight(now, weight, Pricing::Restart, out);
            }
        }
    }

    /// Goes to the weight of step `index` of a canary plan.
    pub(super) fn enter_step(&mut self, now: u64, index: usize, out: &mut Vec<Action>) {
        let Strategy::Canary { steps } = &self.plan.strategy else { return };
        let (Some(step), count) = (steps.get(index).copied(), steps.len()) else { return };
        self.enter(now, Stage::Step(index));
        let pricing = self.next_pricing();
        self.set_weight(now, step.weight, pricing, out);
        if let Some(percent) = step.scale {
            out.push(Action::Scale { generation: self.generation, percent });
        }
        let message = format!("step {} of {count}: {}{}", index + 1, step.weight, self.gates_passed_over());
        self.emit(EventKind::Step, message, None, out);
    }

    /// Blue-green promotion: everything to the new version, the old one kept.
    pub(super) fn enter_watch(&mut self, now: u64, out: &mut Vec<Action>) {
        self.enter(now, Stage::Watch);
        let pricing = self.next_pricing();
        self.set_weight(now, Weight::FULL, pricing, out);
        let message = format!("promoted: 100 %, the old version is kept{}", self.gates_passed_over());
        self.emit(EventKind::Step, message, None, out);
    }

    fn enter(&mut self, now: u64, stage: Stage) {
        let State::Trial(trial) = &mut self.state else { return };
        trial.stage = stage;
        trial.pause = None;
        trial.released = false;
        trial.call_off();
        trial.gate_told = false;
        trial.checked_ms = None;
        trial.clock = StepClock::start(now, 0);
    }

    /// Each of the K planned starts is paid for once; whatever begins anew pays as a restart.
    fn next_pricing(&mut self) -> Pricing {
        let planned = self.plan.strategy.weight_steps();
        let State::Trial(trial) = &mut self.state else { return Pricing::Restart };
        if trial.starts >= planned {
            return Pricing::Restart;
        }
        trial.starts += 1;
        Pricing::Step
    }

    /// Lowering to 0 and the first weight of a generation are immediate; all else waits for the next tick, so that a
    /// start cohort has one weight.
    pub(super) fn set_weight(&mut self, now: u64, weight: Weight, pricing: Pricing, out: &mut Vec<Action>) {
        let planned = self.plan.strategy.weight_steps() as usize;
        let State::Trial(trial) = &mut self.state else { return };
        let tick = trial.tick(now);
        let next = if tick == 0 && trial.reached.is_zero() { 0 } else { tick + 1 };
        let is_last = match trial.stage {
            Stage::Step(index) => index + 1 >= planned,
            Stage::Watch => true,
            Stage::Ready | Stage::Preview | Stage::Manual => false,
        };
        trial.judge.begin_step(next, weight.fraction(), pricing, is_last);
        trial.weight = weight;
        trial.reached = trial.reached.max(weight);
        let from_tick = if weight.is_zero() { 0 } else { next };
        out.push(Action::SetWeight { generation: self.generation, weight, from_tick });
    }
}
