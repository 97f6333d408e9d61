//! Gates: a raise for which every other condition holds waits until each gate has said yes to this very raise.
//!
//! Asking is a state, not an event: [`Rollout::question`] says what is open, and whoever drives the rollout asks each gate
//! again and again until it is gone. So a driver that has forgotten everything just looks. Each time a raise comes up it
//! is a new question with a number of its own; an answer to another one changes nothing. An answer stands until the gate
//! gives another. Silence is no, and no means wait: evidence goes on, a failing canary is taken back, abort works.

use std::collections::BTreeMap;

use super::door::{Action, GateAnswer};
use super::event::EventKind;
use super::trial::{Stage, Trial};
use super::{Rollout, State};
use crate::plan::{Plan, Point, Strategy};
use crate::units::{Millis, Weight};

/// A raise that waits for its gates.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The generation it is about.
    pub generation: u64,
    /// Its number within the generation and the life of this state.
    pub number: u64,
    /// The weight now.
    pub weight: Weight,
    /// The weight that is asked for.
    pub next: Weight,
    /// Whom to ask, and at which of its points.
    pub gates: Vec<(String, Point)>,
}

/// A gate as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct GateView {
    /// Its name.
    pub name: String,
    /// What it has said.
    pub state: GateState,
    /// The point at which it is asked; `None` while it is not.
    pub point: Option<Point>,
    /// What it said to people, if anything.
    pub message: String,
    /// How long it has been in this state.
    pub since: Millis,
}

/// What a gate has said to the present raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GateState {
    /// It is not asked.
    Idle,
    /// It is asked and has not answered yet.
    Waiting,
    /// Go on.
    Open,
    /// Wait; or it could not be asked.
    Closed,
}

/// The raise that is asked about, and what the gates have said to it.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    number: u64,
    since_ms: u64,
    answers: BTreeMap<String, Answer>,
}

#[derive(Clone, Debug)]
struct Answer {
    open: bool,
    message: String,
    /// Since when it has said this.
    since_ms: u64,
}

// === impl Rollout ===

impl Rollout {
    /// The raise that waits for gates at present. The same until it is answered or something else keeps the step.
    pub fn question(&self) -> Option<Question> {
        let State::Trial(trial) = &self.state else { return None };
        let pending = trial.pending.as_ref()?;
        let gates = due_gates(trial, &self.plan).map(|(name, point)| (name.to_owned(), point)).collect();
        let next = next_weight(trial.stage, &self.plan);
        Some(Question { generation: self.generation, number: pending.number, weight: trial.weight, next, gates })
    }

    /// Whether every gate says yes to the raise that comes now; begins to ask if nobody has.
    pub(super) fn passes_gates(&mut self, now: u64) -> bool {
        let State::Trial(trial) = &mut self.state else { return false };
        if due_gates(trial, &self.plan).next().is_none() {
            trial.pending = None;
            return true;
        }
        if trial.pending.is_none() {
            trial.asked += 1;
            trial.pending = Some(Pending { number: trial.asked, since_ms: now, answers: BTreeMap::new() });
        }
        due_gates(trial, &self.plan).all(|(name, _)| trial.answer_of(name).is_some_and(|answer| answer.open))
    }

    /// Whether a gate stands before the next raise.
    pub(super) fn is_gated(&self) -> bool {
        matches!(&self.state, State::Trial(trial) if due_gates(trial, &self.plan).next().is_some())
    }

    /// The gates changed: what they said so far is void.
    pub(super) fn ask_anew(&mut self) {
        if let State::Trial(trial) = &mut self.state {
            trial.pending = None;
            trial.checked_ms = None;
        }
    }

    /// A person's promote where gates stand before the raise: it ends every other wait. Nobody but `full` passes a gate.
    pub(super) fn promote_if_open(&mut self, now: u64, out: &mut Vec<Action>) {
        let State::Trial(trial) = &mut self.state else { return };
        if trial.stage != Stage::Ready && !trial.waived {
            trial.waived = true;
            trial.released = true;
            trial.pause = None;
            self.emit(EventKind::Resumed, "promoted by hand: only the gates are asked".to_owned(), None, out);
        }
        if let State::Trial(trial) = &mut self.state {
            trial.checked_ms = None;
        }
        self.progress(now, out);
    }

