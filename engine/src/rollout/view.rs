//! A rollout as people see it.

use super::end::step_of;
use super::event::PastGeneration;
use super::gates::{GateState, GateView};
use super::message;
use super::phase::{Phase, Reason};
use super::trial::Trial;
use super::{Rollout, State};
use crate::judge::{MetricView, Missing, Verdict};
use crate::plan::Strategy;
use crate::units::{Millis, Weight};

/// A rollout as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Phase.
    pub phase: Phase,
    /// Reason.
    pub reason: Reason,
    /// One sentence: what it does or waits for, and what would unblock it.
    pub message: String,
    /// Generation; 0 before the first canary.
    pub generation: u64,
    /// The version that is known to work.
    pub stable: String,
    /// The version under test (also after it was taken back), if any.
    pub canary: Option<String>,
    /// Weight wanted by the plan.
    pub weight: Weight,
    /// Index of the present weight step, from 0; the last is 100 %.
    pub step: usize,
    /// All weight steps including the final 100 %; empty for the manual strategy.
    pub step_weights: Vec<Weight>,
    /// How long the present step has run, without holds.
    pub step_elapsed: Millis,
    /// How long it has to run at least; `None` waits for a person.
    pub step_duration: Option<Millis>,
    /// What still keeps the step from ending.
    pub missing: Vec<Missing>,
    /// Every gate of the plan, in its order.
    pub gates: Vec<GateView>,
    /// Every metric; of a canary that was taken back, as it was then.
    pub metrics: Vec<MetricView>,
    /// The verdict that ended the generation, if one did.
    pub verdict: Option<Verdict>,
    /// Past generations, newest first, at most [`Rollout::HISTORY`].
    pub history: Vec<PastGeneration>,
}

impl Rollout {
    /// What there is to see at `now`.
    pub fn view(&self, now: u64) -> View {
        let reason = self.reason();
        let mut view = View {
            phase: reason.phase(),
            reason,
            message: self.message(now),
            generation: self.generation,
            stable: self.stable.clone(),
            canary: self.canary().map(str::to_owned),
            weight: self.weight(),
            step: 0,
            step_weights: self.step_weights(),
            step_elapsed: Millis::default(),
            step_duration: None,
            missing: Vec::new(),
            gates: Vec::new(),
            metrics: Vec::new(),
            verdict: None,
            history: self.history.iter().cloned().collect(),
        };
        let trial = if let State::Trial(trial) = &self.state { Some(trial.as_ref()) } else { None };
        view.gates = self.gate_views(trial, now);
        match &self.state {
            State::Healthy { .. } => {}
            State::Trial(trial) => self.view_trial(trial, now, &mut view),
            State::TakenBack(taken) => {
                view.step = taken.step;
                view.metrics.clone_from(&taken.metrics);
                view.verdict.clone_from(&taken.verdict);
            }
        }
        view
    }

    fn view_trial(&self, trial: &Trial, now: u64, view: &mut View) {
        view.step = step_of(trial);
        view.step_elapsed = trial.clock.elapsed();
        view.step_duration = trial.duration(&self.plan);
        view.missing = trial.missing(now);
        view.metrics = trial.judge.views(trial.tick(now));
    }

    fn step_weights(&self) -> Vec<Weight> {
        match &self.plan.strategy {
            Strategy::Canary { steps } => steps.iter().map(|step| step.weight).collect(),
            Strategy::BlueGreen(_) => vec![Weight::FULL],
            Strategy::Manual { .. } => Vec::new(),
        }
    }

    fn message(&self, now: u64) -> String {
        match &self.state {
            State::Healthy { .. } => format!("{} serves everyone", self.stable),
            State::TakenBack(taken) => {
                format!("{} was taken back: {}; retry, or release a new version", taken.version, taken.cause)
            }
            State::Trial(trial) => match self.reason() {
                Reason::Step | Reason::Baking => self.step_message(trial, now),
                Reason::WaitingForGate => self.gate_message(trial, now),
                Reason::Ready if self.writable => "asks its gates before the first weight".to_owned(),
                reason => message::waits(reason).to_owned(),
            },
        }
    }

    /// Which gates keep the raise, what they said and since when.
    fn gate_message(&self, trial: &Trial, now: u64) -> String {
        let views = self.gate_views(Some(trial), now);
        let keep = views.iter().filter(|gate| matches!(gate.state, GateState::Closed | GateState::Waiting));
        let gates: Vec<_> = keep.map(GateView::to_string).collect();
        format!("waits at {}: {}; promote --full passes it", trial.weight, gates.join("; "))
    }

    /// What a running step waits for: its time, then its evidence.
    fn step_message(&self, trial: &Trial, now: u64) -> String {
        let what = match self.reason() {
            Reason::Baking => "baking at 100 %".to_owned(),
            _ => format!("step {} of {} at {}", step_of(trial) + 1, self.plan.strategy.weight_steps(), trial.weight),
        };
        if !self.writable {
            return format!("{what}; can't go on while decisions can't be stored");
        }
        let left = trial.duration(&self.plan).unwrap_or_default().get().saturating_sub(trial.clock.elapsed().get());
        let mut waits = Vec::new();
        if left > 0 {
            waits.push(format!("{} s to go", left.div_ceil(1_000)));
        }
        waits.extend(trial.missing(now).iter().map(Missing::to_string));
        let views = self.gate_views(Some(trial), now);
        waits.extend(views.iter().filter(|gate| gate.state == GateState::Waiting).map(GateView::to_string));
        if waits.is_empty() { what } else { format!("{what}: {}", waits.join("; ")) }
    }
}
