//! Reloads: a good one drops nothing, a bad one changes nothing.

use std::time::Duration;

use serde_json::json;
use sluice_api::Reason;
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Load, Request, Sluice, eventually};

use super::{assert_share, pair};

#[tokio::test]
async fn ten_reloads_a_second_under_load_lose_no_request_and_restart_no_rollout() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let before = sluice.until("the rollout waits", |status| status.reason == Reason::PauseStep).await;
    let load = Load::get(sluice.address()).rate(200).start();
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    for n in 0..40_u32 {
        beat.tick().await;
        sluice.rewrite(|config| config.set("/upstream", json!({ "keepalive": 32 + n })));
        sluice.hang_up();
    }
    eventually("the reloads are done", async || {
        let done = sluice.metrics().await.sum("sluice_config_reloads_total", &[]);
        holds(done >= 2.0, || format!("{done} reloads"))
    })
    .await;
    let seen = load.len();
    eventually("the load goes on", async || holds(load.len() > seen + 200, || load.len().to_string())).await;
    let report = load.stop().await;
    report.assert_no_failures();
    assert!(report.from("v2") > 0, "{:?}", report.by_arm());
    let after = sluice.status().await;
    assert_eq!(
        (after.generation, after.reason, after.step.index),
        (before.generation, before.reason, before.step.index)
    );
}

#[tokio::test]
async fn a_bad_reload_keeps_the_running_configuration_and_says_why_everywhere() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    sluice.until_weight(20.0).await;
    sluice.write_config_text("listeners:\n  - address: 127.0.0.1:80\nrollouts:\n  - nome: shop\n");
    sluice.hang_up();
    let error = eventually("the refusal is reported", async || {
        let list = sluice.reader().list().await.map_err(|error| error.to_string())?;
        list.server.config_error.ok_or_else(|| "no error".to_owned())
    });
    let error = error.await;
    assert!(error.contains("nome") && error.contains("4:5"), "the key with line and column: {error}");
    assert!(sluice.log().contains("nome"), "the log says it too");
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_config_reloads_total", &[("result", "refused")]), 1.0);
    let report = Load::get(sluice.address()).count(100).run().await;
    report.assert_no_failures();
    assert_share(&report, "v2", 20.0);

    sluice.reload(|config| config).await;
    assert_eq!(sluice.reader().list().await.expect("the admin API answers").server.config_error, None);
}

#[tokio::test]
async fn a_reload_moves_traffic_to_new_endpoints_and_keeps_connections() {
    let stable = Backend::start("old").await;
    let other = Backend::start("new").await;
    let mut sluice = Sluice::start(Config::new(&stable)).await;
    let mut wire = sluice_tests::Wire::connect(sluice.address()).await.expect("the proxy listens");
    let before = wire.exchange(&Request::get("/")).await.expect("an answer");
    assert_eq!(before.arm(), "old");
    sluice
        .reload(|config| config.set("/rollouts/0/stable", json!({ "version": "v1", "endpoints": [other.endpoint()] })))
        .await;
    let after = wire.exchange(&Request::get("/")).await.expect("an answer over the same connection");
    assert_eq!(after.arm(), "new");
}

#[tokio::test]
async fn routes_lead_by_host_and_path_and_can_be_changed() {
    let (stable, canary) = pair().await;
    let plain = Backend::start("plain").await;
    let routes = json!([
        { "hosts": ["shop.example", "*.shop.example"], "paths": [{ "prefix": "/" }], "rollout": "shop" },
        { "hosts": ["static.example"], "endpoints": [plain.endpoint()] },
        { "paths": [{ "exact": "/only" }, { "prefix": "/tree" }], "endpoints": [plain.endpoint()] },
    ]);
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0).set("/routes", routes)).await;
    for (host, target, arm) in [
        ("shop.example", "/a", "v1"),
        ("SHOP.example:8080", "/a", "v1"),
        ("www.shop.example", "/a", "v1"),
        ("static.example", "/a", "plain"),
        ("else.example", "/only", "plain"),
        ("else.example", "/tree/a", "plain"),
    ] {
        assert_eq!(Request::get(target).host(host).send(sluice.address()).await.arm(), arm, "{host}{target}");
    }
    for (host, target) in [
        ("else.example", "/"),
        ("else.example", "/only/not"),
        ("else.example", "/treehouse"),
        ("a.b.shop.example", "/"),
    ] {
        let response = Request::get(target).host(host).send(sluice.address()).await;
        assert_eq!((response.status, response.arm()), (404, ""), "{host}{target}");
    }
    sluice.reload(|config| config.without("/routes")).await;
    assert_eq!(Request::get("/").host("else.example").send(sluice.address()).await.arm(), "v1");
}
