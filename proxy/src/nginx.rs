//! What ingress-nginx would have counted, so that queries and dashboards written for it go on working.
//!
//! One shard for each place and worker, written by that worker only (a relaxed load and store each) and read at a
//! scrape. A series (arm, method, status) is made when it is first used: one allocation in its life, and a request that
//! finds it takes three loads on its way. Statuses are bounded to 100–599, methods to a closed set, places to the
//! configuration, so nothing that a client sends makes the table grow beyond that. Without `compat.nginxMetrics` there
//! are no places, and nothing here is ever called.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::Method;
use sluice_engine::evidence::Arm;

use crate::counters::add;
use crate::snapshot::Place;

/// Upper bounds of ingress-nginx's duration histograms (the defaults of Prometheus's Go client), microseconds.
pub const BOUNDS_US: [u64; 11] =
    [5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// Values of the label `method`; anything else is the last.
pub const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL", "OTHER"];

/// What became of one request.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Arm that it was assigned to; plain routes are stable.
    pub arm: Arm,
    /// Place in [`METHODS`].
    pub method: usize,
    /// Status that the client got; 499 if it left before.
    pub status: u16,
    /// From its head to the last byte of the answer, microseconds.
    pub elapsed_us: u64,
    /// From its head to the head of the upstream's answer, if one came.
    pub head_us: Option<u64>,
    /// Whether an upstream was asked.
    pub was_forwarded: bool,
}

/// All places' shards.
#[derive(Debug, Default)]
pub struct Registry(Mutex<BTreeMap<Place, Vec<Arc<PlaceShard>>>>);

/// One worker's series of one place.
#[derive(Debug, Default)]
pub struct PlaceShard {
    /// By arm and method.
    methods: [[OnceLock<Box<Statuses>>; METHODS.len()]; 2],
}

/// By hundreds from 100 to 500, then by the rest.
#[derive(Debug, Default)]
struct Statuses([OnceLock<Box<Hundred>>; 5]);

#[derive(Debug)]
struct Hundred([OnceLock<Box<Series>>; 100]);

#[derive(Debug, Default)]
struct Series {
    request: Times,
    response: Times,
    heads: AtomicU64,
    heads_sum_us: AtomicU64,
}

#[derive(Debug, Default)]
struct Times {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What identifies a series within a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// Whether the canary got it.
    pub is_canary: bool,
    /// Place in [`METHODS`].
    pub method: usize,
    /// 100 to 599.
    pub status: u16,
}

/// A series of all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesSums {
    /// Time of the request.
    pub request: TimeSums,
    /// Time of the upstream.
    pub response: TimeSums,
    /// Heads of answers.
    pub heads: u64,
    /// Time to them, microseconds.
    pub heads_sum_us: u64,
}

/// A histogram by [`BOUNDS_US`], the last bucket open; not cumulative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSums {
    /// Counts.
    pub buckets: [u64; BOUNDS_US.len() + 1],
    /// Sum, microseconds.
    pub sum_us: u64,
}

// === impl Registry ===

impl Registry {
    /// The shard of `place` that worker `index` writes. Asked for when a configuration comes, not by requests.
    pub fn shard(&self, place: &Place, index: usize) -> Arc<PlaceShard> {
        let mut places = self.lock();
        let shards = places.entry(place.clone()).or_default();
        while shards.len() <= index {
            shards.push(Arc::default());
        }
        Arc::clone(&shards[index])
    }

