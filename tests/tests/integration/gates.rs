//! Gates: somebody else is asked before the weight rises, and whatever does not say yes keeps it where it is.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_api::client::ServerEvent;
use sluice_api::{AbortRequest, CommandRequest, EventKind, GateState, Phase, Point, PromoteRequest, Reason};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Backend, Config, GateReceiver, Load, Request, Sluice, eventually};

use super::pair;

const EVERYWHERE: &[&str] = &["start", "raise", "promotion"];

fn gated(config: Config, gates: &[Value]) -> Config {
    config.set("/rollouts/0/gates", json!(gates))
}

/// A proxy whose only gate is asked at these points, and its load.
async fn start(stable: &Backend, canary: &Backend, gate: &GateReceiver, before: &[&str]) -> Sluice {
    Sluice::start(gated(Config::with_canary(stable, canary), &[gate.entry("window", before)])).await
}

async fn promote(sluice: &Sluice, full: bool) {
    let request = PromoteRequest { full, ..PromoteRequest::default() };
    sluice.client().promote(ROLLOUT, &request).await.expect("promote is accepted");
}

#[tokio::test]
async fn an_open_gate_is_asked_once_at_each_point_and_told_what_it_has_to_know() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::open().await;
    let sluice = start(&stable, &canary, &gate, EVERYWHERE).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    load.stop().await.assert_no_failures();

    let questions = gate.questions();
    let asked: Vec<_> =
        questions.iter().map(|q| (q["point"].as_str().unwrap(), q["nextWeight"].as_f64().unwrap())).collect();
    assert_eq!(asked, [("start", 20.0), ("raise", 50.0), ("promotion", 100.0)]);
    let last = &questions[2];
    for (key, value) in [
        ("gate", json!("window")),
        ("rollout", json!(ROLLOUT)),
        ("generation", json!(1)),
        ("version", json!("v2")),
        ("stable", json!("v1")),
        ("weight", json!(50.0)),
        ("step", json!(2)),
        ("steps", json!(3)),
    ] {
        assert_eq!(last[key], value, "{key} of {last}");
    }
    assert!(last["evidence"]["canary"]["requests"].as_u64().unwrap() > 0, "{last}");
    assert_eq!(last["evidence"]["metrics"][0]["metric"], "failures");
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_gate_answers_total", &[("gate", "window"), ("result", "open")]), 3.0);
    assert!(
        gate.seen().iter().all(|seen| seen.head.word(0) == "POST" && seen.head.field("x-sluice-signature").is_none())
    );
}

#[tokio::test]
async fn a_gate_that_is_closed_at_the_start_keeps_every_request_from_the_canary() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("frozen until Monday").await;
    let sluice = start(&stable, &canary, &gate, &["start"]).await;
    let status = sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    assert!(
        status.message.contains("gate window is closed") && status.message.contains("frozen until Monday"),
        "{}",
        status.message
    );
    let report = Load::get(sluice.address()).count(300).run().await;
    gate.until_asked_again(3).await;
    assert_eq!((report.from("v1"), canary.requests()), (300, 0));

    let shown = sluice.cli(&["get", ROLLOUT]).await.stdout;
    assert!(shown.contains("Paused · WaitingForGate") && shown.contains("frozen until Monday"), "{shown}");
    for text in [shown, sluice.log(), json!(sluice.status().await).to_string()] {
        assert!(!text.contains("SECRET"), "{text}");
    }

    gate.reopen();
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    load.stop().await.assert_no_failures();
    assert_eq!(sluice.status().await.generation, 1);
}

