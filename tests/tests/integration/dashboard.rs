//! The Grafana dashboard and the alerts against the real Prometheus, on real traffic: every query finds something.

use std::process::Command;

use serde_json::{Value, json};
use sluice_api::{Phase, Reason};
use sluice_tests::config::ROLLOUT;
use sluice_tests::prometheus::{self, Prometheus};
use sluice_tests::{Backend, Config, Load, Request, Sluice, eventually};

/// Queries that may find nothing, and why.
const MAY_BE_EMPTY: [(&str, &str); 0] = [];

/// What Grafana puts in: the range of a rate is four scrape intervals, that of the picture what is shown.
const VARIABLES: [(&str, &str); 3] = [("$rollout", ROLLOUT), ("$__rate_interval", "3s"), ("$__range", "5m")];

fn dashboard() -> Value {
    let path = sluice_tests::binaries::repository().join("manifests/grafana/sluice.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the dashboard")).expect("it is JSON")
}

/// Every `expr` in it, with its panel's or annotation's name.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for panel in list(&dashboard["panels"]) {
        let title = panel["title"].as_str().expect("a panel has a title").to_owned();
        for target in list(&panel["targets"]) {
            found.push((title.clone(), target["expr"].as_str().expect("a target has a query").to_owned()));
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        let name = annotation["name"].as_str().expect("an annotation has a name").to_owned();
        found.push((name, annotation["expr"].as_str().expect("an annotation has a query").to_owned()));
    }
    found
}

fn filled_in(expression: &str) -> String {
    let text = VARIABLES.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!text.contains('$'), "a variable that this test does not know: {text}");
    text
}

/// One version is promoted and the next taken back, with traffic all the time.
async fn live_through_a_promotion_and_a_revert(sluice: &Sluice, third: &Backend) {
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    sluice.release("v3", third).await;
    sluice.until_canary_got(100).await;
    third.fails(1.0);
    sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    Request::get("/").host("elsewhere.example").send(sluice.address()).await;
    load.stop().await;
}

#[tokio::test]
async fn every_query_of_the_dashboard_finds_something() {
    let (first, second, third) = (Backend::start("v1").await, Backend::start("v2").await, Backend::start("v3").await);
    let sluice = Sluice::start(Config::with_canary(&first, &second).latency("200ms")).await;
    let Some(prometheus) = Prometheus::start(sluice.admin_address()).await else { return };
    prometheus.until_scraped().await; // counters are seen at zero before anything happens
    live_through_a_promotion_and_a_revert(&sluice, &third).await;

    for (title, expression) in expressions(&dashboard()) {
        if MAY_BE_EMPTY.iter().any(|(exempt, _)| *exempt == expression) {
            continue;
        }
        let asked = filled_in(&expression);
        eventually(&format!("{title}: {asked}"), async || {
            let series = prometheus.query(&asked).await?;
            let has_number = series.iter().flatten().any(|value| value.is_finite());
            if has_number { Ok(()) } else { Err(format!("{} series, no number", series.len())) }
        })
        .await;
    }
    assert_tells_the_story(&prometheus).await;
}

/// Numbers are not only there, they are right.
async fn assert_tells_the_story(prometheus: &Prometheus) {
    for (expression, expected) in [
        ("round(sum(increase(sluice_deployments_total{result=\"reverted\"}[5m])))", 1.0),
        ("round(sum(increase(sluice_deployments_total{result=\"promoted\"}[5m])))", 1.0),
        ("max(sluice_latency_limit_seconds)", 0.2),
        ("max(sluice_metric_limit{metric=\"failures\"})", 0.1),
        ("count(ALERTS{alertname=\"SluiceCanaryTakenBack\",alertstate=\"firing\"})", 1.0),
    ] {
        eventually(expression, async || {
            let last = prometheus.query(expression).await?.first().and_then(|values| values.last().copied());
            let is_right = last.is_some_and(|last| (last - expected).abs() < 1e-9);
            if is_right { Ok(()) } else { Err(format!("{last:?}")) }
        })
        .await;
    }
}

#[test]
fn the_dashboard_is_of_a_kind_that_grafana_10_imports() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 38));
    let variables: Vec<&Value> = dashboard["templating"]["list"].as_array().expect("variables").iter().collect();
    let kinds: Vec<_> = variables.iter().map(|variable| (&variable["name"], &variable["type"])).collect();
    assert_eq!(kinds, [(&json!("datasource"), &json!("datasource")), (&json!("rollout"), &json!("query"))]);
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids: Vec<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("a panel has an id")).collect();
    ids.dedup();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    let built_in = ["row", "stat", "timeseries", "state-timeline"];
    for panel in panels {
        assert!(built_in.iter().any(|kind| panel["type"] == *kind), "{}: no plugins", panel["type"]);
        let is_row = panel["type"] == "row";
        assert!(is_row || panel["datasource"]["uid"] == "${datasource}", "{}", panel["title"]);
        let place = &panel["gridPos"];
        let right = place["x"].as_u64().zip(place["w"].as_u64()).map(|(x, width)| x + width);
        assert!(right.is_some_and(|right| right <= 24), "{} is wider than the page", panel["title"]);
    }
}

#[test]
fn the_alerts_fire_when_they_should_and_only_then() {
    let Some(promtool) = prometheus::program("promtool") else { return };
    for arguments in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "sluice-rules.yaml"],
        ["test", "rules", "sluice-rules.test.yaml"],
    ] {
        let run = Command::new(&promtool).args(arguments).current_dir(prometheus::shipped()).output();
        let run = run.expect("promtool can be run");
        let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
        assert!(run.status.success(), "{arguments:?}: {said}");
    }
}
