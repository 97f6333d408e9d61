//! One word and one colour for each thing the engine can say.

use sluice_api::{EventKind, Judgement, Metric, Outcome, Phase, Reason, RolloutStatus};

use super::text::{Line, Paint};

pub(crate) const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Healthy => "Healthy",
        Phase::Progressing => "Progressing",
        Phase::Paused => "Paused",
        Phase::Degraded => "Degraded",
    }
}

const fn phase_sign(phase: Phase) -> &'static str {
    match phase {
        Phase::Healthy => "✔",
        Phase::Progressing => "◐",
        Phase::Paused => "‖",
        Phase::Degraded => "✖",
    }
}

/// The colour of a phase; a manual rollout waits for nobody, so it doesn't warn.
pub(crate) fn phase_paint(phase: Phase, reason: Reason) -> Paint {
    match phase {
        Phase::Healthy => Paint::Good,
        Phase::Progressing if matches!(reason, Reason::HeldShared | Reason::Suspended) => Paint::Warn,
        Phase::Progressing => Paint::Accent,
        Phase::Paused if reason == Reason::Manual => Paint::Accent,
        Phase::Paused => Paint::Warn,
        Phase::Degraded => Paint::Bad,
    }
}

/// `◐ Progressing`.
pub(crate) fn phase(phase: Phase, reason: Reason) -> Line {
    Line::painted(phase_paint(phase, reason), format!("{} {}", phase_sign(phase), phase_word(phase)))
}

/// The reason as it stands on the wire, so that people find it in the documentation.
pub(crate) fn reason_word(reason: Reason) -> String {
    format!("{reason:?}")
}

/// The metric's name on the wire.
pub(crate) const fn metric_word(metric: Metric) -> &'static str {
    match metric {
        Metric::Failures => "failures",
        Metric::Latency => "latency",
        Metric::C4xx => "4xx",
        Metric::Cancels => "cancels",
    }
}

/// What a counted request did, as in `5 of 5 canary requests failed`.
pub(crate) const fn metric_deed(metric: Metric) -> &'static str {
    match metric {
        Metric::Failures => "failed",
        Metric::Latency => "were too slow",
        Metric::C4xx => "were answered 4xx",
        Metric::Cancels => "were cancelled by the client",
    }
}

/// The same in a column of counts, as in `1 of 312 too slow`.
pub(crate) const fn metric_count(metric: Metric) -> &'static str {
    match metric {
        Metric::Failures => "failed",
        Metric::Latency => "too slow",
        Metric::C4xx => "answered 4xx",
        Metric::Cancels => "cancelled",
    }
}

/// Whether the metric has a limit of its own; the others are compared with stable only.
pub(crate) const fn has_limit(metric: Metric) -> bool {
    match metric {
        Metric::Failures | Metric::Latency => true,
        Metric::C4xx | Metric::Cancels => false,
    }
}

pub(crate) fn judgement(judgement: Judgement) -> Line {
    match judgement {
        Judgement::Good => Line::painted(Paint::Good, "● good"),
        Judgement::Bad => Line::painted(Paint::Bad, "✖ bad"),
        Judgement::Undecided => Line::painted(Paint::Warn, "◌ undecided"),
        Judgement::NoData => Line::painted(Paint::Faint, "○ no request yet"),
    }
}

pub(crate) fn outcome(outcome: Outcome) -> Line {
    match outcome {
        Outcome::Promoted => Line::painted(Paint::Good, "promoted"),
        Outcome::PromotedFull => Line::painted(Paint::Good, "promoted in full"),
        Outcome::Reverted => Line::painted(Paint::Bad, "reverted"),
        Outcome::Aborted => Line::painted(Paint::Bad, "aborted"),
        Outcome::Superseded => Line::painted(Paint::Faint, "superseded"),
        Outcome::Withdrawn => Line::painted(Paint::Faint, "withdrawn"),
    }
}

pub(crate) fn event(kind: EventKind) -> Line {
    match kind {
        EventKind::Started => Line::painted(Paint::Accent, "started"),
        EventKind::Step => Line::painted(Paint::Accent, "step"),
        EventKind::Paused => Line::painted(Paint::Warn, "paused"),
        EventKind::Resumed => Line::painted(Paint::Accent, "resumed"),
        EventKind::Held => Line::painted(Paint::Warn, "held"),
        EventKind::Suspended => Line::painted(Paint::Warn, "suspended"),
        EventKind::Reverted => Line::painted(Paint::Bad, "reverted"),
        EventKind::Aborted => Line::painted(Paint::Bad, "aborted"),
        EventKind::Completed => Line::painted(Paint::Good, "completed"),
        EventKind::Note => Line::painted(Paint::Faint, "note"),
    }
}

/// What a verdict led to, from where the rollout stands now.
pub(crate) const fn consequence(status: &RolloutStatus) -> &'static str {
    match status.phase {
        Phase::Degraded => "reverted",
        Phase::Paused => "paused",
        Phase::Progressing => "held",
        Phase::Healthy => "decided",
    }
}
