//! A snapshot as one worker has it: with its own counters, pools and draws at hand, so that a request only indexes.
//!
//! Built when the snapshot changes, between two requests. What must outlive a change (pools by endpoint, draw and
//! budget by rollout) is taken over from the one before. Reference counts in here belong to one thread, so that no two
//! cores write the same word for a request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::budget::RetryBudget;
use super::choose::Chance;
use super::filters::LocalFilters;
use super::pool::{LocalArm, LocalEndpoint};
use crate::counters::Shard;
use crate::nginx::{PlaceShard, Registry};
use crate::snapshot::{ArmView, Filters, RolloutView, Snapshot};
use sluice_engine::evidence::Arm;

/// A worker's snapshot.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) rollouts: Vec<Rc<LocalRollout>>,
    pub(super) plain: Vec<Rc<LocalArm>>,
    /// Of the routes that have some.
    pub(super) filters: Vec<Rc<LocalFilters>>,
    /// This worker's shards of ingress-nginx's series, by place; empty unless they are asked for.
    pub(super) series: Rc<[Arc<PlaceShard>]>,
    endpoints: HashMap<u64, Rc<LocalEndpoint>>,
}

/// A rollout with what this worker counts and draws for it.
#[derive(Debug)]
pub(super) struct LocalRollout {
    pub(super) view: Arc<RolloutView>,
    pub(super) shard: Arc<Shard>,
    pub(super) state: Rc<LocalState>,
    stable: Rc<LocalArm>,
    canary: Option<Rc<LocalArm>>,
}

/// What outlives a change of the snapshot.
#[derive(Debug)]
pub(super) struct LocalState {
    pub(super) chance: RefCell<Chance>,
    pub(super) budget: RetryBudget,
}

// === impl Local ===

impl Local {
    /// Prepares `snapshot` for worker `index`.
    pub(super) fn build(snapshot: Arc<Snapshot>, index: usize, registry: &Registry, before: Option<&Self>) -> Self {
        let is_tls_new = before.is_some_and(|before| before.snapshot.upstream.tls != snapshot.upstream.tls);
        let mut builder =
            Builder { keep: snapshot.upstream.keepalive, is_tls_new, index, before, endpoints: HashMap::new() };
        let rollouts = snapshot.rollouts.iter().map(|view| Rc::new(builder.rollout(view))).collect();
        let plain = snapshot.plain.iter().map(|view| builder.arm(view)).collect();
        let filters = snapshot.filters.iter().map(|view| builder.filters(view)).collect();
        let endpoints = builder.endpoints;
        let series = match before.filter(|before| Arc::ptr_eq(&before.snapshot.routes, &snapshot.routes)) {
            Some(before) => Rc::clone(&before.series),
            None => snapshot.routes.places().iter().map(|place| registry.shard(place, index)).collect(),
        };
        Self { snapshot, rollouts, plain, filters, series, endpoints }
    }

    /// Every endpoint once.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Rc<LocalEndpoint>> {
        self.endpoints.values()
    }
}

struct Builder<'a> {
    keep: usize,
    /// Upstreams are to be verified in another way than before.
    is_tls_new: bool,
    index: usize,
    before: Option<&'a Local>,
    endpoints: HashMap<u64, Rc<LocalEndpoint>>,
}

impl Builder<'_> {
    fn rollout(&mut self, view: &Arc<RolloutView>) -> LocalRollout {
        let former =
            self.before.and_then(|before| before.rollouts.iter().find(|rollout| rollout.view.name == view.name));
        let state = former.map_or_else(Rc::<LocalState>::default, |rollout| Rc::clone(&rollout.state));
        // Counters have a shard for each worker; one too few would be a mistake of whoever built them, and counting
        // into the last is better than not routing.
        let shards = &view.counters.shards;
        let shard =
            shards.get(self.index).or_else(|| shards.last()).map_or_else(|| Arc::new(Shard::new(1)), Arc::clone);
        let stable = self.arm(&view.stable);
        let canary = view.canary.as_ref().map(|arm| self.arm(arm));
        LocalRollout { view: Arc::clone(view), shard, state, stable, canary }
    }

    fn arm(&mut self, view: &Arc<ArmView>) -> Rc<LocalArm> {
        Rc::new(LocalArm::new(view.endpoints.iter().map(|endpoint| self.endpoint(endpoint)).collect()))
    }

    fn filters(&mut self, view: &Arc<Filters>) -> Rc<LocalFilters> {
        let former = self.before.map_or(&[][..], |before| &before.filters);
        let authority = view.authority.as_ref().map(|(arm, _)| self.arm(arm));
        Rc::new(LocalFilters::new(Arc::clone(view), authority, former))
    }

    fn endpoint(&mut self, endpoint: &Arc<crate::endpoint::Endpoint>) -> Rc<LocalEndpoint> {
        let (before, keep, is_tls_new) = (self.before, self.keep, self.is_tls_new);
        let local = self.endpoints.entry(endpoint.id).or_insert_with(|| {
            let former = before.and_then(|before| before.endpoints.get(&endpoint.id)).cloned();
            let local = former.filter(|local| Arc::ptr_eq(&local.endpoint, endpoint));
            let local = local.unwrap_or_else(|| Rc::new(LocalEndpoint::new(Arc::clone(endpoint))));
            local.keep(keep);
            if is_tls_new && endpoint.is_tls() {
                local.close_idle();
            }
            local
        });
        Rc::clone(local)
    }
}

// === impl LocalRollout ===

impl LocalRollout {
    /// The endpoints of an arm; a rollout without canary has stable ones only.
    #[inline]
    pub(super) fn arm(&self, arm: Arm) -> &Rc<LocalArm> {
        match (arm, &self.canary) {
            (Arm::Canary, Some(canary)) => canary,
            _ => &self.stable,
        }
    }
}

impl Default for LocalState {
    fn default() -> Self {
        Self { chance: RefCell::new(Chance::from_system()), budget: RetryBudget::new() }
    }
}
