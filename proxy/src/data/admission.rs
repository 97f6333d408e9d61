//! Who is let in while there are many: limits on connections, on file descriptors and on memory.
//!
//! Whoever is too many is closed at once and counted, so that those inside go on being served; the admin port has
//! nothing to do with any of this. The system gives the lowest free descriptor, so the number of a new connection's
//! tells how many are taken: there is nothing to count.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::reject::Rejection;
use crate::config::ConnectionLimits;
use crate::descriptors;
use crate::memory::Pressure;

/// Locks that clients' counts are spread over.
const PARTS: usize = 16;

/// The limits and what is counted against them, for all workers.
#[derive(Debug)]
pub struct Admission {
    open: AtomicUsize,
    max_open: usize,
    /// Descriptors from this one on are for others.
    ceiling: RawFd,
    upstream_ceiling: RawFd,
    per_client: Option<PerClient>,
    pressure: Arc<Pressure>,
}

/// A connection's place among all; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass(Arc<Admission>);

/// A connection's place among those of its client; given back when dropped.
#[derive(Debug)]
pub(super) struct Share(Option<(Arc<Admission>, IpAddr)>);

/// Connections by client. Who has none has no entry, so there are never more entries than connections.
#[derive(Debug)]
struct PerClient {
    limit: usize,
    hasher: RandomState,
    parts: [Mutex<HashMap<IpAddr, usize>>; PARTS],
}

// === impl Admission ===

impl Admission {
    /// Limits as configured, but for what the system allows.
    pub fn new(limits: &ConnectionLimits, descriptors: descriptors::Budget, pressure: Arc<Pressure>) -> Self {
        let per_client = limits.max_connections_per_client.map(|limit| PerClient {
            limit,
            hasher: RandomState::new(),
            parts: Default::default(),
        });
        Self {
            open: AtomicUsize::new(0),
            max_open: limits.max_connections.unwrap_or(usize::MAX),
            ceiling: descriptors.ceiling,
            upstream_ceiling: descriptors.upstream_ceiling,
            per_client,
            pressure,
        }
    }

    /// Whether a new connection is let in.
    pub(super) fn admit(self: &Arc<Self>, descriptor: RawFd) -> Result<Pass, Rejection> {
        if self.pressure.sheds_connections() {
            return Err(Rejection::Memory);
        }
        if descriptor >= self.ceiling {
            return Err(Rejection::Descriptors);
        }
        let pass = Pass(Arc::clone(self));
        if self.open.fetch_add(1, Relaxed) >= self.max_open {
            return Err(Rejection::Connections);
        }
        Ok(pass)
    }

    /// Whether `client` may have another connection. `is_proxy` is asked only if there is a limit.
    pub(super) fn share(self: &Arc<Self>, client: IpAddr, is_proxy: impl FnOnce() -> bool) -> Result<Share, Rejection> {
        let Some(per_client) = self.per_client.as_ref().filter(|_| !is_proxy()) else { return Ok(Share(None)) };
        let client = household(client);
        if !per_client.add(client) {
            return Err(Rejection::ClientConnections);
        }
        Ok(Share(Some((Arc::clone(self), client))))
    }

    /// Whether a new connection to an upstream may be kept.
    pub(super) fn spares(&self, descriptor: RawFd) -> bool {
        descriptor < self.upstream_ceiling
    }

    /// How near the end of memory is, for those who ask with every request.
    pub(super) fn pressure(&self) -> Arc<Pressure> {
        Arc::clone(&self.pressure)
    }
}

impl Default for Admission {
    /// No limits.
    fn default() -> Self {
        Self::new(&ConnectionLimits::default(), descriptors::Budget::unlimited(), Arc::default())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((admission, client)) = &self.0
            && let Some(per_client) = &admission.per_client
        {
            per_client.remove(*client);
        }
    }
}

// === impl PerClient ===

impl PerClient {
    fn add(&self, client: IpAddr) -> bool {
        let mut part = self.part(client);
        let count = part.entry(client).or_default();
        let is_allowed = *count < self.limit;
        *count += usize::from(is_allowed);
        is_allowed
    }

    fn remove(&self, client: IpAddr) {
        let mut part = self.part(client);
        match part.get_mut(&client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(part.remove(&client)),
        }
    }

    /// Locked for a look at one entry; once for each connection, never for a request.
    fn part(&self, client: IpAddr) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        let index = self.hasher.hash_one(client) as usize % PARTS;
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one client can have of addresses: a single one of IPv4, a network of 64 bits of IPv6.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_admission(limits: &ConnectionLimits) -> Arc<Admission> {
        let descriptors = descriptors::Budget { ceiling: 100, upstream_ceiling: 110, connections: 50 };
        Arc::new(Admission::new(limits, descriptors, Arc::default()))
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let admission = mk_admission(&ConnectionLimits { max_connections: Some(2), ..ConnectionLimits::default() });
        let (first, _second) = (admission.admit(10).unwrap(), admission.admit(11).unwrap());
        assert_eq!(admission.admit(12).unwrap_err(), Rejection::Connections);
        drop(first);
        assert!(admission.admit(10).is_ok());
        assert_eq!(admission.open.load(Relaxed), 1);
    }

    #[test]
    fn the_last_descriptors_are_for_others() {
        let admission = mk_admission(&ConnectionLimits::default());
        assert!(admission.admit(99).is_ok());
        assert_eq!(admission.admit(100).unwrap_err(), Rejection::Descriptors);
        assert!(admission.spares(109) && !admission.spares(110));
    }

    #[test]
    fn memory_sheds_requests_first_and_connections_later() {
        let pressure = Arc::<Pressure>::default();
        let limits = ConnectionLimits::default();
        let admission = Arc::new(Admission::new(&limits, descriptors::Budget::unlimited(), Arc::clone(&pressure)));
        for (share, requests, connections) in
            [(0.91, false, false), (0.92, true, false), (0.95, true, true), (0.5, false, false)]
        {
            pressure.set(share);
            let refused = (admission.pressure().sheds_requests(), admission.admit(3).is_err());
            assert_eq!(refused, (requests, connections), "{share}");
        }
    }

    #[test]
    fn each_client_has_its_share_and_leaves_nothing_behind() {
        let limits = ConnectionLimits { max_connections_per_client: Some(2), ..ConnectionLimits::default() };
        let admission = mk_admission(&limits);
        let share = |client: &str| admission.share(client.parse().unwrap(), || client == "10.0.0.1");
        let held = [share("192.0.2.1").unwrap(), share("192.0.2.1").unwrap(), share("192.0.2.2").unwrap()];
        assert_eq!(share("192.0.2.1").unwrap_err(), Rejection::ClientConnections);
        let proxied = [share("10.0.0.1"), share("10.0.0.1"), share("10.0.0.1")];
        assert!(proxied.iter().all(Result::is_ok), "a proxy speaks for many");
        let network = [share("2001:db8::1").unwrap(), share("2001:db8::2").unwrap()];
        assert!(share("2001:db8::3").is_err() && share("2001:db8:0:1::1").is_ok());
        drop((held, proxied, network));
        let entries = admission.per_client.as_ref().unwrap().parts.iter().map(|part| part.lock().unwrap().len());
        assert_eq!(entries.sum::<usize>(), 0);
    }
}
