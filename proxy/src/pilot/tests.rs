mod notices;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use sluice_engine::evidence::Arm;
use sluice_engine::rollout::{Command, EventKind, Phase, Reason, Refusal};

use super::fixture::{Cockpit, DEADLINE, Running, SHOP, mk_config, serve, without_canary};
use super::{CommandError, FeedItem};
use crate::state::Loaded;

/// A canary that fails every request, until it is taken back.
fn fail_until_reverted(cockpit: &mut Cockpit) {
    for _ in 0..100 {
        cockpit.serve(Arm::Canary, 20, 20);
        cockpit.serve(Arm::Stable, 80, 0);
        cockpit.pilot.woken();
        if cockpit.weight() == 0.0 {
            cockpit.wait_for_disk();
            return;
        }
        cockpit.pass(50);
    }
    panic!("never taken back: {:?}", cockpit.status());
}

fn promote_to_the_end(cockpit: &mut Cockpit) {
    cockpit.command(Command::Promote { full: true }).unwrap();
    assert_eq!(cockpit.weight(), 100.0);
    cockpit.command(Command::Promote { full: false }).unwrap();
}

fn endpoints(arm: &crate::snapshot::ArmView) -> Vec<&str> {
    arm.endpoints.iter().map(|endpoint| &*endpoint.address).collect()
}

// === weight ===

#[test]
fn a_first_weight_comes_into_force_only_after_its_state_is_stored() {
    let cockpit = Cockpit::start(SHOP, None);
    assert_eq!(cockpit.weight(), 20.0);
    assert_eq!(cockpit.view().generation, 1);
    // The snapshot that the disk saw while it wrote had no weight yet (or was not even there).
    assert!(cockpit.disk.weights.lock().unwrap().iter().all(|weight| weight.is_zero()));
    assert_eq!(cockpit.status().phase, Phase::Progressing);
}

#[test]
fn a_revert_is_in_the_snapshot_before_anything_is_written() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.pass(500);
    let written = cockpit.disk.states.lock().unwrap().len();
    fail_until_reverted(&mut cockpit);
    assert!(cockpit.view().reverted);
    cockpit.wait_for_disk();
    let weights = cockpit.disk.weights.lock().unwrap();
    assert!(cockpit.disk.states.lock().unwrap().len() > written);
    assert!(weights.last().unwrap().is_zero());
}

#[test]
fn a_revert_is_shown_when_it_is_stored_and_not_before() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.pass(1_000);
    let mut feed = cockpit.handle.subscribe("shop").unwrap().feed;
    cockpit.serve(Arm::Canary, 40, 40);
    cockpit.serve(Arm::Stable, 160, 0);
    cockpit.pilot.woken();
    assert_eq!((cockpit.weight(), cockpit.status().phase), (0.0, Phase::Progressing), "nobody knows yet");
    assert!(feed.try_recv().is_err());
    cockpit.wait_for_disk();
    assert_eq!(cockpit.status().phase, Phase::Degraded);
    assert!(matches!(feed.try_recv(), Ok(FeedItem::Decision(told)) if told.event.kind == EventKind::Reverted));
}

#[test]
fn a_disk_that_hangs_keeps_a_revert_from_being_shown_for_a_second_at_most() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.pass(1_000);
    cockpit.serve(Arm::Canary, 40, 40);
    cockpit.serve(Arm::Stable, 160, 0);
    cockpit.pilot.woken();
    cockpit.pass_without_disk(900);
    assert_eq!((cockpit.weight(), cockpit.status().phase), (0.0, Phase::Progressing));
    cockpit.pass_without_disk(200);
    assert_eq!(cockpit.status().phase, Phase::Degraded);
}

#[test]
fn a_revert_says_what_it_took_and_is_counted() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.pass(1_000);
    fail_until_reverted(&mut cockpit);
    let status = cockpit.status();
    assert_eq!((status.phase, status.reason), (Phase::Degraded, Reason::Reverted));
    let took = status.revert.unwrap();
    assert!(took.failed_requests >= 5 && took.failed_requests == took.user_failures, "{took:?}");
    let totals = cockpit.handle.totals();
    assert_eq!(totals[0].tally.verdicts.get(&("revert", "failures")), Some(&1));
    assert_eq!(totals[0].tally.reverts.counts.iter().sum::<u64>(), 1);
}

