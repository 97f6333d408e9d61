//! The judge's rules, one scenario each, through its public door.

#[path = "support/traffic.rs"]
mod traffic;

use sluice_engine::evidence::{Counts, Group, Observations};
use sluice_engine::judge::{
    Backstop, BackstopRule, CauseSuspected, Compare, Finding, Guard, Judge, LatencyLimit, Metric, Missing, Pricing,
    Promotion, Routing, Rule, Settings, Verdict, WindowKind,
};
use traffic::{judge_at, known, tick_of};

/// Requests of both arms in one tick and how many of each fail.
#[derive(Clone, Copy)]
struct Load {
    canary: (u32, u32),
    stable: (u32, u32),
}

const HEALTHY: Load = Load { canary: (5, 0), stable: (95, 0) };
const CANARY_FAILS: Load = Load { canary: (5, 5), stable: (95, 0) };
const BOTH_FAIL: Load = Load { canary: (5, 5), stable: (95, 95) };
const NO_CANARY: Load = Load { canary: (0, 0), stable: (100, 0) };
const NO_CANARY_AND_STABLE_FAILS: Load = Load { canary: (0, 0), stable: (100, 100) };

/// Feeds the same load tick after tick and evaluates each at its end; findings with their ticks.
fn run(judge: &mut Judge, ticks: std::ops::Range<u64>, load: Load) -> Vec<(u64, Finding)> {
    let mut found = Vec::new();
    for tick in ticks {
        judge.observe(&tick_of(tick, known(load.canary.0, load.canary.1), known(load.stable.0, load.stable.1)));
        found.extend(judge.evaluate(tick, tick % 2 == 1).into_iter().map(|finding| (tick, finding)));
    }
    found
}

fn reverted(found: &[(u64, Finding)]) -> Option<&Verdict> {
    found.iter().find_map(|(_, finding)| match finding {
        Finding::Revert(verdict) => Some(verdict),
        _ => None,
    })
}

fn kinds(found: &[(u64, Finding)]) -> Vec<(u64, &'static str)> {
    let name = |finding: &Finding| match finding {
        Finding::Revert(_) => "revert",
        Finding::HoldEntered(_) => "hold",
        Finding::HoldLeft => "left",
        Finding::Suspend => "suspend",
        Finding::Resume { suspected: true } => "resume suspected",
        Finding::Resume { suspected: false } => "resume",
        Finding::SuspendedTooLong => "too long",
        Finding::Worse(_) => "worse",
        Finding::Inconclusive(_) => "inconclusive",
        Finding::BlipTolerated(_) => "blip",
    };
    found.iter().map(|(tick, finding)| (*tick, name(finding))).collect()
}

fn judge() -> Judge {
    judge_at(0.05, Settings::default())
}

// === reverts ===

#[test]
fn a_canary_that_fails_everything_is_reverted_after_five_failures() {
    let mut judge = judge();
    let found = run(&mut judge, 0..10, CANARY_FAILS);
    let verdict = reverted(&found).unwrap();
    assert_eq!(
        (verdict.rule, verdict.metric, verdict.tick, verdict.window),
        (Rule::Sequential, Metric::Failures, 0, WindowKind::Step)
    );
    assert_eq!((verdict.n, verdict.x, verdict.n_stable, verdict.x_stable), (5, 5, 95, 0));
    assert!(run(&mut judge, 10..50, CANARY_FAILS).is_empty(), "a verdict is latched");
}

#[test]
fn ten_healthy_minutes_are_no_credit() {
    let mut judge = judge();
    assert!(run(&mut judge, 0..12_000, HEALTHY).is_empty());
    let found = run(&mut judge, 12_000..12_020, CANARY_FAILS);
    let verdict = reverted(&found).unwrap();
    assert_eq!(verdict.window, WindowKind::Restart);
    assert!(verdict.tick <= 12_002, "{}", verdict.tick);
}

#[test]
fn without_stable_traffic_the_limit_alone_decides() {
    let mut judge = judge_at(1.0, Settings::default());
    let found = run(&mut judge, 0..10, Load { canary: (5, 5), stable: (0, 0) });
    assert_eq!(reverted(&found).unwrap().rel, None);
}

