//! What one destination has still to be told, and how it went so far.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use sluice_api::NotificationStatus;
use tokio::sync::Notify;

use super::destination::Destination;
use super::notice::Notice;
use super::positions::Positions;

/// So many wait for a receiver that is down; then the oldest goes.
const LONGEST: usize = 1_000;
/// What is older is news to nobody.
pub(super) const GIVE_UP_AFTER_MS: u64 = 24 * 3_600 * 1_000;

/// How an attempt, or a notice, ended; a label of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver took it.
    Delivered,
    /// This attempt failed; it is tried again.
    Failed,
    /// The receiver will never take it.
    Refused,
    /// Nobody took it for a day.
    Expired,
    /// Too many waited.
    Dropped,
}

/// One destination's queue.
#[derive(Debug)]
pub(super) struct Queue {
    destination: ArcSwap<Destination>,
    inside: Mutex<Inside>,
    /// Something to do: a notice, another configuration, or the end.
    pub(super) wake: Notify,
    /// The configuration has it no more.
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<Arc<Notice>>,
    delivered: Positions,
    counts: [u64; Outcome::ALL.len()],
    last_error: Option<String>,
    last_delivered_at_ms: Option<u64>,
}

// === impl Outcome ===

impl Outcome {
    pub(super) const ALL: [Self; 5] = [Self::Delivered, Self::Failed, Self::Refused, Self::Expired, Self::Dropped];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
        }
    }
}

// === impl Queue ===

impl Queue {
    /// A queue of a destination that has got as far as `delivered`.
    pub(super) fn new(destination: Destination, delivered: Positions) -> Self {
        Self {
            destination: ArcSwap::from_pointee(destination),
            inside: Mutex::new(Inside { delivered, ..Inside::default() }),
            wake: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn destination(&self) -> Arc<Destination> {
        self.destination.load_full()
    }

    /// Goes on with another configuration, at once.
    pub(super) fn reconfigure(&self, destination: Destination) {
        self.destination.store(Arc::new(destination));
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes a notice, if the destination wants it and has not got it.
    pub(super) fn put(&self, notice: &Arc<Notice>) {
        let wants = self.destination.load().wants(notice);
        let mut inside = self.lock();
        if notice.rollout.as_ref().is_some_and(|rollout| inside.has_got(rollout, notice.sequence)) {
            return;
        }
        if !wants {
            return inside.pass_over(notice);
        }
        if inside.waiting.len() == LONGEST
            && let Some(oldest) = inside.waiting.pop_front()
        {
            inside.counts[Outcome::Dropped as usize] += 1;
            inside.advance(&oldest);
            let dropped = inside.counts[Outcome::Dropped as usize];
            tracing::warn!(destination = %self.destination.load().name, dropped, "too many notifications wait: the oldest is dropped");
        }
        inside.waiting.push_back(Arc::clone(notice));
        drop(inside);
        self.wake.notify_one();
    }

    /// The next one to tell.
    pub(super) fn front(&self) -> Option<Arc<Notice>> {
        self.lock().waiting.front().map(Arc::clone)
    }

    /// An attempt to tell `notice` has ended; says whether the destination was failing before.
    pub(super) fn settle(&self, notice: &Notice, outcome: Outcome, error: Option<&str>, now_ms: u64) -> bool {
        let mut inside = self.lock();
        inside.counts[outcome as usize] += 1;
        let was_failing = inside.last_error.is_some();
        inside.last_error = error.map(str::to_owned);
        if outcome == Outcome::Delivered {
            inside.last_delivered_at_ms = Some(now_ms);
        }
        // It may have been dropped meanwhile to make room.
        let is_front = inside.waiting.front().is_some_and(|front| front.id() == notice.id());
        if outcome != Outcome::Failed && is_front {
            inside.waiting.pop_front();
            inside.advance(notice);
        }
        was_failing
    }

    /// Everything of this rollout up to here is told or passed over.
    pub(super) fn told_up_to(&self, rollout: &str) -> u64 {
        let inside = self.lock();
        let first = inside.waiting.iter().find(|notice| notice.rollout.as_deref() == Some(rollout));
        first.map_or(u64::MAX, |notice| notice.sequence.saturating_sub(1))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Whether its receiver is failing at present.
    pub(super) fn is_failing(&self) -> bool {
        self.lock().last_error.is_some()
    }

    pub(super) fn positions(&self) -> Positions {
        self.lock().delivered.clone()
    }

    pub(super) fn counts(&self) -> [u64; Outcome::ALL.len()] {
        self.lock().counts
    }

    pub(super) fn status(&self) -> NotificationStatus {
        let destination = self.destination.load();
        let inside = self.lock();
        NotificationStatus {
            name: destination.name.as_ref().to_owned(),
            kind: destination.channel.label().to_owned(),
            pending: inside.waiting.len() as u64,
            last_error: inside.last_error.clone(),
            last_delivered_at_ms: inside.last_delivered_at_ms,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // What the lock guards is whole after every statement.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inside ===

impl Inside {
    fn has_got(&self, rollout: &str, sequence: u64) -> bool {
        self.delivered.get(rollout).is_some_and(|&delivered| sequence <= delivered)
    }

    fn advance(&mut self, notice: &Notice) {
        if let Some(rollout) = &notice.rollout {
            let position = self.delivered.entry(rollout.clone()).or_default();
            *position = (*position).max(notice.sequence);
        }
    }

    /// A notice that the destination does not want is done with, unless an earlier one of its rollout still waits.
    fn pass_over(&mut self, notice: &Notice) {
        if !self.waiting.iter().any(|waiting| waiting.rollout == notice.rollout) {
            self.advance(notice);
        }
    }
}

/// Positions of all queues, by name.
pub(super) fn all_positions(queues: &[Arc<Queue>]) -> BTreeMap<String, Positions> {
    queues.iter().map(|queue| (queue.destination().name.as_ref().to_owned(), queue.positions())).collect()
}
