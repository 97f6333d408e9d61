//! One service under progressive delivery: phases, steps, commands, and the one door [`Rollout::step`].
//!
//! State goes in by value and comes out by value, with the actions that carry it out: weight first, then everything
//! else. Nothing here waits or looks at a clock; whoever drives it says what time it is. It refuses what makes no
//! sense in its state, and says what would.
//!
//! Files: `phase` and `event` hold words, `door` what goes in and out, `trial` a canary under way, `begin`, `progress` and
//! `end` how it moves, `gates` who is asked before it rises, `commands` what people ask, `view` what they see, `saved` what survives a restart.

mod begin;
mod commands;
mod door;
mod end;
mod event;
mod gates;
mod message;
mod phase;
mod progress;
mod saved;
mod trial;
mod view;

use std::collections::VecDeque;

pub use door::{Action, Command, GateAnswer, Input, Refusal};
pub use event::{Event, EventKind, Outcome, PastGeneration};
pub use gates::{GateState, GateView, Question};
pub use phase::{Phase, Reason};
pub use saved::Saved;
pub use view::View;

use crate::judge::{Judge, MetricView, Verdict};
use crate::plan::Plan;
use crate::units::Weight;
use trial::Trial;

/// One service under progressive delivery.
#[derive(Clone, Debug)]
pub struct Rollout {
    plan: Plan,
    stable: String,
    generation: u64,
    state: State,
    /// Watches stable while no canary is under way.
    watch: Box<Judge>,
    history: VecDeque<PastGeneration>,
    writable: bool,
}

#[derive(Clone, Debug)]
enum State {
    /// One version serves everyone.
    Healthy { completed: bool },
    /// A canary is under way.
    Trial(Box<Trial>),
    /// The canary was taken back; latched.
    TakenBack(Box<TakenBack>),
}

#[derive(Clone, Debug)]
struct TakenBack {
    version: String,
    reason: Reason,
    cause: String,
    verdict: Option<Verdict>,
    origin_ms: u64,
    step: usize,
    metrics: Vec<MetricView>,
}

impl Rollout {
    /// How many past generations are remembered.
    pub const HISTORY: usize = 50;

    /// A rollout without canary, whose `stable` version serves everyone.
    pub fn new(plan: Plan, stable: String) -> Self {
        Self {
            watch: Box::new(Judge::new(plan.analysis.clone())),
            plan,
            stable,
            generation: 0,
            state: State::Healthy { completed: false },
            history: VecDeque::new(),
            writable: true,
        }
    }

    /// A rollout whose past can't be known: stable gets everything and `canary`, if there is one, waits for `retry`.
    pub fn lost(plan: Plan, stable: String, canary: Option<String>) -> Self {
        let mut rollout = Self::new(plan, stable);
        if let Some(version) = canary {
            rollout.generation = 1;
            rollout.state = State::TakenBack(Box::new(TakenBack {
                version,
                reason: Reason::StateLost,
                cause:
                    "the state file could not be read, so it is not known whether this version was taken back before"
                        .to_owned(),
                verdict: None,
                origin_ms: 0,
                step: 0,
                metrics: Vec::new(),
            }));
        }
        rollout
    }

    /// Takes one input at `now`, milliseconds of a clock that never goes back, and says what has to be done.
    #[must_use]
    pub fn step(mut self, now: u64, input: Input) -> (Self, Vec<Action>) {
        let mut out = Vec::new();
        if let State::Trial(trial) = &mut self.state {
            // Waiting for a gate is not time in which evidence was missing.
            let runs = trial.clock_runs() && trial.pending.is_none();
            trial.clock.advance(now, runs);
        }
        match input {
            Input::Tick => self.progress(now, &mut out),
            Input::Evidence { generation, seen, beat } => self.take_evidence(now, generation, &seen, beat, &mut out),
            Input::Command { generation, command } => self.handle_command(now, generation, command, &mut out),
            Input::NewCanary { version } => self.handle_new_canary(now, version, &mut out),
            Input::CanaryRemoved => self.withdraw(now, "the canary was taken out of the configuration", &mut out),
            Input::StableIs { version } => self.handle_stable(now, version, &mut out),
            Input::PlanChanged(plan) => self.handle_plan(now, *plan, &mut out),
            Input::Storage { writable } => self.writable = writable,
            Input::GateAnswer(answer) => self.handle_gate_answer(now, answer, &mut out),
            Input::ProxyVeto { proxy, generation } => self.handle_veto(now, proxy, generation, &mut out),
            Input::PodFault { generation, reason } => self.handle_pod_fault(now, generation, &reason, &mut out),
        }
        (self, out)
    }

