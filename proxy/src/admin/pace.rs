//! How many writes are taken in a time: a bucket that fills steadily.
//!
//! Ten a second, twenty at once: no person and no sensible script gets there, a loop that has lost its way does. Failed
//! attempts at the token have a bucket of their own, so that whoever guesses can't keep the operator out.

use std::time::Duration;

/// Writes at once.
const BURST: f64 = 20.0;

/// Writes per second.
const PER_SECOND: f64 = 10.0;

/// A bucket of permissions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    left: f64,
    at: Duration,
}

// === impl Bucket ===

impl Bucket {
    pub(super) const FULL: Self = Self { left: BURST, at: Duration::ZERO };

    /// Takes one permission at `now` (any clock that does not go back), or says in how many whole seconds there is one.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), u64> {
        self.left = (self.left + now.saturating_sub(self.at).as_secs_f64() * PER_SECOND).min(BURST);
        self.at = self.at.max(now);
        if self.left < 1.0 {
            return Err(((1.0 - self.left) / PER_SECOND).ceil() as u64);
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_a_steady_pace() {
        let mut bucket = Bucket::FULL;
        let now = Duration::from_secs(100);
        assert_eq!((0..30).filter(|_| bucket.take(now).is_ok()).count(), 20);
        assert_eq!(bucket.take(now), Err(1));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..30).filter(|_| bucket.take(later).is_ok()).count(), 10);
    }
}
