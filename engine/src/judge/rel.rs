//! REL: is the canary worse than stable at the same time?
//!
//! The only thing that is used is the coin: each request goes to the canary with probability w, whatever happens.
//! Under "the canary fails at most ρ times as often as stable" every row below has expectation at most 1, for any
//! failure share of stable, also one that changes with time. So an outage of both arms does not count against the
//! canary, and no model of stable's health is needed.

/// Rows of one weight.
pub(crate) const ROWS: usize = 6;
/// How many times as often the canary's share of failures is tried (conditional rows).
const ODDS: [f64; 4] = [2.0, 4.0, 16.0, 64.0];
/// Failure shares (canary, stable) of the gross rows.
const SHARES: [(f64, f64); 2] = [(0.95, 0.02), (0.50, 0.02)];
/// Weights whose rows are kept; a rollout has few, a fleet with caps some more.
const KEPT: usize = 32;

/// Factors in nats for canary failed, canary ok, stable failed, stable ok.
pub(crate) type Row = [f64; 4];

/// The six rows of each weight seen, computed once.
#[derive(Clone, Debug)]
pub(crate) struct RowTable {
    rho: f64,
    kept: Vec<(f64, [Row; ROWS])>,
}

/// The six rows of weight `w`; zeros where no coin is thrown (w = 0 or 1).
pub(crate) fn rows(w: f64, rho: f64) -> [Row; ROWS] {
    let mut rows = [[0.0; 4]; ROWS];
    if !(w > 0.0 && w < 1.0) {
        return rows;
    }
    for (row, m) in rows.iter_mut().zip(ODDS) {
        *row = conditional(w, rho, m);
    }
    for (row, (a, b)) in rows[ODDS.len()..].iter_mut().zip(SHARES) {
        *row = gross(w, rho, a, b);
    }
    rows
}

/// REL of a window: the best row sum, less the price of having tried six.
pub(crate) fn score(row_sums: &[f64; ROWS]) -> f64 {
    row_sums.iter().copied().fold(f64::NEG_INFINITY, f64::max) - (ROWS as f64).ln()
}

/// Which arm a failure belongs to, given that there is one (Lindon, Malek, *Anytime-valid inference for multinomial
/// count data*, arXiv 2011.03567): π0 = ρo/(1+ρo) against π = mρo/(1+mρo), with the odds o = w/(1−w).
fn conditional(w: f64, rho: f64, m: f64) -> Row {
    let odds = rho * w / (1.0 - w);
    // ln((1−π)/(1−π0)), written so that it stays finite for weights next to 1.
    let stable_failed = ((1.0 + odds) / (1.0 + m * odds)).ln();
    [m.ln() + stable_failed, 0.0, stable_failed, 0.0]
}

/// Canary fails with share `a`, stable with `b`, against the nearest pair with ratio ρ, the reverse information
/// projection (Turner, Ly, Grünwald, *Generic e-variables for exact sequential k-sample tests*, arXiv 2106.02693;
/// Turner, Grünwald, arXiv 2302.11401).
fn gross(w: f64, rho: f64, a: f64, b: f64) -> Row {
    let q = projection(w, rho, a, b);
    [(a / (rho * q)).ln(), ((1.0 - a) / (1.0 - rho * q)).ln(), (b / q).ln(), ((1.0 - b) / (1.0 - q)).ln()]
}

/// The q that minimises w·KL(a‖ρq) + (1−w)·KL(b‖q), by bisection on the derivative, which grows with q.
fn projection(w: f64, rho: f64, a: f64, b: f64) -> f64 {
    let derivative = |q: f64| {
        -w * a / q + w * (1.0 - a) * rho / (1.0 - rho * q) - (1.0 - w) * b / q + (1.0 - w) * (1.0 - b) / (1.0 - q)
    };
    let (mut low, mut high) = (0.0, (1.0 / rho).min(1.0));
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break; // no number lies between the two any more
        }
        if derivative(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

// === impl RowTable ===

impl RowTable {
    /// No rows yet. A ratio that cannot be meant counts as 1: at least as good as stable.
    pub(crate) fn new(rho: f64) -> Self {
        let rho = if rho.is_finite() && rho > 0.0 { rho } else { 1.0 };
        Self { rho, kept: Vec::new() }
    }

    /// Makes the rows of `w` the first to be found.
    pub(crate) fn prepare(&mut self, w: f64) {
        match self.kept.iter().position(|&(known, _)| known == w) {
            Some(at) => self.kept[..=at].rotate_right(1),
            None => {
                self.kept.truncate(KEPT - 1);
                self.kept.insert(0, (w, rows(w, self.rho)));
            }
        }
    }

    /// The rows of `w`.
    pub(crate) fn of(&self, w: f64) -> [Row; ROWS] {
        match self.kept.iter().find(|&&(known, _)| known == w) {
            Some(&(_, rows)) => rows,
            None => rows(w, self.rho),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expectation of exp(row) of one request when stable fails with share `p` and the canary with `ratio·p`.
    fn expectation(row: &Row, w: f64, p: f64, ratio: f64) -> f64 {
        let c = (ratio * p).min(1.0);
        w * (c * row[0].exp() + (1.0 - c) * row[1].exp()) + (1.0 - w) * (p * row[2].exp() + (1.0 - p) * row[3].exp())
    }

    #[test]
    fn no_row_expects_more_than_one_while_the_canary_is_at_most_rho_times_as_bad() {
        let rho = 1.25;
        for w in [0.0001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.9, 0.99, 0.9999] {
            for row in rows(w, rho) {
                for step in 0..=1000 {
                    let p = f64::from(step) / 1000.0 / rho;
                    for ratio in [rho, 1.0, 0.5, 0.0] {
                        let mean = expectation(&row, w, p, ratio);
                        assert!(mean <= 1.0 + 1e-9, "w {w}, p {p}, ratio {ratio}: {mean}");
                    }
                }
            }
        }
    }

    #[test]
    fn weights_next_to_the_ends_have_finite_rows() {
        for w in [f64::MIN_POSITIVE, 1e-12, 1.0 - f64::EPSILON] {
            assert!(rows(w, 1.25).iter().flatten().all(|factor| factor.is_finite()), "{w}");
        }
    }

    #[test]
    fn no_coin_no_rows() {
        for w in [0.0, 1.0, -1.0, f64::NAN] {
            assert_eq!(rows(w, 1.25), [[0.0; 4]; ROWS], "{w}");
        }
    }

    #[test]
    fn the_table_keeps_few_weights_and_answers_all() {
        let mut table = RowTable::new(1.25);
        for step in 1..200 {
            table.prepare(f64::from(step) / 200.0);
        }
        assert_eq!(table.kept.len(), KEPT);
        assert_eq!(table.of(0.05), rows(0.05, 1.25));
    }
}
