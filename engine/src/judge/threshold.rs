//! How much evidence a window has to show.
//!
//! Half of a metric's part of α is spread over the K planned step starts, half over the 36,000 restarts of an hour
//! (renewed each hour), so that the chance of a false revert stays at α however often one looks.

use super::finding::WindowKind;
use super::settings::{Metric, Role, Settings};

/// Restarts begun in the time over which their budget is spread: one every 100 ms for an hour.
const RESTARTS_PER_HOUR: f64 = 36_000.0;
/// ABS from which a metric is in doubt, and REL from which it looks worse than stable: ln 20. Nothing is promoted then.
pub(crate) const DOUBT: f64 = 2.995_732_273_553_991;
/// Held failures that cost as much as a first look at a shared outage.
const HELD_SCALE: f64 = 5.0;

/// ABS at which a window of `kind` trips: ln(1/α_m) + ln(2K) or ln(2·36,000) + what the role costs.
pub(crate) fn abs_threshold(settings: &Settings, metric: Metric, kind: WindowKind) -> f64 {
    let budget = settings.alpha * settings.share_of(metric);
    let penalty = match kind {
        WindowKind::Step => 2.0 * f64::from(settings.steps.max(1)),
        WindowKind::Restart => 2.0 * RESTARTS_PER_HOUR,
    };
    let role = match settings.role {
        Role::Single => 1.0,
        Role::Controller => 2.0,
        Role::Local { proxies } => 2.0 * f64::from(proxies.max(1)),
    };
    -budget.ln() + penalty.ln() + role.ln()
}

/// REL at which it holds: ln(1/α_rel) + ln(1 + H/5), where H counts failures in evaluations that tripped without it.
/// That pays for looking again and again during outages.
pub(crate) fn rel_threshold(alpha_rel: f64, held_failures: f64) -> f64 {
    -alpha_rel.ln() + (held_failures / HELD_SCALE).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_give_the_documented_thresholds() {
        let settings = Settings::default();
        let rounded = |metric, kind| (abs_threshold(&settings, metric, kind) * 1e3).round() / 1e3;
        assert_eq!(rounded(Metric::Failures, WindowKind::Step), 9.903);
        assert_eq!(rounded(Metric::Failures, WindowKind::Restart), 18.785);
        assert_eq!(rounded(Metric::Latency, WindowKind::Step), 10.597);
        assert_eq!(rounded(Metric::Latency, WindowKind::Restart), 19.478);
    }

    #[test]
    fn twenty_proxies_pay_for_their_number() {
        let settings = Settings { role: Role::Local { proxies: 20 }, ..Settings::default() };
        let step = abs_threshold(&settings, Metric::Failures, WindowKind::Step);
        let restart = abs_threshold(&settings, Metric::Failures, WindowKind::Restart);
        assert!((step - 13.592).abs() < 1e-3 && (restart - 22.474).abs() < 1e-3, "{step} {restart}");
    }
}
