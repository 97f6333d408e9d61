//! The books: every observation goes to its cohort, its windows, the promotion counts and the backstops.
//!
//! Time moves here, tick by tick: cohorts are begun and retired, restarts begun and dropped, latency cohorts mature,
//! planned weights come into force. Nothing here draws a conclusion.

use super::backstop::{Meter, Reading};
use super::cohorts::Cohorts;
use super::finding::Pricing;
use super::guard::{self, History};
use super::late::Late;
use super::promotion::Promotion;
use super::rel::RowTable;
use super::settings::{Metric, Settings};
use super::sums::{Linear, Sums};
use super::windows::{Window, Windows};
use crate::evidence::{Arm, Counts, Group, Observations};

/// The last tick: fourteen million years. Later ones count as this one, so that no sum of ticks overflows.
const LAST_TICK: u64 = 1 << 53;
/// Idle ticks after which the rest of a longer gap is skipped, beyond those until everything has settled.
const IDLE_TICKS: u64 = 1_000;

/// A weight that begins at a tick.
#[derive(Clone, Copy, Debug)]
struct PlannedStep {
    tick: u64,
    weight: f64,
    pricing: Pricing,
    last: bool,
}

/// Everything counted in one generation.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    settings: Settings,
    rows: RowTable,
    pub(crate) cohorts: Cohorts,
    pub(crate) windows: Windows,
    late: Late,
    pub(crate) promotion: Promotion,
    history: History,
    pub(crate) meters: Vec<Meter>,
    readings: Vec<(usize, Reading)>,
    /// The newest tick begun.
    now: Option<u64>,
    pub(crate) weight: f64,
    cap: f64,
    pub(crate) last_step: bool,
    planned: Vec<PlannedStep>,
    /// The newest tick in which a coin was thrown, i.e. stable got requests by weight.
    last_coin: Option<u64>,
    /// Canary failures known, raw, whole generation.
    pub(crate) canary_failures: f64,
    /// Whether requests of one tick came under different weights, so that a record by weight would be wrong.
    pub(crate) mixed_weights: bool,
    /// An outage of both arms is in force.
    pub(crate) frozen: bool,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn new(settings: &Settings) -> Self {
        let meter = |rule: &super::settings::Backstop| Some(Meter::new(*rule, settings.theta_of(rule.metric)?));
        Self {
            rows: RowTable::new(settings.rho),
            cohorts: Cohorts::new(settings),
            windows: Windows::new(),
            late: Late::default(),
            promotion: Promotion::new(settings, settings.first_tick(Metric::Failures)),
            history: History::default(),
            meters: settings.backstops.iter().filter_map(meter).collect(),
            readings: Vec::new(),
            now: None,
            weight: 0.0,
            cap: f64::INFINITY,
            last_step: false,
            planned: Vec::new(),
            last_coin: None,
            canary_failures: 0.0,
            mixed_weights: false,
            frozen: false,
            settings: settings.clone(),
        }
    }

    /// The newest tick begun, 0 before the first.
    pub(crate) fn now(&self) -> u64 {
        self.now.unwrap_or(0)
    }

    /// Failures per cohort that count in full in the present step.
    pub(crate) fn cap(&self) -> f64 {
        self.cap
    }

    /// Plans a weight; one planned before for this tick or a later one is superseded.
    pub(crate) fn plan_step(&mut self, tick: u64, weight: f64, pricing: Pricing, last: bool) {
        let tick = self.now.map_or(tick, |now| tick.max(now + 1)).min(LAST_TICK + 1);
        let weight = if weight > 0.0 { weight.min(1.0) } else { 0.0 };
        self.planned.retain(|step| step.tick < tick);
        self.planned.push(PlannedStep { tick, weight, pricing, last });
    }

    /// Takes over what `former` knows of stable's habits, the ticks included that it still keeps one by one.
    pub(crate) fn inherit(&mut self, former: &Self) {
        self.history = former.history.clone();
        for cohort in former.cohorts.range(0, former.now()) {
            self.history.add(cohort);
        }
    }

    /// Begins every tick up to `tick`.
    pub(crate) fn advance(&mut self, tick: u64) {
        let tick = tick.min(LAST_TICK);
        let settled = self.cohorts.kept().max(self.promotion.patience()) + IDLE_TICKS;
        while self.now.is_none_or(|now| now < tick) {
            let next = self.now.map_or(0, |now| now + 1);
            self.open(next);
            if tick - next > settled {
                self.skip_idle(tick, settled);
            }
        }
    }

    /// Opens what is needed to settle and leaps over the rest of a long gap in which nothing became known.
    fn skip_idle(&mut self, tick: u64, settled: u64) {
        let from = self.now();
        for next in from + 1..=from + settled {
            self.open(next);
        }
        let (from, to) = (from + settled, tick - 1);
        if to <= from {
            return;
        }
        while let Some(step) = self.take_planned(to) {
            self.begin(step, step.tick.max(from + 1));
        }
        self.windows.skip_to(to);
        self.cohorts.clear(to + 1);
        self.promotion.skip_to(to + 1);
        if self.measures() {
            self.meters.iter_mut().for_each(|meter| meter.skip(to - from));
        }
        if self.weight < 1.0 {
            self.last_coin = Some(to);
        }
        self.now = Some(to);
    }

    /// Begins one tick.
    fn open(&mut self, tick: u64) {
        self.close_previous(tick);
        while let Some(step) = self.take_planned(tick) {
            self.begin(step, tick);
        }
        self.now = Some(tick);
        if let Some(retired) = self.cohorts.open(self.weight, self.cap) {
            self.history.add(&retired);
        }
        if tick.is_multiple_of(2) {
            self.windows.begin_restart(tick);
        }
        if let Some(mature) = tick.checked_sub(self.cohorts.maturity())
            && let Some(cohort) = self.cohorts.get(mature)
        {
            self.windows.add(Metric::Latency, mature, cohort.contribution(Metric::Latency));
        }
        self.promotion.open();
        if self.weight < 1.0 {
            self.last_coin = Some(tick);
        }
    }

    /// Marks the tick before as held and ends it for the backstops.
    fn close_previous(&mut self, tick: u64) {
        let Some(previous) = tick.checked_sub(1) else { return };
        if let Some(cohort) = self.cohorts.get_mut(previous) {
            cohort.held = self.frozen;
        }
        if !self.measures() {
            return;
        }
        for (at, meter) in self.meters.iter_mut().enumerate() {
            if previous >= self.settings.first_tick(meter.rule.metric) {
                self.readings.extend(meter.close().map(|reading| (at, reading)));
            }
        }
    }

    /// Whether the backstops' clock runs.
    fn measures(&self) -> bool {
        !self.frozen || self.settings.backstop_during_hold
    }

    fn take_planned(&mut self, tick: u64) -> Option<PlannedStep> {
        let due = self.planned.first().is_some_and(|step| step.tick <= tick);
        due.then(|| self.planned.remove(0))
    }

    fn begin(&mut self, step: PlannedStep, tick: u64) {
        self.weight = step.weight;
        self.last_step = step.last;
        self.cap = guard::cap(self.settings.guard, self.settings.routing, &self.history);
        self.rows.prepare(step.weight);
        self.windows.begin_step(tick, step.weight, step.pricing);
        self.late.clear();
        self.promotion.begin_step(tick);
        self.meters.iter_mut().for_each(Meter::begin_step);
    }

    /// Adds what became known; `weight`, where given, is that of a proxy that assigned with another one than planned.
    pub(crate) fn observe(&mut self, seen: &Observations, weight: Option<f64>) {
        self.advance(seen.tick);
        if let Some(weight) = weight.filter(|&weight| weight != self.weight) {
            self.rows.prepare(weight);
            self.mixed_weights = true;
        }
        for (arm, groups) in [(Arm::Canary, &seen.canary), (Arm::Stable, &seen.stable)] {
            for group in groups {
                self.add(arm, seen.tick.min(LAST_TICK), group, weight);
            }
        }
    }

    fn add(&mut self, arm: Arm, seen_in: u64, group: &Group, weight: Option<f64>) {
        let tick = seen_in.saturating_sub(group.age);
        if arm == Arm::Canary {
            self.add_canary(tick, &group.counts);
        }
        let Some(cohort) = self.cohorts.get_mut(tick) else {
            self.add_late(arm, tick, &group.counts);
            return;
        };
        let rows = self.rows.of(weight.unwrap_or(cohort.weight));
        let mature = self.now.is_some_and(|now| now - tick >= self.cohorts.maturity());
        for metric in Metric::ALL {
            if !self.settings.watches(metric) || tick < self.settings.first_tick(metric) {
                continue;
            }
            let more = Linear::of(metric, arm, &group.counts, &rows);
            let Some(cohort) = self.cohorts.get_mut(tick) else { continue };
            let change = cohort.add(metric, more);
            if metric != Metric::Latency || mature {
                self.windows.add(metric, tick, change);
            }
        }
    }

    /// Counts of the canary that know no windows.
    fn add_canary(&mut self, tick: u64, counts: &Counts) {
        if tick >= self.settings.first_tick(Metric::Failures) {
            self.canary_failures += f64::from(counts.failed);
        }
        self.promotion.add(tick, counts);
        if self.measures() {
            for meter in &mut self.meters {
                if tick >= self.settings.first_tick(meter.rule.metric) {
                    meter.add(counts);
                }
            }
        }
    }

    /// An outcome whose cohort is gone: the step window alone, and only if the request started in it.
    fn add_late(&mut self, arm: Arm, tick: u64, counts: &Counts) {
        let from = self.windows.first_tick(Window::Step).max(self.settings.first_tick(Metric::Failures));
        if tick >= from {
            let more = Linear::of(Metric::Failures, arm, counts, &self.rows.of(self.weight));
            self.late.add(self.now(), more, self.cap);
        }
    }

    /// Drops all windows; they begin anew with the next tick.
    pub(crate) fn drop_windows(&mut self) {
        self.windows.drop_before(self.now() + 1);
        self.late.clear();
    }

    /// The same, and the promotion counts too.
    pub(crate) fn drop_evidence(&mut self) {
        self.drop_windows();
        let next = self.now() + 1;
        self.windows.begin_evidence(next);
        self.promotion.begin_anew(next);
    }

    /// Everything in `window`, the late slot included.
    pub(crate) fn sums(&self, window: Window, metric: Metric) -> Sums {
        let mut sums = self.windows.sums(window, metric);
        if let Some(late) = self.late_of(window, metric) {
            sums += late;
        }
        sums
    }

    /// What the late slot adds to `window`.
    pub(crate) fn late_of(&self, window: Window, metric: Metric) -> Option<Sums> {
        (window == Window::Step && metric == Metric::Failures).then(|| self.late.sums())
    }

    /// Raw canary failures, guarded canary trials and failures of `window`.
    pub(crate) fn canary(&self, window: Window, metric: Metric) -> (f64, f64, f64) {
        let (raw, n, x) = self.windows.canary(window, metric);
        match self.late_of(window, metric) {
            Some(late) => (raw + late.raw.x, n + late.guarded.tally.n, x + late.guarded.tally.x),
            None => (raw, n, x),
        }
    }

    /// REL of `window` is waived: everything goes to the canary now, and did so in the whole window.
    pub(crate) fn is_waived(&self, window: Window) -> bool {
        self.weight >= 1.0 && self.last_coin.is_none_or(|tick| tick < self.windows.first_tick(window))
    }

    /// What the backstops found since the last call.
    pub(crate) fn take_readings(&mut self) -> Vec<(usize, Reading)> {
        std::mem::take(&mut self.readings)
    }
}
