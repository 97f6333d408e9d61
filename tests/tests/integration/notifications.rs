//! Notifications to a real receiver: in order, once, over restarts, and never in the way of anything.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sluice_api::{NotificationStatus, Phase, Reason};
use sluice_tests::sluice::check;
use sluice_tests::wait::holds;
use sluice_tests::{Authority, Backend, Config, Load, Receiver, Request, Sluice, binaries, eventually};

use super::pair;

const SECRET: &str = "s3cr3t-of-the-tests";

/// A rollout with these destinations; `files` stand beside the configuration.
async fn start(config: Config, destinations: Value, files: &[(&str, &str)]) -> Sluice {
    let mut sluice = Sluice::prepare(config.set("/notifications", destinations));
    for (name, content) in files {
        std::fs::write(sluice.directory().join(name), content).expect("a file");
    }
    sluice.run().await;
    sluice
}

/// What a release that is taken back always tells. Before that the judge may rightly hold or pause for a moment.
const CERTAIN: [&str; 3] = ["started", "step", "reverted"];

/// A destination that is told everything.
fn every(receiver: &Receiver) -> Value {
    json!([{ "webhook": { "url": receiver.url("/hook") } }])
}

/// A destination that is told what is [`CERTAIN`].
fn hook(receiver: &Receiver) -> Value {
    json!([{ "webhook": { "url": receiver.url("/hook") }, "on": CERTAIN }])
}

async fn destination(sluice: &Sluice, name: &str) -> Result<NotificationStatus, String> {
    let list = sluice.reader().list().await.map_err(|error| error.to_string())?;
    list.server.notifications.into_iter().find(|known| known.name == name).ok_or_else(|| format!("no {name}"))
}

async fn until_waiting(sluice: &Sluice, name: &str, pending: u64) -> NotificationStatus {
    eventually("notices wait", async || {
        let status = destination(sluice, name).await?;
        if status.pending == pending { Ok(status) } else { Err(format!("{status:?}")) }
    })
    .await
}

/// A canary that fails everything from its first request until it is taken back.
async fn revert(sluice: &Sluice, canary: &Backend) {
    canary.fails(1.0);
    let load = Load::get(sluice.address()).rate(300).start();
    let status = sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    assert_eq!(status.weight.in_force, 0.0);
    load.stop().await;
}

