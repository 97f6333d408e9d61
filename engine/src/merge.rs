//! Counts of many proxies, made one.
//!
//! Proxies send running totals, keyed by (proxy, boot, generation, step, cohort); the merge keeps the highest total seen
//! of each key and hands on the differences. So a lost message is made good by the next, a repeated or overtaken one
//! changes nothing, and the order does not matter. A proxy that starts again has a new boot id and counts from zero;
//! what belongs to another generation is ignored. Nothing here talks to a network.
//!
//! [`LocalTrips`] is the rule for proxies that reverted by themselves: two make a revert, one makes everybody wait
//! until the others have proven the canary good.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::evidence::{Arm, Counts, Group, Observations};
use crate::units::TICK_MS;

/// Ticks for which totals of single cohorts are remembered: 51 s. Older cohorts belong into the late total of their
/// step; messages about them as single cohorts are ignored, so that a repeated one cannot count twice.
pub const COHORT_TICKS: u64 = 1_024;
/// How long one local trip may stay undecided.
const DECIDE_TICKS: u64 = 10_000 / TICK_MS;

/// Which requests of a step a total is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CohortKey {
    /// Those that started in this tick of the generation.
    Tick(u64),
    /// Outcomes that became known too late for their own cohort.
    Late,
}

/// Running totals of one arm in one cohort of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// First tick of the weight step in which the requests started.
    pub step: u64,
    /// Which requests.
    pub cohort: CohortKey,
    /// Stable or canary.
    pub arm: Arm,
    /// Running totals since the proxy started, in the order of [`Counts::to_array`].
    pub counts: [u64; 8],
}

/// What one proxy says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its name.
    pub proxy: String,
    /// Drawn anew at each start of the proxy.
    pub boot: u64,
    /// The generation counted.
    pub generation: u64,
    /// Totals that changed lately, or all.
    pub totals: Vec<Total>,
}

/// Totals of one generation, by proxy.
#[derive(Clone, Debug)]
pub struct Merge {
    generation: u64,
    kept: u64,
    seen: BTreeMap<String, BTreeMap<Key, [u64; 8]>>,
    newest: u64,
}

/// What totals are kept by. The cohort comes first: old cohorts are forgotten together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    cohort: CohortKey,
    boot: u64,
    step: u64,
    arm: Arm,
}

/// What local trips come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripDecision {
    /// No proxy tripped, or the one that did is decided.
    GoOn,
    /// One proxy tripped: weights stand still while the merge without it is asked for its proof.
    Freeze,
    /// The others have proven the canary good: that proxy's cap stays, the rollout goes on.
    KeepCap,
    /// No proof within 10 s.
    Pause,
    /// Two or more proxies tripped.
    Revert,
}

/// Proxies that reverted by their own test in one generation.
#[derive(Clone, Debug, Default)]
pub struct LocalTrips {
    tripped: BTreeSet<String>,
    undecided_since: Option<u64>,
}

// === impl Merge ===

impl Merge {
    /// Nothing seen of `generation`. `kept` is the number of ticks that the judge keeps cohorts one by one.
    pub fn new(generation: u64, kept: u64) -> Self {
        Self { generation, kept, seen: BTreeMap::new(), newest: 0 }
    }

    /// What `report` adds, as observed in `tick`.
    pub fn accept(&mut self, tick: u64, report: &Report) -> Observations {
        self.newest = self.newest.max(tick);
        let mut news = Observations { tick: self.newest, ..Observations::default() };
        if report.generation != self.generation {
            return news;
        }
        if !self.seen.contains_key(&report.proxy) {
            self.seen.insert(report.proxy.clone(), BTreeMap::new());
        }
        let Some(seen) = self.seen.get_mut(&report.proxy) else { return news };
        let oldest = self.newest.saturating_sub(COHORT_TICKS);
        // Single cohorts sort before the late totals, so this keeps those from `oldest` on and all late ones.
        let forgotten = Key { cohort: CohortKey::Tick(oldest), boot: 0, step: 0, arm: Arm::Stable };
        *seen = seen.split_off(&forgotten);
        for total in &report.totals {
            let Some(age) = age(total, self.newest, oldest, self.kept) else { continue };
            let key = Key { cohort: total.cohort, boot: report.boot, step: total.step, arm: total.arm };
            let counts = difference(seen.entry(key).or_default(), &total.counts);
            if !counts.is_empty() {
                let groups = match total.arm {
                    Arm::Canary => &mut news.canary,
                    Arm::Stable => &mut news.stable,
                };
                groups.push(Group { age, counts });
            }
        }
        news
    }
}

/// How long ago the requests of a total started; `None` if they are too old to be told apart from a repetition.
fn age(total: &Total, now: u64, oldest: u64, kept: u64) -> Option<u64> {
    match total.cohort {
        // A proxy's clock may be a little ahead.
        CohortKey::Tick(tick) => (tick >= oldest).then(|| now.saturating_sub(tick)),
        // Late, and in that step: as if started in its first tick, but never young enough to meet a cohort.
        CohortKey::Late => Some(now.saturating_sub(total.step).max(kept)),
    }
}

/// Raises `seen` to `totals` and gives the difference. What does not fit into a count waits for the next report.
fn difference(seen: &mut [u64; 8], totals: &[u64; 8]) -> Counts {
    let mut counts = [0; 8];
    for ((count, seen), &total) in counts.iter_mut().zip(seen.iter_mut()).zip(totals) {
        *count = u32::try_from(total.saturating_sub(*seen)).unwrap_or(u32::MAX);
        *seen += u64::from(*count);
    }
    Counts::from_array(counts)
}

// === impl LocalTrips ===

impl LocalTrips {
    /// `proxy` reverted by its own test in `tick`. Said twice it counts once.
    pub fn trip(&mut self, tick: u64, proxy: &str) -> TripDecision {
        if self.tripped.insert(proxy.to_owned()) {
            self.undecided_since = Some(tick);
        }
        match (self.tripped.len(), self.undecided_since) {
            (0, _) | (1, None) => TripDecision::GoOn,
            (1, Some(_)) => TripDecision::Freeze,
            _ => TripDecision::Revert,
        }
    }

    /// Decides one trip by PRO of the merge *without* that proxy: ln 20 within 10 s and the rollout goes on.
    pub fn decide(&mut self, tick: u64, pro_of_the_others: f64) -> TripDecision {
        if self.tripped.len() >= 2 {
            return TripDecision::Revert;
        }
        let Some(since) = self.undecided_since else { return TripDecision::GoOn };
        if pro_of_the_others >= 20_f64.ln() {
            self.undecided_since = None;
            return TripDecision::KeepCap;
        }
        if tick.saturating_sub(since) < DECIDE_TICKS {
            return TripDecision::Freeze;
        }
        self.undecided_since = None;
        TripDecision::Pause
    }

    /// The proxies that tripped.
    pub fn proxies(&self) -> impl Iterator<Item = &str> {
        self.tripped.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
