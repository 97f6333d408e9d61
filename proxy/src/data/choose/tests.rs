//! Who goes where, and who never does.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use sluice_engine::units::Millis;

use super::*;
use crate::config::{Condition, CookieRule, HeaderRule, MatchField, MatchRule, MatchTest, Routing, ValueTest};
use crate::counters::{GenerationCounters, Wake};
use crate::snapshot::{ArmView, RoutingRules, Split};

const X_CANARY: HeaderName = HeaderName::from_static("x-canary");

fn mk_view(percent: f64, settings: Routing) -> RolloutView {
    let arm = Arc::new(ArmView { version: "v1".into(), endpoints: Vec::new() });
    RolloutView {
        name: "shop".into(),
        generation: 1,
        stable: Arc::clone(&arm),
        canary: Some(arm),
        split: Split::constant(Weight::try_from_percent(percent).unwrap()),
        reverted: false,
        step: 0,
        routing: Arc::new(RoutingRules::new(settings, "shop", "v2")),
        origin_us: 0,
        limit_us: u64::MAX,
        counters: Arc::new(GenerationCounters::new(1, None, Arc::new(Wake::default()))),
    }
}

fn by_header(test: ValueTest) -> Routing {
    Routing { header: Some(HeaderRule { name: X_CANARY, test }), ..Routing::default() }
}

