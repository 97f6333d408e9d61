//! Traces: a whole rollout, tick by tick, driven through the judge's public door.
//!
//! A replay never changes weights, so it knows neither suspension nor backstops. Within a tick: a changed weight begins
//! a step, observations are applied, metrics are evaluated, the hold is updated, and on odd ticks canary and stable are
//! compared. It stops at the first revert.

use serde::{Deserialize, Serialize};

use super::config::TraceConfig;
use super::{ReplayError, checks};
use crate::evidence::{Group, Observations};
use crate::judge::{Finding, Judge, Metric, Pricing, Verdict, WindowKind};
use crate::units::TICK_MS;

/// Longest trace: nearly six days.
const MOST_TICKS: u64 = 10_000_000;

/// A rollout written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Version of the format: 1.
    pub format: u32,
    /// What it shows.
    #[serde(default)]
    pub name: String,
    /// Settings of the analysis.
    #[serde(default)]
    pub config: TraceConfig,
    /// Length of a tick: 50 ms.
    #[serde(default = "tick_ms")]
    pub tick_ms: u64,
    /// The last tick.
    pub end_tick: u64,
    /// What was observed, by tick.
    pub rows: Vec<TraceRow>,
}

/// One tick: its number, the weight, observations of canary and of stable. Ticks without a row have no event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceRow(pub u64, pub f64, pub Vec<Group>, pub Vec<Group>);

/// How a trace ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TraceVerdict {
    /// Reverted.
    Revert,
    /// Both arms fail at the end.
    Hold,
    /// Worse than stable though within the limits.
    Pause,
    /// No canary trial.
    Inconclusive,
    /// The step may end.
    Promote,
    /// None of these.
    Continue,
}

/// The answer to a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceAnswer {
    /// How it ends.
    pub verdict: TraceVerdict,
    /// The metric that decided.
    pub metric: Option<Metric>,
    /// When it was decided.
    pub tick: u64,
    /// Which threshold the window paid.
    pub window: Option<WindowKind>,
    /// Score against the limit.
    pub abs: Option<f64>,
    /// Score against stable; `None` when waived.
    pub rel: Option<f64>,
    /// Score of the proof for promotion, failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pro: Option<f64>,
}

/// A replay under way.
struct Replay<'a> {
    trace: &'a Trace,
    judge: Judge,
    steps: u32,
    /// Ticks of the present step, without those held.
    step_ticks: u64,
    paused: Option<Verdict>,
}

// === impl Trace ===

impl Trace {
    /// Runs the trace from its first tick to a revert or its end.
    pub fn replay(&self) -> Result<TraceAnswer, ReplayError> {
        self.check()?;
        Ok(Replay::new(self).run())
    }

    fn check(&self) -> Result<(), ReplayError> {
        let refused = |place: &str, problem: String| Err(ReplayError::new(place, problem));
        if self.format != 1 {
            return refused("format", format!("{} is not known: 1", self.format));
        }
        if self.tick_ms != TICK_MS {
            return refused("tickMs", format!("{} is not allowed: {TICK_MS}", self.tick_ms));
        }
        if self.end_tick > MOST_TICKS {
            return refused("endTick", format!("{} is not allowed: at most {MOST_TICKS}", self.end_tick));
        }
        self.config.check().map_err(|error| error.within("config"))?;
        match self.rows.first() {
            None => return refused("rows", "no row: the first has to be that of tick 0".to_owned()),
            Some(row) if row.0 != 0 => {
                return refused("rows[0]", format!("tick {}: the first row has to be that of tick 0", row.0));
            }
            Some(_) => {}
        }
        self.rows.iter().enumerate().try_for_each(|(at, row)| self.check_row(at, row))
    }

    fn check_row(&self, at: usize, TraceRow(tick, weight, canary, stable): &TraceRow) -> Result<(), ReplayError> {
        let place = format!("rows[{at}]");
        if let Some(before) = at.checked_sub(1).map(|before| self.rows[before].0)
            && *tick <= before
        {
            return Err(ReplayError::new(place, format!("tick {tick} does not come after tick {before}")));
        }
        if *tick > self.end_tick {
            return Err(ReplayError::new(place, format!("tick {tick} lies after endTick {}", self.end_tick)));
        }
        checks::within(&format!("{place}, weight"), *weight, 0.0, 1.0)?;
        if let Some(group) = canary.iter().chain(stable).find(|group| group.age > *tick) {
            return Err(ReplayError::new(
                place,
                format!("age {} at tick {tick} lies before the first tick", group.age),
            ));
        }
        Ok(())
    }
}

