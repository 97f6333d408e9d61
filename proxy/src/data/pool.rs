//! One worker's view of arms and endpoints: whose turn it is, and the connections at rest.
//!
//! Nothing here is shared between workers but the health of an endpoint. A pool belongs to the endpoint's id, so that
//! it outlives a change of weight or configuration.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use sluice_engine::split;

use super::upstream::Upstream;
use crate::endpoint::{ConnectionGauge, Endpoint};

/// A connection that was at rest for so long may meet the peer's idle time-out; one in steady use does not.
const RESTED_US: u64 = 2_000;

/// Connections that rest at an endpoint until the settings say otherwise.
const DEFAULT_KEEP: usize = 64;

/// An endpoint and the connections of this worker to it that carry no request.
#[derive(Debug)]
pub(super) struct LocalEndpoint {
    pub(super) endpoint: Arc<Endpoint>,
    /// What a client's cookie calls it: the same in every process.
    pub(super) key: u64,
    /// The warmest at the back.
    idle: RefCell<VecDeque<Box<Upstream>>>,
    keep: Cell<usize>,
    /// The peer has closed a resting connection before.
    closes: Cell<bool>,
    gauge: Arc<ConnectionGauge>,
}

/// The endpoints of an arm, in turn.
#[derive(Debug)]
pub(super) struct LocalArm {
    endpoints: Vec<Rc<LocalEndpoint>>,
    turn: Cell<usize>,
}

/// What to do when all endpoints are ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenEjected {
    /// Use one all the same, if its health check passes: nobody else could answer.
    Try,
    /// Use none: another arm will answer.
    Refuse,
}

// === impl LocalEndpoint ===

impl LocalEndpoint {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        let gauge = endpoint.add_gauge();
        let key = split::salt(&["endpoint", &endpoint.address]);
        let (keep, closes) = (Cell::new(DEFAULT_KEEP), Cell::new(false));
        Self { endpoint, key, idle: RefCell::default(), keep, closes, gauge }
    }

    /// Where a connection says that it is open.
    pub(super) fn gauge(&self) -> Arc<ConnectionGauge> {
        Arc::clone(&self.gauge)
    }

    /// Changes how many connections may rest here.
    pub(super) fn keep(&self, keep: usize) {
        self.keep.set(keep);
    }

    /// The connection that rested last: it is the least likely to have been closed, and lets the others grow old.
    pub(super) fn take_idle(&self) -> Option<Box<Upstream>> {
        let mut idle = self.idle.borrow_mut();
        let taken = idle.pop_back();
        self.show_idle(idle.len());
        taken
    }

    pub(super) fn rest(&self, upstream: Box<Upstream>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.keep.get() {
            idle.push_back(upstream);
        }
        self.show_idle(idle.len());
    }

    /// Closes all that rest: they were made in a way that does not hold any more.
    pub(super) fn close_idle(&self) {
        self.idle.borrow_mut().clear();
        self.show_idle(0);
    }

    /// The peer has closed a connection that rested, or that was about to.
    pub(super) fn closes_at_rest(&self) {
        self.closes.set(true);
    }

    /// Whether the peer may be closing this connection right now: it has rested for a while, or this peer is known for it.
    #[inline]
    pub(super) fn may_close(&self, upstream: &Upstream, now_us: u64) -> bool {
        upstream.reused && (self.closes.get() || now_us.saturating_sub(upstream.idle_since_us) >= RESTED_US)
    }

    /// Closes what has rested since before `oldest_us`, and what the peer has closed.
    pub(super) fn tidy(&self, oldest_us: u64) {
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|upstream| {
            let is_resting = upstream.is_resting();
            self.closes.set(self.closes.get() || !is_resting);
            is_resting && upstream.idle_since_us >= oldest_us
        });
        self.show_idle(idle.len());
    }

    #[inline]
    fn show_idle(&self, count: usize) {
        self.gauge.idle.store(u32::try_from(count).unwrap_or(u32::MAX), Relaxed);
    }

    /// Requests of this worker that it has not answered to the end.
    pub(super) fn under_way(&self) -> u32 {
        self.gauge.open.load(Relaxed).saturating_sub(self.gauge.idle.load(Relaxed))
    }

    /// Whether there is a connection or an address to connect to.
    fn is_reachable(&self) -> bool {
        !self.idle.borrow().is_empty() || self.endpoint.resolved.load().is_some()
    }
}

