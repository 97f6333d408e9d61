//! A worker's random numbers: fast, seeded by the system, and never shown.
//!
//! Draws and identifiers come from generators of their own: an identifier is sent out, and whoever could compute the
//! state from it could foresee the draws. It refuses to make secrets.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and a mix for each number.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that nobody can foresee.
    pub fn from_system() -> Self {
        // The standard library keys its hash maps with bytes from the system; an empty hash is a function of them.
        Self(RandomState::new().build_hasher().finish())
    }

    /// A generator that repeats itself, for tests and benches.
    pub const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
