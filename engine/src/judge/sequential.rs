//! The evaluation loop: which window shows that the canary is beyond its limit *and* worse than stable?
//!
//! The step window is examined first, then restarts from the newest. A window trips if it holds enough raw failures
//! and ABS reaches its threshold; a revert needs REL on the same window. A trip without REL is an outage that both
//! arms share, and holds.

use super::finding::{Finding, Rule};
use super::hold::{Hold, State, Suspension};
use super::settings::{Metric, Routing};
use super::sums::Sums;
use super::threshold::{abs_threshold, rel_threshold};
use super::windows::Window;
use super::{Judge, rel};
use crate::units::TICK_MS;

/// Cohorts that a tolerated blip is judged by: one second.
const BLIP_TICKS: u64 = 20;

/// What one pass over the windows found.
struct Trips {
    /// The first window that tripped.
    first: Option<Window>,
    /// The first that tripped and on which REL holds.
    best: Option<Window>,
    /// First tick of the newest window that tripped.
    newest: u64,
}

impl Judge {
    /// Evaluates one metric; a wake-up (no `beat`) without new failures changes nothing.
    pub(super) fn examine(&mut self, metric: Metric, beat: bool, findings: &mut Vec<Finding>) {
        let new = self.take_new_failures(metric);
        if (!beat && new <= 0.0) || matches!(self.state, State::Suspended(_)) {
            return; // a suspended canary has no windows: nothing was sent to it since
        }
        let trips = self.trips(metric);
        if let Some(best) = trips.best {
            if self.blip_has_passed(metric, findings) {
                let verdict = self.verdict(Rule::Sequential, metric, best);
                self.reverted = true;
                findings.push(Finding::Revert(*verdict));
            }
        } else if let Some(first) = trips.first
            && new > 0.0
        {
            self.hold(metric, first, trips.newest, findings);
            self.held_failures[metric.index()] += new;
        }
    }

    /// Canary failures not observed before: raw, of the whole generation.
    fn take_new_failures(&mut self, metric: Metric) -> f64 {
        let known = match metric {
            Metric::Latency => self.ledger.windows.total(metric).raw.x,
            Metric::Failures | Metric::C4xx | Metric::Cancels => self.ledger.canary_failures,
        };
        let before = std::mem::replace(&mut self.observed[metric.index()], known);
        (known - before).max(0.0)
    }

    fn trips(&self, metric: Metric) -> Trips {
        let mut trips = Trips { first: None, best: None, newest: 0 };
        let enough = f64::from(self.settings.min_failures);
        for window in self.ledger.windows.all() {
            let (raw, n, x) = self.ledger.canary(window, metric);
            if raw < enough || self.abs[metric.index()].score(n, x) < self.abs_threshold(metric, window) {
                continue;
            }
            trips.first.get_or_insert(window);
            trips.newest = trips.newest.max(self.ledger.windows.first_tick(window));
            if self.discriminates(metric, window) {
                trips.best = Some(window);
                break;
            }
        }
        trips
    }

    /// Whether `window` shows that the canary, not both arms, is at fault.
    fn discriminates(&self, metric: Metric, window: Window) -> bool {
        if self.ledger.is_waived(window) {
            return true;
        }
        let sums = self.ledger.sums(window, metric);
        match self.settings.routing {
            Routing::Coin => rel::score(&sums.guarded.rows) >= self.rel_threshold(metric),
            // No coin, no REL: stable's own ABS tells whether both fail.
            Routing::Sticky => {
                let stable = self.abs[metric.index()].score(sums.guarded.stable_trials, sums.guarded.tally.x_stable);
                stable < self.abs_threshold(metric, window)
            }
        }
    }

    /// REL of `window`; `None` where it is waived. Without a coin the realised share takes the weight's place.
    pub(super) fn rel(&self, sums: &Sums, window: Window) -> Option<f64> {
        if self.ledger.is_waived(window) {
            return None;
        }
        Some(match self.settings.routing {
            Routing::Coin => rel::score(&sums.guarded.rows),
            Routing::Sticky => {
                let rows = rel::rows(realised_share(sums), self.settings.rho);
                rel::score(&super::sums::Linear::of_tally(sums.guarded.tally, &rows).rows)
            }
        })
    }

