//! What is measured, and the rounds of it.

use std::collections::BTreeMap;

use sluice_benches::peers::Kind;
use sluice_benches::series::Series;

/// One figure; lower is better except for the requests a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// CPU of the process per request, µs, closed load.
    Cpu,
    /// The user part of it.
    CpuUser,
    /// Requests a second, closed load.
    Rate,
    /// How busy the process kept its core, percent, closed load.
    Busy,
    /// Median latency, ms, closed load.
    P50,
    /// 99th percentile, ms, closed load.
    P99,
    /// CPU of the process per request, µs, paced load.
    PacedCpu,
    /// Median latency from the intended time, ms, paced load.
    PacedP50,
    /// 99th percentile from the intended time, ms, paced load.
    PacedP99,
    /// CPU of all threads but the workers in percent of a core, paced load.
    Control,
    /// CPU per request, µs, 16 KiB answers.
    Cpu16k,
    /// CPU per request, µs, 1 MiB answers.
    Cpu1m,
    /// Resident memory, MiB, after the first load of the fresh process: 1,000 a second.
    Memory,
    /// Resident memory, MiB, after all rounds.
    MemoryAfter,
    /// Share of requests that reached the canary, percent.
    CanaryShare,
    /// Requests that failed.
    Failed,
}

/// Rounds of every figure of every peer.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<(Figure, Kind), Series>);

impl Figure {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 16] = [
        Self::Cpu,
        Self::CpuUser,
        Self::Rate,
        Self::Busy,
        Self::P50,
        Self::P99,
        Self::PacedCpu,
        Self::PacedP50,
        Self::PacedP99,
        Self::Control,
        Self::Cpu16k,
        Self::Cpu1m,
        Self::Memory,
        Self::MemoryAfter,
        Self::CanaryShare,
        Self::Failed,
    ];

    /// Those of which a ratio says something.
    pub(crate) const COMPARED: [Self; 11] = [
        Self::Cpu,
        Self::Rate,
        Self::P50,
        Self::P99,
        Self::PacedCpu,
        Self::PacedP50,
        Self::PacedP99,
        Self::Cpu16k,
        Self::Cpu1m,
        Self::Memory,
        Self::MemoryAfter,
    ];

    /// Name in the table; `rate` is that of the paced load.
    pub(crate) fn label(self, rate: f64) -> String {
        match self {
            Self::Cpu => "CPU per request, µs (saturated)".to_owned(),
            Self::CpuUser => "– of it in user space, µs".to_owned(),
            Self::Rate => "requests/s (saturated)".to_owned(),
            Self::Busy => "own core busy, % (saturated)".to_owned(),
            Self::P50 => "p50, ms (saturated)".to_owned(),
            Self::P99 => "p99, ms (saturated)".to_owned(),
            Self::PacedCpu => format!("CPU per request, µs ({rate} req/s)"),
            Self::PacedP50 => format!("p50, ms ({rate} req/s)"),
            Self::PacedP99 => format!("p99, ms ({rate} req/s)"),
            Self::Control => format!("pilot and admin, % of a core ({rate} req/s)"),
            Self::Cpu16k => "CPU per request, µs (16 KiB answers)".to_owned(),
            Self::Cpu1m => "CPU per request, µs (1 MiB answers)".to_owned(),
            Self::Memory => "resident memory, MiB (1000 req/s)".to_owned(),
            Self::MemoryAfter => "resident memory, MiB (after all rounds)".to_owned(),
            Self::CanaryShare => "share of the canary, %".to_owned(),
            Self::Failed => "failed requests per round".to_owned(),
        }
    }

    /// Whether the figure means something for that peer.
    pub(crate) fn applies_to(self, kind: Kind) -> bool {
        match self {
            // Only our threads have names that tell the two apart.
            Self::Control => kind == Kind::Sluice,
            _ => true,
        }
    }
}

impl Figures {
    pub(crate) fn push(&mut self, figure: Figure, kind: Kind, value: f64) {
        if figure.applies_to(kind) {
            self.0.entry((figure, kind)).or_default().push(value);
        }
    }

    pub(crate) fn get(&self, figure: Figure, kind: Kind) -> Option<&Series> {
        self.0.get(&(figure, kind))
    }

    /// Sluice's rounds divided by another's.
    pub(crate) fn ratio(&self, figure: Figure, other: Kind) -> Option<Series> {
        Some(self.get(figure, Kind::Sluice)?.ratio(self.get(figure, other)?))
    }
}
