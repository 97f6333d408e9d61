//! One trial: a service, a system in front of it, load, a fault, and the wait until the canary is taken back.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use sluice_benches::exporter::Exporter;
use sluice_benches::faults::{Fault, SLOW_DELAY, Script};
use sluice_benches::interrupt::{Interrupt, LOOK};
use sluice_benches::load::{self, Load, MAX_REQUESTS, Pace, Phase, Report};
use sluice_benches::machine;
use sluice_benches::peers::{Kind, Peer, Settings};
use sluice_benches::polling::Polling;
use sluice_benches::prometheus::Prometheus;
use sluice_benches::splitter::{Route, Splitter};

use crate::front::{Controller, Front, Watched};
use crate::plan::{System, Tempo, Trial};
use crate::service::Service;

/// Either proxy waits so long for an answer; 60 s, which both have by default, would blind the poll for a minute more.
const TIMEOUT: (&str, Duration) = ("5s", Duration::from_secs(5));
/// A busy machine may lose a free port between finding and using it.
const STARTS: usize = 3;

/// What a trial saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// The canary was taken back.
    pub(crate) reverted: bool,
    /// It was, before anything had happened to it.
    pub(crate) early: bool,
    /// Requests that users saw fail.
    pub(crate) seen: u64,
    /// Those of them that got no answer at all.
    pub(crate) unanswered: u64,
    /// Requests of the canary that met the fault.
    pub(crate) failed: u64,
    /// From the first of these to the canary's last request.
    pub(crate) reaction: Duration,
}

/// What all trials have in common.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) sluice: PathBuf,
    pub(crate) tempo: Tempo,
    pub(crate) prometheus: &'a Prometheus,
    pub(crate) exporter: &'a Exporter,
    pub(crate) folder: PathBuf,
    /// Requests a second of each trial.
    pub(crate) rate: f64,
    /// Percent to the canary.
    pub(crate) weight: f64,
    pub(crate) interrupt: &'a Interrupt,
}

// === impl Stage ===

