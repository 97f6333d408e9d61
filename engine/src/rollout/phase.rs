//! Where a rollout stands, in the words that people and tools know.

use serde::{Deserialize, Serialize};

/// Argo's names, because people and tools know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// One version serves everyone.
    Healthy,
    /// A canary is on its way.
    Progressing,
    /// Waits for a person (or a gate).
    Paused,
    /// The canary was taken back.
    Degraded,
}

/// Why a rollout is in its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Healthy: no canary.
    Stable,
    /// Healthy: the canary was promoted.
    Completed,
    /// Progressing: waits until it can begin.
    Ready,
    /// Progressing: a step's time runs or its evidence is gathered.
    Step,
    /// Progressing: both arms fail; weight and clock are frozen.
    HeldShared,
    /// Progressing: the outage lasts; weight 0 until stable is clear.
    Suspended,
    /// Progressing: 100 %, the old version still warm.
    Baking,
    /// Progressing: blue-green before promotion, reachable by preview only, waits for its time.
    Preview,
    /// Progressing: blue-green after promotion, returns by itself on failure.
    PostPromotion,
    /// Paused: a `pause` step without duration.
    PauseStep,
    /// Paused: `pause` command.
    ByCommand,
    /// Paused: worse than stable, though within the limits.
    Worse,
    /// Paused: not enough evidence at the step deadline.
    Inconclusive,
    /// Paused: suspended for ten minutes.
    SuspendedTooLong,
    /// Paused: one proxy of a fleet took the canary back on its own.
    ProxyVeto,
    /// Paused: blue-green waits for `promote`.
    AwaitingPromotion,
    /// Paused: `manual` strategy, the weight is set by hand.
    Manual,
    /// Paused: all else is fine, but a gate said no to the next raise; it is asked again and again.
    WaitingForGate,
    /// Degraded: reverted by a verdict.
    Reverted,
    /// Degraded: `abort` command.
    Aborted,
    /// Degraded: the canary's pods failed.
    PodFault,
    /// Degraded: the state file could not be read; stable gets everything until `retry`.
    StateLost,
}

// === impl Reason ===

impl Reason {
    /// The phase that this reason belongs to.
    pub const fn phase(self) -> Phase {
        match self {
            Self::Stable | Self::Completed => Phase::Healthy,
            Self::Ready
            | Self::Step
            | Self::HeldShared
            | Self::Suspended
            | Self::Baking
            | Self::Preview
            | Self::PostPromotion => Phase::Progressing,
            Self::PauseStep
            | Self::ByCommand
            | Self::Worse
            | Self::Inconclusive
            | Self::SuspendedTooLong
            | Self::ProxyVeto
            | Self::AwaitingPromotion
            | Self::Manual
            | Self::WaitingForGate => Phase::Paused,
            Self::Reverted | Self::Aborted | Self::PodFault | Self::StateLost => Phase::Degraded,
        }
    }
}

// === impl Phase ===

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Progressing, Self::Paused, Self::Degraded];

    /// The name, as in metrics and JSON.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Progressing => "Progressing",
            Self::Paused => "Paused",
            Self::Degraded => "Degraded",
        }
    }
}
