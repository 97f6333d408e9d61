//! What was decided is shown once it is stored: whoever has seen that a canary was taken back may rely on it, even if
//! the process is killed in the next moment. The weight is not shown but routed by, so it never waits; neither does the
//! log, which says what happens and promises nothing. A disk that fails or hangs is waited for no longer than
//! [`PATIENCE_US`]: then people have to know, stored or not.

use std::sync::Arc;

use sluice_engine::rollout::{Event, Reason};

use super::Pilot;
use crate::clock::unix_ms;

/// How long a disk that does not answer may keep a decision from being shown.
const PATIENCE_US: u64 = 1_000_000;

/// An event that waits until the state with this number is written.
#[derive(Debug)]
pub(super) struct Unannounced {
    number: u64,
    since_us: u64,
    at_ms: u64,
    rollout: Arc<str>,
    reason: Reason,
    event: Event,
}

impl Pilot {
    /// Keeps events until the state with this number is written; without a number there is nothing to wait for, but
    /// what came before.
    pub(super) fn announce_once_stored(&mut self, number: Option<u64>, events: Vec<(usize, Event)>) {
        let (number, since_us, at_ms) = (number.unwrap_or_default(), self.now(), unix_ms());
        for (i, event) in events {
            let driver = &self.drivers[i];
            let (rollout, reason) = (Arc::clone(&driver.name), driver.engine().reason());
            self.unannounced.push_back(Unannounced { number, since_us, at_ms, rollout, reason, event });
        }
        self.announce_up_to(0);
    }

    /// The state with this number is written, or can't be.
    pub(super) fn announce_up_to(&mut self, number: u64) {
        self.announce_while(|event| event.number <= number);
    }

    /// Shows what has waited long enough.
    pub(super) fn announce_overdue(&mut self) {
        let now_us = self.now();
        self.announce_while(|event| now_us >= event.since_us + PATIENCE_US);
    }

    fn announce_while(&mut self, is_due: impl Fn(&Unannounced) -> bool) {
        let mut shown = Vec::new();
        while self.unannounced.front().is_some_and(&is_due)
            && let Some(Unannounced { at_ms, rollout, reason, event, .. }) = self.unannounced.pop_front()
        {
            // A rollout may have left the configuration meanwhile.
            if let Some(i) = self.drivers.iter().position(|driver| driver.name == rollout) {
                self.drivers[i].board.put_decision(at_ms, event, reason);
                shown.push(i);
            }
        }
        shown.dedup();
        shown.into_iter().for_each(|i| self.put_status(i, true));
    }

    /// Whether something of rollout `i` is decided that can't be shown yet.
    pub(super) fn is_unannounced(&self, i: usize) -> bool {
        self.unannounced.iter().any(|event| event.rollout == self.drivers[i].name)
    }
}
