//! What a request pays for being counted: the start of its trial and the end of it.

mod scene;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_engine::evidence::Arm;
use sluice_proxy::data::record::{Outcome, Reason, Trial};

fn record(criterion: &mut Criterion) {
    let (_snapshot, view) = scene::snapshot();
    let shard = view.counters.shards[0].clone();
    let mut now_us = view.origin_us;
    criterion.bench_function("record: start of a request", |bencher| {
        bencher.iter(|| {
            now_us += 1;
            Trial::begin(&shard, &view, black_box(Arm::Stable), Reason::Drawn, now_us)
        });
    });
    criterion.bench_function("record: start and end of an answered request", |bencher| {
        bencher.iter(|| {
            now_us += 1;
            let trial = Trial::begin(&shard, &view, black_box(Arm::Stable), Reason::Drawn, now_us);
            trial.end(&shard, &view, black_box(now_us + 700), Outcome::Answered { status: black_box(200) });
        });
    });
    criterion.bench_function("record: start and end of a failed canary request", |bencher| {
        bencher.iter(|| {
            now_us += 1;
            let trial = Trial::begin(&shard, &view, black_box(Arm::Canary), Reason::Drawn, now_us);
            trial.end(&shard, &view, black_box(now_us + 700), Outcome::Answered { status: black_box(503) });
        });
    });
}

criterion_group!(benches, record);
criterion_main!(benches);
