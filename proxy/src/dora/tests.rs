use super::*;

const DAY: u64 = 86_400_000;
const MINUTE: u64 = 60_000;

/// A release that ended on `day`, with a quarter of an hour to 100 %.
fn mk(rollout: &str, day: u64, outcome: Outcome) -> Release {
    let started = day * DAY;
    Release {
        rollout: rollout.to_owned(),
        generation: day,
        version: format!("v{day}"),
        outcome,
        served: true,
        times: ReleaseTimes {
            started_at_ms: Some(started),
            full_at_ms: is_deployment(outcome).then_some(started + 15 * MINUTE),
            ended_at_ms: Some(started + 20 * MINUTE),
            restored_after_ms: (outcome == Outcome::Reverted).then_some(40.0),
        },
    }
}

fn mk_known(releases: Vec<Release>) -> Releases {
    Releases { since_ms: Some(0), releases }
}

const THIRTY_DAYS: Period = Period { since_ms: 0, until_ms: 30 * DAY };

fn all(releases: Vec<Release>) -> DoraFigures {
    report(THIRTY_DAYS, &mk_known(releases), &[]).all
}

#[test]
fn of_nothing_there_are_counts_and_no_figures() {
    let found = report(THIRTY_DAYS, &Releases::default(), &["shop".to_owned()]);
    assert_eq!((found.known_since_ms, found.days, found.rollouts.len()), (None, 0.0, 1));
    let DoraFigures { deployments_per_day, change_failure_rate, lead_time, time_to_restore, .. } = found.all;
    assert_eq!((deployments_per_day, change_failure_rate), (None, None));
    assert_eq!((lead_time, time_to_restore), (Spread::default(), Spread::default()));
}

#[test]
fn a_known_month_without_a_release_has_a_frequency_of_zero_and_no_failure_rate() {
    let found = all(Vec::new());
    assert_eq!((found.deployments_per_day, found.deployments_per_week), (Some(0.0), Some(0.0)));
    assert_eq!(found.change_failure_rate, None);
}

#[test]
fn each_outcome_counts_as_documented() {
    let unserved = Release { served: false, ..mk("shop", 5, Outcome::Aborted) };
    let found = all(vec![
        mk("shop", 1, Outcome::Promoted),
        mk("shop", 2, Outcome::PromotedFull),
        mk("shop", 3, Outcome::Reverted),
        mk("shop", 4, Outcome::Aborted),
        unserved,
        mk("shop", 6, Outcome::Superseded),
        mk("shop", 7, Outcome::Withdrawn),
    ]);
    let each = ReleaseCounts {
        promoted: 1,
        promoted_full: 1,
        reverted: 1,
        aborted: 1,
        aborted_unserved: 1,
        superseded: 1,
        withdrawn: 1,
    };
    assert_eq!(found.counts, each);
    assert_eq!((found.deployments, found.changes, found.failed_changes), (2, 4, 2));
    assert_eq!(found.change_failure_rate, Some(0.5));
    assert_eq!((found.lead_time.n, found.lead_time.median_ms), (2, Some(15.0 * MINUTE as f64)));
    assert_eq!((found.time_to_restore.n, found.time_to_restore.median_ms), (1, Some(40.0)));
}

#[test]
fn frequencies_are_taken_over_what_is_known() {
    let releases: Vec<Release> = (20..30).map(|day| mk("shop", day, Outcome::Promoted)).collect();
    let known = Releases { since_ms: Some(20 * DAY), releases };
    let found = report(THIRTY_DAYS, &known, &[]);
    assert_eq!((found.days, found.all.deployments_per_day), (10.0, Some(1.0)));
    assert_eq!(found.all.deployments_per_week, Some(7.0));
    let short = report(Period { since_ms: 28 * DAY, until_ms: 30 * DAY }, &known, &[]);
    assert_eq!((short.all.deployments, short.all.deployments_per_day), (2, Some(1.0)));
    assert_eq!(short.all.deployments_per_week, None, "two days are no week");
    let hours = report(Period { since_ms: 29 * DAY, until_ms: 29 * DAY + DAY / 2 }, &known, &[]);
    assert_eq!((hours.all.deployments, hours.all.deployments_per_day), (1, None));
}

#[test]
fn quantiles_are_values_that_occurred_and_the_ninth_decile_needs_ten() {
    let mk_spread = |n: u64| spread((1..=n).rev().map(|value| value as f64).collect());
    assert_eq!(mk_spread(1), Spread { n: 1, median_ms: Some(1.0), p90_ms: None });
    assert_eq!(mk_spread(4), Spread { n: 4, median_ms: Some(2.0), p90_ms: None });
    assert_eq!(mk_spread(9), Spread { n: 9, median_ms: Some(5.0), p90_ms: None });
    assert_eq!(mk_spread(10), Spread { n: 10, median_ms: Some(5.0), p90_ms: Some(9.0) });
    assert_eq!(mk_spread(11), Spread { n: 11, median_ms: Some(6.0), p90_ms: Some(10.0) });
}

#[test]
fn a_release_that_became_stable_below_100_percent_took_until_its_end() {
    let mut release = mk("shop", 1, Outcome::Promoted);
    release.times.full_at_ms = None;
    assert_eq!(all(vec![release]).lead_time.median_ms, Some(20.0 * MINUTE as f64));
}

#[test]
fn a_release_whose_start_nobody_saw_counts_and_has_no_lead_time() {
    let mut release = mk("shop", 1, Outcome::Promoted);
    release.times.started_at_ms = None;
    let found = all(vec![release, mk("shop", 2, Outcome::Promoted)]);
    assert_eq!((found.deployments, found.lead_time.n), (2, 1));
}

#[test]
fn no_time_is_negative_whatever_stands_in_the_log() {
    let mut release = mk("shop", 1, Outcome::Promoted);
    release.times.started_at_ms = Some(2 * DAY);
    let mut reverted = mk("shop", 3, Outcome::Reverted);
    reverted.times.restored_after_ms = Some(-1.0);
    let found = all(vec![release, reverted]);
    assert_eq!((found.lead_time, found.time_to_restore), (Spread::default(), Spread::default()));
}

#[test]
fn the_end_decides_in_which_period_a_release_counts() {
    let known = mk_known(vec![mk("shop", 1, Outcome::Promoted)]);
    let ended = DAY + 20 * MINUTE;
    let count = |since_ms, until_ms| report(Period { since_ms, until_ms }, &known, &[]).all.deployments;
    assert_eq!(
        (count(0, ended), count(0, ended + 1), count(ended, ended + 1), count(ended + 1, 9 * DAY)),
        (0, 1, 1, 0)
    );
    assert_eq!(count(9 * DAY, 0), 0, "a period that ends before it begins holds nothing");
}

#[test]
fn rollouts_stand_in_the_order_of_the_configuration_and_those_that_are_gone_at_the_end() {
    let known = mk_known(vec![mk("old", 1, Outcome::Reverted), mk("api", 2, Outcome::Promoted)]);
    let found = report(THIRTY_DAYS, &known, &["shop".to_owned(), "api".to_owned()]);
    let shown: Vec<_> = found.rollouts.iter().map(|one| (one.name.as_str(), one.figures.changes)).collect();
    assert_eq!(shown, [("shop", 0), ("api", 1), ("old", 1)]);
    assert_eq!(found.all.changes, 2);
}
