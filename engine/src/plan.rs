//! What is meant by a strategy and its analysis: from the sections people write to an immutable, validated plan.
//!
//! `raw` has the sections as they are written, here is what they mean. Nothing after this point checks a range again.
//! All problems are reported, not the first.

mod gate;
pub mod raw;

use std::fmt;

use crate::judge::{Backstop, Guard, LatencyLimit, Metric, Role, Routing, Settings};
use crate::units::{Millis, Weight};
pub use gate::{Gate, Point, RawGate};
use raw::{RawAnalysis, RawBlueGreen, RawCanary, RawGuard, RawMetric, RawStep, RawStrategy};

/// The immutable, validated form of strategy and analysis settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How the weight moves.
    pub strategy: Strategy,
    /// How the arms are judged.
    pub analysis: Settings,
    /// What happens when evidence is still missing at the step deadline.
    pub on_inconclusive: OnInconclusive,
    /// Canary requests without failure that `promoteIfClean` asks for.
    pub min_requests: u32,
    /// Longest time of a step without enough evidence; by default ten times the step, at least ten minutes.
    pub step_deadline: Option<Millis>,
    /// Goes to 100 % at once, judges nothing and asks no gate: for hotfixes.
    pub skip_analysis: bool,
    /// Who is asked before the weight rises; a change of them begins nothing anew.
    pub gates: Vec<Gate>,
}

/// How the weight moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Strategy {
    /// Step by step.
    Canary {
        /// At least the final one, which is 100 % and lasts as long as the bake.
        steps: Vec<WeightStep>,
    },
    /// All at once, after a preview.
    BlueGreen(BlueGreen),
    /// By hand.
    Manual {
        /// Weight at the start.
        weight: Weight,
    },
}

/// One weight and how long it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightStep {
    /// Share of the undirected traffic.
    pub weight: Weight,
    /// At least this long.
    pub duration: Millis,
    /// Then waits for a person (`pause: {}`).
    pub waits_for_person: bool,
    /// Scale of the canary in percent of stable from here on (`setCanaryScale`), where somebody can scale.
    pub scale: Option<u32>,
}

/// Blue-green settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlueGreen {
    /// Promotes by itself after this time; `None` waits for `promote`.
    pub auto_promotion: Option<Millis>,
    /// Host under which the new version can be seen before.
    pub preview_host: Option<String>,
    /// Header (value `always` or `true`) that leads to the new version before.
    pub preview_header: Option<String>,
    /// How long the old version is kept, and the new one watched, after promotion.
    pub scale_down_delay: Millis,
}

/// What happens when evidence is still missing at the step deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnInconclusive {
    /// Pause and let a person look.
    #[default]
    Pause,
    /// Revert.
    Revert,
    /// Go on if not one canary request failed and at least `minRequests` came; else pause.
    PromoteIfClean,
}

/// Something that can't be meant, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path below the rollout, such as `strategy.canary.steps[2].setWeight`.
    pub path: String,
    /// One sentence that names the value and what is allowed.
    pub message: String,
}

/// How long the old version stays warm at 100 % unless the plan says otherwise.
const DEFAULT_BAKE: Millis = Millis::new(30_000);
/// How long blue-green keeps the old version unless the plan says otherwise.
const DEFAULT_SCALE_DOWN_DELAY: Millis = Millis::new(300_000);
const MIN_STEP_DEADLINE: Millis = Millis::new(600_000);
/// Below this share a sequential test would ask for tens of thousands of requests without a single failure.
const MIN_THETA: f64 = 1e-4;
/// A canary that may fail more than half of its requests is no canary.
const MAX_THETA: f64 = 0.5;

impl Plan {
    /// The plan that `strategy` and `analysis` mean, without gates; `sticky` if routing keeps users on an arm.
    ///
    /// # Errors
    /// Every problem found.
    pub fn try_from_raw(
        strategy: RawStrategy,
        analysis: &RawAnalysis,
        sticky: bool,
        skip_analysis: bool,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let strategy = Strategy::from_raw(strategy, &mut problems);
        let analysis_settings = settings(analysis, strategy.weight_steps(), sticky, &mut problems);
        let plan = Self {
            strategy,
            analysis: analysis_settings,
            on_inconclusive: analysis.on_inconclusive,
            min_requests: analysis.min_requests.unwrap_or(100),
            step_deadline: analysis.step_deadline,
            skip_analysis: skip_analysis || analysis.skip_analysis,
            gates: Vec::new(),
        };
        problems.0.is_empty().then_some(plan).ok_or(problems.0)
    }

    /// Whether `other` says the same about strategy and analysis, whatever the gates are.
    pub fn is_same_but_for_gates(&self, other: &Self) -> bool {
        *self == Self { gates: self.gates.clone(), ..other.clone() }
    }

