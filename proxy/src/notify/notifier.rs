//! What the rest of the proxy sees of notifications. Nothing here waits: whoever has something to tell puts it into
//! queues and goes on.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_api::NotificationStatus;
use tokio::sync::Notify;

use super::attempt::attempt;
use super::destination::Destination;
use super::notice::{Kind, Notice};
use super::outbox::Outbox;
use super::positions::{Positions, PositionsFile};
use super::queue::{Outcome, Queue, all_positions};
use crate::clock::unix_ms;

/// Whoever asks for a test waits for it, and the admin API answers within ten seconds.
const TEST_TIMEOUT: Duration = Duration::from_secs(8);

/// Tells things to all destinations; clones reach the same ones.
#[derive(Clone, Debug, Default)]
pub struct Notifier(Arc<Shared>);

/// Why a test told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TestError {
    /// No such destination.
    #[error("there is no notification destination {0:?}")]
    NotFound(String),
    /// It was not taken.
    #[error("{0}")]
    NotTaken(String),
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    inside: Mutex<Inside>,
    /// Destinations came or went.
    pub(super) changed: Notify,
    /// Positions differ from the file's.
    pub(super) progressed: Notify,
    pub(super) file: Option<PositionsFile>,
    /// One saves at a time: the last one, at the end of the process, may meet one that is under way.
    pub(super) saving: Mutex<()>,
}

#[derive(Debug, Default)]
struct Inside {
    queues: Vec<Arc<Queue>>,
    /// What was put into the queues last, by rollout: where a destination begins that comes later.
    told: Positions,
}

// === impl Notifier ===

impl Notifier {
    /// Destinations that go on where they were; those that are new begin after what `stored` outboxes hold. Positions of
    /// new ones are saved before anything is decided, or a crash could make them new once more.
    pub fn new<'a>(
        state_dir: &Path,
        destinations: Vec<Destination>,
        stored: impl Iterator<Item = (&'a String, &'a Outbox)>,
    ) -> Self {
        let file = PositionsFile::new(state_dir);
        if destinations.is_empty() {
            return Self(Arc::new(Shared { file: Some(file), ..Shared::default() }));
        }
        let mut known = file.load();
        let begin: Positions = stored.map(|(rollout, outbox)| (rollout.clone(), outbox.last())).collect();
        let mut is_any_new = known.unreadable;
        let queues: Vec<Arc<Queue>> = destinations
            .into_iter()
            .map(|destination| {
                let delivered = known.delivered.remove(&*destination.name).unwrap_or_else(|| {
                    is_any_new = true;
                    if known.unreadable { Positions::new() } else { begin.clone() }
                });
                Arc::new(Queue::new(destination, delivered))
            })
            .collect();
        if is_any_new && let Err(error) = file.save(all_positions(&queues)) {
            tracing::warn!(%error, "the positions of notifications can't be stored");
        }
        Self(Arc::new(Shared {
            inside: Mutex::new(Inside { queues, told: Positions::new() }),
            file: Some(file),
            ..Shared::default()
        }))
    }

    /// Whether anybody wants to be told anything.
    pub fn listens(&self) -> bool {
        !self.0.lock().queues.is_empty()
    }

    /// Tells it to everybody who wants it.
    pub fn tell(&self, notice: Notice) {
        let mut inside = self.0.lock();
        if let Some(rollout) = &notice.rollout {
            inside.told.insert(rollout.clone(), notice.sequence);
        }
        let notice = Arc::new(notice);
        inside.queues.iter().for_each(|queue| queue.put(&notice));
    }

    /// Tells that a configuration was refused.
    pub fn tell_refused(&self, reason: &str) {
        if self.listens() {
            self.tell(Notice::of_server(Kind::ConfigurationRefused, unix_ms(), reason.to_owned()));
        }
    }

    /// All notices of this rollout up to here that were handed over are done with.
    pub fn told_up_to(&self, rollout: &str) -> u64 {
        let inside = self.0.lock();
        let told = inside.told.get(rollout).copied().unwrap_or_default();
        inside.queues.iter().map(|queue| queue.told_up_to(rollout)).min().unwrap_or(u64::MAX).min(told)
    }

    /// The highest number that any destination knows of this rollout.
    pub fn last_known(&self, rollout: &str) -> u64 {
        let of = |queue: &Arc<Queue>| queue.positions().get(rollout).copied();
        self.0.lock().queues.iter().filter_map(of).max().unwrap_or_default()
    }

    /// Takes another configuration: who stays goes on, who goes is told nothing more, who is new begins now.
    pub fn configure(&self, destinations: Vec<Destination>) {
        let mut inside = self.0.lock();
        let mut former = std::mem::take(&mut inside.queues);
        for destination in destinations {
            let known = former.iter().position(|queue| queue.destination().name == destination.name);
            let queue = match known {
                Some(i) => {
                    let queue = former.swap_remove(i);
                    queue.reconfigure(destination);
                    queue
                }
                None => Arc::new(Queue::new(destination, inside.told.clone())),
            };
            inside.queues.push(queue);
        }
        former.iter().for_each(|queue| queue.close());
        drop(inside);
        self.0.changed.notify_one();
        self.0.progressed.notify_one();
    }

    /// Every destination, for people.
    pub fn status(&self) -> Vec<NotificationStatus> {
        self.0.lock().queues.iter().map(|queue| queue.status()).collect()
    }

    /// Sets the counters of one scrape.
    pub fn count(&self) {
        for queue in self.0.lock().queues.iter() {
            let name = queue.destination().name.as_ref().to_owned();
            for (outcome, count) in Outcome::ALL.into_iter().zip(queue.counts()) {
                metrics::counter!(crate::metrics::NOTIFICATIONS, "destination" => name.clone(), "result" => outcome.label())
                    .absolute(count);
            }
        }
    }

    /// Tells one destination a test notice, past its queue, and says how it went.
    ///
    /// # Errors
    /// There is no such destination, or it did not take it.
    pub async fn test(&self, name: &str) -> Result<(), TestError> {
        let found = self.0.queues().into_iter().find(|queue| &*queue.destination().name == name);
        let queue = found.ok_or_else(|| TestError::NotFound(name.to_owned()))?;
        let at_ms = unix_ms();
        let notice = Notice::of_server(Kind::Test, at_ms, "if you can read this, this destination works".to_owned());
        match tokio::time::timeout(TEST_TIMEOUT, attempt(queue.destination(), notice, at_ms / 1_000)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(TestError::NotTaken(failure.why().to_owned())),
            Err(_) => Err(TestError::NotTaken(format!("no answer within {TEST_TIMEOUT:?}"))),
        }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }
}

// === impl Shared ===

impl Shared {
    pub(super) fn queues(&self) -> Vec<Arc<Queue>> {
        self.lock().queues.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // What the lock guards is whole after every statement.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
