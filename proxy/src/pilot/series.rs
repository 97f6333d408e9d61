//! What one rollout did in the last 15 minutes, one sample a second, so that a page that is opened late shows the past.
//!
//! A sample is the difference of two readings of the totals, histogram included: requests, failures and quantiles are
//! of that second and of no other. Off the hot path (the pilot's beat), and bounded: 900 samples of some 80 bytes and
//! one reading for each rollout, about 4 MB for fifty.

use std::collections::VecDeque;

use sluice_api::{ArmSample, Sample, Series};
use sluice_engine::evidence::{ARMS, Arm};
use sluice_engine::histogram::{self, BUCKETS};
use sluice_engine::units::Weight;

use super::ledger::{ArmSums, Sums};

/// Time from one sample to the next.
pub(super) const SAMPLE_EVERY_US: u64 = 1_000_000;

/// How many samples are kept: 15 minutes.
const KEPT: usize = 900;

/// The quantiles that are kept.
const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// What is known about the moment in which a sample is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Unix time, milliseconds.
    pub(super) at_ms: u64,
    pub(super) generation: u64,
    /// In force.
    pub(super) weight: Weight,
    pub(super) has_canary: bool,
}

/// The samples of one rollout, oldest first.
#[derive(Debug, Default)]
pub(super) struct Past {
    kept: VecDeque<Kept>,
    /// The totals at the last sample.
    seen: Sums,
}

#[derive(Debug)]
struct Kept {
    moment: Moment,
    arms: [KeptArm; 2],
}

/// Small on purpose: there are many.
#[derive(Clone, Copy, Debug)]
struct KeptArm {
    requests: u32,
    failures: u32,
    /// Microseconds; absent if nothing was answered.
    quantiles_us: Option<[u32; QUANTILES.len()]>,
}

// === impl Past ===

impl Past {
    /// Keeps what happened between the last reading and this one.
    pub(super) fn push(&mut self, moment: Moment, totals: Sums) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        let arms = ARMS.map(|arm| KeptArm::between(self.seen.arm(arm), totals.arm(arm)));
        self.kept.push_back(Kept { moment, arms });
        self.seen = totals;
    }

    /// The samples that were taken after `after_ms`.
    pub(super) fn series(&self, name: &str, after_ms: u64) -> Series {
        // Not a search by halves: the time of day may have been set back.
        let samples = self.kept.iter().filter(|kept| kept.moment.at_ms > after_ms).map(Kept::to_sample).collect();
        Series { name: name.to_owned(), interval_ms: SAMPLE_EVERY_US / 1_000, samples }
    }
}

// === impl Kept ===

impl Kept {
    fn to_sample(&self) -> Sample {
        let Moment { at_ms, generation, weight, has_canary } = self.moment;
        let arm = |arm: Arm| self.arms[arm.index()].to_sample();
        Sample {
            at_ms,
            generation,
            weight: weight.percent(),
            stable: arm(Arm::Stable),
            canary: has_canary.then(|| arm(Arm::Canary)),
        }
    }
}

// === impl KeptArm ===

impl KeptArm {
    fn between(before: &ArmSums, after: &ArmSums) -> Self {
        let mut latency = [0; BUCKETS];
        for ((new, before), after) in latency.iter_mut().zip(before.latency.iter()).zip(after.latency.iter()) {
            *new = after.saturating_sub(*before);
        }
        // The first one is there whenever the others are.
        let quantile = |q: f64| histogram::quantile(&latency, q).map_or(0, |estimate| small(estimate.midpoint()));
        let is_answered = latency.iter().any(|&count| count > 0);
        Self {
            requests: small(after.finished().saturating_sub(before.finished())),
            failures: small(after.failed().saturating_sub(before.failed())),
            quantiles_us: is_answered.then(|| QUANTILES.map(quantile)),
        }
    }

    fn to_sample(self) -> ArmSample {
        let [p50_ms, p95_ms, p99_ms] = match self.quantiles_us {
            Some(quantiles) => quantiles.map(|us| Some(f64::from(us) / 1_000.0)),
            None => [None; QUANTILES.len()],
        };
        ArmSample { requests: self.requests.into(), failures: self.failures.into(), p50_ms, p95_ms, p99_ms }
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_moment(at_ms: u64) -> Moment {
        Moment { at_ms, generation: 1, weight: Weight::try_from_percent(25.0).unwrap(), has_canary: true }
    }

    /// Totals after so many more answers of the canary that took `us`, some of them failed.
    fn answer(totals: &mut Sums, requests: u64, failed: u64, us: u64) {
        let canary = &mut totals.arms[Arm::Canary.index()];
        canary.codes[2] += requests - failed;
        canary.codes[5] += failed;
        canary.failures[0] += failed;
        canary.latency[histogram::index(us)] += requests;
    }

    #[test]
    fn a_sample_holds_its_own_second_and_nothing_of_those_before() {
        let (mut past, mut totals) = (Past::default(), Sums::default());
        answer(&mut totals, 100, 50, 40_000);
        past.push(mk_moment(1_000), totals.clone());
        answer(&mut totals, 10, 1, 2_000);
        past.push(mk_moment(2_000), totals);
        let series = past.series("shop", 1_000);
        let [sample] = series.samples.as_slice() else { panic!("{series:?}") };
        let canary = sample.canary.as_ref().unwrap();
        assert_eq!((sample.at_ms, sample.weight, canary.requests, canary.failures), (2_000, 25.0, 10, 1));
        assert!(canary.p99_ms.is_some_and(|p99| (p99 - 2.0).abs() < 0.05), "{canary:?}");
    }

    #[test]
    fn an_arm_that_answered_nothing_has_no_latency_and_no_canary_has_no_sample() {
        let mut past = Past::default();
        past.push(Moment { has_canary: false, ..mk_moment(1_000) }, Sums::default());
        let sample = past.series("shop", 0).samples.remove(0);
        assert_eq!((sample.stable.requests, sample.stable.p50_ms, sample.canary), (0, None, None));
    }

    #[test]
    fn fifteen_minutes_are_kept_and_no_more() {
        let mut past = Past::default();
        (1..=1_000).for_each(|second| past.push(mk_moment(second * 1_000), Sums::default()));
        let samples = past.series("shop", 0).samples;
        assert_eq!((samples.len(), samples[0].at_ms, samples[899].at_ms), (900, 101_000, 1_000_000));
        assert!(size_of::<Kept>() <= 96, "{} bytes", size_of::<Kept>());
    }
}
