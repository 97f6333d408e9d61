//! Rounds as medians with their spread, and ratios taken round by round.
//!
//! Machines are noisy: peers are measured in turn (A B C A B C ...), and a ratio is formed within each round before
//! its median is taken, so that what slows a whole round slows both sides.

use std::fmt;

/// One figure over all rounds, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series(Vec<f64>);

/// Median, least and greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

// === impl Series ===

impl Series {
    /// Adds a round.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Its spread; `None` without a round.
    pub fn spread(&self) -> Option<Spread> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Spread { median, min, max })
    }

    /// This one's rounds divided by the other's.
    pub fn ratio(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect())
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

// === impl Spread ===

/// `12.3 (11.9–13.0)`; as many decimals as three digits need.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = *self;
        let decimals = match median.abs() {
            wide if wide >= 100.0 => 0,
            middle if middle >= 10.0 => 1,
            _ => 2,
        };
        write!(f, "{median:.decimals$} ({min:.decimals$}–{max:.decimals$})")
    }
}

/// A cell of a table: the spread, or a dash.
pub fn cell(series: Option<&Series>) -> String {
    series.and_then(Series::spread).map_or_else(|| "–".to_owned(), |spread| spread.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_rounds() {
        let odd: Series = [3.0, 1.0, 2.0].into_iter().collect();
        let even: Series = [4.0, 1.0, 2.0, 3.0].into_iter().collect();
        assert_eq!(odd.spread().map(|spread| spread.median), Some(2.0));
        assert_eq!(even.spread().map(|spread| spread.median), Some(2.5));
        assert_eq!(Series::default().spread(), None);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let own: Series = [10.0, 40.0, 30.0].into_iter().collect();
        let other: Series = [10.0, 20.0, 30.0].into_iter().collect();
        let spread = own.ratio(&other).spread().expect("three rounds");
        assert_eq!((spread.median, spread.min, spread.max), (1.0, 1.0, 2.0));
        assert_eq!(spread.to_string(), "1.00 (1.00–2.00)");
    }
}
