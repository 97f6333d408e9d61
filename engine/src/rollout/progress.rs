//! How a canary moves: it begins, climbs, is held, is taken back, or becomes stable.

use super::door::Action;
use super::event::{EventKind, Outcome, PastGeneration};
use super::message;
use super::phase::Reason;
use super::trial::{Stage, StepClock, Trial};
use super::{Rollout, State, TakenBack};
use crate::evidence::Observations;
use crate::judge::{Finding, Metric, Pricing, Verdict};
use crate::plan::{OnInconclusive, Plan, Strategy};
use crate::units::Weight;

/// Promotion is looked at this often.
const CHECK_EVERY_MS: u64 = 1_000;

impl Rollout {
    // === configuration ===

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
        self.plan = plan;
        self.restart_trial(now, "the plan changed", out);
    }

    pub(super) fn handle_stable(&mut self, now: u64, version: String, out: &mut Vec<Action>) {
        if version == self.stable {
            return;
        }
        if self.canary() == Some(&version) {
            self.finish(now, Outcome::Promoted, "the configuration names it as stable", out);
        } else {
            self.stable = version;
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
        self.state = State::Trial(Box::new(Trial::new(version, &self.plan, now)));
        let message = format!("{} beside {}", self.canary().unwrap_or_default(), self.stable);
        self.set_weight(now, Weight::ZERO, Pricing::Restart, out);
        self.emit(EventKind::Started, message, None, out);
        if self.writable {
            self.enter_first_stage(now, out);
        }
    }

    fn enter_first_stage(&mut self, now: u64, out: &mut Vec<Action>) {
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
        let message = format!("step {} of {count}: {}", index + 1, step.weight);
        self.emit(EventKind::Step, message, None, out);
    }

    /// Blue-green promotion: everything to the new version, the old one kept.
    pub(super) fn enter_watch(&mut self, now: u64, out: &mut Vec<Action>) {
        self.enter(now, Stage::Watch);
        let pricing = self.next_pricing();
        self.set_weight(now, Weight::FULL, pricing, out);
        self.emit(EventKind::Step, "promoted: 100 %, the old version is kept".to_owned(), None, out);
    }

    fn enter(&mut self, now: u64, stage: Stage) {
        let State::Trial(trial) = &mut self.state else { return };
        trial.stage = stage;
        trial.pause = None;
        trial.released = false;
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

    // === evidence ===

    pub(super) fn take_evidence(
        &mut self,
        now: u64,
        generation: u64,
        seen: &Observations,
        beat: bool,
        out: &mut Vec<Action>,
    ) {
        let State::Trial(trial) = &mut self.state else { return };
        if generation != self.generation {
            return;
        }
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
        if trial.stage == Stage::Ready {
            return self.enter_first_stage(now, out);
        }
        if !trial.clock_runs() {
            return;
        }
        let is_over = trial.duration(&self.plan).is_some_and(|duration| trial.clock.elapsed() >= duration);
        match trial.stage {
            Stage::Step(index) => self.progress_step(now, index, out),
            Stage::Preview if is_over => self.enter_watch(now, out),
            Stage::Watch if is_over => self.finish(now, Outcome::Promoted, "the old version is no longer kept", out),
            Stage::Ready | Stage::Preview | Stage::Watch | Stage::Manual => {}
        }
    }

    fn progress_step(&mut self, now: u64, index: usize, out: &mut Vec<Action>) {
        let Strategy::Canary { steps } = &self.plan.strategy else { return };
        let (State::Trial(trial), Some(step)) = (&mut self.state, steps.get(index)) else { return };
        let elapsed = trial.clock.elapsed();
        if elapsed < step.duration {
            return;
        }
        if step.waits_for_person && !trial.released {
            return self.pause(Reason::PauseStep, None, out);
        }
        trial.checked_ms = Some(now);
        if trial.missing(now).is_empty() {
            self.advance(now, index, out);
        } else if elapsed >= self.plan.deadline_of(step.duration) {
            self.give_up_waiting(now, index, out);
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
            OnInconclusive::PromoteIfClean if self.is_clean(now) => self.advance(now, index, out),
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

    // === end ===

    /// Weight 0 and latched: only `retry` or a new version clears it.
    pub(super) fn take_back(
        &mut self,
        now: u64,
        reason: Reason,
        cause: String,
        verdict: Option<Verdict>,
        out: &mut Vec<Action>,
    ) {
        let State::Trial(trial) = &self.state else { return };
        out.push(Action::SetWeight { generation: self.generation, weight: Weight::ZERO, from_tick: 0 });
        let outcome = if reason == Reason::Aborted { Outcome::Aborted } else { Outcome::Reverted };
        let kind = if reason == Reason::Aborted { EventKind::Aborted } else { EventKind::Reverted };
        let taken = TakenBack {
            version: trial.version.clone(),
            reason,
            cause: cause.clone(),
            verdict: verdict.clone(),
            origin_ms: trial.origin_ms,
            step: step_of(trial),
            metrics: trial.judge.views(trial.tick(now)),
        };
        self.record(now, outcome, &cause, verdict.clone());
        self.state = State::TakenBack(Box::new(taken));
        self.emit(kind, cause, verdict, out);
    }

    /// The canary becomes stable.
    pub(super) fn finish(&mut self, now: u64, outcome: Outcome, cause: &str, out: &mut Vec<Action>) {
        let Some(version) = self.canary().map(str::to_owned) else { return };
        self.record(now, outcome, cause, None);
        self.stable = version;
        self.state = State::Healthy { completed: true };
        out.push(Action::Finish { generation: self.generation, stable: self.stable.clone() });
        let message = format!("{} serves everyone: {cause}", self.stable);
        self.emit(EventKind::Completed, message, None, out);
    }

    /// Back to the stable version without verdict.
    pub(super) fn withdraw(&mut self, now: u64, cause: &str, out: &mut Vec<Action>) {
        if self.canary().is_none() {
            return;
        }
        out.push(Action::SetWeight { generation: self.generation, weight: Weight::ZERO, from_tick: 0 });
        self.record(now, Outcome::Withdrawn, cause, None);
        self.emit(EventKind::Note, cause.to_owned(), None, out);
        self.state = State::Healthy { completed: false };
    }

    pub(super) fn supersede(&mut self, now: u64, cause: &str) {
        self.record(now, Outcome::Superseded, cause, None);
    }

    /// Writes the generation under way into history; one that was taken back is there already.
    fn record(&mut self, now: u64, outcome: Outcome, cause: &str, verdict: Option<Verdict>) {
        let State::Trial(trial) = &self.state else { return };
        let past = PastGeneration {
            generation: self.generation,
            version: trial.version.clone(),
            stable: self.stable.clone(),
            outcome,
            cause: cause.to_owned(),
            duration_ms: trial.age_ms(now),
            reached: trial.reached,
            verdict,
        };
        self.remember(past);
    }

    // === fleet ===

    pub(super) fn handle_veto(&mut self, now: u64, proxy: String, generation: u64, out: &mut Vec<Action>) {
        let State::Trial(trial) = &mut self.state else { return };
        if generation != self.generation {
            return;
        }
        trial.vetoes.insert(proxy);
        let count = trial.vetoes.len();
        if count >= 2 {
            let cause = format!("{count} proxies took it back on their own counts");
            self.take_back(now, Reason::Reverted, cause, None, out);
        } else {
            self.pause(Reason::ProxyVeto, None, out);
        }
    }

    pub(super) fn handle_pod_fault(&mut self, now: u64, generation: u64, reason: &str, out: &mut Vec<Action>) {
        if generation == self.generation {
            self.take_back(now, Reason::PodFault, format!("the canary's pods failed: {reason}"), None, out);
        }
    }
}

pub(super) fn step_of(trial: &Trial) -> usize {
    match trial.stage {
        Stage::Step(index) => index,
        Stage::Ready | Stage::Preview | Stage::Watch | Stage::Manual => 0,
    }
}
