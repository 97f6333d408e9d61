//! Asks every endpoint in use how it is, from the control runtime, and writes the answer where workers read it.
//!
//! The question itself is pingora's HTTP health check; here is when it is asked, of whom, and how many answers in a
//! row change the mind. An endpoint counts as passing until enough answers say otherwise: at the start nothing is
//! known, and refusing everyone for that reason would be an outage of our own making.

mod probe;

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};

use self::probe::Probe;
use crate::config::HealthCheck;
use crate::endpoint::Endpoint;
use crate::resolve::EndpointRegistry;

/// How soon an endpoint that was added is found.
const LOOK: Duration = Duration::from_millis(500);
/// First checks are spread over this time, so that a start with many endpoints is no burst.
const SPREAD: Duration = Duration::from_secs(1);
/// Checks at a time.
const MAX_CHECKS: usize = 64;

/// Checks all endpoints in use.
#[derive(Debug)]
pub struct HealthChecker {
    registry: Arc<EndpointRegistry>,
    settings: watch::Receiver<Option<HealthCheck>>,
    permits: Arc<Semaphore>,
    /// One task for each endpoint, by its number; they end with their endpoint.
    checks: JoinSet<u64>,
    running: HashMap<u64, AbortHandle>,
}

/// Answers in a row that contradict what is believed.
#[derive(Debug, Default)]
struct Streak(usize);

// === impl HealthChecker ===

impl HealthChecker {
    /// Checks as `settings` say, which may change; with `None` all pass.
    pub fn new(registry: Arc<EndpointRegistry>, settings: watch::Receiver<Option<HealthCheck>>) -> Self {
        Self {
            registry,
            settings,
            permits: Arc::new(Semaphore::new(MAX_CHECKS)),
            checks: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    /// Checks until `shutdown`.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        loop {
            self.start_missing();
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                Ok(()) = self.settings.changed() => self.stop_all(),
                Some(Ok(id)) = self.checks.join_next() => drop(self.running.remove(&id)),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn start_missing(&mut self) {
        let Some(settings) = self.settings.borrow().clone() else { return };
        for endpoint in self.registry.in_use().into_iter().filter(|endpoint| !endpoint.is_helper) {
            let (checks, permits) = (&mut self.checks, &self.permits);
            self.running.entry(endpoint.id).or_insert_with(|| {
                let probe = Probe::new(&settings, &endpoint);
                checks.spawn(watch_over(Arc::downgrade(&endpoint), probe, settings.clone(), permits.clone()))
            });
        }
    }

    /// The settings changed: whatever they are now, they start afresh; without any, what was found is void.
    fn stop_all(&mut self) {
        self.checks.abort_all();
        self.running.clear();
        if self.settings.borrow().is_none() {
            self.registry.in_use().iter().for_each(|endpoint| endpoint.passing.store(true, Relaxed));
        }
    }
}

/// Checks one endpoint while somebody else holds it. Yields its number.
async fn watch_over(endpoint: Weak<Endpoint>, probe: Probe, settings: HealthCheck, permits: Arc<Semaphore>) -> u64 {
    let Some(id) = endpoint.upgrade().map(|endpoint| endpoint.id) else { return 0 };
    let interval = Duration::from(settings.interval);
    let mut streak = Streak::default();
    tokio::time::sleep(interval.min(SPREAD).mul_f64(share(id, 0))).await;
    for round in 1.. {
        // Only the address is kept during the check, so that a slow one does not keep the endpoint in use.
        let Some(address) = endpoint.upgrade().map(|endpoint| endpoint.resolved.load_full()) else { break };
        let outcome = match address {
            Some(address) => {
                let _permit = permits.acquire().await;
                probe.ask(*address).await
            }
            None => Err("has no address".to_owned()),
        };
        let Some(endpoint) = endpoint.upgrade() else { break };
        streak.observe(&endpoint, outcome, &settings);
        drop(endpoint);
        // Between 90 and 110 %: proxies that started together drift apart.
        tokio::time::sleep(interval.mul_f64(0.9 + 0.2 * share(id, round))).await;
    }
    id
}

// === impl Streak ===

impl Streak {
    /// Changes the endpoint's health when enough answers in a row contradict it.
    fn observe(&mut self, endpoint: &Endpoint, outcome: Result<(), String>, settings: &HealthCheck) {
        let is_passing = endpoint.passing.load(Relaxed);
        if outcome.is_ok() == is_passing {
            self.0 = 0;
            return;
        }
        self.0 += 1;
        let enough = if is_passing { settings.unhealthy_after } else { settings.healthy_after };
        if self.0 < enough {
            return;
        }
        self.0 = 0;
        endpoint.passing.store(!is_passing, Relaxed);
        match outcome {
            Ok(()) => tracing::info!(endpoint = %endpoint.address, "endpoint passes its health check again"),
            Err(reason) => tracing::warn!(endpoint = %endpoint.address, reason, "endpoint fails its health check"),
        }
    }
}

/// A number from 0 up to 1 that looks random and differs by endpoint and round (SplitMix64).
fn share(id: u64, round: u64) -> f64 {
    let mut bits = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ round.wrapping_mul(0xd1b5_4a32_d192_ed03);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // The upper 53 bits fit a double exactly.
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
