//! Shares of the undirected traffic.

use sluice_api::{WeightRequest, codes};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Config, Load, Request, Sluice};

use super::pair;

async fn set_weight(sluice: &Sluice, percent: u32) {
    let weight = serde_json::from_value(percent.into()).expect("0 to 100");
    let request = WeightRequest { weight, generation: None };
    sluice.client().set_weight(ROLLOUT, &request).await.expect("the manual strategy takes a weight");
    sluice.until_weight(f64::from(percent)).await;
}

#[tokio::test]
async fn ten_thousand_requests_are_split_within_half_a_point_of_the_weight() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0)).await;
    for percent in [10, 25, 50] {
        set_weight(&sluice, percent).await;
        let report = Load::get(sluice.address()).count(10_000).run().await;
        report.assert_no_failures();
        let share = report.percent_from("v2");
        assert!((share - f64::from(percent)).abs() <= 0.5, "{percent} % wanted, {share} % came");
    }
}

#[tokio::test]
async fn weight_0_sends_nobody_to_the_canary_and_weight_100_everybody() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0)).await;
    for (percent, arm) in [(0, "v1"), (100, "v2"), (0, "v1")] {
        set_weight(&sluice, percent).await;
        let report = Load::get(sluice.address()).count(500).run().await;
        assert_eq!(report.from(arm), 500, "at {percent} %: {:?}", report.by_arm());
    }
}

#[tokio::test]
async fn the_weight_at_start_is_that_of_the_manual_strategy() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(30)).await;
    sluice.until_weight(30.0).await;
    let report = Load::get(sluice.address()).count(1_000).run().await;
    assert!((295..=305).contains(&report.from("v2")), "{:?}", report.by_arm());
}

#[tokio::test]
async fn a_weight_beyond_100_percent_is_refused_and_changes_nothing() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(30)).await;
    for weight in ["101", "-1", "\"many\"", "null"] {
        let request = Request::new("PUT", &format!("/v1/rollouts/{ROLLOUT}/weight"));
        let request = request
            .host(&sluice.admin_address().to_string())
            .field("Authorization", &format!("Bearer {}", sluice.token()));
        let request = request.field("Content-Type", "application/json").body(format!("{{\"weight\":{weight}}}"));
        let response = request.send(sluice.admin_address()).await;
        assert_eq!(response.status, 400, "{weight}: {}", response.text());
        assert_eq!(response.json()["error"]["code"], codes::BAD_REQUEST, "{weight}");
    }
    assert_eq!(sluice.status().await.weight.wanted, 30.0);
}
