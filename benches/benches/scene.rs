//! What the benches stand on: a proxy's configuration, its pilot with a storage that keeps nothing, and its snapshot.

#![allow(dead_code, reason = "not every bench needs everything")]

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use sluice_engine::units::Weight;
use sluice_proxy::clock::Clock;
use sluice_proxy::config::Config;
use sluice_proxy::notify::Notifier;
use sluice_proxy::pilot::{Pilot, PilotHandle, PilotParts, Storage, StoredRollouts};
use sluice_proxy::snapshot::{RolloutView, Snapshot, Split};
use sluice_proxy::state::Loaded;

/// As an operator would write it: a routing header, two metrics, several hosts.
const FILE: &str = r#"
listeners:
  - address: 127.0.0.1:8080
workers: 1
rollouts:
  - name: shop
    stable: { version: v1, endpoints: ["127.0.0.1:9001", "127.0.0.1:9003"] }
    canary: { version: v2, endpoints: ["127.0.0.1:9002", "127.0.0.1:9004"] }
    routing:
      header: { name: X-Canary }
    strategy:
      canary:
        steps:
          - setWeight: 10
          - pause: {}
    analysis:
      successRate: { min: "99%", consecutiveFailures: 2, interval: 30s, window: 2m }
      latency: { quantile: 0.95, max: 200ms, consecutiveFailures: 2, interval: 30s, window: 2m }
routes:
  - hosts: [shop.example, "*.shop.example"]
    paths: [{ prefix: / }]
    rollout: shop
  - hosts: [static.example]
    endpoints: ["127.0.0.1:9010"]
"#;

/// Keeps nothing, at once.
struct Nowhere;

impl Storage for Nowhere {
    fn store(&mut self, _rollouts: &StoredRollouts) -> Result<(), String> {
        Ok(())
    }
}

/// A pilot that has not begun to run, and the handle to it.
pub(crate) fn pilot(clock: Clock) -> (Pilot, PilotHandle) {
    let config = Config::parse(FILE.as_bytes(), Path::new("bench.yaml")).expect("the file above is valid");
    let registry = Arc::default();
    let parts = PilotParts {
        config,
        clock,
        loaded: Loaded::Missing,
        storage: Box::new(Nowhere),
        registry,
        notifier: Notifier::default(),
    };
    Pilot::new(parts).expect("a thread can be started")
}

/// The snapshot of such a pilot and its only rollout with 10 % of the traffic to the canary.
pub(crate) fn snapshot() -> (Arc<Snapshot>, RolloutView) {
    let (_pilot, handle) = pilot(Clock::start());
    let snapshot = handle.snapshots().load_full();
    let mut view = RolloutView::clone(&snapshot.rollouts[0]);
    view.split = Split::constant(Weight::try_from_percent(10.0).expect("10 is a percentage"));
    (snapshot, view)
}

/// The header lines of a browser's request.
pub(crate) fn headers() -> HeaderMap {
    [
        ("host", "shop.example"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", "session=0123456789abcdef; theme=dark"),
        ("cache-control", "no-cache"),
    ]
    .into_iter()
    .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
    .collect()
}
