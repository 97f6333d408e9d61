//! One address of an arm, its health, and where it resolves to.
//!
//! CONTRACT: shared by workers (read on each pick, write on connect failures), the health checker and the resolver.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwapOption;

/// Consecutive connect failures after which an endpoint is left alone for a while.
pub const EJECT_AFTER: u32 = 3;
/// How long it is left alone, microseconds; doubled with each ejection in a row, at most 32 times.
pub const EJECT_US: u64 = 5_000_000;

/// One `host:port` of an arm.
#[derive(Debug)]
pub struct Endpoint {
    /// Unique in the process; keys the workers' connection pools.
    pub id: u64,
    /// As written in the configuration, `host:port`.
    pub address: Arc<str>,
    /// The address connected to; `None` while a name has never been resolved. The last good one is kept.
    pub resolved: ArcSwapOption<SocketAddr>,
    /// Result of the active health check; true without one.
    pub passing: AtomicBool,
    /// Connect failures in a row.
    pub connect_failures: AtomicU32,
    /// Process clock, microseconds, until which the endpoint is left alone; 0 if it is not.
    pub ejected_until_us: AtomicU64,
}

// === impl Endpoint ===

impl Endpoint {
    /// An endpoint that counts as healthy; an address that needs no resolver is resolved at once.
    pub fn new(id: u64, address: Arc<str>) -> Self {
        let resolved = address.parse::<SocketAddr>().ok().map(Arc::new);
        Self {
            id,
            address,
            resolved: ArcSwapOption::new(resolved),
            passing: AtomicBool::new(true),
            connect_failures: AtomicU32::new(0),
            ejected_until_us: AtomicU64::new(0),
        }
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
    fn a_name_stays_unresolved_until_the_resolver_answers() {
        assert!(Endpoint::new(1, "shop.internal:80".into()).resolved.load().is_none());
        assert!(Endpoint::new(1, "[::1]:80".into()).resolved.load().is_some());
    }
}
