//! What a route allows its requests: time, attempts, bytes.

use serde_json::{Value, json};
use sluice_tests::{Answer, Backend, Config, Request, Sluice, Wire};

use super::pair;

/// A proxy whose only route leads to `stable` and has these settings.
async fn start(settings: Value) -> (Sluice, Backend) {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable).set("/routes", json!([settings]))).await;
    (sluice, stable)
}

#[tokio::test]
async fn a_route_has_a_time_out_of_its_own_and_the_others_keep_theirs() {
    let stable = Backend::start("v1").await;
    stable.answers(Answer::Hang, 1.0);
    let quick = json!({ "paths": [{ "prefix": "/quick" }], "rollout": "shop", "timeouts": { "request": "200ms" } });
    let config = Config::new(&stable)
        .set("/upstream", json!({ "requestTimeout": "1h" }))
        .set("/routes", json!([quick, { "rollout": "shop" }]));
    let mut sluice = Sluice::start(config).await;
    assert_eq!(Request::get("/quick").send(sluice.address()).await.status, 504);
    let mut other = Wire::connect(sluice.address()).await.expect("the proxy listens");
    other.write(&Request::get("/slow").to_bytes()).await.expect("the proxy reads");
    sluice.reload(|config| config.set("/routes/0/timeouts", json!({ "request": "100ms" }))).await;
    assert_eq!(Request::get("/quick").send(sluice.address()).await.status, 504);
    let answer = tokio::time::timeout(std::time::Duration::from_millis(300), other.read_head()).await;
    assert!(answer.is_err(), "the other route still waits: {answer:?}");
}

#[tokio::test]
async fn a_route_may_try_again_more_or_less_often_than_the_others() {
    let (stable, mut gone) = pair().await;
    gone.refuse().await;
    let endpoints = [gone.endpoint(), stable.endpoint()];
    let routes = json!([
        { "paths": [{ "prefix": "/once" }], "endpoints": endpoints, "retries": 0 },
        { "endpoints": endpoints },
    ]);
    let sluice = Sluice::start(Config::new(&stable).without("/rollouts").set("/routes", routes)).await;
    let wire = &mut Wire::connect(sluice.address()).await.expect("the proxy listens");
    let again = [wire.exchange(&Request::get("/")).await, wire.exchange(&Request::get("/")).await];
    assert!(again.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)), "{again:?}");
    let once = [wire.exchange(&Request::get("/once")).await, wire.exchange(&Request::get("/once")).await];
    let statuses = once.map(|answer| answer.expect("an answer").status);
    assert!(statuses.contains(&502), "one of two in turn was refused: {statuses:?}");
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let (mut sluice, stable) = start(json!({ "rollout": "shop", "maxBodySize": "1k" })).await;
    assert_eq!(Request::post("/", vec![b'x'; 1024]).send(sluice.address()).await.status, 200);
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n").await.expect("the proxy reads");
    let answer = wire.read_response(false).await.expect("an answer");
    assert_eq!((answer.status, answer.closes(), stable.requests()), (413, true, 1));
    let reason = [("reason", "body_too_large")];
    assert_eq!(sluice.metrics().await.sum("sluice_rejected_requests_total", &reason), 1.0);
    sluice.reload(|config| config.set("/routes/0/maxBodySize", json!("2k"))).await;
    assert_eq!(Request::post("/", vec![b'x'; 1025]).send(sluice.address()).await.status, 200);
}

#[tokio::test]
async fn a_streamed_body_is_cut_at_the_limit_and_never_held_against_the_canary() {
    let (stable, canary) = pair().await;
    let route = json!({ "rollout": "shop", "maxBodySize": "1KiB" });
    let config = Config::with_canary(&stable, &canary).manual(100).set("/routes", json!([route]));
    let sluice = Sluice::start(config).await;
    sluice.until_weight(100.0).await;
    for _ in 0..20 {
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n";
        wire.write(head).await.expect("the proxy reads");
        wire.write(&[b'x'; 0x400]).await.expect("as much as is allowed");
        // One byte more, and no end: the answer waits for neither.
        wire.write(b"\r\n1\r\ny\r\n").await.expect("and one byte");
        let answer = wire.read_response(false).await.expect("an answer");
        assert_eq!((answer.status, answer.closes()), (413, true));
    }
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_rejected_requests_total", &[("reason", "body_too_large")]), 20.0);
    assert_eq!(metrics.sum("sluice_attempt_failures_total", &[]), 0.0);
    assert_eq!(Request::post("/", "fits").send(sluice.address()).await.arm(), "v2");
}

