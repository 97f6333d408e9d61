//! What scrapers other than a plain text reader get, and what a real Prometheus makes of it.

use std::time::Duration;

use serde_json::json;
use sluice_api::Arm;
use sluice_tests::backend::Answer;
use sluice_tests::prometheus::{Prometheus, encoded};
use sluice_tests::wait::holds;
use sluice_tests::{Config, Load, Metrics, Request, Sluice, eventually};

use super::pair;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

async fn scrape(sluice: &Sluice, accept: &str) -> sluice_tests::Response {
    let admin = sluice.admin_address();
    Request::get("/metrics").host(&admin.to_string()).field("Accept", accept).send(admin).await
}

fn traced(sampled: bool) -> Request {
    Request::get("/").field("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-0{}", u8::from(sampled)))
}

fn nginx(config: Config) -> Config {
    config.set("/compat", json!({ "nginxMetrics": true })).routing(json!({ "shield": "off" }))
}

#[tokio::test]
async fn the_queries_of_argo_and_flagger_find_the_right_values() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(nginx(Config::with_canary(&stable, &canary).manual(50))).await;
    let Some(prometheus) = Prometheus::with_features(sluice.admin_address(), &[]).await else { return };
    canary.answers(Answer::Status(503), 0.4);
    stable.delays(Duration::from_millis(20));
    canary.delays(Duration::from_millis(20));
    let load = Load::get(sluice.address()).rate(200).start();
    let near = |wanted: f64, width: f64| move |value: f64| (value - wanted).abs() <= width;

    let flagger = r#"sum(rate(nginx_ingress_controller_requests{namespace="default",ingress="shop",status!~"5.*"}[5s]))
        / sum(rate(nginx_ingress_controller_requests{namespace="default",ingress="shop"}[5s])) * 100"#;
    prometheus.until(flagger, near(80.0, 3.0)).await;
    let argo = r#"sum(rate(nginx_ingress_controller_requests{ingress="shop",status!~"[4-5].*"}[5s]))
        / sum(rate(nginx_ingress_controller_requests{ingress="shop"}[5s]))"#;
    prometheus.until(argo, near(0.8, 0.03)).await;
    let canary_only = r#"sum(rate(nginx_ingress_controller_requests{canary="default-shop-canary-80",status!~"5.*"}[5s]))
        / sum(rate(nginx_ingress_controller_requests{canary!=""}[5s]))"#;
    prometheus.until(canary_only, near(0.6, 0.05)).await;
    // Both backends take 20 ms, so no answer can be faster; how much slower it is depends on the machine.
    let flagger_latency = r#"sum(rate(nginx_ingress_controller_ingress_upstream_latency_seconds_sum{namespace="default",ingress="shop"}[5s]))
        / sum(rate(nginx_ingress_controller_ingress_upstream_latency_seconds_count{namespace="default",ingress="shop"}[5s])) * 1000"#;
    prometheus.until(flagger_latency, |value| value >= 20.0).await;
    for name in ["request", "response"] {
        let quantile = format!(
            "histogram_quantile(0.5, sum(rate(nginx_ingress_controller_{name}_duration_seconds_bucket{{ingress=\"shop\"}}[5s])) by (le))"
        );
        prometheus.until(&quantile, |value| value > 0.01).await;
    }
    load.stop().await;
}

