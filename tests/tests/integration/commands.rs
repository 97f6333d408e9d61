//! Which command is taken in which phase, and how a stale one is refused.

use sluice_api::client::ClientError;
use sluice_api::{AbortRequest, CommandRequest, Phase, PromoteRequest, Reason, RolloutStatus, WeightRequest};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Backend, Config, Sluice};

use super::pair;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Promote,
    PromoteFull,
    Abort,
    Retry,
    Pause,
    Resume,
    Weight,
}

async fn give(sluice: &Sluice, verb: Verb, generation: Option<u64>) -> Result<RolloutStatus, ClientError> {
    let (client, plain) = (sluice.client(), CommandRequest { generation });
    match verb {
        Verb::Promote => client.promote(ROLLOUT, &PromoteRequest { generation, full: false }).await,
        Verb::PromoteFull => client.promote(ROLLOUT, &PromoteRequest { generation, full: true }).await,
        Verb::Abort => client.abort(ROLLOUT, &AbortRequest { generation, reason: None }).await,
        Verb::Retry => client.retry(ROLLOUT, &plain).await,
        Verb::Pause => client.pause(ROLLOUT, &plain).await,
        Verb::Resume => client.resume(ROLLOUT, &plain).await,
        Verb::Weight => {
            let weight = serde_json::from_value(7.into()).expect("0 to 100");
            client.set_weight(ROLLOUT, &WeightRequest { weight, generation }).await
        }
    }
}

/// Every one of these is refused with 409 and a sentence, and nothing changes.
async fn refuses(sluice: &Sluice, verbs: &[Verb]) {
    let before = sluice.status().await;
    for &verb in verbs {
        match give(sluice, verb, None).await {
            Err(ClientError::Conflict(message)) => assert!(message.contains(' '), "{verb:?}: {message}"),
            other => panic!("{verb:?} in {:?} ({:?}): {other:?}", before.phase, before.reason),
        }
    }
    let after = sluice.status().await;
    assert_eq!(
        (after.phase, after.reason, after.generation, after.weight.wanted),
        (before.phase, before.reason, before.generation, before.weight.wanted)
    );
}

async fn takes(sluice: &Sluice, verb: Verb) -> RolloutStatus {
    give(sluice, verb, None).await.unwrap_or_else(|error| panic!("{verb:?}: {error}"))
}

#[tokio::test]
async fn without_a_canary_only_abort_is_taken() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable)).await;
    use Verb::{Pause, Promote, PromoteFull, Resume, Retry, Weight};
    refuses(&sluice, &[Promote, PromoteFull, Retry, Pause, Resume, Weight]).await;
    assert_eq!(takes(&sluice, Verb::Abort).await.phase, Phase::Healthy);
}

#[tokio::test]
async fn a_step_can_be_paused_resumed_promoted_and_aborted() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary)).await;
    sluice.until_is(Phase::Progressing, Reason::Step).await;
    refuses(&sluice, &[Verb::Retry, Verb::Resume, Verb::Weight]).await;
    let paused = takes(&sluice, Verb::Pause).await;
    assert_eq!((paused.phase, paused.reason), (Phase::Paused, Reason::ByCommand));
    assert_eq!(paused.weight.wanted, 20.0, "a pause keeps the weight");
    refuses(&sluice, &[Verb::Retry, Verb::Weight]).await;
    let resumed = takes(&sluice, Verb::Resume).await;
    assert_eq!((resumed.phase, resumed.reason), (Phase::Progressing, Reason::Step));
    assert_eq!(takes(&sluice, Verb::Promote).await.weight.wanted, 50.0);
    let aborted = takes(&sluice, Verb::Abort).await;
    assert_eq!((aborted.phase, aborted.reason, aborted.weight.wanted), (Phase::Degraded, Reason::Aborted, 0.0));
}

#[tokio::test]
async fn a_canary_that_was_taken_back_can_only_be_tried_again() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    let before = takes(&sluice, Verb::Abort).await.generation;
    refuses(&sluice, &[Verb::Promote, Verb::PromoteFull, Verb::Pause, Verb::Resume, Verb::Weight]).await;
    assert_eq!(takes(&sluice, Verb::Abort).await.phase, Phase::Degraded, "abort is taken in every phase");
    let again = takes(&sluice, Verb::Retry).await;
    assert_eq!((again.phase, again.generation), (Phase::Progressing, before + 1));
    sluice.until_weight(20.0).await;
}

#[tokio::test]
async fn the_manual_strategy_takes_weights_and_a_full_promotion() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(0)).await;
    sluice.until_is(Phase::Paused, Reason::Manual).await;
    refuses(&sluice, &[Verb::Promote, Verb::Retry, Verb::Pause, Verb::Resume]).await;
    assert_eq!(takes(&sluice, Verb::Weight).await.weight.wanted, 7.0);
    let promoted = takes(&sluice, Verb::PromoteFull).await;
    assert_eq!((promoted.phase, promoted.stable.version.as_str()), (Phase::Healthy, "v2"));
}

#[tokio::test]
async fn promote_at_100_percent_lets_the_old_version_go() {
    let (stable, canary) = pair().await;
    let strategy = serde_json::json!({ "canary": { "steps": [{ "setWeight": 50 }], "bake": "1h" } });
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).strategy(strategy)).await;
    sluice.until_weight(50.0).await;
    takes(&sluice, Verb::Promote).await;
    sluice.until_is(Phase::Progressing, Reason::Baking).await;
    assert_eq!(takes(&sluice, Verb::Promote).await.phase, Phase::Healthy);
}

#[tokio::test]
async fn a_command_for_another_generation_is_refused_whatever_it_is() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let present = sluice.until_is(Phase::Paused, Reason::PauseStep).await.generation;
    for verb in [Verb::Promote, Verb::PromoteFull, Verb::Abort, Verb::Pause, Verb::Resume] {
        for stale in [present - 1, present + 1] {
            let refused = give(&sluice, verb, Some(stale)).await;
            assert!(
                matches!(&refused, Err(ClientError::Conflict(message)) if message.contains(&stale.to_string())),
                "{verb:?}: {refused:?}"
            );
        }
    }
    assert_eq!(sluice.status().await.reason, Reason::PauseStep);
    let aborted = give(&sluice, Verb::Abort, Some(present)).await.expect("the present generation is taken");
    assert_eq!(aborted.reason, Reason::Aborted);
}
