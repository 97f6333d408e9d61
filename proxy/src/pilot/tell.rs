//! From events to notifications. A notice is stored together with the decision it tells and handed over when that is on
//! disk, so that a crash loses both or none. If the disk fails it is handed over all the same: a revert that can't be
//! stored is news more than ever.

use sluice_engine::rollout::{Event, EventKind};

use super::Pilot;
use crate::clock::unix_ms;
use crate::notify::Notice;

/// A notice that waits until the state with this number is written.
#[derive(Debug)]
pub(super) struct Untold {
    number: u64,
    notice: Notice,
}

impl Pilot {
    /// Puts what `events` tell into the outboxes, before they are stored.
    pub(super) fn write_down(&mut self, events: &[(usize, Event)]) -> Vec<Notice> {
        if events.is_empty() || !self.notifier.listens() {
            return Vec::new();
        }
        events.iter().filter_map(|(i, event)| self.write_down_one(*i, event)).collect()
    }

    fn write_down_one(&mut self, i: usize, event: &Event) -> Option<Notice> {
        let now_us = self.now();
        let driver = &mut self.drivers[i];
        let (stable, reason) = (driver.engine().stable(), driver.engine().reason());
        let at_ms = unix_ms();
        let mut notice = Notice::of_event(&driver.name, stable, at_ms, event, reason)?;
        notice.revert = driver.revert.filter(|_| event.kind == EventKind::Reverted);
        if event.kind == EventKind::Paused {
            notice.waits_for = driver.engine().view(now_us / 1_000).missing.iter().map(ToString::to_string).collect();
        }
        // The clock may have been set back after a state was lost.
        let at_least = at_ms.max(self.notifier.last_known(&driver.name) + 1);
        Some(driver.outbox.put(notice, at_least))
    }

    /// Keeps notices until the state with this number is written; without a number there is nothing to wait for.
    pub(super) fn tell_once_stored(&mut self, number: Option<u64>, notices: Vec<Notice>) {
        let number = number.unwrap_or_default();
        self.untold.extend(notices.into_iter().map(|notice| Untold { number, notice }));
        if number == 0 {
            self.tell_up_to(0);
        }
    }

    /// The state with this number is written, or can't be.
    pub(super) fn tell_up_to(&mut self, number: u64) {
        while self.untold.front().is_some_and(|untold| untold.number <= number)
            && let Some(untold) = self.untold.pop_front()
        {
            self.notifier.tell(untold.notice);
        }
    }

    /// Hands over what a former process stored and may not have told.
    pub(super) fn tell_stored(&mut self) {
        for driver in &self.drivers {
            driver.outbox.notices().for_each(|notice| self.notifier.tell(notice.clone()));
        }
    }

    /// What everybody has got need not be stored any longer.
    pub(super) fn forget_told(&mut self) {
        for driver in &mut self.drivers {
            if driver.outbox.notices().next().is_some() {
                driver.outbox.forget_up_to(self.notifier.told_up_to(&driver.name));
            }
        }
    }
}