#[tokio::test]
async fn series_named_after_nginx_have_its_labels_and_none_from_a_client() {
    let (stable, canary) = pair().await;
    let routes = json!([
        { "hosts": ["shop.example"], "paths": [{ "prefix": "/cart" }], "rollout": "shop" },
        { "endpoints": [stable.endpoint()] },
    ]);
    let config = Config::with_canary(&stable, &canary).manual(100).set("/routes", routes);
    let sluice = Sluice::start(nginx(config)).await;
    sluice.until_weight(100.0).await;
    let send = async |request: Request| request.send(sluice.address()).await;
    send(Request::get("/cart/7?secret=1").host("SHOP.example:80")).await;
    send(Request::new("BREW", "/cart/8").host("shop.example")).await;
    send(Request::get("/other").host("needle.example")).await;
    canary.answers(Answer::Status(418), 1.0);
    send(Request::post("/cart", "x").host("shop.example")).await;
    let metrics = eventually("four requests are counted", async || {
        let metrics = sluice.metrics().await;
        let counted = metrics.sum("nginx_ingress_controller_requests", &[]);
        if counted == 4.0 { Ok(metrics) } else { Err(format!("{counted}")) }
    })
    .await;
    let canary_labels = [
        ("path", "/cart"),
        ("host", "shop.example"),
        ("namespace", "default"),
        ("ingress", "shop"),
        ("service", "shop"),
        ("canary", "default-shop-canary-80"),
        ("controller_class", "sluice"),
        ("controller_namespace", "default"),
    ];
    for (status, method) in [("200", "GET"), ("200", "OTHER"), ("418", "POST")] {
        let labels = [&canary_labels[..], &[("status", status), ("method", method)]].concat();
        assert_eq!(metrics.sum("nginx_ingress_controller_requests", &labels), 1.0, "{labels:?}");
        assert_eq!(metrics.sum("nginx_ingress_controller_request_duration_seconds_count", &labels), 1.0, "{labels:?}");
        assert_eq!(metrics.sum("nginx_ingress_controller_response_duration_seconds_count", &labels), 1.0, "{labels:?}");
    }
    let plain = [("ingress", "route-2"), ("host", "_"), ("path", "/"), ("canary", ""), ("status", "200")];
    assert_eq!(metrics.sum("nginx_ingress_controller_requests", &plain), 1.0);
    let leaked: Vec<_> =
        metrics.iter().filter(|(series, _)| series.contains("needle") || series.contains("secret")).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
}

#[tokio::test]
async fn series_named_after_nginx_begin_and_end_with_the_configuration() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0)).await;
    Request::get("/").send(sluice.address()).await;
    assert!(!sluice.metrics().await.has("nginx_ingress_controller_requests"), "off by default");
    sluice.reload(nginx).await;
    eventually("requests are counted", async || {
        Request::get("/").send(sluice.address()).await;
        let metrics = sluice.metrics().await;
        holds(metrics.sum("nginx_ingress_controller_requests", &[]) >= 2.0, || "none".to_owned())
    })
    .await;
    sluice.reload(|config| config.without("/compat")).await;
    assert!(!sluice.metrics().await.has("nginx_ingress_controller_requests"));
}

#[tokio::test]
async fn open_metrics_is_answered_by_its_rules_and_shows_the_traces_of_failures() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(nginx(Config::with_canary(&stable, &canary).manual(100))).await;
    sluice.until_weight(100.0).await;
    canary.fails(1.0);
    traced(false).send(sluice.address()).await;
    let response = scrape(&sluice, OPEN_METRICS).await;
    assert_eq!(response.head.field("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(!response.text().contains(TRACE), "a trace that nobody records is no example");
    traced(true).send(sluice.address()).await;
    let text = eventually("the failure is shown with its trace", async || {
        let text = scrape(&sluice, OPEN_METRICS).await.text();
        let start = "sluice_attempt_failures_total{rollout=\"shop\",arm=\"canary\",kind=\"status\"} 2 # {trace_id=";
        holds(text.contains(start), || text.clone()).map(|()| text.clone())
    })
    .await;
    assert!(text.lines().any(|line| line.contains("_bucket{") && line.contains(TRACE)), "{text}");
    check_open_metrics(&text);
    let plain = sluice.metrics().await;
    let same = Metrics::parse(&text).sum("nginx_ingress_controller_requests", &[]);
    assert_eq!(plain.sum("nginx_ingress_controller_requests", &[]), same);
    assert!(!scrape(&sluice, "*/*").await.text().contains(TRACE), "the text format knows no examples");
}

/// What OpenMetrics 1.0 demands of names, order, numbers and the end.
fn check_open_metrics(text: &str) {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    let (mut family, mut kind, mut known) = (String::new(), String::new(), Vec::new());
    for line in body.lines() {
        assert!(!line.is_empty() && !line.contains("# EOF"), "{line}");
        if let Some(rest) = line.strip_prefix("# ") {
            let words: Vec<_> = rest.splitn(3, ' ').collect();
            if words[1] != family {
                assert!(!known.contains(&words[1].to_owned()), "{}: in two places", words[1]);
                known.push(words[1].to_owned());
                (family, kind) = (words[1].to_owned(), "unknown".to_owned());
            }
            if words[0] == "TYPE" {
                kind = words[2].to_owned();
            }
            continue;
        }
        let (sample, example) =
            line.split_once(" # ").map_or((line, None), |(sample, example)| (sample, Some(example)));
        let name = sample.split(['{', ' ']).next().unwrap_or_default();
        let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line}: outside of {family}"));
        let allowed: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "gauge" | "unknown" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["_sum", "_count"],
            other => panic!("{line}: of type {other}"),
        };
        assert!(allowed.contains(&suffix), "{line}: of type {kind}");
        assert!(sample.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok()), "{line}");
        if let Some(bound) = sample.split("le=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            assert!(bound == "+Inf" || bound.contains('.'), "{line}: a bound has a point");
        }
        if let Some(example) = example {
            assert!(["_total", "_bucket"].contains(&suffix), "{line}: an example");
            assert_eq!(example.split(' ').filter(|word| word.parse::<f64>().is_ok()).count(), 2, "{line}");
        }
    }
}

