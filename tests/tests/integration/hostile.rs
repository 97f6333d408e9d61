//! Hostile messages and broken upstreams: nothing bad goes through, and the next good client is served.
//!
//! The cases are in a table (`sluice_tests::hostile`), which is also shown beside other proxies; here each is held to
//! what has to become of it, and to the one counter that goes up.

mod answers;
mod streams;
mod uploads;

use sluice_tests::hostile::observe::observe;
use sluice_tests::hostile::{Case, Expected, group};
use sluice_tests::{Backend, Config, Metrics, Request, Sluice};

const COUNTER: &str = "sluice_rejected_requests_total";

/// Every case of a group against one proxy, one after the other. All failures are reported, not just the first.
async fn hold(title: &str) {
    let upstream = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&upstream)).await;
    let mut failures = Vec::new();
    for case in group(title) {
        let complaints = play(&sluice, &upstream, &case).await;
        if !complaints.is_empty() {
            failures.push(format!("{} {}: {}", case.id, case.what, complaints.join("; ")));
        }
    }
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
}

async fn play(sluice: &Sluice, upstream: &Backend, case: &Case) -> Vec<String> {
    let before = sluice.metrics().await;
    let answers = if let Expected::Served(answers, _) = case.expected { answers } else { 1 };
    let seen = observe(sluice.address(), upstream, &case.sent, answers).await;
    let mut complaints = seen.complaints(&case.expected);
    complaints.extend(miscounted(sluice, &before, case).await);
    let next = Request::get("/").send(sluice.address()).await.status;
    if next != 200 {
        complaints.push(format!("the next good client got {next}"));
    }
    complaints
}

/// Refused messages are counted once, under their reason and no other; good ones are not.
async fn miscounted(sluice: &Sluice, before: &Metrics, case: &Case) -> Option<String> {
    let expected = match case.expected {
        Expected::Refused(_, reason) => vec![(reason.to_owned(), 1.0)],
        Expected::Served(..) | Expected::Local(_) => Vec::new(),
    };
    let mut counted = Vec::new();
    // Some are counted when their connection has ended on our side too.
    for _ in 0..50 {
        counted = risen(before, &sluice.metrics().await);
        if counted == expected {
            return None;
        }
        tokio::task::yield_now().await;
    }
    Some(format!("counted as {counted:?} instead of {expected:?}"))
}

/// Reasons whose counter has gone up, and by how much.
fn risen(before: &Metrics, after: &Metrics) -> Vec<(String, f64)> {
    let series = after.iter().filter(|(series, _)| series.starts_with(COUNTER));
    let risen = series.map(|(series, value)| (series, value - before.get(series).unwrap_or(0.0)));
    let reason = |series: &str| series.split('"').nth(1).unwrap_or_default().to_owned();
    risen.filter(|(_, by)| *by > 0.0).map(|(series, by)| (reason(series), by)).collect()
}

#[tokio::test]
async fn h059_a_long_list_of_a_trusted_proxy_is_passed_on_with_its_last_addresses() {
    let upstream = Backend::start("v1").await;
    let trusted = serde_json::json!(["127.0.0.0/8"]);
    let sluice = Sluice::start(Config::new(&upstream).set("/trustedProxies", trusted)).await;
    for separator in [", ", ","] {
        let list: Vec<String> = (0..1_000).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect();
        let request = Request::get("/").field("X-Forwarded-For", &list.join(separator));
        assert_eq!(request.send(sluice.address()).await.status, 200);
        let seen = upstream.last_seen();
        let kept: Vec<_> = seen.head.field("x-forwarded-for").unwrap_or_default().split(',').map(str::trim).collect();
        assert_eq!((kept.len(), kept[0], kept[49], kept[50]), (51, "10.0.3.200", "10.0.3.249", "127.0.0.1"));
    }
}

#[tokio::test]
async fn a_request_whose_end_is_in_doubt_is_refused_and_reaches_nobody() {
    hold("Where a request ends").await;
}

#[tokio::test]
async fn a_chunked_body_is_taken_by_the_letter_or_its_request_never_ends_upstream() {
    hold("Chunked bodies").await;
}

#[tokio::test]
async fn a_request_line_has_one_meaning_and_heads_have_limits() {
    hold("Request line and limits").await;
}

#[tokio::test]
async fn a_request_has_one_host() {
    hold("Host").await;
}

#[tokio::test]
async fn fields_are_what_they_seem_and_end_where_they_should() {
    hold("Fields").await;
}
