//! ABS: is the canary beyond its limit?
//!
//! A mixture of likelihood ratios of the failure share, each against the limit θ. exp(ABS) is at most the mean of
//! non-negative martingales that start at 1, so P(ABS ever reaches ln 1/ε while the rate is at most θ) ≤ ε, whenever
//! one looks (J. Ville, *Étude critique de la notion de collectif*, 1939). It says nothing about *why* requests
//! fail; that is REL's question.

use super::settings::clamped_theta;

/// Multiples of the limit that are tried as the canary's failure share, as far as they stay below [`GRID_END`].
const MULTIPLES: [f64; 7] = [1.5, 2.0, 4.0, 10.0, 30.0, 100.0, 300.0];
/// Multiples at or above this share are left out.
const GRID_END: f64 = 0.75;
/// A canary that fails nearly everything; always on the grid.
const NEARLY_ALL: f64 = 0.9;

/// The test of one metric against its limit; made once per generation.
#[derive(Clone, Debug)]
pub(crate) struct Abs {
    /// `ln(p/θ)` for a failure and `ln((1−p)/(1−θ))` for a success, for each share p on the grid.
    points: [(f64, f64); MULTIPLES.len() + 1],
    used: usize,
    ln_used: f64,
}

// === impl Abs ===

impl Abs {
    /// The grid for the limit `theta` (A. Wald, *Sequential Tests of Statistical Hypotheses*, 1945; mixtures as in
    /// Howard, Ramdas, McAuliffe, Sekhon, *Time-uniform Chernoff bounds*, arXiv 1808.03204).
    pub(crate) fn new(theta: f64) -> Self {
        let theta = clamped_theta(theta);
        let mut points = [(0.0, 0.0); MULTIPLES.len() + 1];
        let mut used = 0;
        let multiples = MULTIPLES.iter().map(|multiple| multiple * theta);
        for p in multiples.filter(|&p| p < GRID_END).chain([NEARLY_ALL]) {
            points[used] = ((p / theta).ln(), ((1.0 - p) / (1.0 - theta)).ln());
            used += 1;
        }
        Self { points, used, ln_used: (used as f64).ln() }
    }

    /// The score in nats of `x` failures among `n` trials; both may be fractions.
    pub(crate) fn score(&self, n: f64, x: f64) -> f64 {
        let ok = n - x;
        let best = self.points[..self.used]
            .iter()
            .map(|&(failed, succeeded)| x * failed + ok * succeeded)
            .fold(f64::NEG_INFINITY, f64::max);
        best - self.ln_used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_six_five_and_eight_points_at_the_usual_limits() {
        for (theta, points) in [(0.01, 6), (0.05, 5), (0.001, 8)] {
            assert_eq!(Abs::new(theta).used, points, "θ = {theta}");
        }
    }

    #[test]
    fn a_limit_that_is_no_number_gives_a_finite_score() {
        assert!(Abs::new(f64::NAN).score(10.0, 5.0).is_finite());
        assert!(Abs::new(7.0).score(10.0, 5.0).is_finite());
    }
}
