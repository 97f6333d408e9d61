use std::collections::BTreeMap;

use sluice_engine::rollout::{Command, Input, Rollout};

use super::*;
use crate::pilot::StoredArm;
use crate::pilot::fixture::{SHOP, mk_config};

/// A stored rollout whose canaries were aborted, one at each of these times.
fn mk_stored(ends: impl IntoIterator<Item = u64>) -> StoredRollout {
    let plan = mk_config(SHOP).rollouts[0].plan.clone();
    let mut engine = Rollout::new(plan, "v1".to_owned());
    let mut times = BTreeMap::new();
    for (at, ended_at_ms) in ends.into_iter().enumerate() {
        engine = engine.step(at as u64, Input::NewCanary { version: format!("v{}", at + 2) }).0;
        let command = Command::Abort { reason: None };
        engine = engine.step(at as u64, Input::Command { generation: None, command }).0;
        times.insert(engine.generation(), ReleaseTimes { ended_at_ms: Some(ended_at_ms), ..ReleaseTimes::default() });
    }
    let arm = StoredArm { version: "v1".to_owned(), endpoints: Vec::new() };
    StoredRollout {
        saved: engine.save(1_000),
        stable: arm,
        canary: None,
        file_stable: "v1".to_owned(),
        file_canary: None,
        times,
        revert: None,
        outbox: crate::notify::Outbox::default(),
    }
}

fn mk_state(ends: impl IntoIterator<Item = u64>) -> StoredRollouts {
    BTreeMap::from([("shop".to_owned(), mk_stored(ends))])
}

fn ends(directory: &Path) -> Vec<u64> {
    let found = ReleaseReader::new(directory).read().unwrap();
    found.releases.iter().filter_map(|release| release.times.ended_at_ms).collect()
}

#[test]
fn each_release_is_written_once_however_often_its_history_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = ReleaseLog::open(directory.path());
    log.append(&mk_state([]), 7);
    log.append(&mk_state([10]), 11);
    log.append(&mk_state([10, 20]), 21);
    log.append(&mk_state([10, 20]), 22);
    let text = std::fs::read_to_string(directory.path().join(FILE)).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    let found = ReleaseReader::new(directory.path()).read().unwrap();
    assert_eq!(found.since_ms, Some(7));
    let first = &found.releases[0];
    assert_eq!((first.rollout.as_str(), first.version.as_str(), first.outcome), ("shop", "v2", Outcome::Aborted));
}

#[test]
fn what_a_crash_kept_from_the_log_is_appended_after_the_restart() {
    let directory = tempfile::tempdir().unwrap();
    ReleaseLog::open(directory.path()).append(&mk_state([10]), 11);
    // The state of the second release reached the disk, its line did not.
    ReleaseLog::open(directory.path()).append(&mk_state([10, 20]), 30);
    assert_eq!(ends(directory.path()), [10, 20]);
}

#[test]
fn a_torn_line_costs_only_itself_and_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    ReleaseLog::open(directory.path()).append(&mk_state([10, 20]), 21);
    let path = directory.path().join(FILE);
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 9]).unwrap();
    assert_eq!(ends(directory.path()), [10]);
    ReleaseLog::open(directory.path()).append(&mk_state([10, 20, 30]), 31);
    assert_eq!(ends(directory.path()), [10, 20, 30]);
}

#[test]
fn lines_that_nobody_understands_are_skipped() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE), b"\x00\xff{not json\n\n[1]\n{\"sinceMs\":3}\n").unwrap();
    ReleaseLog::open(directory.path()).append(&mk_state([10]), 11);
    assert_eq!(ends(directory.path()), [10]);
}

#[test]
fn releases_of_a_former_version_whose_times_nobody_knows_are_not_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = mk_state([10, 20]);
    state.values_mut().for_each(|stored| stored.times.retain(|&generation, _| generation != 1));
    ReleaseLog::open(directory.path()).append(&state, 21);
    assert_eq!(ends(directory.path()), [20]);
}

#[test]
fn the_log_is_bounded_and_says_since_when_it_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let mut log = ReleaseLog::open(directory.path());
    log.append(&mk_state([10]), 1);
    let size = |name: &str| std::fs::metadata(directory.path().join(name)).map_or(0, |file| file.len());
    for turn in 1..=3 {
        let padding = vec![b' '; MOST_BYTES as usize];
        open(&path).unwrap().write_all(&padding).unwrap();
        log.append(&mk_state((1..=turn + 1).map(|release| release * 10)), 100 * turn);
        assert!(size(FILE) + size(FORMER_FILE) < 3 * MOST_BYTES);
    }
    let found = ReleaseReader::new(directory.path()).read().unwrap();
    assert_eq!(found.since_ms, Some(200), "what the first two files held is gone");
    assert_eq!(ends(directory.path()), [30, 40]);
}

#[test]
fn a_log_that_can_not_be_written_is_made_good_later() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("state");
    std::fs::write(&blocked, "in the way").unwrap();
    let mut log = ReleaseLog::open(&blocked);
    log.append(&mk_state([10]), 11);
    std::fs::remove_file(&blocked).unwrap();
    std::fs::create_dir(&blocked).unwrap();
    log.append(&mk_state([10, 20]), 21);
    assert_eq!(ends(&blocked), [10, 20]);
}

#[test]
fn a_generation_number_that_comes_again_after_a_lost_state_is_another_release() {
    let directory = tempfile::tempdir().unwrap();
    ReleaseLog::open(directory.path()).append(&mk_state([10]), 11);
    ReleaseLog::open(directory.path()).append(&mk_state([50]), 51);
    assert_eq!(ends(directory.path()), [10, 50]);
}
