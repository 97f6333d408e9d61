//! How rollouts come to be: from the stored state, from the file alone, or from a file whose state was lost; and what a
//! new configuration puts in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use sluice_engine::rollout::Rollout;

use super::Pilot;
use super::board::Board;
use super::driver::{Driver, DriverParts, FileVersions};
use super::ledger::Sums;
use super::status::{Rates, StatusParts};
use super::store::StoredRollout;
use super::times::Times;
use crate::config::{ArmConfig, Config, RolloutConfig, RouteTarget, Tracing, UpstreamSettings};
use crate::resolve::EndpointRegistry;
use crate::snapshot::{ArmView, Filters, RolloutView, RouteTable, Snapshot};
use crate::state::Loaded;

/// The parts of a snapshot that only a configuration changes.
#[derive(Debug)]
pub(super) struct Fixed {
    routes: Arc<RouteTable>,
    plain: Arc<Vec<Arc<ArmView>>>,
    filters: Arc<Vec<Arc<Filters>>>,
    upstream: Arc<UpstreamSettings>,
    trusted_proxies: Arc<Vec<IpNet>>,
    tracing: Tracing,
}

// === impl Pilot ===

impl Pilot {
    pub(super) fn begin(&mut self, config: &Config, mut loaded: Loaded<StoredRollout>) {
        if let Loaded::Lost { reason } = &loaded {
            tracing::error!(reason, "the state can't be read: every canary is taken back until retry");
        }
        for rollout in &config.rollouts {
            let driver = self.mk_driver(rollout, &mut loaded);
            self.drivers.push(driver);
        }
        self.tell_stored();
        for (i, rollout) in config.rollouts.iter().enumerate() {
            self.align(i, rollout);
        }
        self.shared.config_accepted();
        self.put_up_boards();
        self.pending.rebuild = true;
        self.pending.store = true;
        self.settle();
    }

    /// A driver for a rollout that is not there yet.
    fn mk_driver(&mut self, config: &RolloutConfig, loaded: &mut Loaded<StoredRollout>) -> Driver {
        match loaded {
            Loaded::Missing => self.first_driver(config),
            Loaded::Found(stored) => match stored.remove(&*config.name) {
                Some(stored) => self.restored_driver(config, stored),
                None => self.first_driver(config),
            },
            Loaded::Lost { .. } => self.lost_driver(config),
        }
    }

    /// Stable gets everything; a canary of the file is news.
    fn first_driver(&mut self, config: &RolloutConfig) -> Driver {
        let engine = Rollout::new(config.plan.clone(), config.stable.version.as_ref().to_owned());
        let file = FileVersions { stable: Arc::clone(&config.stable.version), canary: None };
        let stable = self.registry.arm(&config.stable);
        let times = Times::of_a_first_start();
        self.driver(config, engine, times, stable, None, file)
    }

    /// Stable gets everything; a canary of the file waits for a person.
    fn lost_driver(&mut self, config: &RolloutConfig) -> Driver {
        let version = config
            .canary
            .as_ref()
            .map(|canary| canary.version.as_ref().to_owned())
            .filter(|version| **version != *config.stable.version);
        let canary = config.canary.as_ref().filter(|_| version.is_some()).map(|canary| self.registry.arm(canary));
        let engine = Rollout::lost(config.plan.clone(), config.stable.version.as_ref().to_owned(), version);
        let stable = self.registry.arm(&config.stable);
        let times = Times::restored(BTreeMap::new(), engine.generation(), 0);
        self.driver(config, engine, times, stable, canary, FileVersions::of(config))
    }