    /// When a step that lasts `duration` and still lacks evidence is given up.
    pub fn deadline_of(&self, duration: Millis) -> Millis {
        self.step_deadline.unwrap_or_else(|| Millis::new(duration.get().saturating_mul(10)).max(MIN_STEP_DEADLINE))
    }
}

// === impl Strategy ===

impl Strategy {
    /// `canary`, `blueGreen` or `manual`.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Canary { .. } => "canary",
            Self::BlueGreen(_) => "blueGreen",
            Self::Manual { .. } => "manual",
        }
    }

    /// How many weight steps it plans (K in formulas), the final 100 % included.
    pub fn weight_steps(&self) -> u32 {
        match self {
            Self::Canary { steps } => u32::try_from(steps.len()).unwrap_or(u32::MAX),
            Self::BlueGreen(_) | Self::Manual { .. } => 1,
        }
    }

    fn from_raw(raw: RawStrategy, problems: &mut Problems) -> Self {
        match (raw.canary, raw.blue_green, raw.manual) {
            (Some(canary), None, None) => canary_strategy(&canary, problems),
            (None, Some(blue_green), None) => Self::BlueGreen(blue_green_strategy(blue_green, problems)),
            (None, None, Some(manual)) => Self::Manual { weight: manual.weight },
            _ => {
                problems.add("strategy", "exactly one of canary, blueGreen and manual is allowed");
                Self::Manual { weight: Weight::ZERO }
            }
        }
    }
}

/// Folds the list of `setWeight`, `pause`, `analysis` and `setCanaryScale` into one entry for each weight.
fn canary_strategy(raw: &RawCanary, problems: &mut Problems) -> Strategy {
    let mut steps: Vec<WeightStep> = Vec::new();
    let mut scale = None;
    for (i, step) in raw.steps.iter().enumerate() {
        let path = format!("strategy.canary.steps[{i}]");
        match step {
            RawStep::SetWeight(weight) => {
                check_rises(steps.last(), *weight, &path, problems);
                steps.push(WeightStep { scale: scale.take(), ..WeightStep::at(*weight) });
            }
            RawStep::SetCanaryScale(set) => scale = Some(set.percent),
            RawStep::Pause(pause) => match steps.last_mut() {
                Some(step) => step.wait(pause.duration),
                None => problems.add(&path, "a pause before the first setWeight holds nothing: begin with setWeight"),
            },
            RawStep::Analysis(analysis) => match steps.last_mut() {
                Some(step) => step.duration = step.duration.plus(analysis.duration.unwrap_or_default()),
                None => {
                    problems.add(&path, "an analysis before the first setWeight sees no request: begin with setWeight")
                }
            },
        }
    }
    let bake = raw.bake.unwrap_or(DEFAULT_BAKE);
    match steps.last_mut() {
        Some(last) if last.weight == Weight::FULL => last.duration = last.duration.plus(bake),
        _ => steps.push(WeightStep { duration: bake, scale: scale.take(), ..WeightStep::at(Weight::FULL) }),
    }
    Strategy::Canary { steps }
}

fn check_rises(last: Option<&WeightStep>, weight: Weight, path: &str, problems: &mut Problems) {
    if weight.is_zero() {
        problems.add(&format!("{path}.setWeight"), "0: a step needs a weight above 0, up to 100");
    } else if last.is_some_and(|step| step.weight >= weight) {
        problems.add(
            &format!("{path}.setWeight"),
            &format!("{}: each setWeight must be above the one before", weight.percent()),
        );
    }
}

fn blue_green_strategy(raw: RawBlueGreen, problems: &mut Problems) -> BlueGreen {
    if raw.auto_promotion_after.is_some() && raw.auto_promotion == Some(false) {
        problems.add("strategy.blueGreen.autoPromotionAfter", "a time makes no sense with autoPromotion: false");
    }
    let automatic = raw.auto_promotion.unwrap_or_else(|| raw.auto_promotion_after.is_some());
    BlueGreen {
        auto_promotion: automatic.then(|| raw.auto_promotion_after.unwrap_or_default()),
        preview_host: raw.preview_host,
        preview_header: raw.preview_header,
        scale_down_delay: raw.scale_down_delay.unwrap_or(DEFAULT_SCALE_DOWN_DELAY),
    }
}

// === impl WeightStep ===

impl WeightStep {
    fn at(weight: Weight) -> Self {
        Self { weight, duration: Millis::default(), waits_for_person: false, scale: None }
    }

    fn wait(&mut self, duration: Option<Millis>) {
        match duration {
            Some(duration) => self.duration = self.duration.plus(duration),
            None => self.waits_for_person = true,
        }
    }
}

// === analysis ===

