//! Canaries that go bad, each in its own way: taken back at once, and users of safe requests see nothing of it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use sluice_api::{Metric, Outcome, Phase, Reason, RolloutStatus};
use sluice_tests::load::Running;
use sluice_tests::wait::holds;
use sluice_tests::{Answer, Backend, Config, Load, Report, Request, Sluice, eventually};

use super::pair;

/// Failed canary requests that a revert may take at 60 a second. The sequential test needs about ten at these settings;
/// the rest is for requests under way and for a busy machine.
const HANDFUL: u64 = 40;

/// The same at 300 a second: the burst guard counts at most four of a tick, which has fifteen.
const FLOOD: u64 = 150;

/// A rollout under a paced load whose canary was good for a while.
struct Trial {
    sluice: Sluice,
    stable: Backend,
    canary: Backend,
    load: Running,
}

/// What is left of it after the revert.
struct Reverted {
    status: RolloutStatus,
    report: Report,
    failed: u64,
}

async fn begin(change: impl FnOnce(Config) -> Config, load: impl FnOnce(SocketAddr) -> Load) -> Trial {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(change(Config::with_canary(&stable, &canary).held_at(20))).await;
    let load = load(sluice.address()).rate(300).start();
    sluice.until_canary_got(60).await;
    Trial { sluice, stable, canary, load }
}

impl Trial {
    /// Waits for the revert and checks what holds after every one.
    async fn reverted(self) -> Reverted {
        self.reverted_within(HANDFUL).await
    }

    async fn reverted_within(self, most: u64) -> Reverted {
        let status = self.sluice.until_is(Phase::Degraded, Reason::Reverted).await;
        assert_eq!((status.weight.wanted, status.weight.in_force), (0.0, 0.0));
        assert_eq!((status.stable.version.as_str(), status.history[0].outcome), ("v1", Outcome::Reverted));
        let failed = bad_requests(&status);
        assert!((1..=most).contains(&failed), "{failed} bad requests");
        // Requests and second attempts that were under way end before the load does.
        let ended = self.load.len();
        eventually("the load goes on", async || holds(self.load.len() > ended + 60, || self.load.len().to_string()))
            .await;
        let report = self.load.stop().await;
        let after = Load::get(self.sluice.address()).count(200).run().await;
        assert_eq!(after.from("v1"), 200, "after the revert: {:?} {:?}", after.by_arm(), after.by_outcome());
        let status = self.sluice.status().await;
        Reverted { status, report, failed }
    }
}

/// Requests that failed until the weight was 0; for latency those of the verdict, some of which may never have ended.
fn bad_requests(status: &RolloutStatus) -> u64 {
    let verdict = status.verdict.as_ref().expect("a revert names its evidence");
    match verdict.metric {
        Metric::Latency => verdict.x,
        Metric::Failures | Metric::C4xx | Metric::Cancels => {
            status.revert.expect("it says what it took").failed_requests
        }
    }
}

fn deciding_metric(status: &RolloutStatus) -> Metric {
    status.verdict.as_ref().expect("a verdict").metric
}

#[tokio::test]
async fn a_canary_that_answers_500_is_taken_back_and_no_reader_sees_it() {
    let trial = begin(|config| config, Load::get).await;
    trial.canary.fails(1.0);
    let reverted = trial.reverted().await;
    assert_eq!(deciding_metric(&reverted.status), Metric::Failures);
    reverted.report.assert_no_failures();
    assert_eq!(reverted.status.shield.failed + reverted.status.shield.over_budget, 0, "{:?}", reverted.status.shield);
    assert!(reverted.status.shield.answered >= reverted.failed, "{:?}", reverted.status.shield);
    assert_eq!(reverted.status.canary.expect("it is still shown").user_failures, 0);
}

#[tokio::test]
async fn a_canary_that_fails_every_third_request_is_taken_back() {
    let trial = begin(|config| config, Load::get).await;
    trial.canary.fails(0.34);
    trial.reverted().await.report.assert_no_failures();
}

#[tokio::test]
async fn a_write_is_never_sent_twice_though_the_canary_fails_it() {
    let trial = begin(|config| config, |to| Load::of(to, |n| Request::post(&format!("/order/{n}"), "one"))).await;
    trial.canary.fails(1.0);
    let reverted = trial.reverted().await;
    assert_eq!(reverted.status.shield.answered, 0, "writes are not shielded");
    assert!(reverted.report.failures() > 0, "users of writes see the failures: {:?}", reverted.report.by_outcome());
    assert!(reverted.status.revert.expect("a revert").user_failures > 0);
    let canary = reverted.status.canary.expect("it is still shown");
    assert_eq!(canary.user_failures, canary.attempt_failures, "who writes sees every failure");
}

