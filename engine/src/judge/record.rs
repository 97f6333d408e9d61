//! The record of a verdict: its window as a vector of kind `window`, from which the scores can be recomputed.
//!
//! Cohorts of equal weight are merged as far as that leaves the scores alone. Without a guarded cohort only the
//! weights differ. With one, a short window is written cohort by cohort; a long one as counts already multiplied by
//! the guard, with the raw number of failures beside them.

use super::Judge;
use super::finding::{Rule, Verdict, WindowKind};
use super::sequential::realised_share;
use super::settings::{Compare, Metric, Role, Routing};
use super::sums::{Sums, Tally};
use super::windows::Window;
use crate::replay::{GuardSetting, RoleName, WindowVector};

/// Cohorts that are written one by one at most.
const MOST_COHORTS: usize = 256;

type Rows = Vec<[f64; 5]>;

/// Rows, the guard to be applied to them, and the raw canary failures where the rows do not show them.
struct Evidence {
    rows: Rows,
    guard: GuardSetting,
    raw_failures: Option<f64>,
}

impl Judge {
    /// The verdict of `rule` on `window`, with everything it rests on.
    pub(super) fn verdict(&self, rule: Rule, metric: Metric, window: Window) -> Box<Verdict> {
        let sums = self.ledger.sums(window, metric);
        let canary = sums.guarded.tally;
        let abs_threshold = self.abs_threshold(metric, window);
        let compared = rule == Rule::Comparison;
        Box::new(Verdict {
            rule,
            metric,
            tick: self.ledger.now(),
            window: self.ledger.windows.kind(window),
            from_tick: self.ledger.windows.first_tick(window),
            n: whole(sums.raw.n),
            x: whole(sums.raw.x),
            n_stable: whole(sums.raw.n_stable),
            x_stable: whole(sums.raw.x_stable),
            abs: metric.can_revert().then(|| self.abs[metric.index()].score(canary.n, canary.x)),
            abs_threshold,
            rel: self.rel(&sums, window),
            rel_threshold: if compared { abs_threshold } else { self.rel_threshold(metric) },
            record: self.record(metric, window, &sums, compared),
        })
    }

    fn record(&self, metric: Metric, window: Window, sums: &Sums, compared: bool) -> Option<WindowVector> {
        let evidence = self.evidence(metric, window, sums)?;
        let settings = &self.settings;
        let (role, proxies) = match settings.role {
            Role::Single => (RoleName::Single, 1),
            Role::Controller => (RoleName::Controller, 1),
            Role::Local { proxies } => (RoleName::Local, proxies.max(1)),
        };
        let kind = self.ledger.windows.kind(window);
        let name = match kind {
            WindowKind::Step => "step",
            WindowKind::Restart => "restart",
        };
        let mut vector = WindowVector {
            id: format!("{}-{name}-tick-{}", metric.label(), self.ledger.now()),
            metric,
            // Metrics without a limit have no ABS either; the field has to be there.
            theta: settings.theta_of(metric).unwrap_or_else(|| super::settings::clamped_theta(settings.theta)),
            window: kind,
            rows: evidence.rows,
            steps: settings.steps.max(1),
            alpha: settings.alpha,
            share: Some(settings.share_of(metric)),
            alpha_rel: settings.alpha_rel,
            rho: settings.rho,
            guard: evidence.guard,
            min_failures: settings.min_failures,
            role,
            proxies,
            held_failures: self.held_failures.get(metric.index()).copied().unwrap_or(0.0),
            compare: if compared { settings.compare } else { Compare::Off },
            raw_failures: evidence.raw_failures,
            ..WindowVector::default()
        };
        // A record that does not recompute, from settings no file may hold, is none.
        vector.expect = Some(vector.answer().ok()?);
        Some(vector)
    }