#[test]
fn a_change_of_one_rollout_leaves_the_views_of_the_others_as_they_are() {
    let two = format!(
        "{SHOP}  - name: other\n    stable: {{ version: a, endpoints: [\"127.0.0.1:9101\"] }}\n    strategy: {{ manual: {{ weight: 0 }} }}\nroutes:\n  - {{ hosts: [shop.example], rollout: shop }}\n  - {{ hosts: [other.example], rollout: other }}\n"
    );
    let mut cockpit = Cockpit::start(&two, None);
    let before = cockpit.handle.snapshots().load_full();
    cockpit.command(Command::Abort { reason: None }).unwrap();
    let after = cockpit.handle.snapshots().load_full();
    assert!(Arc::ptr_eq(&before.rollouts[1], &after.rollouts[1]));
    assert!(Arc::ptr_eq(&before.routes, &after.routes));
    assert!(after.rollouts[0].split.weight.is_zero() && after.serial > before.serial);
}

// === restart ===

#[test]
fn a_canary_that_was_taken_back_stays_so_after_a_restart() {
    let mut cockpit = Cockpit::start(SHOP, None);
    fail_until_reverted(&mut cockpit);
    cockpit.wait_for_disk();
    let cockpit = cockpit.restart(SHOP);
    let view = cockpit.view();
    assert!(view.reverted && view.split.weight.is_zero());
    let status = cockpit.status();
    assert_eq!((status.reason, status.generation), (Reason::Reverted, 1));
    assert!(status.revert.is_some());
}

#[test]
fn history_says_when_also_after_a_restart_and_not_where_a_former_version_did_not_know() {
    let mut cockpit = Cockpit::start(SHOP, None);
    fail_until_reverted(&mut cockpit);
    cockpit.wait_for_disk();
    let times = cockpit.status().history[0].times;
    assert!(times.started_at_ms.is_some() && times.started_at_ms <= times.ended_at_ms, "{times:?}");
    assert_eq!(times.restored_after_ms, cockpit.status().revert.map(|revert| revert.milliseconds));
    assert_eq!(times.full_at_ms, None);
    let mut cockpit = cockpit.restart(SHOP);
    assert_eq!(cockpit.status().history[0].times, times);
    cockpit.command(Command::Retry).unwrap();
    promote_to_the_end(&mut cockpit);
    let times = cockpit.status().history[0].times;
    assert!(times.started_at_ms <= times.full_at_ms && times.full_at_ms <= times.ended_at_ms, "{times:?}");

    let mut former = cockpit.disk.last();
    former.values_mut().for_each(|stored| stored.times.clear());
    let cockpit = Cockpit::start(SHOP, Some(former));
    assert_eq!(cockpit.status().history.len(), 2);
    assert!(cockpit.status().history.iter().all(|release| release.times == sluice_api::ReleaseTimes::default()));
}

#[test]
fn a_step_goes_on_after_a_restart_without_waiting_for_the_disk() {
    let cockpit = Cockpit::start(SHOP, None).restart(SHOP);
    assert_eq!((cockpit.weight(), cockpit.view().generation), (20.0, 1));
}

#[test]
fn a_lost_state_gives_everything_to_stable_until_somebody_retries() {
    let mut cockpit = Cockpit::start_with(SHOP, Loaded::Lost { reason: "not JSON".to_owned() });
    cockpit.pass(2_000);
    assert_eq!((cockpit.weight(), cockpit.status().reason), (0.0, Reason::StateLost));
    cockpit.command(Command::Retry).unwrap();
    assert_eq!(cockpit.weight(), 20.0);
}

#[test]
fn a_promoted_version_serves_from_its_own_endpoints_also_after_a_restart_with_the_old_file() {
    let mut cockpit = Cockpit::start(SHOP, None);
    promote_to_the_end(&mut cockpit);
    let cockpit = cockpit.restart(SHOP);
    let view = cockpit.view();
    assert_eq!((&*view.stable.version, endpoints(&view.stable)), ("v2", vec!["127.0.0.1:9002"]));
    assert!(view.canary.is_none() && view.split.weight.is_zero());
    assert_eq!(cockpit.status().phase, Phase::Healthy);
}

#[test]
fn promotion_renames_the_roles_in_one_swap_and_keeps_the_endpoints() {
    let mut cockpit = Cockpit::start(SHOP, None);
    let canary = Arc::clone(&cockpit.view().canary.as_ref().unwrap().endpoints[0]);
    cockpit.command(Command::Promote { full: true }).unwrap();
    let before = cockpit.handle.snapshots().load().serial;
    cockpit.command(Command::Promote { full: false }).unwrap();
    let snapshot = cockpit.handle.snapshots().load_full();
    assert_eq!(snapshot.serial, before + 1);
    assert!(Arc::ptr_eq(&snapshot.rollouts[0].stable.endpoints[0], &canary));
}

