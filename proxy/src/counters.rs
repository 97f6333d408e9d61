//! What workers count, and how the pilot hears of a failure.
//!
//! One [`Shard`] per worker and generation. A shard is written by its one worker only (a relaxed load and a relaxed
//! store, so no contended atomics) and read by the pilot. Counters are never reset: they wrap, and readers take
//! differences. Only a canary *failure* touches a word that is shared by all: the wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use sluice_engine::evidence::{Arm, Counts};
use sluice_engine::histogram::BUCKETS;
use sluice_engine::units::TICK_MS;
use tokio::sync::Notify;

/// The oldest slots are left alone: whoever reads them may be late by as many ticks, and another worker may have begun
/// to use them anew.
pub const RING_MARGIN_TICKS: u64 = 9;

/// Slots for outcomes that come later than the ring is long, by step: the step's number modulo this.
pub const LATE_SLOTS: usize = 8;

/// The eight counters of both arms for one start cohort: one cache line.
///
/// Two counters share a word, so that an ordinary outcome (done, and fast) is one addition. A carry from the lower into
/// the upper one does no harm: readers take differences of whole words, and a difference is exact.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Cohort {
    /// Indexed by [`Arm::index`].
    pub arms: [Pairs; 2],
}

/// The eight counters of one arm in one start cohort.
#[derive(Debug, Default)]
pub struct Pairs {
    /// `started`, and above it `late_cancel`.
    pub started: AtomicU64,
    /// `done`, and above it `fast`.
    pub done: AtomicU64,
    /// `failed`, and above it `slow`.
    pub failed: AtomicU64,
    /// `c4xx`, and above it `excluded`.
    pub c4xx: AtomicU64,
}

/// One in the lower counter of a word.
pub const LOWER: u64 = 1;
/// One in the upper counter of a word.
pub const UPPER: u64 = 1 << 32;

/// Why an attempt failed: the label `kind` of `sluice_attempt_failures_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// 5xx from the upstream.
    Status,
    /// No connection: refused, unreachable, TLS.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// No answer in time.
    Timeout,
    /// Reset or closed before the head of the answer.
    Reset,
    /// Reset or truncated after the head.
    Truncated,
    /// What came was no HTTP.
    Protocol,
    /// No endpoint to send it to.
    NoEndpoint,
}

/// Running totals of one arm, for people and metrics. Written by one worker.
#[derive(Debug)]
pub struct ArmTotals {
    /// Attempts begun.
    pub started: AtomicU64,
    /// Of the begun ones, those directed by header, cookie, match rule or preview.
    pub directed: AtomicU64,
    /// Attempts ended, by status class of the answer: 0 is `none`, then 1xx to 5xx. 2xx are not counted here: they are
    /// what has a latency and no other class.
    pub codes: [AtomicU64; 6],
    /// Failed attempts by [`FailureKind::index`].
    pub failures: [AtomicU64; FailureKind::COUNT],
    /// Failures that the user saw.
    pub user_failures: AtomicU64,
    /// Latency of answered attempts, log-linear buckets of microseconds.
    pub latency: Box<[AtomicU32; BUCKETS]>,
    /// Sum of those latencies, microseconds.
    pub latency_sum_us: AtomicU64,
}

/// Totals of the shield. Written by one worker.
#[derive(Debug, Default)]
pub struct ShieldTotals {
    /// Failed canary requests that stable answered.
    pub answered: AtomicU64,
    /// Second attempts that failed as well.
    pub failed: AtomicU64,
    /// Not tried: budget used up.
    pub over_budget: AtomicU64,
}

/// Everything one worker counts for one generation of one rollout.
#[derive(Debug)]
pub struct Shard {
    /// Start cohorts: slot = tick modulo the length, a power of two.
    pub ring: Box<[Cohort]>,
    /// An outcome finds its cohort in the ring if its request took no longer than this, microseconds.
    pub ring_us: u64,
    /// Outcomes of cohorts older than the ring, by step.
    pub late: [Cohort; LATE_SLOTS],
    /// Totals, indexed by [`Arm::index`].
    pub arms: [ArmTotals; 2],
    /// The shield's.
    pub shield: ShieldTotals,
}