    /// The plan in force.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The version that is known to work.
    pub fn stable(&self) -> &str {
        &self.stable
    }

    /// The version under trial or taken back.
    pub fn canary(&self) -> Option<&str> {
        match &self.state {
            State::Healthy { .. } => None,
            State::Trial(trial) => Some(&trial.version),
            State::TakenBack(taken) => Some(&taken.version),
        }
    }

    /// Number of the present generation; 0 before the first canary.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When tick 0 of the present generation began, on the clock of [`Rollout::step`].
    pub fn origin_ms(&self) -> u64 {
        match &self.state {
            State::Healthy { .. } => 0,
            State::Trial(trial) => trial.origin_ms,
            State::TakenBack(taken) => taken.origin_ms,
        }
    }

    /// How long the present trial has run at `now`, restarts of the process bridged; 0 without one.
    pub fn age_ms(&self, now: u64) -> u64 {
        match &self.state {
            State::Trial(trial) => trial.age_ms(now),
            State::Healthy { .. } | State::TakenBack(_) => 0,
        }
    }

    /// Past generations, newest first, at most [`Rollout::HISTORY`].
    pub fn history(&self) -> impl Iterator<Item = &PastGeneration> {
        self.history.iter()
    }

    /// Share of the undirected traffic that the plan wants the canary to have now.
    pub fn weight(&self) -> Weight {
        match &self.state {
            State::Trial(trial) => trial.weight,
            State::Healthy { .. } | State::TakenBack(_) => Weight::ZERO,
        }
    }

    /// Whether the canary was taken back and is latched.
    pub fn is_taken_back(&self) -> bool {
        matches!(self.state, State::TakenBack(_))
    }

    /// The present reason; its phase is [`Reason::phase`].
    pub fn reason(&self) -> Reason {
        match &self.state {
            State::Healthy { completed: false } => Reason::Stable,
            State::Healthy { completed: true } => Reason::Completed,
            State::Trial(trial) => trial.reason(&self.plan),
            State::TakenBack(taken) => taken.reason,
        }
    }

    /// Who watches the arms at present.
    fn judge(&self) -> &Judge {
        match &self.state {
            State::Trial(trial) => &trial.judge,
            State::Healthy { .. } | State::TakenBack(_) => &self.watch,
        }
    }

    /// The trial is over: stable is watched on.
    fn watch_on(&mut self) {
        *self.watch = self.judge().successor(self.plan.analysis.clone());
    }

    /// Another version is stable: its habits are not known yet.
    fn forget_stable(&mut self) {
        let unknown = Judge::new(self.plan.analysis.clone());
        match &mut self.state {
            State::Trial(trial) => trial.judge = unknown,
            State::Healthy { .. } | State::TakenBack(_) => *self.watch = unknown,
        }
    }

    fn emit(&self, kind: EventKind, message: String, verdict: Option<Verdict>, out: &mut Vec<Action>) {
        let version = self.canary().unwrap_or(&self.stable).to_owned();
        out.push(Action::Emit(Event {
            kind,
            generation: self.generation,
            version,
            message,
            weight: self.weight(),
            verdict,
        }));
    }

    fn remember(&mut self, past: PastGeneration) {
        self.history.push_front(past);
        self.history.truncate(Self::HISTORY);
    }
}

#[cfg(test)]
mod tests;