#[test]
fn a_release_by_api_survives_a_restart_and_stands_until_the_file_names_another_canary() {
    let mut cockpit = Cockpit::start(SHOP, None);
    let status = cockpit.release("v3", &["127.0.0.1:9003"]).unwrap();
    assert_eq!((status.generation, status.canary.as_ref().unwrap().version.as_str()), (2, "v3"));
    let mut cockpit = cockpit.restart(SHOP);
    assert_eq!(cockpit.status().canary.as_ref().unwrap().version, "v3");
    cockpit.reload(SHOP);
    assert_eq!(cockpit.status().generation, 2);
    assert_eq!(endpoints(cockpit.view().canary.as_ref().unwrap()), ["127.0.0.1:9003"]);
    cockpit.reload(&SHOP.replace("version: v2", "version: v4"));
    assert_eq!((cockpit.status().generation, &*cockpit.view().canary.as_ref().unwrap().version), (3, "v4"));
}

#[test]
fn a_release_of_what_was_taken_back_or_is_stable_is_refused() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.command(Command::Abort { reason: None }).unwrap();
    assert!(matches!(cockpit.release("v2", &["127.0.0.1:9002"]), Err(CommandError::Conflict(_))));
    let mut cockpit = Cockpit::start(&without_canary(SHOP), None);
    assert!(matches!(cockpit.release("v1", &["127.0.0.1:9002"]), Err(CommandError::Conflict(_))));
    assert!(matches!(cockpit.release("v5", &["nowhere"]), Err(CommandError::Invalid(_))));
}

// === reload ===

#[test]
fn nothing_moves_when_the_file_catches_up_with_a_promotion() {
    let mut cockpit = Cockpit::start(SHOP, None);
    promote_to_the_end(&mut cockpit);
    let generation = cockpit.status().generation;
    let caught_up = without_canary(SHOP)
        .replace("version: v1, endpoints: [\"127.0.0.1:9001\"]", "version: v2, endpoints: [\"127.0.0.1:9002\"]");
    cockpit.reload(&caught_up);
    let view = cockpit.view();
    assert_eq!((&*view.stable.version, view.generation, cockpit.status().phase), ("v2", generation, Phase::Healthy));
    assert!(view.canary.is_none());
}

#[test]
fn a_removed_canary_loses_its_weight_and_a_new_version_begins_a_generation() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.reload(&without_canary(SHOP));
    assert!(cockpit.view().canary.is_none() && cockpit.weight() == 0.0);
    cockpit.reload(&SHOP.replace("version: v2", "version: v3"));
    assert_eq!((cockpit.weight(), cockpit.view().generation), (20.0, 2));
}

#[test]
fn new_endpoints_of_the_same_version_restart_nothing_and_old_ones_are_kept() {
    let mut cockpit = Cockpit::start(SHOP, None);
    let before = cockpit.view();
    cockpit.reload(&SHOP.replace("\"127.0.0.1:9002\"", "\"127.0.0.1:9002\", \"127.0.0.1:9012\""));
    let after = cockpit.view();
    assert_eq!((after.generation, after.split), (before.generation, before.split));
    let (before, after) = (before.canary.as_ref().unwrap(), after.canary.as_ref().unwrap());
    assert_eq!(after.endpoints.len(), 2);
    assert!(Arc::ptr_eq(&before.endpoints[0], &after.endpoints[0]));
}

#[test]
fn a_changed_plan_begins_a_generation_and_an_equal_one_does_not() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.reload(SHOP);
    assert_eq!(cockpit.view().generation, 1);
    cockpit.reload(&SHOP.replace("setWeight: 20", "setWeight: 30"));
    assert_eq!((cockpit.view().generation, cockpit.weight()), (2, 30.0));
}

#[test]
fn rollouts_come_and_go_with_the_file() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.reload(&SHOP.replace("name: shop", "name: stall"));
    assert!(cockpit.handle.status("shop").is_none());
    assert_eq!(cockpit.handle.list().rollouts.len(), 1);
    assert_eq!(&*cockpit.view().name, "stall");
}

// === storage ===

#[test]
fn while_the_state_can_not_be_stored_nothing_rises_but_a_failing_canary_is_taken_back() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.disk.broken.store(true, SeqCst);
    let refused = cockpit.release("v3", &["127.0.0.1:9003"]);
    assert!(refused.is_ok(), "{refused:?}");
    assert_eq!(cockpit.weight(), 0.0);
    assert!(cockpit.handle.server().state_error.is_some());
    cockpit.pass(3_000);
    assert_eq!(cockpit.weight(), 0.0);
    cockpit.disk.broken.store(false, SeqCst);
    cockpit.pass(3_000);
    assert_eq!(cockpit.weight(), 20.0);
    assert!(cockpit.handle.server().state_error.is_none());
    cockpit.disk.broken.store(true, SeqCst);
    fail_until_reverted(&mut cockpit);
    assert!(cockpit.view().reverted);
}

