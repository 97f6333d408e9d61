//! Scenarios over a virtual clock: traffic is generated tick by tick, beats come every 100 ms.

use super::*;
use crate::evidence::{Counts, Group, Observations};
use crate::plan::raw::{RawAnalysis, RawStrategy};
use crate::units::TICK_MS;

/// A rollout, its clock, and the traffic it sees: a tiny driver.
struct World {
    rollout: Option<Rollout>,
    now: u64,
    /// Requests per tick, all arms together.
    traffic: u32,
    /// One in this many canary requests fails; 0 for none.
    canary_fails: u32,
    stable_fails: u32,
    counted: [u32; 2],
    applied: Weight,
    actions: Vec<Action>,
}

fn mk_plan(strategy: &str, analysis: &str) -> Plan {
    let strategy: RawStrategy = serde_json::from_str(strategy).expect("strategy parses");
    let analysis: RawAnalysis = serde_json::from_str(analysis).expect("analysis parses");
    Plan::try_from_raw(strategy, &analysis, false, false).expect("a valid plan")
}

const LADDER: &str = r#"{"canary": {"steps": [{"setWeight": 10}, {"pause": {"duration": "5s"}}, {"setWeight": 50}, {"pause": {"duration": "5s"}}], "bake": "5s"}}"#;

impl World {
    fn new(strategy: &str, analysis: &str) -> Self {
        Self::with(Rollout::new(mk_plan(strategy, analysis), "v1".to_owned()))
    }

    fn with(rollout: Rollout) -> Self {
        Self {
            rollout: Some(rollout),
            now: 1_000,
            traffic: 100,
            canary_fails: 0,
            stable_fails: 0,
            counted: [0; 2],
            applied: Weight::ZERO,
            actions: Vec::new(),
        }
    }

    fn rollout(&self) -> &Rollout {
        self.rollout.as_ref().expect("there between steps")
    }

    fn send(&mut self, input: Input) -> Vec<Action> {
        let (rollout, actions) = self.rollout.take().expect("there between steps").step(self.now, input);
        self.rollout = Some(rollout);
        for action in &actions {
            match action {
                Action::SetWeight { weight, .. } => self.applied = *weight,
                Action::Finish { .. } => self.applied = Weight::ZERO,
                _ => {}
            }
        }
        self.actions.extend(actions.iter().cloned());
        actions
    }

    fn command(&mut self, command: Command) -> Result<(), Refusal> {
        let refused =
            self.send(Input::Command { generation: None, command }).into_iter().find_map(|action| match action {
                Action::Refuse(refusal) => Some(refusal),
                _ => None,
            });
        refused.map_or(Ok(()), Err)
    }

    fn release(&mut self, version: &str) {
        self.send(Input::NewCanary { version: version.to_owned() });
    }

    fn group(&mut self, arm: usize, started: u32) -> Group {
        let every = if arm == 1 { self.canary_fails } else { self.stable_fails };
        let failed = (0..started).filter(|_| {
            self.counted[arm] += 1;
            every > 0 && self.counted[arm].is_multiple_of(every)
        });
        let failed = u32::try_from(failed.count()).expect("small");
        Group { age: 0, counts: Counts { started, done: started, failed, fast: started, ..Counts::default() } }
    }

    /// One tick of traffic; a beat at the end of odd ticks.
    fn tick(&mut self) {
        let tick = self.now.saturating_sub(self.rollout().origin_ms()) / TICK_MS;
        let canary = (f64::from(self.traffic) * self.applied.fraction()).round() as u32;
        let groups = [self.group(0, self.traffic - canary), self.group(1, canary)];
        let seen = Observations { tick, stable: vec![groups[0]], canary: vec![groups[1]] };
        let generation = self.rollout().generation();
        let beat = tick % 2 == 1;
        self.now += TICK_MS;
        self.send(Input::Evidence { generation, seen, beat });
        if beat {
            self.send(Input::Tick);
        }
    }

    fn run_seconds(&mut self, seconds: u64) {
        for _ in 0..seconds * 1_000 / TICK_MS {
            self.tick();
        }
    }

