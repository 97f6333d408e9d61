//! Answers that are compressed on their way, and those that are left alone.

use std::io::{Read, Write};

use serde_json::{Value, json};
use sluice_tests::wire::{Framing, Response};
use sluice_tests::{Answer, Backend, Config, Request, Sluice, Wire};

/// A proxy whose only route leads to `stable`, which sends 100 KB of text, and has these settings.
async fn start(compression: Value) -> (Sluice, Backend, Vec<u8>) {
    let stable = Backend::start("v1").await;
    let text: Vec<u8> = (0..10_000).flat_map(|n| format!("line {n:04}\n").into_bytes()).collect();
    stable.script(|script| script.body.clone_from(&text));
    let route = json!({ "rollout": "shop", "compression": compression });
    let sluice = Sluice::start(Config::new(&stable).set("/routes", json!([route]))).await;
    (sluice, stable, text)
}

fn accepting(target: &str, encodings: &str) -> Request {
    Request::get(target).field("Accept-Encoding", encodings)
}

fn unpacked(response: &Response) -> Vec<u8> {
    let mut text = Vec::new();
    let body = response.body.as_slice();
    match response.head.field("content-encoding") {
        None => text.extend_from_slice(body),
        Some("gzip") => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut text).expect("gzip")),
        Some("br") => drop(brotli::Decompressor::new(body, 4_096).read_to_end(&mut text).expect("Brotli")),
        Some("zstd") => text = zstd::stream::decode_all(body).expect("Zstandard"),
        Some(other) => panic!("{other}"),
    }
    text
}

#[tokio::test]
async fn an_answer_is_compressed_as_the_client_likes_it_best() {
    let (mut sluice, _stable, text) = start(json!({})).await;
    for (accepted, expected) in [("gzip", "gzip"), ("gzip, br", "br"), ("zstd, br;q=0.1", "zstd")] {
        let response = accepting("/", accepted).send(sluice.address()).await;
        assert_eq!((response.status, response.head.field("content-encoding")), (200, Some(expected)), "{accepted}");
        assert_eq!(response.head.field("vary"), Some("Accept-Encoding"));
        assert!(response.head.field("content-length").is_none() && response.body.len() < text.len() / 2);
        assert!(unpacked(&response) == text, "{accepted}");
    }
    for accepted in ["identity", "deflate", "gzip;q=0"] {
        let response = accepting("/", accepted).send(sluice.address()).await;
        assert_eq!(
            (response.head.field("content-encoding"), response.head.field("vary")),
            (None, Some("Accept-Encoding"))
        );
        assert!(response.body == text, "{accepted}");
    }
    sluice.reload(|config| config.set("/routes", json!([{ "rollout": "shop" }]))).await;
    assert_eq!(accepting("/", "gzip").send(sluice.address()).await.head.field("content-encoding"), None);
}

#[tokio::test]
async fn what_is_small_or_of_another_type_or_has_no_body_is_left_alone() {
    let (mut sluice, stable, _text) = start(json!({})).await;
    let head = Request::new("HEAD", "/").field("Accept-Encoding", "gzip").send(sluice.address()).await;
    assert_eq!(head.head.field("content-encoding"), None);
    assert_eq!(head.head.field("content-length"), Some("100000"));
    sluice.reload(|config| config.set("/routes/0/compression/types", json!(["text/html"]))).await;
    assert_eq!(accepting("/", "gzip").send(sluice.address()).await.head.field("content-encoding"), None);
    sluice.reload(|config| config.set("/routes/0/compression", json!({}))).await;
    stable.script(|script| script.body = b"small".to_vec());
    let small = accepting("/", "gzip").send(sluice.address()).await;
    assert_eq!((small.head.field("content-encoding"), small.text().as_str()), (None, "small"));
}

#[tokio::test]
async fn an_answer_that_pauses_is_written_out_so_far() {
    let (sluice, stable, _text) = start(json!({})).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(&accepting("/drip", "gzip").to_bytes()).await.expect("the proxy reads");
    let head = wire.read_head().await.expect("a head").expect("an answer");
    assert_eq!(head.field("content-encoding"), Some("gzip"));
    let mut body = head.framing(Framing::UntilClose);
    let mut unpacked = flate2::write::GzDecoder::new(Vec::new());
    while unpacked.get_ref() != b"first" {
        let piece = tokio::time::timeout(std::time::Duration::from_secs(10), wire.next_piece(&mut body)).await;
        let piece = piece.expect("the first half waits for nothing").expect("a piece").expect("more");
        unpacked.write_all(&piece).expect("gzip");
        unpacked.flush().expect("gzip");
    }
    stable.open_gate();
    unpacked.write_all(&wire.read_body(body).await.expect("the rest")).expect("gzip");
    assert_eq!(unpacked.finish().expect("a whole stream"), b"firstlast");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one_and_counts_as_ever() {
    let (sluice, stable, text) = start(json!({})).await;
    stable.answers(Answer::Truncate, 1.0);
    let broken = accepting("/", "br").try_send(sluice.address()).await;
    assert!(broken.is_err(), "{broken:?}");
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_attempt_failures_total", &[("kind", "truncated")]), 1.0);
    stable.script(|script| (script.answer, script.share) = (Answer::Status(200), 0.0));
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    for encoding in ["br", "zstd", "gzip", "br"] {
        let response = wire.exchange(&accepting("/", encoding)).await.expect("an answer");
        assert!(unpacked(&response) == text, "{encoding}");
    }
    let answered = sluice.metrics().await.sum("sluice_requests_total", &[("code", "2xx")]);
    assert!(answered >= 4.0, "{answered}");
}
