//! Between the weight that the engine wants and the weight that is routed by.
//!
//! Lowering goes through at once; it is stored afterwards. Raising waits until the state that raises is stored: a
//! process that dies in between must not come back with less knowledge than it acted on. A weight that comes into
//! force later than the engine assumes only makes the canary look better compared with stable, so the verdict stays on
//! the safe side.

use sluice_engine::units::Weight;

use crate::snapshot::Split;

/// The weight in force, and a raise that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Valve {
    in_force: Split,
    held: Option<Raise>,
}

#[derive(Clone, Copy, Debug)]
struct Raise {
    weight: Weight,
    from_tick: u64,
    /// Number of the state that has to be stored; unknown until it is handed over.
    stored_as: Option<u64>,
}

// === impl Valve ===

impl Valve {
    /// Nothing goes to the canary.
    pub(super) const SHUT: Self = Self { in_force: Split::constant(Weight::ZERO), held: None };

    /// What is routed by.
    pub(super) fn in_force(&self) -> Split {
        self.in_force
    }

    /// The weight that is routed by in this tick or is about to be.
    pub(super) fn weight(&self) -> Weight {
        self.in_force.weight
    }

    /// Takes the weight that the engine wants; says whether the weight in force has changed.
    pub(super) fn want(&mut self, weight: Weight, from_tick: u64, now_tick: u64) -> bool {
        self.held = None;
        if weight > self.in_force.weight {
            self.held = Some(Raise { weight, from_tick, stored_as: None });
            return false;
        }
        if weight == self.in_force.weight {
            return false;
        }
        self.in_force = Split { former: self.in_force.at(now_tick), weight, from_tick };
        true
    }

    /// The present state was handed over for storing under this number.
    pub(super) fn handed_over(&mut self, number: u64) {
        if let Some(raise) = &mut self.held {
            raise.stored_as.get_or_insert(number);
        }
    }

    /// The state with this number is stored; says whether the weight in force has changed.
    pub(super) fn stored(&mut self, number: u64, now_tick: u64) -> bool {
        match self.held {
            Some(Raise { weight, from_tick, stored_as: Some(needed) }) if needed <= number => {
                self.held = None;
                self.in_force =
                    Split { former: self.in_force.at(now_tick), weight, from_tick: from_tick.max(now_tick + 1) };
                true
            }
            _ => false,
        }
    }

    /// What waits is stored already: it was read from the state.
    pub(super) fn open(&mut self) {
        if let Some(raise) = self.held.take() {
            self.in_force = Split { former: Weight::ZERO, weight: raise.weight, from_tick: raise.from_tick };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(percent: u16) -> Weight {
        Weight::try_from_basis_points(percent * 100).unwrap()
    }

    #[test]
    fn a_raise_waits_until_its_state_is_stored_and_then_begins_on_a_tick() {
        let mut valve = Valve::SHUT;
        assert!(!valve.want(percent(10), 0, 0));
        valve.handed_over(4);
        assert!(!valve.stored(3, 1));
        assert_eq!(valve.weight(), Weight::ZERO);
        assert!(valve.stored(4, 2));
        assert_eq!(valve.in_force(), Split { former: Weight::ZERO, weight: percent(10), from_tick: 3 });
        assert!(!valve.stored(5, 3));
    }

    #[test]
    fn lowering_is_immediate_and_forgets_a_raise_that_waited() {
        let mut valve = Valve::SHUT;
        valve.want(percent(10), 0, 0);
        valve.handed_over(1);
        valve.stored(1, 0);
        valve.want(percent(25), 8, 7);
        valve.handed_over(2);
        assert!(valve.want(Weight::ZERO, 0, 9));
        assert!(valve.in_force().at(9).is_zero());
        assert!(!valve.stored(2, 10));
        assert!(valve.weight().is_zero());
    }

    #[test]
    fn a_later_state_stores_an_earlier_raise_too_but_not_a_raise_that_was_never_handed_over() {
        let mut valve = Valve::SHUT;
        valve.want(percent(10), 0, 0);
        assert!(!valve.stored(9, 0));
        valve.handed_over(10);
        valve.handed_over(11);
        assert!(valve.stored(12, 0));
    }
}
