//! The section of RESULTS.md.

use sluice_benches::poll_model::PollModel;
use sluice_benches::series::{Series, cell};
use sluice_benches::{machine, results};

use crate::trial::{Case, Stage, Trial};

/// All trials of a case.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) trials: Vec<Trial>,
}

impl Row {
    /// One line while the run goes on.
    pub(crate) fn summary(&self) -> String {
        let [method, rate, failing, failed, seen, millis, undecided] = self.measured();
        format!(
            "{method} {rate} req/s, {failing} % failing: {failed} failed, {seen} seen by users, {millis} ms, \
             {undecided} not decided"
        )
    }

    fn measured(&self) -> [String; 7] {
        let decided = || self.trials.iter().filter(|trial| trial.decided);
        let failed: Series = decided().map(|trial| trial.canary.failures as f64).collect();
        let seen: Series = decided().map(|trial| trial.user_failures as f64).collect();
        let millis: Series = decided()
            .filter_map(|trial| trial.canary.reaction())
            .map(|reaction| reaction.as_secs_f64() * 1_000.0)
            .collect();
        [
            self.case.method.label().to_owned(),
            self.case.rate.to_string(),
            (self.case.failing * 100.0).to_string(),
            cell(Some(&failed)),
            cell(Some(&seen)),
            cell(Some(&millis)),
            (self.trials.len() - decided().count()).to_string(),
        ]
    }

    fn modelled(&self, weight: f64) -> [String; 2] {
        let Case { rate, failing, .. } = self.case;
        let estimate = PollModel::USUAL.reaction(failing);
        let seconds = [estimate.mean, estimate.least, estimate.greatest].map(|time| time.as_secs_f64());
        let failed = seconds.map(|seconds| seconds * rate * weight / 100.0 * failing);
        [
            format!("{:.0} ({:.0}–{:.0})", seconds[0] * 1_000.0, seconds[1] * 1_000.0, seconds[2] * 1_000.0),
            format!("{:.0} ({:.0}–{:.0})", failed[0], failed[1], failed[2]),
        ]
    }
}

pub(crate) fn text(rows: &[Row], stage: &Stage<'_>, repetitions: usize) -> String {
    let head = [
        "method",
        "req/s",
        "failing, %",
        "failed requests",
        "seen by users",
        "first failure to last request, ms",
        "not decided",
        "poll (model), ms",
        "poll (model), failed requests",
    ];
    let body: Vec<Vec<String>> = rows
        .iter()
        .map(|row| [row.measured().to_vec(), row.modelled(stage.settings.weight).to_vec()].concat())
        .collect();
    format!(
        "{}\n\n{}\n\n{}",
        machine::description(),
        conditions(stage, repetitions),
        results::table(&head.map(str::to_owned), &body)
    )
}

fn conditions(stage: &Stage<'_>, repetitions: usize) -> String {
    let PollModel { scrape, interval, window, consecutive, limit } = PollModel::USUAL;
    format!(
        "Median (min–max) of {repetitions} fresh starts each, {} % of the requests to the canary, success rate at \
         least 99 %; {} s of healthy traffic, then the canary fails the given share at random. A case that took more \
         than {} s counts as not decided. GET is shielded (what the canary failed is answered by stable), POST is \
         not.\nThe model of a poll (mean, least and greatest): asked every {} s over the last {} s, scraped every \
         {} s, back after {consecutive} bad answers in a row, at most {} % failing; what it takes to ask, to reconcile \
         and to change the weight is taken as nothing.",
        stage.settings.weight,
        stage.healthy.as_secs_f64(),
        stage.give_up.as_secs_f64(),
        interval.as_secs(),
        window.as_secs(),
        scrape.as_secs(),
        limit * 100.0,
    )
}
