//! What is tried: which system, which fault, at which phase; and for how long everything takes.

use std::time::Duration;

use sluice_benches::chance::Chance;
use sluice_benches::faults::Fault;
use sluice_benches::polling::Polling;

/// A system and its setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Sluice with its own limit, asked by GET.
    Sluice,
    /// The same, asked by POST, which nothing may repeat.
    SluicePost,
    /// Sluice with the sample's limit, 95 %.
    SluiceLenient,
    /// The poll as documented.
    Sample,
    /// The poll at its most aggressive.
    Eager,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tempo {
    /// Healthy traffic before the analysis begins, so that Prometheus has samples.
    pub(crate) warm: Duration,
    /// How long both arms are out.
    pub(crate) outage: Duration,
    /// After that a short trial counts as not decided.
    pub(crate) short: Duration,
    /// The same for the documented poll, and as long healthy canaries are watched.
    pub(crate) long: Duration,
    /// After the decision, until requests under way have ended.
    pub(crate) settle: Duration,
    pub(crate) sample: Polling,
    pub(crate) eager: Polling,
}

/// One trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) number: usize,
    pub(crate) system: System,
    pub(crate) fault: Fault,
    /// Where in the interval the fault begins, 0 to 1.
    pub(crate) phase: f64,
    pub(crate) seed: u64,
}

// === impl System ===

impl System {
    pub(crate) const ALL: [Self; 5] = [Self::Sluice, Self::SluicePost, Self::SluiceLenient, Self::Eager, Self::Sample];
    /// Those of the picture.
    pub(crate) const DRAWN: [Self; 4] = [Self::Sluice, Self::SluicePost, Self::Eager, Self::Sample];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Sluice => "Sluice, GET",
            Self::SluicePost => "Sluice, POST",
            Self::SluiceLenient => "Sluice, GET, limit 95 %",
            Self::Eager => "poll, aggressive",
            Self::Sample => "poll, as documented",
        }
    }

    /// Healthy canaries are watched for long, and neither POST nor a higher limit makes their revert any likelier.
    fn is_tried_with(self, fault: Fault) -> bool {
        fault != Fault::Bursts || !matches!(self, Self::SluicePost | Self::SluiceLenient)
    }

    /// Least success rate that Sluice is told.
    pub(crate) fn success(self) -> &'static str {
        if self == Self::SluiceLenient { "95%" } else { "99%" }
    }
}

// === impl Tempo ===

impl Tempo {
    /// As people have it.
    pub(crate) fn usual() -> Self {
        Self {
            warm: Duration::from_secs(35),
            outage: Duration::from_secs(60),
            short: Duration::from_secs(300),
            long: Duration::from_secs(1_260),
            settle: Duration::from_secs(6),
            sample: Polling::SAMPLE,
            eager: Polling::EAGER,
        }
    }

    /// The same steps in little time, to see them work: its figures say nothing.
    pub(crate) fn quick() -> Self {
        let mut quick = Self {
            warm: Duration::from_secs(6),
            outage: Duration::from_secs(10),
            short: Duration::from_secs(30),
            long: Duration::from_secs(60),
            ..Self::usual()
        };
        quick.sample.interval = Duration::from_secs(10);
        quick.sample.job.interval = Duration::from_secs(2);
        quick.eager.interval = Duration::from_secs(2);
        quick.eager.window = Duration::from_secs(8);
        quick.eager.job.interval = Duration::from_secs(2);
        quick
    }

    /// After that without a decision, a trial is over.
    pub(crate) fn patience(&self, trial: &Trial) -> Duration {
        match (trial.fault, trial.system) {
            (Fault::Bursts, _) | (_, System::Sample) => self.long,
            (Fault::Outage, _) => (self.outage * 2).min(self.short),
            _ => self.short,
        }
    }

    /// From the beginning of the analysis to that of the fault.
    pub(crate) fn lead(&self, trial: &Trial) -> Duration {
        let interval = match trial.system {
            System::Sample => self.sample.interval,
            System::Eager => self.eager.interval,
            // Sluice's own; see peers/sluice.yaml.
            System::Sluice | System::SluicePost | System::SluiceLenient => Duration::from_secs(30).min(self.short / 5),
        };
        interval.mul_f64(trial.phase)
    }

    /// More than any load takes.
    pub(crate) fn limit(&self, trial: &Trial) -> Duration {
        self.warm + self.lead(trial) + self.patience(trial) + self.settle + Duration::from_secs(60)
    }
}

/// Every system with every fault so many times, each at a phase of its own, in an order that is drawn too.
pub(crate) fn trials(faults: &[Fault], repetitions: usize, seed: u64) -> Vec<Trial> {
    let mut chance = Chance::new(seed);
    let mut trials = Vec::new();
    for system in System::ALL {
        for &fault in faults.iter().filter(|&&fault| system.is_tried_with(fault)) {
            for _ in 0..repetitions {
                let number = trials.len();
                let seed = (chance.draw() * 1e15) as u64;
                trials.push(Trial { number, system, fault, phase: chance.draw(), seed });
            }
        }
    }
    let mut drawn: Vec<(f64, Trial)> = trials.into_iter().map(|trial| (chance.draw(), trial)).collect();
    drawn.sort_by(|(first, _), (second, _)| first.total_cmp(second));
    drawn.into_iter().map(|(_, trial)| trial).collect()
}
