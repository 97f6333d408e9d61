//! Which arm a request goes to: directed, else by the user's bucket, else by the draw.
//!
//! Pure but for the draw's state, so that it can be tested and measured without a socket. In doubt the request is
//! undirected: a routing header or cookie counts only as exactly one line with exactly one value. Weight 0 is absolute
//! for undirected traffic, sticky users included. Whether the arm has an endpoint is not asked here: a trial counts
//! when its arm is chosen.

mod directed;
mod fields;

use std::net::IpAddr;

use http::HeaderMap;
use sluice_engine::evidence::Arm;
use sluice_engine::split::{Draw, sticky_arm, sticky_bucket};
use sluice_engine::units::Weight;

pub(super) use self::fields::only_cookie;
use self::fields::only_line;
use super::random::Random;
use super::record::Reason;
use crate::config::Sticky;
use crate::snapshot::RolloutView;

/// What of a request the choice may look at.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// All header lines.
    pub headers: &'a HeaderMap,
    /// Host without port, any case.
    pub host: &'a str,
    /// Query without `?`.
    pub query: Option<&'a str>,
    /// Who is connected to us.
    pub peer: IpAddr,
}

/// The chosen arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where it goes.
    pub arm: Arm,
    /// Why.
    pub reason: Reason,
    /// A new user: the answer must set the sticky cookie to this id.
    pub new_user: Option<UserId>,
}

/// The value of a sticky cookie: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId([u8; 16]);

/// State of one worker's choices for one rollout.
#[derive(Clone, Debug)]
pub struct Chance {
    draw: Draw,
    draws: Random,
    ids: Random,
}

// === impl Chance ===

impl Chance {
    /// A worker's own, which nobody can foresee.
    pub fn from_system() -> Self {
        Self { draw: Draw::new(), draws: Random::from_system(), ids: Random::from_system() }
    }

    /// One that repeats itself, for tests and benches.
    pub fn from_seed(seed: u64) -> Self {
        Self { draw: Draw::new(), draws: Random::from_seed(seed), ids: Random::from_seed(!seed) }
    }
}

/// Chooses the arm of a request that starts at `now_us` (process clock).
#[inline]
pub fn choose(view: &RolloutView, asked: &Asked<'_>, now_us: u64, chance: &mut Chance) -> Choice {
    let settings = &view.routing.settings;
    if let Some(wanted) = directed::wanted_arm(settings, asked) {
        let arm = if takes_directed(view) { wanted } else { Arm::Stable };
        return Choice { arm, reason: Reason::Directed, new_user: None };
    }
    if view.canary.is_none() {
        return Choice { arm: Arm::Stable, reason: Reason::Drawn, new_user: None };
    }
    let weight = if view.reverted { Weight::ZERO } else { view.split.at(view.tick_at(now_us)) };
    match &settings.sticky {
        None => drawn(weight, chance),
        Some(Sticky::Header(name)) => match only_line(asked.headers, name) {
            Some(user) => by_bucket(view, weight, user, None),
            None => drawn(weight, chance),
        },
        Some(Sticky::Cookie { name, .. }) => match only_cookie(asked.headers, name).filter(|id| UserId::is_one(id)) {
            Some(user) => by_bucket(view, weight, user, None),
            None => {
                let id = UserId::new(chance.ids.next_u64());
                by_bucket(view, weight, &id.0, Some(id))
            }
        },
    }
}

/// Whether the canary may get requests that asked for it.
fn takes_directed(view: &RolloutView) -> bool {
    view.canary.is_some() && (!view.reverted || view.routing.settings.directed_after_revert)
}

#[inline]
fn drawn(weight: Weight, chance: &mut Chance) -> Choice {
    let arm = if weight.is_zero() { Arm::Stable } else { chance.draw.next(weight, chance.draws.next_u64()) };
    Choice { arm, reason: Reason::Drawn, new_user: None }
}

/// Users with a bucket below the weight: raising it moves people to the canary and nobody back.
fn by_bucket(view: &RolloutView, weight: Weight, user: &[u8], new_user: Option<UserId>) -> Choice {
    let arm = sticky_arm(sticky_bucket(user, view.routing.sticky_salt), weight);
    Choice { arm, reason: Reason::Sticky, new_user }
}

// === impl UserId ===

impl UserId {
    /// The id with this number.
    pub fn new(number: u64) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        Self(std::array::from_fn(|i| DIGITS[(number >> (60 - 4 * i)) as usize & 15]))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether a cookie's value is one of ours; anything else is drawn anew.
    fn is_one(value: &[u8]) -> bool {
        value.len() == 16 && value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

#[cfg(test)]
mod tests;
