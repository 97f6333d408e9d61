//! What goes in and out of the one door [`super::Rollout::step`].

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::phase::{Phase, Reason};
use crate::evidence::Observations;
use crate::plan::Plan;
use crate::units::Weight;

/// What a person or program asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Ends the present wait: a pause, or the rest of a step; `full`: to 100 % at once, without analysis.
    Promote {
        /// Skip all steps and every verdict.
        full: bool,
    },
    /// Weight 0 and Degraded, from every state.
    Abort {
        /// Said by whoever aborts, for events and history.
        reason: Option<String>,
    },
    /// Starts the taken-back canary again from its first step.
    Retry,
    /// Holds weight and clock; a failing canary is still reverted.
    Pause,
    /// Ends a pause; the evidence that a step needs is still asked for.
    Resume,
    /// Only with the `manual` strategy.
    SetWeight(Weight),
}

/// What happens to a rollout.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed; sent on every 100 ms beat, after the beat's evidence.
    Tick,
    /// Counts became known. Those of another generation are ignored.
    Evidence {
        /// The generation they belong to.
        generation: u64,
        /// The counts.
        seen: Observations,
        /// Whether this is a beat (end of an odd tick) or a wake-up by a canary failure.
        beat: bool,
    },
    /// A command; `generation` must be the present one when given.
    Command {
        /// The generation the caller looked at.
        generation: Option<u64>,
        /// The command.
        command: Command,
    },
    /// A new canary version: begins a new generation. The version that is already stable ends a rollout under way.
    NewCanary {
        /// Its name.
        version: String,
    },
    /// The canary was taken out of the configuration.
    CanaryRemoved,
    /// The configuration names another stable version.
    StableIs {
        /// Its name.
        version: String,
    },
    /// A new plan; restarts the steps if a canary is under way (new generation).
    PlanChanged(Box<Plan>),
    /// Whether decisions can be stored; while not, nothing advances (a revert still happens).
    Storage {
        /// The last write worked.
        writable: bool,
    },
    /// A gate answered a [`super::Question`]. Answers to another one are ignored.
    GateAnswer(GateAnswer),
    /// A proxy of a fleet took the canary back on its own.
    ProxyVeto {
        /// The proxy.
        proxy: String,
        /// The generation it vetoed.
        generation: u64,
    },
    /// The canary's pods failed.
    PodFault {
        /// The generation they belong to.
        generation: u64,
        /// What the cluster says.
        reason: String,
    },
}

/// What a gate said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateAnswer {
    /// The generation of the question.
    pub generation: u64,
    /// The question's number.
    pub question: u64,
    /// The gate's name.
    pub gate: String,
    /// Whether the weight may rise; false also if the gate could not be asked.
    pub open: bool,
    /// For people; short, and without control characters.
    pub message: String,
}

/// What the driver has to do, in this order; every action is idempotent.
#[allow(clippy::large_enum_variant, reason = "a handful of actions live for the length of one step")]
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Route by this weight: from `from_tick` of the generation on (0: at once).
    SetWeight {
        /// Whose weight.
        generation: u64,
        /// The weight.
        weight: Weight,
        /// First tick with this weight.
        from_tick: u64,
    },
    /// Scale the canary to this share of stable, where somebody can.
    Scale {
        /// Whose scale.
        generation: u64,
        /// Percent of stable's replicas.
        percent: u32,
    },
    /// Tell people.
    Emit(Event),
    /// The generation is over: `stable` is now the version that serves everyone.
    Finish {
        /// The generation.
        generation: u64,
        /// The version that serves everyone from now on.
        stable: String,
    },
    /// The command was refused; nothing changed.
    Refuse(Refusal),
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller looked at another generation.
    #[error("the rollout is at generation {present}, the command was meant for generation {given}")]
    StaleGeneration {
        /// The generation in force.
        present: u64,
        /// The generation given.
        given: u64,
    },
    /// The command makes no sense in this state.
    #[error("{command} is not possible while {phase:?} ({reason:?}): {hint}")]
    NotNow {
        /// The command's name.
        command: &'static str,
        /// Present phase.
        phase: Phase,
        /// Present reason.
        reason: Reason,
        /// What is possible instead.
        hint: &'static str,
    },
    /// Decisions can't be stored, so nothing may advance.
    #[error("{command} is not possible while the state can't be stored; abort is")]
    NotStored {
        /// The command's name.
        command: &'static str,
    },
}

// === impl Command ===

impl Command {
    /// The verb, as on the command line.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Promote { full: false } => "promote",
            Self::Promote { full: true } => "promote --full",
            Self::Abort { .. } => "abort",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::SetWeight(_) => "weight",
        }
    }
}
