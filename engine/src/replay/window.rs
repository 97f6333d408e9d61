//! One window: cohorts and settings, from which scores and decision follow.

use serde::{Deserialize, Serialize, Serializer};

use super::{GuardSetting, ReplayError, RoleName, checks};
use crate::judge::{
    Abs, Compare, Linear, Metric, Settings, Tally, WindowKind, abs_threshold, clamped_theta, rel_rows, rel_score,
    rel_threshold,
};

/// Cohorts in one vector at most.
const MOST_ROWS: usize = 1_000_000;

/// The word `window`, in the field `kind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WindowTag {
    /// `window`.
    #[default]
    Window,
}

/// One vector of kind `window`: cohorts and settings of one window, from which scores and decision follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowVector {
    /// Name of the vector.
    pub id: String,
    /// Always `window`.
    #[serde(default)]
    pub kind: WindowTag,
    /// The metric; decides the default share.
    pub metric: Metric,
    /// Allowed share of failures.
    pub theta: f64,
    /// Which threshold the window pays.
    pub window: WindowKind,
    /// Per cohort: weight, canary trials, canary failures, stable trials, stable failures.
    #[serde(serialize_with = "whole_where_possible")]
    pub rows: Vec<[f64; 5]>,
    /// Planned weight steps.
    #[serde(default = "five")]
    pub steps: u32,
    /// P(false revert) per rollout and hour.
    #[serde(default = "one_in_a_thousand")]
    pub alpha: f64,
    /// Part of alpha; one half for failures, one quarter for latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// P(false revert) per shared outage.
    #[serde(default = "one_percent")]
    pub alpha_rel: f64,
    /// How many times as bad as stable the canary may be.
    #[serde(default = "five_quarters")]
    pub rho: f64,
    /// Burst guard.
    #[serde(default)]
    pub guard: GuardSetting,
    /// Raw canary failures that are needed.
    #[serde(default = "five")]
    pub min_failures: u32,
    /// Whose test it is.
    #[serde(default)]
    pub role: RoleName,
    /// Proxies that share the budget, with role `local`.
    #[serde(default = "one")]
    pub proxies: u32,
    /// Canary failures held before.
    #[serde(default)]
    pub held_failures: f64,
    /// Comparison below the limit.
    #[serde(default = "no_comparison")]
    pub compare: Compare,
    /// Raw canary failures, where the rows are already multiplied by the guard and do not show them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_failures: Option<f64>,
    /// The answer that the one who wrote the vector came to.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_answer")]
    pub expect: Option<WindowAnswer>,
}

/// What a window comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WindowDecision {
    /// No canary trial.
    Inconclusive,
    /// Beyond the limit and worse than stable (or the comparison reverts).
    Revert,
    /// Beyond the limit, as stable may be.
    Hold,
    /// Within the limit but worse than stable.
    Pause,
    /// None of these.
    Continue,
}

/// The scores of a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowAnswer {
    /// What it comes to.
    pub decision: WindowDecision,
    /// Against the limit, nats; `None` for metrics without one.
    pub abs: Option<f64>,
    /// Against stable, nats; `None` when waived.
    pub rel: Option<f64>,
    /// Threshold of `abs`.
    pub abs_threshold: f64,
    /// Threshold of `rel`.
    pub rel_threshold: f64,
}

// === impl WindowVector ===

impl Default for WindowVector {
    fn default() -> Self {
        Self {
            id: String::new(),
            kind: WindowTag::Window,
            metric: Metric::Failures,
            theta: 0.01,
            window: WindowKind::Step,
            rows: Vec::new(),
            steps: five(),
            alpha: one_in_a_thousand(),
            share: None,
            alpha_rel: one_percent(),
            rho: five_quarters(),
            guard: GuardSetting::Off,
            min_failures: five(),
            role: RoleName::Single,
            proxies: 1,
            held_failures: 0.0,
            compare: Compare::Off,
            raw_failures: None,
            expect: None,
        }
    }
}

impl WindowVector {
    /// Recomputes scores and decision.
    pub fn answer(&self) -> Result<WindowAnswer, ReplayError> {
        self.check()?;
        let (raw, sums) = self.sums();
        let abs = self.metric.can_revert().then(|| Abs::new(self.theta).score(sums.tally.n, sums.tally.x));
        let waived = !self.rows.is_empty() && self.rows.iter().all(|row| row[0] == 1.0);
        let rel = (!waived).then(|| rel_score(&sums.rows));
        let abs_threshold = abs_threshold(&self.settings(), self.metric, self.window);
        let rel_threshold = rel_threshold(self.alpha_rel, self.held_failures);
        let scores = WindowAnswer { decision: WindowDecision::Continue, abs, rel, abs_threshold, rel_threshold };
        Ok(WindowAnswer { decision: self.decide(&raw, &scores), ..scores })
    }

