//! Numbers and times that may be left out and must lie within bounds.

use std::ops::RangeInclusive;

use sluice_engine::units::Millis;

use super::scope::Scope;

/// A count, or its default.
pub(super) fn count(
    written: Option<u64>,
    default: u64,
    allowed: RangeInclusive<u64>,
    scope: &Scope<'_>,
) -> Option<usize> {
    let value = written.unwrap_or(default);
    if allowed.contains(&value) {
        return usize::try_from(value).ok();
    }
    scope.refuse(format!("{value}: {} to {} is allowed", allowed.start(), allowed.end()))
}

/// A time, or its default.
pub(super) fn time(
    written: Option<Millis>,
    default: Millis,
    allowed: RangeInclusive<Millis>,
    scope: &Scope<'_>,
) -> Option<Millis> {
    let value = written.unwrap_or(default);
    if allowed.contains(&value) {
        return Some(value);
    }
    scope.refuse(format!("{value}: {} to {} is allowed", allowed.start(), allowed.end()))
}
