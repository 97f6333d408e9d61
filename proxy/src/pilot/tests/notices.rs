//! What is told, and that it is stored together with what it tells.

use std::path::Path;

use sluice_engine::rollout::Command;

use super::super::StoredRollouts;
use super::{Cockpit, Loaded, SHOP, fail_until_reverted, mk_config};
use crate::notify::{Kind, Notifier};

const TELLING: &str = r#"notifications: [{ webhook: { url: "http://127.0.0.1:9/" } }]"#;

fn start(state_dir: &Path, found: Option<StoredRollouts>) -> Cockpit {
    let text = format!("{SHOP}{TELLING}\n");
    let stored = found.iter().flatten().map(|(name, rollout)| (name, &rollout.outbox));
    let notifier = Notifier::new(state_dir, mk_config(&text).notifications, stored);
    Cockpit::start_telling(&text, found.map_or(Loaded::Missing, Loaded::Found), notifier)
}

fn kinds(rollouts: &StoredRollouts) -> Vec<Kind> {
    rollouts["shop"].outbox.notices().map(|notice| notice.kind).collect()
}

fn pending(cockpit: &Cockpit) -> u64 {
    cockpit.handle.notifier().status()[0].pending
}

#[test]
fn what_is_told_is_stored_in_the_same_write_as_what_was_decided() {
    let directory = tempfile::tempdir().unwrap();
    let mut cockpit = start(directory.path(), None);
    cockpit.pass(500);
    fail_until_reverted(&mut cockpit);
    cockpit.wait_for_disk();
    for state in cockpit.disk.states.lock().unwrap().iter() {
        let is_reverted = serde_json::to_string(&state["shop"].saved).unwrap().contains("takenBack");
        assert_eq!(is_reverted, kinds(state).contains(&Kind::Reverted));
    }
    assert_eq!(kinds(&cockpit.disk.last()), [Kind::Started, Kind::Step, Kind::Reverted]);
    assert_eq!(pending(&cockpit), 3);
    let stored = cockpit.disk.last();
    let reverted = stored["shop"].outbox.notices().last().unwrap();
    assert!(reverted.verdict.as_ref().is_some_and(|verdict| verdict.record.is_none()));
    assert!(reverted.revert.is_some_and(|took| took.failed_requests >= 5));
}

#[test]
fn what_was_stored_and_not_delivered_is_told_after_a_restart_in_the_same_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut cockpit = start(directory.path(), None);
    cockpit.command(Command::Abort { reason: None }).unwrap();
    let found = cockpit.disk.last();
    let told: Vec<String> = found["shop"].outbox.notices().map(|notice| notice.id()).collect();
    assert_eq!(kinds(&found), [Kind::Started, Kind::Step, Kind::Aborted]);
    drop(cockpit);
    let again = start(directory.path(), Some(found));
    assert_eq!(pending(&again), 3);
    let stored = again.disk.last();
    assert_eq!(stored["shop"].outbox.notices().map(|notice| notice.id()).collect::<Vec<_>>(), told);
}

#[test]
fn a_disk_that_fails_keeps_nobody_from_hearing_of_a_revert() {
    let directory = tempfile::tempdir().unwrap();
    let mut cockpit = start(directory.path(), None);
    cockpit.pass(500);
    cockpit.disk.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    fail_until_reverted(&mut cockpit);
    cockpit.wait_for_disk();
    assert_eq!(pending(&cockpit), 3);
}

#[test]
fn without_a_destination_nothing_is_kept_and_the_stored_form_is_the_former_one() {
    let cockpit = Cockpit::start(SHOP, None);
    let text = serde_json::to_string(&cockpit.disk.last()["shop"]).unwrap();
    assert!(!text.contains("outbox"), "{text}");
}

#[test]
fn a_state_of_a_former_version_is_read_and_a_broken_outbox_costs_no_decision() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.command(Command::Abort { reason: None }).unwrap();
    let mut state = serde_json::to_value(cockpit.disk.last()).unwrap();
    state["shop"]["outbox"] = serde_json::json!({ "next": "of the future" });
    let found: StoredRollouts = serde_json::from_value(state).unwrap();
    assert!(found["shop"].outbox.is_untouched());
    assert_eq!(found["shop"].saved, cockpit.disk.last()["shop"].saved);
}