#[test]
fn a_burst_in_one_tick_counts_as_its_guard_allows() {
    let mut judge = Judge::new(Settings { guard: Guard::Cap(2.0), ..Settings::default() });
    judge.begin_step(0, 0.05, Pricing::Step, false);
    let burst = Load { canary: (250, 250), stable: (4_750, 5) };
    assert!(run(&mut judge, 0..1, burst).is_empty());
    let found = run(&mut judge, 1..3, burst);
    let verdict = reverted(&found).unwrap();
    assert_eq!((verdict.tick, verdict.x), (1, 500));
    let record = verdict.record.as_ref().unwrap();
    assert_eq!(record.rows.len(), 2, "a guarded cohort stays a row of its own");
}

/// A judge that has seen stable fail now and then, one at a time, for two minutes.
fn seen_quiet(settings: Settings) -> Judge {
    let mut judge = Judge::new(settings);
    for tick in 0..2_400 {
        judge.observe(&tick_of(tick, Counts::default(), known(20, u32::from(tick % 100 == 0))));
    }
    judge
}

#[test]
fn a_successor_knows_stables_habits_and_nothing_else() {
    let mut former = judge();
    run(&mut former, 0..2_400, Load { canary: (5, 1), stable: (95, 0) });
    let next = former.successor(Settings::default());
    assert_eq!((next.views(0)[0].n, next.views(0)[0].n_stable), (0, 0));
    assert!(!next.is_holding() && !next.is_suspended());
}

#[test]
fn the_automatic_guard_is_careful_without_history_and_off_with_a_quiet_one() {
    let burst = Load { canary: (250, 50), stable: (4_750, 0) };
    let mut careful = Judge::new(Settings::default());
    careful.begin_step(0, 0.05, Pricing::Step, false);
    let mut sure = seen_quiet(Settings::default()).successor(Settings::default());
    sure.begin_step(0, 0.05, Pricing::Step, false);
    run(&mut careful, 0..1, burst);
    run(&mut sure, 0..1, burst);
    assert!(sure.views(0)[0].abs > careful.views(0)[0].abs + 1.0);
}

#[test]
fn what_was_seen_before_a_metrics_initial_delay_does_not_count() {
    let mut judge = judge_at(0.05, Settings { initial_delay_failures_ms: 1_000, ..Settings::default() });
    assert!(run(&mut judge, 0..20, CANARY_FAILS).is_empty());
    assert_eq!(reverted(&run(&mut judge, 20..40, CANARY_FAILS)).unwrap().tick, 20);
}

#[test]
fn a_hung_canary_is_reverted_by_latency_without_any_timer() {
    let mut judge =
        judge_at(0.05, Settings { latency: Some(LatencyLimit { theta: 0.05, limit_ms: 200 }), ..Settings::default() });
    for tick in 0..20 {
        let hung = Counts { started: 5, ..Counts::default() };
        judge.observe(&tick_of(tick, hung, known(95, 0)));
        let found = judge.evaluate(tick, tick % 2 == 1);
        if let Some(Finding::Revert(verdict)) = found.first() {
            assert_eq!((verdict.metric, tick), (Metric::Latency, 5));
            return;
        }
    }
    panic!("never reverted");
}

// === outcomes that come late ===

#[test]
fn outcomes_older_than_the_ring_enter_the_step_window_and_promotion_but_no_restart() {
    let mut judge = judge();
    judge.observe(&tick_of(0, Counts { started: 20, ..Counts::default() }, known(380, 0)));
    judge.evaluate(1, true);
    let timeouts = Group { age: 200, counts: Counts { done: 20, failed: 20, slow: 20, ..Counts::default() } };
    judge.observe(&Observations { tick: 200, canary: vec![timeouts], stable: vec![] });
    let found = judge.evaluate(200, false);
    let Some(Finding::Revert(verdict)) = found.first() else { panic!("{found:?}") };
    assert_eq!((verdict.window, verdict.n, verdict.x), (WindowKind::Step, 20, 20));
    let record = verdict.record.as_ref().unwrap();
    assert_eq!(record.rows, [[0.05, 20.0, 20.0, 380.0, 0.0]]);
}

#[test]
fn late_outcomes_of_an_earlier_step_count_for_promotion_only() {
    let mut judge = judge();
    judge.observe(&tick_of(0, Counts { started: 20, ..Counts::default() }, known(380, 0)));
    judge.evaluate(99, true);
    judge.begin_step(100, 0.1, Pricing::Step, false);
    let timeouts = Group { age: 300, counts: Counts { done: 20, failed: 20, slow: 20, ..Counts::default() } };
    judge.observe(&Observations { tick: 300, canary: vec![timeouts], stable: vec![] });
    assert!(judge.evaluate(300, false).is_empty());
    let view = &judge.views(300)[0];
    assert!(view.abs < 0.0 && view.pro.unwrap() < -5.0, "{view:?}");
}

