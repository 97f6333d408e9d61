//! One trial: a fresh proxy, healthy traffic, a canary that begins to fail, and the wait until it is asked no more.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use sluice_benches::control::{self, Behaviour, Stats};
use sluice_benches::interrupt::Interrupt;
use sluice_benches::load::{self, Load, MAX_REQUESTS, Pace, Phase, Report};
use sluice_benches::peers::{Kind, Peer, Settings};

const CONNECTIONS: usize = 16;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// May be sent once more to stable when the canary failed it (shield).
    Get,
    /// May not.
    Post,
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) method: Method,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Share of the canary's requests that fail.
    pub(crate) failing: f64,
}

/// What a trial saw.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    /// Noted by the canary from the moment on from which it fails.
    pub(crate) canary: Stats,
    /// Failures that users saw.
    pub(crate) user_failures: u64,
    /// Whether the canary's traffic ended in time.
    pub(crate) decided: bool,
}

/// What all trials have in common.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) program: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) healthy: Duration,
    pub(crate) give_up: Duration,
    pub(crate) interrupt: &'a Interrupt,
}

// === impl Method ===

impl Method {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }

    fn request(self) -> Vec<u8> {
        match self {
            Self::Get => load::get("/", ""),
            Self::Post => load::post("/"),
        }
    }
}

// === impl Stage ===

impl Stage<'_> {
    pub(crate) fn run(&self, case: Case) -> anyhow::Result<Trial> {
        control::set(self.settings.canary, Behaviour::default())?;
        let peer = Peer::start(Kind::Sluice, &self.program, &self.settings, self.interrupt)?;
        let stop = self.interrupt.child();
        let mut load = Load::connect(peer.address, CONNECTIONS, case.method.request(), &stop)?;
        let phase = Phase {
            pace: Pace::PerSecond(case.rate),
            duration: self.healthy + self.give_up + Duration::from_secs(10),
            requests: MAX_REQUESTS,
        };
        thread::scope(|scope| {
            let loading = scope.spawn(move || load.run(&phase));
            let watched = self.watch(case);
            stop.set();
            let report = loading.join().map_err(|_| anyhow::anyhow!("the load panicked"))?;
            let (canary, decided) = watched?;
            Ok(self.trial(canary, decided, &report?))
        })
    }

    fn trial(&self, canary: Stats, decided: bool, report: &Report) -> Trial {
        Trial { canary, user_failures: report.failures(), decided }
    }

    /// Lets the canary fail after a while; what it noted, and whether its traffic ended.
    fn watch(&self, case: Case) -> anyhow::Result<(Stats, bool)> {
        let canary = self.settings.canary;
        self.interrupt.pass(self.healthy)?;
        let failing = Behaviour { fail: case.failing, ..Behaviour::default() };
        control::reset(canary)?;
        control::set(canary, failing)?;
        let quiet = self.quiet(case);
        let (mut last, mut since) = (Stats::default(), Instant::now());
        let decided = self.interrupt.wait_until(self.give_up, || {
            // A look that fails is made good by the next one.
            let stats = control::stats(canary).unwrap_or(last);
            if stats.requests != last.requests {
                (last, since) = (stats, Instant::now());
            }
            last.failures > 0 && since.elapsed() >= quiet
        })?;
        Ok((last, decided))
    }

    /// Without a request for so long, the canary gets none any more: ten are missing by then.
    fn quiet(&self, case: Case) -> Duration {
        let canary_rate = case.rate * self.settings.weight / 100.0;
        Duration::from_secs_f64((10.0 / canary_rate).max(0.5))
    }
}