#[tokio::test]
async fn a_native_histogram_and_the_status_agree_on_p95_and_examples_can_be_queried() {
    let (stable, canary) = pair().await;
    let config = Config::with_canary(&stable, &canary).manual(50).latency("200ms").routing(json!({ "shield": "off" }));
    let sluice = Sluice::start(config).await;
    let features = ["native-histograms", "exemplar-storage"];
    let Some(prometheus) = Prometheus::with_features(sluice.admin_address(), &features).await else { return };
    canary.answers(Answer::Status(500), 0.2);
    stable.delays(Duration::from_millis(7));
    canary.delays(Duration::from_millis(30));
    let load = Load::of(sluice.address(), |_| traced(true));
    load.count(400).run().await;
    for arm in [Arm::Stable, Arm::Canary] {
        let query = format!("histogram_quantile(0.95, sluice_request_duration_seconds{{arm=\"{arm}\"}})");
        // Each is as of its last look; in the end both have seen the same.
        eventually("status and histogram agree", async || {
            let status = sluice.status().await;
            let shown = if arm == Arm::Stable { Some(status.stable) } else { status.canary };
            let p95_s = shown.and_then(|shown| shown.p95_ms).map(|p95_ms| p95_ms / 1e3);
            let found = prometheus.value(&query).await;
            // Both have buckets of about 3 %.
            let agree = p95_s.zip(found).is_some_and(|(p95_s, found)| (found / p95_s - 1.0).abs() <= 0.05);
            holds(agree, || format!("{arm}: status {p95_s:?}, Prometheus {found:?}"))
        })
        .await;
    }
    let failures = "sluice_attempt_failures_total{arm=\"canary\"}";
    let path = format!("/api/v1/query_exemplars?query={}&start=0&end=4000000000", encoded(failures));
    eventually("the trace of a failure is found", async || {
        let found = prometheus.ask(&path).await.unwrap_or_default();
        let trace = &found["data"][0]["exemplars"][0]["labels"]["trace_id"];
        holds(trace.as_str() == Some(TRACE), || found.to_string())
    })
    .await;
}

#[tokio::test]
async fn every_metric_is_there_in_every_format() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(nginx(Config::with_canary(&stable, &canary).manual(50))).await;
    Load::get(sluice.address()).count(20).run().await;
    let Some(prometheus) = Prometheus::with_features(sluice.admin_address(), &["native-histograms"]).await else {
        return;
    };
    let text = sluice.metrics().await;
    let families = |name: &str| {
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        stem.unwrap_or(name).to_owned()
    };
    let names: std::collections::BTreeSet<_> =
        text.iter().filter_map(|(series, _)| series.split('{').next()).map(families).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        // A histogram is one native series, or the three classic ones.
        prometheus.until(&format!("count({{__name__=~\"{name}(_count)?\"}})"), |count| count >= 1.0).await;
    }
}