/// The counters of one generation: a shard for each worker.
#[derive(Debug)]
pub struct GenerationCounters {
    /// Indexed by worker. A worker clones only its own `Arc`, so its reference count is never contended.
    pub shards: Vec<Arc<Shard>>,
    /// Wakes the pilot.
    pub wake: Arc<Wake>,
}

/// Wakes the pilot; signals while one is pending cost a load.
#[derive(Debug, Default)]
pub struct Wake {
    pending: AtomicBool,
    notify: Notify,
}

// === impl Pairs ===

impl Pairs {
    /// The four words. Outcomes come before starts, so that whoever reads in this order sees nothing end before it
    /// began.
    pub fn words(&self) -> [u64; 4] {
        [&self.c4xx, &self.failed, &self.done, &self.started].map(|word| word.load(Relaxed))
    }

    /// The counts in words, or in differences of words, of [`Pairs::words`].
    pub fn counts(words: [u64; 4]) -> Counts {
        let [(c4xx, excluded), (failed, slow), (done, fast), (started, late_cancel)] =
            words.map(|word| (word as u32, (word >> 32) as u32));
        Counts { started, done, failed, fast, slow, excluded, late_cancel, c4xx }
    }
}

// === impl FailureKind ===

impl FailureKind {
    /// How many kinds there are.
    pub const COUNT: usize = 8;
    /// Every kind, by index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Status,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Timeout,
        Self::Reset,
        Self::Truncated,
        Self::Protocol,
        Self::NoEndpoint,
    ];

    /// Place in [`FailureKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Value of the metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Protocol => "protocol",
            Self::NoEndpoint => "no_endpoint",
        }
    }
}

// === impl Shard ===

impl Shard {
    /// An empty shard whose ring holds `ticks` cohorts (a power of two).
    pub fn new(ticks: usize) -> Self {
        debug_assert!(ticks.is_power_of_two(), "the slot of a tick is found by a mask");
        Self {
            ring: (0..ticks).map(|_| Cohort::default()).collect(),
            ring_us: (ticks as u64).saturating_sub(RING_MARGIN_TICKS) * TICK_MS * 1_000,
            late: Default::default(),
            arms: [ArmTotals::default(), ArmTotals::default()],
            shield: ShieldTotals::default(),
        }
    }

    /// The totals of one arm.
    pub fn arm(&self, arm: Arm) -> &ArmTotals {
        &self.arms[arm.index()]
    }
}

impl Default for ArmTotals {
    fn default() -> Self {
        Self {
            started: AtomicU64::default(),
            directed: AtomicU64::default(),
            codes: Default::default(),
            failures: Default::default(),
            user_failures: AtomicU64::default(),
            latency: Box::new([const { AtomicU32::new(0) }; BUCKETS]),
            latency_sum_us: AtomicU64::default(),
        }
    }
}

// === impl GenerationCounters ===

impl GenerationCounters {
    /// Empty counters for `workers` workers; `limit_ms` is the latency limit, if any, which decides how long cohorts
    /// are kept one by one: the next power of two of max(128, limit/50 ms + 16) ticks.
    pub fn new(workers: usize, limit_ms: Option<u64>, wake: Arc<Wake>) -> Self {
        let ticks = Self::ring_ticks(limit_ms);
        Self { shards: (0..workers).map(|_| Arc::new(Shard::new(ticks))).collect(), wake }
    }

    /// Length of the ring in ticks.
    pub fn ring_ticks(limit_ms: Option<u64>) -> usize {
        let limit_ticks = limit_ms.unwrap_or(0).div_ceil(TICK_MS) as usize;
        (limit_ticks + 16).max(128).next_power_of_two()
    }
}

// === impl Wake ===

impl Wake {
    /// Asks the pilot to look now.
    pub fn signal(&self) {
        if !self.pending.load(Relaxed) && !self.pending.swap(true, Relaxed) {
            self.notify.notify_one();
        }
    }

    /// Waits for a signal. Signals from here on are pending again.
    pub async fn signalled(&self) {
        self.notify.notified().await;
        self.pending.store(false, Relaxed);
    }
}

/// Adds one to a counter that only the calling worker writes.
#[inline]
pub fn bump(counter: &AtomicU32) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

/// Adds `n` to a counter that only the calling worker writes.
#[inline]
pub fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}