    fn restored_driver(&mut self, config: &RolloutConfig, stored: StoredRollout) -> Driver {
        if !stored.is_whole() {
            tracing::error!(rollout = %config.name, "the stored state contradicts itself: its canary is taken back until retry");
            return self.lost_driver(config);
        }
        let now_us = self.now();
        let generation = stored.saved.generation;
        let ended = stored.saved.history.first().map_or(0, |past| past.generation);
        let times = Times::restored(stored.times, generation, ended);
        let (engine, actions) = Rollout::restore(config.plan.clone(), stored.saved, now_us / 1_000);
        let file = FileVersions { stable: stored.file_stable.into(), canary: stored.file_canary.map(Into::into) };
        let stable = self.registry.arm(&stored.stable.into());
        let canary = stored.canary.map(|arm| self.registry.arm(&arm.into()));
        let is_stored = engine.generation() == generation;
        let mut driver = self.driver(config, engine, times, stable, canary, file);
        driver.revert = stored.revert;
        driver.outbox = stored.outbox;
        let effects = driver.follow(now_us, actions);
        // Told by the next settling, when the driver has its place.
        let place = self.drivers.len();
        self.pending.events.extend(effects.events.into_iter().map(|event| (place, event)));
        if is_stored {
            driver.open_valve(now_us);
        }
        driver
    }

    fn driver(
        &self,
        config: &RolloutConfig,
        engine: Rollout,
        times: Times,
        stable: Arc<ArmView>,
        canary: Option<Arc<ArmView>>,
        file: FileVersions,
    ) -> Driver {
        let now_us = self.now();
        let status = StatusParts {
            name: &config.name,
            plan: engine.plan(),
            view: engine.view(now_us / 1_000),
            in_force: engine.weight(),
            stable: &stable,
            canary: canary.as_deref(),
            sums: &Sums::default(),
            rates: &Rates::default(),
            revert: None,
            times: &times,
            now_us,
        };
        let board = Arc::new(Board::new(Arc::clone(&config.name), status.into_status()));
        board.put_limits(&engine.plan().analysis);
        let wake = Arc::clone(&self.wake);
        Driver::new(
            config,
            DriverParts {
                engine,
                times,
                stable,
                canary,
                file,
                revert: None,
                board,
                wake,
                workers: self.workers,
                now_us,
            },
        )
    }

    /// Takes a new configuration: everything that it changes is in force after one swap.
    pub(super) fn apply(&mut self, config: &Config) {
        let mut former = std::mem::take(&mut self.drivers);
        for rollout in &config.rollouts {
            let known = former.iter().position(|driver| driver.name == rollout.name);
            let driver = known.map(|i| former.swap_remove(i)).unwrap_or_else(|| self.first_driver(rollout));
            self.drivers.push(driver);
        }
        if self.shared.state_error.load().is_some() {
            self.tell_writable(false); // also to those that are new
        }
        for (i, rollout) in config.rollouts.iter().enumerate() {
            self.align(i, rollout);
        }
        self.fixed = Fixed::new(config, &self.registry, &self.fixed.filters);
        self.put_up_boards();
        self.pending.rebuild = true;
        self.pending.store = true;
        self.shared.config_accepted();
        self.settle();
    }

    fn put_up_boards(&self) {
        self.shared.boards.store(Arc::new(self.drivers.iter().map(|driver| Arc::clone(&driver.board)).collect()));
    }
}

// === impl Fixed ===

impl Fixed {
    pub(super) fn new(config: &Config, registry: &EndpointRegistry, former: &[Arc<Filters>]) -> Self {
        let mut plain = Vec::new();
        for route in &config.routes {
            if let RouteTarget::Endpoints(endpoints) = &route.target {
                plain.push(registry.arm(&ArmConfig { version: "".into(), endpoints: endpoints.clone() }));
            }
        }
        Self {
            routes: Arc::new(RouteTable::build(config)),
            plain: Arc::new(plain),
            filters: Arc::new(Filters::list(config, registry, former)),
            upstream: Arc::new(config.upstream.clone()),
            trusted_proxies: Arc::new(config.trusted_proxies.clone()),
            tracing: config.tracing,
        }
    }

    pub(super) fn snapshot(&self, serial: u64, rollouts: Vec<Arc<RolloutView>>) -> Snapshot {
        Snapshot {
            serial,
            routes: Arc::clone(&self.routes),
            rollouts,
            plain: Arc::clone(&self.plain),
            filters: Arc::clone(&self.filters),
            upstream: Arc::clone(&self.upstream),
            trusted_proxies: Arc::clone(&self.trusted_proxies),
            tracing: self.tracing,
        }
    }
}
