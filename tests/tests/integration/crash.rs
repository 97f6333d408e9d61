//! Sudden ends and damaged state: a decision is never lost, and in doubt stable gets everything.

use std::time::Duration;

use serde_json::json;
use sluice_api::{Phase, Reason, RolloutStatus};
use sluice_tests::wait::holds;
use sluice_tests::{Config, Load, Request, Sluice, eventually};

use super::{assert_share, pair};

/// Pseudo-random numbers from a seed, so that a failing run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[tokio::test]
async fn a_kill_during_a_step_leads_back_to_the_same_step() {
    let (stable, canary) = pair().await;
    let strategy = json!({ "canary": { "steps": [
        { "setWeight": 10 }, { "pause": { "duration": "100ms" } }, { "setWeight": 40 }, { "pause": {} },
    ] } });
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).strategy(strategy)).await;
    let load = Load::get(sluice.address()).rate(400).start();
    let is_second = |status: &RolloutStatus| status.reason == Reason::PauseStep && status.weight.in_force == 40.0;
    let before = sluice.until("it waits at the second step", is_second).await;
    load.stop().await.assert_no_failures();
    sluice.restart().await;
    let after = sluice.until_weight(40.0).await;
    assert_eq!((after.generation, after.step.index), (before.generation, before.step.index));
    let report = Load::get(sluice.address()).count(200).run().await;
    assert_share(&report, "v2", 40.0);
}

#[tokio::test]
async fn a_canary_that_was_released_through_the_api_survives_a_kill() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::new(&stable).held_at(30)).await;
    let released = sluice.release("v2", &canary).await;
    sluice.until_weight(30.0).await;
    sluice.restart().await;
    let status = sluice.until_weight(30.0).await;
    assert_eq!(status.generation, released.generation);
    let report = Load::get(sluice.address()).count(100).run().await;
    report.assert_no_failures();
    assert_share(&report, "v2", 30.0);
}

#[tokio::test]
async fn a_veto_outlives_a_kill_right_after_the_revert() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(50)).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_canary_got(30).await;
    canary.fails(1.0);
    let before = sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    sluice.kill().await;
    load.stop().await;
    sluice.run().await;
    let after = sluice.status().await;
    assert_eq!((after.phase, after.reason, after.generation), (Phase::Degraded, Reason::Reverted, before.generation));
    let report = Load::get(sluice.address()).count(200).run().await;
    assert_eq!(report.from("v1"), 200, "{:?}", report.by_arm());
}

#[tokio::test]
async fn kills_at_random_moments_never_bring_a_reverted_canary_back() {
    const KILLS: u32 = 16;
    let mut random = Random(0x5EED_0016);
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(50)).await;
    let mut reverted = None;
    for kill in 0..KILLS {
        let load = Load::get(sluice.address()).rate(400).count(4_000).start();
        let moment = tokio::time::Instant::now() + Duration::from_millis(random.below(250));
        // The canary goes bad in the second half of the kills, so that some come before the verdict and some after.
        canary.fails(if kill < KILLS / 2 { 0.0 } else { 1.0 });
        while tokio::time::Instant::now() < moment {
            if let Ok(status) = sluice.reader().get(sluice_tests::config::ROLLOUT).await
                && status.reason == Reason::Reverted
            {
                reverted = reverted.or(Some(status.generation));
            }
        }
        sluice.kill().await;
        drop(load);
        sluice.run().await;
        let status = sluice.status().await;
        assert_eq!(status.generation, 1, "kill {kill}: a restart begins no generation");
        if reverted.is_some() {
            assert_eq!(
                (status.reason, status.weight.wanted),
                (Reason::Reverted, 0.0),
                "kill {kill}: the veto was lost"
            );
            let report = Load::get(sluice.address()).count(50).run().await;
            assert_eq!(report.from("v1"), 50, "kill {kill}: {:?}", report.by_arm());
        } else {
            assert!(status.weight.wanted <= 50.0, "kill {kill}: a restart never raises the weight");
        }
    }
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    load.stop().await;
}