#[tokio::test]
async fn while_a_gate_holds_a_raise_a_failing_canary_is_taken_back() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("not now").await;
    let sluice = start(&stable, &canary, &gate, &["raise"]).await;
    let load = Load::get(sluice.address()).rate(300).start();
    let status = sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    gate.until_asked_again(5).await;
    let before = sluice.status().await;
    assert_eq!((before.weight.in_force, before.step.index), (20.0, 1));
    assert_eq!(before.step.elapsed_seconds, status.step.elapsed_seconds, "the step's time stands");
    assert!(before.canary.unwrap().requests > status.canary.unwrap().requests, "evidence goes on");
    let state = &before.gates[0];
    assert_eq!(
        (state.state, state.point, state.message.as_deref()),
        (GateState::Closed, Some(Point::Raise), Some("not now"))
    );
    assert!(
        before.waiting_for.iter().any(|wait| wait.contains("the gate window is closed")),
        "{:?}",
        before.waiting_for
    );

    canary.fails(1.0);
    let status = sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    assert_eq!(status.weight.in_force, 0.0);
    assert_eq!(status.gates[0].state, GateState::Idle, "nobody is asked any more");
    load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn a_gate_before_promotion_holds_at_the_highest_weight_below_100() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("QA has not signed").await;
    let sluice = start(&stable, &canary, &gate, &["promotion"]).await;
    let load = Load::get(sluice.address()).rate(300).start();
    let status = sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    assert_eq!((status.weight.in_force, status.gates[0].point), (50.0, Some(Point::Promotion)));
    gate.until_asked_again(5).await;
    assert_eq!(sluice.status().await.weight.in_force, 50.0);
    gate.reopen();
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    load.stop().await.assert_no_failures();
}

/// A second rollout without gates beside the first, reached by the host `other.example`.
fn with_neighbour(config: Config, stable: &Backend, canary: &Backend) -> Config {
    let strategy =
        json!({ "canary": { "steps": [{ "setWeight": 50 }, { "pause": { "duration": "1s" } }], "bake": "1s" } });
    config
        .set(
            "/rollouts/-",
            json!({
                "name": "other",
                "stable": { "version": "v1", "endpoints": [stable.endpoint()] },
                "canary": { "version": "v2", "endpoints": [canary.endpoint()] },
                "strategy": strategy,
                "analysis": { "successRate": { "min": "90%" }, "minStepRequests": 20 },
            }),
        )
        .set("/routes", json!([{ "hosts": ["other.example"], "rollout": "other" }, { "rollout": ROLLOUT }]))
}

/// Whatever is wrong with the gate, it is closed, says why, and nobody else notices.
async fn a_broken_gate_is_closed(spoil: impl AsyncFnOnce(&mut GateReceiver), why: &str) {
    let (stable, canary) = pair().await;
    let neighbours = pair().await;
    let mut gate = GateReceiver::open().await;
    spoil(&mut gate).await;
    let config = gated(Config::with_canary(&stable, &canary), &[gate.entry("window", &["raise"])]);
    let sluice = Sluice::start(with_neighbour(config, &neighbours.0, &neighbours.1)).await;
    let load = Load::get(sluice.address()).rate(200).start();
    let other = Load::of(sluice.address(), |_| Request::get("/").host("other.example")).rate(200).start();

    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    // On a busy machine the first answer may be late.
    sluice.until("it says why", |status| status.message.contains(why)).await;
    eventually("the other rollout goes its way", async || {
        let status = sluice.reader().get("other").await.map_err(|error| error.to_string())?;
        if status.reason == Reason::Completed { Ok(()) } else { Err(format!("{:?}", status.reason)) }
    })
    .await;
    other.stop().await.assert_no_failures();
    assert_eq!(sluice.status().await.weight.in_force, 20.0);
    assert!(
        sluice.metrics().await.sum("sluice_gate_answers_total", &[("rollout", ROLLOUT), ("result", "failed")]) > 0.0
    );

    canary.fails(1.0);
    let status = sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    assert!(status.revert.unwrap().failed_requests < 60, "no revert waits for a gate: {:?}", status.revert);
    load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn a_gate_that_is_dead_is_closed() {
    a_broken_gate_is_closed(async |gate| gate.die().await, "connected").await;
}

#[tokio::test]
async fn a_gate_that_takes_30_seconds_is_closed_and_delays_nobody() {
    a_broken_gate_is_closed(async |gate| gate.delays(Duration::from_secs(30)), "no whole answer within 1s").await;
}

#[tokio::test]
async fn a_gate_that_answers_500_is_closed() {
    a_broken_gate_is_closed(async |gate| gate.answers(500), "it answers 500").await;
}

#[tokio::test]
async fn a_gate_that_redirects_is_closed() {
    a_broken_gate_is_closed(async |gate| gate.answers(302), "a redirect, which is not followed").await;
}

#[tokio::test]
async fn abort_works_while_a_gate_is_closed_and_a_plain_promote_does_not_pass_it() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("no").await;
    let config = Config::with_canary(&stable, &canary).held_at(20);
    let sluice = Sluice::start(gated(config, &[gate.entry("window", &["raise"])])).await;
    sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    assert_eq!(gate.asked(), 0, "a person comes first");
    promote(&sluice, false).await;
    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    gate.until_asked_again(3).await;
    assert_eq!(sluice.status().await.weight.in_force, 20.0);
    sluice.client().abort(ROLLOUT, &AbortRequest::default()).await.expect("abort is accepted");
    let status = sluice.until_is(Phase::Degraded, Reason::Aborted).await;
    assert_eq!(status.weight.in_force, 0.0);
}

