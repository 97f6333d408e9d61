//! Which arm a request goes to.
//!
//! [`Draw`] assigns requests: exact over short runs, yet with a chance of exactly the weight for each request and with
//! places nobody can foresee, so that no periodic pattern of requests lines up with the split. REL rests on that
//! chance. [`sticky_bucket`] assigns users: the same key always gets the same bucket, on every platform and in every
//! version, and raising the weight moves people to the canary and nobody back.
//!
//! Nothing here makes random numbers; the caller brings 64 random bits per request.

use crate::evidence::Arm;
use crate::units::Weight;

/// Basis points in 1.
const WHOLE: u32 = 10_000;
/// Canary requests (or stable ones, if those are fewer) of an average block.
const RARE_PER_BLOCK: u32 = 2;
/// Shortest and longest block. Two requests at the smallest weight, 1 basis point, need 20,000.
const BLOCK: std::ops::RangeInclusive<u32> = 16..=20_000;

/// A weighted draw of low discrepancy; one per worker.
///
/// Requests come in blocks. In each block exactly the right number goes to the canary, the fraction being carried to
/// the next block from a random first phase; which ones is drawn afresh by selection sampling. So the chance of each
/// request is the weight, and after any number of requests the count is off by at most about one block's share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draw {
    weight: Weight,
    /// Requests left in the block, and those of them that go to the canary.
    left: u32,
    canary_left: u32,
    /// Hundredths of basis points of a request carried over: 0 to 9,999 ten-thousandths.
    carry: u32,
}

/// A number that differs from rollout to rollout and generation to generation, so that not always the same users are
/// the first to meet a canary. Parts are separated: `["ab", "c"]` and `["a", "bc"]` differ.
pub fn salt(parts: &[&str]) -> u64 {
    let hash = parts.iter().fold(FNV_OFFSET, |hash, part| {
        let hash = fnv1a(hash, &(part.len() as u64).to_le_bytes());
        fnv1a(hash, part.as_bytes())
    });
    finalise(hash)
}

/// The bucket of a user, 0 to 9,999. The user goes to the canary if and only if the bucket is below the weight in
/// basis points ([`sticky_arm`]).
///
/// The algorithm is part of the contract: FNV-1a over the salt (8 bytes, little endian) and the key, the finaliser of
/// SplitMix64, and the upper half of the product with 10,000.
pub fn sticky_bucket(key: &[u8], salt: u64) -> u16 {
    let hash = finalise(fnv1a(fnv1a(FNV_OFFSET, &salt.to_le_bytes()), key));
    below(hash, WHOLE) as u16
}

/// The arm of a user in `bucket` at `weight`.
pub fn sticky_arm(bucket: u16, weight: Weight) -> Arm {
    if bucket < weight.basis_points() { Arm::Canary } else { Arm::Stable }
}

// === impl Draw ===

impl Draw {
    /// A draw that begins its first block with the first request.
    pub fn new() -> Self {
        Self::default()
    }

    /// The arm of the next request; `random` are 64 fresh random bits. Weight 0 and 100 % need no luck.
    pub fn next(&mut self, weight: Weight, random: u64) -> Arm {
        if weight != self.weight {
            *self = Self { weight, left: 0, canary_left: 0, carry: below(random << 32, WHOLE) };
        }
        if weight.is_zero() {
            return Arm::Stable;
        }
        if weight == Weight::FULL {
            return Arm::Canary;
        }
        if self.left == 0 {
            self.begin_block();
        }
        // Of the places left, `canary_left` are the canary's: each place has the same chance.
        let canary = below(random, self.left) < self.canary_left;
        self.left -= 1;
        self.canary_left -= u32::from(canary);
        if canary { Arm::Canary } else { Arm::Stable }
    }

    fn begin_block(&mut self) {
        let weight = u32::from(self.weight.basis_points());
        let rare = weight.min(WHOLE - weight).max(1);
        let length = (RARE_PER_BLOCK * WHOLE / rare).clamp(*BLOCK.start(), *BLOCK.end());
        // At most 10,000 · 20,000 + 9,999: far below 2^32.
        let share = weight * length + self.carry;
        self.left = length;
        self.canary_left = share / WHOLE;
        self.carry = share % WHOLE;
    }
}

/// `random` scaled to 0..bound by its upper bits.
fn below(random: u64, bound: u32) -> u32 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u32
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// The finaliser of SplitMix64: FNV alone leaves the upper bits of short keys alike.
fn finalise(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests;
