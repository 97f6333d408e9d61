//! What counts as which outcome, row by row, and where outcomes are counted.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use sluice_engine::units::Weight;

use super::*;
use crate::config::Routing;
use crate::counters::{GenerationCounters, Wake};
use crate::snapshot::{ArmView, RoutingRules, Split};

const LIMIT_US: u64 = 200_000;

fn mk_view(limit_us: u64) -> RolloutView {
    let arm = Arc::new(ArmView { version: "v1".into(), endpoints: Vec::new() });
    RolloutView {
        name: "shop".into(),
        generation: 1,
        stable: Arc::clone(&arm),
        canary: Some(arm),
        split: Split::constant(Weight::FULL),
        reverted: false,
        step: 11,
        routing: Arc::new(RoutingRules::new(Routing::default(), "shop", "v2")),
        origin_us: 1_000_000,
        limit_us,
        counters: Arc::new(GenerationCounters::new(1, Some(200), Arc::new(Wake::default()))),
    }
}

/// The canary's counts in the order of `Counts::to_array`.
fn cohort(cohort: &Cohort) -> [u32; 8] {
    Pairs::counts(cohort.arms[Arm::Canary.index()].words()).to_array()
}

/// What one canary trial that starts in tick 3 and ends `after_us` later counts in its cohort.
fn counts(limit_us: u64, after_us: u64, outcome: Outcome) -> [u32; 8] {
    let view = mk_view(limit_us);
    let shard = &view.counters.shards[0];
    let start = view.origin_us + 3 * 50_000 + 7;
    Trial::begin(shard, &view, Arm::Canary, Reason::Drawn, start).end(shard, &view, start + after_us, outcome);
    cohort(&shard.ring[3])
}

#[test]
fn outcomes_count_as_the_classification_table_says() {
    let answered = |status| Outcome::Answered { status };
    let failed = |kind| Outcome::Failed { kind, status: None };
    let mid_body = |kind| Outcome::Failed { kind, status: Some(200) };
    // started, done, failed, fast, slow, excluded, late_cancel, c4xx
    let table = [
        ("http-200-fast", 40, answered(200), [1, 1, 0, 1, 0, 0, 0, 0]),
        ("http-200-slow", 350, answered(200), [1, 1, 0, 0, 1, 0, 0, 0]),
        ("http-500", 5, answered(500), [1, 1, 1, 1, 0, 0, 0, 0]),
        ("http-503", 250, answered(503), [1, 1, 1, 0, 1, 0, 0, 0]),
        ("http-404", 5, answered(404), [1, 1, 0, 1, 0, 0, 0, 1]),
        ("cancel-early", 120, Outcome::ClientGone { status: None }, [1, 0, 0, 0, 0, 1, 0, 0]),
        ("cancel-late", 260, Outcome::ClientGone { status: None }, [1, 0, 0, 0, 1, 0, 1, 0]),
        ("cancel in the answer, early", 120, Outcome::ClientGone { status: Some(200) }, [1, 1, 0, 1, 0, 0, 0, 0]),
        ("cancel in the answer, late", 260, Outcome::ClientGone { status: Some(200) }, [1, 0, 0, 0, 1, 0, 1, 0]),
        ("cancel in a failed answer", 260, Outcome::ClientGone { status: Some(500) }, [1, 1, 1, 0, 1, 0, 0, 0]),
        ("reset-mid-body", 80, mid_body(FailureKind::Truncated), [1, 1, 1, 1, 0, 0, 0, 0]),
        ("connect-refused", 1, failed(FailureKind::Connect), [1, 1, 1, 1, 0, 0, 0, 0]),
        ("no-endpoint", 0, failed(FailureKind::NoEndpoint), [1, 1, 1, 1, 0, 0, 0, 0]),
        ("per-try-timeout", 100, failed(FailureKind::Timeout), [1, 1, 1, 0, 1, 0, 0, 0]),
    ];
    for (id, after_ms, outcome, expected) in table {
        assert_eq!(counts(LIMIT_US, after_ms * 1_000, outcome), expected, "{id}");
    }
}

