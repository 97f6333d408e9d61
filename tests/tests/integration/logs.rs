//! The access log: what is in its lines, where they go, and that nothing waits for them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Config, Load, Request, Sluice, Wire, eventually};

use super::pair;

/// The lines of a log, parsed, once there are so many.
async fn lines(path: &Path, count: usize) -> Vec<Value> {
    eventually(&format!("{count} lines"), async || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.len() >= count { Ok(lines) } else { Err(text) }
    })
    .await
}

fn logging(config: Config, settings: Value) -> Config {
    config.set("/accessLog", settings)
}

#[tokio::test]
async fn a_line_says_what_became_of_a_request_and_no_secret() {
    let (stable, canary) = pair().await;
    let routes = json!([{ "hosts": ["shop.example"], "rollout": "shop" }]);
    let config = logging(Config::with_canary(&stable, &canary).manual(100), json!({ "path": "access.log" }));
    // Lines of one worker are in the order in which its requests ended.
    let sluice = Sluice::start(config.set("/routes", routes).set("/workers", json!(1))).await;
    sluice.until_weight(100.0).await;
    let log = sluice.directory().join("access.log");
    let request = || Request::post("/cart?id=7", "four").host("shop.example");
    let sent = request()
        .field("User-Agent", "a\"b\\")
        .field("Referer", "http://shop.example/")
        .field("X-Request-Id", "id-1")
        .field("Authorization", "Bearer hush")
        .field("Cookie", "session=hush")
        .field("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    sent.send(sluice.address()).await;
    let line = lines(&log, 1).await.remove(0);
    for (key, value) in [
        ("requestId", json!("id-1")),
        ("client", json!("127.0.0.1")),
        ("method", json!("POST")),
        ("host", json!("shop.example")),
        ("target", json!("/cart?id=7")),
        ("protocol", json!("HTTP/1.1")),
        ("status", json!(200)),
        ("bytesIn", json!(4)),
        ("rollout", json!("shop")),
        ("arm", json!("canary")),
        ("version", json!("v2")),
        ("reason", json!("drawn")),
        ("endpoint", json!(canary.endpoint())),
        ("traceId", json!("0af7651916cd43dd8448eb211c80319c")),
        ("userAgent", json!("a\"b\\")),
        ("referer", json!("http://shop.example/")),
    ] {
        assert_eq!(line[key], value, "{key} of {line}");
    }
    assert!(line["bytesOut"].as_u64() > Some(0) && line["durationMs"].as_f64() > Some(0.0), "{line}");
    assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')) && line["upstreamMs"].is_f64(), "{line}");
    assert!(!std::fs::read_to_string(&log).unwrap_or_default().contains("hush"), "no secret of a client is written");

    canary.fails(1.0);
    Request::get("/read").host("shop.example").send(sluice.address()).await;
    request().send(sluice.address()).await;
    Request::get("/lost").host("elsewhere.example").send(sluice.address()).await;
    let lines = lines(&log, 4).await;
    assert_eq!(
        (&lines[1]["status"], &lines[1]["shielded"], &lines[1]["failure"]),
        (&json!(200), &json!(true), &json!("status"))
    );
    assert_eq!((&lines[1]["arm"], &lines[1]["endpoint"]), (&json!("canary"), &json!(stable.endpoint())));
    assert_eq!(lines[1]["requestId"].as_str().map(str::len), Some(32), "our own identifier");
    assert_eq!((&lines[2]["status"], &lines[2]["failure"]), (&json!(500), &json!("status")));
    assert_eq!(
        (&lines[3]["status"], &lines[3]["failure"], &lines[3]["rollout"]),
        (&json!(404), &json!("no_route"), &Value::Null)
    );
}

#[tokio::test]
async fn a_client_that_leaves_is_logged_as_such() {
    let (stable, canary) = pair().await;
    let config = logging(Config::with_canary(&stable, &canary).manual(0), json!({ "path": "access.log" }));
    let sluice = Sluice::start(config).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("it accepts");
    wire.write(&Request::get("/wait").to_bytes()).await.expect("it reads");
    eventually("the backend is asked", async || holds(stable.requests() > 0, || "not yet".to_owned())).await;
    drop(wire);
    let line = lines(&sluice.directory().join("access.log"), 1).await.remove(0);
    assert_eq!(
        (&line["status"], &line["failure"], &line["target"]),
        (&json!(499), &json!("client_gone"), &json!("/wait"))
    );
}

#[tokio::test]
async fn of_a_sample_of_none_only_failures_are_logged() {
    let (stable, canary) = pair().await;
    let settings = json!({ "path": "access.log", "format": "combined", "sample": 0.0 });
    let sluice = Sluice::start(logging(Config::with_canary(&stable, &canary).manual(0), settings)).await;
    for status in [200, 404, 503] {
        stable.answers(sluice_tests::backend::Answer::Status(status), 1.0);
        Request::get(&format!("/{status}")).send(sluice.address()).await;
    }
    let text = eventually("a line", async || {
        let text = std::fs::read_to_string(sluice.directory().join("access.log")).unwrap_or_default();
        if text.ends_with('\n') { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(text.starts_with("127.0.0.1 - - [") && text.contains("\"GET /503 HTTP/1.1\" 503 "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[tokio::test]
async fn a_renamed_log_is_begun_anew_upon_a_signal_and_without_one() {
    let (stable, canary) = pair().await;
    let config = logging(Config::with_canary(&stable, &canary).manual(0), json!({ "path": "access.log" }));
    let sluice = Sluice::start(config).await;
    let log = sluice.directory().join("access.log");
    for (round, is_told) in [(1, true), (2, false)] {
        Request::get("/before").send(sluice.address()).await;
        lines(&log, 1).await;
        std::fs::rename(&log, sluice.directory().join(format!("access.log.{round}"))).expect("it can be renamed");
        if is_told {
            sluice.hang_up();
        }
        eventually("a new file", async || holds(log.exists(), || "none".to_owned())).await;
        Request::get("/after").send(sluice.address()).await;
        assert_eq!(lines(&log, 1).await[0]["target"], "/after");
        std::fs::write(&log, "").expect("it can be emptied");
    }
    assert_eq!(sluice.metrics().await.sum("sluice_access_log_dropped_total", &[]), 0.0);
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_holds_no_request_up() {
    let (stable, canary) = pair().await;
    let settings = json!({ "path": "access.pipe", "buffer": 16 });
    let mut sluice = Sluice::prepare(logging(Config::with_canary(&stable, &canary).manual(0), settings));
    let pipe = sluice.directory().join("access.pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("coreutils are there");
    assert!(made.success(), "a pipe can be made");
    sluice.run().await;
    let report = Load::get(sluice.address()).count(400).run().await;
    report.assert_no_failures();
    let metrics = sluice.metrics().await;
    // The writer may hold one piece of lines; of the rest each worker keeps 16.
    let dropped = metrics.sum("sluice_access_log_dropped_total", &[("reason", "queue_full")]);
    assert!(dropped > 0.0, "{dropped} dropped");
    sluice.terminate();
    assert_eq!(sluice.ended().await, Some(0), "it ends although the pipe is stuck");
}