// === impl Replay ===

impl<'a> Replay<'a> {
    fn new(trace: &'a Trace) -> Self {
        let judge = Judge::new(trace.config.settings()).without_suspension();
        Self { trace, judge, steps: 0, step_ticks: 0, paused: None }
    }

    fn run(mut self) -> TraceAnswer {
        let mut rows = self.trace.rows.iter().peekable();
        let mut weight = f64::NAN; // the first row begins the first step
        for tick in 0..=self.trace.end_tick {
            if let Some(row) = rows.next_if(|row| row.0 == tick) {
                if row.1 != weight {
                    weight = row.1;
                    self.begin_step(tick, weight);
                }
                self.judge.observe(&Observations { tick, canary: row.2.clone(), stable: row.3.clone() });
            }
            if let Some(verdict) = self.end_of(tick) {
                return TraceAnswer::of(TraceVerdict::Revert, &verdict);
            }
        }
        self.at_the_end(weight)
    }

    fn begin_step(&mut self, tick: u64, weight: f64) {
        let planned = self.trace.config.steps;
        self.steps = self.steps.saturating_add(1);
        let pricing = if self.steps <= planned { Pricing::Step } else { Pricing::Restart };
        self.judge.begin_step(tick, weight, pricing, self.steps >= planned);
        self.step_ticks = 0;
    }

    /// Evaluates; the verdict if it is a revert.
    fn end_of(&mut self, tick: u64) -> Option<Verdict> {
        let held_before = self.judge.is_holding();
        for finding in self.judge.evaluate(tick, tick % 2 == 1) {
            match finding {
                Finding::Revert(verdict) => return Some(verdict),
                Finding::Worse(verdict) => _ = self.paused.get_or_insert(verdict),
                Finding::HoldEntered(_)
                | Finding::HoldLeft
                | Finding::Suspend
                | Finding::Resume { .. }
                | Finding::SuspendedTooLong
                | Finding::Inconclusive(_)
                | Finding::BlipTolerated(_) => {}
            }
        }
        if !held_before && !self.judge.is_holding() {
            self.step_ticks += 1;
        }
        None
    }

    fn at_the_end(self, weight: f64) -> TraceAnswer {
        if let Some(verdict) = self.judge.held() {
            return TraceAnswer::of(TraceVerdict::Hold, verdict);
        }
        if let Some(verdict) = &self.paused {
            return TraceAnswer::of(TraceVerdict::Pause, verdict);
        }
        let end = self.trace.end_tick;
        let step_is_over = self.step_ticks * TICK_MS >= self.trace.config.step_duration_ms;
        let verdict = if !self.saw_canary() {
            TraceVerdict::Inconclusive
        } else if step_is_over && self.judge.missing(end).is_empty() {
            TraceVerdict::Promote
        } else {
            TraceVerdict::Continue
        };
        let failures = self.judge.views(end).into_iter().find(|view| view.metric == Metric::Failures);
        TraceAnswer {
            verdict,
            metric: None,
            tick: end,
            window: None,
            abs: failures.as_ref().map(|view| view.abs),
            rel: failures.as_ref().and_then(|view| view.rel).filter(|_| weight < 1.0),
            pro: failures.and_then(|view| view.pro),
        }
    }

    /// Whether there was any canary trial in the whole trace.
    fn saw_canary(&self) -> bool {
        let mut trials = 0_i128;
        for group in self.trace.rows.iter().flat_map(|row| &row.2) {
            let counts = &group.counts;
            trials += i128::from(counts.started) - i128::from(counts.excluded) - i128::from(counts.late_cancel);
        }
        trials > 0
    }
}

// === impl TraceAnswer ===

impl TraceAnswer {
    fn of(verdict: TraceVerdict, on: &Verdict) -> Self {
        Self {
            verdict,
            metric: Some(on.metric),
            tick: on.tick,
            window: Some(on.window),
            abs: on.abs,
            rel: on.rel,
            pro: None,
        }
    }
}

fn tick_ms() -> u64 {
    TICK_MS
}
