//! Which endpoint a route's requests go to, and what people see when none answers.

use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Answer, Backend, Config, Request, Sluice, Wire, eventually};

use super::pair;

/// A proxy with one worker, whose only route leads to these endpoints and has these settings.
async fn start(endpoints: &[&Backend], settings: Value) -> Sluice {
    let mut route = settings;
    route["endpoints"] = endpoints.iter().map(|backend| backend.endpoint()).collect();
    let config =
        Config::new(endpoints[0]).without("/rollouts").set("/workers", json!(1)).set("/routes", json!([route]));
    Sluice::start(config).await
}

fn cookie(response: &sluice_tests::wire::Response) -> Option<String> {
    let line = response.head.all("set-cookie").find(|line| line.starts_with("backend="))?;
    Some(line.split(';').next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_cookie_keeps_a_client_on_the_endpoint_that_served_it_first() {
    let (one, mut other) = pair().await;
    let mut sluice = start(&[&one, &other], json!({ "affinity": { "cookie": "backend", "ttl": "1h" } })).await;
    let first = loop {
        let first = Request::get("/").send(sluice.address()).await;
        if first.arm() == "v2" {
            break first;
        }
    };
    assert!(first.head.all("set-cookie").any(|line| line.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax")));
    let kept = cookie(&first).expect("a cookie");
    let again = Request::get("/").field("Cookie", &format!("a=b; {kept}"));
    for _ in 0..6 {
        let answer = again.send(sluice.address()).await;
        assert_eq!((answer.arm(), cookie(&answer)), ("v2", None), "it has its cookie already");
    }
    sluice.reload(|config| config.set("/upstream", json!({ "keepalive": 1 }))).await;
    assert_eq!(again.send(sluice.address()).await.arm(), "v2");
    other.refuse().await;
    let moved = again.send(sluice.address()).await;
    assert_eq!(moved.arm(), "v1", "an endpoint that is gone keeps nobody");
    assert!(cookie(&moved).is_some_and(|cookie| cookie != kept));
    let forged = Request::get("/").field("Cookie", "backend=0123456789abcdef").send(sluice.address()).await;
    assert!(forged.status == 200 && cookie(&forged).is_some());
}

#[tokio::test]
async fn affinity_never_keeps_anyone_on_an_arm() {
    let (stable, canary) = pair().await;
    let route = json!({ "rollout": "shop", "affinity": { "cookie": "backend" } });
    let config = Config::with_canary(&stable, &canary).manual(100).set("/routes", json!([route]));
    let mut sluice = Sluice::start(config).await;
    sluice.until_weight(100.0).await;
    let first = Request::get("/").send(sluice.address()).await;
    assert_eq!(first.arm(), "v2");
    let kept = cookie(&first).expect("a cookie");
    sluice.reload(|config| config.without("/rollouts/0/canary")).await;
    let back = Request::get("/").field("Cookie", &kept).send(sluice.address()).await;
    assert_eq!(back.arm(), "v1");
}

#[tokio::test]
async fn of_two_endpoints_the_one_with_less_to_do_is_asked() {
    let (one, other) = pair().await;
    let mut sluice = start(&[&one, &other], json!({ "balance": "leastRequests" })).await;
    let mut busy = Wire::connect(sluice.address()).await.expect("the proxy listens");
    busy.write(&Request::get("/wait").to_bytes()).await.expect("the proxy reads");
    eventually("one of them is busy", async || holds(one.requests() + other.requests() == 1, || "not yet".to_owned()))
        .await;
    let idle = if one.requests() == 1 { "v2" } else { "v1" };
    for _ in 0..12 {
        assert_eq!(Request::get("/").send(sluice.address()).await.arm(), idle);
    }
    sluice.reload(|config| config.set("/routes/0/balance", json!("roundRobin"))).await;
    let mut arms = Vec::new();
    for _ in 0..4 {
        arms.push(Request::get("/").send(sluice.address()).await.arm().to_owned());
    }
    assert!(arms.iter().any(|arm| arm != idle), "in turn it does not matter: {arms:?}");
}

#[tokio::test]
async fn pages_take_the_place_of_our_own_lines_and_of_the_upstream_s_failures_if_asked_for() {
    let (stable, mut gone) = pair().await;
    gone.refuse().await;
    let pages = json!({ "files": { "502": "502.html", "503": "503.html", "500": "500.json" } });
    let routes = json!([
        { "paths": [{ "prefix": "/gone" }], "endpoints": [gone.endpoint()], "errorPages": pages },
        { "rollout": "shop", "errorPages": pages },
    ]);
    let mut sluice = Sluice::prepare(Config::new(&stable).set("/routes", routes));
    for (name, content) in [("502.html", "<h1>gone</h1>"), ("503.html", "<h1>gone</h1>"), ("500.json", "{\"sorry\":1}")]
    {
        std::fs::write(sluice.directory().join(name), content).expect("a page");
    }
    sluice.run().await;
    let own = Request::get("/gone").send(sluice.address()).await;
    assert!(matches!(own.status, 502 | 503), "{}", own.status);
    assert_eq!(
        (own.text().as_str(), own.head.field("content-type")),
        ("<h1>gone</h1>", Some("text/html; charset=utf-8"))
    );
    stable.fails(1.0);
    let theirs = Request::get("/").send(sluice.address()).await;
    assert_eq!((theirs.status, theirs.text().as_str(), theirs.arm()), (500, "hello\n", "v1"));
    sluice.reload(|config| config.set("/routes/1/errorPages/upstream", json!(true))).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    let connections = stable.connections();
    for _ in 0..10 {
        let page = wire.exchange(&Request::get("/")).await.expect("an answer");
        assert_eq!((page.status, page.text().as_str(), page.arm()), (500, "{\"sorry\":1}", "v1"));
        assert_eq!(page.head.all("content-length").collect::<Vec<_>>(), ["11"]);
    }
    assert!(stable.connections() <= connections + 1, "connections are kept: {}", stable.connections());
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_requests_total", &[("code", "5xx")]), 11.0, "a page hides no failure");
    stable.answers(Answer::Status(404), 1.0);
    assert_eq!(wire.exchange(&Request::get("/")).await.expect("an answer").text(), "hello\n", "no page for that");
}
