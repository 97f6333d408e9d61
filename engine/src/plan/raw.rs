//! Strategy and analysis as people write them, in a file or in a custom resource. Types only; meaning is given in
//! [`crate::plan`].

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use crate::judge::{BackstopRule, CauseSuspected, Compare, Promotion};
use crate::plan::OnInconclusive;
use crate::units::{Millis, Share, Weight};

/// `strategy:`, exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawStrategy {
    /// Step by step.
    #[serde(default)]
    pub canary: Option<RawCanary>,
    /// All at once, after a preview.
    #[serde(default)]
    pub blue_green: Option<RawBlueGreen>,
    /// By hand.
    #[serde(default)]
    pub manual: Option<RawManual>,
}

/// `strategy.canary`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawCanary {
    /// In order.
    #[serde(default)]
    pub steps: Vec<RawStep>,
    /// Time at 100 % in which the old version stays warm.
    #[serde(default)]
    pub bake: Option<Millis>,
}

/// One entry of `steps`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RawStep {
    /// Raises the weight.
    SetWeight(Weight),
    /// Waits.
    Pause(RawPause),
    /// Waits for evidence.
    Analysis(RawStepAnalysis),
    /// Scales the canary, where somebody can.
    SetCanaryScale(RawScale),
}

/// `pause:`; without a duration it waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawPause {
    /// How long.
    #[serde(default)]
    pub duration: Option<Millis>,
}

/// `analysis:` as a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawStepAnalysis {
    /// At least this long.
    #[serde(default)]
    pub duration: Option<Millis>,
}

/// `setCanaryScale:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawScale {
    /// Percent of stable's replicas.
    pub percent: u32,
}

/// `strategy.blueGreen`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawBlueGreen {
    /// Promotes by itself.
    #[serde(default)]
    pub auto_promotion: Option<bool>,
    /// After this time in preview.
    #[serde(default)]
    pub auto_promotion_after: Option<Millis>,
    /// Host of the preview.
    #[serde(default)]
    pub preview_host: Option<String>,
    /// Header of the preview.
    #[serde(default)]
    pub preview_header: Option<String>,
    /// How long the old version is kept and the new one watched.
    #[serde(default)]
    pub scale_down_delay: Option<Millis>,
}

/// `strategy.manual`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawManual {
    /// Weight at the start.
    #[serde(default)]
    pub weight: Weight,
}

/// `analysis:`. Every field has a default, so an absent section means this type's default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RawAnalysis {
    /// Allowed failures.
    pub success_rate: RawSuccessRate,
    /// Latency limit, if any.
    pub latency: Option<RawLatency>,
    /// P(false revert) per rollout and hour.
    pub false_revert_budget: f64,
    /// At the step deadline without enough evidence.
    pub on_inconclusive: OnInconclusive,
    /// For `promoteIfClean`.
    pub min_requests: Option<u32>,
    /// The proof that a promotion asks for.
    pub promotion: Promotion,
    /// Longest time of a step without enough evidence.
    pub step_deadline: Option<Millis>,
    /// Canary requests of a step before it may end.
    pub min_step_requests: u32,
    /// Worse than stable, though within the limits.
    pub compare: Compare,
    /// Burst guard.
    pub guard: RawGuard,
    /// Failures that a window needs before it may revert.
    pub min_failures: u32,
    /// A burst shorter than this is forgiven.
    pub blip_tolerance: Millis,
    /// P(false revert) per shared outage.
    pub alpha_rel: f64,
    /// How many times as bad as stable the canary may be.
    pub rho: f64,
    /// P(wrong promotion) per metric.
    pub alpha_promote: f64,
    /// The same in the last step.
    pub alpha_promote_last: f64,
    /// An outage that ends as soon as the canary gets no traffic.
    pub cause_suspected: CauseSuspected,
    /// Whether an outage of both arms counts in interval measurements.
    pub shared_failure: SharedFailure,
    /// No verdicts; to 100 % at once.
    pub skip_analysis: bool,
}

/// `analysis.successRate`.
#[derive(Clone, Debug, PartialEq)]
pub struct RawSuccessRate {
    /// At least this share of requests must not fail.
    pub min: Share,
    /// Interval measurements.
    pub measured: RawMetric,
}

/// `analysis.latency`.
#[derive(Clone, Debug, PartialEq)]
pub struct RawLatency {
    /// Which quantile is limited.
    pub quantile: Share,
    /// The limit.
    pub max: Millis,
    /// Interval measurements.
    pub measured: RawMetric,
}

/// The measurement fields that `successRate` and `latency` share.
#[derive(Clone, Debug, PartialEq)]
pub struct RawMetric {
    /// Failed measurements in a row that revert.
    pub consecutive_failures: Option<u32>,
    /// More failed measurements than this revert; -1 never.
    pub failure_limit: Option<i64>,
    /// The n-th failed measurement reverts.
    pub threshold: Option<u32>,
    /// More inconclusive measurements than this pause.
    pub inconclusive_limit: Option<u32>,
    /// Measurements before a step may end.
    pub count: Option<u32>,
    /// Between measurements.
    pub interval: Millis,
    /// How far one looks back.
    pub window: Millis,
    /// After the start of the generation, before the metric counts.
    pub initial_delay: Millis,
    /// `exact`: compare the point estimate only.
    pub compat: Option<Compat>,
}

