//! What holds for every traffic, tried on random traffic: order does not matter, successes never count against the
//! canary, old counts change nothing, records recompute; and the judge agrees with a plain one that keeps every cohort
//! and adds up every window anew.

#[path = "support/traffic.rs"]
mod traffic;

use proptest::prelude::*;
use sluice_engine::evidence::{Counts, Group, Observations};
use sluice_engine::judge::{
    Compare, Finding, Guard, Judge, LatencyLimit, Metric, Missing, Pricing, Role, Settings, Verdict, WindowKind,
};
use sluice_engine::replay::{GuardSetting, WindowDecision, WindowVector};
use traffic::Random;

/// Latency limit of the random rollouts, in ticks.
const LIMIT_TICKS: u64 = 3;

/// One random rollout.
#[derive(Clone, Debug)]
struct Rollout {
    weights: Vec<(u64, f64)>,
    cap: Option<f64>,
    ticks: Vec<Observations>,
}

/// Both arms get requests; outcomes are known some ticks later; from some tick on the canary (or both) fails or hangs.
fn rollout(seed: u64) -> Rollout {
    let mut random = Random::new(seed);
    let length = 60 + random.bits() % 240;
    let weights = vec![
        (0, [0.05, 0.1, 0.5][(random.bits() % 3) as usize]),
        (length / 2, [0.2, 0.7, 1.0][(random.bits() % 3) as usize]),
    ];
    let cap = [None, Some(1.0), Some(2.0), Some(4.0)][(random.bits() % 4) as usize];
    let breaks = random.bits() % length;
    let (bad, slow) = ([0.0, 0.1, 0.3, 1.0][(random.bits() % 4) as usize], random.unit() * 0.4);
    let shared = random.happens(0.3);
    let mut ticks: Vec<Observations> =
        (0..length).map(|tick| Observations { tick, ..Observations::default() }).collect();
    for start in 0..length {
        let weight = weights.iter().rev().find(|step| step.0 <= start).unwrap().1;
        for (canary, mean) in [(true, 12.0 * weight), (false, 12.0 * (1.0 - weight))] {
            let broken = start >= breaks && (canary || shared);
            let share = if broken { bad } else { 0.005 };
            for _ in 0..random.poisson(mean) {
                add(&mut ticks, start, start, canary, Counts { started: 1, ..Counts::default() });
                let failed = random.happens(share);
                let age =
                    if !failed && random.happens(if broken { slow } else { 0.02 }) { 6 } else { random.bits() % 3 };
                let outcome = match random.bits() % 40 {
                    0 if age <= LIMIT_TICKS => Counts { excluded: 1, ..Counts::default() },
                    1 if age > LIMIT_TICKS => Counts { slow: 1, late_cancel: 1, ..Counts::default() },
                    2 => continue, // hangs
                    _ => Counts {
                        done: 1,
                        failed: failed.into(),
                        fast: (age <= LIMIT_TICKS).into(),
                        slow: (age > LIMIT_TICKS).into(),
                        ..Counts::default()
                    },
                };
                add(&mut ticks, start, start + age, canary, outcome);
            }
        }
    }
    Rollout { weights, cap, ticks }
}

fn add(ticks: &mut [Observations], start: u64, seen: u64, canary: bool, counts: Counts) {
    if let Some(tick) = ticks.get_mut(seen as usize) {
        let groups = if canary { &mut tick.canary } else { &mut tick.stable };
        groups.push(Group { age: seen - start, counts });
    }
}

fn settings(rollout: &Rollout) -> Settings {
    Settings {
        guard: rollout.cap.map_or(Guard::Off, Guard::Cap),
        latency: Some(LatencyLimit { theta: 0.05, limit_ms: LIMIT_TICKS * 50 }),
        compare: Compare::Off,
        steps: 1, // so that the second step is priced as a restart
        ..Settings::default()
    }
}

/// Runs a rollout until the first revert or hold.
fn judged(rollout: &Rollout) -> (Judge, Option<Finding>) {
    let mut judge = Judge::new(settings(rollout));
    for seen in &rollout.ticks {
        if let Some(step) = rollout.weights.iter().find(|step| step.0 == seen.tick) {
            let pricing = if step.0 == 0 { Pricing::Step } else { Pricing::Restart };
            judge.begin_step(step.0, step.1, pricing, true);
        }
        judge.observe(seen);
        let first = judge.evaluate(seen.tick, seen.tick % 2 == 1).into_iter().next();
        if first.is_some() {
            return (judge, first);
        }
    }
    (judge, None)
}

// === a plain judge ===

/// Canary trials and failures, stable trials and failures of a cohort.
type Cell = [f64; 4];

fn cell(metric: Metric, canary: &Counts, stable: &Counts) -> Cell {
    let f = f64::from;
    match metric {
        Metric::Latency => {
            let (n, n_stable) = (f(canary.started) - f(canary.excluded), f(stable.started) - f(stable.excluded));
            [n, n - f(canary.fast), n_stable, n_stable - f(stable.fast)]
        }
        _ => {
            let n = f(canary.started) - f(canary.excluded) - f(canary.late_cancel);
            [n, f(canary.failed), f(stable.done), f(stable.failed)]
        }
    }
}