// === outages of both arms ===

#[test]
fn an_outage_of_both_arms_holds_and_is_left_ten_seconds_after_its_last_fresh_trip() {
    let mut judge = judge();
    run(&mut judge, 0..400, HEALTHY);
    let mut found = run(&mut judge, 400..440, BOTH_FAIL);
    assert!(judge.is_holding() && judge.held().is_some());
    assert!(judge.missing(440).contains(&Missing::Held));
    found.extend(run(&mut judge, 440..800, HEALTHY));
    assert_eq!(kinds(&found), [(400, "hold"), (639, "left")]);
    let view = &judge.views(800)[0];
    assert_eq!((view.n, view.x), (160 * 5, 0), "evidence began anew with the next tick");
    assert!((view.pro_threshold - 40_f64.ln()).abs() < 1e-9, "and costs ln 2");
}

#[test]
fn ordinary_failures_after_an_outage_do_not_prolong_the_hold() {
    let mut judge = judge().without_suspension();
    run(&mut judge, 0..20, BOTH_FAIL);
    let mut found = Vec::new();
    for tick in (20..460).step_by(20) {
        found.extend(run(&mut judge, tick..tick + 19, HEALTHY));
        found.extend(run(&mut judge, tick + 19..tick + 20, Load { canary: (5, 1), stable: (95, 0) }));
    }
    let left = kinds(&found).into_iter().find(|found| found.1 == "left").unwrap().0;
    assert!(left <= 440, "left at {left}");
}

#[test]
fn five_fresh_seconds_of_an_outage_suspend_and_ten_clear_ones_resume() {
    let mut judge = judge();
    let found = run(&mut judge, 0..110, BOTH_FAIL);
    assert_eq!(kinds(&found), [(0, "hold"), (100, "suspend")]);
    assert!(judge.is_suspended() && !judge.is_holding());
    judge.begin_step(101, 0.0, Pricing::Restart, false);
    // The outage goes on for more than 10 s after the suspension: nobody suspects the canary.
    assert!(run(&mut judge, 110..400, NO_CANARY_AND_STABLE_FAILS).is_empty());
    let found = run(&mut judge, 400..700, NO_CANARY);
    assert_eq!(kinds(&found), [(639, "resume")]);
    assert!(!judge.is_suspended());
}

fn suspended_twice(rule: CauseSuspected) -> Vec<(u64, &'static str)> {
    let mut judge = judge_at(0.05, Settings { cause_suspected: rule, ..Settings::default() });
    let mut found = Vec::new();
    let mut tick = 0;
    for _ in 0..2 {
        found.extend(run(&mut judge, tick..tick + 101, BOTH_FAIL));
        judge.begin_step(tick + 101, 0.0, Pricing::Restart, false);
        found.extend(run(&mut judge, tick + 101..tick + 500, NO_CANARY));
        judge.begin_step(tick + 500, 0.05, Pricing::Restart, false);
        tick += 500;
    }
    kinds(&found)
}

#[test]
fn a_canary_whose_absence_ends_the_outage_twice_is_reverted() {
    let resumed = [(0, "hold"), (100, "suspend"), (340, "resume suspected")];
    let again = [(500, "hold"), (600, "suspend")];
    let expected = |end| [&resumed[..], &again[..], &[end]].concat();
    assert_eq!(suspended_twice(CauseSuspected::RevertOnSecond), expected((640, "revert")));
    assert_eq!(suspended_twice(CauseSuspected::Resume), expected((840, "resume suspected")));
    assert_eq!(suspended_twice(CauseSuspected::Revert), [(0, "hold"), (100, "suspend"), (140, "revert")]);
}

#[test]
fn after_ten_minutes_of_suspension_only_a_person_resumes() {
    let mut judge = judge();
    run(&mut judge, 0..102, BOTH_FAIL);
    judge.begin_step(102, 0.0, Pricing::Restart, false);
    let found = run(&mut judge, 102..13_000, NO_CANARY_AND_STABLE_FAILS);
    assert_eq!(kinds(&found), [(12_100, "too long")]);
    assert!(run(&mut judge, 13_000..14_000, NO_CANARY).is_empty());
    judge.resumed(14_000);
    assert!(!judge.is_suspended());
}

// === blips ===