    /// A process that was started anew with what was saved.
    fn restart(&mut self) {
        let before = self.rollout().clone();
        let (rollout, _) = Rollout::restore(before.plan().clone(), before.save(self.now), self.now);
        self.applied = rollout.weight();
        self.rollout = Some(rollout);
    }

    /// Runs until the reason is reached, for at most ten virtual minutes.
    fn run_until(&mut self, reason: Reason) {
        for _ in 0..12_000 {
            if self.rollout().reason() == reason {
                return;
            }
            self.tick();
        }
        panic!("never {reason:?}: {:?}", self.rollout().view(self.now).message);
    }

    fn weights(&self) -> Vec<f64> {
        let set = self.actions.iter().filter_map(|action| match action {
            Action::SetWeight { weight, .. } => Some(weight.percent()),
            _ => None,
        });
        set.collect()
    }

    fn events(&self, kind: EventKind) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::Emit(event) if event.kind == kind)).count()
    }
}

#[test]
fn a_good_canary_climbs_the_ladder_and_becomes_stable() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    world.run_until(Reason::Completed);
    assert_eq!(world.weights(), [0.0, 10.0, 50.0, 100.0]);
    assert_eq!(world.rollout().stable(), "v2");
    assert_eq!(world.rollout().view(world.now).history[0].outcome, Outcome::Promoted);
    assert_eq!(world.events(EventKind::Completed), 1);
}

#[test]
fn a_bad_canary_is_taken_back_and_stays_at_0() {
    let mut world = World::new(LADDER, "{}");
    world.canary_fails = 1;
    world.release("v2");
    world.run_until(Reason::Reverted);
    world.canary_fails = 0;
    world.run_seconds(120);
    assert_eq!(world.rollout().weight(), Weight::ZERO);
    assert_eq!(world.rollout().reason(), Reason::Reverted);
    assert_eq!(world.weights().last(), Some(&0.0));
    let view = world.rollout().view(world.now);
    let verdict = view.verdict.expect("a verdict");
    assert_eq!((verdict.x, view.history[0].outcome), (verdict.n, Outcome::Reverted));
}

#[test]
fn the_weight_goes_to_0_before_anything_else_is_done() {
    let mut world = World::new(LADDER, "{}");
    world.canary_fails = 1;
    world.release("v2");
    world.actions.clear();
    world.run_until(Reason::Reverted);
    assert!(
        matches!(world.actions[0], Action::SetWeight { weight: Weight::ZERO, from_tick: 0, .. }),
        "{:?}",
        world.actions
    );
}

#[test]
fn the_same_version_is_not_tried_again_without_retry_but_a_new_one_is() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    world.command(Command::Abort { reason: None }).unwrap();
    world.release("v2");
    world.run_seconds(10);
    assert_eq!(world.rollout().reason(), Reason::Aborted);
    world.release("v3");
    assert_eq!(world.rollout().reason(), Reason::Step);
    world.command(Command::Abort { reason: None }).unwrap();
    world.command(Command::Retry).unwrap();
    assert_eq!((world.rollout().reason(), world.rollout().generation()), (Reason::Step, 3));
}

#[test]
fn both_versions_failing_is_an_outage_that_holds_and_then_goes_on() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    world.run_seconds(3);
    (world.canary_fails, world.stable_fails) = (1, 1);
    world.run_until(Reason::HeldShared);
    (world.canary_fails, world.stable_fails) = (0, 0);
    world.run_until(Reason::Completed);
    assert_eq!(world.events(EventKind::Reverted), 0);
}

#[test]
fn a_lasting_outage_suspends_the_canary_and_resumes_at_the_previous_weight() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    while world.rollout().weight().percent() < 50.0 {
        world.tick();
    }
    (world.canary_fails, world.stable_fails) = (1, 1);
    world.run_until(Reason::Suspended);
    assert_eq!(world.rollout().weight(), Weight::ZERO);
    world.run_seconds(15);
    world.stable_fails = 0;
    world.canary_fails = 0;
    world.run_until(Reason::Step);
    assert_eq!(world.rollout().weight().percent(), 10.0);
    world.run_until(Reason::Completed);
}

