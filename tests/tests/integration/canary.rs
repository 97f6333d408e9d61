//! The canary strategy from its start to its end.

use serde_json::json;
use sluice_api::client::ServerEvent;
use sluice_api::{CommandRequest, EventKind, Outcome, Phase, PromoteRequest, Reason};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Backend, Config, Load, Sluice, eventually};

use super::{assert_share, pair};

#[tokio::test]
async fn a_proxy_without_canary_is_healthy_and_sends_everything_to_stable() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable)).await;
    let status = sluice.until_is(Phase::Healthy, Reason::Stable).await;
    assert_eq!((status.generation, status.stable.version.as_str()), (0, "v1"));
    assert!(status.canary.is_none());
    let report = Load::get(sluice.address()).count(100).run().await;
    assert_eq!(report.from("v1"), 100, "{:?}", report.by_outcome());
}

#[tokio::test]
async fn a_good_canary_climbs_its_steps_and_becomes_stable() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::new(&stable)).await;
    let mut events = sluice.reader().events(ROLLOUT).await.expect("events can be listened to");
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.release("v2", &canary).await;

    let mut told = Vec::new();
    while !told.iter().any(|(kind, _)| *kind == EventKind::Completed) {
        if let Some(ServerEvent::Decision(decision)) = events.next().await.expect("events go on") {
            told.push((decision.event.kind, decision.event.weight.percent()));
        }
    }
    let steps: Vec<_> = told.iter().filter(|(kind, _)| *kind == EventKind::Step).map(|(_, weight)| *weight).collect();
    assert_eq!(steps, [20.0, 50.0, 100.0], "{told:?}");

    let status = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    assert_eq!(status.stable.version, "v2");
    assert_eq!(status.stable.endpoints[0].address, canary.endpoint());
    assert_eq!(status.history[0].outcome, Outcome::Promoted);
    assert_eq!((status.history[0].version.as_str(), status.history[0].stable.as_str()), ("v2", "v1"));
    load.stop().await.assert_no_failures();
    let after = Load::get(sluice.address()).count(200).run().await;
    assert_eq!(after.from("v2"), 200, "the promoted version serves everyone: {:?}", after.by_arm());
}

#[tokio::test]
async fn a_pause_without_duration_waits_for_a_person_and_says_so() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let status = sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    assert_eq!(status.weight.in_force, 20.0);
    assert!(status.message.contains("promote"), "{}", status.message);

    let load = Load::get(sluice.address()).rate(300).start();
    sluice.client().resume(ROLLOUT, &CommandRequest::default()).await.expect("resume is accepted");
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn without_a_request_the_rollout_pauses_as_inconclusive_at_the_deadline() {
    let (stable, canary) = pair().await;
    let config = Config::with_canary(&stable, &canary).analysis("stepDeadline", json!("2s"));
    let sluice = Sluice::start(config).await;
    let status = sluice.until_is(Phase::Paused, Reason::Inconclusive).await;
    assert_eq!(status.weight.in_force, 20.0, "no data is never a pass");
    assert_eq!(status.step.index, 1);
}

#[tokio::test]
async fn no_data_reverts_where_the_plan_says_so() {
    let (stable, canary) = pair().await;
    let config = Config::with_canary(&stable, &canary)
        .analysis("stepDeadline", json!("2s"))
        .analysis("onInconclusive", json!("revert"));
    let sluice = Sluice::start(config).await;
    let status = sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    assert_eq!(status.weight.in_force, 0.0);
}

#[tokio::test]
async fn with_little_traffic_the_status_says_how_many_requests_of_how_many_it_has() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary)).await;
    let sent = Load::get(sluice.address()).count(50).run().await;
    let seen = format!("{} of 20", sent.from("v2"));
    let status = sluice.until("the step waits for requests", |status| {
        status.step.elapsed_seconds >= 1.0
            && status.waiting_for.iter().any(|line| line.contains(&seen) && line.contains("requests"))
    });
    assert_eq!(status.await.step.index, 1, "too little evidence holds the step");
}

#[tokio::test]
async fn promote_ends_the_present_step_and_promote_full_all_of_them() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary)).await;
    sluice.until("the first step", |status| status.step.index == 1).await;
    let promote = PromoteRequest { generation: None, full: false };
    sluice.client().promote(ROLLOUT, &promote).await.expect("promote is accepted");
    sluice.until_weight(50.0).await;
    let full = PromoteRequest { generation: None, full: true };
    sluice.client().promote(ROLLOUT, &full).await.expect("promote --full is accepted");
    let status = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    assert_eq!(status.history[0].outcome, Outcome::PromotedFull);
    assert_eq!(status.stable.version, "v2");
}