#[test]
fn a_blip_that_passes_is_tolerated_and_one_that_stays_is_not() {
    let settings = || Settings { blip_tolerance_ms: 2_000, compare: Compare::Off, ..Settings::default() };
    let mut staying = judge_at(0.05, settings());
    assert_eq!(kinds(&run(&mut staying, 0..100, CANARY_FAILS)), [(40, "revert")]);

    let mut passing = judge_at(0.05, settings());
    run(&mut passing, 0..4, CANARY_FAILS);
    let found = run(&mut passing, 4..400, HEALTHY);
    assert_eq!(kinds(&found), [(41, "blip")]);
    assert!(passing.views(400)[0].pro_threshold < 3.0, "promotion counts go on");
}

// === comparison ===

#[test]
fn a_canary_that_answers_404_everywhere_is_paused_once() {
    let mut judge = judge();
    let missing_pages = Counts { c4xx: 5, ..known(5, 0) };
    let mut worse = Vec::new();
    for tick in 0..40 {
        judge.observe(&tick_of(tick, missing_pages, known(95, 0)));
        worse.extend(judge.evaluate(tick, tick % 2 == 1));
    }
    let [Finding::Worse(verdict)] = &worse[..] else { panic!("{worse:?}") };
    assert_eq!((verdict.rule, verdict.metric, verdict.abs), (Rule::Comparison, Metric::C4xx, None));
    assert!(judge.missing(40).contains(&Missing::Compared(Metric::C4xx)));
    judge.resumed(40);
    judge.observe(&tick_of(41, missing_pages, known(95, 0)));
    assert!(matches!(judge.evaluate(41, true)[..], [Finding::Worse(_)]), "a resumed comparison may pause again");
}

#[test]
fn comparison_reverts_or_stays_silent_as_told() {
    for (compare, expected) in [(Compare::Off, None), (Compare::Revert, Some(Rule::Comparison))] {
        let mut judge = judge_at(0.05, Settings { compare, ..Settings::default() });
        let load = Load { canary: (500, 4), stable: (9_500, 9) };
        let found = run(&mut judge, 0..40, load);
        assert_eq!(reverted(&found).map(|verdict| verdict.rule), expected);
    }
}

// === users instead of coins ===

#[test]
fn with_sticky_users_stables_own_failures_tell_an_outage() {
    let settings = || Settings { routing: Routing::Sticky, ..Settings::default() };
    let mut both = judge_at(0.05, settings());
    let found = run(&mut both, 0..20, BOTH_FAIL);
    assert_eq!(kinds(&found)[0].1, "hold");
    let mut alone = judge_at(0.05, settings());
    let found = run(&mut alone, 0..20, CANARY_FAILS);
    assert!(reverted(&found).is_some());
}

// === promotion ===

#[test]
fn promotion_waits_for_468_clean_requests_and_names_what_is_missing() {
    let mut judge = judge();
    run(&mut judge, 0..93, HEALTHY);
    assert_eq!(judge.missing(92), [Missing::Requests { metric: Metric::Failures, seen: 465, needed: Some(468) }],);
    run(&mut judge, 93..94, HEALTHY);
    assert_eq!(judge.missing(93), []);
}

#[test]
fn a_step_asks_for_requests_of_its_own_and_a_generation_for_any() {
    let mut judge = judge();
    assert_eq!(
        judge.missing(0),
        [
            Missing::NoData,
            Missing::StepRequests { seen: 0, needed: 100 },
            Missing::Requests { metric: Metric::Failures, seen: 0, needed: Some(468) },
        ]
    );
    run(&mut judge, 0..100, HEALTHY);
    judge.begin_step(100, 0.1, Pricing::Step, false);
    run(&mut judge, 100..110, HEALTHY);
    assert_eq!(judge.missing(109), [Missing::StepRequests { seen: 50, needed: 100 }]);
}

#[test]
fn requests_without_an_answer_for_two_seconds_count_as_failed() {
    let mut judge = judge();
    judge.observe(&tick_of(0, Counts { started: 30, ..Counts::default() }, known(570, 0)));
    judge.evaluate(39, true);
    let pro = |judge: &Judge| judge.views(0)[0].pro.unwrap();
    let before = pro(&judge);
    judge.evaluate(40, false);
    assert!(pro(&judge) < before, "{} after {before}", pro(&judge));
}

