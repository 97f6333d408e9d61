//! What the statistics promise, tried on simulated traffic with fixed seeds: few failed requests before a revert, no
//! revert of a healthy canary, none for an outage that both arms share, and α kept exactly at the limit.
//!
//! In debug builds each claim is tried on a small part of the runs (the figure is in the test's doc).

// The figures are worth seeing with `--nocapture`.
#![allow(clippy::print_stdout)]

#[path = "support/traffic.rs"]
mod traffic;

use std::collections::VecDeque;

use sluice_engine::evidence::{Counts, Group, Observations};
use sluice_engine::judge::{Finding, Judge, Pricing, Settings};
use traffic::{Random, judge_at, run_tick};

/// Milliseconds after which an outcome is known.
const KNOWN_AFTER_MS: u64 = 10;

/// `release` runs, or a fraction of them in debug builds.
fn runs(release: u64, debug: u64) -> u64 {
    if cfg!(debug_assertions) { debug } else { release }
}

fn reverted(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| matches!(finding, Finding::Revert(_)))
}

/// A request on its way.
struct Pending {
    due_ms: u64,
    start_tick: u64,
    canary: bool,
    failed: bool,
}

/// Traffic millisecond by millisecond, judged at every canary failure: how many canary requests fail (those on their
/// way included) before the revert, and when it comes.
fn failed_before_revert(seed: u64, share: f64, per_second: f64, weight: f64) -> (u32, u64) {
    let mut random = Random::new(seed);
    let mut judge = judge_at(weight, Settings::default());
    let mut pending: VecDeque<Pending> = VecDeque::new();
    let mut failed = 0;
    for ms in 0..600_000 {
        let tick = ms / 50;
        let mut seen = Observations { tick, ..Observations::default() };
        for (canary, mean, share) in [(true, weight, share), (false, 1.0 - weight, 0.001)] {
            let started = random.poisson(mean * per_second / 1_000.0);
            add(&mut seen, canary, 0, Counts { started, ..Counts::default() });
            for _ in 0..started {
                let request_fails = random.happens(share);
                failed += u32::from(canary && request_fails);
                pending.push_back(Pending {
                    due_ms: ms + KNOWN_AFTER_MS,
                    start_tick: tick,
                    canary,
                    failed: request_fails,
                });
            }
        }
        let mut wake = false;
        while let Some(request) = pending.pop_front_if(|request| request.due_ms <= ms) {
            let outcome = Counts { done: 1, failed: request.failed.into(), fast: 1, ..Counts::default() };
            add(&mut seen, request.canary, tick - request.start_tick, outcome);
            wake |= request.canary && request.failed;
        }
        judge.observe(&seen);
        let beat = ms % 100 == 99;
        if (wake || beat) && reverted(&judge.evaluate(tick, beat)) {
            return (failed, ms);
        }
    }
    panic!("seed {seed}: no revert in ten minutes");
}

fn add(seen: &mut Observations, canary: bool, age: u64, counts: Counts) {
    if !counts.is_empty() {
        let groups = if canary { &mut seen.canary } else { &mut seen.stable };
        groups.push(Group { age, counts });
    }
}

fn median_and_p99(share: f64, per_second: f64, runs: u64) -> (u32, u32, u64) {
    let mut results: Vec<(u32, u64)> =
        (0..runs).map(|seed| failed_before_revert(seed, share, per_second, 0.05)).collect();
    let mut times: Vec<u64> = results.iter().map(|result| result.1).collect();
    results.sort_unstable();
    times.sort_unstable();
    let (median, p99) = (results[results.len() / 2].0, results[results.len() * 99 / 100].0);
    let time = times[times.len() / 2];
    println!("{share} failing: median {median}, p99 {p99} failed requests, median {time} ms, {runs} runs");
    (median, p99, time)
}

/// 2,000 runs; 500 in debug builds.
#[test]
fn a_canary_that_fails_everything_is_reverted_after_about_five_failures() {
    let (median, p99, _) = median_and_p99(1.0, 1_000.0, runs(2_000, 500));
    assert!(median <= 7 && p99 <= 9, "median {median}, p99 {p99}");
}