#[test]
fn without_traffic_a_step_neither_passes_nor_fails_and_pauses_at_its_deadline() {
    let mut world = World::new(LADDER, r#"{"stepDeadline": "20s"}"#);
    world.traffic = 0;
    world.release("v2");
    world.run_seconds(15);
    assert_eq!(world.rollout().reason(), Reason::Step);
    world.run_until(Reason::Inconclusive);
    assert_eq!(world.rollout().weight().percent(), 10.0);
    world.traffic = 100;
    world.command(Command::Resume).unwrap();
    world.run_until(Reason::Completed);
}

#[test]
fn on_inconclusive_can_revert_or_promote_what_is_clean() {
    let mut world = World::new(LADDER, r#"{"stepDeadline": "20s", "onInconclusive": "revert"}"#);
    world.traffic = 0;
    world.release("v2");
    world.run_until(Reason::Reverted);

    let mut world = World::new(
        LADDER,
        r#"{"successRate": {"min": "99.9%"}, "stepDeadline": "20s", "onInconclusive": "promoteIfClean", "minRequests": 50}"#,
    );
    world.traffic = 10;
    world.release("v2");
    world.run_until(Reason::Completed);
}

#[test]
fn a_pause_without_duration_waits_for_a_person() {
    let mut world = World::new(
        r#"{"canary": {"steps": [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}], "bake": "1s"}}"#,
        "{}",
    );
    world.release("v2");
    world.run_until(Reason::PauseStep);
    world.run_seconds(60);
    assert_eq!(world.rollout().reason(), Reason::PauseStep);
    world.command(Command::Promote { full: false }).unwrap();
    assert_eq!(world.rollout().weight().percent(), 50.0);
    world.run_until(Reason::Completed);
}

#[test]
fn an_outage_shows_through_a_pause_and_the_pause_is_still_there_afterwards() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    world.run_seconds(3);
    world.command(Command::Pause).unwrap();
    (world.canary_fails, world.stable_fails) = (1, 1);
    world.run_until(Reason::HeldShared);
    (world.canary_fails, world.stable_fails) = (0, 0);
    world.run_until(Reason::ByCommand);
}

#[test]
fn a_paused_canary_that_fails_is_still_taken_back() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    world.command(Command::Pause).unwrap();
    world.run_seconds(30);
    assert_eq!(world.rollout().reason(), Reason::ByCommand);
    world.canary_fails = 1;
    world.run_until(Reason::Reverted);
}

#[test]
fn promote_full_goes_to_100_and_judges_nothing() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    world.command(Command::Promote { full: true }).unwrap();
    assert_eq!(world.rollout().weight(), Weight::FULL);
    world.canary_fails = 1;
    world.run_until(Reason::Completed);
    assert_eq!(world.rollout().view(world.now).history[0].outcome, Outcome::PromotedFull);
}

