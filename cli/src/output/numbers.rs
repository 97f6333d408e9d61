//! Numbers as people read them. None of them flatters: a success rate is rounded down, so only a flawless arm has 100 %.

use std::time::Duration;

/// What stands for a number that is not known.
pub(crate) const UNKNOWN: &str = "–";

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 attempt`, `1,204 attempts`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A percentage with at most two decimals: `10 %`, `2.5 %`.
pub(crate) fn percent(percent: f64) -> String {
    format!("{} %", trimmed(format!("{percent:.2}")))
}

/// A share from 0 to 1 as a percentage, rounded down: `99.97 %`.
pub(crate) fn success(rate: Option<f64>) -> String {
    // The small addition keeps 0.9999, which is not exactly a binary fraction, from becoming 99.98 %.
    rate.map_or_else(|| UNKNOWN.to_owned(), |rate| percent((rate * 10_000.0 + 1e-6).floor() / 100.0))
}

/// Milliseconds with a precision that fits their size: `4.2 ms`, `41 ms`, `1.24 s`.
pub(crate) fn latency(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => UNKNOWN.to_owned(),
        Some(ms) if ms < 9.95 => format!("{} ms", trimmed(format!("{ms:.1}"))),
        Some(ms) if ms < 999.5 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.2} s", ms / 1_000.0),
    }
}

/// Requests per second: `0.4`, `21.6`, `1,204`.
pub(crate) fn per_second(rate: f64) -> String {
    if rate < 99.95 { format!("{rate:.1}") } else { count(rate.round() as u64) }
}

/// A score in nats, with one decimal and a true minus sign.
pub(crate) fn score(score: f64) -> String {
    let text = format!("{:.1}", score.abs());
    if score < 0.0 && text != "0.0" { format!("−{text}") } else { text }
}

/// `0s`, `45s`, `2m 10s`, `1h 5m`, `3d 4h`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{small_unit}"),
    };
    match whole {
        0..60 => format!("{seconds}s"),
        60..3_600 => two(minutes, "m", seconds, "s"),
        3_600..86_400 => two(hours, "h", minutes, "m"),
        _ => two(days, "d", hours, "h"),
    }
}

/// A moment in UTC, `2026-03-21T12:30:01Z`, from Unix milliseconds.
pub(crate) fn moment(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since 1970 in the Gregorian calendar: years are counted from March, so that the leap
/// day is the last of its year, and in eras of 400 years, which all have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Without the zeros at the end of the decimals.
fn trimmed(number: String) -> String {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_groups_of_three_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn only_a_flawless_arm_has_100_percent() {
        assert_eq!(
            [1.0, 0.999_999, 0.9999, 0.9968, 0.0].map(|rate| success(Some(rate))),
            ["100 %", "99.99 %", "99.99 %", "99.68 %", "0 %"]
        );
        assert_eq!(success(None), "–");
    }

    #[test]
    fn latencies_keep_about_three_digits() {
        assert_eq!(
            [0.42, 4.0, 9.96, 41.4, 999.6, 12_340.0].map(|ms| latency(Some(ms))),
            ["0.4 ms", "4 ms", "10 ms", "41 ms", "1.00 s", "12.34 s"]
        );
    }

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!(
            [0.4, 59.9, 130.0, 300.0, 3_900.0, 273_600.0].map(duration),
            ["0s", "59s", "2m 10s", "5m", "1h 5m", "3d 4h"]
        );
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(duration), ["0s", "0s", "0s"]);
    }

    #[test]
    fn moments_are_dates_of_the_gregorian_calendar() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(moment(1_774_096_201_500), "2026-03-21T12:30:01Z");
        assert!(moment(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn scores_and_rates_are_short() {
        assert_eq!([20.707, -3.12, -0.01].map(score), ["20.7", "−3.1", "0.0"]);
        assert_eq!([0.44, 21.6, 1_204.4].map(per_second), ["0.4", "21.6", "1,204"]);
        assert_eq!([10.0, 2.5, 0.05].map(percent), ["10 %", "2.5 %", "0.05 %"]);
    }
}