/// 2,000 runs; 300 in debug builds.
#[test]
fn a_canary_that_fails_every_fifth_request_is_reverted_after_about_six_failures() {
    let (median, p99, _) = median_and_p99(0.2, 1_000.0, runs(2_000, 300));
    assert!(median <= 8 && p99 <= 11, "median {median}, p99 {p99}");
}

/// 1,000 runs; 100 in debug builds.
#[test]
fn a_canary_that_fails_every_twentieth_request_is_reverted_after_about_fifteen_failures() {
    let (median, _, _) = median_and_p99(0.05, 1_000.0, runs(1_000, 100));
    assert!(median <= 18, "median {median}");
}

/// Half an hour at 1,000 requests a second through 10, 25 and 50 %.
fn is_reverted_in_half_an_hour(seed: u64, share: f64) -> bool {
    let mut random = Random::new(seed);
    let mut judge = judge_at(0.1, Settings { steps: 3, ..Settings::default() });
    let mut weight = 0.1;
    for tick in 0..36_000 {
        if let Some(next) = [(6_000, 0.25), (18_000, 0.5)].iter().find(|step| step.0 == tick) {
            weight = next.1;
            judge.begin_step(tick, weight, Pricing::Step, tick == 18_000);
        }
        let means = (50.0 * weight, 50.0 * (1.0 - weight));
        if reverted(&run_tick(&mut judge, &mut random, tick, means, (share, share))) {
            return true;
        }
    }
    false
}

/// 500 half hours with 0.5 % failing in both arms; 25 in debug builds.
#[test]
fn a_healthy_canary_is_never_reverted() {
    let reverts = (0..runs(500, 25)).filter(|&seed| is_reverted_in_half_an_hour(seed, 0.005)).count();
    assert_eq!(reverts, 0);
}

/// A share of both arms fails for 20 s; the weight stays, as if nobody could suspend.
fn is_reverted_by_a_shared_outage(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let mut judge: Judge = judge_at(0.1, Settings::default()).without_suspension();
    let during = [0.1, 0.5, 1.0][seed as usize % 3];
    for tick in 0..1_200 {
        let share = if (400..800).contains(&tick) { during } else { 0.005 };
        if reverted(&run_tick(&mut judge, &mut random, tick, (5.0, 45.0), (share, share))) {
            return true;
        }
    }
    false
}

/// 1,200 outages, of 10, 50 and 100 %; 300 in debug builds.
#[test]
fn shared_outages_revert_at_most_two_in_a_hundred() {
    let outages = runs(1_200, 300);
    let reverts = (0..outages).filter(|&seed| is_reverted_by_a_shared_outage(seed)).count() as u64;
    println!("{reverts} reverts in {outages} shared outages");
    assert!(reverts * 50 <= outages, "{reverts} of {outages}");
}

/// One minute with the canary exactly at its limit and stable far below, so that REL holds all the time.
fn is_reverted_at_the_limit(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let mut judge = judge_at(0.1, Settings { compare: sluice_engine::judge::Compare::Off, ..Settings::default() });
    (0..1_200).any(|tick| reverted(&run_tick(&mut judge, &mut random, tick, (5.0, 45.0), (0.01, 0.001))))
}

/// 10,000 rollouts of one minute at most 20 of which may revert (α would allow 10 in an hour); 800 in debug builds,
/// at most 4.
#[test]
fn a_canary_exactly_at_its_limit_is_reverted_no_more_often_than_alpha_allows() {
    let rollouts = runs(10_000, 800);
    let reverts = (0..rollouts).filter(|&seed| is_reverted_at_the_limit(seed)).count();
    println!("{reverts} reverts in {rollouts} rollouts at the limit");
    assert!(reverts <= if rollouts < 10_000 { 4 } else { 20 }, "{reverts} of {rollouts}");
}
