//! A canary under way: its stage, its clock, its judge.

use std::collections::BTreeSet;

use super::gates::Pending;
use super::phase::Reason;
use crate::judge::{Judge, Missing};
use crate::plan::{Plan, Strategy};
use crate::units::{Millis, TICK_MS, Weight};

/// Where in its plan a canary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Stage {
    /// Not begun: waits until decisions can be stored.
    Ready,
    /// At this weight step; the last is 100 %.
    Step(usize),
    /// Blue-green before promotion.
    Preview,
    /// Blue-green after promotion.
    Watch,
    /// By hand.
    Manual,
}

/// How long a step has run; stands still in holds and pauses.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepClock {
    elapsed_ms: u64,
    seen_ms: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) version: String,
    /// When tick 0 of the generation began.
    pub(super) origin_ms: u64,
    /// Time the generation had run before a restart of the process.
    pub(super) earlier_ms: u64,
    pub(super) judge: Judge,
    /// No verdicts: `promote --full` or `skipAnalysis`.
    pub(super) unjudged: bool,
    pub(super) stage: Stage,
    pub(super) pause: Option<Reason>,
    pub(super) weight: Weight,
    /// Highest weight so far.
    pub(super) reached: Weight,
    /// Planned step starts that were paid for out of the error budget.
    pub(super) starts: u32,
    pub(super) clock: StepClock,
    /// A person ended this step's `pause: {}`.
    pub(super) released: bool,
    /// A person promoted, and only the gates are still asked: neither time nor evidence keeps the step.
    pub(super) waived: bool,
    /// The raise that waits for gates.
    pub(super) pending: Option<Pending>,
    /// How many questions were asked so far.
    pub(super) asked: u64,
    /// That a gate keeps this step was told.
    pub(super) gate_told: bool,
    /// When promotion was last looked at.
    pub(super) checked_ms: Option<u64>,
    pub(super) vetoes: BTreeSet<String>,
}

// === impl StepClock ===

impl StepClock {
    pub(super) fn start(now: u64, elapsed_ms: u64) -> Self {
        Self { elapsed_ms, seen_ms: now }
    }

    /// Time goes on; it counts only if the clock runs.
    pub(super) fn advance(&mut self, now: u64, runs: bool) {
        if runs {
            self.elapsed_ms += now.saturating_sub(self.seen_ms);
        }
        self.seen_ms = self.seen_ms.max(now);
    }

    pub(super) fn elapsed(&self) -> Millis {
        Millis::new(self.elapsed_ms)
    }
}

// === impl Trial ===

impl Trial {
    /// A canary that begins now; `former` knows stable's habits.
    pub(super) fn new(version: String, plan: &Plan, former: &Judge, now: u64) -> Self {
        Self {
            version,
            origin_ms: now,
            earlier_ms: 0,
            judge: former.successor(plan.analysis.clone()),
            unjudged: plan.skip_analysis,
            stage: Stage::Ready,
            pause: None,
            weight: Weight::ZERO,
            reached: Weight::ZERO,
            starts: 0,
            clock: StepClock::start(now, 0),
            released: false,
            waived: false,
            pending: None,
            asked: 0,
            gate_told: false,
            checked_ms: None,
            vetoes: BTreeSet::new(),
        }
    }

    /// The first weight comes only now. Tick 0 moves here, because what counts from it (such as the initial delay of a
    /// metric) must not have run out while a gate was closed.
    pub(super) fn begin_at(&mut self, now: u64) {
        if now > self.origin_ms {
            self.earlier_ms = self.age_ms(now);
            self.origin_ms = now;
            self.judge = self.judge.successor(self.judge.settings().clone());
        }
    }

    /// The tick that runs at `now`.
    pub(super) fn tick(&self, now: u64) -> u64 {
        now.saturating_sub(self.origin_ms) / TICK_MS
    }

    /// Whether verdicts are drawn: not without weighted traffic, and not where a person said so.
    pub(super) fn is_judged(&self) -> bool {
        !self.unjudged && matches!(self.stage, Stage::Step(_) | Stage::Watch)
    }

    /// Whether the step's time counts.
    pub(super) fn clock_runs(&self) -> bool {
        let frozen = matches!(self.pause, Some(reason) if reason != Reason::PauseStep);
        !(frozen || self.is_judged() && (self.judge.is_holding() || self.judge.is_suspended()))
    }

    pub(super) fn age_ms(&self, now: u64) -> u64 {
        self.earlier_ms + now.saturating_sub(self.origin_ms)
    }

    /// How long the present stage has to run at least; `None` if a person has to end it.
    pub(super) fn duration(&self, plan: &Plan) -> Option<Millis> {
        if self.waived {
            return Some(Millis::default());
        }
        match (self.stage, &plan.strategy) {
            (Stage::Step(index), Strategy::Canary { steps }) => {
                steps.get(index).filter(|step| !step.waits_for_person || self.released).map(|step| step.duration)
            }
            (Stage::Preview, Strategy::BlueGreen(settings)) => settings.auto_promotion,
            (Stage::Watch, Strategy::BlueGreen(settings)) => Some(settings.scale_down_delay),
            _ => None,
        }
    }

    /// What evidence still keeps the step from ending.
    pub(super) fn missing(&self, now: u64) -> Vec<Missing> {
        if self.is_judged() && !self.waived { self.judge.missing(self.tick(now)) } else { Vec::new() }
    }

    fn outage(&self) -> Option<Reason> {
        let of_judge = || match (self.judge.is_suspended(), self.judge.is_holding()) {
            (true, _) => Some(Reason::Suspended),
            (false, true) => Some(Reason::HeldShared),
            (false, false) => None,
        };
        self.is_judged().then(of_judge).flatten()
    }

    /// Why it is where it is.
    pub(super) fn reason(&self, plan: &Plan) -> Reason {
        match (self.pause, self.outage()) {
            // What a person has to know first, though the pause goes on.
            (None | Some(Reason::PauseStep | Reason::ByCommand), Some(outage)) => return outage,
            (Some(reason), _) => return reason,
            (None, None) if self.is_gate_closed(plan) => return Reason::WaitingForGate,
            (None, None) => {}
        }
        match (self.stage, &plan.strategy) {
            (Stage::Ready, _) => Reason::Ready,
            (Stage::Step(index), Strategy::Canary { steps }) if index + 1 == steps.len() => Reason::Baking,
            (Stage::Step(_), _) => Reason::Step,
            (Stage::Preview, Strategy::BlueGreen(settings)) if settings.auto_promotion.is_none() && !self.waived => {
                Reason::AwaitingPromotion
            }
            (Stage::Preview, _) => Reason::Preview,
            (Stage::Watch, _) => Reason::PostPromotion,
            (Stage::Manual, _) => Reason::Manual,
        }
    }
}
