//! One rollout as the pilot drives it: the engine, the arms, the counters of the present generation, the valve.
//!
//! The driver turns the engine's actions into what has to be routed, stored and said, and keeps what outlives a
//! generation. It carries nothing out: [`super::Pilot`] does, in the order that safety asks for.

use std::sync::Arc;

use sluice_api::RevertStatus;
use sluice_engine::evidence::Observations;
use sluice_engine::rollout::{Action, Event, EventKind, Input, Refusal, Rollout};
use sluice_engine::units::Weight;

use super::arm::to_stored;
use super::board::Board;
use super::counted::Counted;
use super::series::SAMPLE_EVERY_US;
use super::status::Rates;
use super::store::StoredRollout;
use super::times::{Moment, Times};
use super::valve::Valve;
use crate::clock::unix_ms;
use crate::config::{GateConfig, RolloutConfig, Routing};
use crate::counters::Wake;
use crate::notify::Outbox;
use crate::snapshot::{ArmView, RolloutView, RoutingRules};

/// One rollout as the pilot drives it.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) name: Arc<str>,
    /// Absent only while it takes an input.
    engine: Option<Rollout>,
    pub(super) stable: Arc<ArmView>,
    pub(super) canary: Option<Arc<ArmView>>,
    routing: Routing,
    rules: Arc<RoutingRules>,
    /// How the plan's gates are asked.
    pub(super) gates: Vec<Arc<GateConfig>>,
    /// What the file said when it was read last.
    pub(super) file: FileVersions,
    /// The generation that is counted.
    present: Counted,
    pub(super) valve: Valve,
    pub(super) revert: Option<RevertStatus>,
    /// What is to be told about it.
    pub(super) outbox: Outbox,
    pub(super) times: Times,
    pub(super) next_beat_us: u64,
    pub(super) status_at_us: u64,
    pub(super) announced_at_us: u64,
    pub(super) sample_due_us: u64,
    pub(super) rates: Rates,
    pub(super) board: Arc<Board>,
    wake: Arc<Wake>,
    workers: usize,
}

/// The versions in the configuration file: only a change of them means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileVersions {
    pub(super) stable: Arc<str>,
    pub(super) canary: Option<Arc<str>>,
}

/// What a driver has to have done after an input.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// The snapshot is out of date.
    pub(super) reroute: bool,
    /// The stored state is out of date.
    pub(super) store: bool,
    /// To be told, in this order.
    pub(super) events: Vec<Event>,
    /// The command was refused.
    pub(super) refusal: Option<Refusal>,
}

/// What a driver is made of.
pub(super) struct DriverParts {
    pub(super) engine: Rollout,
    pub(super) times: Times,
    pub(super) stable: Arc<ArmView>,
    pub(super) canary: Option<Arc<ArmView>>,
    pub(super) file: FileVersions,
    pub(super) revert: Option<RevertStatus>,
    pub(super) board: Arc<Board>,
    pub(super) wake: Arc<Wake>,
    pub(super) workers: usize,
    pub(super) now_us: u64,
}

// === impl Driver ===

impl Driver {
    pub(super) fn new(config: &RolloutConfig, parts: DriverParts) -> Self {
        let DriverParts { engine, times, stable, canary, file, revert, board, wake, workers, now_us } = parts;
        let present = Counted::new(&engine, workers, &wake);
        board.begin(Arc::clone(&present.counters), present.limit_ms);
        let rules = Arc::new(mk_rules(&config.routing, &config.name, &engine));
        Self {
            name: Arc::clone(&config.name),
            engine: Some(engine),
            stable,
            canary,
            routing: config.routing.clone(),
            rules,
            gates: config.gates.clone(),
            file,
            next_beat_us: present.next_beat(now_us),
            present,
            valve: Valve::SHUT,
            revert,
            outbox: Outbox::default(),
            times,
            status_at_us: 0,
            announced_at_us: 0,
            sample_due_us: now_us + SAMPLE_EVERY_US,
            rates: Rates::default(),
            board,
            wake,
            workers,
        }
    }

    pub(super) fn engine(&self) -> &Rollout {
        self.engine.as_ref().expect("the engine is put back before `step` returns")
    }

    /// Whether evidence decides anything at present.
    pub(super) fn is_under_trial(&self) -> bool {
        self.engine().canary().is_some() && !self.engine().is_taken_back()
    }

    /// The tick that runs at `now_us`.
    pub(super) fn tick(&self, now_us: u64) -> u64 {
        self.present.tick(now_us)
    }

    /// Gives the engine an input and says what follows from it.
    pub(super) fn step(&mut self, now_us: u64, input: Input) -> Effects {
        let engine = self.engine.take().expect("the engine is put back before `step` returns");
        let (engine, actions) = engine.step(now_us / 1_000, input);
        self.engine = Some(engine);
        self.follow(now_us, actions)
    }

    /// Turns actions into effects.
    pub(super) fn follow(&mut self, now_us: u64, actions: Vec<Action>) -> Effects {
        let mut effects = Effects::default();
        effects.reroute |= self.settle_arms();
        if self.begins_anew() {
            self.begin_generation(now_us);
            effects.reroute = true;
            effects.store = true;
        }
        for action in actions {
            self.follow_one(now_us, action, &mut effects);
        }
        self.note_times(now_us);
        effects
    }

