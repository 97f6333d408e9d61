//! Seeded chance: the same run draws the same numbers.

/// Numbers that look random (xorshift64*).
#[derive(Clone, Debug)]
pub struct Chance(u64);

// === impl Chance ===

impl Chance {
    /// Different for each seed.
    pub fn new(seed: u64) -> Self {
        // Spread out, so that neighbouring seeds don't begin alike; zero would stay zero.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    /// A number from 0 to 1, 1 excluded.
    pub fn draw(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_seeds_draw_differently_and_evenly() {
        let firsts: Vec<f64> = (0..10_000).map(|seed| Chance::new(seed).draw()).collect();
        let mean = firsts.iter().sum::<f64>() / 10_000.0;
        assert!((0.49..0.51).contains(&mean), "{mean}");
        assert_ne!(firsts[0], firsts[1]);
        assert_eq!(Chance::new(7).draw(), Chance::new(7).draw());
    }
}
