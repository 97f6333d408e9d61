//! How long to wait before a failed delivery is tried again: longer each time, never in step with others, and at least
//! as long as the receiver asks for.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(300);
/// A receiver that asks for more is tried all the same: it may have been a slip.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// The wait after `failures` in a row; `random` is anything from 0 to 1.
pub(super) fn wait(failures: u32, asked: Option<Duration>, random: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LONGEST);
    let jittered = doubled.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
    jittered.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// A number from 0 to 1, for the jitter.
pub(super) fn random() -> f64 {
    // Without randomness all retries are in step, which is a pity and no fault.
    f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_spread_over_half_of_each() {
        let waits: Vec<u64> = [1, 2, 3, 10, 11, 4_000_000_000].map(|n| wait(n, None, 1.0).as_millis() as u64).into();
        assert_eq!(waits, [500, 1_000, 2_000, 256_000, 300_000, 300_000]);
        assert_eq!(wait(1, None, 0.0), Duration::from_millis(250));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_a_day() {
        assert_eq!(wait(1, Some(Duration::from_secs(7)), 0.5), Duration::from_secs(7));
        assert_eq!(wait(1, Some(Duration::from_secs(86_400)), 0.5), Duration::from_secs(3_600));
    }
}