#[tokio::test]
async fn a_restart_asks_anew_and_leaves_the_weight_where_it_is() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("no").await;
    let mut sluice = start(&stable, &canary, &gate, &["raise"]).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    sluice.kill().await;
    let asked = gate.asked();
    sluice.run().await;
    let status = sluice.status().await;
    assert_eq!((status.weight.wanted, status.generation), (20.0, 1));
    drop(load);
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    assert!(gate.asked() > asked);
    assert_eq!(sluice.status().await.weight.in_force, 20.0);
    gate.reopen();
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn a_reload_without_the_gate_lets_the_raise_go_and_begins_nothing_anew() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("no").await;
    let mut sluice = start(&stable, &canary, &gate, EVERYWHERE).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    sluice.reload(|config| config.without("/rollouts/0/gates")).await;
    let status = sluice.until_is(Phase::Healthy, Reason::Completed).await;
    assert_eq!(status.generation, 1);
    load.stop().await.assert_no_failures();
}

#[tokio::test]
async fn promote_full_passes_a_closed_gate_and_its_event_says_so() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("no").await;
    let sluice = start(&stable, &canary, &gate, EVERYWHERE).await;
    let mut events = sluice.reader().events(ROLLOUT).await.expect("events can be listened to");
    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    promote(&sluice, true).await;
    let step = loop {
        match events.next().await.expect("events go on") {
            Some(ServerEvent::Decision(decision)) if decision.event.kind == EventKind::Step => break decision.event,
            _ => {}
        }
    };
    assert_eq!(step.weight.percent(), 100.0);
    assert!(step.message.ends_with("and no gate was asked"), "{}", step.message);
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
}

#[tokio::test]
async fn a_pause_by_hand_asks_nobody_until_it_is_resumed() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("no").await;
    let sluice = start(&stable, &canary, &gate, &["start"]).await;
    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    sluice.client().pause(ROLLOUT, &CommandRequest::default()).await.expect("pause is accepted");
    let status = sluice.until_is(Phase::Paused, Reason::ByCommand).await;
    assert_eq!(status.gates[0].state, GateState::Idle);
    sluice.client().resume(ROLLOUT, &CommandRequest::default()).await.expect("resume is accepted");
    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
}

#[tokio::test]
async fn a_question_is_signed_with_the_secret_as_it_stands_in_its_file_now() {
    let (stable, canary) = pair().await;
    let gate = GateReceiver::closed("no").await;
    let mut entry = gate.entry("window", &["start"]);
    entry["webhook"]["secretFile"] = json!("key");
    let mut sluice = Sluice::prepare(gated(Config::with_canary(&stable, &canary), &[entry]));
    let key = sluice.directory().join("key");
    std::fs::write(&key, "first\n").expect("the key can be written");
    sluice.run().await;
    sluice.until_is(Phase::Paused, Reason::WaitingForGate).await;
    assert!(is_signed(&gate, "first"));
    std::fs::write(&key, "second\n").expect("the key can be written");
    gate.until_asked_again(3).await;
    assert!(is_signed(&gate, "second"));
    assert!(!sluice.log().contains("second"));

    std::fs::remove_file(&key).expect("the key was there");
    sluice.until("the gate could not be asked", |status| status.message.contains("can't be read")).await;
}

/// Whether the newest question carries the signature that this key gives.
fn is_signed(gate: &GateReceiver, key: &str) -> bool {
    let seen = gate.seen().pop().expect("it was asked");
    let value = seen.head.field("x-sluice-signature").expect("a signature").to_owned();
    let (time, signature) = value.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).expect("two parts");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    let signed = [time.as_bytes(), b".", &seen.body].concat();
    let hex: String = ring::hmac::sign(&key, &signed).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex == signature
}
