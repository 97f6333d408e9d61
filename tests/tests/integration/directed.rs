//! Requests that ask for an arm: header, cookie and match rules.

use serde_json::{Value, json};
use sluice_tests::{Backend, Config, Request, Sluice};

use super::pair;

/// Stable and canary with this routing, all undirected traffic to one of them.
struct Directed {
    sluice: Sluice,
    _backends: (Backend, Backend),
}

async fn at(percent: u32, routing: Value) -> Directed {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(percent).routing(routing)).await;
    sluice.until_weight(f64::from(percent)).await;
    Directed { sluice, _backends: (stable, canary) }
}

impl Directed {
    async fn arm_for(&self, target: &str, fields: &[(&str, &str)]) -> String {
        let request = fields.iter().fold(Request::get(target), |request, (name, value)| request.field(name, value));
        let response = request.send(self.sluice.address()).await;
        assert_eq!(response.status, 200, "{fields:?}: {}", response.text());
        response.arm().to_owned()
    }

    async fn expect(&self, arm: &str, fields: &[(&str, &str)]) {
        assert_eq!(self.arm_for("/", fields).await, arm, "{fields:?}");
    }
}

#[tokio::test]
async fn the_switch_header_sends_to_the_canary_at_weight_0_only_by_always_and_true() {
    let directed = at(0, json!({ "header": { "name": "X-Canary" } })).await;
    for value in ["always", "true"] {
        directed.expect("v2", &[("X-Canary", value)]).await;
    }
    for value in ["never", "false", "yes", "1", ""] {
        directed.expect("v1", &[("X-Canary", value)]).await;
    }
    directed.expect("v1", &[]).await;
}

#[tokio::test]
async fn the_switch_header_keeps_on_stable_at_weight_100_only_by_never_and_false() {
    let directed = at(100, json!({ "header": { "name": "X-Canary" } })).await;
    for value in ["never", "false"] {
        directed.expect("v1", &[("X-Canary", value)]).await;
    }
    for value in ["always", "true", "no", "0"] {
        directed.expect("v2", &[("X-Canary", value)]).await;
    }
    directed.expect("v2", &[]).await;
}

#[tokio::test]
async fn a_routing_header_that_comes_twice_or_as_a_list_does_not_count() {
    let directed = at(0, json!({ "header": { "name": "X-Canary" }, "cookie": { "name": "canary" } })).await;
    directed.expect("v1", &[("X-Canary", "always"), ("X-Canary", "always")]).await;
    directed.expect("v1", &[("X-Canary", "never"), ("X-Canary", "always")]).await;
    directed.expect("v1", &[("X-Canary", "always, always")]).await;
    directed.expect("v1", &[("X-Canary", "always,never")]).await;
    directed.expect("v1", &[("Cookie", "canary=always; canary=always")]).await;
    directed.expect("v1", &[("Cookie", "canary=never"), ("Cookie", "canary=always")]).await;
    directed.expect("v1", &[("X_Canary", "always")]).await;
}

#[tokio::test]
async fn the_cookie_counts_like_the_header_and_the_header_comes_first() {
    let directed = at(0, json!({ "header": { "name": "X-Canary" }, "cookie": { "name": "canary" } })).await;
    directed.expect("v2", &[("Cookie", "canary=always")]).await;
    directed.expect("v2", &[("Cookie", "a=b; canary=true; c=d")]).await;
    directed.expect("v1", &[("Cookie", "xcanary=always")]).await;
    directed.expect("v1", &[("Cookie", "canary=never")]).await;
    directed.expect("v1", &[("X-Canary", "never"), ("Cookie", "canary=always")]).await;
    directed.expect("v2", &[("X-Canary", "always"), ("Cookie", "canary=never")]).await;
    directed.expect("v2", &[("X-Canary", "other"), ("Cookie", "canary=always")]).await;
}

#[tokio::test]
async fn a_configured_value_is_the_only_one_that_counts() {
    let directed = at(0, json!({ "header": { "name": "X-Group", "value": "beta" } })).await;
    directed.expect("v2", &[("X-Group", "beta")]).await;
    for value in ["always", "true", "never", "beta2", "Beta", "beta, beta"] {
        directed.expect("v1", &[("X-Group", value)]).await;
    }
    let full = at(100, json!({ "header": { "name": "X-Group", "value": "beta" } })).await;
    full.expect("v2", &[("X-Group", "never")]).await;
}

