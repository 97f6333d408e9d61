//! Where the pilot puts up what others may see of one rollout: its status, its events, its totals.
//!
//! The pilot is the only one that writes; readers never make it wait for more than a copy.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use sluice_api::{Decision, ReleaseTimes, RolloutStatus, Series};
use sluice_engine::judge::{LatencyLimit, Metric, Settings};
use sluice_engine::rollout::{Event, EventKind, PastGeneration, Reason};
use tokio::sync::broadcast;

use super::ledger::{Ledger, Sums};
use super::series::{Moment, Past};
use crate::counters::GenerationCounters;
use crate::dora;
use crate::gates::GateResult;

/// How many decisions are kept for those who come later.
const RECENT: usize = 200;

/// Items that a slow subscriber may lag behind before it misses some.
const FEED: usize = 256;

/// Upper bounds of the revert histogram, seconds.
const REVERT_BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0, 600.0];

/// One item of a rollout's feed.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// The rollout as it is now.
    Status(Arc<RolloutStatus>),
    /// Something was decided.
    Decision(Arc<Decision>),
}

/// What a subscriber gets.
#[derive(Debug)]
pub struct Subscription {
    /// The rollout as it is now.
    pub status: Arc<RolloutStatus>,
    /// The last decisions, oldest first.
    pub recent: Vec<Arc<Decision>>,
    /// What comes from here on.
    pub feed: broadcast::Receiver<FeedItem>,
}

/// Upper bounds of the lead time histogram, seconds: from a minute's hotfix to a week of steps.
const LEAD_TIME_BOUNDS: [f64; 12] =
    [10.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0, 604_800.0];

/// How long something took, each time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimesTaken {
    /// Upper bounds, seconds.
    pub bounds: &'static [f64],
    /// By bound, the last one open; not cumulative.
    pub counts: Vec<u64>,
    /// Sum, seconds.
    pub sum: f64,
}

/// What is counted about decisions.
#[derive(Clone, Debug)]
pub struct Tally {
    /// By verdict and metric.
    pub verdicts: BTreeMap<(&'static str, &'static str), u64>,
    /// How long reverts took.
    pub reverts: TimesTaken,
    /// Answers of gates, by gate and result.
    pub answers: BTreeMap<(String, GateResult), u64>,
    /// Changes by [`dora::RESULTS`].
    pub changes: BTreeMap<&'static str, u64>,
    /// From the start of deployments to 100 %.
    pub lead_times: TimesTaken,
}

/// What the present plan allows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Share of failed requests.
    pub failed: f64,
    /// Share of requests slower than so many milliseconds.
    pub latency: Option<LatencyLimit>,
}

/// One rollout's board.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) name: Arc<str>,
    status: ArcSwap<RolloutStatus>,
    feed: broadcast::Sender<FeedItem>,
    recent: Mutex<VecDeque<Arc<Decision>>>,
    ledger: Mutex<Ledger>,
    past: Mutex<Past>,
    tally: Mutex<Tally>,
    /// The latency limit of the present plan, milliseconds; 0 without one.
    limit_ms: AtomicU64,
    limits: Mutex<Limits>,
}

// === impl Board ===

impl Board {
    pub(super) fn new(name: Arc<str>, status: RolloutStatus) -> Self {
        Self {
            name,
            status: ArcSwap::from_pointee(status),
            feed: broadcast::channel(FEED).0,
            recent: Mutex::default(),
            ledger: Mutex::default(),
            past: Mutex::default(),
            tally: Mutex::default(),
            limit_ms: AtomicU64::new(0),
            limits: Mutex::default(),
        }
    }

    pub(super) fn status(&self) -> Arc<RolloutStatus> {
        self.status.load_full()
    }

    /// Puts up a status; `announce` also sends it to the subscribers.
    pub(super) fn put_status(&self, status: RolloutStatus, announce: bool) {
        let status = Arc::new(status);
        self.status.store(Arc::clone(&status));
        if announce {
            // An error only means that nobody has subscribed.
            let _ = self.feed.send(FeedItem::Status(status));
        }
    }

