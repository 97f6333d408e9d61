//! What happened, for people: events as they come, and the record of past generations.

use serde::{Deserialize, Serialize};

use crate::judge::Verdict;
use crate::units::Weight;

/// The kinds of events, for notifications and the event list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A generation began.
    Started,
    /// A weight step began.
    Step,
    /// Paused.
    Paused,
    /// A pause ended.
    Resumed,
    /// A shared hold began or ended.
    Held,
    /// Suspended or resumed from it.
    Suspended,
    /// Taken back by a verdict or fault.
    Reverted,
    /// Taken back by hand.
    Aborted,
    /// The canary is the stable version now.
    Completed,
    /// Something worth a line that changes no state.
    Note,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What kind.
    pub kind: EventKind,
    /// Its generation.
    pub generation: u64,
    /// The canary's version.
    pub version: String,
    /// A sentence for people.
    pub message: String,
    /// The weight after it.
    pub weight: Weight,
    /// The verdict, where one decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
}

/// How a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The canary became stable.
    Promoted,
    /// The same by `promote --full` or `skipAnalysis`.
    PromotedFull,
    /// A verdict or a fault took it back.
    Reverted,
    /// A person took it back.
    Aborted,
    /// A newer version or plan came.
    Superseded,
    /// The configuration went back to the stable version.
    Withdrawn,
}

/// One past generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastGeneration {
    /// Its number.
    pub generation: u64,
    /// The version that was tried.
    pub version: String,
    /// The stable version beside it.
    pub stable: String,
    /// How it ended.
    pub outcome: Outcome,
    /// A sentence for people.
    pub cause: String,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// Highest weight reached.
    pub reached: Weight,
    /// The verdict, where one decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
}