#[tokio::test]
async fn a_pattern_is_searched_in_the_value() {
    let directed = at(0, json!({ "header": { "name": "X-Group", "pattern": "^beta-[0-9]+$" }, "cookie": { "name": "group", "pattern": "tester" } })).await;
    directed.expect("v2", &[("X-Group", "beta-42")]).await;
    directed.expect("v1", &[("X-Group", "beta-")]).await;
    directed.expect("v1", &[("X-Group", "my beta-42")]).await;
    directed.expect("v2", &[("Cookie", "group=a-tester-b")]).await;
    directed.expect("v1", &[("Cookie", "group=user")]).await;
}

#[tokio::test]
async fn match_rules_look_at_headers_cookies_and_the_query() {
    let rules = json!({ "match": [
        { "headers": { "X-User-Type": "beta-tester" } },
        { "headers": { "X-App": { "prefix": "ios/" }, "X-Region": { "regex": "^eu-" } } },
        { "cookies": { "plan": { "exact": "gold" } } },
        { "query": { "preview": "on" } },
        { "query": { "build": { "prefix": "nightly-" } } },
    ] });
    let directed = at(0, rules).await;
    directed.expect("v2", &[("X-User-Type", "beta-tester")]).await;
    directed.expect("v1", &[("X-User-Type", "beta")]).await;
    directed.expect("v1", &[("X-User-Type", "beta-tester"), ("X-User-Type", "beta-tester")]).await;
    directed.expect("v2", &[("X-App", "ios/17"), ("X-Region", "eu-west")]).await;
    directed.expect("v1", &[("X-App", "ios/17")]).await;
    directed.expect("v1", &[("X-App", "ios/17"), ("X-Region", "us-eu-1")]).await;
    directed.expect("v2", &[("Cookie", "plan=gold")]).await;
    directed.expect("v1", &[("Cookie", "plan=golden")]).await;
    for (target, arm) in [
        ("/?preview=on", "v2"),
        ("/a?x=1&preview=%6Fn", "v2"),
        ("/?preview=off", "v1"),
        ("/?preview=on&preview=on", "v1"),
        ("/?build=nightly-7", "v2"),
        ("/?build=stable-7", "v1"),
        ("/?", "v1"),
    ] {
        assert_eq!(directed.arm_for(target, &[]).await, arm, "{target}");
    }
}

#[tokio::test]
async fn who_is_no_trusted_source_directs_nothing() {
    let rules = json!({ "header": { "name": "X-Canary" }, "cookie": { "name": "canary" }, "match": [{ "query": { "preview": "on" } }] });
    let mut strangers = rules.clone();
    strangers["trustedSources"] = json!(["203.0.113.0/24"]);
    let mut known = rules;
    known["trustedSources"] = json!(["203.0.113.0/24", "127.0.0.0/8"]);
    let (strangers, known) = (at(0, strangers).await, at(0, known).await);
    strangers.expect("v1", &[("X-Canary", "always")]).await;
    strangers.expect("v1", &[("Cookie", "canary=always")]).await;
    strangers.expect("v1", &[("X-Canary", "always"), ("X-Forwarded-For", "203.0.113.7")]).await;
    assert_eq!(strangers.arm_for("/?preview=on", &[]).await, "v1");
    known.expect("v2", &[("X-Canary", "always")]).await;
    known.expect("v2", &[("Cookie", "canary=always")]).await;
}

#[tokio::test]
async fn directed_requests_go_to_stable_once_the_canary_was_taken_back() {
    for (after, arm) in [(None, "v1"), (Some("canary"), "v2")] {
        let (stable, canary) = pair().await;
        let mut routing = json!({ "header": { "name": "X-Canary" } });
        if let Some(after) = after {
            routing["directedAfterRevert"] = json!(after);
        }
        let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20).routing(routing)).await;
        let request = Request::get("/").field("X-Canary", "always");
        assert_eq!(request.send(sluice.address()).await.arm(), "v2");
        sluice
            .client()
            .abort(sluice_tests::config::ROLLOUT, &sluice_api::AbortRequest::default())
            .await
            .expect("abort is accepted");
        sluice.until_weight(0.0).await;
        assert_eq!(request.send(sluice.address()).await.arm(), arm, "directedAfterRevert: {after:?}");
    }
}