#[test]
fn the_observed_mode_asks_for_a_hundred_requests_within_the_limit() {
    let mut judge =
        judge_at(0.05, Settings { promotion: Promotion::Observed, min_step_requests: 1, ..Settings::default() });
    run(&mut judge, 0..19, HEALTHY);
    assert_eq!(judge.missing(18), [Missing::Requests { metric: Metric::Failures, seen: 95, needed: Some(100) }]);
    run(&mut judge, 19..20, HEALTHY);
    assert_eq!(judge.missing(19), []);
}

#[test]
fn the_last_step_asks_for_more_proof() {
    let mut judge = judge();
    run(&mut judge, 0..100, HEALTHY);
    judge.begin_step(100, 1.0, Pricing::Step, true);
    run(&mut judge, 100..126, HEALTHY);
    assert_eq!(judge.missing(125), [Missing::Requests { metric: Metric::Failures, seen: 630, needed: Some(631) }]);
    run(&mut judge, 126..127, HEALTHY);
    assert_eq!(judge.missing(126), []);
}

// === interval measurements ===

fn measured(rule: BackstopRule) -> Settings {
    let backstop = Backstop {
        metric: Metric::Failures,
        interval_ms: 30_000,
        window_ms: 120_000,
        rule,
        inconclusive_limit: Some(1),
        count: Some(3),
        exact: false,
    };
    Settings { backstops: vec![backstop], compare: Compare::Off, min_failures: u32::MAX, ..Settings::default() }
}

#[test]
fn the_second_failed_measurement_in_a_row_reverts() {
    let mut judge = judge_at(0.05, measured(BackstopRule::ConsecutiveFailures(2)));
    let found = run(&mut judge, 0..3_000, Load { canary: (50, 2), stable: (950, 1) });
    let verdict = reverted(&found).unwrap();
    assert_eq!((verdict.rule, verdict.tick, verdict.n, verdict.x), (Rule::Backstop, 1_200, 60_000, 2_400));
}

#[test]
fn measurements_without_traffic_are_inconclusive_and_pause_once_above_their_limit() {
    let mut judge = judge_at(0.05, measured(BackstopRule::FailureLimit(Some(0))));
    let found = run(&mut judge, 0..6_000, NO_CANARY);
    assert_eq!(kinds(&found), [(1_200, "inconclusive")]);
}

#[test]
fn a_step_is_not_shorter_than_its_measurements() {
    let mut judge = judge_at(0.05, measured(BackstopRule::FailureLimit(None)));
    run(&mut judge, 0..1_200, HEALTHY);
    assert_eq!(judge.missing(1_199), [Missing::Measurements { seen: 2, needed: 3 }]);
    run(&mut judge, 1_200..1_201, HEALTHY);
    assert_eq!(judge.missing(1_200), []);
}

// === time and weights ===

#[test]
fn a_long_gap_is_the_same_as_its_empty_ticks() {
    let mut waiting = judge();
    run(&mut waiting, 0..300, HEALTHY);
    let mut leaping = waiting.clone();
    for tick in 300..50_000 {
        assert!(waiting.evaluate(tick, tick % 2 == 1).is_empty());
    }
    assert!(leaping.evaluate(49_999, true).is_empty());
    assert_eq!(waiting.views(49_999), leaping.views(49_999));
    let load = Load { canary: (5, 1), stable: (95, 0) };
    let (a, b) = (run(&mut waiting, 50_000..50_100, load), run(&mut leaping, 50_000..50_100, load));
    assert!(reverted(&a).is_some());
    assert_eq!(a, b);
}

#[test]
fn a_weight_planned_ahead_leaves_earlier_cohorts_their_own() {
    let mut judge = judge();
    judge.observe(&tick_of(3, known(1, 0), known(19, 0)));
    judge.begin_step(5, 0.5, Pricing::Step, false);
    judge.observe(&tick_of(4, known(1, 0), known(19, 0)));
    judge.observe(&tick_of(5, known(6, 6), known(6, 0)));
    let found = judge.evaluate(5, true);
    let Some(Finding::Revert(verdict)) = found.first() else { panic!("{found:?}") };
    assert_eq!(verdict.record.as_ref().unwrap().rows.last().unwrap()[0], 0.5);
}

#[test]
fn a_proxy_with_a_lower_cap_brings_its_own_coin() {
    let load = tick_of(0, known(5, 5), known(95, 0));
    let (mut capped, mut planned) = (judge_at(0.5, Settings::default()), judge());
    capped.observe_at_weight(&load, 0.05);
    planned.observe(&load);
    assert!((capped.views(0)[0].rel.unwrap() - planned.views(0)[0].rel.unwrap()).abs() < 1e-12);
}
