//! The section of RESULTS.md and its picture.

use sluice_benches::chart::{Chart, Mark, Panel};
use sluice_benches::faults::Fault;
use sluice_benches::series::{Series, cell};
use sluice_benches::{machine, results};

use crate::plan::{System, Trial};
use crate::trial::{Outcome, Stage};

/// What the figures depend on.
#[derive(Debug)]
pub(crate) struct Conditions<'a> {
    pub(crate) stage: &'a Stage<'a>,
    pub(crate) repetitions: usize,
    pub(crate) seed: u64,
    /// Trials that could not be run.
    pub(crate) lost: usize,
    /// Percent of the machine that was used.
    pub(crate) busy: f64,
}

/// The trials of a system with a fault.
struct Cell(Vec<Outcome>);

// === impl Cell ===

impl Cell {
    fn of(trials: &[(Trial, Outcome)], fault: Fault, system: System) -> Self {
        let own = |trial: &Trial| trial.fault == fault && trial.system == system;
        Self(trials.iter().filter(|(trial, _)| own(trial)).map(|&(_, outcome)| outcome).collect())
    }

    /// Those in which the fault was there to be found.
    fn counted(&self) -> impl Iterator<Item = &Outcome> {
        self.0.iter().filter(|outcome| !outcome.early)
    }

    fn series(&self, figure: impl Fn(&Outcome) -> f64) -> Series {
        self.counted().map(figure).collect()
    }

    fn seen(&self) -> Series {
        self.series(|outcome| outcome.seen as f64)
    }

    fn failed(&self) -> Series {
        self.series(|outcome| outcome.failed as f64)
    }

    fn seconds(&self) -> Series {
        self.series(|outcome| outcome.reaction.as_secs_f64())
    }

    /// Reverted, of all.
    fn reverts(&self) -> String {
        if self.0.is_empty() {
            return "–".to_owned();
        }
        format!("{} of {}", self.0.iter().filter(|outcome| outcome.reverted).count(), self.0.len())
    }

    fn undecided(&self) -> usize {
        self.counted().filter(|outcome| !outcome.reverted).count()
    }

    fn row(&self, fault: Fault, system: System) -> Vec<String> {
        let undecided = self.undecided();
        let seconds = self.seconds().spread().map_or_else(|| "–".to_owned(), |spread| spread.to_string());
        vec![
            fault.label(),
            system.label().to_owned(),
            cell(Some(&self.seen())),
            cell(Some(&self.failed())),
            seconds,
            if undecided == 0 { "–".to_owned() } else { format!("{undecided} of {}", self.counted().count()) },
        ]
    }
}

/// One line while the run goes on.
pub(crate) fn line(trial: &Trial, outcome: &Outcome) -> String {
    let Outcome { reverted, early, seen, unanswered, failed, reaction } = outcome;
    let what = match (early, reverted) {
        (true, _) => "taken back before the fault",
        (false, true) => "taken back",
        (false, false) => "not taken back",
    };
    format!(
        "{}, {}: {what}; {seen} seen by users ({unanswered} without answer), {failed} of the canary, {:.1} s",
        trial.fault.label(),
        trial.system.label(),
        reaction.as_secs_f64()
    )
}

pub(crate) fn text(trials: &[(Trial, Outcome)], conditions: &Conditions<'_>) -> String {
    format!(
        "{}\n\n{}\n\n![Failed requests that users saw, and seconds until the canary was asked no more, by fault and \
         system](reaction.svg)\n\n{}\nTaken back though the canary was not to blame:\n\n{}",
        machine::description(),
        paragraphs(trials, conditions),
        faults(trials),
        false_reverts(trials),
    )
}

fn faults(trials: &[(Trial, Outcome)]) -> String {
    let head = [
        "the canary",
        "system",
        "failures seen by users",
        "failed requests of the canary",
        "first failure to last canary request, s",
        "not taken back",
    ];
    let rows: Vec<Vec<String>> = Fault::ALL
        .into_iter()
        .filter(|fault| fault.is_the_canarys())
        .flat_map(|fault| System::ALL.map(|system| Cell::of(trials, fault, system).row(fault, system)))
        .collect();
    results::table(&head.map(str::to_owned), &rows)
}

