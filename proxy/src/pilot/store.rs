//! What is kept on disk, and the thread that writes it.
//!
//! Writing means waiting for a disk, and a revert of another rollout must not wait for it: so one thread writes, always
//! the newest state, and reports each result with its number. Whoever needs a state to be stored waits for a number
//! that is at least its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use sluice_api::{ReleaseTimes, RevertStatus};
use sluice_engine::rollout::Saved;
use tokio::sync::mpsc;

use crate::notify::Outbox;

/// The durable state of every rollout, by name.
pub type StoredRollouts = BTreeMap<String, StoredRollout>;

/// The durable state of one rollout: what the engine decided, where the arms are, and what the file said then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredRollout {
    /// The engine's decisions.
    pub saved: Saved,
    /// The version that serves everyone, and where: after a promotion not what the file says.
    pub stable: StoredArm,
    /// The version under trial or taken back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub canary: Option<StoredArm>,
    /// `stable.version` of the file at that time; only a change of it means something.
    pub file_stable: String,
    /// `canary.version` of the file at that time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_canary: Option<String>,
    /// What the wall clock said, by generation; a former version knows nothing of it and leaves it out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub times: BTreeMap<u64, ReleaseTimes>,
    /// What the revert of this generation took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revert: Option<RevertStatus>,
    /// What is to be told about it and may not have been told yet.
    #[serde(skip_serializing_if = "Outbox::is_untouched", default, deserialize_with = "Outbox::or_empty")]
    pub outbox: Outbox,
}

/// An arm as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredArm {
    /// Version name.
    pub version: String,
    /// `host:port` each.
    pub endpoints: Vec<String>,
}

/// Keeps the state; [`Storage::store`] may block until it is on disk.
pub trait Storage: Send + 'static {
    /// Replaces what is stored, whole or not at all.
    ///
    /// # Errors
    /// A sentence for people: nothing will advance until a later call succeeds.
    fn store(&mut self, rollouts: &StoredRollouts) -> Result<(), String>;
}

/// The result of one write.
#[derive(Debug)]
pub(super) struct Written {
    /// The number of the state that was written.
    pub(super) number: u64,
    pub(super) result: Result<(), String>,
}

/// Hands states to the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    number: u64,
}

#[derive(Debug, Default)]
struct Desk {
    next: Mutex<Next>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Next {
    /// Only the newest state is of interest.
    state: Option<(u64, StoredRollouts)>,
    stopped: bool,
}

// === impl StoredRollout ===

impl StoredRollout {
    /// Whether arms and decisions speak of the same versions.
    pub(super) fn is_whole(&self) -> bool {
        self.saved.stable == self.stable.version
            && self.saved.canary() == self.canary.as_ref().map(|arm| arm.version.as_str())
    }
}

// === impl Writer ===

impl Writer {
    /// Starts the thread `state`.
    pub(super) fn start(storage: Box<dyn Storage>) -> std::io::Result<(Self, mpsc::UnboundedReceiver<Written>)> {
        let (results, written) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk::default());
        let shared = Arc::clone(&desk);
        let thread =
            std::thread::Builder::new().name("state".to_owned()).spawn(move || shared.work(storage, &results))?;
        Ok((Self { desk, thread: Some(thread), number: 0 }, written))
    }

    /// The number of the last state that was handed over.
    #[cfg(test)]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Hands over the newest state and says its number.
    pub(super) fn submit(&mut self, state: StoredRollouts) -> u64 {
        self.number += 1;
        self.desk.lock().state = Some((self.number, state));
        self.desk.changed.notify_one();
        self.number
    }
}

impl Drop for Writer {
    /// Lets the thread write what it still has and waits for it: a decision must not be lost on the way out.
    fn drop(&mut self) {
        self.desk.lock().stopped = true;
        self.desk.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the state has panicked");
        }
    }
}

// === impl Desk ===

impl Desk {
    fn lock(&self) -> std::sync::MutexGuard<'_, Next> {
        // Whoever panicked while it held the lock left a whole state or none.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut storage: Box<dyn Storage>, results: &mpsc::UnboundedSender<Written>) {
        while let Some((number, state)) = self.take() {
            let result = storage.store(&state);
            // Nobody listens any more once the pilot has ended; the write counts all the same.
            let _ = results.send(Written { number, result });
        }
    }

    /// The newest state; waits for one, and ends when there will be none.
    fn take(&self) -> Option<(u64, StoredRollouts)> {
        let next = self.lock();
        let mut next = self
            .changed
            .wait_while(next, |next| next.state.is_none() && !next.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        next.state.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gated {
        open: std::sync::mpsc::Receiver<()>,
        stored: std::sync::mpsc::Sender<usize>,
    }

    impl Storage for Gated {
        fn store(&mut self, rollouts: &StoredRollouts) -> Result<(), String> {
            self.open.recv().map_err(|error| error.to_string())?;
            self.stored.send(rollouts.len()).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn while_a_write_waits_only_the_newest_state_is_kept_and_the_last_one_is_written_on_the_way_out() {
        let (gate, open) = std::sync::mpsc::channel();
        let (stored, seen) = std::sync::mpsc::channel();
        let (mut writer, mut written) = Writer::start(Box::new(Gated { open, stored })).unwrap();
        let numbers: Vec<u64> = (0..100).map(|_| writer.submit(StoredRollouts::new())).collect();
        (0..100).for_each(|_| gate.send(()).unwrap());
        drop(writer);
        let writes = seen.try_iter().count();
        assert!((1..=100).contains(&writes));
        let mut last = 0;
        while let Ok(result) = written.try_recv() {
            assert!(result.number > last && result.result.is_ok());
            last = result.number;
        }
        assert_eq!(Some(&last), numbers.last());
    }
}
