//! One address of an arm, its health, and where it resolves to.
//!
//! Shared by workers (read on each pick, written on connect failures), the health checker and the resolver. What is
//! written more often, the number of connections, has a gauge for each worker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwapOption;

/// Consecutive connect failures after which an endpoint is left alone for a while.
pub const EJECT_AFTER: u32 = 3;
/// How long it is left alone, microseconds; doubled with each ejection in a row, at most 32 times.
pub const EJECT_US: u64 = 5_000_000;

/// What stands before an address that is spoken to by TLS.
pub const HTTPS: &str = "https://";

/// One `host:port` of an arm.
#[derive(Debug)]
pub struct Endpoint {
    /// Unique in the process; keys the workers' connection pools.
    pub id: u64,
    /// As written in the configuration: `host:port`, or `https://host:port`.
    pub address: Arc<str>,
    /// No arm's: it is asked about requests, and a health check meant for arms says nothing of it.
    pub is_helper: bool,
    /// The address connected to; `None` while a name has never been resolved. The last good one is kept.
    pub resolved: ArcSwapOption<SocketAddr>,
    /// Result of the active health check; true without one.
    pub passing: AtomicBool,
    /// Connect failures in a row.
    pub connect_failures: AtomicU32,
    /// Process clock, microseconds, until which the endpoint is left alone; 0 if it is not.
    pub ejected_until_us: AtomicU64,
    gauges: Mutex<Vec<Weak<ConnectionGauge>>>,
}

/// Connections of one worker to one endpoint. Only that worker writes it.
#[derive(Debug, Default)]
pub struct ConnectionGauge {
    /// Open ones.
    pub open: AtomicU32,
    /// Of those, the ones that carry no request.
    pub idle: AtomicU32,
}

/// Connections of all workers to an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// They carry a request.
    pub active: u64,
    /// They rest in a pool.
    pub idle: u64,
}

// === impl Endpoint ===

impl Endpoint {
    /// An endpoint that counts as healthy; an address that needs no resolver is resolved at once.
    pub fn new(id: u64, address: Arc<str>) -> Self {
        let resolved = authority(&address).parse::<SocketAddr>().ok().map(Arc::new);
        Self {
            id,
            address,
            is_helper: false,
            resolved: ArcSwapOption::new(resolved),
            passing: AtomicBool::new(true),
            connect_failures: AtomicU32::new(0),
            ejected_until_us: AtomicU64::new(0),
            gauges: Mutex::default(),
        }
    }

    /// The same for one that is asked about requests.
    pub fn helper(id: u64, address: Arc<str>) -> Self {
        Self { is_helper: true, ..Self::new(id, address) }
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        authority(&self.address)
    }

    /// Whether it is spoken to by TLS.
    pub fn is_tls(&self) -> bool {
        self.address.starts_with(HTTPS)
    }

    /// A gauge for one more worker, counted for as long as the worker keeps it.
    pub fn add_gauge(&self) -> Arc<ConnectionGauge> {
        let gauge = Arc::new(ConnectionGauge::default());
        let mut gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.retain(|known| known.strong_count() > 0);
        gauges.push(Arc::downgrade(&gauge));
        gauge
    }

    /// What all workers have open, read now.
    pub fn connections(&self) -> Connections {
        let gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.iter().filter_map(Weak::upgrade).fold(Connections::default(), |sum, gauge| {
            let (open, idle) = (gauge.open.load(Relaxed), gauge.idle.load(Relaxed));
            // Read while the worker goes on: the two may not fit together for a moment.
            Connections { active: sum.active + u64::from(open.saturating_sub(idle)), idle: sum.idle + u64::from(idle) }
        })
    }

    /// Whether it may get a request at this time.
    pub fn is_usable(&self, now_us: u64) -> bool {
        self.passing.load(Relaxed) && self.ejected_until_us.load(Relaxed) <= now_us
    }

    /// Counts a failed connect; the third in a row ejects. Failures while ejected are not counted: a burst of requests
    /// that failed together is one reason to stay away, not sixty.
    pub fn connect_failed(&self, now_us: u64) {
        if self.ejected_until_us.load(Relaxed) > now_us {
            return;
        }
        let failures = self.connect_failures.fetch_add(1, Relaxed).saturating_add(1);
        if let Some(ejections) = failures.checked_sub(EJECT_AFTER) {
            self.ejected_until_us.store(now_us.saturating_add(EJECT_US << ejections.min(5)), Relaxed);
        }
    }

    /// A connect succeeded: whatever was held against the endpoint is forgotten.
    pub fn connected(&self) {
        if self.connect_failures.load(Relaxed) != 0 {
            self.connect_failures.store(0, Relaxed);
            self.ejected_until_us.store(0, Relaxed);
        }
    }
}

fn authority(address: &str) -> &str {
    address.strip_prefix(HTTPS).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_in_a_row_ejects_and_each_further_one_doubles_the_time() {
        let endpoint = Endpoint::new(1, "127.0.0.1:9001".into());
        let mut now = 1_000;
        for expected in [0, 0, 1, 2, 4, 8, 16, 32, 32] {
            endpoint.connect_failed(now);
            let until = endpoint.ejected_until_us.load(Relaxed);
            assert_eq!(until, if expected == 0 { 0 } else { now + expected * EJECT_US });
            now = until.max(now);
        }
        assert!(endpoint.is_usable(now) && !endpoint.is_usable(now - 1));
    }

    #[test]
    fn failures_while_ejected_do_not_count_and_a_success_forgets_all() {
        let endpoint = Endpoint::new(1, "127.0.0.1:9001".into());
        (0..60).for_each(|_| endpoint.connect_failed(1_000));
        assert_eq!(endpoint.ejected_until_us.load(Relaxed), 1_000 + EJECT_US);
        endpoint.connected();
        assert!(endpoint.is_usable(1_000));
        assert_eq!(endpoint.connect_failures.load(Relaxed), 0);
    }

    #[test]
    fn connections_of_all_workers_are_added_up_and_go_with_their_worker() {
        let endpoint = Endpoint::new(1, "127.0.0.1:9001".into());
        let gauges = [endpoint.add_gauge(), endpoint.add_gauge()];
        gauges.iter().for_each(|gauge| gauge.open.store(3, Relaxed));
        gauges[0].idle.store(1, Relaxed);
        assert_eq!(endpoint.connections(), Connections { active: 5, idle: 1 });
        drop(gauges);
        assert_eq!(endpoint.connections(), Connections::default());
    }

    #[test]
    fn a_name_stays_unresolved_until_the_resolver_answers() {
        assert!(Endpoint::new(1, "shop.internal:80".into()).resolved.load().is_none());
        assert!(Endpoint::new(1, "[::1]:80".into()).resolved.load().is_some());
        let by_tls = Endpoint::new(1, "https://[::1]:443".into());
        assert!(by_tls.resolved.load().is_some() && by_tls.is_tls());
        assert_eq!(by_tls.authority(), "[::1]:443");
    }
}