/// `compat:` of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compat {
    /// The point estimate decides, without the binomial tail.
    Exact,
}

/// `analysis.sharedFailure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SharedFailure {
    /// Time in a shared hold is left out.
    #[default]
    Hold,
    /// It counts.
    Revert,
}

/// `analysis.guard`: `auto`, `off` or a count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RawGuard {
    /// From the history of stable.
    #[default]
    Auto,
    /// None.
    Off,
    /// Failures of one tick that count.
    Cap(f64),
}

// One flat section holds the limit and the measurement fields. Written as one type for each metric, because
// `serde(flatten)` loses both unknown keys and positions.
/// The section of a metric, as serde reads it: fields of its own beside those of [`RawMetric`]. Written out for each,
/// because `flatten` would lose the places of mistakes.
macro_rules! metric_section {
    ($raw:ident { $($(#[$attribute:meta])* $own:ident: $kind:ty),+ }) => {
        impl<'de> Deserialize<'de> for $raw {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase", deny_unknown_fields)]
                struct Section {
                    $($(#[$attribute])* $own: $kind,)+
                    consecutive_failures: Option<u32>,
                    failure_limit: Option<i64>,
                    threshold: Option<u32>,
                    inconclusive_limit: Option<u32>,
                    count: Option<u32>,
                    #[serde(default = "default_interval")]
                    interval: Millis,
                    #[serde(default = "default_window")]
                    window: Millis,
                    #[serde(default)]
                    initial_delay: Millis,
                    compat: Option<Compat>,
                }
                let section = Section::deserialize(deserializer)?;
                let measured = RawMetric {
                    consecutive_failures: section.consecutive_failures,
                    failure_limit: section.failure_limit,
                    threshold: section.threshold,
                    inconclusive_limit: section.inconclusive_limit,
                    count: section.count,
                    interval: section.interval,
                    window: section.window,
                    initial_delay: section.initial_delay,
                    compat: section.compat,
                };
                Ok(Self { $($own: section.$own,)+ measured })
            }
        }
    };
}

metric_section!(RawSuccessRate {
    #[serde(default = "default_success_rate")]
    min: Share
});

metric_section!(RawLatency {
    #[serde(default = "default_quantile")]
    quantile: Share,
    max: Millis
});

fn default_success_rate() -> Share {
    share(0.99)
}

fn default_quantile() -> Share {
    share(0.95)
}

fn default_interval() -> Millis {
    Millis::new(30_000)
}

fn default_window() -> Millis {
    Millis::new(120_000)
}

fn share(fraction: f64) -> Share {
    Share::try_from_fraction(fraction).expect("constants between 0 and 1")
}

// === impl RawMetric ===

impl RawMetric {
    /// The rules that are given; more than one is a mistake.
    pub(super) fn rules(&self) -> Vec<BackstopRule> {
        let consecutive = self.consecutive_failures.map(BackstopRule::ConsecutiveFailures);
        let limit = self.failure_limit.map(|limit| BackstopRule::FailureLimit(u32::try_from(limit).ok()));
        let threshold = self.threshold.map(BackstopRule::Threshold);
        [consecutive, limit, threshold].into_iter().flatten().collect()
    }
}

impl Default for RawMetric {
    fn default() -> Self {
        Self {
            consecutive_failures: None,
            failure_limit: None,
            threshold: None,
            inconclusive_limit: None,
            count: None,
            interval: default_interval(),
            window: default_window(),
            initial_delay: Millis::default(),
            compat: None,
        }
    }
}

impl Default for RawSuccessRate {
    fn default() -> Self {
        Self { min: default_success_rate(), measured: RawMetric::default() }
    }
}

impl Default for RawAnalysis {
    fn default() -> Self {
        Self {
            success_rate: RawSuccessRate::default(),
            latency: None,
            false_revert_budget: 0.001,
            on_inconclusive: OnInconclusive::default(),
            min_requests: None,
            promotion: Promotion::default(),
            step_deadline: None,
            min_step_requests: 100,
            compare: Compare::default(),
            guard: RawGuard::default(),
            min_failures: 5,
            blip_tolerance: Millis::default(),
            alpha_rel: 0.01,
            rho: 1.25,
            alpha_promote: 0.05,
            alpha_promote_last: 0.01,
            cause_suspected: CauseSuspected::default(),
            shared_failure: SharedFailure::default(),
            skip_analysis: false,
        }
    }
}

impl<'de> Deserialize<'de> for RawGuard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GuardVisitor;
        impl Visitor<'_> for GuardVisitor {
            type Value = RawGuard;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("auto, off or a count")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawGuard, E> {
                match text {
                    "auto" => Ok(RawGuard::Auto),
                    "off" => Ok(RawGuard::Off),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<RawGuard, E> {
                // YAML 1.1 readers take a bare `off` for false.
                if value { Err(E::invalid_value(de::Unexpected::Bool(value), &self)) } else { Ok(RawGuard::Off) }
            }
            fn visit_u64<E>(self, value: u64) -> Result<RawGuard, E> {
                Ok(RawGuard::Cap(value as f64))
            }
            fn visit_f64<E>(self, value: f64) -> Result<RawGuard, E> {
                Ok(RawGuard::Cap(value))
            }
        }
        deserializer.deserialize_any(GuardVisitor)
    }
}
