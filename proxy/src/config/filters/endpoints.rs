//! `affinity` and `balance`: which endpoint of an arm a request goes to.

use sluice_engine::units::Millis;

use super::optional;
use crate::config::range;
use crate::config::raw::RawAffinity;
use crate::config::routing::cookie_name;
use crate::config::scope::Scope;

/// Browsers keep no cookie longer.
const MAX_TTL: Millis = Millis::new(400 * 86_400_000);

/// `affinity:`. A cookie names the endpoint that a client was served by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// Its name; default `sluice_endpoint`.
    pub cookie: String,
    /// Its Max-Age; without one it ends with the browser's session.
    pub ttl: Option<Millis>,
}

/// `balance:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Of two drawn at random, the one with fewer requests of this worker under way.
    LeastRequests,
}

// === impl Affinity ===

impl Affinity {
    pub(super) fn from_raw(raw: &RawAffinity, scope: &Scope<'_>) -> Option<Self> {
        let cookie = cookie_name(raw.cookie.as_deref().unwrap_or("sluice_endpoint"), &scope.key("cookie"));
        let ttl = optional(raw.ttl.as_ref(), |ttl| {
            range::time(Some(*ttl), *ttl, Millis::new(1_000)..=MAX_TTL, &scope.key("ttl"))
        });
        Some(Self { cookie: cookie?, ttl: ttl? })
    }
}