fn settings(raw: &RawAnalysis, steps: u32, sticky: bool, problems: &mut Problems) -> Settings {
    let theta = raw.success_rate.min.complement();
    if theta > MAX_THETA {
        problems.add("analysis.successRate.min", &format!("{}: at least 50% is allowed", raw.success_rate.min));
    }
    for (name, value) in [
        ("falseRevertBudget", raw.false_revert_budget),
        ("alphaRel", raw.alpha_rel),
        ("alphaPromote", raw.alpha_promote),
        ("alphaPromoteLast", raw.alpha_promote_last),
    ] {
        if !(value > 0.0 && value < 1.0) {
            problems
                .add(&format!("analysis.{name}"), &format!("{value}: a probability above 0 and below 1 is allowed"));
        }
    }
    if !(raw.rho >= 1.0 && raw.rho <= 100.0) {
        problems.add("analysis.rho", &format!("{}: a ratio from 1 to 100 is allowed", raw.rho));
    }
    Settings {
        theta: theta.clamp(MIN_THETA, MAX_THETA),
        latency: raw.latency.as_ref().and_then(|latency| latency_limit(latency, problems)),
        alpha: raw.false_revert_budget,
        share_failures: 0.5,
        share_latency: 0.25,
        alpha_rel: raw.alpha_rel,
        alpha_promote: raw.alpha_promote,
        alpha_promote_last: raw.alpha_promote_last,
        rho: raw.rho,
        guard: guard(raw.guard, problems),
        min_failures: raw.min_failures.max(1),
        blip_tolerance_ms: raw.blip_tolerance.get(),
        compare: raw.compare,
        min_step_requests: raw.min_step_requests,
        steps,
        role: Role::Single,
        routing: if sticky { Routing::Sticky } else { Routing::Coin },
        cause_suspected: raw.cause_suspected,
        initial_delay_failures_ms: raw.success_rate.measured.initial_delay.get(),
        initial_delay_latency_ms: raw.latency.as_ref().map_or(0, |latency| latency.measured.initial_delay.get()),
        promotion: raw.promotion,
        backstops: backstops(raw, problems),
        backstop_during_hold: raw.shared_failure == raw::SharedFailure::Revert,
    }
}

fn latency_limit(raw: &raw::RawLatency, problems: &mut Problems) -> Option<LatencyLimit> {
    let theta = raw.quantile.complement();
    if !(MIN_THETA..=MAX_THETA).contains(&theta) {
        problems.add(
            "analysis.latency.quantile",
            &format!("{}: a quantile from 0.5 to 0.9999 is allowed", raw.quantile.fraction()),
        );
        return None;
    }
    if raw.max.get() == 0 || raw.max > Millis::new(3_600_000) {
        problems.add("analysis.latency.max", &format!("{}: a limit from 1ms to 1h is allowed", raw.max));
        return None;
    }
    Some(LatencyLimit { theta, limit_ms: raw.max.get() })
}

fn guard(raw: RawGuard, problems: &mut Problems) -> Guard {
    match raw {
        RawGuard::Auto => Guard::Auto,
        RawGuard::Off => Guard::Off,
        RawGuard::Cap(cap) if cap >= 1.0 && cap.is_finite() => Guard::Cap(cap),
        RawGuard::Cap(cap) => {
            problems.add("analysis.guard", &format!("{cap}: auto, off or a count from 1 is allowed"));
            Guard::Auto
        }
    }
}

fn backstops(raw: &RawAnalysis, problems: &mut Problems) -> Vec<Backstop> {
    let failures = backstop(Metric::Failures, "analysis.successRate", &raw.success_rate.measured, problems);
    let latency = raw
        .latency
        .as_ref()
        .and_then(|latency| backstop(Metric::Latency, "analysis.latency", &latency.measured, problems));
    failures.into_iter().chain(latency).collect()
}

/// Interval measurements, if the section asks for any.
fn backstop(metric: Metric, path: &str, raw: &RawMetric, problems: &mut Problems) -> Option<Backstop> {
    let rules = raw.rules();
    if rules.len() > 1 {
        problems.add(path, "only one of consecutiveFailures, failureLimit and threshold is allowed");
    }
    for (name, value) in [("interval", raw.interval), ("window", raw.window)] {
        if !(1_000..=86_400_000).contains(&value.get()) {
            problems.add(&format!("{path}.{name}"), &format!("{value}: 1s to 1d is allowed"));
        }
    }
    Some(Backstop {
        metric,
        interval_ms: raw.interval.get(),
        window_ms: raw.window.get(),
        rule: *rules.first()?,
        inconclusive_limit: raw.inconclusive_limit,
        count: raw.count,
        exact: raw.compat == Some(raw::Compat::Exact),
    })
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: &str, message: &str) {
        self.0.push(Problem { path: path.to_owned(), message: message.to_owned() });
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

#[cfg(test)]
mod tests;