fn assert_once_and_in_order(notices: &[Value]) {
    let numbers: Vec<u64> = notices.iter().filter_map(|notice| notice["sequence"].as_u64()).collect();
    assert_eq!(numbers.len(), notices.len());
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[tokio::test]
async fn a_whole_rollout_is_told_once_and_in_order() {
    let (stable, canary) = pair().await;
    let (all, ends) = (Receiver::start().await, Receiver::start().await);
    let destinations = json!([
        { "webhook": { "url": all.url("/all") } },
        { "name": "ends", "webhook": { "url": ends.url("/ends") }, "on": ["completed", "reverted"], "template": "{rollout} is {version}" },
    ]);
    let sluice = start(Config::with_canary(&stable, &canary), destinations, &[]).await;
    let load = Load::get(sluice.address()).rate(400).start();
    sluice.until_is(Phase::Healthy, Reason::Completed).await;
    load.stop().await.assert_no_failures();
    let notices = all.until_kinds(&["started", "step", "step", "step", "completed"]).await;
    assert_once_and_in_order(&notices);
    let weights: Vec<_> = notices.iter().map(|notice| notice["weight"].as_f64().unwrap_or(-1.0)).collect();
    assert_eq!(weights[..4], [0.0, 20.0, 50.0, 100.0]);
    assert!(notices.iter().all(|notice| notice["rollout"] == "shop" && notice["version"] == "v2"), "{notices:?}");
    assert_eq!(ends.until_kinds(&["completed"]).await[0]["text"], "shop is v2");
    let delivered = [("destination", "webhook"), ("result", "delivered")];
    assert_eq!(sluice.metrics().await.sum("sluice_notifications_total", &delivered), 5.0);
    let status = destination(&sluice, "webhook").await.expect("it is shown");
    assert!(status.pending == 0 && status.last_error.is_none() && status.last_delivered_at_ms.is_some(), "{status:?}");
}

#[tokio::test]
async fn a_revert_tells_its_cause_and_its_evidence() {
    let (stable, canary) = pair().await;
    let receiver = Receiver::start().await;
    let sluice = start(Config::with_canary(&stable, &canary).held_for(50, "10m"), hook(&receiver), &[]).await;
    revert(&sluice, &canary).await;
    let notices = receiver.until_kinds(&CERTAIN).await;
    let (verdict, took) = (&notices[2]["verdict"], &notices[2]["revert"]);
    assert!(notices[2]["message"].as_str().is_some_and(|text| text.contains("canary requests failed")), "{notices:?}");
    assert!(
        verdict["x"].as_u64() >= Some(1) && verdict["abs"].as_f64() >= verdict["absThreshold"].as_f64(),
        "{verdict}"
    );
    assert!(took["failedRequests"].as_u64() >= Some(1), "{took}");
    assert!(notices[2]["evidence"].as_str().is_some_and(|text| text.contains("to weight 0")), "{notices:?}");
}

#[tokio::test]
async fn a_pause_says_what_it_waits_for_and_commands_are_told() {
    let (stable, canary) = pair().await;
    let receiver = Receiver::start().await;
    let sluice = start(Config::with_canary(&stable, &canary).held_at(30), every(&receiver), &[]).await;
    let load = Load::get(sluice.address()).rate(400).start();
    sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    load.stop().await;
    let notices = receiver.until_kinds(&["started", "step", "paused"]).await;
    assert_eq!(notices[2]["message"], "the plan waits here for a person: resume or promote");
    sluice.cli(&["abort", "shop", "--reason", "lunch"]).await.assert_code(0);
    let notices = receiver.until_kinds(&["started", "step", "paused", "aborted"]).await;
    assert!(notices[3]["message"].as_str().is_some_and(|text| text.contains("lunch")), "{notices:?}");
}

#[tokio::test]
async fn what_a_receiver_missed_while_it_was_down_comes_in_order_when_it_is_back() {
    let (stable, canary) = pair().await;
    let mut receiver = Receiver::down();
    let sluice = start(Config::with_canary(&stable, &canary).held_for(50, "10m"), hook(&receiver), &[]).await;
    revert(&sluice, &canary).await;
    let status = until_waiting(&sluice, "webhook", 3).await;
    assert!(status.last_error.is_some_and(|error| error.contains("connected")), "it says why");
    receiver.reopen().await;
    assert_once_and_in_order(&receiver.until_kinds(&CERTAIN).await);
}

#[tokio::test]
async fn a_receiver_that_never_answers_delays_neither_a_revert_nor_another_receiver() {
    let (stable, canary) = pair().await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.hold();
    let destinations = json!([
        { "name": "slow", "webhook": { "url": slow.url("/") } }, { "name": "quick", "webhook": { "url": quick.url("/") }, "on": CERTAIN },
    ]);
    let mut sluice = start(Config::with_canary(&stable, &canary).held_for(50, "10m"), destinations, &[]).await;
    revert(&sluice, &canary).await;
    quick.until_kinds(&CERTAIN).await;
    assert_eq!((slow.posted().len(), slow.taken().len()), (1, 0), "it still holds the first");
    sluice.reload(|config| config.held_for(40, "10m")).await;
    sluice.terminate();
    assert_eq!(sluice.ended().await, Some(0));
}

#[tokio::test]
async fn what_failed_is_sent_again_and_what_is_refused_is_not() {
    let (stable, canary) = pair().await;
    let (failing, refusing) = (Receiver::start().await, Receiver::start().await);
    failing.answers(500, "");
    refusing.answers(404, "");
    let destinations = json!([
        { "name": "failing", "webhook": { "url": failing.url("/") } },
        { "name": "refusing", "webhook": { "url": refusing.url("/SECRET") } },
    ]);
    let sluice = start(Config::with_canary(&stable, &canary).held_for(50, "10m"), destinations, &[]).await;
    eventually("it is tried again", async || holds(failing.posted().len() >= 2, || failing.posted().len().to_string()))
        .await;
    failing.answers(204, "");
    assert_once_and_in_order(&failing.until_kinds(&["started", "step"]).await);
    until_waiting(&sluice, "refusing", 0).await;
    let count = |metrics: &sluice_tests::Metrics, destination, result| {
        metrics.sum("sluice_notifications_total", &[("destination", destination), ("result", result)])
    };
    let metrics = sluice.metrics().await;
    assert_eq!((count(&metrics, "refusing", "refused"), refusing.posted().len()), (2.0, 2));
    assert!(count(&metrics, "failing", "failed") >= 2.0 && count(&metrics, "failing", "delivered") == 2.0);
    assert!(sluice.log().contains("it answers 404") && !sluice.log().contains("/SECRET"), "{}", sluice.log());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (stable, canary) = pair().await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.answers(307, &format!("location: {}\r\n", elsewhere.url("/SECRET")));
    let sluice = start(Config::with_canary(&stable, &canary), hook(&receiver), &[]).await;
    until_waiting(&sluice, "webhook", 0).await;
    let status = destination(&sluice, "webhook").await.expect("it is shown");
    assert!(status.last_error.is_some_and(|error| error.contains("redirect")), "it says why");
    assert!(elsewhere.posted().is_empty() && !receiver.posted().is_empty());
    assert!(!sluice.log().contains("SECRET"));
}

#[tokio::test]
async fn tls_of_a_private_authority_is_trusted_if_configured_and_a_wrong_name_never_is() {
    let (stable, canary) = pair().await;
    let (right, wrong) = (Authority::for_name("127.0.0.1"), Authority::for_name("hooks.example"));
    let good = Receiver::with_tls(right.clone()).await;
    let unknown = Receiver::with_tls(right.clone()).await;
    let misnamed = Receiver::with_tls(wrong.clone()).await;
    let destinations = json!([
        { "name": "good", "webhook": { "url": good.url("/"), "caFile": "right.pem" } },
        { "name": "unknown", "webhook": { "url": unknown.url("/") } },
        { "name": "misnamed", "webhook": { "url": misnamed.url("/"), "caFile": "wrong.pem" } },
    ]);
    let files = [("right.pem", right.pem.as_str()), ("wrong.pem", wrong.pem.as_str())];
    let sluice = start(Config::with_canary(&stable, &canary).held_for(50, "10m"), destinations, &files).await;
    good.until_kinds(&["started", "step"]).await;
    for (name, receiver, why) in [("unknown", unknown, "UnknownIssuer"), ("misnamed", misnamed, "not valid for name")] {
        eventually("it is refused", async || {
            let error = destination(&sluice, name).await?.last_error.unwrap_or_default();
            if error.contains("TLS is refused") && error.contains(why) { Ok(()) } else { Err(error) }
        })
        .await;
        assert!(receiver.posted().is_empty(), "{name}: nothing was sent");
    }
}

#[tokio::test]
async fn link_local_receivers_are_refused_in_the_file_and_at_the_look_up() {
    let (stable, canary) = pair().await;
    let literal = json!([{ "webhook": { "url": "http://169.254.169.254/SECRET" } }]);
    let sluice = Sluice::prepare(Config::new(&stable).set("/notifications", literal));
    let refused = check(&sluice.config_path()).await;
    refused.assert_code(1);
    assert!(refused.stderr.contains("169.254.169.254 is refused"), "{}", refused.stderr);
    // The same address in a notation that only the system's resolver knows.
    let hidden = json!([{ "webhook": { "url": "http://2852039166/" } }]);
    let sluice = start(Config::with_canary(&stable, &canary), hidden, &[]).await;
    eventually("it is refused", async || {
        let error = destination(&sluice, "webhook").await?.last_error.unwrap_or_default();
        holds(error.contains("169.254.169.254 is refused"), || error.clone())
    })
    .await;
}

#[tokio::test]
async fn what_was_decided_and_not_delivered_before_a_kill_is_told_once_after_it() {
    let (stable, canary) = pair().await;
    let mut receiver = Receiver::down();
    let mut sluice = start(Config::with_canary(&stable, &canary).held_for(50, "10m"), hook(&receiver), &[]).await;
    revert(&sluice, &canary).await;
    until_waiting(&sluice, "webhook", 3).await;
    sluice.kill().await;
    receiver.reopen().await;
    sluice.run().await;
    receiver.until_kinds(&CERTAIN).await;
    until_waiting(&sluice, "webhook", 0).await;
    let positions = sluice.state_dir().join("notifications.json");
    let last = receiver.taken()[2].json()["sequence"].to_string();
    eventually("what was delivered is noted", async || {
        let text = std::fs::read_to_string(&positions).unwrap_or_default();
        holds(text.contains(&last), || text.clone())
    })
    .await;
    // Nothing is told twice, and what comes next comes after it.
    sluice.restart().await;
    canary.recovers();
    sluice.retry().await;
    let notices = receiver.until_kinds(&["started", "step", "reverted", "started", "step"]).await;
    assert_once_and_in_order(&notices);
}

#[tokio::test]
async fn kills_in_the_middle_lose_nothing_and_change_no_id() {
    const KILLS: usize = 6;
    let (stable, canary) = pair().await;
    let receiver = Receiver::start().await;
    let config = Config::with_canary(&stable, &canary).held_for(50, "10m");
    let mut sluice = start(config, every(&receiver), &[]).await;
    for kill in 0..KILLS {
        // Answered when the decision is stored; whether it is told by then is left to chance.
        if kill % 2 == 0 {
            drop(sluice.cli(&["abort", "shop"]).await)
        } else {
            drop(sluice.retry().await)
        }
        sluice.restart().await;
    }
    let mut expected = vec!["started", "step"];
    (0..KILLS)
        .for_each(|kill| expected.extend(if kill % 2 == 0 { ["aborted"].as_slice() } else { &["started", "step"] }));
    eventually("everything is told", async || {
        let mut notices: Vec<Value> = receiver.taken().iter().map(|posted| posted.json()).collect();
        // At a kill between answer and note a receiver hears again what it has, which the id shows.
        let mut known = HashSet::new();
        notices.retain(|notice| known.insert(notice["id"].to_string()));
        let kinds: Vec<_> =
            notices.iter().map(|notice| notice["kind"].as_str().unwrap_or_default().to_owned()).collect();
        let is_in_order = notices.is_sorted_by(|a, b| a["sequence"].as_u64() < b["sequence"].as_u64());
        holds(kinds == expected && is_in_order, || format!("{kinds:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_refused_configuration_is_told() {
    let (stable, _canary) = pair().await;
    let receiver = Receiver::start().await;
    let sluice = start(Config::new(&stable), every(&receiver), &[]).await;
    sluice.write_config_text("listeners: []\n");
    sluice.hang_up();
    let told = eventually("it is told", async || {
        let taken = receiver.taken();
        taken.first().map(|posted| posted.json()).ok_or_else(|| "nothing".to_owned())
    })
    .await;
    assert_eq!(told["kind"], "configurationRefused");
    assert!(told["message"].as_str().is_some_and(|text| text.contains("listeners")) && told.get("rollout").is_none());
}

#[tokio::test]
async fn secrets_are_in_what_is_sent_and_nowhere_else() {
    let (stable, canary) = pair().await;
    let receivers =
        [Receiver::start().await, Receiver::start().await, Receiver::start().await, Receiver::start().await];
    let [slack, teams, pager, webhook] = &receivers;
    slack.answers(500, "");
    teams.answers(403, "");
    let target = format!("/{SECRET}?key={SECRET}");
    let destinations = json!([
        { "slack": { "webhookUrlFile": "slack" } },
        { "teams": { "webhookUrlFile": "teams" }, "on": CERTAIN },
        { "pagerduty": { "routingKeyFile": "secret", "url": pager.url("/v2/enqueue") }, "on": CERTAIN },
        { "webhook": { "urlFile": "hook", "secretFile": "secret", "authorizationFile": "secret" }, "on": CERTAIN },
    ]);
    let urls = [slack.url(&target), teams.url(&target), webhook.url(&target)];
    let files = [("slack", urls[0].as_str()), ("teams", &urls[1]), ("hook", &urls[2]), ("secret", SECRET)];
    let sluice = start(Config::with_canary(&stable, &canary).held_for(50, "10m"), destinations, &files).await;
    revert(&sluice, &canary).await;
    webhook.until_kinds(&CERTAIN).await;
    eventually("each has heard", async || {
        let counts: Vec<usize> = receivers.iter().map(|receiver| receiver.posted().len()).collect();
        holds(counts[0] >= 2 && counts[1] == 3 && counts[2] == 2, || format!("{counts:?}"))
    })
    .await;
    assert_eq!(webhook.posted()[0].header("authorization"), Some(SECRET));
    let events: Vec<Value> = pager.posted().iter().map(|posted| posted.json()).collect();
    assert_eq!((&events[0]["event_action"], &events[1]["event_action"]), (&json!("resolve"), &json!("trigger")));
    assert_eq!((&events[1]["routing_key"], &events[1]["dedup_key"]), (&json!(SECRET), &json!("sluice/shop")));
    assert_eq!(slack.posted()[0].json()["blocks"][0]["type"], "header");
    let mut shown = sluice.log();
    for path in ["/metrics", "/v1/rollouts", "/v1/rollouts/shop", "/v1/rollouts/shop/history", "/"] {
        let admin = sluice.admin_address();
        shown += &Request::get(path).host(&admin.to_string()).send(admin).await.text();
    }
    for file in ["rollouts.json", "notifications.json"] {
        shown += &std::fs::read_to_string(sluice.state_dir().join(file)).expect("a state file");
    }
    assert!(shown.contains("sluice_notifications_total") && shown.contains("it answers 500"));
    assert!(!shown.contains(SECRET), "a secret is shown");
}

/// The example of the documentation, in the words of the documentation.
fn python_example() -> String {
    let page = std::fs::read_to_string(binaries::repository().join("docs/notifications.md")).expect("the page");
    let begin = page.split("```python\n").nth(1).expect("an example");
    begin.split("```").next().expect("its end").to_owned()
}

fn is_genuine(directory: &Path, secret: &str, signature: &str, body: &str) -> Option<bool> {
    let file = directory.join("receiver.py");
    let call =
        "import sys\nprint(is_genuine(*[text.encode() if i != 1 else text for i, text in enumerate(sys.argv[1:])]))\n";
    std::fs::write(&file, python_example() + call).expect("a file");
    let ran = Command::new("python3").arg(&file).args([secret, signature, body]).output().ok()?;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8_lossy(&ran.stdout).trim() == "True")
}

#[tokio::test]
async fn a_signature_is_verified_by_the_documentation_s_example_and_a_rotated_secret_counts_at_once() {
    let (stable, canary) = pair().await;
    let receiver = Receiver::start().await;
    let destinations = json!([{ "webhook": { "url": receiver.url("/"), "secretFile": "secret" } }]);
    let sluice =
        start(Config::with_canary(&stable, &canary).held_for(50, "10m"), destinations, &[("secret", SECRET)]).await;
    receiver.until_kinds(&["started", "step"]).await;
    std::fs::write(sluice.directory().join("secret"), "another\n").expect("a file");
    sluice.cli(&["abort", "shop"]).await.assert_code(0);
    receiver.until_kinds(&["started", "step", "aborted"]).await;
    for (posted, secret) in receiver.taken().iter().zip([SECRET, SECRET, "another"]) {
        assert_eq!(posted.header("x-sluice-delivery"), posted.json()["id"].as_str());
        assert_eq!(posted.header("x-sluice-event"), posted.json()["kind"].as_str());
        let signature = posted.header("x-sluice-signature").expect("a signature");
        let Some(genuine) = is_genuine(sluice.directory(), secret, signature, &posted.body) else {
            eprintln!("skipped: there is no python3 to run the documentation's example");
            return;
        };
        assert!(genuine, "{signature}");
        let forged = posted.body.replace("shop", "shoe");
        assert_eq!(is_genuine(sluice.directory(), secret, signature, &forged), Some(false));
        assert_eq!(is_genuine(sluice.directory(), "wrong", signature, &posted.body), Some(false));
    }
}

#[tokio::test]
async fn a_destination_can_be_tried_from_the_command_line() {
    let (stable, _canary) = pair().await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answers(403, "");
    let destinations = json!([
        { "name": "good", "webhook": { "url": good.url("/") }, "on": ["reverted"] },
        { "name": "bad", "webhook": { "url": bad.url("/") } },
    ]);
    let sluice = start(Config::new(&stable), destinations, &[]).await;
    let done = sluice.cli(&["notify", "test", "good"]).await;
    done.assert_code(0);
    assert_eq!((done.stdout.trim(), good.posted().len()), ("good: delivered", 1));
    let refused = sluice.cli(&["notify", "test", "bad"]).await;
    assert!(refused.code != Some(0) && refused.stderr.contains("it answers 403"), "{refused:?}");
    let unknown = sluice.cli(&["notify", "test", "none"]).await;
    assert!(unknown.code != Some(0) && unknown.stderr.contains("no notification destination"), "{unknown:?}");
}