fn sticky_cookie() -> Routing {
    Routing {
        sticky: Some(Sticky::Cookie { name: "sluice".to_owned(), ttl: Millis::new(1_000) }),
        ..Routing::default()
    }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

fn choose_with(view: &RolloutView, lines: &[(&'static str, &str)]) -> Choice {
    let headers = headers(lines);
    let asked =
        Asked { headers: &headers, host: "shop.example", query: Some("plan=gold"), peer: IpAddr::from([10, 0, 0, 1]) };
    choose(view, &asked, 0, &mut Chance::from_seed(7))
}

fn is_directed(view: &RolloutView, lines: &[(&'static str, &str)]) -> Option<Arm> {
    let choice = choose_with(view, lines);
    (choice.reason == Reason::Directed).then_some(choice.arm)
}

#[test]
fn a_switch_header_sends_both_ways_and_other_values_fall_through() {
    let view = mk_view(0.0, by_header(ValueTest::Switch));
    for (value, arm) in [
        ("always", Some(Arm::Canary)),
        ("true", Some(Arm::Canary)),
        ("never", Some(Arm::Stable)),
        ("false", Some(Arm::Stable)),
        ("yes", None),
        ("", None),
    ] {
        assert_eq!(is_directed(&view, &[("x-canary", value)]), arm, "{value}");
    }
}

#[test]
fn a_routing_header_that_comes_twice_or_as_a_list_does_not_count() {
    let switch = mk_view(0.0, by_header(ValueTest::Switch));
    assert_eq!(is_directed(&switch, &[("x-canary", "always"), ("x-canary", "always")]), None);
    assert_eq!(is_directed(&switch, &[("x-canary", "always, always")]), None);
    let pattern = mk_view(0.0, by_header(ValueTest::Pattern(regex::bytes::Regex::new("beta").unwrap())));
    assert_eq!(is_directed(&pattern, &[("x-canary", "stable, beta")]), None);
    assert_eq!(is_directed(&pattern, &[("x-canary", "a beta user")]), Some(Arm::Canary));
}

#[test]
fn header_comes_before_cookie_and_cookie_before_match_rules() {
    let condition =
        Condition { field: MatchField::Query("plan".to_owned()), test: MatchTest::Exact("gold".to_owned()) };
    let settings = Routing {
        cookie: Some(CookieRule { name: "canary".to_owned(), test: ValueTest::Switch }),
        matches: vec![MatchRule { conditions: vec![condition] }],
        ..by_header(ValueTest::Switch)
    };
    let view = mk_view(0.0, settings);
    assert_eq!(is_directed(&view, &[("x-canary", "never"), ("cookie", "canary=always")]), Some(Arm::Stable));
    assert_eq!(is_directed(&view, &[("cookie", "canary=never")]), Some(Arm::Stable));
    assert_eq!(is_directed(&view, &[]), Some(Arm::Canary));
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let header = Condition { field: MatchField::Header(X_CANARY), test: MatchTest::Prefix("be".to_owned()) };
    let query = Condition { field: MatchField::Query("plan".to_owned()), test: MatchTest::Exact("silver".to_owned()) };
    let rule = |conditions: &[&Condition]| MatchRule { conditions: conditions.iter().copied().cloned().collect() };
    let both = mk_view(0.0, Routing { matches: vec![rule(&[&header, &query])], ..Routing::default() });
    let either = mk_view(0.0, Routing { matches: vec![rule(&[&query]), rule(&[&header])], ..Routing::default() });
    assert_eq!(is_directed(&both, &[("x-canary", "beta")]), None);
    assert_eq!(is_directed(&either, &[("x-canary", "beta")]), Some(Arm::Canary));
}

#[test]
fn routing_headers_count_from_trusted_sources_only() {
    let trusting =
        |network: &str| Routing { trusted_sources: vec![network.parse().unwrap()], ..by_header(ValueTest::Switch) };
    assert_eq!(is_directed(&mk_view(0.0, trusting("192.168.0.0/16")), &[("x-canary", "always")]), None);
    assert_eq!(is_directed(&mk_view(0.0, trusting("10.0.0.0/8")), &[("x-canary", "always")]), Some(Arm::Canary));
}

#[test]
fn preview_host_and_header_go_to_the_canary() {
    let preview = Routing { preview_host: Some("SHOP.example".to_owned()), ..Routing::default() };
    assert_eq!(is_directed(&mk_view(0.0, preview), &[]), Some(Arm::Canary));
    let preview = mk_view(0.0, Routing { preview_header: Some(X_CANARY), ..Routing::default() });
    assert_eq!(is_directed(&preview, &[("x-canary", "true")]), Some(Arm::Canary));
    assert_eq!(is_directed(&preview, &[("x-canary", "false")]), None);
}

#[test]
fn what_is_directed_to_a_reverted_canary_goes_to_stable_unless_told_otherwise() {
    let mut view = mk_view(50.0, by_header(ValueTest::Switch));
    view.reverted = true;
    assert_eq!(is_directed(&view, &[("x-canary", "always")]), Some(Arm::Stable));
    assert_eq!(choose_with(&view, &[]).arm, Arm::Stable, "whatever weight is still written there");
    let mut view = mk_view(0.0, Routing { directed_after_revert: true, ..by_header(ValueTest::Switch) });
    view.reverted = true;
    assert_eq!(is_directed(&view, &[("x-canary", "always")]), Some(Arm::Canary));
}

#[test]
fn weight_zero_sends_nobody_to_the_canary_and_evicts_sticky_users() {
    let settings = Routing { sticky: Some(Sticky::Header(X_CANARY)), ..Routing::default() };
    for user in 0..1_000 {
        let user = user.to_string();
        assert_eq!(choose_with(&mk_view(0.0, settings.clone()), &[("x-canary", &user)]).arm, Arm::Stable);
        assert_eq!(choose_with(&mk_view(100.0, settings.clone()), &[("x-canary", &user)]).arm, Arm::Canary);
    }
}

#[test]
fn raising_the_weight_moves_users_to_the_canary_and_nobody_back() {
    let settings = Routing { sticky: Some(Sticky::Header(X_CANARY)), ..Routing::default() };
    let [ten, half] = [10.0, 50.0].map(|percent| mk_view(percent, settings.clone()));
    for user in 0..1_000 {
        let user = user.to_string();
        let lines = [("x-canary", user.as_str())];
        if choose_with(&ten, &lines).arm == Arm::Canary {
            assert_eq!(choose_with(&half, &lines).arm, Arm::Canary, "{user}");
        }
    }
}

#[test]
fn a_new_or_malformed_user_gets_an_id_and_keeps_it() {
    let view = mk_view(50.0, sticky_cookie());
    for cookie in ["", "sluice=canary", "sluice=0123456789ABCDEF", "sluice=0123456789abcde"] {
        let choice = choose_with(&view, &[("cookie", cookie)]);
        let id = choice.new_user.expect("a new id");
        assert_eq!(choice.reason, Reason::Sticky);
        let again = choose_with(&view, &[("cookie", &format!("sluice={}", id.as_str()))]);
        assert_eq!(again, Choice { new_user: None, ..choice }, "{cookie}");
    }
}

#[test]
fn a_rollout_without_canary_sets_no_cookie() {
    let mut view = mk_view(0.0, sticky_cookie());
    view.canary = None;
    assert_eq!(choose_with(&view, &[]), Choice { arm: Arm::Stable, reason: Reason::Drawn, new_user: None });
}
