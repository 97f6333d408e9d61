//! Hands out endpoints by address, one for each address in the process, and keeps their names resolved.
//!
//! An address that stays in the configuration keeps its [`Endpoint`] and with it the connections, the health and the
//! ejection; one that nobody holds any more is forgotten. Names are looked up on the blocking threads of the control
//! runtime, never by a worker, and the last good address is kept whatever the name server does: an answer that fails,
//! is empty or takes half a minute changes nothing.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::ArmConfig;
use crate::endpoint::Endpoint;
use crate::snapshot::ArmView;

/// A name that has no address yet, or whose address does not answer, is looked up again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// Look-ups at a time. Each takes a blocking thread, for as long as the name server is silent.
const MAX_LOOKUPS: usize = 32;

/// All endpoints of the process.
#[derive(Debug, Default)]
pub struct EndpointRegistry {
    known: Mutex<Known>,
    /// An endpoint was added.
    added: Notify,
    /// A look-up ended.
    resolved: Notify,
}

#[derive(Debug, Default)]
struct Known {
    by_address: HashMap<Arc<str>, Weak<Endpoint>>,
    helpers: HashMap<Arc<str>, Weak<Endpoint>>,
    last_id: u64,
}

// === impl EndpointRegistry ===

impl EndpointRegistry {
    /// The endpoint of `address`, the same for all who ask while anybody holds it. IP addresses are resolved at once,
    /// names as soon as [`EndpointRegistry::run`] has looked them up.
    pub fn endpoint(&self, address: &Arc<str>) -> Arc<Endpoint> {
        self.find_or_add(address, |known| &mut known.by_address, Endpoint::new)
    }

    /// The same for one that is asked about requests. It is never an arm's, though both may have one address.
    pub fn helper(&self, address: &Arc<str>) -> Arc<Endpoint> {
        self.find_or_add(address, |known| &mut known.helpers, Endpoint::helper)
    }

    fn find_or_add(
        &self,
        address: &Arc<str>,
        among: impl Fn(&mut Known) -> &mut HashMap<Arc<str>, Weak<Endpoint>>,
        make: fn(u64, Arc<str>) -> Endpoint,
    ) -> Arc<Endpoint> {
        let mut known = self.known();
        if let Some(endpoint) = among(&mut known).get(address).and_then(Weak::upgrade) {
            return endpoint;
        }
        known.last_id += 1;
        let endpoint = Arc::new(make(known.last_id, address.clone()));
        let endpoints = among(&mut known);
        endpoints.retain(|_, endpoint| endpoint.strong_count() > 0);
        endpoints.insert(address.clone(), Arc::downgrade(&endpoint));
        drop(known);
        self.added.notify_one();
        endpoint
    }

    /// The arm that `config` describes.
    pub fn arm(&self, config: &ArmConfig) -> Arc<ArmView> {
        let endpoints = config.endpoints.iter().map(|address| self.endpoint(address)).collect();
        Arc::new(ArmView { version: config.version.clone(), endpoints })
    }

    /// Endpoints that somebody holds.
    pub fn in_use(&self) -> Vec<Arc<Endpoint>> {
        let known = self.known();
        known.by_address.values().chain(known.helpers.values()).filter_map(Weak::upgrade).collect()
    }

    /// Waits until every name has an address, at most `longest`. Whether it has.
    pub async fn settle(&self, longest: Duration) -> bool {
        let all_resolved = async {
            loop {
                let resolved = self.resolved.notified();
                if self.in_use().iter().all(|endpoint| endpoint.resolved.load().is_some()) {
                    return;
                }
                resolved.await;
            }
        };
        tokio::time::timeout(longest, all_resolved).await.is_ok()
    }

    /// Keeps names resolved until `shutdown`; `interval` is how often an answer is asked for again.
    pub async fn run(self: Arc<Self>, interval: watch::Receiver<Duration>, shutdown: watch::Receiver<bool>) {
        let lookup = |address: Arc<str>| async move { tokio::net::lookup_host(&*address).await.map(Iterator::collect) };
        self.run_with(lookup, interval, shutdown).await;
    }

