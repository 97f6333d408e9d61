//! How fast each client may ask, and how much at a time: shared by all workers, without locks, in memory that no number
//! of clients can make grow.
//!
//! A client has no entry of its own. Its address leads to a few places in a table of fixed size which others may share, and
//! the most lenient of them counts: nobody gets past a limit that way, and somebody suffers for others only if every one
//! of those places is taken by clients at their limits. IPv6 clients are told apart by their network, of which each has at
//! least one.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pingora_limits::inflight::{Guard, Inflight};

use crate::config::filters::{Rate, RateLimit};

/// Places that an address leads to.
const ROWS: usize = 4;

/// Bits of a number of a place: 8,192 in each row, 256 KiB in all.
const BITS: usize = 13;

/// Limits of one route.
#[derive(Debug)]
pub struct Limits {
    settings: RateLimit,
    rate: Option<Pace>,
    concurrent: Option<Concurrent>,
}

/// Why a client has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It asks too fast; how many seconds until it may ask again.
    Rate(u64),
    /// It has too much under way.
    Concurrent,
}

/// A request under way; ends when dropped.
#[derive(Debug)]
pub struct Permit(#[allow(dead_code, reason = "held for its drop")] Guard);

/// When each client may ask again: for each place the time at which all that was asked is paid for (GCRA).
#[derive(Debug)]
struct Pace {
    paid_us: Box<[AtomicU64]>,
    hasher: RandomState,
    /// The price of a request, in time.
    price_us: u64,
    /// How far ahead of its payments a client may be.
    credit_us: u64,
}

struct Concurrent {
    under_way: Inflight,
    most: isize,
}

// === impl Limits ===

impl Limits {
    /// Limits of which nothing is used.
    pub fn new(settings: RateLimit) -> Self {
        let concurrent = settings
            .concurrent
            .map(|most| Concurrent { under_way: Inflight::new(), most: isize::try_from(most).unwrap_or(isize::MAX) });
        Self { settings, rate: settings.rate.map(Pace::new), concurrent }
    }

    /// As configured.
    pub fn settings(&self) -> RateLimit {
        self.settings
    }

    /// Counts a request of `client` at `now_us` (process clock), if it may ask.
    ///
    /// # Errors
    /// It may not; nothing was counted then.
    pub fn admit(&self, client: IpAddr, now_us: u64) -> Result<Option<Permit>, Excess> {
        let client = network(client);
        let permit = match &self.concurrent {
            Some(concurrent) => Some(concurrent.begin(client).ok_or(Excess::Concurrent)?),
            None => None,
        };
        match &self.rate {
            Some(pace) => pace.admit(client, now_us).map(|()| permit).map_err(Excess::Rate),
            None => Ok(permit),
        }
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        IpAddr::V4(_) => client,
    }
}

// === impl Pace ===

impl Pace {
    fn new(rate: Rate) -> Self {
        let price_us = (1_000_000.0 / rate.per_second).round().max(1.0) as u64;
        let paid_us = (0..ROWS << BITS).map(|_| AtomicU64::new(0)).collect();
        let credit_us = price_us.saturating_mul(rate.burst as u64 - 1);
        Self { paid_us, hasher: RandomState::new(), price_us, credit_us }
    }

    /// Two workers that admit the same client in the same instant may count one request for two; a lock for that would
    /// cost more than it is worth.
    fn admit(&self, client: IpAddr, now_us: u64) -> Result<(), u64> {
        let hash = self.hasher.hash_one(client);
        let places = || (0..ROWS).map(move |row| &self.paid_us[(row << BITS) | place(hash, row)]);
        let paid_us = places().map(|place| place.load(Relaxed)).min().unwrap_or(0).max(now_us);
        let early_us = (paid_us - now_us).saturating_sub(self.credit_us);
        if early_us > 0 {
            return Err(early_us.div_ceil(1_000_000));
        }
        // Only places that say less than this client's own time are raised: neighbours are not charged for it.
        for place in places() {
            place.fetch_max(paid_us + self.price_us, Relaxed);
        }
        Ok(())
    }
}

fn place(hash: u64, row: usize) -> usize {
    (hash >> (row * BITS)) as usize & ((1 << BITS) - 1)
}

// === impl Concurrent ===

impl Concurrent {
    fn begin(&self, client: IpAddr) -> Option<Permit> {
        let (guard, under_way) = self.under_way.incr(client, 1);
        (under_way <= self.most).then_some(Permit(guard))
    }
}

impl std::fmt::Debug for Concurrent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Concurrent").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn mk_limits(per_second: f64, burst: usize) -> Limits {
        Limits::new(RateLimit { rate: Some(Rate { per_second, burst }), concurrent: None })
    }

    fn client(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn a_burst_passes_at_once_and_then_one_for_each_interval() {
        let limits = mk_limits(2.0, 3);
        let admitted = |now_us| limits.admit(client(1), now_us).is_ok();
        assert!((0..3).all(|_| admitted(SECOND)));
        assert_eq!(limits.admit(client(1), SECOND).unwrap_err(), Excess::Rate(1));
        assert!(limits.admit(client(2), SECOND).is_ok(), "another client is not concerned");
        assert!(admitted(SECOND + 500_000) && !admitted(SECOND + 500_000));
        assert!((0..3).all(|_| admitted(9 * SECOND)) && !admitted(9 * SECOND), "rest earns a burst and no more");
    }

    #[test]
    fn who_asks_too_fast_is_told_when_to_come_back() {
        let limits = mk_limits(0.1, 1);
        assert!(limits.admit(client(1), 0).is_ok());
        assert_eq!(limits.admit(client(1), 1).unwrap_err(), Excess::Rate(10));
        assert_eq!(limits.admit(client(1), 9 * SECOND).unwrap_err(), Excess::Rate(1));
        assert!(limits.admit(client(1), 10 * SECOND).is_ok());
    }

    #[test]
    fn hundreds_of_clients_at_their_limits_refuse_nobody_else() {
        let limits = mk_limits(1.0, 1);
        for n in 0..500 {
            assert!(limits.admit(client(n), 0).is_ok());
        }
        let refused = (1_000..2_000).filter(|n| limits.admit(client(*n), 0).is_err()).count();
        assert!(refused <= 5, "{refused} of 1000");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let limits = mk_limits(1.0, 1);
        let at = |text: &str| limits.admit(text.parse().unwrap(), 0).is_ok();
        assert!(at("2001:db8::1") && !at("2001:db8::2") && at("2001:db8:0:1::1"));
    }

    #[test]
    fn what_is_under_way_counts_until_it_ends() {
        let limits = Limits::new(RateLimit { rate: None, concurrent: Some(2) });
        let first = limits.admit(client(1), 0).unwrap();
        let _second = limits.admit(client(1), 0).unwrap();
        assert_eq!(limits.admit(client(1), 0).unwrap_err(), Excess::Concurrent);
        assert!(limits.admit(client(2), 0).is_ok());
        drop(first);
        assert!(limits.admit(client(1), 0).is_ok());
    }
}
