//! Troubles that are not the canary's fault, or not its fault alone: it stays.

use serde_json::json;
use sluice_api::{Judgement, Metric, Phase, Reason};
use sluice_tests::wait::holds;
use sluice_tests::{Answer, Config, Load, Request, Sluice, Wire, eventually};

use super::pair;

#[tokio::test]
async fn an_outage_of_both_versions_holds_the_weight_and_goes_on_afterwards() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_for(20, "4s")).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_canary_got(60).await;
    // Stable first and canary last: at no moment is only the canary bad.
    stable.fails(1.0);
    canary.fails(1.0);
    let held = sluice.until_is(Phase::Progressing, Reason::HeldShared).await;
    assert_eq!(held.weight.wanted, 20.0, "{}", held.message);
    canary.recovers();
    stable.recovers();
    // The hold ends ten seconds after the last fresh shared failure; then evidence begins anew.
    let status = sluice.until("the rollout goes on", |status| status.reason != Reason::HeldShared).await;
    assert_eq!((status.phase, status.weight.wanted, status.history.len()), (Phase::Progressing, 20.0, 0));
    let status = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    assert_eq!(status.stable.version, "v2");
    load.stop().await;
}

#[tokio::test]
async fn a_long_outage_suspends_the_canary_and_does_not_take_it_back() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_for(20, "1h")).await;
    let load = Load::get(sluice.address()).rate(200).start();
    sluice.until_canary_got(40).await;
    stable.fails(1.0);
    canary.fails(1.0);
    let status = sluice.until_is(Phase::Progressing, Reason::Suspended).await;
    assert_eq!(status.weight.wanted, 0.0);
    load.stop().await;
}

#[tokio::test]
async fn clients_that_give_up_do_not_count_against_the_canary() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(50)).await;
    sluice.until_weight(50.0).await;
    stable.answers(Answer::Hang, 1.0);
    canary.answers(Answer::Hang, 1.0);
    for _ in 0..120 {
        let asked = stable.requests() + canary.requests();
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        wire.write(&Request::get("/").to_bytes()).await.expect("the proxy reads");
        // Given up only when a backend has it, so that it is the client who ends it.
        eventually("the request arrived", async || {
            holds(stable.requests() + canary.requests() > asked, || asked.to_string())
        })
        .await;
        drop(wire);
    }
    let status = sluice
        .until("nothing is under way", |status| status.canary.as_ref().is_some_and(|arm| arm.in_flight == 0))
        .await;
    let arm = status.canary.as_ref().expect("a canary");
    assert_eq!(
        (status.reason, arm.attempt_failures, arm.user_failures),
        (Reason::Manual, 0, 0),
        "{:?}",
        status.metrics
    );
    assert!(canary.requests() >= 50);
}

#[tokio::test]
async fn directed_requests_that_fail_do_not_count_against_the_canary() {
    let (stable, canary) = pair().await;
    let routing = json!({ "header": { "name": "X-Canary" } });
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20).routing(routing)).await;
    sluice.until_weight(20.0).await;
    canary.fails(1.0);
    let report = Load::of(sluice.address(), |_| Request::get("/").field("X-Canary", "always")).count(300).run().await;
    assert_eq!(report.shots.len(), 300);
    let status = sluice
        .until("the directed requests are counted", |status| {
            status.canary.as_ref().is_some_and(|arm| arm.directed >= 300)
        })
        .await;
    let failures = status.metrics.iter().find(|metric| metric.metric == Metric::Failures).expect("a metric");
    assert_eq!((failures.n, failures.x, failures.verdict), (0, 0, Judgement::NoData));
    assert_ne!(status.phase, Phase::Degraded, "{}", status.message);
}

#[tokio::test]
async fn a_canary_that_answers_404_everywhere_pauses_as_worse_than_stable() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_for(20, "1h")).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_weight(20.0).await;
    canary.answers(Answer::Status(404), 1.0);
    let status = sluice.until_is(Phase::Paused, Reason::Worse).await;
    assert_eq!(status.weight.wanted, 20.0);
    load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn a_canary_within_its_limit_is_not_taken_back() {
    let (stable, canary) = pair().await;
    stable.fails(0.04);
    canary.fails(0.04);
    let sluice = Sluice::start(Config::with_canary(&stable, &canary)).await;
    let load = Load::get(sluice.address()).rate(400).start();
    let status = sluice.until("the canary is promoted", |status| status.phase == Phase::Healthy).await;
    assert_eq!(status.stable.version, "v2");
    load.stop().await;
}