#[test]
fn skip_analysis_starts_at_100() {
    let mut world = World::new(LADDER, r#"{"skipAnalysis": true}"#);
    world.release("v2");
    assert_eq!(world.rollout().weight(), Weight::FULL);
    world.run_until(Reason::Completed);
}

const BLUE_GREEN: &str = r#"{"blueGreen": {"previewHost": "preview.example", "scaleDownDelay": "20s"}}"#;

#[test]
fn blue_green_waits_for_promotion_then_watches_then_lets_the_old_version_go() {
    let mut world = World::new(BLUE_GREEN, "{}");
    world.release("v2");
    world.run_seconds(60);
    assert_eq!((world.rollout().reason(), world.rollout().weight()), (Reason::AwaitingPromotion, Weight::ZERO));
    world.command(Command::Promote { full: false }).unwrap();
    assert_eq!((world.rollout().reason(), world.rollout().weight()), (Reason::PostPromotion, Weight::FULL));
    world.run_until(Reason::Completed);
}

#[test]
fn blue_green_promotes_by_itself_after_its_time() {
    let mut world = World::new(r#"{"blueGreen": {"autoPromotionAfter": "10s", "scaleDownDelay": "5s"}}"#, "{}");
    world.release("v2");
    assert_eq!(world.rollout().reason(), Reason::Preview);
    world.run_until(Reason::PostPromotion);
    world.run_until(Reason::Completed);
}

#[test]
fn blue_green_returns_by_itself_when_the_new_version_fails_after_promotion() {
    let mut world = World::new(BLUE_GREEN, "{}");
    world.release("v2");
    world.command(Command::Promote { full: false }).unwrap();
    world.run_seconds(5);
    world.canary_fails = 2;
    world.run_until(Reason::Reverted);
    assert_eq!(world.rollout().stable(), "v1");
}

#[test]
fn a_manual_weight_moves_by_hand_only() {
    let mut world = World::new(r#"{"manual": {"weight": 5}}"#, "{}");
    world.release("v2");
    assert_eq!(world.rollout().weight().percent(), 5.0);
    world.canary_fails = 1;
    world.run_seconds(30);
    assert_eq!((world.rollout().reason(), world.rollout().weight().percent()), (Reason::Manual, 5.0));
    world.command(Command::SetWeight(Weight::FULL)).unwrap();
    assert_eq!(world.rollout().weight(), Weight::FULL);
    assert!(world.command(Command::Promote { full: false }).is_err());
    world.command(Command::Promote { full: true }).unwrap();
    assert_eq!(world.rollout().stable(), "v2");
}

#[test]
fn a_command_for_another_generation_is_refused() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    let actions = world.send(Input::Command { generation: Some(7), command: Command::Abort { reason: None } });
    assert_eq!(actions, [Action::Refuse(Refusal::StaleGeneration { present: 1, given: 7 })]);
}

#[test]
fn a_new_version_or_plan_in_mid_run_begins_again_at_the_first_step() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    while world.rollout().weight().percent() < 50.0 {
        world.tick();
    }
    world.release("v3");
    assert_eq!((world.rollout().weight().percent(), world.rollout().generation()), (10.0, 2));
    let other = mk_plan(&LADDER.replace("10}", "20}"), "{}");
    world.send(Input::PlanChanged(Box::new(other)));
    assert_eq!((world.rollout().weight().percent(), world.rollout().generation()), (20.0, 3));
    assert!(world.rollout().view(world.now).history.iter().all(|past| past.outcome == Outcome::Superseded));
}

#[test]
fn going_back_to_the_stable_version_ends_the_rollout_without_analysis() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    world.release("v1");
    assert_eq!((world.rollout().reason(), world.rollout().weight()), (Reason::Stable, Weight::ZERO));
    assert_eq!(world.rollout().view(world.now).history[0].outcome, Outcome::Withdrawn);
}

#[test]
fn nothing_advances_while_decisions_cannot_be_stored_but_a_revert_happens() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    world.send(Input::Storage { writable: false });
    world.run_seconds(60);
    assert_eq!(world.rollout().weight().percent(), 10.0);
    assert_eq!(world.command(Command::Promote { full: true }), Err(Refusal::NotStored { command: "promote --full" }));
    world.canary_fails = 1;
    world.run_until(Reason::Reverted);
    assert_eq!(world.rollout().weight(), Weight::ZERO);
}

#[test]
fn a_restart_goes_on_at_the_same_step_and_keeps_a_veto() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    while world.rollout().weight().percent() < 50.0 {
        world.tick();
    }
    let saved = world.rollout().save(world.now);
    let (rollout, actions) = Rollout::restore(mk_plan(LADDER, "{}"), saved, 0);
    assert_eq!(actions.len(), 1, "no second notification: {actions:?}");
    assert_eq!((rollout.generation(), rollout.weight().percent(), rollout.reason()), (1, 50.0, Reason::Step));

    world.command(Command::Abort { reason: None }).unwrap();
    let saved = world.rollout().save(world.now);
    let json = serde_json::to_string(&saved).unwrap();
    let (rollout, _) = Rollout::restore(mk_plan(LADDER, "{}"), serde_json::from_str(&json).unwrap(), 0);
    assert_eq!((rollout.reason(), rollout.canary()), (Reason::Aborted, Some("v2")));
}