    async fn run_with<L, F>(&self, lookup: L, interval: watch::Receiver<Duration>, mut shutdown: watch::Receiver<bool>)
    where
        L: Fn(Arc<str>) -> F,
        F: Future<Output = std::io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let mut names = Names::default();
        let mut lookups = JoinSet::new();
        loop {
            names.forget_unused();
            self.in_use().iter().for_each(|endpoint| names.add(endpoint));
            for name in names.due(Instant::now(), MAX_LOOKUPS.saturating_sub(lookups.len())) {
                let answer = lookup(name.address.clone());
                lookups.spawn(async move { (name.id, answer.await) });
            }
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                Some(Ok((id, answer))) = lookups.join_next() => {
                    names.take_answer(id, answer, Instant::now() + *interval.borrow());
                    self.resolved.notify_waiters();
                }
                () = self.added.notified() => {}
                () = tokio::time::sleep_until(names.next_due(Instant::now())) => {}
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === names ===

/// Endpoints that need look-ups, and when the next is due.
#[derive(Debug, Default)]
struct Names(HashMap<u64, Name>);

#[derive(Debug)]
struct Name {
    endpoint: Weak<Endpoint>,
    /// `None` while a look-up is under way: a slow name server has one thread for each name, not more.
    due: Option<Instant>,
    /// The last answer.
    addresses: Vec<SocketAddr>,
    /// When it last moved on because connects failed.
    moved: Option<Instant>,
    /// The last look-up failed, and that was said.
    is_failing: bool,
}

struct Due {
    id: u64,
    address: Arc<str>,
}

impl Names {
    fn add(&mut self, endpoint: &Arc<Endpoint>) {
        if endpoint.authority().parse::<SocketAddr>().is_err() {
            let name = Name {
                endpoint: Arc::downgrade(endpoint),
                due: Some(Instant::now()),
                addresses: Vec::new(),
                moved: None,
                is_failing: false,
            };
            self.0.entry(endpoint.id).or_insert(name);
        }
    }

    fn forget_unused(&mut self) {
        self.0.retain(|_, name| name.endpoint.strong_count() > 0);
    }

    /// At most `free` names whose time has come, or whose address does not answer.
    fn due(&mut self, now: Instant, free: usize) -> Vec<Due> {
        let due = self.0.iter_mut().filter_map(|(id, name)| {
            let endpoint = name.endpoint.upgrade()?;
            name.avoid_failing(&endpoint, now);
            name.due.filter(|due| *due <= now)?;
            Some((*id, endpoint.authority().into(), name))
        });
        due.take(free)
            .map(|(id, address, name)| {
                name.due = None;
                Due { id, address }
            })
            .collect()
    }

    /// When to look again; failed connects are noticed within [`RETRY`].
    fn next_due(&self, now: Instant) -> Instant {
        self.0.values().filter_map(|name| name.due).fold(now + RETRY, Instant::min)
    }

    fn take_answer(&mut self, id: u64, answer: std::io::Result<Vec<SocketAddr>>, next: Instant) {
        let Some(name) = self.0.get_mut(&id) else { return };
        let Some(endpoint) = name.endpoint.upgrade() else { return };
        match answer {
            Ok(addresses) if !addresses.is_empty() => name.take_addresses(&endpoint, addresses),
            Ok(_) => name.complain(&endpoint, "the answer is empty"),
            Err(error) => name.complain(&endpoint, &error.to_string()),
        }
        let is_unknown = endpoint.resolved.load().is_none();
        name.due = Some(if is_unknown { next.min(Instant::now() + RETRY) } else { next });
    }
}

impl Name {
    /// Keeps the address in use if the answer still has it: moving would only cost connections.
    fn take_addresses(&mut self, endpoint: &Endpoint, addresses: Vec<SocketAddr>) {
        let current = endpoint.resolved.load().as_deref().copied();
        if current.is_none_or(|current| !addresses.contains(&current)) {
            tracing::info!(endpoint = %endpoint.address, address = %addresses[0], "endpoint resolved");
            endpoint.resolved.store(Some(Arc::new(addresses[0])));
        }
        self.addresses = addresses;
        self.is_failing = false;
    }

    /// Moves on to the next address of the last answer when connects to the present one fail.
    /// Once per [`RETRY`]: where all addresses are down, running through them helps nobody.
    fn avoid_failing(&mut self, endpoint: &Endpoint, now: Instant) {
        if self.moved.is_some_and(|moved| now < moved + RETRY) {
            return;
        }
        let current = endpoint.resolved.load().as_deref().copied();
        let position = self.addresses.iter().position(|address| Some(*address) == current);
        let (Some(position), 2..) = (position, self.addresses.len()) else { return };
        if endpoint.connect_failures.load(Relaxed) > 0 {
            let next = self.addresses[(position + 1) % self.addresses.len()];
            tracing::info!(endpoint = %endpoint.address, address = %next, "endpoint moved on after a failed connect");
            endpoint.resolved.store(Some(Arc::new(next)));
            // The ejection was meant for the address before.
            endpoint.ejected_until_us.store(0, Relaxed);
            self.moved = Some(now);
        }
    }

    /// Once for each outage.
    fn complain(&mut self, endpoint: &Endpoint, reason: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(endpoint = %endpoint.address, reason, "endpoint can't be resolved, keeping its last address");
        }
    }
}

#[cfg(test)]
mod tests;
