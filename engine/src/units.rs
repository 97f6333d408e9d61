//! Numbers with a range or a unit, so that no later code has to check them again.
//!
//! People write `10`, `"99%"`, `0.99` and `5m`; the engine keeps basis points, fractions and milliseconds. Each type
//! refuses what it can't mean with one sentence that names the value and what is allowed.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Length of one tick, the width of a start cohort, in milliseconds (Δ in formulas).
pub const TICK_MS: u64 = 50;

/// Share of the undirected traffic that goes to the canary, in basis points: 0 to 10,000.
///
/// Written as a percentage: `10`, `2.5` or `"10%"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

/// A fraction between 0 and 1 in basis points, written `"99%"` or `0.99`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

/// A length of time in milliseconds, written `150ms`, `10s`, `5m`, `1h` or `1d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(u64);

/// Why a number was refused; the text names the value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutOfRange(String);

// === impl Weight ===

impl Weight {
    /// Nothing goes to the canary by weight.
    pub const ZERO: Self = Self(0);
    /// Everything goes to the canary.
    pub const FULL: Self = Self(10_000);

    /// A weight of `basis_points` hundredths of a percent, 0 to 10,000.
    pub fn try_from_basis_points(basis_points: u16) -> Result<Self, OutOfRange> {
        if basis_points > Self::FULL.0 {
            return Err(OutOfRange(format!("weight {basis_points} bp: 0 to 10000 basis points are allowed")));
        }
        Ok(Self(basis_points))
    }

    /// A weight of `percent`, 0 to 100; more than two decimals are rounded.
    pub fn try_from_percent(percent: f64) -> Result<Self, OutOfRange> {
        basis_points(percent, 100.0)
            .map(Self)
            .ok_or_else(|| OutOfRange(format!("weight {percent}: a percentage from 0 to 100 is allowed")))
    }

    /// Hundredths of a percent, 0 to 10,000.
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// Percent, 0 to 100.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// The probability that an undirected request goes to the canary, 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// Whether no undirected request may go to the canary.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.percent())
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, is_percent_text) = deserializer.deserialize_any(NumberOrPercent("a percentage from 0 to 100"))?;
        let _ = is_percent_text; // `10` and `"10%"` mean the same weight
        Self::try_from_percent(value).map_err(de::Error::custom)
    }
}

// === impl Share ===

impl Share {
    /// A share given as a fraction from 0 to 1.
    pub fn try_from_fraction(fraction: f64) -> Result<Self, OutOfRange> {
        basis_points(fraction, 1.0).map(Self).ok_or_else(|| {
            OutOfRange(format!("{fraction}: write a percentage such as \"99%\" or a fraction from 0 to 1"))
        })
    }

    /// The share as a fraction, 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// What is missing to 1, as a fraction: the allowed share of failures for a success rate.
    pub fn complement(self) -> f64 {
        f64::from(10_000 - self.0) / 10_000.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 100.0)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.fraction())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a percentage such as \"99%\" or a fraction from 0 to 1";
        let (value, is_percent_text) = deserializer.deserialize_any(NumberOrPercent(expected))?;
        let fraction = if is_percent_text { value / 100.0 } else { value };
        Self::try_from_fraction(fraction).map_err(de::Error::custom)
    }
}

// === impl Millis ===

impl Millis {
    /// A length of `milliseconds`.
    pub const fn new(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, at most the longest time there is.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Reads `150ms`, `10s`, `5m`, `1h` or `1d`; whole numbers or decimals, one unit, at most ten years.
    pub fn parse(text: &str) -> Result<Self, OutOfRange> {
        const TEN_YEARS_MS: f64 = 10.0 * 365.25 * 86_400_000.0;
        let refused = || {
            OutOfRange(format!("duration {text:?}: write a number and one of ms, s, m, h, d, such as 150ms, 10s or 5m"))
        };
        let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(refused)?;
        let (number, unit) = text.split_at(split);
        let scale = match unit {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return Err(refused()),
        };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(refused());
        }
        let milliseconds = number.parse::<f64>().map_err(|_| refused())? * scale;
        if milliseconds > TEN_YEARS_MS {
            return Err(OutOfRange(format!("duration {text:?}: at most ten years are allowed")));
        }
        // In range by the check above, and never negative: the text holds digits and a point only.
        Ok(Self(milliseconds.round() as u64))
    }
}

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Self {
        Self::from_millis(millis.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0;
        for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if ms >= length && ms.is_multiple_of(length) {
                return write!(f, "{}{unit}", ms / length);
            }
        }
        write!(f, "{ms}ms")
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Millis;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 150ms, 10s, 5m or 1h")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Millis, E> {
                Millis::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// Hundredths of a percent of `value` where `whole` is 100 %; `None` outside 0..=whole and for what is no number.
fn basis_points(value: f64, whole: f64) -> Option<u16> {
    (0.0..=whole).contains(&value).then(|| (value / whole * 10_000.0).round() as u16)
}

/// Reads a number, or a text that ends in `%`; yields the number and whether it was such a text.
struct NumberOrPercent(&'static str);

impl Visitor<'_> for NumberOrPercent {
    type Value = (f64, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok((value as f64, false))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok((value as f64, false))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok((value, false))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let number = text.strip_suffix('%').map(str::trim_end);
        match number.and_then(|digits| digits.parse::<f64>().ok()) {
            Some(value) => Ok((value, true)),
            None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_in_their_largest_whole_unit() {
        for (text, ms) in
            [("150ms", 150), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("1d", 86_400_000), ("1.5s", 1_500)]
        {
            assert_eq!(Millis::parse(text), Ok(Millis::new(ms)), "{text}");
        }
        assert_eq!(Millis::new(90_000).to_string(), "90s");
        assert_eq!(Millis::new(300_000).to_string(), "5m");
    }

    #[test]
    fn durations_without_a_known_unit_are_refused_by_name() {
        for text in ["10", "", "s", "-1s", "1w", "1e3s", "1s2", "1 s", "99999999d"] {
            let error = Millis::parse(text).expect_err(text).to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_weight_is_a_percentage_as_number_or_text() {
        for (json, bp) in
            [("10", 1_000), ("2.5", 250), ("\"10%\"", 1_000), ("\"0.5 %\"", 50), ("100", 10_000), ("0", 0)]
        {
            assert_eq!(serde_json::from_str::<Weight>(json).unwrap().basis_points(), bp, "{json}");
        }
        for json in ["101", "-1", "\"ten\"", "\"101%\"", "true"] {
            assert!(serde_json::from_str::<Weight>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_share_is_a_percent_text_or_a_fraction_and_never_a_bare_percentage() {
        assert_eq!(serde_json::from_str::<Share>("\"99%\"").unwrap(), serde_json::from_str::<Share>("0.99").unwrap());
        let error = serde_json::from_str::<Share>("99").unwrap_err().to_string();
        assert!(error.contains("99") && error.contains("percentage"), "{error}");
    }
}
