//! The thread `notify`: one task for each destination, one that keeps the positions.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::attempt::{Failure, attempt};
use super::backoff;
use super::notice::Notice;
use super::notifier::{Notifier, Shared};
use super::queue::{GIVE_UP_AFTER_MS, Outcome, Queue, all_positions};
use crate::clock::unix_ms;

/// At the end of the process what waits may still be told, for so long.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// How often the end looks whether all is told.
const FLUSH_POLL: Duration = Duration::from_millis(10);

impl Notifier {
    /// Delivers on its own thread, named `notify`, until `shutdown` resolves, and a little longer.
    ///
    /// # Errors
    /// The thread or its runtime can't be started.
    pub fn spawn(&self, shutdown: impl Future<Output = ()> + Send + 'static) -> std::io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = self.shared();
        std::thread::Builder::new().name("notify".to_owned()).spawn(move || {
            runtime.block_on(run(&shared, shutdown));
            save(&shared);
            // A look-up or a disk that hangs must not keep the process from ending.
            runtime.shutdown_background();
        })
    }
}

async fn run(shared: &Arc<Shared>, shutdown: impl Future<Output = ()>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_positions(Arc::clone(shared)));
    let mut shutdown = std::pin::pin!(shutdown);
    let mut served: Vec<Arc<Queue>> = Vec::new();
    loop {
        for queue in shared.queues() {
            if !served.iter().any(|known| Arc::ptr_eq(known, &queue)) {
                served.push(Arc::clone(&queue));
                tasks.spawn(deliver(queue, Arc::clone(shared)));
            }
        }
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            () = shared.changed.notified() => {}
            Some(_) = tasks.join_next() => served.retain(|queue| !queue.is_closed()),
        }
    }
    flush(shared).await;
}

/// Waits until every receiver that is well has got what waits for it, but not long.
async fn flush(shared: &Shared) {
    let end = Instant::now() + FLUSH_WITHIN;
    // The pilot ends at the same time and may have something to hand over until then.
    while Instant::now() < end && shared.queues().iter().any(|queue| !queue.is_empty() && !queue.is_failing()) {
        tokio::time::sleep(FLUSH_POLL).await;
    }
}

/// Tells one destination everything in its queue, in order, until it is closed.
async fn deliver(queue: Arc<Queue>, shared: Arc<Shared>) {
    let mut failures = 0;
    while !queue.is_closed() {
        let Some(notice) = queue.front() else {
            queue.wake.notified().await;
            continue;
        };
        let pause = deliver_one(&queue, &notice, &mut failures).await;
        if let Some(pause) = pause {
            pause_for(&queue, pause).await;
        } else {
            shared.progressed.notify_one();
        }
    }
}

/// Waits before the next attempt; another configuration ends the wait, another notice does not.
async fn pause_for(queue: &Queue, pause: Duration) {
    let destination = queue.destination();
    let end = Instant::now() + pause;
    while !queue.is_closed() && Arc::ptr_eq(&destination, &queue.destination()) {
        if tokio::time::timeout_at(end, queue.wake.notified()).await.is_err() {
            return;
        }
    }
}

/// One attempt; yields how long to wait if the notice has to be tried again.
async fn deliver_one(queue: &Queue, notice: &Notice, failures: &mut u32) -> Option<Duration> {
    let now_ms = unix_ms();
    let destination = queue.destination();
    let name = Arc::clone(&destination.name);
    if now_ms.saturating_sub(notice.at_ms) > GIVE_UP_AFTER_MS {
        queue.settle(notice, Outcome::Expired, Some("nobody took a notification for a day"), now_ms);
        tracing::error!(destination = %name, id = notice.id(), "a notification was given up after a day");
        return None;
    }
    match attempt(destination, notice.clone(), now_ms / 1_000).await {
        Ok(()) => {
            *failures = 0;
            if queue.settle(notice, Outcome::Delivered, None, unix_ms()) {
                tracing::info!(destination = %name, "notifications are delivered again");
            }
            None
        }
        Err(Failure::Final { why }) => {
            *failures = 0;
            queue.settle(notice, Outcome::Refused, Some(&why), now_ms);
            tracing::error!(destination = %name, id = notice.id(), why, "a notification was refused and is dropped");
            None
        }
        Err(Failure::Passing { why, retry_after }) => {
            *failures += 1;
            // One line for each time that it goes wrong, not for each attempt.
            if *failures == 1 {
                tracing::warn!(destination = %name, id = notice.id(), why, "a notification can't be delivered yet");
            }
            queue.settle(notice, Outcome::Failed, Some(&why), now_ms);
            Some(backoff::wait(*failures, retry_after, backoff::random()))
        }
    }
}

/// Saves the positions whenever they have moved. Never ends by itself.
async fn keep_positions(shared: Arc<Shared>) {
    loop {
        shared.progressed.notified().await;
        let shared = Arc::clone(&shared);
        // A panic there is logged by its thread; the next progress saves again.
        let _ = tokio::task::spawn_blocking(move || save(&shared)).await;
    }
}

/// Blocks on the disk.
fn save(shared: &Shared) {
    let (Some(file), queues) = (&shared.file, shared.queues()) else { return };
    if queues.is_empty() {
        return;
    }
    let _one_at_a_time = shared.saving.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = file.save(all_positions(&queues)) {
        tracing::warn!(%error, "the positions of notifications can't be stored: after a restart some may be told again");
    }
}
