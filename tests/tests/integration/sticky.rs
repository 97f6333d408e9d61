//! Users who stay where they are: growth is monotone, weight 0 lets everybody go.

use std::collections::BTreeSet;

use serde_json::json;
use sluice_api::{AbortRequest, WeightRequest};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Config, Load, Request, Sluice};

use super::pair;

const USERS: usize = 1_000;

/// The users, by number, who are served by the canary at present.
async fn canary_users(sluice: &Sluice) -> BTreeSet<usize> {
    let load = Load::of(sluice.address(), |n| Request::get("/").field("X-User-Id", &format!("user-{n}")));
    let report = load.count(USERS).run().await;
    report.assert_no_failures();
    report.shots.iter().filter(|shot| shot.arm == "v2").map(|shot| shot.index).collect()
}

async fn set_weight(sluice: &Sluice, percent: u32) {
    let weight = serde_json::from_value(percent.into()).expect("0 to 100");
    sluice.client().set_weight(ROLLOUT, &WeightRequest { weight, generation: None }).await.expect("accepted");
    sluice.until_weight(f64::from(percent)).await;
}

#[tokio::test]
async fn raising_the_weight_moves_users_to_the_canary_and_nobody_back() {
    let (stable, canary) = pair().await;
    let routing = json!({ "sticky": { "header": "X-User-Id" } });
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0).routing(routing)).await;
    let mut before = canary_users(&sluice).await;
    assert!(before.is_empty(), "at weight 0: {before:?}");
    for percent in [10, 25, 50, 100] {
        set_weight(&sluice, percent).await;
        let users = canary_users(&sluice).await;
        assert!(before.is_subset(&users), "moved back at {percent} %: {:?}", before.difference(&users));
        let expected = percent as usize * USERS / 100;
        // Buckets are a hash: with 1,000 users four standard deviations are 63.
        assert!(users.len().abs_diff(expected) <= 63, "{} users at {percent} %", users.len());
        assert_eq!(users, canary_users(&sluice).await, "the same users again at {percent} %");
        before = users;
    }
    set_weight(&sluice, 0).await;
    assert!(canary_users(&sluice).await.is_empty(), "weight 0 lets everybody go");
}

#[tokio::test]
async fn a_user_gets_a_cookie_once_and_stays_by_it() {
    let (stable, canary) = pair().await;
    let routing = json!({ "sticky": { "cookie": "sluice", "ttl": "1d" } });
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(50).routing(routing)).await;
    sluice.until_weight(50.0).await;
    for _ in 0..10 {
        let first = Request::get("/").send(sluice.address()).await;
        let cookie = first.head.field("set-cookie").expect("a new user gets a cookie").to_owned();
        assert!(cookie.starts_with("sluice=") && cookie.contains("Max-Age=86400"), "{cookie}");
        let pair = cookie.split(';').next().unwrap_or_default();
        for _ in 0..10 {
            let again = Request::get("/").field("Cookie", pair).send(sluice.address()).await;
            assert_eq!(again.arm(), first.arm());
            assert_eq!(again.head.field("set-cookie"), None, "a known user gets no cookie");
        }
    }
}

#[tokio::test]
async fn an_invented_cookie_pins_nobody_and_is_replaced() {
    let (stable, canary) = pair().await;
    let routing = json!({ "sticky": { "cookie": "sluice", "ttl": "1d" } });
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0).routing(routing)).await;
    for value in ["canary", "1", "v2", "always", "zzzzzzzzzzzzzzzz"] {
        let response = Request::get("/").field("Cookie", &format!("sluice={value}")).send(sluice.address()).await;
        assert_eq!(response.arm(), "v1", "{value}");
        assert!(response.head.field("set-cookie").is_some(), "{value} is no cookie of ours");
    }
}

#[tokio::test]
async fn a_revert_evicts_sticky_users() {
    let (stable, canary) = pair().await;
    let routing = json!({ "sticky": { "header": "X-User-Id" } });
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(50).routing(routing)).await;
    sluice.until_weight(50.0).await;
    assert!(!canary_users(&sluice).await.is_empty());
    sluice.client().abort(ROLLOUT, &AbortRequest::default()).await.expect("abort is accepted");
    sluice.until_weight(0.0).await;
    assert!(canary_users(&sluice).await.is_empty());
}
