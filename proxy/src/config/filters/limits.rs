//! What a route allows its requests: time, attempts, bytes.

use sluice_engine::units::Millis;

use super::{Rate, RateLimit, UpstreamOverrides, optional};
use crate::config::raw::{RawRateLimit, RawRoute, RawSize, RawTimeouts};
use crate::config::scope::Scope;
use crate::config::{UpstreamSettings, range};

const MILLISECOND: Millis = Millis::new(1);
const MINUTE: Millis = Millis::new(60_000);
const DAY: Millis = Millis::new(86_400_000);

// === impl UpstreamOverrides ===

impl UpstreamOverrides {
    pub(super) fn from_raw(raw: &RawRoute, scope: &Scope<'_>) -> Option<Self> {
        let none = RawTimeouts::default();
        let (timeouts, times) = (raw.timeouts.as_ref().unwrap_or(&none), scope.key("timeouts"));
        let time = |written: Option<Millis>, most, key: &str| {
            optional(written.as_ref(), |time| range::time(Some(*time), *time, MILLISECOND..=most, &times.key(key)))
        };
        let connect_timeout = time(timeouts.connect, MINUTE, "connect");
        let request_timeout = time(timeouts.request, DAY, "request");
        let retries =
            optional(raw.retries.as_ref(), |count| range::count(Some(*count), 0, 0..=10, &scope.key("retries")));
        Some(Self {
            connect_timeout: connect_timeout?,
            request_timeout: request_timeout?,
            retries: retries?.and_then(|count| u32::try_from(count).ok()),
        })
    }

    /// The settings of a route; none if they are those of all.
    pub fn apply(&self, all: &UpstreamSettings) -> Option<UpstreamSettings> {
        (*self != Self::default()).then(|| UpstreamSettings {
            connect_timeout: self.connect_timeout.unwrap_or(all.connect_timeout),
            request_timeout: self.request_timeout.unwrap_or(all.request_timeout),
            retries: self.retries.unwrap_or(all.retries),
            ..all.clone()
        })
    }
}

// === impl RateLimit ===

impl RateLimit {
    pub(super) fn from_raw(raw: &RawRateLimit, scope: &Scope<'_>) -> Option<Self> {
        let rate =
            optional(raw.requests_per_second.as_ref(), |per_second| Rate::from_raw(*per_second, raw.burst, scope));
        let concurrent = optional(raw.concurrent.as_ref(), |count| {
            range::count(Some(*count), 1, 1..=1_000_000, &scope.key("concurrent"))
        });
        if raw.requests_per_second.is_none() && raw.burst.is_some() {
            return scope.key("burst").refuse("only with requestsPerSecond there is a burst");
        }
        let limit = Self { rate: rate?, concurrent: concurrent? };
        if limit == Self::default() {
            return scope.refuse("at least one of requestsPerSecond and concurrent is needed");
        }
        Some(limit)
    }
}

// === impl Rate ===

impl Rate {
    /// As much as comes in a second may come at once unless it is said otherwise.
    fn from_raw(per_second: f64, burst: Option<u64>, scope: &Scope<'_>) -> Option<Self> {
        let is_rate = (0.001..=1_000_000.0).contains(&per_second);
        let default = if is_rate { per_second.ceil() as u64 } else { 1 };
        let burst = range::count(burst, default, 1..=1_000_000, &scope.key("burst"));
        if !is_rate {
            return scope.key("requestsPerSecond").refuse(format!("{per_second}: 0.001 to 1000000 is allowed"));
        }
        Some(Self { per_second, burst: burst? })
    }
}

pub(super) fn body_size(written: RawSize, scope: &Scope<'_>) -> Option<u64> {
    if written.0 > 0 {
        return Some(written.0);
    }
    scope.refuse("0: at least one byte is allowed; leave it out for no limit")
}
