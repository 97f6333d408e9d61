//! The exported metrics: all the names that were promised, and counters that never go back.

use serde_json::json;
use sluice_api::{Phase, Reason};
use sluice_tests::wait::holds;
use sluice_tests::{Config, Load, Metrics, Request, Sluice, eventually};

use super::pair;

const NAMES: [&str; 21] = [
    "sluice_requests_total",
    "sluice_request_duration_seconds_bucket",
    "sluice_attempt_failures_total",
    "sluice_shielded_requests_total",
    "sluice_in_flight_requests",
    "sluice_weight",
    "sluice_weight_wanted",
    "sluice_phase",
    "sluice_step",
    "sluice_evidence_requests",
    "sluice_metric_score",
    "sluice_verdicts_total",
    "sluice_revert_seconds_count",
    "sluice_deployments_total",
    "sluice_lead_time_seconds_count",
    "sluice_metric_limit",
    "sluice_metric_threshold",
    "sluice_upstream_connections",
    "sluice_config_reloads_total",
    "sluice_plan_age_seconds",
    "sluice_build_info",
];

async fn scrape_after(sluice: &Sluice, requests: f64) -> Metrics {
    eventually(&format!("{requests} requests are counted"), async || {
        let metrics = sluice.metrics().await;
        let counted = metrics.sum("sluice_requests_total", &[]);
        if counted >= requests { Ok(metrics) } else { Err(format!("{counted}")) }
    })
    .await
}

#[tokio::test]
async fn every_promised_metric_is_there_after_a_revert() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_canary_got(30).await;
    sluice.reload(|config| config).await;
    canary.fails(1.0);
    sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    load.stop().await;
    let metrics = sluice.metrics().await;
    let missing: Vec<_> = NAMES.iter().filter(|name| !metrics.has(name)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    assert!(metrics.sum("sluice_attempt_failures_total", &[("arm", "canary")]) >= 5.0);
    assert!(metrics.sum("sluice_shielded_requests_total", &[]) >= 5.0);
    assert!(metrics.sum("sluice_verdicts_total", &[("verdict", "revert")]) >= 1.0);
    assert_eq!(metrics.sum("sluice_revert_seconds_count", &[]), 1.0);
    assert_eq!(metrics.sum("sluice_weight_wanted", &[]), 0.0);
}

#[tokio::test]
async fn counters_count_what_came_and_never_go_back() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(20)).await;
    sluice.until_weight(20.0).await;
    let mut before = Metrics::default();
    for round in 1..=3 {
        Load::get(sluice.address()).count(500).run().await.assert_no_failures();
        let now = scrape_after(&sluice, f64::from(round) * 500.0).await;
        for (series, value) in before.iter().filter(|(series, _)| is_counter(series)) {
            let later = now.get(series);
            assert!(later.is_some_and(|later| later >= value), "{series} went from {value} to {later:?}");
        }
        before = now;
    }
    let by_arm = ["canary", "stable"].map(|arm| before.sum("sluice_requests_total", &[("arm", arm), ("code", "2xx")]));
    assert_eq!(by_arm[0] + by_arm[1], 1_500.0);
    assert!((by_arm[0] - 300.0).abs() <= 15.0, "{by_arm:?}");
    assert_eq!(before.sum("sluice_request_duration_seconds_count", &[]), 1_500.0);
}

fn is_counter(series: &str) -> bool {
    let name = series.split('{').next().unwrap_or_default();
    ["_total", "_count", "_bucket", "_sum"].iter().any(|suffix| name.ends_with(suffix))
}

#[tokio::test]
async fn the_weight_in_force_is_exported_for_both_arms() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(30)).await;
    eventually("the weight is exported", async || {
        let metrics = sluice.metrics().await;
        let weights = [("stable", 70.0), ("canary", 30.0)].map(|(arm, percent)| {
            let value = metrics.sum("sluice_weight", &[("arm", arm)]);
            // In percent or as a share: the unit is the exporter's choice, the split is not.
            (value - percent).abs() < 1e-9 || (value - percent / 100.0).abs() < 1e-9
        });
        holds(weights == [true, true], || {
            format!(
                "{:?}",
                metrics.iter().filter(|(series, _)| series.starts_with("sluice_weight")).collect::<Vec<_>>()
            )
        })
    })
    .await;
}

#[tokio::test]
async fn nothing_that_a_client_sends_becomes_a_label() {
    let (stable, canary) = pair().await;
    let routes = json!([{ "hosts": ["shop.example"], "rollout": "shop" }]);
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0).set("/routes", routes)).await;
    let load = Load::of(sluice.address(), |n| {
        let host = if n % 2 == 0 { "shop.example".to_owned() } else { format!("host-{n}.example") };
        Request::new(&format!("M{n}"), &format!("/needle-{n}?q={n}"))
            .host(&host)
            .field("X-Request-Id", &format!("id-{n}"))
    });
    load.count(60).run().await;
    let metrics = scrape_after(&sluice, 1.0).await;
    let leaked: Vec<_> = metrics
        .iter()
        .filter(|(series, _)| ["needle", "host-", "id-", "M2"].iter().any(|word| series.contains(word)))
        .collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    assert!(
        metrics.sum("sluice_rejected_requests_total", &[]) >= 1.0,
        "requests for unknown hosts are counted by a fixed reason"
    );
}