impl Stage<'_> {
    pub(crate) fn run(&self, trial: &Trial) -> anyhow::Result<Outcome> {
        let (mut service, mut front) = self.start(trial)?;
        let stop = self.interrupt.child();
        let mut load = Load::connect(front.address(), connections(trial.fault), request(trial.system), &stop)?;
        let phase =
            Phase { pace: Pace::PerSecond(self.rate), duration: self.tempo.limit(trial), requests: MAX_REQUESTS };
        let (watched, report) = thread::scope(|scope| {
            let loading = scope.spawn(move || load.run(&phase));
            let watched = self.watch(trial, &mut service, &mut front);
            stop.set();
            (watched, loading.join())
        });
        let report = report.map_err(|_| anyhow::anyhow!("the load panicked"))??;
        Ok(Outcome { seen: seen(trial.fault, &report), unanswered: report.errors, ..watched? })
    }

    /// Service and system, running.
    fn start(&self, trial: &Trial) -> anyhow::Result<(Service, Front<'_>)> {
        let mut attempt = 1;
        loop {
            match Service::start(trial.seed, self.interrupt)
                .and_then(|service| self.front(trial, &service).map(|front| (service, front)))
            {
                Err(_) if attempt < STARTS && !self.interrupt.is_set() => attempt += 1,
                started => return started.with_context(|| format!("start {}", trial.system.label())),
            }
        }
    }

    fn front(&self, trial: &Trial, service: &Service) -> anyhow::Result<Front<'_>> {
        match trial.system {
            System::Sample => self.poll(self.tempo.sample, trial, service),
            System::Eager => self.poll(self.tempo.eager, trial, service),
            System::Sluice | System::SluicePost | System::SluiceLenient => self.sluice(trial, service),
        }
    }

    fn sluice(&self, trial: &Trial, service: &Service) -> anyhow::Result<Front<'_>> {
        let settings = Settings {
            stable: service.stable(),
            canary: service.canary(),
            weight: self.weight,
            success: trial.system.success(),
            // As the aggressive poll has it.
            latency: "300ms",
            timeout: TIMEOUT.0,
            core: trial.number % machine::cores(),
            folder: self.folder.join(trial.number.to_string()),
        };
        let peer = Peer::start(Kind::Sluice, &self.sluice, &settings, self.interrupt)?;
        Ok(Front::Sluice(Watched::new(peer, trial)))
    }

    fn poll(&self, polling: Polling, trial: &Trial, service: &Service) -> anyhow::Result<Front<'_>> {
        self.exporter.begin(trial.number);
        let route = Route {
            trial: trial.number,
            stable: service.stable(),
            canary: service.canary(),
            exporter: self.exporter.lines,
            timeout: TIMEOUT.0,
        };
        let core = trial.number % machine::cores();
        let folder = self.folder.join(trial.number.to_string());
        let splitter = Splitter::start(core, route, self.weight, &folder, self.interrupt)?;
        // What answered is ours only if its line has come.
        let noted = self.interrupt.wait_until(TIMEOUT.1, || self.exporter.count(trial.number) > 0)?;
        anyhow::ensure!(noted, "nginx leaves no lines for the exporter");
        Ok(Front::Poll(Controller::new(splitter, polling, trial, self.prometheus, self.exporter)))
    }

    /// Lets time pass, the fault happen and the system decide; what was seen but for what users saw.
    fn watch(&self, trial: &Trial, service: &mut Service, front: &mut Front<'_>) -> anyhow::Result<Outcome> {
        self.interrupt.pass(self.tempo.warm)?;
        front.begin();
        let lead = self.tempo.lead(trial);
        let early = self.attend(lead, &mut Script::new(), service, front)?;
        service.reset()?;
        let patience = self.tempo.patience(trial);
        let mut script = trial.fault.script(self.tempo.outage, patience, trial.seed);
        let reverted = early || self.attend(patience, &mut script, service, front)?;
        self.interrupt.pass(self.tempo.settle)?;
        let (failed, reaction) = self.noted(trial.fault, service, front)?;
        Ok(Outcome { reverted, early, seen: 0, unanswered: 0, failed, reaction })
    }

    /// For `time`, or until the canary is taken back; whether it was.
    fn attend(
        &self,
        time: Duration,
        script: &mut Script,
        service: &mut Service,
        front: &mut Front<'_>,
    ) -> anyhow::Result<bool> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            service.follow(script, begun, Instant::now())?;
            if front.look()? {
                return Ok(true);
            }
            self.interrupt.pass(LOOK)?;
        }
        Ok(false)
    }

    /// How many of the canary's requests met the fault, and from the first of them to its last request.
    fn noted(&self, fault: Fault, service: &Service, front: &mut Front<'_>) -> anyhow::Result<(u64, Duration)> {
        let refusals = front.take_refusals();
        if fault == Fault::Refused {
            return Ok((refusals.count, Duration::from_secs_f64((refusals.last - refusals.first).max(0.0))));
        }
        let stats = service.stats()?;
        Ok(match fault {
            // Everything that arrived since then met it.
            Fault::Slow | Fault::Hang => (stats.requests, stats.last_request.saturating_sub(stats.first_request)),
            _ => (stats.failures, stats.reaction().unwrap_or_default()),
        })
    }
}

/// What users saw of it: an answer that came as late as the fault made it is a failure too, whoever gave it.
fn seen(fault: Fault, report: &Report) -> u64 {
    // A hundredth less, for the width of a bucket.
    let late = |delay: Duration| report.latency.above(delay.mul_f64(0.99));
    match fault {
        Fault::Slow => late(SLOW_DELAY) + report.errors,
        Fault::Hang => late(TIMEOUT.1) + report.errors,
        _ => report.failures(),
    }
}

/// Enough for what is under way at once.
fn connections(fault: Fault) -> usize {
    if fault == Fault::Hang { 96 } else { 32 }
}

fn request(system: System) -> Vec<u8> {
    match system {
        System::SluicePost => load::post("/"),
        _ => load::get("/", ""),
    }
}