#[test]
fn a_rollout_that_comes_while_the_state_can_not_be_stored_waits_like_the_others() {
    let mut cockpit = Cockpit::start(&without_canary(SHOP), None);
    cockpit.disk.broken.store(true, SeqCst);
    cockpit.reload(&SHOP.replace("name: shop", "name: stall"));
    cockpit.pass(3_000);
    assert_eq!(cockpit.weight(), 0.0);
    cockpit.disk.broken.store(false, SeqCst);
    cockpit.pass(3_000);
    assert_eq!(cockpit.weight(), 20.0);
}

// === commands and events ===

#[test]
fn a_command_for_another_generation_is_refused() {
    let mut cockpit = Cockpit::start(SHOP, None);
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    cockpit.pilot.take_order(super::Order::Command {
        name: "shop".to_owned(),
        generation: Some(9),
        command: Command::Pause,
        reply,
    });
    let error = answer.try_recv().unwrap().unwrap_err();
    assert_eq!(error, CommandError::Refused(Refusal::StaleGeneration { present: 1, given: 9 }));
}

#[test]
fn totals_never_go_back_when_a_generation_ends() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.serve(Arm::Canary, 30, 0);
    cockpit.release("v3", &["127.0.0.1:9003"]).unwrap();
    cockpit.pass(500);
    cockpit.serve(Arm::Canary, 12, 0);
    assert_eq!(cockpit.handle.totals()[0].sums.arm(Arm::Canary).finished(), 42);
    cockpit.pass(500);
    assert_eq!(cockpit.status().canary.as_ref().unwrap().requests, 12);
}

#[test]
fn subscribers_hear_of_decisions_and_of_the_status() {
    let mut cockpit = Cockpit::start(SHOP, None);
    let mut subscription = cockpit.handle.subscribe("shop").unwrap();
    assert!(subscription.recent.iter().any(|decision| decision.event.kind == EventKind::Started));
    cockpit.command(Command::Abort { reason: Some("smoke".to_owned()) }).unwrap();
    let items: Vec<FeedItem> = std::iter::from_fn(|| subscription.feed.try_recv().ok()).collect();
    assert!(
        items
            .iter()
            .any(|item| matches!(item, FeedItem::Decision(decision) if decision.event.kind == EventKind::Aborted))
    );
    assert!(items.iter().any(|item| matches!(item, FeedItem::Status(status) if status.phase == Phase::Degraded)));
}

// === the loop ===

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_running_pilot_obeys_wakes_up_for_failures_and_ends_when_told() {
    let running = Running::start(SHOP);
    let (handle, clock) = (running.handle.clone(), running.clock);
    let snapshots = handle.snapshots();
    let weight = || snapshots.load().rollouts[0].split.weight.percent();
    wait_until("the first step begins", || weight() > 0.0);
    wait_until("failures take the canary back", || {
        let view = Arc::clone(&snapshots.load().rollouts[0]);
        serve(&view.counters, view.tick_at(clock.now_us()), Arm::Canary, 10, 10);
        serve(&view.counters, view.tick_at(clock.now_us()), Arm::Stable, 40, 0);
        view.counters.wake.signal();
        weight() == 0.0
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let retried = runtime.block_on(handle.command("shop", Some(1), Command::Retry)).unwrap();
    assert_eq!(retried.generation, 2);
    drop(running);
    assert_eq!(runtime.block_on(handle.command("shop", None, Command::Pause)), Err(CommandError::Stopped));
}

// === stable's habits ===

/// The canary's score after its first tick, half of which failed.
fn score_of_a_first_burst(mut cockpit: Cockpit) -> f64 {
    cockpit.release("v2", &["127.0.0.1:9002"]).unwrap();
    cockpit.pass(100);
    cockpit.serve(Arm::Canary, 10, 5);
    cockpit.pass(300);
    cockpit.status().metrics[0].abs
}

#[test]
fn what_stable_did_before_the_release_is_known_to_the_judge_of_the_canary() {
    let unknown = Cockpit::start(&without_canary(SHOP), None);
    let mut known = Cockpit::start(&without_canary(SHOP), None);
    for beat in 0..700 {
        known.serve(Arm::Stable, 20, u32::from(beat % 20 == 0));
        known.pass(100);
    }
    let (careful, sure) = (score_of_a_first_burst(unknown), score_of_a_first_burst(known));
    assert!(sure > careful + 2.0, "{sure} against {careful}");
}
