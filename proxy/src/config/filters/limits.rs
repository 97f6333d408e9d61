//! What a route allows its requests: time, attempts, bytes.

use sluice_engine::units::Millis;

use super::{UpstreamOverrides, optional};
use crate::config::raw::{RawRoute, RawSize, RawTimeouts};
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

pub(super) fn body_size(written: RawSize, scope: &Scope<'_>) -> Option<u64> {
    if written.0 > 0 {
        return Some(written.0);
    }
    scope.refuse("0: at least one byte is allowed; leave it out for no limit")
}
