//! Whether the process should get traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Told by whoever starts and ends the process, asked by `/readyz`. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    loaded: AtomicBool,
    serving: AtomicBool,
    draining: AtomicBool,
}

// === impl Readiness ===

impl Readiness {
    /// The state has been read.
    pub fn state_loaded(&self) {
        self.0.loaded.store(true, Relaxed);
    }

    /// Every worker accepts connections.
    pub fn workers_serve(&self) {
        self.0.serving.store(true, Relaxed);
    }

    /// The process is about to end: no new traffic. There is no way back.
    pub fn drain(&self) {
        self.0.draining.store(true, Relaxed);
    }

    /// Why it is not ready; `None` if it is.
    pub fn waits_for(&self) -> Option<&'static str> {
        let flags = &self.0;
        if flags.draining.load(Relaxed) {
            Some("draining")
        } else if !flags.loaded.load(Relaxed) {
            Some("the state is not loaded yet")
        } else if !flags.serving.load(Relaxed) {
            Some("the workers do not serve yet")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_between_start_and_drain_only() {
        let ready = Readiness::default();
        ready.state_loaded();
        assert!(ready.waits_for().is_some());
        ready.workers_serve();
        assert_eq!(ready.waits_for(), None);
        ready.drain();
        assert_eq!(ready.waits_for(), Some("draining"));
    }
}
