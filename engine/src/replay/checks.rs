//! Ranges of the numbers in files; each refusal names the place, the value and what is allowed.

use super::{GuardSetting, ReplayError};

/// Counts beyond this are no longer exact.
pub(super) const MOST: f64 = 9_007_199_254_740_992.0;

type Checked = Result<(), ReplayError>;

/// `value` lies within `least..=most`; what is no number never does.
pub(super) fn within(place: &str, value: f64, least: f64, most: f64) -> Checked {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ReplayError::new(place, format!("{value} is not allowed: {least} to {most}")))
}

/// `value` lies strictly between 0 and `most`, or is `most`.
pub(super) fn positive(place: &str, value: f64, most: f64) -> Checked {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    Err(ReplayError::new(place, format!("{value} is not allowed: above 0, at most {most}")))
}

/// A whole number of at least 1.
pub(super) fn at_least_one(place: &str, value: u32) -> Checked {
    if value == 0 {
        return Err(ReplayError::new(place, "0 is not allowed: at least 1"));
    }
    Ok(())
}

/// `x` failures among `n` trials.
pub(super) fn counts(place: &str, n: f64, x: f64) -> Checked {
    within(place, n, 0.0, MOST)?;
    within(place, x, 0.0, MOST)?;
    if x > n {
        return Err(ReplayError::new(place, format!("{x} failures among {n} trials")));
    }
    Ok(())
}

/// An allowed share of failures: 0 (raised to 1e-4) to one half.
pub(super) fn theta(place: &str, theta: f64) -> Checked {
    // 1 − 0.5 and the like are exact; no tolerance is needed.
    within(place, theta, 0.0, 0.5)
}

/// A guard that caps at some positive count.
pub(super) fn guard(place: &str, guard: GuardSetting) -> Checked {
    match guard {
        GuardSetting::Off | GuardSetting::Auto => Ok(()),
        GuardSetting::Cap(count) => positive(place, count, MOST),
    }
}