    pub(super) fn abs_threshold(&self, metric: Metric, window: Window) -> f64 {
        let kind = self.ledger.windows.kind(window);
        self.thresholds[metric.index()][kind as usize]
    }

    pub(super) fn rel_threshold(&self, metric: Metric) -> f64 {
        let held = self.held_failures.get(metric.index()).copied().unwrap_or(0.0);
        rel_threshold(self.settings.alpha_rel, held)
    }

    /// Enters or prolongs the hold, or suspends.
    fn hold(&mut self, metric: Metric, first: Window, newest: u64, findings: &mut Vec<Finding>) {
        let tick = self.ledger.now();
        match &mut self.state {
            State::Progressing => {
                let verdict = self.verdict(Rule::Sequential, metric, first);
                findings.push(Finding::HoldEntered((*verdict).clone()));
                self.state = State::Holding(Hold::new(tick, verdict));
            }
            State::Holding(hold) => {
                if hold.trip(tick, newest) && self.may_suspend {
                    let verdict = hold.verdict.clone();
                    self.state = State::Suspended(Suspension::new(tick, verdict));
                    self.drop_windows();
                    findings.push(Finding::Suspend);
                }
            }
            State::Suspended(_) => {}
        }
    }

    /// The blip rule: whether a revert may happen now. The first time only starts the clock; when the tolerated time
    /// has passed, the last second decides, and a canary that is well again loses its old evidence.
    fn blip_has_passed(&mut self, metric: Metric, findings: &mut Vec<Finding>) -> bool {
        if self.settings.blip_tolerance_ms == 0 {
            return true;
        }
        let now = self.ledger.now();
        let began = *self.blip_began[metric.index()].get_or_insert(now);
        if (now - began).saturating_mul(TICK_MS) < self.settings.blip_tolerance_ms {
            return false;
        }
        if self.is_failing_now(metric) {
            return true;
        }
        self.drop_windows();
        findings.push(Finding::BlipTolerated(metric));
        false
    }

    /// Whether the canary is beyond its limit over the last 20 usable cohorts, as the guard counts.
    fn is_failing_now(&self, metric: Metric) -> bool {
        let newest = match metric {
            Metric::Latency => self.ledger.now().checked_sub(self.ledger.cohorts.maturity()),
            Metric::Failures | Metric::C4xx | Metric::Cancels => Some(self.ledger.now()),
        };
        let (Some(newest), Some(theta)) = (newest, self.settings.theta_of(metric)) else { return false };
        let (mut n, mut x) = (0.0, 0.0);
        for cohort in self.ledger.cohorts.range((newest + 1).saturating_sub(BLIP_TICKS), newest) {
            let canary = cohort.contribution(metric).guarded.tally;
            (n, x) = (n + canary.n, x + canary.x);
        }
        x > theta * n
    }

    /// Windows begin anew with the next tick, priced as restarts; what waited for a blip to pass is forgotten.
    pub(super) fn drop_windows(&mut self) {
        self.ledger.drop_windows();
        self.blip_began = [None; 2];
    }

    /// Leaves a hold or suspension: windows and promotion counts begin anew.
    pub(super) fn leave_outage(&mut self) {
        self.state = State::Progressing;
        self.ledger.drop_evidence();
        self.blip_began = [None; 2];
    }

    /// Thresholds of all metrics, by kind of window.
    pub(super) fn all_thresholds(settings: &super::Settings) -> [[f64; 2]; 4] {
        use super::finding::WindowKind::{Restart, Step};
        Metric::ALL.map(|metric| [Step, Restart].map(|kind| abs_threshold(settings, metric, kind)))
    }
}

/// The share of the window's requests that went to the canary.
pub(super) fn realised_share(sums: &Sums) -> f64 {
    let all = sums.raw.n + sums.raw.n_stable;
    if all > 0.0 { (sums.raw.n / all).clamp(0.0, 1.0) } else { 0.0 }
}
