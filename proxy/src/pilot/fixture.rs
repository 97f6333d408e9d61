//! A pilot on a clock that tests turn, with a disk that tests can break.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sluice_api::RolloutStatus;
use sluice_engine::evidence::Arm;
use sluice_engine::rollout::Command;
use sluice_engine::units::Weight;

use super::{Pilot, PilotHandle, PilotParts, Storage, StoredRollouts};
use crate::clock::Clock;
use crate::config::Config;
use crate::counters::{GenerationCounters, LOWER, UPPER, add};
use crate::notify::Notifier;
use crate::snapshot::{RolloutView, Snapshot};
use crate::state::Loaded;

/// Longest wait for another thread.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// One rollout with two steps.
pub(crate) const SHOP: &str = r#"
listeners: [{ address: "127.0.0.1:8080" }]
admin: { address: "127.0.0.1:9900" }
stateDir: ./state
workers: 2
rollouts:
  - name: shop
    stable: { version: v1, endpoints: ["127.0.0.1:9001"] }
    canary: { version: v2, endpoints: ["127.0.0.1:9002"] }
    strategy: { canary: { steps: [{ setWeight: 20 }, { pause: { duration: 5m } }, { setWeight: 50 }, { pause: { duration: 5m } }], bake: 1m } }
    analysis: { successRate: { min: "99%" }, latency: { quantile: 0.95, max: 200ms } }
"#;

/// The same without canary.
pub(crate) fn without_canary(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("canary: { version")).collect::<Vec<_>>().join("\n")
}

pub(crate) fn mk_config(text: &str) -> Config {
    Config::parse(text.as_bytes(), Path::new("/etc/sluice/sluice.yaml")).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What the fake disk has seen.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) broken: AtomicBool,
    pub(crate) states: Mutex<Vec<StoredRollouts>>,
    /// The weight that was routed by when each state was written.
    pub(crate) weights: Mutex<Vec<Weight>>,
    snapshots: Mutex<Option<Arc<ArcSwap<Snapshot>>>>,
}

struct FakeStorage(Arc<Disk>);

struct Forgetful;

impl Storage for Forgetful {
    fn store(&mut self, _: &StoredRollouts) -> Result<(), String> {
        Ok(())
    }
}

