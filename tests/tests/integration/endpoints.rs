//! Endpoints that go and come back.

use serde_json::json;
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Load, Sluice, eventually};

use super::pair;

/// Two endpoints of one stable version.
async fn twins(change: impl FnOnce(Config) -> Config) -> (Sluice, Backend, Backend) {
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let arm = json!({ "version": "v1", "endpoints": [one.endpoint(), two.endpoint()] });
    let sluice = Sluice::start(change(Config::new(&one).set("/rollouts/0/stable", arm))).await;
    (sluice, one, two)
}

async fn until_healthy(sluice: &Sluice, wanted: [bool; 2]) {
    let seen = |status: &sluice_api::RolloutStatus| {
        status.stable.endpoints.iter().map(|endpoint| endpoint.healthy).collect::<Vec<_>>()
    };
    sluice.until(&format!("the endpoints are healthy: {wanted:?}"), |status| seen(status) == wanted).await;
}

#[tokio::test]
async fn both_endpoints_of_a_version_get_their_share() {
    let (sluice, _one, _two) = twins(|config| config).await;
    let report = Load::get(sluice.address()).count(400).run().await;
    report.assert_no_failures();
    for name in ["one", "two"] {
        assert!((150..=250).contains(&report.from(name)), "{:?}", report.by_arm());
    }
}

#[tokio::test]
async fn the_health_check_takes_an_endpoint_out_and_back() {
    let check = json!({ "healthCheck": { "path": "/healthz", "interval": "100ms", "unhealthyAfter": 2 } });
    let (sluice, one, two) = twins(|config| config.set("/upstream", check)).await;
    until_healthy(&sluice, [true, true]).await;
    two.set_healthy(false);
    until_healthy(&sluice, [true, false]).await;
    let reason = sluice.status().await.stable.endpoints[1].reason.clone();
    assert!(reason.is_some_and(|reason| !reason.is_empty()), "an endpoint that is out says why");
    let report = Load::get(sluice.address()).count(200).run().await;
    assert_eq!((report.failures(), report.from("one")), (0, 200), "{:?}", report.by_arm());
    two.set_healthy(true);
    until_healthy(&sluice, [true, true]).await;
    assert!(Load::get(sluice.address()).count(200).run().await.from("two") > 50);
    assert!(one.health_checks() > 0);
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_left_out_and_no_request_is_lost() {
    let (sluice, _one, mut two) = twins(|config| config).await;
    Load::get(sluice.address()).count(100).run().await.assert_no_failures();
    two.refuse().await;
    let load = Load::get(sluice.address()).rate(200).start();
    until_healthy(&sluice, [true, false]).await;
    two.reopen().await;
    until_healthy(&sluice, [true, true]).await;
    let before = two.requests();
    eventually("it gets requests again", async || holds(two.requests() > before, || two.requests().to_string())).await;
    load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn a_canary_that_is_not_there_at_the_start_leaves_everything_to_stable() {
    let (stable, mut canary) = pair().await;
    canary.refuse().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let report = Load::get(sluice.address()).count(300).run().await;
    assert_eq!((report.failures(), report.from("v1")), (0, 300), "{:?}", report.by_outcome());
}

#[tokio::test]
async fn an_unhealthy_canary_gets_nothing_and_stable_answers() {
    let (stable, canary) = pair().await;
    canary.set_healthy(false);
    let check = json!({ "healthCheck": { "path": "/healthz", "interval": "100ms", "unhealthyAfter": 1 } });
    let routing = json!({ "header": { "name": "X-Canary" } });
    let sluice =
        Sluice::start(Config::with_canary(&stable, &canary).manual(50).routing(routing).set("/upstream", check)).await;
    sluice
        .until("the canary is unhealthy", |status| status.canary.as_ref().is_some_and(|arm| !arm.endpoints[0].healthy))
        .await;
    let asked = canary.requests();
    let report = Load::get(sluice.address()).count(100).run().await;
    assert_eq!(report.failures(), 0, "{:?}", report.by_outcome());
    let directed = sluice_tests::Request::get("/").field("X-Canary", "always").send(sluice.address()).await;
    assert_eq!((directed.status, directed.arm()), (200, "v1"));
    assert_eq!(canary.requests(), asked);
}

#[tokio::test]
async fn without_a_stable_endpoint_the_canary_does_not_silently_take_everything() {
    let (mut stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0)).await;
    stable.refuse().await;
    let report = Load::get(sluice.address()).count(50).run().await;
    assert_eq!((report.failures(), report.from("v2")), (50, 0), "{:?}", report.by_outcome());
}
