//! The pilot feeds counts and time into the engine and carries out what it decides.
//!
//! One thread drives every rollout. A canary failure wakes it (at most one look in a millisecond), and every 100 ms, at
//! the end of each odd tick of a generation, it looks anyway. What follows from a look is carried out in one order:
//!
//! 1. the snapshot, in one swap: a revert's weight 0 is in force before anything else is done;
//! 2. the state, handed to a thread that writes it; a raise of weight waits until it is stored (`valve`);
//! 3. the log, 4. the questions to gates; once the state that they tell of is stored 5. status and events, 6. notifications.
//!
//! While the state can't be stored nothing advances, yet everything is served and a failing canary is taken back.
//!
//! Files: `begin` sets up, `driver` is one rollout, `counted` its counters, `collect` reads them, `ledger` adds them up,
//! `align` says what a configuration changes, `announce` when what was decided is shown, `orders` what people command,
//! `questions` which gates are to be asked, `store` what is kept, `tell` what is notified, `times` when it happened, `board`
//! and `handle` what others see, `series` the last minutes of it, `run` the loop.

mod align;
mod announce;
mod arm;
mod begin;
mod board;
mod collect;
mod counted;
mod driver;

#[cfg(test)]
pub(crate) mod fixture;
mod handle;
mod ledger;
mod orders;
mod questions;
mod reaction;
mod run;
mod series;
mod status;
mod store;
mod tell;
mod times;
mod valve;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sluice_engine::rollout::{Event, EventKind, Input, Refusal};
use tokio::sync::mpsc;

pub use board::{FeedItem, Limits, Subscription, Tally, TimesTaken, metric_label};
pub use handle::{CommandError, PilotHandle, ReloadTotals, RolloutTotals};
pub use ledger::{ArmSums, ShieldSums, Sums};
pub use questions::OpenQuestion;
pub use store::{Storage, StoredArm, StoredRollout, StoredRollouts};

use crate::clock::{Clock, unix_ms};
use crate::config::Config;
use crate::counters::Wake;
use crate::notify::Notifier;
use crate::resolve::EndpointRegistry;
use crate::state::Loaded;
use begin::Fixed;
use driver::Driver;
use handle::{Order, Shared};
use series::{Moment, SAMPLE_EVERY_US};
use status::StatusParts;
use store::{Writer, Written};

/// A status is put up at least this often.
const STATUS_EVERY_US: u64 = 200_000;

/// Subscribers are sent a status at least this often.
const ANNOUNCE_EVERY_US: u64 = 1_000_000;

/// After a failed write the state is written again so much later.
const RETRY_STORE_US: u64 = 1_000_000;

/// Drives every rollout.
pub struct Pilot {
    drivers: Vec<Driver>,
    registry: Arc<EndpointRegistry>,
    fixed: Fixed,
    workers: usize,
    pending: Pending,
    wake: Arc<Wake>,
    writer: Writer,
    written: mpsc::UnboundedReceiver<Written>,
    retry_store_at_us: Option<u64>,
    notifier: Notifier,
    /// Notices whose state is not stored yet, with its number.
    untold: VecDeque<tell::Untold>,
    unannounced: VecDeque<announce::Unannounced>,
    inbox: mpsc::Receiver<Order>,
    waiting: Vec<orders::Waiting>,
    shared: Arc<Shared>,
    now_us: Box<dyn Fn() -> u64 + Send>,
}

/// What a pilot is made of.
#[allow(missing_debug_implementations, reason = "a storage has nothing to show")]
pub struct PilotParts {
    /// The configuration that is in force from the start.
    pub config: Config,
    /// The process's clock.
    pub clock: Clock,
    /// What was on disk.
    pub loaded: Loaded<StoredRollout>,
    /// Where it is kept.
    pub storage: Box<dyn Storage>,
    /// Hands out the endpoints, keeps their names resolved and their health checked.
    pub registry: Arc<EndpointRegistry>,
    /// Is told what happened.
    pub notifier: Notifier,
}

/// What the last inputs ask for and nobody has carried out yet.
#[derive(Debug, Default)]
struct Pending {
    /// Rollouts whose view is out of date.
    reroute: Vec<usize>,
    /// The whole snapshot is.
    rebuild: bool,
    store: bool,
    events: Vec<(usize, Event)>,
}

// === impl Pilot ===

impl Pilot {
    /// Restores or begins every rollout of the configuration. The snapshot is ready when this returns; weights move once
    /// the pilot runs.
    ///
    /// # Errors
    /// The thread that writes the state can't be started.
    pub fn new(parts: PilotParts) -> io::Result<(Self, PilotHandle)> {
        let clock = parts.clock;
        Self::with_time(parts, Box::new(move || clock.now_us()))
    }

