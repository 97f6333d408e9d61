//! Copies of requests for the canary, which nobody waits for and no verdict hears of.

use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Answer, Backend, Config, Load, Request, Sluice, eventually};

use super::pair;

/// A proxy that gives everything to stable, and to the canary copies as this says.
async fn start(mirror: Value) -> (Sluice, Backend, Backend) {
    let (stable, canary) = pair().await;
    let route = json!({ "rollout": "shop", "mirror": mirror, "rewrite": { "prefix": "/v2" } });
    let config = Config::with_canary(&stable, &canary).manual(0).set("/routes", json!([route]));
    (Sluice::start(config).await, stable, canary)
}

async fn until_copies(sluice: &Sluice, result: &str, count: f64) {
    eventually("the copies are counted", async || {
        let counted = sluice.metrics().await.sum("sluice_mirrored_requests_total", &[("result", result)]);
        holds(counted == count, || format!("{counted} {result}"))
    })
    .await;
}

#[tokio::test]
async fn the_canary_gets_copies_of_safe_requests_and_nobody_sees_its_answers() {
    let (mut sluice, stable, canary) = start(json!({ "percent": 100 })).await;
    let report = Load::get(sluice.address()).count(50).connections(2).run().await;
    report.assert_no_failures();
    assert_eq!(report.from("v1"), 50);
    assert_eq!(Request::post("/", "body").send(sluice.address()).await.arm(), "v1");
    let seen = Request::get("/cart?id=7").field("Cookie", "session=1").send(sluice.address()).await;
    assert_eq!(seen.arm(), "v1");
    until_copies(&sluice, "answered", 51.0).await;
    assert_eq!((stable.requests(), canary.requests()), (52, 51), "a request with a body is not copied");
    let copies = canary.seen();
    let copy = copies.iter().find(|copy| copy.head.word(1) == "/v2/cart?id=7").expect("the last one");
    assert_eq!(copy.head.field("cookie"), Some("session=1"));
    assert_eq!(copy.head.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(copy.head.field("x-sluice-mirror"), Some("true"));
    assert!(stable.seen().iter().all(|original| original.head.field("x-sluice-mirror").is_none()));
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_requests_total", &[("arm", "canary")]), 0.0, "no trial");
    sluice.reload(|config| config.set("/routes", json!([{ "rollout": "shop" }]))).await;
    Load::get(sluice.address()).count(20).run().await.assert_no_failures();
    assert_eq!(canary.requests(), 51);
}

#[tokio::test]
async fn a_canary_that_fails_every_copy_is_not_judged_for_it() {
    let (stable, canary) = pair().await;
    canary.fails(1.0);
    let route = json!({ "rollout": "shop", "mirror": { "percent": 100 } });
    let config = Config::with_canary(&stable, &canary).manual(0).set("/routes", json!([route]));
    let sluice = Sluice::start(config).await;
    let before = sluice.status().await;
    Load::get(sluice.address()).count(60).run().await.assert_no_failures();
    until_copies(&sluice, "failed", 60.0).await;
    let after = sluice.status().await;
    assert_eq!((after.phase, after.reason), (before.phase, before.reason));
    assert_eq!(sluice.metrics().await.sum("sluice_attempt_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn a_canary_that_never_answers_slows_nobody_and_fills_no_memory() {
    let (sluice, _stable, canary) = start(json!({ "percent": 100 })).await;
    canary.answers(Answer::Hang, 1.0);
    let report = Load::get(sluice.address()).count(400).connections(4).run().await;
    report.assert_no_failures();
    assert_eq!(report.from("v1"), 400);
    let metrics = sluice.metrics().await;
    let dropped = metrics.sum("sluice_mirrored_requests_total", &[("result", "dropped")]);
    // At most 64 are under way in each of two workers.
    assert!((272.0..400.0).contains(&dropped), "{dropped}");
}

#[tokio::test]
async fn a_share_of_the_requests_is_copied_and_none_to_a_canary_that_was_taken_back() {
    let (sluice, _stable, canary) = start(json!({ "percent": 20 })).await;
    Load::get(sluice.address()).count(1_000).run().await.assert_no_failures();
    eventually("the copies are through", async || {
        let metrics = sluice.metrics().await;
        let ended = metrics.sum("sluice_mirrored_requests_total", &[]);
        holds(ended == canary.requests() as f64 && ended > 0.0, || ended.to_string())
    })
    .await;
    let copies = canary.requests();
    // Drawn one by one: five standard deviations around 200.
    assert!((137..=263).contains(&copies), "{copies} of 1000");
    sluice.cli(&["abort", "shop"]).await.assert_code(0);
    Load::get(sluice.address()).count(100).run().await.assert_no_failures();
    assert_eq!(canary.requests(), copies);
}
