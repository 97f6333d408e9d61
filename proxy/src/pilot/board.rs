//! Where the pilot puts up what others may see of one rollout: its status, its events, its totals.
//!
//! The pilot is the only one that writes; readers never make it wait for more than a copy.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use sluice_api::{Decision, RolloutStatus, Series};
use sluice_engine::judge::Metric;
use sluice_engine::rollout::{Event, EventKind, Reason};
use tokio::sync::broadcast;

use super::ledger::{Ledger, Sums};
use super::series::{Moment, Past};
use crate::counters::GenerationCounters;

/// How many decisions are kept for those who come later.
const RECENT: usize = 200;

/// Items that a slow subscriber may lag behind before it misses some.
const FEED: usize = 256;

/// Upper bounds of the revert histogram, seconds.
pub const REVERT_BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

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

/// How long reverts took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RevertTimes {
    /// By [`REVERT_BOUNDS`], the last one open; not cumulative.
    pub counts: [u64; REVERT_BOUNDS.len() + 1],
    /// Sum, seconds.
    pub sum: f64,
}

/// What is counted about decisions.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By verdict and metric.
    pub verdicts: BTreeMap<(&'static str, &'static str), u64>,
    /// How long reverts took.
    pub reverts: RevertTimes,
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
        let mut tally = lock(&self.tally);
        let bucket = REVERT_BOUNDS.iter().position(|&bound| seconds <= bound).unwrap_or(REVERT_BOUNDS.len());
        tally.reverts.counts[bucket] += 1;
        tally.reverts.sum += seconds;
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
