//! How many second attempts the shield may make: a tenth of the stable traffic, and a handful in any case.
//!
//! A token bucket in the spirit of tower's retry budget: every stable request deposits a tenth of a token, every second
//! attempt takes one. Without it, an outage of the canary at a high weight would double the load on stable just when
//! stable is needed. It refuses to save up more than a short while of traffic.

use std::cell::Cell;

/// Tokens are counted in tenths.
const TOKEN: u32 = 10;
/// Deposited by each stable request: 10 %.
const DEPOSIT: u32 = 1;
/// What is always there, and comes back by itself at one token a second: a canary that fails from its first request on
/// is reverted after about five failures, and nobody should have seen them.
const RESERVE: u32 = 10 * TOKEN;
/// The most that can be saved up.
const MOST: u32 = 200 * TOKEN;

/// One worker's budget for one rollout.
#[derive(Debug)]
pub struct RetryBudget {
    tenths: Cell<u32>,
    refilled_us: Cell<u64>,
}

// === impl RetryBudget ===

impl RetryBudget {
    /// A budget that holds the reserve.
    pub const fn new() -> Self {
        Self { tenths: Cell::new(RESERVE), refilled_us: Cell::new(0) }
    }

    /// A stable request was made.
    #[inline]
    pub fn deposit(&self) {
        self.tenths.set((self.tenths.get() + DEPOSIT).min(MOST));
    }

    /// Takes one second attempt out of the budget, if it is in it.
    pub fn withdraw(&self, now_us: u64) -> bool {
        self.refill(now_us);
        let left = self.tenths.get().checked_sub(TOKEN);
        left.map(|left| self.tenths.set(left)).is_some()
    }

    /// Gives the reserve back, one token a second.
    fn refill(&self, now_us: u64) {
        let seconds = now_us.saturating_sub(self.refilled_us.get()) / 1_000_000;
        if seconds == 0 {
            return;
        }
        self.refilled_us.set(now_us);
        let tenths = self.tenths.get();
        if tenths < RESERVE {
            let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(TOKEN);
            self.tenths.set(tenths.saturating_add(more).min(RESERVE));
        }
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withdrawn(budget: &RetryBudget, now_us: u64) -> usize {
        std::iter::repeat_with(|| budget.withdraw(now_us)).take_while(|&granted| granted).count()
    }

    #[test]
    fn a_handful_works_without_any_stable_traffic_and_comes_back_slowly() {
        let budget = RetryBudget::new();
        assert_eq!(withdrawn(&budget, 0), 10);
        assert_eq!(withdrawn(&budget, 3_000_000), 3);
        assert_eq!(withdrawn(&budget, 3_600_000_000), 10);
    }

    #[test]
    fn beyond_the_reserve_it_is_a_tenth_of_the_stable_traffic() {
        let budget = RetryBudget::new();
        withdrawn(&budget, 0);
        (0..1_000).for_each(|_| budget.deposit());
        assert_eq!(withdrawn(&budget, 0), 100);
        (0..1_000_000).for_each(|_| budget.deposit());
        assert_eq!(withdrawn(&budget, 0), 200);
    }
}
