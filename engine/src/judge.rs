//! What the counts of both arms prove: the statistics of one generation.
//!
//! Two questions are asked at every moment, of some sixty windows at once. *ABS*: is the canary beyond its limit?
//! *REL*: is it worse than stable at the same time? A revert needs both on the same window; ABS alone is an outage that
//! both arms share, and only holds. Both are sequential tests that stay valid however often one looks, so the
//! judge is asked at every canary failure and 10 times a second, and errs on a healthy canary with probability α
//! an hour at most. A promotion needs a proof of its own.
//!
//! The rollout is the only caller. It feeds observations in tick order, says when a weight begins, and asks for
//! findings; it never looks into windows. The judge never changes a weight and knows no time but ticks.

mod abs;
mod backstop;
mod cohorts;
mod compare;
mod finding;
mod guard;
mod hold;
mod late;
mod ledger;
mod promotion;
mod record;
mod rel;
mod sequential;
mod settings;
mod sums;
mod threshold;
mod windows;

pub use self::backstop::Measurement;
pub use self::finding::{Finding, MetricView, Missing, Pricing, Rule, Verdict, WindowKind};
pub use self::settings::{
    Backstop, BackstopRule, CauseSuspected, Compare, Guard, LatencyLimit, Metric, Promotion, Role, Routing, Settings,
};

pub(crate) use self::abs::Abs;
pub(crate) use self::backstop::{Score, measure};
pub(crate) use self::guard::{HISTORY_TICKS, History};
pub(crate) use self::promotion::pro;
pub(crate) use self::rel::{rows as rel_rows, score as rel_score};
pub(crate) use self::settings::clamped_theta;
pub(crate) use self::sums::{Linear, Tally};
pub(crate) use self::threshold::{abs_threshold, rel_threshold};
pub(crate) use self::windows::active_slots;

use self::backstop::Reading;
use self::hold::State;
use self::ledger::Ledger;
use self::record::whole;
use self::windows::Window;
use crate::evidence::Observations;

/// The statistics of one generation.
#[derive(Clone, Debug)]
pub struct Judge {
    settings: Settings,
    ledger: Ledger,
    /// By [`Metric::index`]; those without a limit are never asked.
    abs: [Abs; 2],
    thresholds: [[f64; 2]; 4],
    state: State,
    /// Failures of each reverting metric that evaluations have seen.
    observed: [f64; 2],
    /// Of those, the ones in evaluations that tripped without REL.
    held_failures: [f64; 2],
    blip_began: [Option<u64>; 2],
    compare_latched: bool,
    suspicions: u32,
    may_suspend: bool,
    reverted: bool,
}

impl Judge {
    /// A judge that has seen nothing; the generation starts at tick 0.
    pub fn new(settings: Settings) -> Self {
        let theta = |metric| settings.theta_of(metric).unwrap_or(settings.theta);
        Self {
            ledger: Ledger::new(&settings),
            abs: [Abs::new(theta(Metric::Failures)), Abs::new(theta(Metric::Latency))],
            thresholds: Self::all_thresholds(&settings),
            state: State::Progressing,
            observed: [0.0; 2],
            held_failures: [0.0; 2],
            blip_began: [None; 2],
            compare_latched: false,
            suspicions: 0,
            may_suspend: true,
            reverted: false,
            settings,
        }
    }

    /// The same, but a long hold stays a hold: for replays, which cannot change weights.
    #[must_use]
    pub fn without_suspension(mut self) -> Self {
        self.may_suspend = false;
        self
    }

