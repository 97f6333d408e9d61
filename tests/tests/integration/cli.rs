//! The operator's tool against a real proxy.

use serde_json::Value;
use sluice_api::{Phase, Reason};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Backend, Config, Load, Sluice};

use super::pair;

async fn waiting() -> (Sluice, Backend, Backend) {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    (sluice, stable, canary)
}

#[tokio::test]
async fn get_shows_every_rollout_and_one_in_detail() {
    let (sluice, _stable, canary) = waiting().await;
    let list = sluice.cli(&["get"]).await;
    list.assert_code(0);
    assert!(list.stdout.contains(ROLLOUT) && list.stdout.contains("Paused"), "{}", list.stdout);
    let one = sluice.cli(&["get", ROLLOUT]).await;
    one.assert_code(0);
    for word in ["v1", "v2", "20", &canary.endpoint()] {
        assert!(one.stdout.contains(word), "{word} is missing in\n{}", one.stdout);
    }
    assert!(!one.stdout.contains('\x1b'), "no colour without a terminal");
}

#[tokio::test]
async fn json_is_what_the_admin_api_says() {
    let (sluice, _stable, _canary) = waiting().await;
    let one = sluice.cli(&["get", ROLLOUT, "-o", "json"]).await;
    one.assert_code(0);
    let seen: Value = serde_json::from_str(&one.stdout).expect("JSON");
    assert_eq!((seen["name"].as_str(), seen["phase"].as_str()), (Some(ROLLOUT), Some("Paused")));
    let list = sluice.cli(&["get", "-o", "json"]).await;
    let seen: Value = serde_json::from_str(&list.stdout).expect("JSON");
    assert_eq!(seen["rollouts"][0]["name"].as_str(), Some(ROLLOUT));
    sluice.cli(&["get", "-o", "yaml"]).await.assert_code(0);
}

#[tokio::test]
async fn commands_do_what_they_say() {
    let (sluice, _stable, _canary) = waiting().await;
    sluice.cli(&["abort", ROLLOUT, "--reason", "not today"]).await.assert_code(0);
    let aborted = sluice.status().await;
    assert_eq!(aborted.reason, Reason::Aborted);
    assert!(aborted.history[0].cause.contains("not today"));
    sluice.cli(&["retry", ROLLOUT]).await.assert_code(0);
    sluice.until_weight(20.0).await;
    sluice.cli(&["promote", ROLLOUT, "--full"]).await.assert_code(0);
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    let history = sluice.cli(&["history", ROLLOUT]).await;
    history.assert_code(0);
    assert!(history.stdout.contains("not today"), "{}", history.stdout);
}

#[tokio::test]
async fn release_starts_a_new_version() {
    let stable = Backend::start("v1").await;
    let canary = Backend::start("v2").await;
    let sluice = Sluice::start(Config::new(&stable).held_at(20)).await;
    sluice.cli(&["release", ROLLOUT, "--version", "v2", "--endpoint", &canary.endpoint()]).await.assert_code(0);
    sluice.until_weight(20.0).await;
    let analysis = sluice.cli(&["analysis", ROLLOUT]).await;
    analysis.assert_code(0);
    assert!(!analysis.stdout.is_empty());
}

#[tokio::test]
async fn status_ends_with_0_when_healthy_1_when_degraded_and_2_in_time() {
    let (sluice, _stable, _canary) = waiting().await;
    sluice.cli(&["status", ROLLOUT, "--timeout", "1s"]).await.assert_code(2);
    sluice.cli(&["abort", ROLLOUT]).await.assert_code(0);
    sluice.cli(&["status", ROLLOUT, "--timeout", "10s"]).await.assert_code(1);
    sluice.cli(&["retry", ROLLOUT]).await.assert_code(0);
    sluice.cli(&["promote", ROLLOUT, "--full"]).await.assert_code(0);
    sluice.cli(&["status", ROLLOUT, "--timeout", "20s"]).await.assert_code(0);
}

#[tokio::test]
async fn status_waits_for_a_promotion() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary)).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.cli(&["status", ROLLOUT, "--timeout", "30s"]).await.assert_code(0);
    assert_eq!(sluice.status().await.stable.version, "v2");
    load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn refusals_have_exit_codes_of_their_own() {
    let (sluice, _stable, _canary) = waiting().await;
    sluice.cli(&["get", "nothing"]).await.assert_code(4);
    sluice.cli(&["retry", ROLLOUT]).await.assert_code(4);
    sluice.cli(&["abort", ROLLOUT, "--generation", "99"]).await.assert_code(4);
    sluice.cli(&["abort", ROLLOUT, "--token", "wrong"]).await.assert_code(5);
    sluice.cli(&["get", "--server", "http://127.0.0.1:9"]).await.assert_code(3);
    sluice.cli(&["abort"]).await.assert_code(64);
    assert_eq!(sluice.status().await.reason, Reason::PauseStep, "nothing changed");
}
