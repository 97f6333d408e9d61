//! The measuring itself: memory first, while every process is fresh, then round after round.

use std::time::{Duration, Instant};

use anyhow::Context;
use sluice_benches::control;
use sluice_benches::interrupt::Interrupt;
use sluice_benches::load::{self, Load, MAX_REQUESTS, Pace, Phase, Report};
use sluice_benches::loopback::Loopback;
use sluice_benches::peers::Peer;
use sluice_benches::usage::{Spent, Usage, resident_mib};

use crate::figures::{Figure, Figures};

/// What opens connections and fills caches before each measurement.
const WARM_UP: Duration = Duration::from_millis(300);
/// The load at which memory is to be at most 20 MB.
const MEMORY_RATE: f64 = 1_000.0;

/// What a run consists of.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) peers: &'a [Peer],
    pub(crate) arms: [Loopback; 2],
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    pub(crate) rate: f64,
    pub(crate) interrupt: &'a Interrupt,
}

/// What one phase cost and saw.
struct Sample {
    report: Report,
    spent: Spent,
    wall: Duration,
}

impl Bench<'_> {
    pub(crate) fn run(&self, rounds: usize) -> anyhow::Result<Figures> {
        let mut figures = Figures::default();
        self.each_peer(|peer| self.memory(peer, &mut figures))?;
        for round in 1..=rounds {
            println!("round {round} of {rounds}");
            self.each_peer(|peer| self.round(peer, &mut figures))?;
        }
        self.each_peer(|peer| {
            figures.push(Figure::MemoryAfter, peer.kind, resident_mib(peer.id())?);
            Ok(())
        })?;
        Ok(figures)
    }

    fn each_peer(&self, mut what: impl FnMut(&Peer) -> anyhow::Result<()>) -> anyhow::Result<()> {
        for peer in self.peers {
            what(peer).with_context(|| format!("measure {}", peer.kind.label()))?;
            self.interrupt.check()?;
        }
        Ok(())
    }

    fn memory(&self, peer: &Peer, figures: &mut Figures) -> anyhow::Result<()> {
        self.sample(peer, "/", Pace::PerSecond(MEMORY_RATE), self.duration)?;
        figures.push(Figure::Memory, peer.kind, resident_mib(peer.id())?);
        Ok(())
    }

    fn round(&self, peer: &Peer, figures: &mut Figures) -> anyhow::Result<()> {
        for arm in self.arms {
            control::reset(arm)?;
        }
        let mut failed = 0;
        let mut measured = |path: &str, pace, duration| -> anyhow::Result<Sample> {
            let sample = self.sample(peer, path, pace, duration)?;
            failed += sample.report.failures();
            Ok(sample)
        };
        let kind = peer.kind;
        let closed = measured("/", Pace::Closed, self.duration)?;
        figures.push(Figure::Cpu, kind, closed.per_request(closed.spent.total));
        figures.push(Figure::CpuUser, kind, closed.per_request(closed.spent.user));
        figures.push(Figure::Rate, kind, closed.report.rate());
        figures.push(Figure::Busy, kind, closed.share(closed.spent.total));
        figures.push(Figure::P50, kind, closed.quantile_ms(0.5));
        figures.push(Figure::P99, kind, closed.quantile_ms(0.99));
        let paced = measured("/", Pace::PerSecond(self.rate), self.duration)?;
        figures.push(Figure::PacedCpu, kind, paced.per_request(paced.spent.total));
        figures.push(Figure::PacedP50, kind, paced.quantile_ms(0.5));
        figures.push(Figure::PacedP99, kind, paced.quantile_ms(0.99));
        figures.push(Figure::Control, kind, paced.share(paced.spent.control));
        // Larger answers cost so much more that half the time says as much.
        let middle = measured("/16k", Pace::Closed, self.duration / 2)?;
        figures.push(Figure::Cpu16k, kind, middle.per_request(middle.spent.total));
        let large = measured("/1m", Pace::Closed, self.duration / 2)?;
        figures.push(Figure::Cpu1m, kind, large.per_request(large.spent.total));
        figures.push(Figure::Failed, kind, failed as f64);
        figures.push(Figure::CanaryShare, kind, self.canary_share()?);
        Ok(())
    }

    /// One phase over connections of its own, after a warm-up that does not count.
    fn sample(&self, peer: &Peer, path: &str, pace: Pace, duration: Duration) -> anyhow::Result<Sample> {
        let request = load::get(path, "");
        let mut load = Load::connect(peer.address, self.connections, request, self.interrupt)?;
        let phase = |duration| Phase { pace, duration, requests: MAX_REQUESTS };
        load.run(&phase(WARM_UP))?;
        let (before, begin) = (Usage::of(peer.id())?, Instant::now());
        let report = load.run(&phase(duration))?;
        let (spent, wall) = (Usage::of(peer.id())?.since(&before), begin.elapsed());
        anyhow::ensure!(!report.latency.is_empty(), "no request was answered");
        Ok(Sample { report, spent, wall })
    }

    fn canary_share(&self) -> anyhow::Result<f64> {
        let [stable, canary] = self.arms;
        let (stable, canary) = (control::stats(stable)?.requests, control::stats(canary)?.requests);
        Ok(100.0 * canary as f64 / (stable + canary).max(1) as f64)
    }
}

impl Sample {
    fn per_request(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.report.requests() as f64
    }

    fn share(&self, cpu: Duration) -> f64 {
        100.0 * cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    fn quantile_ms(&self, q: f64) -> f64 {
        self.report.latency.quantile(q).as_secs_f64() * 1_000.0
    }
}