#[tokio::test]
async fn skip_analysis_goes_to_100_percent_at_once() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).analysis("skipAnalysis", json!(true))).await;
    let status = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    assert_eq!(status.stable.version, "v2");
}

#[tokio::test]
async fn a_newer_version_in_the_file_starts_a_new_generation_from_the_first_step() {
    let (stable, canary) = pair().await;
    let newer = Backend::start("v3").await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let before = sluice.until_is(Phase::Paused, Reason::PauseStep).await.generation;
    sluice.reload(|config| config.canary("v3", &newer)).await;
    let status =
        sluice.until("the newer version", |status| status.canary.as_ref().is_some_and(|arm| arm.version == "v3")).await;
    assert_eq!(status.generation, before + 1);
    assert_eq!(status.history[0].outcome, Outcome::Superseded);
    sluice.until_weight(20.0).await;
    let report = Load::get(sluice.address()).count(200).run().await;
    assert_eq!(report.from("v2"), 0, "{:?}", report.by_arm());
    assert_share(&report, "v3", 20.0);
}

#[tokio::test]
async fn a_release_through_the_api_starts_a_new_generation_too() {
    let (stable, canary) = pair().await;
    let newer = Backend::start("v3").await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let before = sluice.until_is(Phase::Paused, Reason::PauseStep).await.generation;
    let status = sluice.release("v3", &newer).await;
    assert_eq!(status.generation, before + 1);
    assert_eq!(status.canary.map(|arm| arm.version).as_deref(), Some("v3"));
}

#[tokio::test]
async fn changed_steps_begin_again_and_an_unchanged_file_changes_nothing() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let before = sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    sluice.reload(|config| config).await;
    let same = sluice.status().await;
    assert_eq!((same.generation, same.reason, same.step.index), (before.generation, before.reason, before.step.index));
    sluice.reload(|config| config.held_at(30)).await;
    let status = sluice.until_weight(30.0).await;
    assert_eq!(status.generation, before.generation + 1);
}

#[tokio::test]
async fn going_back_to_the_stable_version_ends_the_rollout_at_once() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    sluice.until_weight(20.0).await;
    let status = sluice.release("v1", &stable).await;
    assert_eq!(status.phase, Phase::Healthy, "{}", status.message);
    assert_eq!(status.history[0].outcome, Outcome::Withdrawn);
    let report = Load::get(sluice.address()).count(100).run().await;
    assert_eq!(report.from("v1"), 100, "{:?}", report.by_arm());
}

#[tokio::test]
async fn a_canary_taken_out_of_the_file_gets_nothing_any_more() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(50)).await;
    sluice.until_weight(50.0).await;
    sluice.reload(|config| config.without("/rollouts/0/canary")).await;
    let status = sluice.until("the rollout is healthy", |status| status.phase == Phase::Healthy).await;
    assert_eq!(status.history[0].outcome, Outcome::Withdrawn);
    let report = Load::get(sluice.address()).count(100).run().await;
    assert_eq!(report.from("v1"), 100, "{:?}", report.by_arm());
}

#[tokio::test]
async fn a_promoted_version_that_becomes_stable_in_the_file_moves_nothing() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary)).await;
    let load = Load::get(sluice.address()).rate(300).start();
    let promoted = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    let asked_stable = stable.requests();
    let endpoint = json!([canary.endpoint()]);
    sluice
        .reload(|config| {
            config
                .set("/rollouts/0/stable", json!({ "version": "v2", "endpoints": endpoint }))
                .without("/rollouts/0/canary")
        })
        .await;
    let status = sluice.status().await;
    assert_eq!((status.phase, status.generation), (Phase::Healthy, promoted.generation));
    assert_eq!(status.stable.version, "v2");
    let seen = load.len();
    eventually("the load goes on", async || if load.len() > seen + 100 { Ok(()) } else { Err(load.len().to_string()) })
        .await;
    load.stop().await.assert_no_failures();
    assert_eq!(stable.requests(), asked_stable, "the former version gets nothing");
}

#[tokio::test]
async fn a_promoted_version_stays_promoted_though_the_file_is_old() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary)).await;
    let load = Load::get(sluice.address()).rate(300).start();
    let promoted = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    load.stop().await.assert_no_failures();
    sluice.reload(|config| config).await;
    assert_eq!(sluice.status().await.stable.version, "v2", "after a reload");
    sluice.restart().await;
    let status = sluice.status().await;
    assert_eq!(
        (status.phase, status.generation, status.stable.version.as_str()),
        (Phase::Healthy, promoted.generation, "v2")
    );
    let report = Load::get(sluice.address()).count(100).run().await;
    assert_eq!(report.from("v2"), 100, "{:?}", report.by_arm());
}
