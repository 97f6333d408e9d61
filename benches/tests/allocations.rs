//! Choosing an arm and recording a trial allocate nothing: what is needed was built with the snapshot.

#[path = "../benches/scene.rs"]
mod scene;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use allocation_counter::measure;
use sluice_proxy::clock::Clock;
use sluice_proxy::data::choose::{Asked, Chance, choose};
use sluice_proxy::data::record::{Outcome, Trial};
use sluice_proxy::data::rehearsal::{Decision, Rehearsal};
use sluice_proxy::data::{Limits, WorkersConfig};
use sluice_proxy::nginx::{Registry, Seen, method_index};
use sluice_proxy::snapshot::{Place, Target};

#[test]
fn route_arm_and_record_do_not_allocate() {
    let (snapshot, view) = scene::snapshot();
    let shard = view.counters.shards[0].clone();
    let headers = scene::headers();
    let asked = Asked { headers: &headers, host: "shop.example", query: None, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let mut chance = Chance::from_seed(1);
    let allocations = measure(|| {
        for now_us in 0..10_000 {
            assert_eq!(snapshot.routes.find("shop.example", "/cart"), Some(Target::Rollout(0)));
            let choice = choose(&view, &asked, now_us, &mut chance);
            let trial = Trial::begin(&shard, &view, choice.arm, choice.reason, now_us);
            let status = if now_us % 100 == 0 { 503 } else { 200 };
            trial.end(&shard, &view, now_us + 500, Outcome::Answered { status: black_box(status) });
        }
    });
    assert_eq!(allocations.count_total, 0);
    assert!(
        shard.arms.iter().all(|arm| arm.latency_sum_us.load(std::sync::atomic::Ordering::Relaxed) > 0),
        "both arms were used"
    );
}

#[test]
fn a_whole_decision_about_a_request_of_a_route_without_filters_does_not_allocate() {
    let (_pilot, handle) = scene::pilot(Clock::start());
    let config = WorkersConfig {
        snapshot: handle.snapshots(),
        clock: Clock::start(),
        limits: Limits::default(),
        rejections: Arc::default(),
        mirrored: Arc::default(),
        admission: Arc::default(),
        terminators: sluice_proxy::tls::Terminators::default(),
        series: Arc::default(),
        exemplars: Arc::default(),
        access: None,
    };
    let rehearsal = Rehearsal::new(&config, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mk_request = || {
        let mut request = http::Request::new(());
        *request.uri_mut() = http::Uri::from_static("/cart?id=7");
        *request.headers_mut() = scene::headers();
        request
    };
    let mut requests: Vec<_> = (0..1_000).map(|_| mk_request()).collect();
    // The first makes room for the lines of all that follow.
    assert!(matches!(rehearsal.decide(&mut mk_request()), Decision::Arm(_)));
    let allocations = measure(|| {
        for request in &mut requests {
            assert!(matches!(rehearsal.decide(request), Decision::Arm(_)));
        }
    });
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn counting_as_ingress_nginx_does_allocates_only_for_the_first_of_a_series() {
    let place = Place { namespace: "default".into(), ingress: "shop".into(), host: "_".into(), path: "/".into() };
    let shard = Registry::default().shard(&place, 0);
    let count = |arm, status, elapsed_us| {
        let method = method_index(black_box(&http::Method::GET));
        let head_us = Some(elapsed_us / 2);
        shard.count(&Seen { arm, method, status, elapsed_us, head_us, was_forwarded: true });
    };
    let all = || {
        for elapsed_us in 0..10_000 {
            for arm in sluice_engine::evidence::ARMS {
                count(arm, if elapsed_us % 100 == 0 { 503 } else { 200 }, elapsed_us);
            }
        }
    };
    all();
    assert_eq!(measure(all).count_total, 0);
}