    fn with_time(parts: PilotParts, now_us: Box<dyn Fn() -> u64 + Send>) -> io::Result<(Self, PilotHandle)> {
        let PilotParts { config, clock, loaded, storage, registry, notifier } = parts;
        let fixed = Fixed::new(&config, &registry, &[]);
        let shared = Arc::new(Shared::new(
            clock,
            Arc::new(ArcSwap::from_pointee(fixed.snapshot(0, Vec::new()))),
            notifier.clone(),
        ));
        let (handle, inbox) = PilotHandle::new(Arc::clone(&shared));
        let (writer, written) = Writer::start(storage)?;
        let mut pilot = Self {
            drivers: Vec::new(),
            registry,
            fixed,
            workers: config.workers,
            pending: Pending::default(),
            wake: Arc::default(),
            writer,
            written,
            retry_store_at_us: None,
            notifier,
            untold: VecDeque::new(),
            unannounced: VecDeque::new(),
            inbox,
            waiting: Vec::new(),
            shared,
            now_us,
        };
        pilot.begin(&config, loaded);
        Ok((pilot, handle))
    }

    // === inputs ===

    /// Gives rollout `i` an input and carries out what follows.
    fn step(&mut self, i: usize, input: Input) {
        self.step_quietly(i, input);
        self.settle();
    }

    /// Gives rollout `i` an input; what follows is carried out by the next [`Pilot::settle`].
    fn step_quietly(&mut self, i: usize, input: Input) -> Option<Refusal> {
        let now_us = self.now();
        let effects = self.drivers[i].step(now_us, input);
        if effects.reroute {
            self.pending.reroute.push(i);
        }
        self.pending.store |= effects.store;
        self.pending.events.extend(effects.events.into_iter().map(|event| (i, event)));
        effects.refusal
    }

    /// Looks at every rollout whose beat is due.
    fn beat_due(&mut self) {
        for i in 0..self.drivers.len() {
            if self.now() >= self.drivers[i].next_beat_us {
                self.beat(i);
            }
        }
        self.announce_overdue();
        if self.retry_store_at_us.is_some_and(|at| self.now() >= at) {
            self.store();
        }
    }

    fn beat(&mut self, i: usize) {
        let now_us = self.now();
        let driver = &mut self.drivers[i];
        if let Some(tick) = driver.take_beat(now_us) {
            // Also without a canary: stable's habits decide how bursts are taken later.
            let (generation, seen) = (driver.engine().generation(), driver.look(tick, now_us));
            self.step(i, Input::Evidence { generation, seen, beat: true });
            self.step(i, Input::Tick);
        }
        if now_us >= self.drivers[i].status_at_us + STATUS_EVERY_US {
            self.put_status(i, now_us >= self.drivers[i].announced_at_us + ANNOUNCE_EVERY_US);
        }
        if now_us >= self.drivers[i].sample_due_us {
            self.sample(i, now_us);
        }
    }

    /// A canary has failed somewhere.
    fn woken(&mut self) {
        for i in 0..self.drivers.len() {
            if !self.drivers[i].is_under_trial() || self.drivers[i].valve.weight().is_zero() {
                continue;
            }
            if self.now() >= self.drivers[i].next_beat_us {
                self.beat(i); // ticks are told in order
            }
            let now_us = self.now();
            let driver = &mut self.drivers[i];
            let (generation, tick) = (driver.engine().generation(), driver.tick(now_us));
            let seen = driver.look(tick, now_us);
            self.step(i, Input::Evidence { generation, seen, beat: false });
        }
    }

    // === results ===

    /// Carries out what is pending: snapshot, state, log, events. Yields the number of the state that was handed over.
    fn settle(&mut self) -> Option<u64> {
        let pending = std::mem::take(&mut self.pending);
        if pending.rebuild || !pending.reroute.is_empty() {
            self.swap_snapshot(&pending);
        }
        let in_force_us = self.now();
        for (i, event) in pending.events.iter().filter(|(_, event)| event.kind == EventKind::Reverted) {
            self.drivers[*i].measure_revert(event, in_force_us);
        }
        let notices = self.write_down(&pending.events);
        let number = pending.store.then(|| self.store());
        self.tell_once_stored(number, notices);
        let mut changed = pending.reroute;
        for (i, event) in &pending.events {
            log_event(&self.drivers[*i].name, event);
            changed.push(*i);
        }
        self.announce_once_stored(number, pending.events);
        if pending.rebuild {
            changed.extend(0..self.drivers.len());
        }
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().for_each(|i| self.put_status(i, true));
        self.put_questions();
        number
    }

