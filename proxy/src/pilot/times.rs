//! When generations began, served everyone and ended, for people and reports: no decision depends on it.
//!
//! The engine knows no time of day, so the wall clock is read here when it has changed, and kept beside its history. A
//! wall clock may jump; the pilot's own clock does not. So no time is earlier than the one before it plus what the
//! pilot's clock counted in between: a clock that is set back never makes a release end before it began.

use std::collections::BTreeMap;

use sluice_api::ReleaseTimes;
use sluice_engine::rollout::{PastGeneration, Rollout};

/// A look at both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Unix time, milliseconds.
    pub(super) wall_ms: u64,
    /// The pilot's clock, milliseconds.
    pub(super) now_ms: u64,
}

/// The times of the present generation and of those in the engine's history.
#[derive(Clone, Debug)]
pub(super) struct Times {
    by_generation: BTreeMap<u64, ReleaseTimes>,
    /// The newest generation whose beginning was seen, or is past knowing.
    begun: u64,
    /// The newest generation whose end was seen, or is past knowing.
    ended: u64,
}

// === impl Times ===

impl Times {
    /// Nothing has happened yet.
    pub(super) const fn of_a_first_start() -> Self {
        Self { by_generation: BTreeMap::new(), begun: 0, ended: 0 }
    }

    /// What was stored when `begun` was the present generation and `ended` the newest in history.
    pub(super) const fn restored(by_generation: BTreeMap<u64, ReleaseTimes>, begun: u64, ended: u64) -> Self {
        Self { by_generation, begun, ended }
    }

    /// Takes note of what has begun or ended since the last look. `is_full` says whether everything goes to the canary.
    /// Yields what ended.
    pub(super) fn see<'a>(&mut self, engine: &'a Rollout, is_full: bool, at: Moment) -> Vec<&'a PastGeneration> {
        if engine.generation() > self.begun {
            self.begun = engine.generation();
            self.by_generation.entry(self.begun).or_default().started_at_ms = Some(at.wall_ms);
        }
        if is_full {
            self.see_full(engine.generation(), engine.age_ms(at.now_ms), at.wall_ms);
        }
        let ended: Vec<_> = engine.history().take_while(|past| past.generation > self.ended).collect();
        for past in &ended {
            self.see_end(past, at.wall_ms);
            self.forget(engine);
        }
        ended
    }

    fn see_full(&mut self, generation: u64, age_ms: u64, wall_ms: u64) {
        if let Some(times) = self.by_generation.get_mut(&generation) {
            let started = times.started_at_ms.unwrap_or(0);
            let now = wall_ms.max(started.saturating_add(age_ms));
            times.full_at_ms.get_or_insert(now);
        }
    }

    fn see_end(&mut self, past: &PastGeneration, wall_ms: u64) {
        self.ended = self.ended.max(past.generation);
        let times = self.by_generation.entry(past.generation).or_default();
        let least = times.started_at_ms.map_or(0, |started| started.saturating_add(past.duration_ms));
        times.ended_at_ms = Some(wall_ms.max(least).max(times.full_at_ms.unwrap_or(0)));
    }

    /// What the engine no longer remembers goes.
    fn forget(&mut self, engine: &Rollout) {
        let oldest = engine.history().last().map_or(0, |past| past.generation);
        self.by_generation.retain(|&generation, _| generation >= oldest);
    }

    /// What the revert of `generation` took.
    pub(super) fn restored_after(&mut self, generation: u64, milliseconds: f64) {
        self.by_generation.entry(generation).or_default().restored_after_ms = Some(milliseconds);
    }

    /// The times of `generation`, as far as they are known.
    pub(super) fn of(&self, generation: u64) -> ReleaseTimes {
        self.by_generation.get(&generation).copied().unwrap_or_default()
    }

    pub(super) fn to_stored(&self) -> BTreeMap<u64, ReleaseTimes> {
        self.by_generation.clone()
    }
}

#[cfg(test)]
mod tests {
    use sluice_engine::plan::Plan;
    use sluice_engine::rollout::{Command, Input};

    use super::*;
    use crate::pilot::fixture::{SHOP, mk_config};

