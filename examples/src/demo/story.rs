//! The four stories, each with its moral checked.
//!
//! The roles of the two backends change with every promotion: a canary that is promoted *is* stable from then on, where
//! it runs, and the other backend carries the next version.

use std::path::Path;

use anyhow::{Context, ensure};
use sluice_api::{Metric, Phase, Reason, RolloutStatus};

use super::stage::{Stage, control};
use super::traffic::Seen;
use super::{BACKENDS, PROXY, ROLLOUT};

/// Length of the outage that both versions share, as seconds of the stream of statuses.
const OUTAGE_STATUSES: usize = 3;

/// Tells all four.
pub(super) async fn tell_all(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.screen.say(&format!("A shop behind {PROXY}; v1 and v2 run on {} and {}.", BACKENDS[0], BACKENDS[1]));
    good_canary(stage).await.context("story 1")?;
    failing_canary(stage).await.context("story 2")?;
    slow_canary(stage).await.context("story 3")?;
    shared_outage(stage).await.context("story 4")?;
    stage.screen.say("\nAll four went as told.");
    Ok(())
}

async fn good_canary(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.screen.title("1. A good canary: v2 gets 10, 25, 50, 100 %, each step on evidence, and is promoted");
    let before = stage.seen();
    let status = stage.until("v2 is promoted", |status| is_settled(status) && status.generation > 0).await?;
    ensure!(status.phase == Phase::Healthy && status.stable.version == "v2", "v2 was not promoted: {}", status.message);
    let seen = stage.seen().since(before);
    ensure!(seen.failed_reads + seen.failed_writes == 0, "{seen:?}");
    stage.screen.say(&format!("  => v2 serves everyone; of {} requests none failed", seen.reads + seen.writes));
    Ok(())
}

async fn failing_canary(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.screen.title("2. A canary that fails 5 % of its requests: v3 is taken back");
    taken_back(stage, "v3", "failures=0.05&latency=0", Metric::Failures).await
}

async fn slow_canary(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.screen.title("3. A canary that answers after 400 ms where P95 may be 200 ms: v4 is taken back");
    taken_back(stage, "v4", "failures=0&latency=400", Metric::Latency).await
}

/// A release of what stands on the first backend, which is bad and has to go.
async fn taken_back(stage: &mut Stage<'_>, version: &str, setting: &str, metric: Metric) -> anyhow::Result<()> {
    control(BACKENDS[0], &format!("version={version}&{setting}")).await?;
    let before = stage.seen();
    stage.release(version, BACKENDS[0]).await?;
    let status = stage.until("it is taken back", |status| is_about(status, version) && is_settled(status)).await?;
    ensure!(
        status.phase == Phase::Degraded && status.reason == Reason::Reverted,
        "{version} was not taken back: {}",
        status.message
    );
    ensure!(
        status.verdict.as_ref().is_some_and(|verdict| verdict.metric == metric),
        "another metric decided: {:?}",
        status.verdict
    );
    ensure!(status.weight.in_force == 0.0, "{} % still go to {version}", status.weight.in_force);
    let seen = stage.seen().since(before);
    ensure!(seen.failed_reads == 0, "{} users of reads saw a failure", seen.failed_reads);
    stage.screen.say(&format!("  => {}", moral(version, &status, seen)?));
    Ok(())
}

/// What the revert took, in numbers. Slow requests are those of the verdict: some of them have not ended yet.
fn moral(version: &str, status: &RolloutStatus, seen: Seen) -> anyhow::Result<String> {
    let took = status.revert.context("the revert does not say what it took")?;
    let verdict = status.verdict.as_ref().context("the revert does not name its evidence")?;
    let (count, bad) = match verdict.metric {
        Metric::Latency => (took.failed_requests.max(verdict.x), "slow"),
        Metric::Failures | Metric::C4xx | Metric::Cancels => (took.failed_requests, "failed"),
    };
    let Seen { failed_reads, failed_writes, .. } = seen;
    Ok(format!(
        "{version} is out: {count} {bad} requests, {:.0} ms from the first of them; failures seen by users: {failed_reads} of reads, {failed_writes} of writes",
        took.milliseconds
    ))
}

async fn shared_outage(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.screen.title("4. An outage of both versions, such as a database: v5 is not to blame and is not taken back");
    control(BACKENDS[0], "version=v5&failures=0&latency=0").await?;
    stage.release("v5", BACKENDS[0]).await?;
    let is_under_way =
        |status: &RolloutStatus| is_about(status, "v5") && status.canary.as_ref().is_some_and(|arm| arm.requests > 100);
    stage.until("v5 gets requests", is_under_way).await?;

    stage.screen.event("both versions begin to fail");
    control(BACKENDS[1], "failures=1").await?;
    control(BACKENDS[0], "failures=1").await?;
    let held = stage.until("the outage is seen", |status| status.reason != Reason::Step).await?;
    ensure!(held.reason == Reason::HeldShared, "it was not held: {}", held.message);
    for _ in 1..OUTAGE_STATUSES {
        stage.until("the outage lasts", |_| true).await?;
    }
    control(BACKENDS[0], "failures=0").await?;
    control(BACKENDS[1], "failures=0").await?;
    stage.screen.event("both versions are good again; ten calm seconds end the hold");

    let after = stage.until("the hold ends", |status| status.reason != Reason::HeldShared).await?;
    ensure!(after.phase == Phase::Progressing && after.weight.wanted > 0.0, "it did not go on: {}", after.message);
    let status = stage.until("v5 is promoted", is_settled).await?;
    ensure!(status.phase == Phase::Healthy && status.stable.version == "v5", "v5 was not promoted: {}", status.message);
    stage.screen.say("  => the weight was frozen, nothing was taken back, and v5 serves everyone now");
    Ok(())
}

/// Says what to try and shows what comes of it, until somebody interrupts.
pub(super) async fn invite(stage: &mut Stage<'_>, state_dir: &Path, page: &str) -> anyhow::Result<()> {
    let [v5, free] = BACKENDS;
    let directory =
        std::env::current_exe().ok().and_then(|path| Some(path.parent()?.display().to_string())).unwrap_or_default();
    let lines = [
        "\nEverything goes on running until Ctrl-C. In another terminal:".to_owned(),
        format!("  export PATH={directory}:$PATH SLUICE_STATE_DIR={}", state_dir.display()),
        format!("  sluice get {ROLLOUT} --watch"),
        format!("  curl -X POST 'http://{free}/control?version=v6'"),
        format!("  sluice release {ROLLOUT} --version v6 --endpoint {free}"),
        format!("  curl -H 'X-Canary: always' http://{PROXY}/"),
        format!("  curl -X POST 'http://{free}/control?failures=0.2'     # and watch it go"),
        format!("  curl -X POST 'http://{v5}/control?failures=1'        # what if stable fails?"),
        format!("  the page: {page}"),
    ];
    stage.screen.say(&lines.join("\n"));
    stage.watch().await
}

fn is_about(status: &RolloutStatus, version: &str) -> bool {
    status.canary.as_ref().is_some_and(|arm| arm.version == version)
}

fn is_settled(status: &RolloutStatus) -> bool {
    matches!(status.phase, Phase::Healthy | Phase::Degraded)
}
