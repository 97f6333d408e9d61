//! The DORA report on real releases: one is promoted, one taken back, one aborted, with kills in between.

use sluice_api::{AbortRequest, DoraReport, Outcome, Phase, Reason};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Backend, Config, Load, Sluice, eventually};

async fn report(sluice: &Sluice) -> DoraReport {
    sluice.reader().dora(None, None).await.expect("a report")
}

/// Waits until so many changes are in the log, which is written a moment after the decision.
async fn until_changes(sluice: &Sluice, changes: u64) -> DoraReport {
    eventually(&format!("{changes} changes are in the report"), async || {
        let report = report(sluice).await;
        if report.all.changes >= changes { Ok(report) } else { Err(format!("{:?}", report.all)) }
    })
    .await
}

#[tokio::test]
async fn three_releases_and_two_kills_are_one_deployment_and_two_failed_changes() {
    let (first, second, third) = (Backend::start("v1").await, Backend::start("v2").await, Backend::start("v3").await);
    let mut sluice = Sluice::start(Config::with_canary(&first, &second)).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    load.stop().await.assert_no_failures();
    let promoted = until_changes(&sluice, 1).await.all;
    assert_eq!((promoted.deployments, promoted.change_failure_rate), (1, Some(0.0)));
    assert_eq!((promoted.lead_time.n, promoted.time_to_restore.n), (1, 0));
    assert_eq!(promoted.time_to_restore.median_ms, None, "nothing was restored, so there is no time");
    sluice.restart().await;

    third.fails(1.0);
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.release("v3", &third).await;
    let took =
        sluice.until("it is taken back", |status| status.revert.is_some()).await.revert.expect("it was measured");
    until_changes(&sluice, 2).await;
    sluice.restart().await;
    third.fails(0.0);
    let again = sluice.retry().await;
    sluice
        .until("users are served", |status| {
            status.generation == again.generation && status.canary.as_ref().is_some_and(|canary| canary.requests > 10)
        })
        .await;
    sluice.client().abort(ROLLOUT, &AbortRequest::default()).await.expect("abort is accepted");
    drop(load);

    let found = until_changes(&sluice, 3).await;
    let all = &found.all;
    assert_eq!((all.counts.promoted, all.counts.reverted, all.counts.aborted), (1, 1, 1));
    assert_eq!((all.deployments, all.failed_changes), (1, 2));
    assert!(all.change_failure_rate.is_some_and(|rate| (rate - 2.0 / 3.0).abs() < 1e-9), "{all:?}");
    assert_eq!((all.time_to_restore.n, all.time_to_restore.median_ms), (1, Some(took.milliseconds)));
    assert!(all.lead_time.median_ms.is_some_and(|ms| ms >= 2_000.0), "two steps of a second each: {all:?}");
    assert_eq!((all.deployments_per_day, all.deployments_per_week), (None, None), "minutes are no day");
    assert_eq!(found.rollouts.len(), 1);
    assert_eq!(found.rollouts[0].figures, found.all);

    let history = sluice.reader().history(ROLLOUT).await.expect("a history").generations;
    let outcomes: Vec<Outcome> = history.iter().rev().map(|release| release.outcome).collect();
    assert_eq!(outcomes, [Outcome::Promoted, Outcome::Reverted, Outcome::Aborted]);
    for release in &history {
        let times = release.times;
        assert!(times.started_at_ms.is_some() && times.started_at_ms < times.ended_at_ms, "{release:?}");
    }
    assert!(history.windows(2).all(|two| two[1].times.ended_at_ms <= two[0].times.started_at_ms), "{history:?}");

    let shown = sluice.cli(&["report", "dora"]).await;
    shown.assert_code(0);
    assert!(shown.stdout.contains("66.7 % (2 of 3)"), "{}", shown.stdout);
    assert!(shown.stdout.contains("too few to judge a trend by"), "{}", shown.stdout);
    let json = sluice.cli(&["report", "dora", "--since", "1h", "-o", "json"]).await;
    let read: DoraReport = serde_json::from_str(&json.stdout).expect("the type of the API");
    assert_eq!(read.all, found.all);
    sluice.cli(&["report", "dora", "--since", "soon"]).await.assert_code(4);
}
