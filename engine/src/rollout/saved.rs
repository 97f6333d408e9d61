//! What survives a restart: the decisions, never the counts. A restarted process gathers evidence anew; what it must
//! not forget is which step a canary had earned, and which canary was taken back.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::door::Action;
use super::event::PastGeneration;
use super::phase::Reason;
use super::trial::{Stage, StepClock, Trial};
use super::{Rollout, State, TakenBack};
use crate::judge::{Pricing, Verdict};
use crate::plan::{Plan, Strategy};
use crate::units::Weight;

/// The durable part of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// The version that is known to work.
    pub stable: String,
    /// Number of the present generation.
    pub generation: u64,
    /// Past generations, newest first.
    pub history: Vec<PastGeneration>,
    state: SavedState,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[allow(clippy::large_enum_variant, reason = "there is one for each rollout, for the length of one write")]
enum SavedState {
    Healthy {
        completed: bool,
    },
    Trial {
        version: String,
        stage: Stage,
        pause: Option<Reason>,
        weight: Weight,
        reached: Weight,
        starts: u32,
        step_elapsed_ms: u64,
        age_ms: u64,
        unjudged: bool,
        released: bool,
        /// Absent in what versions without gates wrote.
        #[serde(default)]
        waived: bool,
        #[serde(default)]
        gate_told: bool,
    },
    TakenBack {
        version: String,
        reason: Reason,
        cause: String,
        verdict: Option<Verdict>,
        step: usize,
    },
}

// === impl Saved ===

impl Saved {
    /// The canary's version, under trial or taken back.
    pub fn canary(&self) -> Option<&str> {
        match &self.state {
            SavedState::Healthy { .. } => None,
            SavedState::Trial { version, .. } | SavedState::TakenBack { version, .. } => Some(version),
        }
    }
}

impl Rollout {
    /// What has to be stored.
    pub fn save(&self, now: u64) -> Saved {
        let state = match &self.state {
            State::Healthy { completed } => SavedState::Healthy { completed: *completed },
            State::Trial(trial) => SavedState::Trial {
                version: trial.version.clone(),
                stage: trial.stage,
                pause: trial.pause,
                weight: trial.weight,
                reached: trial.reached,
                starts: trial.starts,
                step_elapsed_ms: trial.clock.elapsed().get(),
                age_ms: trial.age_ms(now),
                unjudged: trial.unjudged,
                released: trial.released,
                waived: trial.waived,
                gate_told: trial.gate_told,
            },
            State::TakenBack(taken) => SavedState::TakenBack {
                version: taken.version.clone(),
                reason: taken.reason,
                cause: taken.cause.clone(),
                verdict: taken.verdict.clone(),
                step: taken.step,
            },
        };
        Saved {
            stable: self.stable.clone(),
            generation: self.generation,
            history: self.history.iter().cloned().collect(),
            state,
        }
    }

    /// Goes on where `saved` left off. A canary whose step the plan no longer has begins anew, as a new generation.
    pub fn restore(plan: Plan, saved: Saved, now: u64) -> (Self, Vec<Action>) {
        let mut rollout = Self::new(plan, saved.stable);
        rollout.generation = saved.generation;
        rollout.history = VecDeque::from(saved.history);
        rollout.history.truncate(Self::HISTORY);
        let mut out = Vec::new();
        match saved.state {
            SavedState::Healthy { completed } => rollout.state = State::Healthy { completed },
            SavedState::TakenBack { version, reason, cause, verdict, step } => {
                let metrics = Vec::new();
                rollout.state = State::TakenBack(Box::new(TakenBack {
                    version,
                    reason,
                    cause,
                    verdict,
                    origin_ms: now,
                    step,
                    metrics,
                }));
            }
            SavedState::Trial {
                version,
                stage,
                pause,
                weight,
                reached,
                starts,
                step_elapsed_ms,
                age_ms,
                unjudged,
                released,
                waived,
                gate_told,
            } => {
                let mut trial = Trial::new(version, &rollout.plan, &rollout.watch, now);
                trial.stage = stage;
                trial.pause = pause;
                trial.starts = starts;
                trial.earlier_ms = age_ms;
                trial.unjudged |= unjudged;
                trial.released = released;
                (trial.waived, trial.gate_told) = (waived, gate_told);
                trial.clock = StepClock::start(now, step_elapsed_ms);
                rollout.resume_trial(now, trial, weight, reached, &mut out);
            }
        }
        (rollout, out)
    }

    fn resume_trial(&mut self, now: u64, mut trial: Trial, weight: Weight, reached: Weight, out: &mut Vec<Action>) {
        if !self.still_plans(trial.stage, weight) {
            let version = trial.version.clone();
            self.state = State::Trial(Box::new(trial));
            self.supersede(now, "the plan changed while the process was down");
            return self.begin(now, version, out);
        }
        if weight.is_zero() && matches!(trial.stage, Stage::Step(_) | Stage::Watch) {
            // It was suspended by an outage; without evidence of the end of that outage only a person may go on.
            trial.pause = Some(Reason::SuspendedTooLong);
        }
        self.state = State::Trial(Box::new(trial));
        self.set_weight(now, weight, Pricing::Restart, out);
        if let State::Trial(trial) = &mut self.state {
            trial.reached = trial.reached.max(reached);
        }
    }

    fn still_plans(&self, stage: Stage, weight: Weight) -> bool {
        match (stage, &self.plan.strategy) {
            (Stage::Step(index), Strategy::Canary { steps }) => {
                steps.get(index).is_some_and(|step| step.weight == weight || weight.is_zero())
            }
            (Stage::Preview | Stage::Watch, Strategy::BlueGreen(_))
            | (Stage::Manual, Strategy::Manual { .. })
            | (Stage::Ready, _) => true,
            _ => false,
        }
    }
}
