//! Queues, positions and outboxes together, without a network.

use std::collections::BTreeMap;
use std::path::Path;

use super::destination::{Channel, Destination};
use super::notice::{Kind, Notice};
use super::notifier::Notifier;
use super::outbox::Outbox;
use super::queue::Outcome;
use crate::outbound::SecretFile;

fn mk_destination(name: &str, on: &[Kind]) -> Destination {
    Destination {
        name: name.into(),
        on: on.iter().copied().collect(),
        rollouts: Vec::new(),
        template: None,
        channel: Channel::Slack(SecretFile::new("/nowhere".into())),
    }
}

fn mk_notice(rollout: &str, kind: Kind, sequence: u64) -> Notice {
    Notice { sequence, rollout: Some(rollout.to_owned()), ..Notice::of_server(kind, 1, String::new()) }
}

fn mk_notifier(directory: &Path, names: &[&str], stored: &BTreeMap<String, Outbox>) -> Notifier {
    let destinations = names.iter().map(|name| mk_destination(name, &Kind::ALL)).collect();
    Notifier::new(directory, destinations, stored.iter())
}

fn waiting(notifier: &Notifier) -> Vec<u64> {
    notifier.status().iter().map(|status| status.pending).collect()
}

/// Delivers everything, as far as the queues know.
fn deliver_all(notifier: &Notifier) {
    for queue in notifier.shared().queues() {
        while let Some(notice) = queue.front() {
            queue.settle(&notice, Outcome::Delivered, None, 1);
        }
    }
}

#[test]
fn a_new_destination_is_told_nothing_old_at_a_start_and_everything_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::default();
    let old = outbox.put(mk_notice("shop", Kind::Step, 0), 100);
    let stored = BTreeMap::from([("shop".to_owned(), outbox.clone())]);
    let notifier = mk_notifier(directory.path(), &["a"], &stored);
    notifier.tell(old);
    assert_eq!(waiting(&notifier), [0]);
    notifier.tell(outbox.put(mk_notice("shop", Kind::Completed, 0), 100));
    assert_eq!(waiting(&notifier), [1]);
    // The process dies before anything is delivered: the destination is not new any more.
    let stored = BTreeMap::from([("shop".to_owned(), outbox.clone())]);
    let notifier = mk_notifier(directory.path(), &["a"], &stored);
    outbox.notices().for_each(|notice| notifier.tell(notice.clone()));
    assert_eq!(waiting(&notifier), [1]);
}

#[test]
fn a_destination_that_comes_with_a_reload_begins_there_and_one_that_stays_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let notifier = mk_notifier(directory.path(), &["a"], &BTreeMap::new());
    notifier.tell(mk_notice("shop", Kind::Step, 7));
    notifier.configure(vec![mk_destination("b", &Kind::ALL), mk_destination("a", &Kind::ALL)]);
    assert_eq!(waiting(&notifier), [0, 1]);
    notifier.tell(mk_notice("shop", Kind::Step, 7));
    assert_eq!(waiting(&notifier)[0], 0, "what was told before is not news");
    notifier.tell(mk_notice("shop", Kind::Step, 8));
    assert_eq!(waiting(&notifier)[0], 1);
}

#[test]
fn what_everybody_has_got_or_does_not_want_may_be_forgotten_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let destinations = vec![mk_destination("all", &Kind::ALL), mk_destination("ends", &[Kind::Completed])];
    let notifier = Notifier::new(directory.path(), destinations, std::iter::empty());
    assert_eq!(notifier.told_up_to("shop"), 0);
    for (sequence, kind) in [(5, Kind::Step), (6, Kind::Completed), (7, Kind::Step)] {
        notifier.tell(mk_notice("shop", kind, sequence));
    }
    assert_eq!(notifier.told_up_to("shop"), 4);
    let queues = notifier.shared().queues();
    let first = queues[0].front().unwrap();
    queues[0].settle(&first, Outcome::Delivered, None, 1);
    assert_eq!(notifier.told_up_to("shop"), 5);
    deliver_all(&notifier);
    assert_eq!(notifier.told_up_to("shop"), 7);
}

#[test]
fn a_positions_file_that_can_not_be_read_tells_again_rather_than_never() {
    let directory = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::default();
    outbox.put(mk_notice("shop", Kind::Step, 0), 100);
    let stored = BTreeMap::from([("shop".to_owned(), outbox.clone())]);
    std::fs::write(directory.path().join("notifications.json"), "{half").unwrap();
    let notifier = mk_notifier(directory.path(), &["a"], &stored);
    outbox.notices().for_each(|notice| notifier.tell(notice.clone()));
    assert_eq!(waiting(&notifier), [1]);
}

#[test]
fn a_queue_is_bounded_and_counts_what_it_drops() {
    let directory = tempfile::tempdir().unwrap();
    let notifier = mk_notifier(directory.path(), &["a"], &BTreeMap::new());
    (1..=1_003).for_each(|sequence| notifier.tell(mk_notice("shop", Kind::Step, sequence)));
    let queue = &notifier.shared().queues()[0];
    assert_eq!(queue.counts()[Outcome::Dropped as usize], 3);
    assert_eq!((waiting(&notifier), queue.front().unwrap().sequence), (vec![1_000], 4));
}

#[test]
fn ids_name_the_rollout_generation_and_number() {
    assert_eq!(mk_notice("shop", Kind::Step, 9).id(), "shop/0/9");
}
