//! DORA figures from past releases. Pure: what counts as what is decided here and told in `docs/dora.md`.
//!
//! It refuses to make up numbers. A figure without observations is absent, a rate over less than its own unit of time
//! is absent, and a ninth decile of fewer than ten values is absent. Quantiles are values that occurred (nearest rank).

use sluice_api::{DoraFigures, DoraReport, Outcome, ReleaseCounts, ReleaseTimes, RolloutDora, Spread};

use crate::releases::{Release, Releases};

/// Values of the label `result`: how a change may end.
pub const RESULTS: [&str; 4] = ["promoted", "promoted_full", "reverted", "aborted"];

const DAY_MS: f64 = 86_400_000.0;

/// Below this many values the ninth decile is the largest value.
const FEWEST_FOR_P90: usize = 10;

/// Releases that ended in it count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Unix milliseconds, included.
    pub since_ms: u64,
    /// Unix milliseconds, left out.
    pub until_ms: u64,
}

/// The report on `period`. Rollouts named in `configured` are in it also without a release.
pub fn report(period: Period, known: &Releases, configured: &[String]) -> DoraReport {
    let Period { since_ms, until_ms } = period;
    let days = known.since_ms.map_or(0.0, |known| until_ms.saturating_sub(since_ms.max(known)) as f64 / DAY_MS);
    let releases: Vec<&Release> = known.releases.iter().filter(|release| period.holds(release)).collect();
    let rollouts = names(configured, &releases).into_iter().map(|name| RolloutDora {
        name: name.to_owned(),
        figures: figures(releases.iter().copied().filter(|release| release.rollout == name), days),
    });
    DoraReport {
        since_ms,
        until_ms,
        known_since_ms: known.since_ms,
        days,
        all: figures(releases.iter().copied(), days),
        rollouts: rollouts.collect(),
    }
}

/// Those of the configuration in its order, then the others in the order of the alphabet.
fn names<'a>(configured: &'a [String], releases: &[&'a Release]) -> Vec<&'a str> {
    let mut names: Vec<&str> = configured.iter().map(String::as_str).collect();
    let mut others: Vec<&str> = releases.iter().map(|release| release.rollout.as_str()).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|name| !names.contains(name));
    names.extend(others);
    names
}

fn figures<'a>(releases: impl Iterator<Item = &'a Release>, days: f64) -> DoraFigures {
    let mut counts = ReleaseCounts::default();
    let (mut lead_times, mut restore_times) = (Vec::new(), Vec::new());
    for release in releases {
        *count_of(&mut counts, release) += 1;
        lead_times.extend(lead_time_ms(release.outcome, &release.times));
        restore_times.extend(release.times.restored_after_ms.filter(|_| release.outcome == Outcome::Reverted));
    }
    let deployments = counts.promoted + counts.promoted_full;
    let failed_changes = counts.reverted + counts.aborted;
    let changes = deployments + failed_changes;
    DoraFigures {
        counts,
        deployments,
        deployments_per_day: (days >= 1.0).then(|| deployments as f64 / days),
        deployments_per_week: (days >= 7.0).then(|| deployments as f64 / days * 7.0),
        lead_time: spread(lead_times),
        changes,
        failed_changes,
        change_failure_rate: (changes > 0).then(|| failed_changes as f64 / changes as f64),
        time_to_restore: spread(restore_times),
    }
}

fn count_of<'a>(counts: &'a mut ReleaseCounts, release: &Release) -> &'a mut u64 {
    match release.outcome {
        Outcome::Promoted => &mut counts.promoted,
        Outcome::PromotedFull => &mut counts.promoted_full,
        Outcome::Reverted => &mut counts.reverted,
        Outcome::Aborted if release.served => &mut counts.aborted,
        Outcome::Aborted => &mut counts.aborted_unserved,
        Outcome::Superseded => &mut counts.superseded,
        Outcome::Withdrawn => &mut counts.withdrawn,
    }
}

/// How a change ended, one of [`RESULTS`]; `None` for what is no change: nobody was served by it, or nothing came of it.
pub fn result(outcome: Outcome, served: bool) -> Option<&'static str> {
    match outcome {
        Outcome::Promoted => Some("promoted"),
        Outcome::PromotedFull => Some("promoted_full"),
        Outcome::Reverted => Some("reverted"),
        Outcome::Aborted if served => Some("aborted"),
        Outcome::Aborted | Outcome::Superseded | Outcome::Withdrawn => None,
    }
}

/// From the start of a deployment to 100 %; to its end where it became stable without that weight.
pub fn lead_time_ms(outcome: Outcome, times: &ReleaseTimes) -> Option<f64> {
    if !is_deployment(outcome) {
        return None;
    }
    let full = times.full_at_ms.or(times.ended_at_ms)?;
    // Times are stored in order; a line that somebody edited is no reason for a negative time.
    Some(full.checked_sub(times.started_at_ms?)? as f64)
}

/// Whether the release became the stable version.
fn is_deployment(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Promoted | Outcome::PromotedFull => true,
        Outcome::Reverted | Outcome::Aborted | Outcome::Superseded | Outcome::Withdrawn => false,
    }
}

fn spread(mut durations: Vec<f64>) -> Spread {
    durations.retain(|duration| duration.is_finite() && *duration >= 0.0);
    durations.sort_unstable_by(f64::total_cmp);
    Spread {
        n: durations.len() as u64,
        median_ms: nearest_rank(&durations, 0.5),
        p90_ms: nearest_rank(&durations, 0.9).filter(|_| durations.len() >= FEWEST_FOR_P90),
    }
}

/// The smallest value that at least the share `q` of `sorted` does not exceed.
fn nearest_rank(sorted: &[f64], q: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * q).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

// === impl Period ===

impl Period {
    fn holds(self, release: &Release) -> bool {
        release.times.ended_at_ms.is_some_and(|ended| (self.since_ms..self.until_ms).contains(&ended))
    }
}

#[cfg(test)]
mod tests;