/// A pilot that runs on its own thread until this is dropped.
pub(crate) struct Running {
    pub(crate) handle: PilotHandle,
    pub(crate) clock: Clock,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(text: &str) -> Self {
        let clock = Clock::start();
        let parts = PilotParts {
            config: mk_config(text),
            clock,
            loaded: Loaded::Missing,
            storage: Box::new(Forgetful),
            registry: Arc::default(),
            notifier: Notifier::default(),
        };
        let (pilot, handle) = Pilot::new(parts).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = pilot.spawn(async { drop(stopped.await) }).unwrap();
        // A start is shown once it is stored, and its weight comes with the next tick.
        let began = Instant::now();
        while handle.list().rollouts.iter().any(|status| status.weight.in_force == 0.0) {
            assert!(began.elapsed() < DEADLINE, "the first weight is never shown");
            std::thread::yield_now();
        }
        Self { handle, clock, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A pilot that does nothing by itself.
pub(crate) struct Cockpit {
    pub(crate) pilot: Pilot,
    pub(crate) handle: PilotHandle,
    pub(crate) disk: Arc<Disk>,
    now_us: Arc<AtomicU64>,
    /// Number of the last write whose result was taken.
    written: u64,
}

impl Storage for FakeStorage {
    fn store(&mut self, rollouts: &StoredRollouts) -> Result<(), String> {
        if self.0.broken.load(SeqCst) {
            return Err("no space left on device".to_owned());
        }
        if let Some(snapshots) = &*self.0.snapshots.lock().unwrap() {
            let weight = snapshots.load().rollouts.first().map_or(Weight::ZERO, |view| view.split.weight);
            self.0.weights.lock().unwrap().push(weight);
        }
        self.0.states.lock().unwrap().push(rollouts.clone());
        Ok(())
    }
}

impl Disk {
    /// What a restart would find.
    pub(crate) fn last(&self) -> StoredRollouts {
        self.states.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

impl Cockpit {
    pub(crate) fn start(text: &str, found: Option<StoredRollouts>) -> Self {
        Self::start_with(text, found.map_or(Loaded::Missing, Loaded::Found))
    }

    pub(crate) fn start_with(text: &str, loaded: Loaded<super::StoredRollout>) -> Self {
        Self::start_telling(text, loaded, Notifier::default())
    }

    pub(crate) fn start_telling(text: &str, loaded: Loaded<super::StoredRollout>, notifier: Notifier) -> Self {
        let disk = Arc::new(Disk::default());
        let now_us = Arc::new(AtomicU64::new(7_000_000));
        let parts = PilotParts {
            config: mk_config(text),
            clock: Clock::start(),
            loaded,
            storage: Box::new(FakeStorage(Arc::clone(&disk))),
            registry: Arc::default(),
            notifier,
        };
        let time = Arc::clone(&now_us);
        let (pilot, handle) = Pilot::with_time(parts, Box::new(move || time.load(SeqCst))).unwrap();
        *disk.snapshots.lock().unwrap() = Some(handle.snapshots());
        let mut cockpit = Self { pilot, handle, disk, now_us, written: 0 };
        cockpit.wait_for_disk();
        cockpit
    }

    /// A pilot that was started anew with what is on disk.
    pub(crate) fn restart(self, text: &str) -> Self {
        let found = self.disk.last();
        drop(self.pilot);
        Self::start(text, Some(found))
    }

    /// Takes the results of all writes that were handed over.
    pub(crate) fn wait_for_disk(&mut self) {
        let started = Instant::now();
        while self.written < self.pilot.writer.number() {
            assert!(started.elapsed() < DEADLINE, "the disk does not answer");
            match self.pilot.written.try_recv() {
                Ok(written) => {
                    self.written = written.number;
                    self.pilot.take_written(written);
                }
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    /// Lets time pass, beat by beat.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let end = self.now_us.load(SeqCst) + milliseconds * 1_000;
        while self.now_us.load(SeqCst) < end {
            self.now_us.fetch_add(10_000, SeqCst);
            self.pilot.beat_due();
            self.wait_for_disk();
        }
    }

    /// Lets time pass while no write comes to its end.
    pub(crate) fn pass_without_disk(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 10 {
            self.now_us.fetch_add(10_000, SeqCst);
            self.pilot.beat_due();
        }
    }

    pub(crate) fn view(&self) -> Arc<RolloutView> {
        Arc::clone(&self.handle.snapshots().load().rollouts[0])
    }

    pub(crate) fn weight(&self) -> f64 {
        self.view().split.weight.percent()
    }

    pub(crate) fn status(&self) -> Arc<RolloutStatus> {
        self.handle.status("shop").unwrap()
    }

    /// Requests that start and end in the present tick.
    pub(crate) fn serve(&self, arm: Arm, requests: u32, failed: u32) {
        let view = self.view();
        serve(&view.counters, view.tick_at(self.now_us.load(SeqCst)), arm, requests, failed);
    }

    /// A command, carried out and stored.
    pub(crate) fn command(&mut self, command: Command) -> Result<Arc<RolloutStatus>, super::CommandError> {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        self.pilot.take_order(super::Order::Command { name: "shop".to_owned(), generation: None, command, reply });
        self.wait_for_disk();
        answer.try_recv().unwrap()
    }

    pub(crate) fn release(
        &mut self,
        version: &str,
        endpoints: &[&str],
    ) -> Result<Arc<RolloutStatus>, super::CommandError> {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let endpoints = endpoints.iter().map(|&endpoint| endpoint.to_owned()).collect();
        let request = sluice_api::ReleaseRequest { version: version.to_owned(), endpoints };
        self.pilot.take_order(super::Order::Release { name: "shop".to_owned(), request, reply });
        self.wait_for_disk();
        answer.try_recv().unwrap()
    }

    pub(crate) fn reload(&mut self, text: &str) {
        self.pilot.apply(&mk_config(text));
        self.wait_for_disk();
    }
}

/// Requests that start and end in `tick`, as a worker counts them.
pub(crate) fn serve(counters: &GenerationCounters, tick: u64, arm: Arm, requests: u32, failed: u32) {
    let shard = &counters.shards[0];
    let cohort = &shard.ring[tick as usize % shard.ring.len()].arms[arm.index()];
    add(&cohort.started, requests.into());
    add(&cohort.done, u64::from(requests) * (LOWER + UPPER));
    add(&cohort.failed, failed.into());
    let totals = shard.arm(arm);
    add(&totals.started, requests.into());
    add(&totals.codes[5], failed.into());
    totals.latency[0].fetch_add(requests, SeqCst);
    add(&totals.failures[0], failed.into());
    add(&totals.user_failures, failed.into());
}