    fn evidence(&self, metric: Metric, window: Window, sums: &Sums) -> Option<Evidence> {
        if self.ledger.mixed_weights {
            return None;
        }
        let unguarded = (sums.raw.x - sums.guarded.tally.x).abs() < 1e-9;
        if self.settings.routing == Routing::Sticky {
            let weight = if self.ledger.is_waived(window) { 1.0 } else { realised_share(sums) };
            return Some(Evidence::multiplied(vec![(weight, sums.guarded.tally)], sums.raw.x));
        }
        if !unguarded && let Some(rows) = self.by_cohort(metric, window) {
            return Some(Evidence { rows, guard: GuardSetting::Cap(self.ledger.cap()), raw_failures: None });
        }
        let mut parts = self.ledger.windows.by_weight(window, metric)?;
        if let (Some(late), Some(last)) = (self.ledger.late_of(window, metric), parts.last_mut()) {
            last.1 += late;
        }
        let tally = |sums: Sums| if unguarded { sums.raw } else { sums.guarded.tally };
        let parts = parts.into_iter().map(|(weight, sums)| (weight, tally(sums))).collect();
        Some(if unguarded { Evidence::plain(parts) } else { Evidence::multiplied(parts, sums.raw.x) })
    }

    /// One row per cohort, those without a canary failure merged by weight; `None` if cohorts are gone, too many, or
    /// under several guards, or if late outcomes play a part.
    fn by_cohort(&self, metric: Metric, window: Window) -> Option<Rows> {
        let cohorts = &self.ledger.cohorts;
        let newest = match metric {
            Metric::Latency => self.ledger.now().checked_sub(cohorts.maturity())?,
            Metric::Failures | Metric::C4xx | Metric::Cancels => self.ledger.now(),
        };
        let from = self.ledger.windows.first_tick(window);
        let late = self.ledger.late_of(window, metric).is_some_and(|late| late != Sums::default());
        if late || from < cohorts.first() {
            return None;
        }
        let mut rows = Rows::new();
        for cohort in cohorts.range(from, newest) {
            if cohort.cap != self.ledger.cap() {
                return None;
            }
            let tally = cohort.linear(metric).tally;
            let alike = |row: &&mut [f64; 5]| tally.x == 0.0 && row[0] == cohort.weight && row[2] == 0.0;
            match rows.iter_mut().find(alike) {
                Some(row) => add(row, tally),
                None => rows.push(row(cohort.weight, tally)),
            }
        }
        (rows.len() <= MOST_COHORTS).then_some(rows)
    }
}

// === impl Evidence ===

impl Evidence {
    fn plain(parts: Vec<(f64, Tally)>) -> Self {
        Self { rows: merged(parts), guard: GuardSetting::Off, raw_failures: None }
    }

    fn multiplied(parts: Vec<(f64, Tally)>, raw_failures: f64) -> Self {
        Self { raw_failures: Some(raw_failures), ..Self::plain(parts) }
    }
}

/// Parts of equal weight as one row each; at least one row.
fn merged(parts: Vec<(f64, Tally)>) -> Rows {
    let mut rows = Rows::new();
    for (weight, tally) in parts {
        match rows.iter_mut().find(|row| row[0] == weight) {
            Some(row) => add(row, tally),
            None => rows.push(row(weight, tally)),
        }
    }
    // Differences of fractional sums may miss zero by a hair.
    for row in &mut rows {
        row[2] = row[2].max(0.0);
        row[1] = row[1].max(row[2]);
        row[4] = row[4].max(0.0);
        row[3] = row[3].max(row[4]);
    }
    rows
}

fn row(weight: f64, tally: Tally) -> [f64; 5] {
    [weight, tally.n, tally.x, tally.n_stable, tally.x_stable]
}

fn add(row: &mut [f64; 5], tally: Tally) {
    for (sum, more) in row[1..].iter_mut().zip([tally.n, tally.x, tally.n_stable, tally.x_stable]) {
        *sum += more;
    }
}

/// A count for people; what is no count becomes 0.
pub(super) fn whole(count: f64) -> u64 {
    count.max(0.0).round() as u64
}