    /// Looks at the wall clock if a generation began or ended, or reached 100 %.
    fn note_times(&mut self, now_us: u64) {
        let engine = self.engine.as_ref().expect("the engine is put back before `step` returns");
        let moment = Moment { wall_ms: unix_ms(), now_ms: now_us / 1_000 };
        for ended in self.times.see(engine, self.valve.weight() == Weight::FULL, moment) {
            self.board.count_ended(ended, &self.times.of(ended.generation));
        }
    }

    fn follow_one(&mut self, now_us: u64, action: Action, effects: &mut Effects) {
        match action {
            Action::SetWeight { generation, weight, from_tick } if generation == self.present.generation => {
                effects.store = true;
                if self.valve.want(weight, from_tick, self.tick(now_us)) {
                    self.begin_step(now_us);
                    effects.reroute = true;
                }
            }
            // Of a generation that has a successor: it has no weight any more. Nobody scales a stand-alone proxy.
            Action::SetWeight { .. } | Action::Scale { .. } => {}
            Action::Finish { .. } => effects.store = true, // the arms are settled already
            Action::Emit(event) => {
                effects.store |= event.kind != EventKind::Note;
                effects.reroute |= matches!(event.kind, EventKind::Reverted | EventKind::Aborted);
                effects.events.push(event);
            }
            Action::Refuse(refusal) => effects.refusal = Some(refusal),
        }
    }

    /// A promoted canary becomes the stable arm, with its endpoints; one that was withdrawn goes.
    fn settle_arms(&mut self) -> bool {
        if self.engine().canary().is_some() {
            return false;
        }
        let Some(canary) = self.canary.take() else { return false };
        if *canary.version == *self.engine().stable() {
            self.stable = canary;
        }
        self.valve = Valve::SHUT;
        true
    }

    fn begins_anew(&self) -> bool {
        !self.present.is_of(self.engine())
    }

    fn begin_generation(&mut self, now_us: u64) {
        if self.present.generation != self.engine().generation() {
            self.revert = None;
        }
        self.present = Counted::new(self.engine(), self.workers, &self.wake);
        self.board.begin(Arc::clone(&self.present.counters), self.present.limit_ms);
        self.valve = Valve::SHUT;
        self.rates = Rates::default();
        self.rules = Arc::new(mk_rules(&self.routing, &self.name, self.engine()));
        self.next_beat_us = self.present.next_beat(now_us);
    }

    /// The weight in force has changed.
    fn begin_step(&mut self, now_us: u64) {
        // Weight 0 is in force from tick 0 on, so that nothing is drawn by it any more; the step begins now.
        let from_tick = self.valve.in_force().from_tick.max(self.tick(now_us));
        self.present.begin_step(from_tick);
    }

    /// The state with this number is stored; says whether a weight came into force.
    pub(super) fn stored(&mut self, number: u64, now_us: u64) -> bool {
        let raised = self.valve.stored(number, self.tick(now_us));
        if raised {
            self.begin_step(now_us);
            self.note_times(now_us);
        }
        raised
    }

    /// The weight that was restored comes into force: it is stored already.
    pub(super) fn open_valve(&mut self, now_us: u64) {
        self.valve.open();
        self.begin_step(now_us);
        self.note_times(now_us);
    }

    pub(super) fn set_routing(&mut self, routing: Routing) {
        self.routing = routing;
        self.rules = Arc::new(mk_rules(&self.routing, &self.name, self.engine()));
    }

    // === looking ===

    /// The odd tick whose end is the beat that is due at `now_us`, if one has ended.
    pub(super) fn take_beat(&mut self, now_us: u64) -> Option<u64> {
        self.next_beat_us = self.present.next_beat(now_us);
        self.present.beat(now_us)
    }

    /// What the workers have counted up to the end of `tick`.
    pub(super) fn look(&mut self, tick: u64, now_us: u64) -> Observations {
        self.present.look(tick, now_us)
    }

    /// What the revert, in force since `now_us`, took.
    pub(super) fn measure_revert(&mut self, event: &Event, now_us: u64) {
        if let Some(verdict) = &event.verdict {
            let took = self.present.measure(verdict, now_us);
            self.board.count_revert(took.milliseconds / 1_000.0);
            self.times.restored_after(event.generation, took.milliseconds);
            self.revert = Some(took);
        }
    }

    // === results ===

    /// What workers need to know.
    pub(super) fn view(&self) -> RolloutView {
        RolloutView {
            name: Arc::clone(&self.name),
            generation: self.present.generation,
            stable: Arc::clone(&self.stable),
            canary: self.canary.clone(),
            split: self.valve.in_force(),
            reverted: self.engine().is_taken_back(),
            step: self.present.step,
            routing: Arc::clone(&self.rules),
            origin_us: self.present.origin_us,
            limit_us: self.present.limit_ms.map_or(u64::MAX, |limit| limit.saturating_mul(1_000)),
            counters: Arc::clone(&self.present.counters),
        }
    }

    /// What has to survive a restart.
    pub(super) fn to_stored(&self, now_us: u64) -> StoredRollout {
        StoredRollout {
            saved: self.engine().save(now_us / 1_000),
            stable: to_stored(&self.stable),
            canary: self.canary.as_deref().map(to_stored),
            file_stable: self.file.stable.as_ref().to_owned(),
            file_canary: self.file.canary.as_deref().map(str::to_owned),
            times: self.times.to_stored(),
            revert: self.revert,
            outbox: self.outbox.clone(),
        }
    }
}

fn mk_rules(routing: &Routing, name: &str, engine: &Rollout) -> RoutingRules {
    // Without a canary there is nothing to draw users for.
    RoutingRules::new(routing.clone(), name, engine.canary().unwrap_or_else(|| engine.stable()))
}