// === impl LocalArm ===

impl LocalArm {
    pub(super) fn new(endpoints: Vec<Rc<LocalEndpoint>>) -> Self {
        Self { endpoints, turn: Cell::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// The next usable endpoint in turn, other than `not` if there is another.
    #[inline]
    pub(super) fn pick(&self, now_us: u64, when_ejected: WhenEjected, not: Option<u64>) -> Option<&Rc<LocalEndpoint>> {
        let usable = |local: &LocalEndpoint| local.endpoint.is_usable(now_us) && local.is_reachable();
        let passing = |local: &LocalEndpoint| local.endpoint.passing.load(Relaxed) && local.is_reachable();
        let other = |local: &LocalEndpoint| Some(local.endpoint.id) != not;
        self.next(|local| usable(local) && other(local))
            .or_else(|| self.next(|local| not.is_some() && usable(local)))
            .or_else(|| self.next(|local| when_ejected == WhenEjected::Try && passing(local)))
    }

    /// The next in turn that can be used and fits.
    pub(super) fn usable(&self, now_us: u64, fits: impl Fn(&LocalEndpoint) -> bool) -> Option<&Rc<LocalEndpoint>> {
        self.next(|local| local.endpoint.is_usable(now_us) && local.is_reachable() && fits(local))
    }

    /// Changes whose turn it is.
    pub(super) fn turn_to(&self, number: u64) {
        let count = self.endpoints.len().max(1) as u64;
        self.turn.set((number % count) as usize);
    }

    #[inline]
    fn next(&self, fits: impl Fn(&LocalEndpoint) -> bool) -> Option<&Rc<LocalEndpoint>> {
        let count = self.endpoints.len();
        let mut turn = self.turn.get();
        for _ in 0..count {
            turn = if turn + 1 >= count { 0 } else { turn + 1 };
            let local = &self.endpoints[turn];
            if fits(local) {
                self.turn.set(turn);
                return Some(local);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_arm(count: u64) -> LocalArm {
        let endpoint = |id| Rc::new(LocalEndpoint::new(Arc::new(Endpoint::new(id, "127.0.0.1:1".into()))));
        LocalArm::new((0..count).map(endpoint).collect())
    }

    fn picked(arm: &LocalArm, now_us: u64, when_ejected: WhenEjected) -> Option<u64> {
        arm.pick(now_us, when_ejected, None).map(|local| local.endpoint.id)
    }

    #[test]
    fn endpoints_take_turns_and_ejected_ones_are_left_out() {
        let arm = mk_arm(3);
        let turns: Vec<_> = (0..4).filter_map(|_| picked(&arm, 0, WhenEjected::Refuse)).collect();
        assert_eq!(turns, [1, 2, 0, 1]);
        (0..3).for_each(|_| arm.endpoints[2].endpoint.connect_failed(0));
        let turns: Vec<_> = (0..4).filter_map(|_| picked(&arm, 1, WhenEjected::Refuse)).collect();
        assert_eq!(turns, [0, 1, 0, 1]);
    }

    #[test]
    fn when_all_are_ejected_only_who_must_tries_and_never_against_the_health_check() {
        let arm = mk_arm(1);
        (0..3).for_each(|_| arm.endpoints[0].endpoint.connect_failed(0));
        assert_eq!(picked(&arm, 1, WhenEjected::Refuse), None);
        assert_eq!(picked(&arm, 1, WhenEjected::Try), Some(0));
        arm.endpoints[0].endpoint.passing.store(false, Relaxed);
        assert_eq!(picked(&arm, 1, WhenEjected::Try), None);
    }

    #[test]
    fn a_retry_goes_to_another_endpoint_if_there_is_one() {
        let arm = mk_arm(2);
        for _ in 0..4 {
            assert_eq!(arm.pick(0, WhenEjected::Refuse, Some(1)).map(|local| local.endpoint.id), Some(0));
        }
        assert_eq!(mk_arm(1).pick(0, WhenEjected::Refuse, Some(0)).map(|local| local.endpoint.id), Some(0));
    }

    #[test]
    fn an_endpoint_without_an_address_is_not_picked() {
        let arm = mk_arm(1);
        arm.endpoints[0].endpoint.resolved.store(None);
        assert_eq!(picked(&arm, 0, WhenEjected::Try), None);
    }
}
