//! What a revert took: from the first failure of the deciding window to weight 0.
//!
//! The times are those at which the pilot saw the failures: it is woken by each, at most once in a millisecond. A slow
//! request is known by what has not come in time, so there the time runs from the tick in which the first one started.
//! The memory is bounded; what has fallen out of it is not counted.

use std::collections::VecDeque;

use sluice_api::RevertStatus;
use sluice_engine::evidence::Observations;
use sluice_engine::judge::{Metric, Verdict};

use super::counted::TICK_US;

/// Eight seconds of looks, each with a failure, at the fastest pace there is.
const CAPACITY: usize = 8_192;

/// Ten minutes of start cohorts.
const COHORTS: usize = 12_000;

/// Remembers when canary failures of one generation were seen.
#[derive(Debug, Default)]
pub(super) struct Reaction {
    seen: VecDeque<Seen>,
    unanswered: VecDeque<Unanswered>,
}

/// Trials of one start cohort that were not answered in time, as far as is known; those in flight included.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    tick: u64,
    count: i64,
}

/// New failures of one cohort, seen at one look.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at_us: u64,
    start_tick: u64,
    failed: u32,
    /// Failures that users had seen in the generation before this look.
    user_failures_before: u64,
}

// === impl Reaction ===

impl Reaction {
    /// Takes what a look at `at_us` found; `user_failures_before` were known to the look before.
    pub(super) fn note(&mut self, at_us: u64, observations: &Observations, user_failures_before: u64) {
        for group in &observations.canary {
            let start_tick = observations.tick.saturating_sub(group.age);
            let counts = group.counts;
            let count = i64::from(counts.started) - i64::from(counts.fast) - i64::from(counts.excluded);
            self.note_unanswered(Unanswered { tick: start_tick, count });
            if counts.failed == 0 {
                continue;
            }
            if self.seen.len() == CAPACITY {
                self.seen.pop_front();
            }
            self.seen.push_back(Seen { at_us, start_tick, failed: counts.failed, user_failures_before });
        }
    }

    fn note_unanswered(&mut self, change: Unanswered) {
        match self.unanswered.binary_search_by_key(&change.tick, |cohort| cohort.tick) {
            Ok(at) => self.unanswered[at].count += change.count,
            Err(at) if at == self.unanswered.len() => self.unanswered.push_back(change),
            Err(_) => {} // older than what is remembered
        }
        if self.unanswered.len() > COHORTS {
            self.unanswered.pop_front();
        }
    }

    /// What the revert by `verdict` took, with weight 0 in force at `now_us`; tick 0 was at `origin_us`.
    pub(super) fn measure(&self, verdict: &Verdict, origin_us: u64, now_us: u64, user_failures: u64) -> RevertStatus {
        let mut deciding = self.seen.iter().filter(|seen| seen.start_tick >= verdict.from_tick).peekable();
        let first = deciding.peek().copied().copied();
        let users = first.map_or(0, |first| user_failures.saturating_sub(first.user_failures_before));
        let (failed_requests, since_us) = match verdict.metric {
            Metric::Latency => {
                (verdict.x, self.first_unanswered(verdict.from_tick).map(|tick| origin_us + tick * TICK_US))
            }
            Metric::Failures | Metric::C4xx | Metric::Cancels => {
                (deciding.map(|seen| u64::from(seen.failed)).sum(), first.map(|first| first.at_us))
            }
        };
        let took_us = since_us.map_or(0, |since_us| now_us.saturating_sub(since_us));
        RevertStatus {
            failed_requests,
            user_failures: users.min(failed_requests),
            milliseconds: took_us as f64 / 1_000.0,
        }
    }

    fn first_unanswered(&self, from_tick: u64) -> Option<u64> {
        self.unanswered.iter().find(|cohort| cohort.tick >= from_tick && cohort.count > 0).map(|cohort| cohort.tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_engine::evidence::{Counts, Group};
    use sluice_engine::judge::{Rule, WindowKind};

    fn mk_seen(tick: u64, age: u64, failed: u32) -> Observations {
        let canary = vec![Group { age, counts: Counts { failed, ..Counts::default() } }];
        Observations { tick, canary, stable: Vec::new() }
    }

    fn mk_verdict(from_tick: u64) -> Verdict {
        Verdict {
            rule: Rule::Sequential,
            metric: Metric::Failures,
            tick: 12,
            window: WindowKind::Restart,
            from_tick,
            n: 9,
            x: 7,
            n_stable: 0,
            x_stable: 0,
            abs: None,
            abs_threshold: 0.0,
            rel: None,
            rel_threshold: 0.0,
            record: None,
        }
    }

    #[test]
    fn only_failures_of_the_deciding_window_count_and_time_runs_from_the_first_of_them() {
        let mut reaction = Reaction::default();
        reaction.note(100_000, &mk_seen(2, 0, 5), 0); // before the window
        reaction.note(500_000, &mk_seen(10, 3, 1), 4); // started before the window, too
        reaction.note(600_000, &mk_seen(12, 0, 3), 4);
        reaction.note(601_000, &mk_seen(12, 1, 4), 5);
        let took = reaction.measure(&mk_verdict(10), 0, 602_500, 6);
        assert_eq!(took, RevertStatus { failed_requests: 7, user_failures: 2, milliseconds: 2.5 });
    }

    #[test]
    fn a_slow_canary_is_timed_from_the_tick_in_which_the_first_unanswered_request_started() {
        let mk = |tick, age, started, fast| Observations {
            tick,
            canary: vec![Group { age, counts: Counts { started, fast, ..Counts::default() } }],
            stable: Vec::new(),
        };
        let mut reaction = Reaction::default();
        reaction.note(0, &mk(4, 0, 3, 0), 0);
        reaction.note(0, &mk(5, 1, 0, 3), 0); // all of tick 4 were answered in time
        reaction.note(0, &mk(6, 0, 5, 1), 0);
        let verdict = Verdict { metric: Metric::Latency, x: 4, from_tick: 2, ..mk_verdict(2) };
        let took = reaction.measure(&verdict, 1_000_000, 1_500_000, 0);
        assert_eq!(took, RevertStatus { failed_requests: 4, user_failures: 0, milliseconds: 200.0 });
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut reaction = Reaction::default();
        (0..3 * CAPACITY as u64).for_each(|tick| reaction.note(tick, &mk_seen(tick, 0, 1), 0));
        assert_eq!(reaction.seen.len(), CAPACITY);
        assert_eq!(reaction.unanswered.len(), COHORTS);
    }
}