/// Starts with a state directory whose files were spoilt while nothing ran.
async fn restart_with_spoilt_state(
    spoil: impl Fn(&[u8]) -> Vec<u8>,
) -> (Sluice, sluice_tests::Backend, sluice_tests::Backend) {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(30)).await;
    sluice.until_weight(30.0).await;
    sluice.kill().await;
    let mut spoilt = 0;
    for path in state_files(&sluice) {
        let text = std::fs::read(&path).expect("a state file can be read");
        std::fs::write(&path, spoil(&text)).expect("a state file can be written");
        spoilt += 1;
    }
    assert!(spoilt > 0, "there is a state file");
    sluice.run().await;
    (sluice, stable, canary)
}

/// Everything below `stateDir` that is not the token.
fn state_files(sluice: &Sluice) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![sluice.state_dir()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("the state directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() {
                directories.push(path);
            } else if !name.contains("token") && !name.contains("lock") {
                found.push(path);
            }
        }
    }
    found
}

async fn expect_state_lost(sluice: &Sluice) {
    let status = sluice.until_is(Phase::Degraded, Reason::StateLost).await;
    assert_eq!(status.weight.in_force, 0.0);
    let report = Load::get(sluice.address()).count(100).run().await;
    assert_eq!((report.failures(), report.from("v1")), (0, 100), "stable gets everything: {:?}", report.by_arm());
    sluice.retry().await;
    sluice.until_weight(30.0).await;
}

#[tokio::test]
async fn a_corrupt_state_file_is_set_aside_and_stable_gets_everything_until_retry() {
    let (sluice, _stable, _canary) = restart_with_spoilt_state(|_| b"\x00\xff{not json".to_vec()).await;
    let kept = state_files(&sluice)
        .iter()
        .any(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x00\xff{not")));
    assert!(kept, "the corrupt file is kept for a look: {:?}", state_files(&sluice));
    expect_state_lost(&sluice).await;
}

#[tokio::test]
async fn a_truncated_state_file_is_set_aside_and_stable_gets_everything_until_retry() {
    let (sluice, _stable, _canary) = restart_with_spoilt_state(|text| text[..text.len() / 2].to_vec()).await;
    expect_state_lost(&sluice).await;
}

#[tokio::test]
async fn an_empty_state_file_is_no_fresh_start() {
    let (sluice, _stable, _canary) = restart_with_spoilt_state(|_| Vec::new()).await;
    expect_state_lost(&sluice).await;
}

#[tokio::test]
async fn a_state_file_from_the_future_is_set_aside_and_stable_gets_everything_until_retry() {
    let newer = |text: &[u8]| {
        let mut state: serde_json::Value = serde_json::from_slice(text).expect("a state file is JSON");
        state["formatVersion"] = json!(999);
        state.to_string().into_bytes()
    };
    let (sluice, _stable, _canary) = restart_with_spoilt_state(newer).await;
    expect_state_lost(&sluice).await;
}

#[tokio::test]
async fn sigterm_lets_requests_under_way_end() {
    let (stable, _canary) = pair().await;
    let mut sluice = Sluice::start(Config::new(&stable)).await;
    let address = sluice.address();
    let waiting = tokio::spawn(async move { Request::get("/wait").try_send(address).await });
    eventually("the request is under way", async || holds(stable.requests() == 1, || stable.requests().to_string()))
        .await;
    sluice.terminate();
    eventually("the proxy is no longer ready", async || {
        let ready =
            Request::get("/readyz").host(&sluice.admin_address().to_string()).try_send(sluice.admin_address()).await;
        holds(ready.as_ref().map_or(true, |response| response.status == 503), || format!("{ready:?}"))
    })
    .await;
    assert!(!waiting.is_finished(), "the request still waits");
    stable.open_gate();
    let response = waiting.await.expect("no panic").expect("a whole answer");
    assert_eq!((response.status, response.text().as_str()), (200, "waited\n"));
    assert_eq!(sluice.ended().await, Some(0));
}