fn plus(sum: &mut Counts, more: &Counts) {
    let (a, b) = (sum.to_array(), more.to_array());
    *sum = Counts::from_array(std::array::from_fn(|at| a[at] + b[at]));
}

/// Whether the restart of slot `n` is examined in slot `s`, in the words of the rule.
fn restart_is_active(n: u64, s: u64) -> bool {
    let age = s - n;
    age < 16 || (0..60).any(|i| age >= 16 << i && age < 16 << (i + 1) && n.is_multiple_of(1 << (i + 2)))
}

/// The first window that trips, and whether it reverts: by adding up every window of every evaluation anew, through
/// window vectors.
fn plainly_judged(rollout: &Rollout) -> Option<(bool, Metric, u64, u64, WindowVector)> {
    let length = rollout.ticks.len();
    let (mut canary, mut stable) = (vec![Counts::default(); length], vec![Counts::default(); length]);
    let (mut failures, mut slow_before) = (0, 0.0);
    for seen in &rollout.ticks {
        let tick = seen.tick;
        for group in &seen.canary {
            plus(&mut canary[(tick - group.age) as usize], &group.counts);
        }
        for group in &seen.stable {
            plus(&mut stable[(tick - group.age) as usize], &group.counts);
        }
        let known: u32 = canary.iter().map(|counts| counts.failed).sum();
        let beat = tick % 2 == 1;
        for metric in [Metric::Failures, Metric::Latency] {
            // Of latency, cohorts are usable ⌈L/Δ⌉ + 1 ticks later.
            let usable = if metric == Metric::Latency { tick.checked_sub(LIMIT_TICKS + 1) } else { Some(tick) };
            let new = if metric == Metric::Failures {
                f64::from(known - std::mem::replace(&mut failures, known))
            } else {
                let slow = usable
                    .map_or(0.0, |newest| (0..=newest as usize).map(|t| cell(metric, &canary[t], &stable[t])[1]).sum());
                if beat { slow - std::mem::replace(&mut slow_before, slow) } else { 0.0 }
            };
            if !beat && (metric == Metric::Latency || new <= 0.0) {
                continue;
            }
            let step = rollout.weights.iter().rev().find(|step| step.0 <= tick).unwrap().0;
            let restarts = (0..=tick / 2).rev().filter(|&n| restart_is_active(n, tick / 2)).map(|n| n * 2);
            let windows = std::iter::once((step, step == 0)).chain(restarts.map(|k| (k, false)));
            let mut first = None;
            for (from, is_step) in windows {
                let rows = (from..length as u64).take_while(|&t| Some(t) <= usable).map(|t| {
                    let weight = rollout.weights.iter().rev().find(|step| step.0 <= t).unwrap().1;
                    let [a, b, c, d] = cell(metric, &canary[t as usize], &stable[t as usize]);
                    [weight, a, b, c, d]
                });
                let vector = WindowVector {
                    metric,
                    theta: if metric == Metric::Latency { 0.05 } else { 0.01 },
                    window: if is_step { WindowKind::Step } else { WindowKind::Restart },
                    rows: rows.collect(),
                    steps: 1,
                    guard: rollout.cap.map_or(GuardSetting::Off, GuardSetting::Cap),
                    ..WindowVector::default()
                };
                match vector.answer().unwrap().decision {
                    WindowDecision::Revert => return Some((true, metric, tick, from, vector)),
                    WindowDecision::Hold => first = first.or(Some((from, vector))),
                    _ => {}
                }
            }
            if let Some((from, vector)) = first
                && new > 0.0
            {
                return Some((false, metric, tick, from, vector));
            }
        }
    }
    None
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-6,
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_judge_agrees_with_one_that_adds_up_every_window_anew(seed in any::<u64>()) {
        let rollout = rollout(seed);
        let (_, found) = judged(&rollout);
        let expected = plainly_judged(&rollout);
        let found = found.map(|finding| match finding {
            Finding::Revert(verdict) => (true, verdict),
            Finding::HoldEntered(verdict) => (false, verdict),
            other => panic!("{other:?}"),
        });
        match (found, expected) {
            (None, None) => {}
            (Some((revert, verdict)), Some((expected, metric, tick, from, vector))) => {
                prop_assert_eq!((revert, verdict.metric, verdict.tick, verdict.from_tick), (expected, metric, tick, from));
                let answer = vector.answer().unwrap();
                prop_assert!(close(verdict.abs, answer.abs) && close(verdict.rel, answer.rel), "{:?} {:?}", verdict, answer);
            }
            (found, expected) => prop_assert!(false, "{:?} instead of {:?}", found, expected),
        }
    }

    #[test]
    fn a_verdict_is_recomputed_from_its_record(seed in any::<u64>()) {
        let (_, found) = judged(&rollout(seed));
        let expected = if matches!(found, Some(Finding::Revert(_))) { WindowDecision::Revert } else { WindowDecision::Hold };
        if let Some(Finding::Revert(verdict) | Finding::HoldEntered(verdict)) = found {
            let record = verdict.record.clone().expect("few weight changes");
            let written = serde_json::to_string(&record).unwrap();
            let read: WindowVector = serde_json::from_str(&written).unwrap();
            prop_assert_eq!((read.rows.len(), &read.id), (record.rows.len(), &record.id));
            let answer = read.answer().unwrap();
            prop_assert!(close(answer.abs, verdict.abs) && close(answer.rel, verdict.rel), "{:?} {:?}", answer, verdict);
            prop_assert!(close(Some(answer.abs_threshold), Some(verdict.abs_threshold)));
            prop_assert!(close(Some(answer.rel_threshold), Some(verdict.rel_threshold)));
            prop_assert_eq!((answer.decision, record.expect.unwrap().decision), (expected, expected));
            let whole: Verdict = serde_json::from_str(&serde_json::to_string(&verdict).unwrap()).unwrap();
            prop_assert_eq!((whole.tick, whole.n, whole.record.is_some()), (verdict.tick, verdict.n, true));
        }
    }

    #[test]
    fn groups_of_a_tick_may_come_in_any_order_and_in_pieces(seed in any::<u64>()) {
        let rollout = rollout(seed);
        let mut shuffled = rollout.clone();
        let mut random = Random::new(seed);
        for tick in &mut shuffled.ticks {
            for groups in [&mut tick.canary, &mut tick.stable] {
                for at in (1..groups.len()).rev() {
                    groups.swap(at, (random.bits() % (at as u64 + 1)) as usize);
                }
            }
        }
        let (judge, found) = judged(&rollout);
        let (other, same) = judged(&shuffled);
        let verdict = |finding: Option<Finding>| match finding {
            Some(Finding::Revert(verdict) | Finding::HoldEntered(verdict)) => Some((verdict.tick, verdict.metric, verdict.from_tick, verdict.x)),
            _ => None,
        };
        prop_assert_eq!(verdict(found), verdict(same));
        let tick = rollout.ticks.len() as u64 - 1;
        for (a, b) in judge.views(tick).iter().zip(other.views(tick)) {
            prop_assert_eq!((a.n, a.x, a.n_stable, a.x_stable), (b.n, b.x, b.n_stable, b.x_stable));
            prop_assert!(close(Some(a.abs), Some(b.abs)) && close(a.rel, b.rel));
        }
    }

    #[test]
    fn successes_never_raise_abs_and_failures_never_lower_it(n in 0_u32..5_000, share in 0.0_f64..1.0, theta in 1e-4_f64..0.5) {
        let x = (f64::from(n) * share).floor();
        let abs = |n: f64, x: f64| {
            let vector = WindowVector { theta, rows: vec![[0.5, n, x, 0.0, 0.0]], ..WindowVector::default() };
            vector.answer().unwrap().abs.unwrap()
        };
        let n = f64::from(n);
        prop_assert!(abs(n + 1.0, x) <= abs(n, x));
        prop_assert!(abs(n + 1.0, x + 1.0) >= abs(n, x));
        if x < n {
            prop_assert!(abs(n, x + 1.0) >= abs(n, x));
        }
    }

    #[test]
    fn no_input_makes_it_panic_or_grow(
        seed in any::<u64>(),
        jumps in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<[u32; 8]>(), 0_u8..6), 0..20),
    ) {
        let mut random = Random::new(seed);
        let role = Role::Local { proxies: random.bits() as u32 };
        let mut judge = Judge::new(Settings { role, guard: Guard::Auto, blip_tolerance_ms: random.bits() % 300, ..Settings::default() });
        let mut tick = 0_u64;
        for (jump, age, counts, what) in jumps {
            tick = tick.saturating_add(if what == 5 { jump } else { jump % 300 });
            let group = Group { age: if what == 1 { age } else { age % 200 }, counts: Counts::from_array(counts) };
            judge.begin_step(tick, f64::from_bits(age), Pricing::Step, false);
            judge.observe(&Observations { tick, canary: vec![group], stable: vec![group; 2] });
            judge.evaluate(tick, what % 2 == 0);
            judge.resumed(tick);
            let _ = (judge.missing(tick), judge.views(tick));
        }
    }
}

#[test]
fn counts_of_requests_from_before_the_step_do_not_enter_its_window() {
    let mut judge = Judge::new(Settings { guard: Guard::Off, compare: Compare::Off, ..Settings::default() });
    judge.begin_step(0, 0.05, Pricing::Step, false);
    judge.observe(&traffic::tick_of(0, Counts { started: 3, ..Counts::default() }, traffic::known(50, 0)));
    judge.evaluate(9, true);
    judge.begin_step(10, 0.1, Pricing::Step, false);
    let late = Group { age: 10, counts: Counts { done: 3, failed: 3, fast: 3, ..Counts::default() } };
    judge.observe(&Observations { tick: 10, canary: vec![late], stable: vec![] });
    judge.evaluate(11, true);
    let failures = &judge.views(11)[0];
    assert!(failures.abs < 0.0, "{failures:?}");
    assert_eq!((failures.n, failures.x), (3, 3), "the generation knows them");
    assert!(judge.missing(11).contains(&Missing::InDoubt(Metric::Failures)), "so do older restarts");
}
