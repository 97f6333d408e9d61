//! Sluice beside a real polling loop: the same service, the same faults, and what each of them costs until the canary
//! is taken back.
//!
//! The loop is Debian's Prometheus and nginx with a controller between them that counts as Argo Rollouts does, in its
//! documented setting and in the most aggressive sensible one. Each trial has a service, a proxy and a load of its own,
//! and begins its fault at a phase that is drawn; many run at once, since the documented setting takes twenty minutes.

#![allow(clippy::print_stdout, reason = "the report is what the program is for")]

mod front;
mod plan;
mod report;
mod service;
mod trial;

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use sluice_benches::arguments::Measured;
use sluice_benches::exporter::Exporter;
use sluice_benches::faults::Fault;
use sluice_benches::interrupt::Interrupt;
use sluice_benches::machine::Busy;
use sluice_benches::peers::Kind;
use sluice_benches::process::raise_file_limit;
use sluice_benches::prometheus::{self, Prometheus};
use sluice_benches::splitter;

use plan::{System, Tempo, Trial};
use report::Conditions;
use trial::{Outcome, Stage};

/// Long trials don't all start at once.
const STAGGER: Duration = Duration::from_millis(200);

/// Measures Sluice beside a polling loop and rewrites a section of benches/RESULTS.md and reaction.svg beside it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Trials of each system with each fault.
    #[arg(long, default_value_t = 10)]
    repetitions: usize,
    /// Requests a second of each trial.
    #[arg(long, default_value_t = 25.0)]
    rate: f64,
    /// Percent of the requests to the canary.
    #[arg(long, default_value_t = 20.0)]
    weight: f64,
    /// How many short trials run at once, beside all the long ones.
    #[arg(long, default_value_t = 16)]
    parallel: usize,
    /// Phases, bursts and order are drawn from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only see whether it works: one trial each, short intervals, nothing written. Takes two minutes.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    measured: Measured,
}

type Trials = Vec<(Trial, Outcome)>;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let interrupt = Interrupt::on_signals()?;
    if prometheus::program().is_none() || splitter::program().is_none() {
        println!("reaction-poll: left out, prometheus or nginx is not installed");
        return Ok(());
    }
    raise_file_limit()?;
    let programs = arguments.measured.programs(None);
    let sluice = Kind::Sluice.program(&programs).context("sluice-proxy is missing: build it with --release first")?;
    let folder = tempfile::tempdir().context("make a folder for configurations and logs")?;
    let tempo = if arguments.quick { Tempo::quick() } else { Tempo::usual() };
    let exporter = Exporter::start(&interrupt)?;
    let jobs = [tempo.sample.job, tempo.eager.job];
    let prometheus = Prometheus::start(0, &jobs, exporter.metrics, folder.path(), &interrupt)?;
    let stage = Stage {
        sluice,
        tempo,
        prometheus: &prometheus,
        exporter: &exporter,
        folder: folder.path().to_owned(),
        rate: arguments.rate,
        weight: arguments.weight,
        interrupt: &interrupt,
    };
    let repetitions = if arguments.quick { 1 } else { arguments.repetitions };
    let planned = plan::trials(&Fault::ALL, repetitions, arguments.seed);
    let busy = Busy::now();
    let trials = run(&stage, &planned, arguments.parallel)?;
    let conditions = Conditions {
        stage: &stage,
        repetitions,
        seed: arguments.seed,
        lost: planned.len() - trials.len(),
        busy: busy.share_since(),
    };
    if arguments.quick {
        println!("{}", report::text(&trials, &conditions));
        return Ok(());
    }
    arguments.measured.output.write_beside("reaction.svg", &report::chart(&trials).svg())?;
    arguments.measured.output.write("reaction-poll", &report::text(&trials, &conditions))
}

/// All long trials at once, and beside them the short ones, some at a time. One that can't be run is left out.
fn run(stage: &Stage<'_>, planned: &[Trial], parallel: usize) -> anyhow::Result<Trials> {
    let (long, mut short): (Vec<Trial>, Vec<Trial>) =
        planned.iter().partition(|trial| trial.system == System::Sample || trial.fault == Fault::Bursts);
    short.reverse();
    let (waiting, done) = (Mutex::new(short), Mutex::new(Trials::new()));
    thread::scope(|scope| {
        for _ in 0..parallel.max(1) {
            scope.spawn(|| {
                while let Some(trial) = take(&waiting) {
                    attempt(stage, trial, &done);
                }
            });
        }
        for trial in long {
            if stage.interrupt.pass(STAGGER).is_err() {
                break;
            }
            let done = &done;
            scope.spawn(move || attempt(stage, trial, done));
        }
    });
    stage.interrupt.check()?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn take(waiting: &Mutex<Vec<Trial>>) -> Option<Trial> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn attempt(stage: &Stage<'_>, trial: Trial, done: &Mutex<Trials>) {
    if stage.interrupt.is_set() {
        return;
    }
    match stage.run(&trial) {
        Ok(outcome) => {
            println!("{}", report::line(&trial, &outcome));
            done.lock().unwrap_or_else(PoisonError::into_inner).push((trial, outcome));
        }
        Err(error) => println!("{}, {}: {error:#}", trial.system.label(), trial.fault.label()),
    }
}