    /// The series of `places`, all workers added up. What no route and no worker has any more is let go.
    pub fn sums(&self, places: &[Place]) -> Vec<(Place, BTreeMap<SeriesKey, SeriesSums>)> {
        let mut known = self.lock();
        known.retain(|place, shards| places.contains(place) || shards.iter().any(|shard| Arc::strong_count(shard) > 1));
        let present = places.iter().filter_map(|place| known.get_key_value(place));
        present.map(|(place, shards)| (place.clone(), sum(shards))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Vec<Arc<PlaceShard>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum(shards: &[Arc<PlaceShard>]) -> BTreeMap<SeriesKey, SeriesSums> {
    let mut sums = BTreeMap::<_, SeriesSums>::new();
    for shard in shards {
        shard.for_each(|key, series| series.add_to(sums.entry(key).or_default()));
    }
    sums
}

// === impl PlaceShard ===

impl PlaceShard {
    /// Counts a request that has ended. Only the worker whose shard it is may call this.
    #[inline]
    pub fn count(&self, seen: &Seen) {
        let status = usize::from(seen.status.clamp(100, 599)) - 100;
        let statuses = self.methods[seen.arm.index()][seen.method].get_or_init(Box::default);
        let hundred = statuses.0[status / 100].get_or_init(Box::default);
        hundred.0[status % 100].get_or_init(Box::default).count(seen);
    }

    fn for_each(&self, mut see: impl FnMut(SeriesKey, &Series)) {
        for (arm, methods) in self.methods.iter().enumerate() {
            for (method, statuses) in methods.iter().enumerate() {
                let Some(statuses) = statuses.get() else { continue };
                for (hundreds, hundred) in (1u16..).zip(&statuses.0) {
                    let Some(hundred) = hundred.get() else { continue };
                    for (rest, series) in (0u16..).zip(&hundred.0) {
                        let Some(series) = series.get() else { continue };
                        let is_canary = arm == Arm::Canary.index();
                        see(SeriesKey { is_canary, method, status: hundreds * 100 + rest }, series);
                    }
                }
            }
        }
    }
}

impl Default for Hundred {
    fn default() -> Self {
        Self([const { OnceLock::new() }; 100])
    }
}

/// Place of a method in [`METHODS`].
#[inline]
pub fn method_index(method: &Method) -> usize {
    METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1)
}

// === impl Series ===

impl Series {
    fn count(&self, seen: &Seen) {
        self.request.count(seen.elapsed_us);
        if seen.was_forwarded {
            self.response.count(seen.elapsed_us);
        }
        if let Some(head_us) = seen.head_us {
            add(&self.heads_sum_us, head_us);
            add(&self.heads, 1);
        }
    }

    fn add_to(&self, sums: &mut SeriesSums) {
        self.request.add_to(&mut sums.request);
        self.response.add_to(&mut sums.response);
        sums.heads += self.heads.load(Relaxed);
        sums.heads_sum_us += self.heads_sum_us.load(Relaxed);
    }
}

// === impl Times ===

impl Times {
    fn count(&self, us: u64) {
        add(&self.sum_us, us);
        add(&self.buckets[BOUNDS_US.partition_point(|&bound| bound < us)], 1);
    }

    fn add_to(&self, sums: &mut TimeSums) {
        sums.sum_us += self.sum_us.load(Relaxed);
        for (sum, bucket) in sums.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
    }
}

// === impl TimeSums ===

impl TimeSums {
    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_place(path: &str) -> Place {
        Place { namespace: "default".into(), ingress: "shop".into(), host: "_".into(), path: path.into() }
    }

    fn mk_seen(status: u16, elapsed_us: u64) -> Seen {
        Seen { arm: Arm::Canary, method: 0, status, elapsed_us, head_us: Some(1_000), was_forwarded: true }
    }

    #[test]
    fn workers_are_added_up_by_arm_method_and_exact_status() {
        let (registry, place) = (Registry::default(), mk_place("/"));
        registry.shard(&place, 0).count(&mk_seen(200, 5_000));
        registry.shard(&place, 1).count(&mk_seen(200, 5_001));
        registry.shard(&place, 1).count(&Seen { was_forwarded: false, head_us: None, ..mk_seen(999, 20_000_000) });
        let sums = registry.sums(std::slice::from_ref(&place)).remove(0).1;
        let of = |status| sums[&SeriesKey { is_canary: true, method: 0, status }].clone();
        assert_eq!(sums.len(), 2);
        assert_eq!(of(200).request.buckets[..3], [1, 1, 0], "a bound belongs to its bucket");
        assert_eq!((of(200).request.sum_us, of(200).heads, of(200).heads_sum_us), (10_001, 2, 2_000));
        assert_eq!((of(599).request.buckets[11], of(599).response.count()), (1, 0));
    }

    #[test]
    fn a_place_that_is_gone_is_let_go_once_no_worker_holds_it() {
        let (registry, gone, stays) = (Registry::default(), mk_place("/gone"), mk_place("/"));
        let held = registry.shard(&gone, 0);
        held.count(&mk_seen(200, 1));
        registry.shard(&stays, 0);
        assert_eq!(registry.sums(std::slice::from_ref(&stays)).len(), 1);
        assert_eq!(registry.sums(std::slice::from_ref(&gone)).len(), 1, "a worker may still count into it");
        drop(held);
        registry.sums(std::slice::from_ref(&stays));
        assert!(registry.sums(std::slice::from_ref(&gone)).is_empty());
    }

    #[test]
    fn methods_are_a_closed_set() {
        assert_eq!(METHODS[method_index(&Method::PATCH)], "PATCH");
        assert_eq!(METHODS[method_index(&Method::from_bytes(b"BREW").unwrap())], "OTHER");
    }
}