#[test]
fn without_a_limit_everything_answered_is_fast_and_every_cancel_excluded() {
    let hour = 3_600_000_000;
    assert_eq!(counts(u64::MAX, 5_900_000, Outcome::Answered { status: 200 }), [1, 1, 0, 1, 0, 0, 0, 0]);
    assert_eq!(counts(u64::MAX, 1_000_000, Outcome::ClientGone { status: None }), [1, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(counts(u64::MAX, hour, Outcome::Answered { status: 200 }), [1, 0, 0, 0, 0, 0, 0, 0], "late slot");
}

#[test]
fn an_outcome_after_the_ring_has_gone_round_goes_to_the_late_slot_of_its_step() {
    let view = mk_view(LIMIT_US);
    let shard = &view.counters.shards[0];
    let late = || cohort(&shard.late[11 % LATE_SLOTS]);
    let ring_us = shard.ring_us;
    let failed = Outcome::Failed { kind: FailureKind::Reset, status: None };
    let begin = || Trial::begin(shard, &view, Arm::Canary, Reason::Drawn, view.origin_us);
    begin().end(shard, &view, view.origin_us + ring_us, failed);
    assert_eq!(late(), [0; 8]);
    begin().end(shard, &view, view.origin_us + ring_us + 1, failed);
    assert_eq!(late(), [0, 1, 1, 0, 1, 0, 0, 0]);
}

#[test]
fn directed_requests_are_in_the_totals_and_never_in_a_cohort() {
    let view = mk_view(LIMIT_US);
    let shard = &view.counters.shards[0];
    let trial = Trial::begin(shard, &view, Arm::Canary, Reason::Directed, view.origin_us);
    trial.end(shard, &view, view.origin_us + 10, Outcome::Answered { status: 500 });
    assert_eq!(cohort(&shard.ring[0]), [0; 8]);
    let totals = shard.arm(Arm::Canary);
    assert_eq!((totals.directed.load(Relaxed), totals.codes[5].load(Relaxed)), (1, 1));
    assert_eq!((totals.codes[5].load(Relaxed), totals.failures[0].load(Relaxed)), (1, 1));
}

#[test]
fn an_event_stream_is_timed_at_its_head_and_done_later() {
    let view = mk_view(LIMIT_US);
    let shard = &view.counters.shards[0];
    let mut trial = Trial::begin(shard, &view, Arm::Canary, Reason::Drawn, view.origin_us);
    trial.head_passed(shard, &view, view.origin_us + 30_000);
    trial.end(shard, &view, view.origin_us + 1_030_000, Outcome::Answered { status: 200 });
    assert_eq!(cohort(&shard.ring[0]), [1, 1, 0, 1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn only_a_weighted_canary_failure_wakes_the_pilot() {
    let view = mk_view(LIMIT_US);
    let shard = &view.counters.shards[0];
    let fail = |arm, reason| {
        Trial::begin(shard, &view, arm, reason, view.origin_us).end(
            shard,
            &view,
            view.origin_us,
            Outcome::Answered { status: 500 },
        );
    };
    fail(Arm::Stable, Reason::Drawn);
    fail(Arm::Canary, Reason::Directed);
    let woken = tokio::time::timeout(std::time::Duration::ZERO, view.counters.wake.signalled());
    assert!(woken.await.is_err());
    fail(Arm::Canary, Reason::Sticky);
    view.counters.wake.signalled().await;
}

#[test]
fn an_ordinary_answer_is_counted_as_any_other() {
    let view = mk_view(LIMIT_US);
    let shard = &view.counters.shards[0];
    let answer = |reason, status, after_us| {
        let trial = Trial::begin(shard, &view, Arm::Stable, reason, view.origin_us);
        trial.end(shard, &view, view.origin_us + after_us, Outcome::Answered { status });
    };
    answer(Reason::Drawn, 200, 700); // the short way
    answer(Reason::Directed, 204, 700);
    answer(Reason::Sticky, 304, 700);
    answer(Reason::Drawn, 299, LIMIT_US + 1);
    let totals = shard.arm(Arm::Stable);
    let seen = |us| totals.latency[histogram::index(us)].load(Relaxed);
    assert_eq!((seen(700), seen(LIMIT_US + 1)), (3, 1));
    assert_eq!(totals.latency_sum_us.load(Relaxed), 3 * 700 + LIMIT_US + 1);
    assert_eq!((totals.codes[2].load(Relaxed), totals.codes[3].load(Relaxed)), (0, 1), "2xx are what is left");
    let stable = Pairs::counts(shard.ring[0].arms[Arm::Stable.index()].words());
    assert_eq!((stable.started, stable.done, stable.fast, stable.slow), (3, 3, 2, 1));
}
