//! The pilot's loop: it sleeps until a canary fails, a beat is due, a write has ended or an order comes.

use std::pin::pin;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use super::Pilot;

/// Looks because of failures are at least this far apart.
const WAKE_EVERY_US: u64 = 1_000;

/// Without anything to drive the pilot looks around this often.
const IDLE_US: u64 = 1_000_000;

impl Pilot {
    /// Runs the pilot on its own thread, named `pilot`, until `shutdown` resolves.
    ///
    /// # Errors
    /// The thread or its runtime can't be started.
    pub fn spawn(self, shutdown: impl Future<Output = ()> + Send + 'static) -> std::io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name("pilot".to_owned()).spawn(move || runtime.block_on(self.run(shutdown)))
    }

    /// Drives every rollout until `shutdown` resolves; what is not stored by then is stored before this returns.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut last_look_us = 0;
        loop {
            let due = self.sleep_for();
            tokio::select! {
                // A failure is looked at before orders; nothing starves, because all queues are emptied below.
                biased;
                () = &mut shutdown => break,
                () = self.wake.signalled() => {
                    let early_us = WAKE_EVERY_US.saturating_sub(self.now().saturating_sub(last_look_us));
                    if early_us > 0 {
                        tokio::time::sleep(Duration::from_micros(early_us)).await;
                    }
                    last_look_us = self.now();
                    self.woken();
                }
                Some(written) = self.written.recv() => self.take_written(written),
                Some(order) = self.inbox.recv() => self.take_order(order),
                () = tokio::time::sleep_until(due) => {}
            }
            while let Ok(written) = self.written.try_recv() {
                self.take_written(written);
            }
            while let Ok(order) = self.inbox.try_recv() {
                self.take_order(order);
            }
            self.beat_due();
        }
    }

    fn sleep_for(&self) -> Instant {
        let now_us = self.now();
        let beats = self.drivers.iter().map(|driver| driver.next_beat_us);
        let due_us = beats.chain(self.retry_store_at_us).min().unwrap_or(now_us + IDLE_US);
        Instant::now() + Duration::from_micros(due_us.saturating_sub(now_us))
    }
}