    fn swap_snapshot(&self, pending: &Pending) {
        let present = self.shared.snapshots.load();
        let view = |(i, driver): (usize, &Driver)| match present.rollouts.get(i) {
            Some(view) if !pending.rebuild && !pending.reroute.contains(&i) => Arc::clone(view),
            _ => Arc::new(driver.view()),
        };
        let rollouts = self.drivers.iter().enumerate().map(view).collect();
        let next = self.fixed.snapshot(present.serial + 1, rollouts);
        self.shared.snapshots.store(Arc::new(next));
    }

    /// Hands the present state over for storing.
    fn store(&mut self) -> u64 {
        let now_us = self.now();
        self.forget_told();
        let state =
            self.drivers.iter().map(|driver| (driver.name.as_ref().to_owned(), driver.to_stored(now_us))).collect();
        let number = self.writer.submit(state);
        self.retry_store_at_us = None;
        self.drivers.iter_mut().for_each(|driver| driver.valve.handed_over(number));
        number
    }

    /// A write has ended.
    fn take_written(&mut self, written: Written) {
        let Written { number, result } = written;
        match result {
            Ok(()) => self.take_stored(number),
            Err(error) => self.take_unstored(error),
        }
        self.tell_up_to(number);
        self.announce_up_to(number);
        self.settle();
        self.answer_waiting(number);
    }

    fn take_stored(&mut self, number: u64) {
        if self.shared.state_error.swap(None).is_some() {
            tracing::info!("the state can be stored again");
            self.tell_writable(true);
        }
        let now_us = self.now();
        for (i, driver) in self.drivers.iter_mut().enumerate() {
            if driver.stored(number, now_us) {
                self.pending.reroute.push(i);
            }
        }
    }

    fn take_unstored(&mut self, error: String) {
        if self.shared.state_error.load().is_none() {
            tracing::error!(error, "the state can't be stored: nothing advances until it can");
            self.tell_writable(false);
        }
        self.shared.state_error.store(Some(Arc::new(error)));
        self.retry_store_at_us = Some(self.now() + RETRY_STORE_US);
    }

    fn tell_writable(&mut self, writable: bool) {
        for i in 0..self.drivers.len() {
            self.step_quietly(i, Input::Storage { writable });
        }
    }

    fn put_status(&mut self, i: usize, announce: bool) {
        if self.is_unannounced(i) {
            return;
        }
        let now_us = self.now();
        let driver = &mut self.drivers[i];
        let mut ledger = driver.board.ledger();
        ledger.refresh();
        let sums = ledger.present().cloned().unwrap_or_default();
        drop(ledger);
        driver.rates.update(now_us, &sums);
        driver.status_at_us = now_us;
        if announce {
            driver.announced_at_us = now_us;
        }
        let parts = StatusParts {
            name: &driver.name,
            plan: driver.engine().plan(),
            view: driver.engine().view(now_us / 1_000),
            in_force: driver.valve.in_force().at(driver.tick(now_us)),
            stable: &driver.stable,
            canary: driver.canary.as_deref(),
            sums: &sums,
            rates: &driver.rates,
            revert: driver.revert,
            times: &driver.times,
            now_us,
        };
        driver.board.put_limits(&driver.engine().plan().analysis);
        driver.board.put_status(parts.into_status(), announce);
    }

    /// Keeps the last second of rollout `i`.
    fn sample(&mut self, i: usize, now_us: u64) {
        let driver = &mut self.drivers[i];
        // On a grid, unless the process was held up for longer than that.
        driver.sample_due_us = (driver.sample_due_us + SAMPLE_EVERY_US).max(now_us + SAMPLE_EVERY_US / 2);
        driver.board.put_sample(Moment {
            at_ms: unix_ms(),
            generation: driver.engine().generation(),
            weight: driver.valve.in_force().at(driver.tick(now_us)),
            has_canary: driver.canary.is_some(),
        });
    }

    fn now(&self) -> u64 {
        (self.now_us)()
    }
}

impl std::fmt::Debug for Pilot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pilot").field("drivers", &self.drivers).finish_non_exhaustive()
    }
}

/// A state change, with its evidence.
fn log_event(rollout: &str, event: &Event) {
    let Event { kind, generation, version, message, weight, verdict } = event;
    let weight = weight.percent();
    match verdict {
        Some(verdict) => tracing::info!(
            rollout,
            ?kind,
            generation,
            version,
            weight,
            what = message,
            metric = metric_label(verdict.metric),
            n = verdict.n,
            x = verdict.x,
            n_stable = verdict.n_stable,
            x_stable = verdict.x_stable,
            abs = verdict.abs,
            abs_threshold = verdict.abs_threshold,
            rel = verdict.rel,
            rel_threshold = verdict.rel_threshold,
            "rollout changed"
        ),
        None => tracing::info!(rollout, ?kind, generation, version, weight, what = message, "rollout changed"),
    }
}

#[cfg(test)]
mod tests;
