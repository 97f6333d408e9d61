//! What stands in front of a trial's service and takes the canary back: Sluice by itself, or nginx told by a poll.

use std::time::{Duration, Instant};

use sluice_benches::argo::Phase;
use sluice_benches::control;
use sluice_benches::exporter::{Exporter, Refusals};
use sluice_benches::faults::Fault;
use sluice_benches::loopback::Loopback;
use sluice_benches::peers::Peer;
use sluice_benches::polling::{AnalysisRun, Polling};
use sluice_benches::prometheus::Prometheus;
use sluice_benches::splitter::Splitter;

use crate::plan::Trial;

/// The system that is tried.
#[derive(Debug)]
pub(crate) enum Front<'a> {
    Sluice(Watched),
    Poll(Controller<'a>),
}

/// Sluice, and what it says of itself.
#[derive(Debug)]
pub(crate) struct Watched {
    peer: Peer,
    look_at: Instant,
    /// Between two looks.
    spacing: Duration,
    begun: Instant,
    /// A closed port notes nothing, so what Sluice counted stands in; seconds since `begun`.
    refusals: Refusals,
}

/// nginx, Prometheus, and a controller between them.
#[derive(Debug)]
pub(crate) struct Controller<'a> {
    splitter: Splitter,
    polling: Polling,
    trial: usize,
    run: Option<AnalysisRun>,
    prometheus: &'a Prometheus,
    exporter: &'a Exporter,
}

// === impl Front ===

impl Front<'_> {
    pub(crate) fn address(&self) -> Loopback {
        match self {
            Self::Sluice(watched) => watched.peer.address,
            Self::Poll(controller) => controller.splitter.address,
        }
    }

    /// The analysis begins; Sluice's began with its first request.
    pub(crate) fn begin(&mut self) {
        if let Self::Poll(controller) = self {
            let metrics = controller.polling.metrics(controller.trial);
            controller.run = Some(AnalysisRun::begin(metrics, Instant::now()));
        }
    }

    /// Lets a controller work; whether the canary has been taken back.
    pub(crate) fn look(&mut self) -> anyhow::Result<bool> {
        match self {
            Self::Sluice(watched) => Ok(watched.look()),
            Self::Poll(controller) => controller.look(),
        }
    }

    /// The canary's refused connections, counted to the end; a trial asks once.
    pub(crate) fn take_refusals(&mut self) -> Refusals {
        match self {
            Self::Sluice(watched) => {
                watched.look_at = Instant::now();
                watched.look();
                watched.refusals
            }
            Self::Poll(controller) => controller.exporter.end(controller.trial),
        }
    }
}

// === impl Watched ===

impl Watched {
    pub(crate) fn new(peer: Peer, trial: &Trial) -> Self {
        let spacing = if trial.fault == Fault::Refused { 50 } else { 250 };
        let now = Instant::now();
        Self { peer, look_at: now, spacing: Duration::from_millis(spacing), begun: now, refusals: Refusals::default() }
    }

    fn look(&mut self) -> bool {
        let now = Instant::now();
        if now < self.look_at {
            return false;
        }
        self.look_at = now + self.spacing;
        let admin = self.peer.admin;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n");
        // A look that fails is made good by the next one.
        let Ok((200, body)) = control::ask(admin, request.as_bytes()) else { return false };
        let text = String::from_utf8_lossy(&body);
        self.count(refused(&text), now);
        text.contains("sluice_phase{rollout=\"shop\",phase=\"Degraded\"} 1")
    }

    fn count(&mut self, count: u64, now: Instant) {
        if count == self.refusals.count {
            return;
        }
        let time = now.duration_since(self.begun).as_secs_f64();
        if self.refusals.count == 0 {
            self.refusals.first = time;
        }
        (self.refusals.count, self.refusals.last) = (count, time);
    }
}

/// Attempts of the canary that failed, of any kind: a port that closes also breaks what is under way.
fn refused(text: &str) -> u64 {
    let name = "sluice_attempt_failures_total{rollout=\"shop\",arm=\"canary\",";
    let counts = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    counts.filter_map(|count| count.parse::<u64>().ok()).sum()
}

// === impl Controller ===

impl<'a> Controller<'a> {
    pub(crate) fn new(
        splitter: Splitter,
        polling: Polling,
        trial: &Trial,
        prometheus: &'a Prometheus,
        exporter: &'a Exporter,
    ) -> Self {
        Self { splitter, polling, trial: trial.number, run: None, prometheus, exporter }
    }

    /// Takes the measurements that are due; a failed run sets the weight to zero.
    fn look(&mut self) -> anyhow::Result<bool> {
        let Some(run) = &mut self.run else { return Ok(false) };
        match run.advance(Instant::now(), |query| self.prometheus.first_value(query), Instant::now) {
            Phase::Running => Ok(false),
            Phase::Failed | Phase::Error => self.splitter.set_weight(0.0).map(|()| true),
        }
    }
}
