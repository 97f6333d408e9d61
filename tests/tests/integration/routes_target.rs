//! What a route does with the target and the fields of its requests: redirects, rewrites, header edits.

use serde_json::{Value, json};
use sluice_tests::{Backend, Config, Request, Sluice};

use super::{echoed, echoed_fields};

/// A proxy whose only route leads to `stable` and has these settings.
async fn start(settings: Value) -> (Sluice, Backend) {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable).set("/routes", json!([settings]))).await;
    (sluice, stable)
}

fn location(response: &sluice_tests::wire::Response) -> (u16, &str) {
    (response.status, response.head.field("location").unwrap_or_default())
}

#[tokio::test]
async fn a_redirect_answers_with_the_other_place_and_reaches_no_backend() {
    let (mut sluice, stable) = start(
        json!({ "rollout": "shop", "redirect": { "scheme": "https", "host": "www.shop.example", "status": 308 } }),
    )
    .await;
    let response = Request::get("/cart?id=7").host("shop.example:8080").send(sluice.address()).await;
    assert_eq!(location(&response), (308, "https://www.shop.example/cart?id=7"));
    let routes = json!([
        { "paths": [{ "prefix": "/old" }], "redirect": { "prefix": "/new" } },
        { "paths": [{ "prefix": "/to-root" }], "redirect": { "prefix": "/", "status": 301 } },
        { "paths": [{ "exact": "/blog" }], "redirect": { "host": "blog.example", "port": 8443, "path": "/" } },
        { "rollout": "shop" },
    ]);
    sluice.reload(|config| config.set("/routes", routes)).await;
    for (target, expected) in [
        ("/old", (302, "/new")),
        ("/old/a?b=/c", (302, "/new/a?b=/c")),
        ("/to-root/a", (301, "/a")),
        // The next element must not become a host.
        ("/to-root//evil.example/a", (301, "/evil.example/a")),
        ("/blog", (302, "http://blog.example:8443/")),
    ] {
        let response = Request::get(target).send(sluice.address()).await;
        assert_eq!(location(&response), expected, "{target}");
    }
    assert_eq!(stable.requests(), 0);
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_rejected_requests_total", &[]), 0.0, "a redirect refuses nothing");
}

#[tokio::test]
async fn what_is_where_a_redirect_leads_passes() {
    let stable = Backend::start("v1").await;
    let config = Config::new(&stable)
        .set("/trustedProxies", json!(["127.0.0.1"]))
        .set("/routes", json!([{ "rollout": "shop", "redirect": { "scheme": "https", "status": 308 } }]));
    let sluice = Sluice::start(config).await;
    let plain = Request::get("/").host("shop.example").send(sluice.address()).await;
    assert_eq!(location(&plain), (308, "https://shop.example/"));
    let secure = Request::get("/").host("shop.example").field("X-Forwarded-Proto", "https");
    assert_eq!(secure.send(sluice.address()).await.arm(), "v1");
}

#[tokio::test]
async fn a_rewrite_changes_what_the_upstream_is_asked_for_and_keeps_the_query() {
    let routes = json!([
        { "paths": [{ "prefix": "/api" }], "rollout": "shop", "rewrite": { "prefix": "/", "host": "inner.example" } },
        { "paths": [{ "prefix": "/v1" }], "rollout": "shop",
          "rewrite": { "regex": "^/v1/([a-z]+)/(.*)$", "to": "/$2/$1" } },
        { "paths": [{ "exact": "/one" }], "rollout": "shop", "rewrite": { "path": "/echo" } },
        { "rollout": "shop" },
    ]);
    let stable = Backend::start("v1").await;
    let mut sluice = Sluice::start(Config::new(&stable).set("/routes", routes)).await;
    for (target, expected) in [
        ("/api/echo?q=/api", "/echo?q=/api"),
        ("/v1/cart/echo", "/echo/cart"),
        ("/v1/9/a", "/v1/9/a"),
        ("/one?a", "/echo?a"),
        ("/other", "/other"),
    ] {
        assert_eq!(Request::get(target).send(sluice.address()).await.status, 200);
        assert_eq!(stable.last_seen().head.word(1), expected, "{target}");
    }
    let echo = echoed(&sluice, Request::get("/api/echo").host("shop.example")).await;
    assert_eq!(echoed_fields(&echo, "host"), ["inner.example"]);
    assert_eq!(echoed_fields(&echo, "x-forwarded-host"), ["shop.example"]);
    sluice.reload(|config| config.set("/routes", json!([{ "rollout": "shop" }]))).await;
    assert_eq!(Request::get("/api/echo").send(sluice.address()).await.status, 200);
    assert_eq!(stable.last_seen().head.word(1), "/api/echo");
}

#[tokio::test]
async fn a_rewrite_makes_no_target_that_is_longer_than_any_may_be() {
    let to = "/$1$1$1$1$1$1$1$1$1$1";
    let (sluice, stable) = start(json!({ "rollout": "shop", "rewrite": { "regex": "^/(.*)$", "to": to } })).await;
    let response = Request::get(&format!("/{}", "a".repeat(7_900))).send(sluice.address()).await;
    assert_eq!((response.status, stable.requests()), (414, 0));
}

#[tokio::test]
async fn fields_are_removed_set_and_added_on_requests_and_on_all_answers() {
    let edits = json!({ "set": { "X-Tier": "gold" }, "add": { "X-Via": "edge" }, "remove": ["X-Debug"] });
    let answers = json!({ "set": { "Strict-Transport-Security": "max-age=60" }, "remove": ["X-Powered-By"] });
    let (mut sluice, mut stable) =
        start(json!({ "rollout": "shop", "requestHeaders": edits, "responseHeaders": answers })).await;
    let request = Request::get("/echo").field("X-Tier", "none").field("X-Via", "client").field("X-Debug", "1");
    let echo = echoed(&sluice, request).await;
    assert_eq!(echoed_fields(&echo, "x-tier"), ["gold"]);
    assert_eq!(echoed_fields(&echo, "x-via"), ["client", "edge"]);
    assert!(echoed_fields(&echo, "x-debug").is_empty());
    let response = Request::get("/").send(sluice.address()).await;
    assert_eq!(response.head.field("strict-transport-security"), Some("max-age=60"));
    stable.refuse().await;
    let own = Request::get("/").send(sluice.address()).await;
    assert!(own.status >= 502 && own.head.field("strict-transport-security").is_some(), "{:?}", own.head);
    stable.reopen().await;
    sluice.reload(|config| config.set("/routes/0/requestHeaders", json!({}))).await;
    let echo = echoed(&sluice, Request::get("/echo").field("X-Debug", "1")).await;
    assert_eq!((echoed_fields(&echo, "x-debug"), echoed_fields(&echo, "x-tier")), (vec!["1".to_owned()], vec![]));
}

#[tokio::test]
async fn a_field_that_a_route_sets_directs_no_request() {
    let (stable, canary) = super::pair().await;
    let route = json!({ "rollout": "shop", "requestHeaders": { "set": { "X-Canary": "always" } } });
    let config = Config::with_canary(&stable, &canary)
        .manual(0)
        .routing(json!({ "header": { "name": "X-Canary" } }))
        .set("/routes", json!([route]));
    let sluice = Sluice::start(config).await;
    assert_eq!(Request::get("/").send(sluice.address()).await.arm(), "v1");
    assert_eq!(stable.last_seen().head.field("x-canary"), Some("always"));
}