#[tokio::test]
async fn no_write_arrives_at_both_versions() {
    let trial = begin(|config| config, |to| Load::of(to, |n| Request::post(&format!("/order/{n}"), "one"))).await;
    trial.canary.answers(Answer::Close, 1.0);
    trial.sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    trial.load.stop().await;
    let targets =
        |backend: &Backend| backend.seen().iter().map(|seen| seen.head.word(1).to_owned()).collect::<Vec<_>>();
    let mut all = targets(&trial.stable);
    all.extend(targets(&trial.canary));
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "some order was placed twice");
}

#[tokio::test]
async fn without_shield_readers_see_the_failures() {
    let trial = begin(|config| config.routing(json!({ "shield": "off" })), Load::get).await;
    trial.canary.fails(1.0);
    let reverted = trial.reverted().await;
    assert!(reverted.report.failures() > 0, "{:?}", reverted.report.by_outcome());
    assert_eq!(reverted.status.shield.answered, 0);
}

#[tokio::test]
async fn a_slow_canary_is_taken_back_by_its_latency() {
    let trial = begin(|config| config.latency("150ms"), Load::get).await;
    trial.canary.delays(Duration::from_millis(600));
    let reverted = trial.reverted().await;
    assert_eq!(deciding_metric(&reverted.status), Metric::Latency);
    reverted.report.assert_no_failures();
}

#[tokio::test]
async fn a_latency_revert_says_how_many_requests_were_slow_and_how_long_it_took() {
    let trial = begin(|config| config.latency("150ms"), Load::get).await;
    trial.canary.delays(Duration::from_millis(600));
    let took = trial.reverted().await.status.revert.expect("a revert says what it took");
    assert!(took.failed_requests >= 5 && took.milliseconds > 0.0, "{took:?}");
}

#[tokio::test]
async fn a_canary_that_hangs_is_taken_back_long_before_any_time_out() {
    let trial = begin(|config| config.latency("200ms"), Load::get).await;
    trial.canary.answers(Answer::Hang, 1.0);
    let reverted = trial.reverted().await;
    assert_eq!(deciding_metric(&reverted.status), Metric::Latency);
    // Requests still under way are not in the report, so there is nothing that failed: no time-out has come yet.
    reverted.report.assert_no_failures();
}

#[tokio::test]
async fn a_canary_that_refuses_connections_is_taken_back_and_no_reader_sees_it() {
    let mut trial = begin(|config| config, Load::get).await;
    trial.canary.refuse().await;
    let reverted = trial.reverted().await;
    assert_eq!(deciding_metric(&reverted.status), Metric::Failures);
    reverted.report.assert_no_failures();
}

#[tokio::test]
async fn a_canary_that_resets_connections_is_taken_back_and_no_reader_sees_it() {
    let trial = begin(|config| config, Load::get).await;
    trial.canary.answers(Answer::Reset, 1.0);
    trial.reverted().await.report.assert_no_failures();
}

#[tokio::test]
async fn a_truncated_body_is_a_failure_that_the_user_sees_as_a_broken_transfer() {
    for answer in [Answer::Truncate, Answer::ResetInBody] {
        let trial = begin(|config| config, Load::get).await;
        trial.canary.answers(answer, 1.0);
        let reverted = trial.reverted().await;
        let outcomes = reverted.report.by_outcome();
        assert!(
            outcomes.keys().any(|outcome| outcome.parse::<u16>().is_err()),
            "{answer:?} must not end cleanly: {outcomes:?}"
        );
    }
}

#[tokio::test]
async fn a_promoted_canary_that_fails_while_it_bakes_goes_back() {
    let strategy = json!({ "canary": { "steps": [{ "setWeight": 50 }], "bake": "1h" } });
    let trial = begin(|config| config.strategy(strategy), Load::get).await;
    trial.sluice.until_is(Phase::Progressing, Reason::Baking).await;
    trial.sluice.until_weight(100.0).await;
    trial.canary.fails(1.0);
    trial.reverted_within(FLOOD).await;
}

#[tokio::test]
async fn retry_tries_the_same_version_again_and_a_reload_does_not() {
    let mut trial = begin(|config| config, Load::get).await;
    trial.canary.fails(1.0);
    let first = trial.sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    trial.canary.recovers();
    trial.sluice.reload(|config| config).await;
    assert_eq!(trial.sluice.status().await.reason, Reason::Reverted, "the same file says nothing new");
    let again = trial.sluice.retry().await;
    assert_eq!(again.generation, first.generation + 1);
    trial.sluice.until_canary_got(20).await;
    trial.load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn a_newer_version_after_a_revert_needs_no_retry() {
    let trial = begin(|config| config, Load::get).await;
    trial.canary.fails(1.0);
    trial.sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    let newer = Backend::start("v3").await;
    trial.sluice.release("v3", &newer).await;
    trial.sluice.until_canary_got(20).await;
    trial.load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn a_paused_canary_is_watched_and_taken_back_all_the_same() {
    let trial = begin(|config| config, Load::get).await;
    trial.sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    trial.canary.fails(1.0);
    trial.reverted().await;
}