    /// For the event of a raise that asked no gate.
    pub(super) fn gates_passed_over(&self) -> &'static str {
        let is_unjudged = matches!(&self.state, State::Trial(trial) if trial.unjudged);
        if is_unjudged && !self.plan.gates.is_empty() { ", and no gate was asked" } else { "" }
    }

    pub(super) fn handle_gate_answer(&mut self, now: u64, given: GateAnswer, out: &mut Vec<Action>) {
        let generation = self.generation;
        let State::Trial(trial) = &mut self.state else { return };
        let is_asked = due_gates(trial, &self.plan).any(|(name, _)| name == given.gate);
        let Some(pending) = &mut trial.pending else { return };
        if !is_asked || given.generation != generation || given.question != pending.number {
            return;
        }
        let same = pending.answers.get(&given.gate).filter(|answer| answer.open == given.open);
        let since_ms = same.map_or(now, |answer| answer.since_ms);
        let GateAnswer { gate, open, message, .. } = given;
        pending.answers.insert(gate.clone(), Answer { open, message: message.clone(), since_ms });
        if open {
            trial.checked_ms = None;
            return self.progress(now, out);
        }
        // Told once for each step, however often it comes up.
        if !std::mem::replace(&mut trial.gate_told, true) {
            let said = if message.is_empty() { String::new() } else { format!(": {message}") };
            self.emit(EventKind::Paused, format!("waits for the gate {gate}{said}"), None, out);
        }
    }

    pub(super) fn gate_views(&self, trial: Option<&Trial>, now: u64) -> Vec<GateView> {
        self.plan.gates.iter().map(|gate| gate_view(gate.name(), trial, &self.plan, now)).collect()
    }
}

// === impl Trial ===

impl Trial {
    fn answer_of(&self, gate: &str) -> Option<&Answer> {
        self.pending.as_ref()?.answers.get(gate)
    }

    /// Whether a gate has said no to the raise that waits.
    pub(super) fn is_gate_closed(&self, plan: &Plan) -> bool {
        due_gates(self, plan).any(|(name, _)| self.answer_of(name).is_some_and(|answer| !answer.open))
    }

    /// The raise is off: something else keeps the step, and a person's promote of before it no longer counts.
    pub(super) fn call_off(&mut self) {
        self.pending = None;
        self.waived = false;
    }
}

// === impl GateView ===

/// One sentence; nothing about a gate that is not asked.
impl std::fmt::Display for GateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, message, .. } = self;
        let since = in_words(self.since);
        match self.state {
            GateState::Idle => Ok(()),
            GateState::Waiting => write!(f, "the gate {name} is asked and has not answered for {since}"),
            GateState::Open => write!(f, "the gate {name} is open"),
            GateState::Closed if message.is_empty() => write!(f, "the gate {name} is closed ({since})"),
            GateState::Closed => write!(f, "the gate {name} is closed ({since}): {message}"),
        }
    }
}

// === helpers ===

/// Not finer than what people want to know.
fn in_words(time: Millis) -> String {
    match time.get() / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// The gates that the next raise has to pass, each with the point at which it is asked; none where a person said so.
fn due_gates<'a>(trial: &Trial, plan: &'a Plan) -> impl Iterator<Item = (&'a str, Point)> + use<'a> {
    let due = if trial.unjudged { &[] } else { due_points(trial.stage, plan) };
    plan.gates.iter().filter_map(move |gate| Some((gate.name(), gate.point_of(due)?)))
}

/// What the next raise is. Going back to a weight that was earned before (after an outage, after a restart) is none.
fn due_points(stage: Stage, plan: &Plan) -> &'static [Point] {
    let planned = plan.strategy.weight_steps() as usize;
    match (stage, &plan.strategy) {
        (Stage::Ready, Strategy::Canary { .. }) if planned == 1 => &[Point::Start, Point::Promotion],
        (Stage::Ready, _) => &[Point::Start],
        (Stage::Step(index), _) if index + 2 == planned => &[Point::Raise, Point::Promotion],
        (Stage::Step(index), _) if index + 2 < planned => &[Point::Raise],
        (Stage::Preview, _) => &[Point::Promotion],
        (Stage::Step(_) | Stage::Watch | Stage::Manual, _) => &[],
    }
}

fn next_weight(stage: Stage, plan: &Plan) -> Weight {
    let step = match stage {
        Stage::Ready => 0,
        Stage::Step(index) => index + 1,
        Stage::Preview | Stage::Watch | Stage::Manual => return Weight::FULL,
    };
    match &plan.strategy {
        Strategy::Canary { steps } => steps.get(step).map_or(Weight::FULL, |step| step.weight),
        // The preview has no weight.
        Strategy::BlueGreen(_) | Strategy::Manual { .. } => Weight::ZERO,
    }
}

fn gate_view(name: &str, trial: Option<&Trial>, plan: &Plan, now: u64) -> GateView {
    let asked = trial.and_then(|trial| Some((trial, trial.pending.as_ref()?)));
    let asked = asked.and_then(|(trial, pending)| {
        let (_, point) = due_gates(trial, plan).find(|(due, _)| *due == name)?;
        Some((pending, point))
    });
    let Some((pending, point)) = asked else {
        let (state, message) = (GateState::Idle, String::new());
        return GateView { name: name.to_owned(), state, point: None, message, since: Millis::default() };
    };
    let (state, message, since_ms) = match pending.answers.get(name) {
        Some(Answer { open: true, message, since_ms }) => (GateState::Open, message.clone(), *since_ms),
        Some(Answer { open: false, message, since_ms }) => (GateState::Closed, message.clone(), *since_ms),
        None => (GateState::Waiting, String::new(), pending.since_ms),
    };
    let since = Millis::new(now.saturating_sub(since_ms));
    GateView { name: name.to_owned(), state, point: Some(point), message, since }
}
