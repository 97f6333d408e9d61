//! The harness itself, without a proxy: what it scripts is what a client sees.

use std::time::Duration;

use sluice_tests::{Answer, Backend, Load, Request, Wire};

#[tokio::test]
async fn a_share_of_failures_is_exact() {
    let backend = Backend::start("v1").await;
    backend.fails(0.05);
    let report = Load::get(backend.address()).count(1_000).run().await;
    assert_eq!((report.failures(), report.from("v1")), (50, 1_000), "{:?}", report.by_outcome());
}

#[tokio::test]
async fn paced_load_sends_everything_and_reports_it() {
    let backend = Backend::start("v1").await;
    let report = Load::of(backend.address(), |n| Request::post("/", n.to_string())).rate(2_000).count(500).run().await;
    report.assert_no_failures();
    assert_eq!(report.shots.len(), 500);
    assert_eq!(backend.seen().len(), 500);
}

#[tokio::test]
async fn broken_answers_look_broken() {
    let backend = Backend::start("v1").await;
    for (answer, words) in [
        (Answer::Reset, "reset"),
        (Answer::Close, "before an answer"),
        (Answer::ResetInBody, ""),
        (Answer::Truncate, "in a body"),
    ] {
        backend.answers(answer, 1.0);
        let error = Request::get("/").try_send(backend.address()).await.expect_err("no whole answer").to_string();
        assert!(error.contains(words), "{answer:?}: {error}");
    }
    backend.answers(Answer::Slow(Duration::from_millis(1)), 1.0);
    assert_eq!(Request::get("/").send(backend.address()).await.text(), "hello\n");
}

#[tokio::test]
async fn a_closed_port_refuses_and_a_reopened_one_serves() {
    let mut backend = Backend::start("v1").await;
    let mut kept = Wire::connect(backend.address()).await.expect("it listens");
    kept.exchange(&Request::get("/")).await.expect("an answer");
    backend.refuse().await;
    assert!(kept.exchange(&Request::get("/")).await.is_err(), "open connections end too");
    assert!(Request::get("/").try_send(backend.address()).await.is_err());
    backend.reopen().await;
    assert_eq!(Request::get("/").send(backend.address()).await.status, 200);
}

#[tokio::test]
async fn a_connection_ends_without_announcement_after_its_requests() {
    let backend = Backend::start("v1").await;
    backend.script(|script| script.close_after = Some(2));
    let mut wire = Wire::connect(backend.address()).await.expect("it listens");
    for _ in 0..2 {
        assert!(!wire.exchange(&Request::get("/")).await.expect("an answer").closes());
    }
    assert!(wire.exchange(&Request::get("/")).await.is_err());
}
