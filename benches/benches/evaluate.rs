//! What a look of the judge costs after an hour, when as many windows as there can be are open.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_engine::evidence::{Counts, Group, Observations};
use sluice_engine::judge::{Judge, LatencyLimit, Pricing, Settings};

/// Ticks of 50 ms in an hour.
const HOUR: u64 = 72_000;
/// Looks with one copy of the judge: a minute and a half, so that its age stays what it is.
const LOOKS: u64 = 1_000;

/// One tick at 1,000 requests a second, 10 % to the canary; now and then one fails, and one is slow.
fn tick(tick: u64) -> Observations {
    observed(tick, (5, tick.is_multiple_of(100)), (45, tick.is_multiple_of(12)))
}

/// One tick at 40,000 requests a second in which the canary fails one request and answers another late: something to
/// judge in every window at every look, yet within the limits, so that it goes on for ever.
fn with_failure(tick: u64) -> Observations {
    observed(tick, (200, true), (1_800, true))
}

fn observed(tick: u64, canary: (u32, bool), stable: (u32, bool)) -> Observations {
    let counts = |(started, bad): (u32, bool)| Counts {
        started,
        done: started,
        failed: u32::from(bad),
        fast: started - u32::from(bad),
        slow: u32::from(bad),
        ..Counts::default()
    };
    let group = |counts| vec![Group { age: 0, counts }];
    Observations { tick, canary: group(counts(canary)), stable: group(counts(stable)) }
}

fn seasoned() -> Judge {
    let latency = Some(LatencyLimit { theta: 0.05, limit_ms: 200 });
    let mut judge = Judge::new(Settings { latency, ..Settings::default() });
    judge.begin_step(0, 0.1, Pricing::Step, false);
    for now in 0..HOUR {
        judge.observe(&tick(now));
        let findings = if now % 2 == 1 { judge.evaluate(now, true) } else { Vec::new() };
        assert!(findings.is_empty(), "the traffic is meant to be healthy: {findings:?}");
    }
    judge
}

/// The time of `looks` looks, each by `look`, with a fresh copy every so often.
fn timed(judge: &Judge, looks: u64, look: impl Fn(&mut Judge, u64)) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = looks;
    while left > 0 {
        let mut judge = judge.clone();
        let begin = Instant::now();
        for now in 0..left.min(LOOKS) {
            look(&mut judge, HOUR + 2 * now);
        }
        spent += begin.elapsed();
        left -= left.min(LOOKS);
    }
    spent
}

fn evaluate(criterion: &mut Criterion) {
    let judge = seasoned();
    criterion.bench_function("evaluate: a beat, two metrics, windows of an hour", |bencher| {
        bencher.iter_custom(|looks| {
            timed(&judge, looks, |judge, now| {
                judge.observe(&tick(now));
                black_box(judge.evaluate(now + 1, true));
            })
        });
    });
    criterion.bench_function("evaluate: a beat after a failure and a slow answer of the canary", |bencher| {
        bencher.iter_custom(|looks| {
            timed(&judge, looks, |judge, now| {
                judge.observe(&with_failure(now));
                black_box(judge.evaluate(now + 1, true));
            })
        });
    });
    criterion.bench_function("evaluate: a wake-up by a failure of the canary", |bencher| {
        bencher.iter_custom(|looks| {
            timed(&judge, looks, |judge, now| {
                judge.observe(&with_failure(now));
                black_box(judge.evaluate(now, false));
            })
        });
    });
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
