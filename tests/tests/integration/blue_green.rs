//! The blue-green strategy: preview, promotion, and the way back.

use serde_json::{Value, json};
use sluice_api::{AbortRequest, Outcome, Phase, PromoteRequest, Reason};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Backend, Config, Load, Request, Sluice};

use super::pair;

async fn start(blue_green: Value) -> (Sluice, Backend, Backend) {
    let (stable, canary) = pair().await;
    let sluice =
        Sluice::start(Config::with_canary(&stable, &canary).strategy(json!({ "blueGreen": blue_green }))).await;
    (sluice, stable, canary)
}

async fn promote(sluice: &Sluice) {
    sluice.client().promote(ROLLOUT, &PromoteRequest::default()).await.expect("promote is accepted");
    sluice.until_weight(100.0).await;
}

#[tokio::test]
async fn the_new_version_is_seen_by_preview_host_and_header_only_until_it_is_promoted() {
    let settings = json!({ "autoPromotion": false, "previewHost": "preview.shop.example", "previewHeader": "X-Preview", "scaleDownDelay": "1s" });
    let (sluice, _stable, _canary) = start(settings).await;
    sluice.until_is(Phase::Paused, Reason::AwaitingPromotion).await;
    for (request, arm) in [
        (Request::get("/"), "v1"),
        (Request::get("/").host("preview.shop.example"), "v2"),
        (Request::get("/").host("Preview.Shop.Example"), "v2"),
        (Request::get("/").field("X-Preview", "true"), "v2"),
        (Request::get("/").field("X-Preview", "always"), "v2"),
        (Request::get("/").field("X-Preview", "perhaps"), "v1"),
    ] {
        assert_eq!(request.send(sluice.address()).await.arm(), arm, "{request:?}");
    }
    let before = Load::get(sluice.address()).count(200).run().await;
    assert_eq!(before.from("v1"), 200, "{:?}", before.by_arm());

    promote(&sluice).await;
    let after = Load::get(sluice.address()).count(200).run().await;
    assert_eq!(after.from("v2"), 200, "{:?}", after.by_arm());
    let status = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    assert_eq!((status.stable.version.as_str(), status.history[0].outcome), ("v2", Outcome::Promoted));
}

#[tokio::test]
async fn a_timed_promotion_happens_by_itself() {
    let (sluice, _stable, _canary) = start(json!({ "autoPromotionAfter": "1s", "scaleDownDelay": "1s" })).await;
    let status = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    assert_eq!(status.stable.version, "v2");
}

#[tokio::test]
async fn a_promoted_version_that_fails_goes_back_while_the_old_one_is_kept() {
    let (sluice, _stable, canary) = start(json!({ "autoPromotion": false, "scaleDownDelay": "60s" })).await;
    promote(&sluice).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_canary_got(60).await;
    canary.fails(1.0);
    let status = sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    assert_eq!(status.stable.version, "v1");
    load.stop().await;
    let report = Load::get(sluice.address()).count(200).run().await;
    assert_eq!(report.from("v1"), 200, "{:?}", report.by_arm());
}

#[tokio::test]
async fn abort_leads_back_before_and_after_the_promotion() {
    for promoted in [false, true] {
        let (sluice, _stable, _canary) = start(json!({ "autoPromotion": false, "scaleDownDelay": "60s" })).await;
        sluice.until_is(Phase::Paused, Reason::AwaitingPromotion).await;
        if promoted {
            promote(&sluice).await;
        }
        let status = sluice.client().abort(ROLLOUT, &AbortRequest::default()).await.expect("abort is accepted");
        assert_eq!((status.phase, status.reason), (Phase::Degraded, Reason::Aborted));
        let report = Load::get(sluice.address()).count(100).run().await;
        assert_eq!(report.from("v1"), 100, "promoted: {promoted}: {:?}", report.by_arm());
    }
}
