//! Which endpoint of its arm a request goes to, where a route has a wish: the one that served this client before, or the
//! one of two that has less to do.

use std::cell::Cell;
use std::rc::Rc;

use http::{HeaderMap, HeaderValue};

use super::LocalFilters;
use crate::config::filters::{Affinity, Balance};
use crate::data::choose::{UserId, only_cookie};
use crate::data::pool::{LocalArm, LocalEndpoint, WhenEjected};

/// The wish of one request, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// The endpoint that the client's cookie names, by its key.
    wanted: Option<[u8; 16]>,
    /// The one that was asked last.
    asked: Cell<Option<u64>>,
}

// === impl Wish ===

impl Wish {
    pub(super) fn of(affinity: Option<&Affinity>, headers: &HeaderMap) -> Self {
        let value = affinity.and_then(|affinity| only_cookie(headers, &affinity.cookie));
        Self { wanted: value.and_then(|value| value.try_into().ok()), asked: Cell::new(None) }
    }

    /// An endpoint that can be used, other than `not` if there is another.
    pub(super) fn pick<'a>(
        &self,
        filters: &LocalFilters,
        arm: &'a LocalArm,
        now_us: u64,
        when_ejected: WhenEjected,
        not: Option<u64>,
    ) -> Option<&'a Rc<LocalEndpoint>> {
        let wanted = self.wanted.filter(|_| filters.view.settings.affinity.is_some());
        let same = wanted
            .and_then(|wanted| arm.usable(now_us, |local| name(local.key) == wanted && Some(local.endpoint.id) != not));
        let picked = match (same, filters.view.settings.balance) {
            (Some(same), _) => Some(same),
            (None, Balance::RoundRobin) => arm.pick(now_us, when_ejected, not),
            (None, Balance::LeastRequests) => least(filters, arm, now_us, when_ejected, not),
        };
        self.asked.set(picked.map(|local| local.key));
        picked
    }

    /// The cookie that names the endpoint which answered, if the client has another or none.
    pub(super) fn cookie(&self, affinity: &Affinity) -> Option<HeaderValue> {
        let name = name(self.asked.get()?);
        if self.wanted == Some(name) {
            return None;
        }
        let life = affinity.ttl.map(|ttl| format!("; Max-Age={}", ttl.get() / 1_000)).unwrap_or_default();
        let value = std::str::from_utf8(&name).unwrap_or_default();
        HeaderValue::try_from(format!("{}={value}; Path=/{life}; HttpOnly; SameSite=Lax", affinity.cookie)).ok()
    }
}

/// Of two different ones, drawn anew each time: always the same pairs could not level out between them.
fn least<'a>(
    filters: &LocalFilters,
    arm: &'a LocalArm,
    now_us: u64,
    when_ejected: WhenEjected,
    not: Option<u64>,
) -> Option<&'a Rc<LocalEndpoint>> {
    let mut random = filters.random.borrow_mut();
    arm.turn_to(random.next_u64());
    let one = arm.pick(now_us, when_ejected, not)?;
    arm.turn_to(random.next_u64());
    let other = arm.usable(now_us, |local| local.endpoint.id != one.endpoint.id && Some(local.endpoint.id) != not);
    Some(other.filter(|other| other.under_way() < one.under_way()).unwrap_or(one))
}

/// As it stands in a cookie.
fn name(key: u64) -> [u8; 16] {
    let id = UserId::new(key);
    id.as_str().as_bytes().try_into().expect("an id has 16 digits")
}