    /// A judge of the next generation, which starts at its own tick 0. All it knows is how stable's failures were
    /// scattered before, so that the automatic guard need not be careful in the first step.
    #[must_use]
    pub fn successor(&self, settings: Settings) -> Self {
        let mut next = Self::new(settings);
        next.ledger.inherit(&self.ledger);
        next
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A weight begins at `tick` (not before any observed tick's start cohort; may lie one or two ticks ahead of the
    /// last observation, in which case cohorts before it keep the former weight). Begins a new step window.
    /// `last_step`: the K-th or later, for the promotion threshold.
    ///
    /// A tick that has already begun keeps its weight: the new one begins with the next tick.
    pub fn begin_step(&mut self, tick: u64, weight: f64, pricing: Pricing, last_step: bool) {
        self.ledger.plan_step(tick, weight, pricing, last_step);
    }

    /// Adds what became known. Ticks never go back; an observation of an earlier tick is taken as of the latest.
    pub fn observe(&mut self, seen: &Observations) {
        self.ledger.observe(seen, None);
    }

    /// The same from a proxy whose requests went to the canary with probability `weight` instead of the planned one
    /// (its own cap is lower): its counts enter REL with the rows of its own coin.
    pub fn observe_at_weight(&mut self, seen: &Observations, weight: f64) {
        self.ledger.observe(seen, Some(weight.clamp(0.0, 1.0)));
    }

    /// Evaluates at the end of `tick`; `beat` on the 100 ms beats (end of odd ticks), else only `failures` (a wake-up).
    ///
    /// After a revert it finds nothing any more: a verdict is latched.
    pub fn evaluate(&mut self, tick: u64, beat: bool) -> Vec<Finding> {
        self.ledger.advance(tick);
        let mut findings = Vec::new();
        if !self.reverted {
            self.examine(Metric::Failures, beat, &mut findings);
        }
        if !self.reverted && beat && self.settings.watches(Metric::Latency) {
            self.examine(Metric::Latency, beat, &mut findings);
        }
        if !self.reverted {
            self.update_outage(&mut findings);
        }
        if !self.reverted && beat {
            self.compare(&mut findings);
        }
        if !self.reverted {
            self.read_backstops(&mut findings);
        }
        self.ledger.frozen = !matches!(self.state, State::Progressing);
        findings
    }

    /// A person resumed after a pause: the comparison may pause again, inconclusive measurements count from zero, and
    /// a suspension that lasted too long ends (the rollout gives the weight back).
    pub fn resumed(&mut self, tick: u64) {
        self.ledger.advance(tick);
        self.compare_latched = false;
        self.ledger.meters.iter_mut().for_each(backstop::Meter::resumed);
        if matches!(&self.state, State::Suspended(suspension) if suspension.awaits_a_person()) {
            self.leave_outage();
            self.ledger.frozen = false;
        }
    }

    /// What keeps the present step from ending at the end of `tick`.
    pub fn missing(&self, _tick: u64) -> Vec<Missing> {
        let mut missing = Vec::new();
        if !matches!(self.state, State::Progressing) {
            missing.push(Missing::Held);
        }
        let reverting = || [Metric::Failures, Metric::Latency].into_iter().filter(|&m| self.settings.watches(m));
        if reverting().any(|metric| self.ledger.windows.since_evidence(metric).raw.n <= 0.0) {
            missing.push(Missing::NoData);
        }
        missing.extend(reverting().filter(|&metric| self.is_in_doubt(metric)).map(Missing::InDoubt));
        let (seen, needed) = (self.ledger.promotion.step_done(), self.settings.min_step_requests);
        if seen < f64::from(needed) {
            missing.push(Missing::StepRequests { seen: whole(seen), needed: needed.into() });
        }
        for metric in reverting() {
            if let Some((seen, needed)) = self.settings.theta_of(metric).and_then(|theta| self.unproven(metric, theta))
            {
                missing.push(Missing::Requests { metric, seen, needed });
            }
        }
        missing.extend(Metric::ALL.into_iter().filter(|&metric| self.looks_worse(metric)).map(Missing::Compared));
        let outstanding = self.ledger.meters.iter().filter_map(backstop::Meter::outstanding);
        missing.extend(outstanding.map(|(seen, needed)| Missing::Measurements { seen, needed }));
        missing
    }

    /// Whether weight, step clock and promotion are frozen by HOLD_SHARED.
    pub fn is_holding(&self) -> bool {
        matches!(self.state, State::Holding(_))
    }

    /// Whether the weight is 0 by SUSPENDED.
    pub fn is_suspended(&self) -> bool {
        matches!(self.state, State::Suspended(_))
    }

    /// The window that tripped first when the present hold began.
    pub fn held(&self) -> Option<&Verdict> {
        match &self.state {
            State::Holding(hold) => Some(&hold.verdict),
            State::Progressing | State::Suspended(_) => None,
        }
    }

    /// Every metric as people want to see it.
    pub fn views(&self, _tick: u64) -> Vec<MetricView> {
        Metric::ALL
            .into_iter()
            .filter(|&metric| self.settings.watches(metric))
            .map(|metric| self.view(metric))
            .collect()
    }

    fn view(&self, metric: Metric) -> MetricView {
        let since = self.ledger.windows.since_evidence(metric).raw;
        let window = self.ledger.sums(Window::Step, metric);
        let canary = window.guarded.tally;
        let theta = self.settings.theta_of(metric);
        let (n, x) = self.promotion_counts(metric);
        let pro_threshold = self.promotion_threshold();
        let compared = !metric.can_revert();
        let abs_threshold = self.abs_threshold(metric, Window::Step);
        MetricView {
            metric,
            n: whole(since.n),
            x: whole(since.x),
            n_stable: whole(since.n_stable),
            x_stable: whole(since.x_stable),
            abs: theta.map_or(0.0, |_| self.abs[metric.index()].score(canary.n, canary.x)),
            abs_threshold,
            rel: self.rel(&window, Window::Step),
            rel_threshold: if compared { abs_threshold } else { self.rel_threshold(metric) },
            pro: theta.map(|theta| pro(n, x, theta)),
            pro_threshold,
            seen: whole(n),
            needed: theta.and_then(|theta| match self.settings.promotion {
                Promotion::Confident => promotion::needed(n, x, theta, pro_threshold),
                Promotion::Observed => (x <= theta * n).then_some(promotion::OBSERVED_REQUESTS as u64),
            }),
        }
    }

    /// Leaves a hold whose last fresh trip is old, and looks after a suspension.
    fn update_outage(&mut self, findings: &mut Vec<Finding>) {
        let tick = self.ledger.now();
        match &mut self.state {
            State::Progressing => {}
            State::Holding(hold) => {
                if hold.is_over(tick) {
                    findings.push(Finding::HoldLeft);
                    self.leave_outage();
                }
            }
            State::Suspended(suspension) => {
                let theta = clamped_theta(self.settings.theta);
                let clear = suspension.is_clear(tick, &self.ledger.cohorts, theta);
                let outcome = suspension.look(tick, clear, self.settings.cause_suspected, &mut self.suspicions);
                let Some(finding) = outcome.into_finding(tick) else { return };
                match finding {
                    Finding::Resume { .. } => self.leave_outage(),
                    Finding::Revert(_) => self.reverted = true,
                    _ => {}
                }
                findings.push(finding);
            }
        }
    }

    /// Reports what the interval measurements found.
    fn read_backstops(&mut self, findings: &mut Vec<Finding>) {
        for (at, reading) in self.ledger.take_readings() {
            let rule = self.ledger.meters[at].rule;
            match reading {
                Reading::Inconclusive => findings.push(Finding::Inconclusive(rule.metric)),
                Reading::Revert(n, x) => {
                    self.reverted = true;
                    let verdict = self.backstop_verdict(&rule, n, x);
                    findings.push(Finding::Revert(verdict));
                    return;
                }
            }
        }
    }

    fn backstop_verdict(&self, rule: &Backstop, n: f64, x: f64) -> Verdict {
        let tick = self.ledger.now();
        Verdict {
            rule: Rule::Backstop,
            metric: rule.metric,
            tick,
            window: WindowKind::Step,
            from_tick: tick.saturating_sub(rule.window_ms / crate::units::TICK_MS),
            n: whole(n),
            x: whole(x),
            n_stable: 0,
            x_stable: 0,
            abs: None,
            abs_threshold: 0.0,
            rel: None,
            rel_threshold: 0.0,
            record: None,
        }
    }
}
