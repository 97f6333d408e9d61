//! A number of bytes, as people write it: `8MiB`, or `8m` as in nginx.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Units, each 1,024 times the one before.
const UNITS: [[&str; 2]; 3] = [["k", "kib"], ["m", "mib"], ["g", "gib"]];

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct RawSize(pub(in crate::config) u64);

// === impl RawSize ===

impl RawSize {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        if unit.is_empty() {
            return Some(Self(number));
        }
        let power = UNITS.iter().position(|names| names.contains(&unit))?;
        number.checked_mul(1_024_u64.pow(u32::try_from(power).ok()? + 1)).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = RawSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes such as 512KiB, 8MiB or 1GiB")
    }

    fn visit_u64<E>(self, bytes: u64) -> Result<RawSize, E> {
        Ok(RawSize(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawSize, E> {
        RawSize::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_people_and_as_nginx_write_them() {
        for (text, bytes) in [("0", 0), ("8m", 8 << 20), ("8MiB", 8 << 20), ("512k", 512 << 10), ("1GiB", 1 << 30)] {
            assert_eq!(RawSize::parse(text), Some(RawSize(bytes)), "{text}");
        }
        for text in ["", "m", "8 MiB", "8MB", "1.5m", "-1", "99999999999999g"] {
            assert_eq!(RawSize::parse(text), None, "{text}");
        }
    }
}