#[test]
fn a_lost_state_file_gives_everything_to_stable_until_retry() {
    let mut world = World::with(Rollout::lost(mk_plan(LADDER, "{}"), "v1".to_owned(), Some("v2".to_owned())));
    world.release("v2");
    world.run_seconds(30);
    assert_eq!((world.rollout().reason(), world.rollout().weight()), (Reason::StateLost, Weight::ZERO));
    world.command(Command::Retry).unwrap();
    assert_eq!(world.rollout().reason(), Reason::Step);
}

#[test]
fn two_vetoes_of_a_fleet_revert_and_one_pauses() {
    let mut world = World::new(LADDER, "{}");
    world.release("v2");
    for generation in [0, 1, 1] {
        world.send(Input::ProxyVeto { proxy: "a".to_owned(), generation });
    }
    assert_eq!(world.rollout().reason(), Reason::ProxyVeto);
    world.send(Input::ProxyVeto { proxy: "b".to_owned(), generation: 1 });
    assert_eq!(world.rollout().reason(), Reason::Reverted);
}

mod commands {
    use super::*;

    /// What each command does in each phase: accepted, or refused.
    #[test]
    fn each_command_is_accepted_or_refused_by_phase() {
        type Prepare = fn(&mut World);
        let states: [(&str, Prepare); 5] = [
            ("healthy", |_| {}),
            ("step", |world| world.release("v2")),
            ("paused", |world| {
                world.release("v2");
                world.command(Command::Pause).unwrap();
            }),
            ("taken back", |world| {
                world.release("v2");
                world.command(Command::Abort { reason: None }).unwrap();
            }),
            ("completed", |world| {
                world.release("v2");
                world.run_until(Reason::Completed);
            }),
        ];
        let commands = [
            (Command::Promote { full: false }, [false, true, true, false, false]),
            (Command::Promote { full: true }, [false, true, true, false, false]),
            (Command::Abort { reason: None }, [true; 5]),
            (Command::Retry, [false, false, false, true, false]),
            (Command::Pause, [false, true, true, false, false]),
            (Command::Resume, [false, false, true, false, false]),
            (Command::SetWeight(Weight::FULL), [false; 5]),
        ];
        for (command, accepted) in commands {
            for ((state, prepare), accepted) in states.iter().zip(accepted) {
                let mut world = World::new(LADDER, "{}");
                prepare(&mut world);
                let answer = world.command(command.clone());
                assert_eq!(answer.is_ok(), accepted, "{} while {state}: {answer:?}", command.label());
            }
        }
    }
}

mod gates;
mod invariants;

// === stable's habits ===

/// The score after one tick in which half of the canary's requests failed, `quiet_seconds` after the start.
fn score_of_a_first_burst(mut world: World, quiet_seconds: u64) -> f64 {
    world.stable_fails = 500;
    world.run_seconds(quiet_seconds);
    world.release("v2");
    world.canary_fails = 2;
    world.tick();
    world.rollout().view(world.now).metrics[0].abs
}

#[test]
fn a_minute_of_single_failures_before_the_release_lifts_the_automatic_guard_of_its_first_step() {
    let (unknown, known) = (World::new(LADDER, "{}"), World::new(LADDER, "{}"));
    let (careful, sure) = (score_of_a_first_burst(unknown, 0), score_of_a_first_burst(known, 70));
    assert!(sure > careful + 2.0, "{sure} against {careful}");
}

#[test]
fn stables_habits_are_remembered_after_a_revert_and_forgotten_when_another_version_is_stable() {
    let quiet = |then: fn(&mut World)| {
        let mut world = World::new(LADDER, "{}");
        world.stable_fails = 500;
        world.run_seconds(70);
        then(&mut world);
        world.canary_fails = 0;
        score_of_a_first_burst(world, 0)
    };
    let reverted = quiet(|world| {
        world.release("bad");
        world.canary_fails = 1;
        world.run_seconds(1);
        assert_eq!(world.rollout().reason(), Reason::Reverted);
    });
    let other = quiet(|world| {
        world.send(Input::StableIs { version: "v1.1".to_owned() });
    });
    assert!(reverted > other + 2.0, "{reverted} against {other}");
}
