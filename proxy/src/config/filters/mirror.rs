//! `mirror`: copies of requests for the canary, before it gets any of its own.

use crate::config::Sample;
use crate::config::raw::{RawMirror, RawRoute};
use crate::config::scope::Scope;

pub(super) fn share(raw: &RawMirror, route: &RawRoute, scope: &Scope<'_>) -> Option<Sample> {
    if route.rollout.is_none() {
        return scope.refuse("only a rollout has a canary that could get copies");
    }
    let percent = raw.percent;
    Sample::try_new(percent / 100.0).or_else(|| scope.key("percent").refuse(format!("{percent}: 0 to 100 is allowed")))
}