/// A request of the client at this address, behind the trusted proxy that the test is.
fn of(client: &str) -> Request {
    Request::get("/").field("X-Forwarded-For", client)
}

async fn with_rate_limit(settings: Value) -> (Sluice, Backend) {
    let stable = Backend::start("v1").await;
    let route = json!({ "rollout": "shop", "rateLimit": settings });
    let config = Config::new(&stable).set("/trustedProxies", json!(["127.0.0.1"])).set("/routes", json!([route]));
    (Sluice::start(config).await, stable)
}

#[tokio::test]
async fn a_client_that_asks_too_fast_is_told_when_to_come_back_over_both_workers_and_a_reload() {
    // One in a thousand seconds after the burst: the test is done before.
    let (mut sluice, stable) = with_rate_limit(json!({ "requestsPerSecond": 0.001, "burst": 5 })).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(of("192.0.2.1").send(sluice.address()).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5, "{statuses:?}");
    assert!(statuses[5..].iter().all(|status| *status == 429), "{statuses:?}");
    let refusal = of("192.0.2.1").send(sluice.address()).await;
    let seconds: u64 = refusal.head.field("retry-after").expect("a time").parse().expect("seconds");
    assert!((900..=1_000).contains(&seconds) && !refusal.closes(), "{seconds}");
    assert_eq!(of("192.0.2.2").send(sluice.address()).await.status, 200, "another client");
    assert_eq!(stable.requests(), 6);
    assert_eq!(sluice.metrics().await.sum("sluice_rejected_requests_total", &[("reason", "rate_limited")]), 16.0);
    sluice.reload(|config| config.set("/upstream", json!({ "keepalive": 1 }))).await;
    assert_eq!(of("192.0.2.1").send(sluice.address()).await.status, 429, "a reload of other settings forgets nothing");
    sluice.reload(|config| config.set("/routes/0/rateLimit", json!({ "requestsPerSecond": 1000 }))).await;
    assert_eq!(of("192.0.2.1").send(sluice.address()).await.status, 200);
}

#[tokio::test]
async fn a_client_has_so_many_requests_under_way_until_their_last_bytes() {
    let (sluice, stable) = with_rate_limit(json!({ "concurrent": 2 })).await;
    let address = sluice.address();
    let drip = |client: &'static str| async move {
        let mut wire = Wire::connect(address).await.expect("the proxy listens");
        let request = Request::get("/drip").field("X-Forwarded-For", client);
        wire.write(&request.to_bytes()).await.expect("the proxy reads");
        let head = wire.read_head().await.expect("a head").expect("an answer");
        (wire, head)
    };
    let under_way = [drip("192.0.2.1").await, drip("192.0.2.1").await];
    assert!(under_way.iter().all(|(_, head)| head.word(1) == "200"));
    let refusal = of("192.0.2.1").send(sluice.address()).await;
    assert_eq!((refusal.status, refusal.head.field("retry-after")), (429, Some("1")));
    assert_eq!(of("192.0.2.2").send(sluice.address()).await.status, 200, "another client");
    stable.open_gate();
    for (mut wire, head) in under_way {
        assert_eq!(
            wire.read_body(head.framing(sluice_tests::wire::Framing::UntilClose)).await.expect("the rest"),
            b"firstlast"
        );
    }
    assert_eq!(of("192.0.2.1").send(sluice.address()).await.status, 200);
    assert_eq!(sluice.metrics().await.sum("sluice_rejected_requests_total", &[("reason", "too_many")]), 1.0);
}
