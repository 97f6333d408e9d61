//! Sentences for people: why a verdict was drawn, and what a rollout waits for.

use std::fmt;

use super::phase::Reason;
use crate::judge::{Metric, Missing, Rule, Verdict};
use crate::plan::Plan;

/// The evidence of a verdict in words that an operator can repeat.
pub(super) fn cause(verdict: &Verdict, plan: &Plan) -> String {
    let Verdict { n, x, n_stable, x_stable, .. } = verdict;
    let what = what_counts(verdict.metric, plan);
    let counts = format!("{x} of {n} canary requests {what} (stable: {x_stable} of {n_stable})");
    match verdict.rule {
        Rule::Sequential => counts,
        Rule::Comparison => format!("worse than stable: {counts}"),
        Rule::Backstop => format!("too many failed interval measurements: {counts}"),
        Rule::Suspected => format!("the outage of both versions ended as soon as the canary got no traffic: {counts}"),
    }
}

fn what_counts(metric: Metric, plan: &Plan) -> String {
    match (metric, plan.analysis.latency) {
        (Metric::Failures, _) => "failed".to_owned(),
        (Metric::Latency, Some(limit)) => format!("were slower than {} ms", limit.limit_ms),
        (Metric::Latency, None) => "were too slow".to_owned(),
        (Metric::C4xx, _) => "were answered 4xx".to_owned(),
        (Metric::Cancels, _) => "were cancelled by their clients".to_owned(),
    }
}

/// A metric in the plural, for sentences.
pub(super) fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Failures => "failures",
        Metric::Latency => "slow requests",
        Metric::C4xx => "4xx answers",
        Metric::Cancels => "client cancels",
    }
}

/// What a pause waits for, and what would unblock it.
pub(super) fn waits(reason: Reason) -> &'static str {
    match reason {
        Reason::PauseStep => "the plan waits here for a person: resume or promote",
        Reason::ByCommand => "paused by hand: resume, promote or abort",
        Reason::Worse => "within the limits, but worse than stable: look at it, then resume or abort",
        Reason::Inconclusive => {
            "not enough evidence at the step deadline: resume to wait on, promote to skip, or abort"
        }
        Reason::SuspendedTooLong => "suspended for ten minutes by an outage of both versions: resume or abort",
        Reason::ProxyVeto => "one proxy took it back on its own counts: look at it, then resume or abort",
        Reason::AwaitingPromotion => "the new version can be seen in preview: promote or abort",
        Reason::Manual => "the weight is set by hand",
        Reason::Ready => "waits until decisions can be stored",
        Reason::HeldShared => "both versions fail: weight and clock are frozen until the outage is over",
        Reason::Suspended => "the outage of both versions lasts: 0 % until stable is clear",
        Reason::Preview => "the new version can be seen in preview and will be promoted by itself",
        Reason::PostPromotion => "promoted; the old version is kept, and a failure goes back to it",
        Reason::Step
        | Reason::Baking
        | Reason::WaitingForGate
        | Reason::Stable
        | Reason::Completed
        | Reason::Reverted
        | Reason::Aborted
        | Reason::PodFault
        | Reason::StateLost => "",
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InDoubt(metric) => {
                write!(f, "{} are in doubt: no step while they may be beyond the limit", name(*metric))
            }
            Self::Held => f.write_str("both versions fail"),
            Self::StepRequests { seen, needed } => write!(f, "{seen} of {needed} canary requests of this step"),
            Self::Requests { metric, seen, needed: Some(needed) } => {
                write!(f, "{seen} of {needed} requests needed to trust {}", of(*metric))
            }
            Self::Requests { metric, seen, needed: None } => {
                write!(f, "{seen} requests, but at this share of {} more alone won't do", name(*metric))
            }
            Self::Compared(metric) => write!(f, "more {} than stable", name(*metric)),
            Self::Measurements { seen, needed } => write!(f, "{seen} of {needed} interval measurements"),
            Self::NoData => f.write_str("no canary request yet"),
        }
    }
}

fn of(metric: Metric) -> &'static str {
    match metric {
        Metric::Failures => "the success rate",
        Metric::Latency => "the latency",
        Metric::C4xx => "the share of 4xx",
        Metric::Cancels => "the share of cancels",
    }
}
