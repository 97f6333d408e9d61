//! What a request pays for being split: the snapshot, the route, the arm.

mod scene;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use arc_swap::ArcSwap;
use criterion::{Criterion, criterion_group, criterion_main};
use sluice_proxy::data::choose::{Asked, Chance, choose};

fn pick(criterion: &mut Criterion) {
    let (snapshot, view) = scene::snapshot();
    let headers = scene::headers();
    let asked = Asked { headers: &headers, host: "shop.example", query: None, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let mut chance = Chance::from_seed(1);
    let routes = snapshot.routes.clone();
    criterion.bench_function("pick: route by host and path", |bencher| {
        bencher.iter(|| routes.find(black_box("shop.example"), black_box("/cart/items")));
    });
    criterion.bench_function("pick: arm, drawn by weight", |bencher| {
        bencher.iter(|| choose(&view, black_box(&asked), black_box(1_000), &mut chance));
    });
    let current = ArcSwap::new(snapshot);
    criterion.bench_function("pick: snapshot load, route and arm", |bencher| {
        bencher.iter(|| {
            let snapshot = current.load();
            let target = snapshot.routes.find(black_box("shop.example"), black_box("/cart/items"));
            (target, choose(&view, black_box(&asked), black_box(1_000), &mut chance))
        });
    });
}

criterion_group!(benches, pick);
criterion_main!(benches);