    const HOUR: u64 = 3_600_000;

    fn mk_plan() -> Plan {
        mk_config(SHOP).rollouts[0].plan.clone()
    }

    fn step(engine: Rollout, now: u64, input: Input) -> Rollout {
        engine.step(now, input).0
    }

    fn mk_trial(now: u64, version: &str) -> Rollout {
        step(Rollout::new(mk_plan(), "v1".to_owned()), now, Input::NewCanary { version: version.to_owned() })
    }

    fn command(engine: Rollout, now: u64, command: Command) -> Rollout {
        step(engine, now, Input::Command { generation: None, command })
    }

    #[test]
    fn start_and_end_are_what_the_wall_clock_said() {
        let mut times = Times::of_a_first_start();
        let engine = mk_trial(1_000, "v2");
        times.see(&engine, false, Moment { wall_ms: 5_000_000, now_ms: 1_000 });
        times.see(&engine, false, Moment { wall_ms: 5_000_500, now_ms: 1_500 });
        let engine = command(engine, 9_000, Command::Abort { reason: None });
        times.see(&engine, false, Moment { wall_ms: 5_008_000, now_ms: 9_000 });
        times.see(&engine, false, Moment { wall_ms: 7_000_000, now_ms: 9_999 });
        let seen = times.of(1);
        assert_eq!((seen.started_at_ms, seen.full_at_ms, seen.ended_at_ms), (Some(5_000_000), None, Some(5_008_000)));
    }

    #[test]
    fn a_wall_clock_that_is_set_back_takes_nothing_from_the_time_that_passed() {
        let mut times = Times::of_a_first_start();
        let engine = mk_trial(0, "v2");
        times.see(&engine, false, Moment { wall_ms: 10 * HOUR, now_ms: 0 });
        let engine = command(engine, HOUR, Command::Promote { full: true });
        times.see(&engine, true, Moment { wall_ms: 2 * HOUR, now_ms: HOUR });
        let engine = command(engine, 2 * HOUR, Command::Promote { full: false });
        assert_eq!(engine.stable(), "v2");
        times.see(&engine, false, Moment { wall_ms: 3 * HOUR, now_ms: 2 * HOUR });
        let seen = times.of(1);
        assert_eq!(seen.full_at_ms, Some(11 * HOUR));
        assert_eq!(seen.ended_at_ms, Some(12 * HOUR));
    }

    #[test]
    fn the_first_time_at_100_percent_stands() {
        let mut times = Times::of_a_first_start();
        let engine = command(mk_trial(0, "v2"), 10, Command::Promote { full: true });
        times.see(&engine, false, Moment { wall_ms: 100, now_ms: 0 });
        for (wall_ms, is_full) in [(110, true), (120, false), (130, true)] {
            times.see(&engine, is_full, Moment { wall_ms, now_ms: wall_ms - 100 });
        }
        assert_eq!(times.of(1).full_at_ms, Some(110));
    }

    #[test]
    fn what_ended_before_anybody_looked_at_a_clock_has_no_times() {
        let engine = command(mk_trial(0, "v2"), 10, Command::Abort { reason: None });
        let mut times = Times::restored(BTreeMap::new(), 1, 1); // as a former version stored it
        times.see(&engine, false, Moment { wall_ms: 100, now_ms: 20 });
        assert_eq!(times.of(1), ReleaseTimes::default());
        let engine = command(engine, 30, Command::Retry);
        times.see(&engine, false, Moment { wall_ms: 130, now_ms: 30 });
        assert_eq!(times.of(2).started_at_ms, Some(130));
    }

    #[test]
    fn no_more_is_remembered_than_the_engine_remembers() {
        let mut times = Times::of_a_first_start();
        let mut engine = Rollout::new(mk_plan(), "v1".to_owned());
        for now in 1..=3 * Rollout::HISTORY as u64 {
            engine = step(engine, now, Input::NewCanary { version: format!("v{}", now + 1) });
            times.see(&engine, false, Moment { wall_ms: now, now_ms: now });
        }
        assert_eq!(times.to_stored().len(), Rollout::HISTORY + 1);
    }
}