    fn decide(&self, raw: &Tally, scores: &WindowAnswer) -> WindowDecision {
        let enough = self.raw_failures.unwrap_or(raw.x) >= f64::from(self.min_failures);
        let tripped = enough && scores.abs.is_some_and(|abs| abs >= scores.abs_threshold);
        let below_full = self.rows.last().is_some_and(|row| row[0] < 1.0);
        let worse = enough && below_full && scores.rel.is_some_and(|rel| rel >= scores.abs_threshold);
        if raw.n <= 0.0 {
            WindowDecision::Inconclusive
        } else if tripped && scores.rel.is_none_or(|rel| rel >= scores.rel_threshold) {
            WindowDecision::Revert
        } else if tripped {
            WindowDecision::Hold
        } else if worse && self.window == WindowKind::Step {
            match self.compare {
                Compare::Off => WindowDecision::Continue,
                Compare::Pause => WindowDecision::Pause,
                Compare::Revert => WindowDecision::Revert,
            }
        } else {
            WindowDecision::Continue
        }
    }

    /// Raw counts, and guarded counts with row sums.
    fn sums(&self) -> (Tally, Linear) {
        let cap = match self.guard {
            GuardSetting::Cap(count) => count,
            GuardSetting::Off | GuardSetting::Auto => f64::INFINITY,
        };
        let (mut raw, mut sums) = (Tally::default(), Linear::default());
        let mut known: Option<(f64, _)> = None;
        for &[weight, n, x, n_stable, x_stable] in &self.rows {
            let rows = match known {
                Some((of, rows)) if of == weight => rows,
                _ => rel_rows(weight, self.rho),
            };
            known = Some((weight, rows));
            let cohort = Linear::of_tally(Tally { n, x, n_stable, x_stable }, &rows).guarded(cap);
            raw = raw + cohort.raw;
            sums += cohort.guarded;
        }
        (raw, sums)
    }

    fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            theta: clamped_theta(self.theta),
            alpha: self.alpha,
            share_failures: self.share.unwrap_or(defaults.share_failures),
            share_latency: self.share.unwrap_or(defaults.share_latency),
            steps: self.steps,
            role: self.role.role(self.proxies),
            ..defaults
        }
    }

    fn check(&self) -> Result<(), ReplayError> {
        checks::theta("theta", self.theta)?;
        checks::positive("alpha", self.alpha, 1.0)?;
        if let Some(share) = self.share {
            checks::positive("share", share, 1.0)?;
        }
        checks::positive("alphaRel", self.alpha_rel, 1.0)?;
        checks::positive("rho", self.rho, 1e6)?;
        checks::at_least_one("steps", self.steps)?;
        checks::at_least_one("proxies", self.proxies)?;
        checks::within("heldFailures", self.held_failures, 0.0, checks::MOST)?;
        checks::within("rawFailures", self.raw_failures.unwrap_or(0.0), 0.0, checks::MOST)?;
        checks::guard("guard", self.guard)?;
        if self.guard == GuardSetting::Auto {
            return Err(ReplayError::new(
                "guard",
                "\"auto\" is not allowed: one window has no history; \"off\" or a number",
            ));
        }
        if self.rows.len() > MOST_ROWS {
            return Err(ReplayError::new("rows", format!("{} rows are too many: {MOST_ROWS}", self.rows.len())));
        }
        for (at, &[weight, n, x, n_stable, x_stable]) in self.rows.iter().enumerate() {
            let place = format!("rows[{at}]");
            checks::within(&format!("{place}, weight"), weight, 0.0, 1.0)?;
            checks::counts(&format!("{place}, canary"), n, x)?;
            checks::counts(&format!("{place}, stable"), n_stable, x_stable)?;
        }
        Ok(())
    }
}

/// Counts as `5`, not `5.0`, so that every reader takes them for counts.
fn whole_where_possible<S: Serializer>(rows: &[[f64; 5]], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Number {
        Whole(i64),
        Fraction(f64),
    }
    let number = |value: f64| match value {
        value if value.fract() == 0.0 && value.abs() < checks::MOST => Number::Whole(value as i64),
        value => Number::Fraction(value),
    };
    serializer.collect_seq(rows.iter().map(|row| row.map(number)))
}

/// Somebody else's answer may have other fields: then it is none of ours.
fn known_answer<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<WindowAnswer>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Known(WindowAnswer),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Known(answer) => Some(answer),
        Written::Other(_) => None,
    })
}

fn one() -> u32 {
    1
}

fn five() -> u32 {
    5
}

fn one_in_a_thousand() -> f64 {
    0.001
}

fn one_percent() -> f64 {
    0.01
}

fn five_quarters() -> f64 {
    1.25
}

fn no_comparison() -> Compare {
    Compare::Off
}