    /// Puts up a decision.
    pub(super) fn put_decision(&self, at_ms: u64, event: Event, reason: Reason) {
        if let Some(key) = verdict_of(&event, reason) {
            *lock(&self.tally).verdicts.entry(key).or_default() += 1;
        }
        let decision = Arc::new(Decision { name: self.name.as_ref().to_owned(), at_ms, event });
        let mut recent = lock(&self.recent);
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&decision));
        // Under the lock, so that a subscriber gets each decision exactly once: from the ring or from the feed.
        let _ = self.feed.send(FeedItem::Decision(decision));
    }

    /// Puts up what happened since the last sample.
    pub(super) fn put_sample(&self, moment: Moment) {
        let totals = self.totals();
        lock(&self.past).push(moment, totals);
    }

    /// The samples that were taken after `after_ms`.
    pub(super) fn series(&self, after_ms: u64) -> Series {
        lock(&self.past).series(&self.name, after_ms)
    }

    /// Counts how long a revert took.
    pub(super) fn count_revert(&self, seconds: f64) {
        lock(&self.tally).reverts.add(seconds);
    }

    /// Counts a release that ended, if it was a change.
    pub(super) fn count_ended(&self, ended: &PastGeneration, times: &ReleaseTimes) {
        let Some(result) = dora::result(ended.outcome, !ended.reached.is_zero()) else { return };
        let mut tally = lock(&self.tally);
        *tally.changes.entry(result).or_default() += 1;
        if let Some(lead_time_ms) = dora::lead_time_ms(ended.outcome, times) {
            tally.lead_times.add(lead_time_ms / 1_000.0);
        }
    }

    /// Puts up what the present plan allows.
    pub(super) fn put_limits(&self, analysis: &Settings) {
        *lock(&self.limits) = Limits { failed: analysis.theta, latency: analysis.latency };
    }

    pub(super) fn limits(&self) -> Limits {
        *lock(&self.limits)
    }

    /// Counts a gate's answer.
    pub(super) fn count_answer(&self, gate: &str, result: GateResult) {
        *lock(&self.tally).answers.entry((gate.to_owned(), result)).or_default() += 1;
    }

    pub(super) fn limit_ms(&self) -> Option<u64> {
        Some(self.limit_ms.load(Relaxed)).filter(|&limit| limit > 0)
    }

    /// The counters of another generation, under this limit, are the present ones.
    pub(super) fn begin(&self, counters: Arc<GenerationCounters>, limit_ms: Option<u64>) {
        self.limit_ms.store(limit_ms.unwrap_or(0), Relaxed);
        self.ledger().begin(counters);
    }

    pub(super) fn tally(&self) -> Tally {
        lock(&self.tally).clone()
    }

    pub(super) fn subscribe(&self) -> Subscription {
        let recent = lock(&self.recent);
        Subscription {
            status: self.status(),
            recent: recent.iter().map(Arc::clone).collect(),
            feed: self.feed.subscribe(),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Totals since the start of the process, read now.
    pub(super) fn totals(&self) -> Sums {
        let mut ledger = self.ledger();
        ledger.refresh();
        ledger.total()
    }
}

// === impl TimesTaken ===

impl TimesTaken {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn add(&mut self, seconds: f64) {
        let bucket = self.bounds.iter().position(|&bound| seconds <= bound).unwrap_or(self.bounds.len());
        self.counts[bucket] += 1;
        self.sum += seconds;
    }
}

// === impl Tally ===

impl Default for Tally {
    fn default() -> Self {
        Self {
            verdicts: BTreeMap::new(),
            reverts: TimesTaken::new(&REVERT_BOUNDS),
            answers: BTreeMap::new(),
            changes: dora::RESULTS.map(|result| (result, 0)).into(),
            lead_times: TimesTaken::new(&LEAD_TIME_BOUNDS),
        }
    }
}

/// The value of the labels `verdict` and `metric`, if the event is a verdict.
fn verdict_of(event: &Event, reason: Reason) -> Option<(&'static str, &'static str)> {
    let verdict = match event.kind {
        EventKind::Reverted => "revert",
        EventKind::Completed => "promote",
        EventKind::Held if event.verdict.is_some() => "hold",
        EventKind::Paused if reason == Reason::Inconclusive => "inconclusive",
        EventKind::Paused if event.verdict.is_some() => "pause",
        EventKind::Started
        | EventKind::Step
        | EventKind::Paused
        | EventKind::Resumed
        | EventKind::Held
        | EventKind::Suspended
        | EventKind::Aborted
        | EventKind::Note => return None,
    };
    Some((verdict, event.verdict.as_ref().map_or("none", |verdict| metric_label(verdict.metric))))
}

/// Value of the label `metric`.
pub fn metric_label(metric: Metric) -> &'static str {
    match metric {
        Metric::Failures => "failures",
        Metric::Latency => "latency",
        Metric::C4xx => "4xx",
        Metric::Cancels => "cancels",
    }
}

/// What the locks guard is whole after every statement, so a panic elsewhere does no harm to it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
