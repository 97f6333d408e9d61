//! Traces of attempts that failed or were slow, to be shown beside the counters that they are in.
//!
//! Only such attempts come here, and only those whose caller says that the trace is sampled: an ordinary request looks
//! at one field of its connection and goes on. What is kept is bounded: the last one for each kind of failure and for
//! each doubling of latency, of each arm. It never makes a worker wait: where another one is writing, the example is let
//! go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sluice_engine::evidence::Arm;
use sluice_engine::histogram::{BUCKETS, index};

use crate::counters::FailureKind;

/// Doublings of latency that have buckets of their own: 32 buckets each.
const OCTAVES: usize = BUCKETS.div_ceil(32);

/// The identifier of a trace: 32 small hexadecimal digits, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// Its trace.
    pub trace: TraceId,
    /// How long it took, seconds.
    pub seconds: f64,
    /// When it ended, seconds since 1970.
    pub at: f64,
}

/// What is kept of one arm.
#[derive(Clone, Debug)]
pub struct ArmExemplars {
    /// By [`FailureKind::index`].
    pub failures: [Option<Exemplar>; FailureKind::COUNT],
    /// By doubling of latency, of answered attempts.
    pub latency: [Option<Exemplar>; OCTAVES],
}

/// What is kept of all rollouts.
#[derive(Debug, Default)]
pub struct Exemplars(Mutex<BTreeMap<Arc<str>, [ArmExemplars; 2]>>);

// === impl TraceId ===

impl TraceId {
    /// The identifier with these digits, if it is one.
    pub fn try_new(digits: &[u8]) -> Option<Self> {
        let digits: [u8; 32] = digits.try_into().ok()?;
        let is_hex = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && digits != [b'0'; 32]).then_some(Self(digits))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

// === impl Exemplars ===

impl Exemplars {
    /// Keeps an attempt: `kind` if it failed, `is_answered` if its latency counts.
    pub fn keep(
        &self,
        rollout: &Arc<str>,
        arm: Arm,
        trace: TraceId,
        elapsed_us: u64,
        (kind, is_answered): (Option<FailureKind>, bool),
    ) {
        let Ok(mut kept) = self.0.try_lock() else { return };
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let exemplar = Some(Exemplar { trace, seconds: elapsed_us as f64 / 1e6, at });
        let arm = &mut kept.entry(Arc::clone(rollout)).or_default()[arm.index()];
        if let Some(kind) = kind {
            arm.failures[kind.index()] = exemplar;
        }
        if is_answered {
            arm.latency[index(elapsed_us) / 32] = exemplar;
        }
    }

    /// What is kept of `rollout`.
    pub fn of(&self, rollout: &str) -> [ArmExemplars; 2] {
        self.lock().get(rollout).cloned().unwrap_or_default()
    }

    /// Lets go of all rollouts but those for which `is_present` holds.
    pub fn retain(&self, is_present: impl Fn(&str) -> bool) {
        self.lock().retain(|rollout, _| is_present(rollout));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Arc<str>, [ArmExemplars; 2]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ArmExemplars {
    fn default() -> Self {
        Self { failures: Default::default(), latency: [None; OCTAVES] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_kind_and_doubling_is_kept_and_rollouts_that_are_gone_are_not() {
        let (exemplars, shop): (Exemplars, Arc<str>) = (Exemplars::default(), "shop".into());
        let trace = |digit: char| TraceId::try_new(digit.to_string().repeat(32).as_bytes()).unwrap();
        exemplars.keep(&shop, Arm::Canary, trace('a'), 1_000, (Some(FailureKind::Status), true));
        exemplars.keep(&shop, Arm::Canary, trace('b'), 1_010, (Some(FailureKind::Timeout), false));
        exemplars.keep(&shop, Arm::Canary, trace('c'), 1_020, (None, true));
        let canary = exemplars.of("shop")[Arm::Canary.index()].clone();
        let failure = |kind: FailureKind| canary.failures[kind.index()].map(|exemplar| exemplar.trace);
        assert_eq!((failure(FailureKind::Status), failure(FailureKind::Timeout)), (Some(trace('a')), Some(trace('b'))));
        let latency: Vec<_> = canary.latency.iter().flatten().map(|exemplar| exemplar.trace).collect();
        assert_eq!(latency, [trace('c')]);
        exemplars.retain(|rollout| rollout != "shop");
        assert!(exemplars.of("shop")[Arm::Canary.index()].latency.iter().all(Option::is_none));
    }

    #[test]
    fn only_small_hexadecimal_digits_are_an_identifier() {
        for bad in ["", &"0".repeat(32), &"A".repeat(32), &"a".repeat(31), &"g".repeat(32)] {
            assert_eq!(TraceId::try_new(bad.as_bytes()), None, "{bad}");
        }
    }
}