fn false_reverts(trials: &[(Trial, Outcome)]) -> String {
    let head: Vec<String> =
        [String::new()].into_iter().chain(System::ALL.map(|system| system.label().to_owned())).collect();
    let mut rows: Vec<Vec<String>> = Fault::ALL
        .into_iter()
        .filter(|fault| !fault.is_the_canarys())
        .map(|fault| {
            let reverts = System::ALL.map(|system| Cell::of(trials, fault, system).reverts());
            [fault.label()].into_iter().chain(reverts).collect()
        })
        .collect();
    let early = System::ALL.map(|system| {
        let own: Vec<_> = trials.iter().filter(|(trial, _)| trial.system == system).collect();
        format!("{} of {}", own.iter().filter(|(_, outcome)| outcome.early).count(), own.len())
    });
    rows.push(["all trials, before their fault".to_owned()].into_iter().chain(early).collect());
    results::table(&head, &rows)
}

fn paragraphs(trials: &[(Trial, Outcome)], conditions: &Conditions<'_>) -> String {
    let Conditions { stage, repetitions, seed, lost, busy } = conditions;
    let tempo = &stage.tempo;
    let (sample, eager) = (&tempo.sample, &tempo.eager);
    let nice = machine::nice();
    let minutes = |time: std::time::Duration| time.as_secs_f64() / 60.0;
    format!(
        "Median (min–max) of {repetitions} trials each, seed {seed}; {} trials were run and {lost} could not be. Each \
         trial has a service of its own (100 ms an answer), {} requests a second, {} % of them to the canary, and \
         begins its fault at a random phase of the judge's interval. Many ran at once; the machine was {busy:.0} % busy \
         over the run, with this (at nice {nice}) and whatever else ran.\n\n\
         *Sluice*: success rate at least 99 % (one line with the sample's 95 %), P95 at most 300 ms, defaults \
         otherwise. *Poll, aggressive*: Prometheus {} scrapes every {} s, a controller asks every {} s over the last \
         {} s, `failureLimit` 0, with the same limits of 99 % and 300 ms. *Poll, as documented*: Argo Rollouts' sample \
         `success-rate`: scraped every {} s, asked every {:.0} min, at least 95 % good, `failureLimit` 3; it asks for \
         no latency. nginx {} splits for both; either proxy waits 5 s for an answer.\n\n\
         A trial without a decision ends after {:.0} min (documented poll: {:.0} min); its figures then are what had \
         come together by its end. Failures seen by users are 5xx and missing answers; of a slow canary the answers \
         as late as it made them, and of a hanging one those that took the whole 5 s, also where stable gave them in \
         the end. The shared outage lasts {} s, the bursts (2 s of 20 % failing, about once a minute on either arm by \
         itself: 0.7 % in all) are watched for {:.0} min.",
        trials.len(),
        stage.rate,
        stage.weight,
        stage.prometheus.version,
        eager.job.interval.as_secs(),
        eager.interval.as_secs(),
        eager.window.as_secs(),
        sample.job.interval.as_secs(),
        minutes(sample.interval),
        sluice_benches::splitter::version(),
        minutes(tempo.short),
        minutes(tempo.long),
        tempo.outage.as_secs(),
        minutes(tempo.long),
    )
}

pub(crate) fn chart(trials: &[(Trial, Outcome)]) -> Chart {
    let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| fault.is_the_canarys()).collect();
    let panel = |title: &str, decades, figure: fn(&Cell) -> Series| Panel {
        title: title.to_owned(),
        decades,
        groups: faults
            .iter()
            .map(|&fault| {
                let mark = |system| {
                    let cell = Cell::of(trials, fault, system);
                    Mark { spread: figure(&cell).spread(), open: cell.undecided() > 0 }
                };
                System::DRAWN.map(mark).to_vec()
            })
            .collect(),
    };
    Chart {
        series: System::DRAWN.map(|system| system.label().to_owned()).to_vec(),
        groups: faults.iter().map(|fault| fault.label()).collect(),
        panels: vec![
            panel("failures seen by users (→ not taken back)", [0, 4], Cell::seen),
            panel("seconds to the last canary request", [-1, 4], Cell::seconds),
        ],
    }
}
