//! From the failure that decides, as a worker records it, to weight 0 in the snapshot, with the pilot on its thread.
//!
//! Each measurement is a release of its own: healthy stable traffic beside a canary that fails every request, a few
//! milliseconds apart. After each failure we look at the snapshot; the time counts from the failure after which the
//! weight is gone.

mod scene;

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_engine::evidence::Arm;
use sluice_proxy::clock::Clock;
use sluice_proxy::data::record::{Outcome, Reason, Trial};
use sluice_proxy::pilot::PilotHandle;
use sluice_proxy::snapshot::RolloutView;
use tokio::sync::oneshot;

/// Longest wait for a decision after one failure; then the next one follows.
const LOOK: Duration = Duration::from_millis(5);
/// Between failures, so that they belong to several ticks.
const APART: Duration = Duration::from_millis(20);
/// Many more than it takes.
const MOST_FAILURES: usize = 500;

fn weight_is_zero(handle: &PilotHandle, clock: Clock) -> bool {
    let snapshots = handle.snapshots();
    let snapshot = snapshots.load();
    let view = &snapshot.rollouts[0];
    view.split.at(view.tick_at(clock.now_us())).is_zero()
}

fn record(view: &RolloutView, clock: Clock, arm: Arm, status: u16) {
    let shard = &view.counters.shards[0];
    let trial = Trial::begin(shard, view, arm, Reason::Drawn, clock.now_us());
    trial.end(shard, view, clock.now_us(), Outcome::Answered { status });
}

/// One release until it is taken back.
fn reaction() -> Duration {
    let clock = Clock::start();
    let (pilot, handle) = scene::pilot(clock);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    let running = pilot.spawn(stopped).expect("a thread can be started");
    while weight_is_zero(&handle, clock) {
        thread::sleep(Duration::from_millis(1));
    }
    let latency = fail_until_reverted(&handle, clock);
    let _ = stop.send(());
    running.join().expect("the pilot does not panic");
    latency
}

fn fail_until_reverted(handle: &PilotHandle, clock: Clock) -> Duration {
    for _ in 0..MOST_FAILURES {
        let view = handle.snapshots().load_full().rollouts[0].clone();
        (0..9).for_each(|_| record(&view, clock, Arm::Stable, 200));
        let failed = Instant::now();
        record(&view, clock, Arm::Canary, 503);
        while failed.elapsed() < LOOK {
            if weight_is_zero(handle, clock) {
                return failed.elapsed();
            }
            spin_loop();
        }
        thread::sleep(APART);
    }
    panic!("{MOST_FAILURES} failures in a row did not take the canary back");
}

fn reaction_latency(criterion: &mut Criterion) {
    criterion.bench_function("reaction: recorded failure to weight 0 in the snapshot", |bencher| {
        bencher.iter_custom(|releases| (0..releases).map(|_| reaction()).sum());
    });
}

criterion_group! {
    name = benches;
    // A release takes a fifth of a second of which a fraction of a millisecond counts: one a sample is enough.
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_micros(1));
    targets = reaction_latency
}
criterion_main!(benches);
