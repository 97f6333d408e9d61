//! Ctrl-C and SIGTERM as a flag, so that a stopped run unwinds and takes its child processes with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Longest time for which anything may look away from the flag.
pub const LOOK: Duration = Duration::from_millis(50);

/// Says whether to stop. Copies share the flag; a child is also stopped with its parent.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    flag: Arc<AtomicBool>,
    parent: Option<Arc<AtomicBool>>,
}

// === impl Interrupt ===

impl Interrupt {
    /// Set by Ctrl-C or SIGTERM from now on.
    pub fn on_signals() -> anyhow::Result<Self> {
        let interrupt = Self::default();
        let flag = Arc::clone(&interrupt.flag);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().build().context("prepare to hear signals")?;
        let (mut terminate, mut interrupted) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        // Not joined: it waits for signals until the process ends.
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupted.recv() => {}
                }
            });
            flag.store(true, Relaxed);
        });
        Ok(interrupt)
    }

    /// One that can be set by itself, without stopping this one.
    pub fn child(&self) -> Self {
        Self { flag: Arc::default(), parent: Some(Arc::clone(&self.flag)) }
    }

    /// Asks to stop.
    pub fn set(&self) {
        self.flag.store(true, Relaxed);
    }

    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        self.flag.load(Relaxed) || self.parent.as_ref().is_some_and(|parent| parent.load(Relaxed))
    }

    /// An error if the run was stopped.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.is_set(), "stopped");
        Ok(())
    }

    /// Asks `ready` again and again, until it says yes or `patience` is over; the answer is what it said last.
    pub fn wait_until(&self, patience: Duration, mut ready: impl FnMut() -> bool) -> anyhow::Result<bool> {
        let deadline = Instant::now() + patience;
        loop {
            self.check()?;
            if ready() {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            thread::sleep(left.min(LOOK));
        }
    }

    /// Lets time pass: for a load's duration, not to wait for something.
    pub fn pass(&self, time: Duration) -> anyhow::Result<()> {
        self.wait_until(time, || false).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stops_with_its_parent_but_not_the_other_way_round() {
        let parent = Interrupt::default();
        let (first, second) = (parent.child(), parent.child());
        first.set();
        assert!(first.is_set() && !parent.is_set() && !second.is_set());
        parent.set();
        assert!(second.is_set());
        assert!(parent.pass(Duration::from_secs(60)).is_err());
    }
}
